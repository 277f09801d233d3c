/* gather_nd: slices of x at coordinates. */
#include "indices.h"

enum { TASK_BYTES = 64 * 1024 };

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
  const struct lr_view *x, *idx;
  char *y;
  int32_t batch, k;   /* batch dims, coordinates */
  int64_t batch_rows; /* of indices in one batch */
  int64_t rows, each;
  size_t block; /* bytes */
};

/* The slice that row r of indices names, counted in slices; or -1 - i when its coordinate i is out of range. */
static int64_t slice_of(const struct job *j, int64_t row) {
  assert(j->batch_rows > 0); /* there is this row */
  int64_t at = row / j->batch_rows;
  for (int32_t i = 0; i < j->k; i++) {
    int64_t size = j->x->dim[j->batch + i], c = lr_index_in(j->idx, row * j->k + i, size);
    if (c < 0) return -1 - i;
    at = at * size + c;
  }
  return at;
}

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  for (int64_t row = task * j->each; row < (task + 1) * j->each && row < j->rows && !lr_stopped(); row++)
    memcpy(j->y + (size_t)row * j->block, (const char *)j->x->data + (size_t)slice_of(j, row) * j->block,
           j->block);
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *idx = &r->in[1], *y = &r->out[0];
  struct job j = {x, idx, y->data, ((const struct lr_gather_nd_attrs *)r->node->attrs)->batch_dims};
  j.k = (int32_t)idx->dim[idx->rank - 1];
  j.rows = j.batch_rows = 1;
  j.block = lr_dtype_size(x->dtype);
  for (int32_t i = 0; i < idx->rank - 1; i++) *(i < j.batch ? &j.rows : &j.batch_rows) *= idx->dim[i];
  j.rows *= j.batch_rows;
  for (int32_t i = j.batch + j.k; i < x->rank; i++) j.block *= (size_t)x->dim[i];
  bool fits = (size_t)j.rows * j.block == (size_t)lr_view_count(y) * lr_dtype_size(y->dtype);
  for (int32_t i = 0; i < j.batch; i++) fits &= x->dim[i] == idx->dim[i];
  if (!fits)
    return lr_run_fail(r, LR_ERR_VALUE, "the batch dims of x and indices differ, or y has another size");
  /* without coordinates any number of rows is no memory, and there is nothing to check */
  for (int64_t row = 0; j.k && row < j.rows; row++) {
    if (row % 65536 == 65535 && lr_stopped()) return LR_OK;
    int64_t bad = -1 - slice_of(&j, row);
    if (bad >= 0)
      return lr_index_fail(r, idx, row * j.k + bad, j.batch + (int32_t)bad, x->dim[j.batch + bad]);
  }
  if (!j.rows || !j.block) return LR_OK;
  j.each = TASK_BYTES / (int64_t)(j.block + 8) + 1;
  if (j.rows / j.each >= INT32_MAX) j.each = j.rows / (1 << 20) + 1;
  lr_parallel(r->pool, (int32_t)((j.rows + j.each - 1) / j.each), body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_gather_nd = {.run = run};
