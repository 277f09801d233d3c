/* gather: slices of x along one axis, in the order that indices give. */
#include "move.h"

enum { TASK_BYTES = 64 * 1024, PARALLEL_BYTES = 256 * 1024, MAX_TASKS = 256 };

static int64_t index_at(const void *data, int32_t dtype, int64_t i) {
  struct lr_ints v = {data, dtype, 0, 1};
  return lr_ints_at(&v, i);
}

/* Position of the first of n indices that is outside [-size, size), or n; anywhere when the run is stopped. */
static int64_t first_bad(const void *data, int32_t dtype, int64_t n, int64_t size) {
  int64_t i = 0;
  for (; i < n; i++) {
    int64_t k = index_at(data, dtype, i);
    if (i % 65536 == 65535 && lr_stopped()) break;
    if (k < -size || k >= size) break;
  }
  return i;
}

#define BAD_INDEX "indices[%lld] is %lld, but axis %d of x has size %lld; indices must be in [-%lld, %lld)"

lr_status lr_infer_gather(struct lr_infer *c) {
  int32_t axis = ((const struct lr_gather_attrs *)c->attrs)->axis;
  const struct lr_type *x = &c->in[0], *idx = &c->in[1];
  struct lr_type *y = &c->out[0];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_move_axis(c, axis, x->rank));
  if (idx->dtype != LR_I64 && idx->dtype != LR_I32)
    return lr_infer_fail(c, LR_ERR_MODEL, "indices are %s, but must be i64 or i32",
                         lr_dtype_name(idx->dtype));
  int32_t rank = x->rank - 1 + idx->rank;
  if (rank > LR_MAX_RANK)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "y would have rank %d; at most %d is supported", rank,
                         LR_MAX_RANK);
  *y = (struct lr_type){.dtype = x->dtype, .rank = rank};
  for (int32_t i = 0; i < axis; i++) y->dim[i] = x->dim[i];
  for (int32_t i = 0; i < idx->rank; i++) y->dim[axis + i] = idx->dim[i];
  for (int32_t i = axis + 1; i < x->rank; i++) y->dim[i - 1 + idx->rank] = x->dim[i];
  long long size = (long long)x->dim[axis];
  if (c->value[1] && size >= 0 && lr_type_known(idx)) {
    int64_t n = lr_type_count(idx), bad = first_bad(c->value[1], idx->dtype, n, size);
    if (bad < n)
      return lr_infer_fail(c, LR_ERR_VALUE, BAD_INDEX, (long long)bad,
                           (long long)index_at(c->value[1], idx->dtype, bad), axis, size, size, size);
  }
  return lr_move_output(c, 0);
}

/* One known index selects a part of x. */
static int64_t view(const struct lr_node *node, const struct lr_view *in, const void *const *value, int32_t k,
                    struct lr_view *out) {
  int32_t axis = ((const struct lr_gather_attrs *)node->attrs)->axis, extra = in[1].rank;
  if (!value[1] || lr_view_count(&in[1]) != 1) return -1;
  int64_t i = index_at(value[1], in[1].dtype, 0);
  if (i < 0) i += in[0].dim[axis];
  for (int32_t d = 0; d < axis; d++) out->stride[d] = in[0].stride[d];
  for (int32_t d = 0; d < extra; d++) out->stride[axis + d] = 1; /* dims of 1 */
  for (int32_t d = axis + 1; d < in[0].rank; d++) out->stride[d - 1 + extra] = in[0].stride[d];
  return i * in[0].stride[axis];
}

struct job {
  const char *x;
  char *y;
  const void *indices;
  int32_t dtype;
  int64_t n, size; /* of indices, of the axis */
  size_t block;    /* bytes after the axis */
  int64_t rows, tasks;
};

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  int64_t each = (j->rows + j->tasks - 1) / j->tasks, row = task * each;
  int64_t end = row + each < j->rows ? row + each : j->rows;
  if (row >= end) return;
  int64_t i = row % j->n;
  size_t b = j->block;
  const char *base = j->x + (size_t)(row / j->n) * (size_t)j->size * b;
  for (char *y = j->y + (size_t)row * b; row < end; row++, y += b) {
    int64_t k = index_at(j->indices, j->dtype, i);
    const char *x = base + (size_t)(k < 0 ? k + j->size : k) * b;
    if (b == 4)
      memcpy(y, x, 4);
    else if (b == 8)
      memcpy(y, x, 8);
    else
      memcpy(y, x, b);
    if (++i == j->n) {
      i = 0;
      base += (size_t)j->size * b;
    }
  }
}

static lr_status run(struct lr_run *r) {
  int32_t axis = ((const struct lr_gather_attrs *)r->node->attrs)->axis;
  const struct lr_view *x = &r->in[0], *idx = &r->in[1], *y = &r->out[0];
  struct job j = {.x = x->data,
                  .y = y->data,
                  .indices = idx->data,
                  .dtype = idx->dtype,
                  .n = lr_view_count(idx),
                  .size = x->dim[axis],
                  .block = lr_dtype_size(x->dtype),
                  .rows = 1,
                  .tasks = 1};
  long long size = (long long)j.size;
  int64_t bad = first_bad(j.indices, j.dtype, j.n, j.size);
  if (bad < j.n && lr_stopped()) return LR_OK;
  if (bad < j.n)
    return lr_run_fail(r, LR_ERR_VALUE, BAD_INDEX, (long long)bad,
                       (long long)index_at(j.indices, j.dtype, bad), axis, size, size, size);
  for (int32_t i = 0; i < axis; i++) j.rows *= x->dim[i];
  for (int32_t i = axis + 1; i < x->rank; i++) j.block *= (size_t)x->dim[i];
  j.rows *= j.n;
  if (j.rows * (int64_t)j.block != lr_view_count(y) * (int64_t)lr_dtype_size(y->dtype))
    return lr_run_fail(r, LR_ERR_VALUE, "y has %lld elements, which is not what x and indices give",
                       (long long)lr_view_count(y));
  if (!j.rows || !j.block) return LR_OK;
  int64_t bytes = j.rows * (int64_t)j.block;
  if (bytes < PARALLEL_BYTES) {
    body(&j, 0, 0);
    return LR_OK;
  }
  j.tasks = bytes / TASK_BYTES < MAX_TASKS ? bytes / TASK_BYTES : MAX_TASKS;
  if (j.tasks > j.rows) j.tasks = j.rows;
  lr_parallel(r->pool, (int32_t)j.tasks, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_gather = {.flags = LR_IMPL_VIEW, .run = run, .view = view};
