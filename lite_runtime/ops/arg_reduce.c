/* arg_reduce: where the largest or smallest element along an axis is. */
#include "move.h"
#include "order.h"

enum { COLUMNS = 128, TASK = 16384 };

lr_status lr_infer_arg_reduce(struct lr_infer *c) {
  const struct lr_arg_reduce_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  LR_TRY(lr_move_axis(c, a->axis, x->rank));
  if (!lr_order_has(x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s, which has no order here", lr_dtype_name(x->dtype));
  if (a->kind >= LR_ARG_REDUCE_KIND_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "kind is %u, but must be below %d", a->kind,
                         LR_ARG_REDUCE_KIND_LIMIT);
  if (x->dim[a->axis] == 0)
    return lr_infer_fail(c, LR_ERR_VALUE, "axis %d of x has size 0, so there is no element to find", a->axis);
  *y = (struct lr_type){.dtype = LR_I64};
  for (int32_t i = 0; i < x->rank; i++)
    if (i != a->axis)
      y->dim[y->rank++] = x->dim[i];
    else if (a->keep_dims)
      y->dim[y->rank++] = 1;
  return LR_OK;
}

struct job {
  const struct lr_view *x;
  int64_t *y;
  struct lr_around at;
  int64_t across; /* tiles of COLUMNS columns that make up one outer */
  bool down, last;
};

/* n columns side by side, `inner` elements from one to the next along the axis. */
static void columns(const struct job *j, const char *x, int64_t n, int64_t *y) {
  uint64_t best[COLUMNS], keys[COLUMNS];
  int64_t step = j->at.inner * (int64_t)lr_dtype_size(j->x->dtype);
  lr_order_keys(j->x->dtype, j->down, LR_NAN_ABOVE, n, x, 1, best);
  for (int64_t i = 0; i < n; i++) y[i] = 0;
  for (int64_t k = 1; k < j->at.n; k++) {
    if (k % 512 == 0 && lr_stopped()) return;
    lr_order_keys(j->x->dtype, j->down, LR_NAN_ABOVE, n, x + k * step, 1, keys);
    for (int64_t i = 0; i < n; i++)
      if (j->last ? keys[i] >= best[i] : keys[i] > best[i]) {
        best[i] = keys[i];
        y[i] = k;
      }
  }
}

/* The axis is the last one. */
static void row(const struct job *j, const char *x, int64_t *y) {
  uint64_t best = 0, keys[COLUMNS];
  int64_t size = (int64_t)lr_dtype_size(j->x->dtype), found = -1;
  for (int64_t at = 0, n; at < j->at.n && !(at % (1 << 18) == 0 && lr_stopped()); at += n) {
    n = j->at.n - at < COLUMNS ? j->at.n - at : COLUMNS;
    lr_order_keys(j->x->dtype, j->down, LR_NAN_ABOVE, n, x + at * size, 1, keys);
    for (int64_t i = 0; i < n; i++)
      if (found < 0 || (j->last ? keys[i] >= best : keys[i] > best)) {
        best = keys[i];
        found = at + i;
      }
  }
  *y = found;
}

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  int64_t size = (int64_t)lr_dtype_size(j->x->dtype);
  const char *x = j->x->data;
  if (j->at.inner == 1) {
    int64_t each = TASK / j->at.n + 1, from = task * each, to = from + each;
    for (int64_t i = from; i < to && i < j->at.outer; i++) row(j, x + i * j->at.n * size, j->y + i);
    return;
  }
  int64_t outer = task / j->across, col = task % j->across * COLUMNS, n = j->at.inner - col;
  columns(j, x + (outer * j->at.n * j->at.inner + col) * size, n < COLUMNS ? n : COLUMNS,
          j->y + outer * j->at.inner + col);
}

static lr_status run(struct lr_run *r) {
  const struct lr_arg_reduce_attrs *a = r->node->attrs;
  struct job j = {.x = &r->in[0], .y = r->out[0].data, .at = lr_around_axis(&r->in[0], a->axis)};
  j.down = a->kind == LR_ARG_REDUCE_KIND_MIN;
  j.last = a->last;
  if (j.at.outer * j.at.inner != lr_view_count(&r->out[0]) || !j.at.n)
    return lr_run_fail(r, LR_ERR_VALUE, "axis %d of x has size %lld, and y has %lld elements", a->axis,
                       (long long)j.at.n, (long long)lr_view_count(&r->out[0]));
  j.across = (j.at.inner + COLUMNS - 1) / COLUMNS;
  int64_t tasks = j.at.inner == 1 ? j.at.outer / (TASK / j.at.n + 1) + 1 : j.at.outer * j.across;
  if (tasks > INT32_MAX) return lr_run_fail(r, LR_ERR_UNSUPPORTED, "x is too large");
  lr_parallel(r->pool, (int32_t)tasks, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_arg_reduce = {.run = run};
