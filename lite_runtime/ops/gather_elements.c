/* gather_elements: each element of y chosen along one axis of x. */
#include "indices.h"

lr_status lr_infer_gather_elements(struct lr_infer *c) {
  int32_t axis = ((const struct lr_gather_elements_attrs *)c->attrs)->axis;
  const struct lr_type *x = &c->in[0], *idx = &c->in[1];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_move_axis(c, axis, x->rank));
  LR_TRY(lr_indices_infer(c, 1));
  if (idx->rank != x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "indices have rank %d, x has rank %d; they must be equal",
                         idx->rank, x->rank);
  for (int32_t i = 0; i < x->rank; i++)
    if (i != axis && x->dim[i] >= 0 && idx->dim[i] > x->dim[i])
      return lr_infer_fail(c, LR_ERR_MODEL, "indices have size %lld along axis %d, x has only %lld",
                           (long long)idx->dim[i], i, (long long)x->dim[i]);
  c->out[0] = *idx;
  c->out[0].dtype = x->dtype;
  return lr_move_output(c, 0);
}

struct job {
  const struct lr_view *x, *idx;
  int32_t axis;
};

/* Places in x, in elements: along its own axes those of the index, along the chosen one what the index says. */
static void from(const void *context, int64_t element, int64_t n, int64_t *at) {
  const struct job *j = context;
  const int64_t *dim = j->idx->dim, *stride = j->x->stride;
  int32_t last = j->idx->rank - 1;
  int64_t place[LR_MAX_RANK], base = 0, size = j->x->dim[j->axis], step = stride[j->axis];
  int64_t along = last == j->axis ? 0 : stride[last];
  for (int64_t i = last, e = element; i >= 0; i--) {
    assert(dim[i] > 0); /* there are elements */
    place[i] = e % dim[i];
    e /= dim[i];
    if (i != j->axis) base += place[i] * stride[i];
  }
  for (int64_t k = 0; k < n; k++) {
    at[k] = base + lr_index_in(j->idx, element + k, size) * step;
    base += along;
    for (int32_t i = last; ++place[i] == dim[i] && i > 0; i--) {
      place[i] = 0;
      if (i != j->axis) base -= dim[i] * stride[i];
      if (i - 1 != j->axis) base += stride[i - 1];
    }
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *idx = &r->in[1];
  struct job j = {x, idx, ((const struct lr_gather_elements_attrs *)r->node->attrs)->axis};
  size_t size = lr_dtype_size(x->dtype);
  for (int32_t i = 0; i < x->rank; i++)
    if (idx->dim[i] != r->out[0].dim[i] || (i != j.axis && idx->dim[i] > x->dim[i]))
      return lr_run_fail(r, LR_ERR_VALUE, "indices have size %lld along axis %d, x has only %lld",
                         (long long)idx->dim[i], i, (long long)x->dim[i]);
  LR_TRY(lr_indices_check(r, idx, j.axis, 1, &x->dim[j.axis]));
  if (lr_stopped()) return LR_OK;
  lr_move_slices(r->pool, r->out[0].data, x->data, lr_view_count(idx), size, size, from, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_gather_elements = {.flags = LR_IMPL_STRIDED_IN | LR_IMPL_FIRST_ONLY, .run = run};
