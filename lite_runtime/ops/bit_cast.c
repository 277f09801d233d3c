/* bit_cast: the same bytes as another dtype. */
#include "move.h"

lr_status lr_infer_bit_cast(struct lr_infer *c) {
  const struct lr_bit_cast_attrs *a = c->attrs;
  LR_TRY(lr_move_input(c, 0));
  int32_t to = a->to < 256 ? (int32_t)a->to : 0;
  if (to == LR_I4 || to == LR_U4 || to == LR_BOOL || lr_dtype_size(to) != lr_dtype_size(c->in[0].dtype))
    return lr_infer_fail(
        c, LR_ERR_UNSUPPORTED,
        "%s cannot be taken as %s; elements must be of one size, and not every byte is a bool",
        lr_dtype_name(c->in[0].dtype), lr_dtype_name(to));
  c->out[0] = c->in[0];
  c->out[0].dtype = to;
  return LR_OK;
}

static int64_t view(const struct lr_node *node, const struct lr_view *in, const void *const *value, int32_t k,
                    struct lr_view *out) {
  memcpy(out->stride, in[0].stride, sizeof out->stride);
  return 0;
}

static lr_status run(struct lr_run *r) {
  struct lr_view src = r->in[0];
  src.dtype = r->out[0].dtype;
  lr_copy_parallel(r->pool, &r->out[0], &src);
  return LR_OK;
}

const struct lr_impl lr_cpu_bit_cast = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT | LR_IMPL_VIEW, .run = run, .view = view};
