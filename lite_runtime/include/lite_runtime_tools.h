/* What the converter needs from the runtime besides running models. Not installed for apps; may change at any time. */
#ifndef LITE_RUNTIME_TOOLS_H
#define LITE_RUNTIME_TOOLS_H
#include "lite_runtime.h"
#ifdef __cplusplus
extern "C" {
#endif

/* begin tools */
/* XXH64 with seed 0. */
LR_API uint64_t lr_tool_hash(const void *data, size_t bytes);

/* Shape inference of one operator, the very code that the runtime runs.
 * attrs: n_attrs words (trailing defaults may be missing); post: n_post words of a post-op program; inputs: dtype, rank,
 * dims (>= 0 a size, -1 unknown, <= -2 the caller's symbols: equal ones are equal sizes) and data (NULL when the value is
 * not known; a tensor with dtype 0 is an absent optional input); outputs: filled (data untouched). */
LR_API lr_status lr_tool_infer(int32_t op, const uint32_t *attrs, int32_t n_attrs, const uint32_t *post,
                               int32_t n_post, const lr_tensor *inputs, int32_t n_inputs, lr_tensor *outputs,
                               int32_t n_outputs, lr_error *error);
/* 1 when the operator is in this build. */
LR_API int32_t lr_tool_has_op(int32_t op);
/* The most that the calling thread can do in f32 multiply-adds (two operations each), in GFLOP/s, with those instruction
 * sets that cpu_mask allows (0: all; as in lr_model_options): the best of short loops tried for `seconds`. 0 when this
 * architecture is not known. */
LR_API double lr_tool_fma_peak(double seconds, uint32_t cpu_mask);

/* What a build must have for a model, for any shapes and any CPU: all operators, kernel signatures and cases of kernels that
 * its nodes, those of subgraphs too, may ask for. Fills the first `room` of them (needs may be NULL), returns how many there
 * are. */
typedef enum lr_tool_need_kind {
  LR_TOOL_NEEDS_OP = 0,
  LR_TOOL_NEEDS_KERNEL = 1,
  LR_TOOL_NEEDS_POST = 2
} lr_tool_need_kind;
typedef struct lr_tool_need_info {
  int32_t kind;     /* lr_tool_need_kind */
  const char *name; /* as in the meson options -Dops, -Dkernels and -Dposts; static */
} lr_tool_need_info;
LR_API int32_t lr_tool_needs(const lr_model *model, lr_tool_need_info *needs, int32_t room);

/* One piece of memory of a session's plan. Addresses count from the start of the plan's own memory (activations and scratch),
 * in which pieces that never live at the same time may overlap. */
typedef enum lr_tool_where {
  LR_TOOL_IN_PLAN = 0,     /* at `offset` of the plan's memory */
  LR_TOOL_IN_IO = 1,       /* in the memory of an input, output or state; offset counts from its start */
  LR_TOOL_IN_CONSTANT = 2, /* a constant of the file, or made of constants when planning */
  LR_TOOL_IN_RUN = 3       /* its size depends on values or it comes out of a subgraph: taken in each run */
} lr_tool_where;
typedef struct lr_tool_buffer {
  const char *name; /* of the tensor; of the node whose scratch it is. Lives as long as the model */
  int32_t scratch;  /* 1: scratch of the step `first` */
  int32_t where;    /* lr_tool_where */
  int32_t producer; /* step that makes it, -1 for none */
  int32_t first,
      last; /* steps of its life; with what lies in it; last is the number of steps when it outlives the run */
  int32_t
      root; /* index of the buffer of which it is a part (a view, in place, in a concatenation), else its own */
  uint64_t offset; /* its first byte */
  uint64_t bytes;  /* of its elements; 0 while the size is not known */
  uint64_t span;   /* from its first byte to its last, which is more when its rows lie apart */
} lr_tool_buffer;
/* Buffer i of the current plan: first all tensors, then the scratch of steps. Returns 0 past the end or without a plan. */
LR_API int32_t lr_tool_plan_buffer(const lr_session *session, int32_t i, lr_tool_buffer *buffer);
/* Bytes of the plan's memory. */
LR_API uint64_t lr_tool_plan_bytes(const lr_session *session);
/* end tools */
#ifdef __cplusplus
}
#endif
#endif
