/* transpose: a permutation of axes; the copying is core/copy.c's. */
#include "move.h"

static int32_t source_axis(uint32_t perm, int32_t i) { return (int32_t)(perm >> 4 * i & 15); }

lr_status lr_infer_transpose(struct lr_infer *c) {
  uint32_t perm = ((const struct lr_transpose_attrs *)c->attrs)->perm, seen = 0;
  const struct lr_type *x = &c->in[0];
  LR_TRY(lr_move_input(c, 0));
  c->out[0] = (struct lr_type){.dtype = x->dtype, .rank = x->rank};
  for (int32_t i = 0; i < x->rank; i++) {
    int32_t a = source_axis(perm, i);
    seen |= 1u << a;
    c->out[0].dim[i] = a < x->rank ? x->dim[a] : -1;
  }
  if (seen != (1u << x->rank) - 1 || (uint64_t)perm >> 4 * x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "perm 0x%x is not a permutation of the %d axes of x", perm,
                         x->rank);
  return LR_OK;
}

static int64_t view(const struct lr_node *node, const struct lr_view *in, const void *const *value, int32_t k,
                    struct lr_view *out) {
  uint32_t perm = ((const struct lr_transpose_attrs *)node->attrs)->perm;
  for (int32_t i = 0; i < out->rank; i++) out->stride[i] = in[0].stride[source_axis(perm, i)];
  return 0;
}

static lr_status run(struct lr_run *r) {
  struct lr_view src = r->out[0];
  src.data = r->in[0].data;
  view(r->node, r->in, NULL, 0, &src);
  lr_copy_parallel(r->pool, &r->out[0], &src);
  return LR_OK;
}

const struct lr_impl lr_cpu_transpose = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT | LR_IMPL_VIEW, .run = run, .view = view};
