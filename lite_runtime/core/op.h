/* What an operator is: `infer` for all devices, and per device an implementation with bind, prepare and run. */
#pragma once
#include "graph.h"

/* ---- infer: shapes and dtypes, and every static check ---- */
struct lr_infer {
  const char *name;                 /* of the node, for messages */
  const void *attrs;                /* struct lr_<op>_attrs */
  const struct lr_program *program; /* checked; n == 0 when there is none */
  int32_t n_in, n_own, n_out;
  const struct lr_type *in; /* n_in; dtype 0: absent */
  const void *const *value; /* n_in; data of inputs whose values are known now, else NULL; dense */
  struct lr_type *out; /* n_out; to be filled (`custom`, `delegate`: holds the declared types, which stay) */
  lr_error *error;
  const char *op; /* name of the operator, for messages */
};
/* True when optional input i of a node is there. Every operator has its n_own inputs, absent ones too. */
static inline bool lr_infer_has(const struct lr_infer *c, int32_t i) { return i < c->n_in && c->in[i].dtype; }
/* `<op> '<name>': <message>` */
lr_status lr_infer_fail(const struct lr_infer *c, lr_status s, const char *format, ...) LR_PRINTF(3, 4);
/* Broadcasts b into a (numpy rules) on lr_dim: false when they clash. Unknown against 1 or n: n when n > 1, else unknown. */
bool lr_broadcast(struct lr_type *a, const struct lr_type *b);
/* Sets y->dtype to the result of the program when it starts with `acc` in register 0 (0 for none: elementwise). Checks types,
 * definition before use, operand numbers and that operands broadcast into y's dims (elementwise: y's dims are made by
 * broadcasting). Without a program y->dtype becomes acc_dtype. Epilogues do not divide integers by anything but immediates. */
lr_status lr_program_infer(const struct lr_infer *c, int32_t acc_dtype, struct lr_type *y);

struct lr_attr {
  char name[LR_ATTR_ROOM];
  uint8_t is_float; /* must be finite */
  uint8_t n_values; /* of an enum, else 0 */
  uint32_t missing; /* default */
};
struct lr_op {
  char inputs[LR_INPUTS_ROOM]; /* "x w b?" */
  int8_t n_own;                /* -1: variadic */
  int8_t n_out;                /* -1: one or more */
  bool post;                   /* may carry a program */
  uint8_t n_attrs;
  const struct lr_attr *attrs;
  lr_status (*infer)(struct lr_infer *c);
};
/* Generated. Names of all operators of spec/, one behind the other by code, "" where there is none; the facts by code, of
 * those that are in this build (LR_HAS_<OP>), else NULL. */
extern const char lr_op_names[];
extern const struct lr_op *const lr_ops[];
const char *lr_op_name(int32_t op); /* for messages; "operator" for an unknown code */

/* ---- views: where a tensor is during a run ---- */
struct lr_view {
  void *data;
  int32_t dtype, rank;
  int64_t dim[LR_MAX_RANK];
  int64_t stride[LR_MAX_RANK]; /* in elements */
};
static inline int64_t lr_view_count(const struct lr_view *v) {
  int64_t n = 1;
  for (int32_t i = 0; i < v->rank; i++) n *= v->dim[i];
  return n;
}
bool lr_view_dense(const struct lr_view *v); /* row-major without gaps (dims of 1 may have any stride) */
/* Copies src to dst: same dims and dtype, any strides. */
void lr_view_copy(const struct lr_view *dst, const struct lr_view *src);

/* ---- bind: once per model and node (CPU: under the model's lock), to pack weights ---- */
struct lr_bind {
  struct lr_model *model;
  const struct lr_subgraph *graph;
  const struct lr_node *node;
  void **slot; /* the operator's own; NULL at first; read it in prepare and run */
  lr_error *error;
};
/* Constant data of input i of the node, or NULL when it is not a constant. Dense, canonical order. On failure to make it
 * (hash mismatch, memory) *status is set. */
const void *lr_bind_const(const struct lr_bind *b, int32_t i, lr_status *status);
/* Memory that lives as long as the model (zeroed, 64-byte aligned), NULL when out of memory. */
void *lr_bind_alloc(const struct lr_bind *b, uint64_t bytes);

/* Packed weights: the model's cache is keyed by (tensor, descriptor). When the file has an encoding with this descriptor its
 * bytes are used in place, else pack() makes them once. `bytes` is the size of the packed form. */
struct lr_packing {
  uint32_t kind, version, nr, kr, block;
};
typedef void (*lr_pack_fn)(const void *user, const void *dense, void *packed);
lr_status lr_weights_get(const struct lr_bind *b, int32_t input, const struct lr_packing *p, uint64_t bytes,
                         lr_pack_fn pack, const void *user, const void **packed);

/* ---- prepare: once per plan and node; all shapes are known ---- */
struct lr_prepare {
  struct lr_bind bind;            /* for weights that depend on shapes */
  const struct lr_view *in, *out; /* shapes, dtypes and strides; data is not valid yet */
  int32_t n_in, n_out;
  int32_t threads;    /* scratch must be enough for this many */
  uint64_t scratch;   /* to be filled: bytes of scratch for the step (64-byte aligned) */
  void *params;       /* the step's own, from lr_prepare_alloc */
  const char *kernel; /* to be filled: name of the chosen kernel, static string */
};
/* Zeroed memory that lives as long as the plan; NULL: out of memory. */
void *lr_prepare_alloc(struct lr_prepare *p, uint64_t bytes);
/* Data of input i when its values are known now, else NULL; dense. What y's sizes were made of is known. */
const void *lr_prepare_value(const struct lr_prepare *p, int32_t i);
lr_status lr_prepare_fail(const struct lr_prepare *p, lr_status s, const char *format, ...) LR_PRINTF(3, 4);

/* ---- run ---- */
struct lr_run {
  const struct lr_model *model;
  const struct lr_node *node;
  const struct lr_view *in, *out; /* in[i].data == NULL: absent */
  int32_t n_in, n_out;
  void *slot, *params, *scratch;
  struct lr_pool *pool;
  const struct lr_custom *custom; /* for `custom` nodes */
  lr_error *error;
};
/* `<op> '<name>': <message>` */
lr_status lr_run_fail(const struct lr_run *r, lr_status s, const char *format, ...) LR_PRINTF(3, 4);
/* Runs body(context, i, thread) for i < n on the pool; thread is 0..threads-1 and unique among those running at once. */
void lr_parallel(struct lr_pool *pool, int32_t n, void (*body)(void *context, int32_t i, int32_t thread),
                 void *context);
/* True when the run that this thread works for is cancelled or past its deadline. lr_parallel asks before each body and
 * skips what is left; a loop that may take longer than a millisecond by itself asks now and then, and returns. What a
 * step has not computed then is not looked at: the run ends. Never true in bind and prepare. */
bool lr_stopped(void);

enum {
  LR_IMPL_STRIDED_IN = 1,  /* inputs 0..n_own-1 and operands may have any strides, else they are dense */
  LR_IMPL_STRIDED_OUT = 2, /* outputs may have any strides with the last one 1, else they are dense */
  LR_IMPL_INPLACE = 4,     /* output 0 may be the memory of an input of the same type and strides */
  LR_IMPL_VIEW = 8,        /* output k is a view of input 0, see `view`; run copies when it may not be one */
  LR_IMPL_LAST_DENSE = 16, /* with STRIDED_IN: the last dim must have stride 1 */
  LR_IMPL_FIRST_ONLY =
      32 /* with STRIDED_IN: of the operator's own inputs only the first may have any strides */
};
struct lr_impl {
  uint32_t flags;
  lr_status (*bind)(struct lr_bind *b);       /* may be NULL */
  lr_status (*prepare)(struct lr_prepare *p); /* may be NULL */
  lr_status (*run)(struct lr_run *r);         /* prepare and run: not when all outputs are empty */
  /* LR_IMPL_VIEW: fills out's stride and returns the offset in elements from in[0]'s data, or -1 when this cannot be a view.
   * in: all inputs of the node (their data is not looked at, `value` is); out: output k, its dims filled. */
  int64_t (*view)(const struct lr_node *node, const struct lr_view *in, const void *const *value, int32_t k,
                  struct lr_view *out);
};
extern const struct lr_impl *const lr_cpu_impls[]; /* like lr_ops */

/* ---- epilogues: for operators that compute tiles of accumulators (any dtype, mostly f32 or i32) ---- */
/* A node's program, bound to kernels, types and strides for one step; made in prepare, read only afterwards. */
struct lr_rows;
/* acc_dtype: of the accumulator that register 0 starts with. Operands are inputs n_own... of the node, y is out[0]. Without a
 * program the accumulator is copied, and converted when y's dtype is another. */
lr_status lr_epilogue_prepare(struct lr_prepare *p, int32_t acc_dtype, const struct lr_rows **e);
/* Runs the program over a tile of `rows` x `n` accumulators (row stride acc_stride elements) and stores into y. The tile
 * covers the last-dim elements col..col+n-1 of `rows` output rows; row r is at the coordinates of `row + r` when output dims
 * 0..rank-2 are counted row-major. operands: views of inputs n_own... now (r->in + n_own) and y: r->out; only their `data` is
 * read. `tmp` has LR_EPILOGUE_TMP bytes of the calling thread. acc is not changed, and may be y's memory (acc then lies where
 * y's rows are) when it is of y's dtype. Long rows are cheapest, so call it for many columns at once. */
#define LR_EPILOGUE_CHUNK 512
#define LR_MAX_REPEATS 2 /* operands whose copies side by side are in tmp */
#define LR_EPILOGUE_TMP ((LR_REGISTERS + 4 + LR_MAX_REPEATS) * LR_EPILOGUE_CHUNK * 8)
void lr_epilogue(const struct lr_rows *e, const struct lr_view *operands, const void *acc, int64_t acc_stride,
                 const struct lr_view *y, int64_t row, int64_t rows, int64_t col, int64_t n, void *tmp);
/* True when the program is only clamping in f32 (relu, clip with immediates, or empty): then [*lo, *hi] says it all and the
 * kernel does it in registers. */
bool lr_program_is_clamp(const struct lr_program *p, float *lo, float *hi);
