/* softmax and log-softmax over one axis. Along the last axis a row kernel does it; along another one, columns
 * side by side. */
#include <math.h>

#include "needs.h"
#include "program.h"

#include "kernels.h"

static bool is_float(int32_t dtype) { return dtype == LR_F32 || dtype == LR_F16 || dtype == LR_F64; }

lr_status lr_infer_softmax(struct lr_infer *c) {
  const struct lr_softmax_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  if (!is_float(x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; it must be f32, f16 or f64",
                         lr_dtype_name(x->dtype));
  if (a->axis < 0 || a->axis >= x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "its axis %d is not one of x, which has rank %d", a->axis, x->rank);
  c->out[0] = *x;
  return LR_OK;
}

enum { COLUMNS = 128, FLUSH = 64, GRAIN = 8192, ROWS = 4096 };

struct params {
  int64_t outer, n, inner; /* dims before the axis, of it, and behind it */
  int64_t tile, tiles;     /* rows of a tile; or columns, of which each outer has `across` tiles */
  int64_t across;
  int32_t acc; /* f32 or f64: what columns are computed in */
  lr_softmax_fn *row;
  lr_vop_fn *vop;
  lr_vcast_fn *cast;
  void (*vreduce)(void);
};

enum lr_signature lr_softmax_signature(int32_t x_dtype) {
  return x_dtype == LR_F32 ? LR_SIG_f32_softmax : x_dtype == LR_F16 ? LR_SIG_f16_softmax : LR_SIG_f64_softmax;
}

/* Those for columns only where the axis is not the last one: what needs.c says. */
static lr_status find_kernels(struct lr_prepare *p, struct params *q) {
  const struct lr_softmax_attrs *a = p->bind.node->attrs;
  int32_t x = p->in[0].dtype;
  const struct lr_kernel *row, *sum, *k;
  LR_TRY(lr_find_kernel(&p->bind, lr_softmax_signature(x), &row));
  q->row = (lr_softmax_fn *)row->fn;
  p->kernel = row->name;
  if (a->axis == p->in[0].rank - 1) return LR_OK;
  LR_TRY(lr_find_kernel(&p->bind, q->acc == LR_F32 ? LR_SIG_f32_vreduce : LR_SIG_f64_vreduce, &sum));
  q->vreduce = sum->fn;
  LR_TRY(lr_find_kernel(&p->bind, lr_vop_signature(q->acc), &k));
  q->vop = (lr_vop_fn *)k->fn;
  if (q->inner > 1) p->kernel = sum->name;
  static const uint8_t cases[] = {LR_POST_SUB, LR_POST_EXP, LR_POST_DIV, LR_CASE_REDUCE + LR_REDUCE_KIND_MAX,
                                  LR_CASE_REDUCE + LR_REDUCE_KIND_SUM};
  for (size_t i = 0; i < sizeof cases; i++) LR_TRY(lr_find_case(&p->bind, cases[i]));
  if (x == q->acc) return LR_OK;
  LR_TRY(lr_find_case(&p->bind, LR_CASE_CAST + x));
  LR_TRY(lr_find_case(&p->bind, LR_CASE_CAST + q->acc));
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_vcast, &k));
  q->cast = (lr_vcast_fn *)k->fn;
  return LR_OK;
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_softmax_attrs *a = p->bind.node->attrs;
  const struct lr_view *x = &p->in[0];
  struct params *q = p->params = lr_prepare_alloc(p, sizeof *q);
  if (!q) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its parameters");
  q->outer = q->inner = 1;
  for (int32_t i = 0; i < x->rank; i++)
    if (i < a->axis)
      q->outer *= x->dim[i];
    else if (i > a->axis)
      q->inner *= x->dim[i];
  q->n = x->dim[a->axis];
  q->acc = x->dtype == LR_F64 ? LR_F64 : LR_F32;
  LR_TRY(find_kernels(p, q));
  q->across = q->inner == 1 ? 1 : (q->inner + COLUMNS - 1) / COLUMNS;
  q->tile = q->inner == 1 ? GRAIN / (q->n + 1) + 1 : COLUMNS;
  q->tiles = q->inner == 1 ? (q->outer + q->tile - 1) / q->tile : q->outer * q->across;
  if (!q->n) q->tiles = 0;
  if (q->tiles > INT32_MAX) return lr_prepare_fail(p, LR_ERR_UNSUPPORTED, "x is too large for one softmax");
  return LR_OK;
}

/* COLUMNS numbers of the type that columns are computed in. */
union numbers {
  float f[COLUMNS];
  double d[COLUMNS];
};

struct job {
  const struct params *q;
  const char *x;
  char *y;
  int32_t dtype;
  bool log_of;
};

static void vreduce(const struct params *q, int32_t op, int64_t n, int64_t rows, const void *x,
                    int64_t stride, void *acc) {
  size_t m = (size_t)n, r = (size_t)rows, step = (size_t)stride;
  if (q->acc == LR_F32)
    ((lr_f32_vreduce_fn *)q->vreduce)(op, m, r, x, step, NULL, acc);
  else
    ((lr_f64_vreduce_fn *)q->vreduce)(op, m, r, x, step, NULL, acc);
}

/* n numbers from element `at` on; points into x when it is of the right type. */
static const void *fetch(const struct job *j, int64_t at, int64_t n, union numbers *tmp) {
  const char *x = j->x + at * (int64_t)lr_dtype_size(j->dtype);
  if (j->dtype == j->q->acc) return x;
  j->q->cast(j->dtype, j->q->acc, (size_t)n, x, 1, tmp);
  return tmp;
}

/* x - max from element `at` on, or its exponential. */
static void shifted(const struct job *j, int64_t at, int64_t n, const union numbers *max, bool exponential,
                    void *to) {
  size_t m = (size_t)n;
  union numbers tmp;
  j->q->vop(LR_POST_SUB, m, fetch(j, at, n, &tmp), 1, max, 1, NULL, 0, to);
  if (exponential) j->q->vop(LR_POST_EXP, m, to, 1, NULL, 0, NULL, 0, to);
}

static void max_columns(const struct job *j, int64_t from, int64_t n, union numbers *max) {
  const struct params *q = j->q;
  union numbers tmp;
  bool direct = j->dtype == q->acc;
  memcpy(max, fetch(j, from, n, &tmp), (size_t)n * lr_dtype_size(q->acc));
  for (int64_t k = 1, rows; k < q->n && !(k % ROWS == 1 && lr_stopped()); k += rows) {
    rows = !direct ? 1 : q->n - k < ROWS ? q->n - k : ROWS;
    vreduce(q, LR_REDUCE_KIND_MAX, n, rows, fetch(j, from + k * q->inner, n, &tmp), q->inner, max);
  }
}

/* Sums of exp(x - max): in the type of columns for FLUSH rows at a time, then in f64. keep: the terms stay in
 * y. */
static void sum_columns(const struct job *j, int64_t from, int64_t n, const union numbers *max, bool keep,
                        double *sum) {
  const struct params *q = j->q;
  union numbers part, tmp;
  for (int64_t i = 0; i < n; i++) sum[i] = 0;
  for (int64_t k = 0; k < q->n; k++) {
    int64_t at = from + k * q->inner;
    void *e = keep ? (void *)(j->y + at * (int64_t)lr_dtype_size(j->dtype)) : (void *)&tmp;
    if (k % FLUSH == 0) memset(&part, 0, sizeof part);
    shifted(j, at, n, max, true, e);
    vreduce(q, LR_REDUCE_KIND_SUM, n, 1, e, 0, &part);
    if (k % FLUSH != FLUSH - 1 && k != q->n - 1) continue;
    for (int64_t i = 0; i < n; i++) sum[i] += q->acc == LR_F32 ? part.f[i] : part.d[i];
    if (lr_stopped()) return; /* an axis may be long */
  }
}

static void columns(const struct job *j, int64_t from, int64_t n) {
  const struct params *q = j->q;
  size_t m = (size_t)n, size = lr_dtype_size(j->dtype);
  bool keep = j->dtype == q->acc && !j->log_of; /* y can hold what is not finished yet */
  union numbers max, tmp, total;
  double sum[COLUMNS];
  max_columns(j, from, n, &max);
  sum_columns(j, from, n, &max, keep, sum);
  for (int64_t i = 0; i < n; i++) {
    double t = j->log_of ? log(sum[i]) : sum[i];
    if (q->acc == LR_F32)
      total.f[i] = (float)t;
    else
      total.d[i] = t;
  }
  for (int64_t k = 0; k < q->n && !(k % FLUSH == 0 && lr_stopped()); k++) {
    int64_t at = from + k * q->inner;
    char *y = j->y + (size_t)at * size;
    void *t = j->dtype == q->acc ? (void *)y : (void *)&tmp;
    if (!keep) shifted(j, at, n, &max, !j->log_of, t);
    q->vop(j->log_of ? LR_POST_SUB : LR_POST_DIV, m, t, 1, &total, 1, NULL, 0, t);
    if (t != y) q->cast(q->acc, j->dtype, m, t, 1, y);
  }
}

static void run_tile(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  const struct params *q = j->q;
  int64_t size = (int64_t)lr_dtype_size(j->dtype);
  if (q->inner > 1) {
    int64_t outer = i / q->across, col = i % q->across * COLUMNS, n = q->inner - col;
    columns(j, outer * q->n * q->inner + col, n < COLUMNS ? n : COLUMNS);
    return;
  }
  int64_t from = i * q->tile, to = from + q->tile < q->outer ? from + q->tile : q->outer;
  for (int64_t r = from; r < to; r++)
    q->row((size_t)q->n, j->x + r * q->n * size, j->y + r * q->n * size, j->log_of);
}

static lr_status run(struct lr_run *r) {
  const struct lr_softmax_attrs *a = r->node->attrs;
  const struct params *q = r->params;
  struct job j = {.q = q, .x = r->in[0].data, .y = r->out[0].data, .dtype = r->in[0].dtype, .log_of = a->log};
  lr_parallel(r->pool, (int32_t)q->tiles, run_tile, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_softmax = {.flags = LR_IMPL_INPLACE, .prepare = prepare, .run = run};
