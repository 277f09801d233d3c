/* gather_elements: each element of y chosen along one axis of x. */
#include "indices.h"

enum { TASK = 8192 };

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
  char *y;
  int32_t axis;
  int64_t step[LR_MAX_RANK]; /* of x, in elements */
  int64_t rows, each;
};

/* Place in x of the first element of a row of indices, but for the axis's own part. */
static int64_t row_start(const struct job *j, int64_t row) {
  int64_t at = 0;
  for (int32_t i = j->idx->rank - 2; i >= 0; i--) {
    assert(j->idx->dim[i] > 0); /* there are rows */
    if (i != j->axis) at += row % j->idx->dim[i] * j->step[i];
    row /= j->idx->dim[i];
  }
  return at;
}

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  int32_t last = j->x->rank - 1;
  int64_t n = j->idx->dim[last], size = j->x->dim[j->axis], step = j->step[j->axis];
  size_t bytes = lr_dtype_size(j->x->dtype);
  for (int64_t row = task * j->each; row < (task + 1) * j->each && row < j->rows && !lr_stopped(); row++) {
    int64_t start = row_start(j, row);
    for (int64_t i = 0; i < n; i++) {
      int64_t k = lr_index_in(j->idx, row * n + i, size);
      int64_t from = start + k * step + (j->axis == last ? 0 : i);
      memcpy(j->y + (size_t)(row * n + i) * bytes, (const char *)j->x->data + (size_t)from * bytes, bytes);
    }
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *idx = &r->in[1];
  struct job j = {x, idx, r->out[0].data, ((const struct lr_gather_elements_attrs *)r->node->attrs)->axis};
  int64_t count = lr_view_count(idx), size = x->dim[j.axis];
  for (int32_t i = 0; i < x->rank; i++)
    if (idx->dim[i] != r->out[0].dim[i] || (i != j.axis && idx->dim[i] > x->dim[i]))
      return lr_run_fail(r, LR_ERR_VALUE, "indices have size %lld along axis %d, x has only %lld",
                         (long long)idx->dim[i], i, (long long)x->dim[i]);
  for (int64_t i = 0; i < count; i++) {
    if (i % 65536 == 65535 && lr_stopped()) return LR_OK;
    if (lr_index_in(idx, i, size) < 0) return lr_index_fail(r, idx, i, j.axis, size);
  }
  if (!count) return LR_OK;
  for (int32_t i = x->rank - 1, k = 0; i >= 0; i--, k++) j.step[i] = k ? j.step[i + 1] * x->dim[i + 1] : 1;
  j.rows = count / idx->dim[x->rank - 1];
  j.each = TASK / idx->dim[x->rank - 1] + 1;
  if (j.rows / j.each >= INT32_MAX) j.each = j.rows / (1 << 20) + 1;
  lr_parallel(r->pool, (int32_t)((j.rows + j.each - 1) / j.each), body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_gather_elements = {.run = run};
