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
/* end tools */
#ifdef __cplusplus
}
#endif
#endif
