/* gather_nd: slices of x at coordinates. */
#include "indices.h"

lr_status lr_infer_gather_nd(struct lr_infer *c) {
  int32_t b = ((const struct lr_gather_nd_attrs *)c->attrs)->batch_dims;
  const struct lr_type *x = &c->in[0], *idx = &c->in[1];
  struct lr_type *y = &c->out[0];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_indices_infer(c, 1));
  lr_dim k = idx->rank ? idx->dim[idx->rank - 1] : -1;
  if (b < 0 || idx->rank < 1 || b >= idx->rank || b > x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "batch_dims is %d, but x has rank %d and indices rank %d", b,
                         x->rank, idx->rank);
  if (k < 0)
    return lr_infer_fail(
        c, LR_ERR_UNSUPPORTED,
        "the last size of indices is not known, so the rank of y is not; give it a fixed size");
  if (k > x->rank - b)
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "indices have %lld coordinates, but x has only %d dims behind the batch",
                         (long long)k, x->rank - b);
  int32_t rank = idx->rank - 1 + x->rank - b - (int32_t)k;
  if (rank > LR_MAX_RANK)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "y would have rank %d; at most %d is supported", rank,
                         LR_MAX_RANK);
  *y = (struct lr_type){.dtype = x->dtype, .rank = idx->rank - 1};
  memcpy(y->dim, idx->dim, sizeof(lr_dim) * (size_t)y->rank);
  for (int32_t i = 0; i < b; i++)
    if (!lr_dim_unify(&y->dim[i], x->dim[i]))
      return lr_infer_fail(c, LR_ERR_MODEL, "batch dim %d is %lld in x and %lld in indices", i,
                           (long long)x->dim[i], (long long)idx->dim[i]);
  for (int32_t i = b + (int32_t)k; i < x->rank; i++) y->dim[y->rank++] = x->dim[i];
  return lr_move_output(c, 0);
}

struct job {
  const struct lr_view *idx;
  int32_t k;           /* coordinates */
  int64_t batch_rows;  /* of indices in one batch */
  const int64_t *size; /* of the axes that they are for */
};

/* Which slices of x rows of indices name. */
static void from(const void *context, int64_t row, int64_t n, int64_t *at) {
  const struct job *j = context;
  for (int64_t i = 0; i < n; i++, row++) {
    at[i] = row / j->batch_rows;
    for (int32_t k = 0; k < j->k; k++)
      at[i] = at[i] * j->size[k] + lr_index_in(j->idx, row * j->k + k, j->size[k]);
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *idx = &r->in[1], *y = &r->out[0];
  int32_t batch = ((const struct lr_gather_nd_attrs *)r->node->attrs)->batch_dims;
  struct job j = {idx, (int32_t)idx->dim[idx->rank - 1], 1, x->dim + batch};
  int64_t rows = 1;
  size_t block = lr_dtype_size(x->dtype);
  for (int32_t i = 0; i < idx->rank - 1; i++) *(i < batch ? &rows : &j.batch_rows) *= idx->dim[i];
  rows *= j.batch_rows;
  for (int32_t i = batch + j.k; i < x->rank; i++) block *= (size_t)x->dim[i];
  bool fits = (size_t)rows * block == (size_t)lr_view_count(y) * lr_dtype_size(y->dtype);
  for (int32_t i = 0; i < batch; i++) fits &= x->dim[i] == idx->dim[i];
  if (!fits)
    return lr_run_fail(r, LR_ERR_VALUE, "the batch dims of x and indices differ, or y has another size");
  LR_TRY(lr_indices_check(r, idx, batch, j.k, j.size));
  if (lr_stopped()) return LR_OK;
  lr_move_slices(r->pool, y->data, x->data, rows, block, block, from, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_gather_nd = {.run = run};
