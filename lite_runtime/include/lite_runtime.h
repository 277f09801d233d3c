/* lite_runtime: run .lrm models. One header, C11, clean in C++.
 *
 * Objects
 *   lr_model    an immutable graph and its locked cache of packed weights; any number of sessions and threads share it
 *   lr_session  one model, its shapes, its memory plan and its state tensors; one thread at a time
 *   lr_pool     worker threads, shared by any number of sessions
 * Sessions hold a reference to their model and pool, so these may be closed in any order.
 *
 * Callbacks
 *   Called by a call on a session (on_step, a custom operator, a device, parallel_for, the allocator), they may call
 *   lr_session_cancel, _step and _memory on it; every other call on that session is refused with LR_ERR_ARGUMENT and a
 *   sentence. So is a call from a second thread while one is under way.
 *
 * Errors
 *   Functions return a status. Each takes an `lr_error *` that the caller owns and may be NULL; on failure it holds one
 *   sentence `<where>: <what is wrong>[; <what to do>]`. Out-parameters are NULL or unchanged on failure.
 *
 * Option structs start with `size` (set it to sizeof the struct); zero in any other field means its default; fields are
 * only ever appended. A NULL option pointer means all defaults.
 */
#ifndef LITE_RUNTIME_H
#define LITE_RUNTIME_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#ifndef LR_API
#if defined(__GNUC__) && !defined(_WIN32) /* there a list names what the DLL exports */
#define LR_API __attribute__((visibility("default")))
#else
#define LR_API
#endif
#endif

/* begin api (this part is also what the Python binding is made of) */
typedef enum lr_status {
  LR_OK = 0,
  LR_ERR_ARGUMENT = 1,    /* the caller passed something wrong */
  LR_ERR_IO = 2,          /* a file could not be read */
  LR_ERR_MODEL = 3,       /* the file is damaged or is not a model */
  LR_ERR_VERSION = 4,     /* the file needs a newer runtime */
  LR_ERR_UNSUPPORTED = 5, /* this build cannot do that */
  LR_ERR_VALUE = 6,       /* a value in a tensor is out of range */
  LR_ERR_MEMORY = 7,      /* out of memory, or the memory limit is reached */
  LR_ERR_DEVICE = 8,      /* an accelerator failed */
  LR_ERR_CANCELLED = 9    /* cancelled, or the deadline passed */
} lr_status;

typedef struct lr_error {
  char message[512]; /* NUL-terminated UTF-8 */
} lr_error;

/* Codes as in the file. */
typedef enum lr_dtype {
  LR_F32 = 1,
  LR_F16 = 2,
  LR_BF16 = 3,
  LR_F64 = 4,
  LR_I8 = 5,
  LR_U8 = 6,
  LR_I16 = 7,
  LR_U16 = 8,
  LR_I32 = 9,
  LR_U32 = 10,
  LR_I64 = 11,
  LR_U64 = 12,
  LR_BOOL = 13,
  LR_I4 = 14,
  LR_U4 = 15
} lr_dtype;

#define LR_MAX_RANK 8

/* What a tensor is in a model. dims: >= 0 a size; -1 unknown; -2 - k: symbol k (lr_model_symbol). */
typedef enum lr_role { LR_INPUT = 0, LR_OUTPUT = 1, LR_STATE = 2 } lr_role;
typedef struct lr_tensor_info {
  const char *name; /* owned by the model */
  int32_t dtype;    /* lr_dtype */
  int32_t rank;     /* 0 to LR_MAX_RANK */
  int64_t dims[8];
} lr_tensor_info;

/* A dense row-major tensor in memory. */
typedef struct lr_tensor {
  void *data; /* NULL while a shape is not known yet, and while the memory that is bound is too small */
  size_t bytes;
  int32_t dtype; /* lr_dtype */
  int32_t rank;
  int64_t dims[8];
} lr_tensor;

typedef struct lr_model lr_model;
typedef struct lr_session lr_session;
typedef struct lr_pool lr_pool;

/* Memory for everything that a model, session or pool holds. alloc returns `bytes` bytes aligned to `align` (a power of two)
 * or NULL; both may be called from any thread, and call no function of this library. */
typedef struct lr_allocator {
  void *(*alloc)(void *user, size_t bytes, size_t align);
  void (*free)(void *user, void *p);
  void *user;
} lr_allocator;

#define LR_VERIFY_DEFAULT 0         /* graph always; weights at load up to 256 MB, above that at first use */
#define LR_VERIFY_NONE 1            /* do not check the hashes of weights */
#define LR_CPU_PORTABLE 0x80000000u /* cpu_mask: plain C kernels alone (small AArch64 builds: NEON) */

typedef struct lr_model_options {
  size_t size;
  uint32_t verify; /* LR_VERIFY_* */
  uint32_t
      cpu_mask; /* instruction sets that may be used (bits of spec: lr_cpu_name); 0: all that the CPU has */
  const lr_allocator *allocator; /* copied; NULL: malloc */
  void (*log)(void *user, const char *message);
  void *log_user;
} lr_model_options;

/* Reads `bytes` bytes at `offset` into `to`; returns 0 on success. */
typedef int (*lr_read_fn)(void *user, uint64_t offset, void *to, size_t bytes);

/* Human words for a status; never NULL. */
LR_API const char *lr_status_string(lr_status status);
/* "0.1.0" */
LR_API const char *lr_version(void);
/* Name of one instruction set bit of cpu_mask ("sse2", "avx2", ...), or NULL; lr_cpu_features: bits this CPU has. */
LR_API const char *lr_cpu_name(uint32_t bit);
LR_API uint32_t lr_cpu_features(void);

/* Opens a model from a file, which is mapped and must not change while the model is open. The path is UTF-8 on Windows. */
LR_API lr_status lr_model_open(const char *path, const lr_model_options *options, lr_model **model,
                               lr_error *error);
/* Opens a model from memory that the caller keeps alive and unchanged until the model and its sessions are closed. Any
 * alignment; a start that is not 64-byte aligned costs a copy of the weights. */
LR_API lr_status lr_model_open_memory(const void *data, size_t bytes, const lr_model_options *options,
                                      lr_model **model, lr_error *error);
/* Opens `bytes` bytes at `offset` of an open file (any alignment); the descriptor may be closed afterwards. On
 * Windows it is one of the UCRT, which an app and a DLL share. */
LR_API lr_status lr_model_open_fd(int fd, uint64_t offset, uint64_t bytes, const lr_model_options *options,
                                  lr_model **model, lr_error *error);
/* Opens a model of `bytes` bytes through a callback, for example to decrypt; the model is copied into memory. */
LR_API lr_status lr_model_open_reader(lr_read_fn read, void *user, uint64_t bytes,
                                      const lr_model_options *options, lr_model **model, lr_error *error);
LR_API void lr_model_close(lr_model *model); /* NULL is allowed */

/* Number of inputs, outputs or states, and the facts of one. */
LR_API int32_t lr_model_count(const lr_model *model, lr_role role);
LR_API lr_status lr_model_info(const lr_model *model, lr_role role, int32_t index, lr_tensor_info *info,
                               lr_error *error);
/* Name of a symbolic dim (dims[i] == -2 - k), or NULL. */
LR_API const char *lr_model_symbol(const lr_model *model, int32_t k);
/* Entry i of the source model's metadata; returns 0 past the end. */
LR_API int32_t lr_model_metadata(const lr_model *model, int32_t i, const char **key, const char **value);

/* Runs body(context, i) for each i < n, on any threads, and returns when all are done. */
typedef void (*lr_parallel_fn)(void *user, void (*body)(void *context, int32_t i), void *context, int32_t n);
typedef struct lr_pool_options {
  size_t size;
  int32_t threads; /* threads that work, the caller included: 1 to 256; 0: one a core */
  lr_parallel_fn
      parallel_for; /* the app's own threads instead of ours; then `threads` says how many they are */
  void *user;
  const lr_allocator
      *allocator; /* copied; NULL: malloc. The system takes the threads' stacks from elsewhere */
} lr_pool_options;
/* LR_ERR_MEMORY when the system gives fewer threads than wanted; then none is left running. */
LR_API lr_status lr_pool_open(const lr_pool_options *options, lr_pool **pool, lr_error *error);
LR_API void lr_pool_close(lr_pool *pool); /* NULL is allowed */

/* One finished step of a run. Pointers are valid during the callback only. */
typedef struct lr_step {
  int32_t index;
  const char *node;   /* name of the node */
  const char *op;     /* operator */
  const char *device; /* "cpu" or a device's name */
  const char *
      kernel; /* kernel that ran, "" when the operator has just one way; "view" when there was nothing to do */
  const char *reason; /* why a delegate's node runs on the cpu, else "" */
  uint64_t ns;        /* wall time; 0 when listed by lr_session_step */
  int32_t n_outputs;
  const char *output_names[8];
  lr_tensor outputs[8]; /* copies of the facts; data is NULL when listed and where the layout is not dense */
} lr_step;

/* A user's operator (node `custom`). infer fills dtype, rank and dims of outputs from those of inputs (data is NULL there);
 * run gets dense tensors and fills outputs' data. Both return LR_OK or a status with a message. */
typedef struct lr_custom {
  const char *name;
  lr_status (*infer)(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                     lr_tensor *out, int32_t n_out, lr_error *error);
  lr_status (*run)(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                   lr_tensor *out, int32_t n_out, lr_error *error);
  void *user;
} lr_custom;

typedef struct lr_session_options {
  size_t size;
  int32_t threads; /* without pool: a private pool of that many; 0: one a core */
  lr_pool *pool;
  uint64_t memory_limit;         /* bytes of activations, scratch and state; 0: no limit */
  const lr_allocator *allocator; /* NULL: the model's */
  const lr_custom *customs;      /* copied */
  int32_t n_customs;
  uint32_t keep_all; /* 1: every tensor keeps its own memory until the next run (for comparing layers) */
  uint32_t require_devices; /* 1: a delegate node that no device takes is an error, not a fallback */
  /* accelerators in order of preference (core/device.h); the CPU is implied */
  const struct lr_device *const *devices;
  int32_t n_devices;
  /* most plans for different input shapes that are kept, without their activations; 0: 4, 1: only the current one */
  int32_t plans;
} lr_session_options;
LR_API lr_status lr_session_open(lr_model *model, const lr_session_options *options, lr_session **session,
                                 lr_error *error);
/* NULL is allowed. When a call on the session is under way (in a callback, or in another thread), it is cancelled, and the
 * session is freed when that call returns, with LR_ERR_CANCELLED; until then what is bound and the model's bytes must stay.
 * No function may be called on a session that was closed, lr_session_cancel neither. */
LR_API void lr_session_close(lr_session *session);

/* Gives input `index` a shape. Takes effect at the next lr_session_plan or lr_session_run. */
LR_API lr_status lr_session_resize(lr_session *session, int32_t index, int32_t rank, const int64_t *dims,
                                   lr_error *error);
/* Plans memory and kernels for the current shapes now (run does it by itself when needed). After it, tensors have data. */
LR_API lr_status lr_session_plan(lr_session *session, lr_error *error);
/* Uses the caller's memory (at least 1-byte aligned for 8-bit types, else aligned to the element) for an input or output,
 * until rebound; NULL goes back to the session's own. `bytes` must be at least the tensor's size at each run. */
LR_API lr_status lr_session_bind(lr_session *session, lr_role role, int32_t index, void *data, size_t bytes,
                                 lr_error *error);
/* Where an input is to be written, an output read, a state read or written. Outputs whose shape depends on values have it
 * after a run. Pointers live until the next resize, bind, plan or close. */
LR_API lr_status lr_session_tensor(lr_session *session, lr_role role, int32_t index, lr_tensor *tensor,
                                   lr_error *error);

typedef struct lr_run_options {
  size_t size;
  uint64_t timeout_ns; /* 0: none; when it passes, the run ends with LR_ERR_CANCELLED */
  void (*on_step)(void *user, const lr_step *step); /* after each step that was not cancelled */
  void *user;
  uint32_t trap_nan; /* 1: stop with LR_ERR_VALUE at the first step that makes a NaN or Inf, and name it */
} lr_run_options;
/* After a failure outputs hold anything; states hold what they held before the run, and the next run is as good as any. */
LR_API lr_status lr_session_run(lr_session *session, const lr_run_options *options, lr_error *error);
/* From any thread, at any time until close: the current run or plan, or when none is under way nothing, ends with
 * LR_ERR_CANCELLED. Steps stop within a few milliseconds of work, custom operators and devices when they are done. */
LR_API void lr_session_cancel(lr_session *session);
/* All state tensors back to zero. Does nothing while a call on the session is under way. */
LR_API void lr_session_reset_state(lr_session *session);
/* Step i of the current plan; returns 0 past the end or without a plan. */
LR_API int32_t lr_session_step(const lr_session *session, int32_t i, lr_step *step);
/* Bytes that the session holds for activations, scratch and state. */
LR_API uint64_t lr_session_memory(const lr_session *session);
/* end api */

#ifdef __cplusplus
}
#endif
#endif
