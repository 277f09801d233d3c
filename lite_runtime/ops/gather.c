/* gather: slices of x along one axis, in the order that indices give. */
#include "indices.h"

lr_status lr_infer_gather(struct lr_infer *c) {
  int32_t axis = ((const struct lr_gather_attrs *)c->attrs)->axis;
  const struct lr_type *x = &c->in[0], *idx = &c->in[1];
  struct lr_type *y = &c->out[0];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_move_axis(c, axis, x->rank));
  LR_TRY(lr_indices_infer(c, 1));
  int32_t rank = x->rank - 1 + idx->rank;
  if (rank > LR_MAX_RANK)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "y would have rank %d; at most %d is supported", rank,
                         LR_MAX_RANK);
  *y = (struct lr_type){.dtype = x->dtype, .rank = rank};
  for (int32_t i = 0; i < axis; i++) y->dim[i] = x->dim[i];
  for (int32_t i = 0; i < idx->rank; i++) y->dim[axis + i] = idx->dim[i];
  for (int32_t i = axis + 1; i < x->rank; i++) y->dim[i - 1 + idx->rank] = x->dim[i];
  if (c->value[1] && x->dim[axis] >= 0 && lr_type_known(idx))
    LR_TRY(lr_indices_known(c, 1, lr_type_count(idx), axis, x->dim[axis]));
  return lr_move_output(c, 0);
}

/* One known index selects a part of x. */
static int64_t view(const struct lr_node *node, const struct lr_view *in, const void *const *value, int32_t k,
                    struct lr_view *out) {
  int32_t axis = ((const struct lr_gather_attrs *)node->attrs)->axis, extra = in[1].rank;
  if (!value[1] || lr_view_count(&in[1]) != 1) return -1;
  const struct lr_view known = {.data = (void *)(uintptr_t)value[1], .dtype = in[1].dtype};
  int64_t i = lr_index_in(&known, 0, in[0].dim[axis]);
  for (int32_t d = 0; d < axis; d++) out->stride[d] = in[0].stride[d];
  for (int32_t d = 0; d < extra; d++) out->stride[axis + d] = 1; /* dims of 1 */
  for (int32_t d = axis + 1; d < in[0].rank; d++) out->stride[d - 1 + extra] = in[0].stride[d];
  return i * in[0].stride[axis];
}

struct job {
  const struct lr_view *indices;
  int64_t n, size; /* of indices, of the axis */
};

static void from(const void *context, int64_t row, int64_t n, int64_t *at) {
  const struct job *j = context;
  int64_t i = row % j->n, base = row / j->n * j->size;
  for (int64_t k = 0; k < n; k++) {
    at[k] = base + lr_index_in(j->indices, i, j->size);
    if (++i < j->n) continue;
    i = 0;
    base += j->size;
  }
}

static lr_status run(struct lr_run *r) {
  int32_t axis = ((const struct lr_gather_attrs *)r->node->attrs)->axis;
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct job j = {&r->in[1], lr_view_count(&r->in[1]), x->dim[axis]};
  LR_TRY(lr_indices_check(r, j.indices, axis, 1, &j.size));
  if (lr_stopped()) return LR_OK;
  struct lr_around around = lr_around_axis(x, axis);
  int64_t rows = around.outer * j.n;
  size_t block = (size_t)around.inner * lr_dtype_size(x->dtype);
  if (rows * around.inner != lr_view_count(y))
    return lr_run_fail(r, LR_ERR_VALUE, "y has %lld elements, which is not what x and indices give",
                       (long long)lr_view_count(y));
  lr_move_slices(r->pool, y->data, x->data, rows, block, block, from, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_gather = {.flags = LR_IMPL_VIEW, .run = run, .view = view};
