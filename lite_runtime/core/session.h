/* A session and its plan. The plan is the graph for one set of input shapes: a list of steps and a place for each tensor.
 *
 * plan.c     flattens the graph into steps and infers shapes; fold.c computes what is known at plan time; placement.c asks
 *            the devices
 * plans.c    keeps plans for shapes that may come again
 * memory.c   decides views, in-place steps, strides into concatenations; lays tensors out in the arena
 * control.c  runs `if` and `loop`, whose subgraphs have sessions of their own
 * run.c      executes; session.c is the API; call.c lets one call in at a time, and stops it */
#pragma once
#include <stdatomic.h>

#include "arena.h"
#include "device.h"
#include "op.h"
#include "pool.h"

enum lr_place {
  LR_AT_NOWHERE, /* not used by any step */
  LR_AT_ARENA,   /* temp, in the plan's arena */
  LR_AT_CONST,   /* in the file */
  LR_AT_INPUT,   /* the caller's or the session's buffer of input `io` */
  LR_AT_OUTPUT,  /* the caller's or the session's buffer of output `io` */
  LR_AT_STATE,   /* the session's state `io` */
  LR_AT_PLAN,    /* computed at plan time; `data` is in the plan */
  LR_AT_DYNAMIC  /* shape depends on values: own buffer, sized in each run */
};

struct lr_plan_tensor {
  const struct lr_graph_tensor *def;
  const struct lr_subgraph *graph; /* where def lives (for constants) */
  int32_t def_index;
  struct lr_type type;
  enum lr_place place;
  int32_t io;        /* index of the input, output or state */
  const void *value; /* data when it is known at plan time, else NULL */
  bool made;         /* has a producer step */
  /* memory.c */
  int32_t root;   /* the tensor whose memory this is a part of; itself when it has its own */
  int64_t offset; /* in elements, from root's start */
  int64_t stride[LR_MAX_RANK];
  int32_t producer;    /* step, -1 none */
  int32_t first, last; /* steps of its life; of a root: of all that lie in it */
  bool viewed;         /* others lie in it */
  bool apart;          /* never a view but dense: becomes a state, which it must not overlap */
  size_t arena_offset;
  void *buffer; /* LR_AT_DYNAMIC: own memory */
  size_t capacity;
};

struct lr_plan_step {
  const struct lr_subgraph *graph;
  const struct lr_node *node;
  const struct lr_impl *impl; /* NULL: on a device */
  int32_t n_in, n_out;
  int32_t *in, *out;    /* plan tensors; in[] may be -1 */
  struct lr_view *view; /* n_in, then n_out */
  void *slot, *params, *scratch;
  size_t scratch_bytes, scratch_offset;
  const char *kernel;
  const char *reason;
  const struct lr_custom *custom;
  bool dynamic;                   /* infer, prepare and memory happen in each run */
  bool nothing;                   /* all outputs are views: nothing to do */
  struct lr_arena arena;          /* dynamic: params of this run */
  size_t scratch_capacity;        /* dynamic */
  const struct lr_device *device; /* with `program` and one handle an input and output */
  void *program;
  void **handle, **host;
  struct lr_control *control; /* of an `if` or `loop`, from its first run on */
};

struct lr_plan {
  struct lr_arena arena; /* of structs and values */
  int32_t n_tensors, max_tensors, n_steps, max_steps;
  struct lr_plan_tensor *tensor;
  struct lr_plan_step *step;
  struct lr_type *input;  /* of the session's inputs, which it was made for */
  struct lr_type *output; /* of its outputs, as far as the plan knows */
  void *memory;           /* activations and scratch */
  size_t bytes;
  bool made;     /* complete, but for shapes that may have changed since */
  bool ready;    /* and it is for the shapes that the inputs have */
  bool resolved; /* views have their addresses */
};

/* How many steps there are: none in a build without operators, of which the compiler then drops all that serves steps. */
static inline int32_t lr_steps(const struct lr_plan *p) { return LR_HAS_ANY ? p->n_steps : 0; }

/* An input, output or state of the session. */
struct lr_io {
  const struct lr_graph_tensor *def;
  int32_t tensor;      /* index in the main subgraph, which is also that in the plan */
  struct lr_type type; /* input: as resized; output: of the plan or the last run */
  void *bound;         /* the caller's memory */
  size_t bound_bytes;
  void *own;
  size_t capacity;
  bool copied; /* output: copied at the end of the run, because its tensor lives elsewhere */
};

struct lr_session {
  lr_model *model;
  const struct lr_subgraph *graph; /* the main one, or that of a node of `outer` */
  /* whose memory limit, customs, devices and end of time are those of this one; or NULL */
  struct lr_session *outer;
  lr_allocator alloc;
  lr_pool *pool;
  uint64_t limit, held; /* bytes */
  bool keep_all, require_devices;
  struct lr_custom *customs;
  int32_t n_customs;
  const struct lr_device **devices;
  int32_t n_devices;
  struct lr_io *io[3]; /* by lr_role */
  int32_t n_io[3];
  int64_t *symbols; /* values that the input shapes give them, -1 unknown */
  struct lr_plan plan;
  struct lr_plan *kept; /* for other shapes, latest first; room for max_kept + 1 */
  int32_t n_kept, max_kept;
  struct lr_stop *watch; /* the stop of the outermost session */
  struct lr_stop stop;   /* of the run or plan that is under way */
  atomic_int use;        /* LR_IN_USE, LR_CLOSING */
};

/* Each call of the API that changes the session holds it. That is what refuses callbacks that call back in, and a second
 * thread. When it is closed meanwhile, the call that holds it frees it at its end. */
enum { LR_IN_USE = 1, LR_CLOSING = 2 };
void lr_session_destroy(lr_session *s);
lr_status lr_session_enter(lr_session *s, const char *what, lr_error *error);
/* `status`, or CANCELLED when the session was closed, and is gone. */
lr_status lr_session_leave(lr_session *s, lr_status status, lr_error *error);
/* A plan or run that can be stopped begins: forgets earlier cancellations. timeout_ns: 0 for none. */
void lr_session_start(lr_session *s, uint64_t timeout_ns);
/* OK, or CANCELLED with `<what>: cancelled at step ...`. */
lr_status lr_session_go_on(const lr_session *s, const char *what, int32_t step, lr_error *error);

/* Memory counted against the session's limit; the message says what it was for. *p is NULL on failure. */
lr_status lr_session_alloc(lr_session *s, uint64_t bytes, const char *what, void **p, lr_error *error);
void lr_session_free(lr_session *s, void *p, size_t bytes);

/* Checks that all inputs have shapes, binds symbols, sizes the states and makes the plan. */
lr_status lr_session_plan_now(lr_session *s, lr_error *error);

lr_status lr_plan_make(lr_session *s, lr_error *error);
/* Gives back all that counts against the limit; the plan can be used again once `memory` is there. */
void lr_plan_free_memory(lr_session *s, struct lr_plan *p);
void lr_plan_clear(lr_session *s, struct lr_plan *p);
/* plans.c: makes s->plan one for the inputs' shapes: one that is kept, or a new one. Then the end of them all. */
lr_status lr_plans_switch(lr_session *s, lr_error *error);
void lr_plans_clear(lr_session *s);
/* Calls the node's infer with these types and values; for `custom` the user's. Checks the result's sizes. */
lr_status lr_plan_infer(const lr_session *s, const struct lr_plan_step *step, const struct lr_type *in,
                        const void *const *value, struct lr_type *out, lr_error *error);
/* Calls bind and prepare of a step whose types, strides are set; params come from `arena`. */
lr_status lr_plan_prepare(lr_session *s, struct lr_plan_step *step, struct lr_arena *arena, lr_error *error);
/* What the implementation of a prepared step gets; the step's views have their data, and its scratch is set. */
struct lr_run lr_plan_call(const lr_session *s, const struct lr_plan_step *step, lr_error *error);

/* Views, in-place steps and strides, before prepare; then, when scratch sizes are known, addresses in the arena. */
lr_status lr_memory_plan(lr_session *s, lr_error *error);
lr_status lr_memory_assign(lr_session *s, lr_error *error);
/* Row-major strides, and a view with them. */
void lr_dense_strides(const struct lr_type *t, int64_t *stride);
struct lr_view lr_dense_view(const struct lr_type *t, void *data);

/* fold.c: can the step be computed now, from values that are known; doing so, into memory of the plan. */
bool lr_plan_foldable(const struct lr_plan *p, const struct lr_plan_step *st);
lr_status lr_plan_fold(lr_session *s, struct lr_plan_step *st, lr_error *error);

/* placement.c: offers a delegate to the devices; *taken says whether one compiled it, `why` collects the refusals. Then its
 * buffers; a run; the end of both. */
lr_status lr_device_offer(lr_session *s, struct lr_plan_step *st, bool *taken, char *why, size_t why_size,
                          lr_error *error);
static inline bool lr_on_device(const struct lr_plan_step *st) { return LR_HAS_DELEGATE && st->device; }
/* Does a step make no element at all? Then it is neither prepared nor run, however large its other sizes are. Devices and
 * custom operators are called all the same. The step's views are set. */
bool lr_makes_nothing(const struct lr_plan_step *st);
lr_status lr_device_buffers(lr_session *s, struct lr_plan_step *st, lr_error *error);
lr_status lr_device_run(struct lr_plan_step *st, lr_error *error);
void lr_device_clear(struct lr_plan_step *st);

/* control.c: is it a step that runs subgraphs; running it (its inputs are looked up, its outputs made); giving back
 * all that it holds, until it runs again. */
static inline bool lr_is_control(const struct lr_plan_step *st) {
  return (LR_HAS_IF && st->node->op == LR_OP_IF) || (LR_HAS_LOOP && st->node->op == LR_OP_LOOP);
}
lr_status lr_control_run(lr_session *s, struct lr_plan_step *st, lr_error *error);
void lr_control_clear(lr_session *s, struct lr_plan_step *st);
/* A session for a subgraph, inside of another one. */
lr_status lr_session_open_inner(lr_session *outer, const struct lr_subgraph *graph, lr_session **inner,
                                lr_error *error);
/* Plans when shapes changed, and runs: what lr_session_run does but for who may call and how long. */
lr_status lr_session_run_now(lr_session *s, const lr_run_options *o, lr_error *error);
/* run.c: where a tensor is now; memory for one whose size came out in this run. */
lr_status lr_tensor_view(lr_session *s, int32_t tensor, struct lr_view *v, lr_error *error);
lr_status lr_tensor_make(lr_session *s, int32_t tensor, const struct lr_type *type, lr_error *error);

/* Makes sure that an input, output or state has `bytes` bytes of memory of its own. */
lr_status lr_io_own(lr_session *s, struct lr_io *io, size_t bytes, lr_error *error);
