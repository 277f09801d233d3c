/* det: determinants, by elimination with the largest pivot of each column, in double. */
#include <math.h>

#include "move.h"
#include "pool.h"

lr_status lr_infer_det(struct lr_infer *c) {
  const struct lr_type *x = &c->in[0];
  char text[200];
  if (x->dtype != LR_F32 && x->dtype != LR_F64)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; use f32 or f64", lr_dtype_name(x->dtype));
  lr_dim m = x->rank < 2 ? 0 : x->dim[x->rank - 1];
  if (x->rank < 2 || !lr_dim_unify(&m, x->dim[x->rank - 2]))
    return lr_infer_fail(c, LR_ERR_MODEL, "x is %s, but must be square matrices",
                         lr_type_text(x, text, sizeof text));
  c->out[0] = *x;
  c->out[0].rank = x->rank - 2;
  return LR_OK;
}

static lr_status prepare(struct lr_prepare *p) {
  uint64_t m = (uint64_t)p->in[0].dim[p->in[0].rank - 1];
  int64_t matrices = lr_view_count(&p->out[0]);
  p->scratch = m * m * sizeof(double) * (uint64_t)(matrices < p->threads ? matrices : p->threads);
  return LR_OK;
}

static void swap_rows(double *a, int64_t m, int64_t i, int64_t k) {
  for (int64_t j = 0; j < m; j++) {
    double t = a[i * m + j];
    a[i * m + j] = a[k * m + j];
    a[k * m + j] = t;
  }
}

/* Of the m x m matrix a, which it changes. */
static double determinant(double *a, int64_t m) {
  double det = 1;
  for (int64_t k = 0; k < m && !lr_stopped(); k++) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < m; i++)
      if (fabs(a[i * m + k]) > fabs(a[pivot * m + k]) || isnan(a[i * m + k])) pivot = i;
    if (pivot != k) {
      swap_rows(a, m, pivot, k);
      det = -det;
    }
    double p = a[k * m + k];
    det *= p;
    if (p == 0) continue; /* so is the rest of the column */
    for (int64_t i = k + 1; i < m; i++) {
      if (m >= 1024 && lr_stopped()) return det;
      double f = a[i * m + k] / p;
      for (int64_t j = k + 1; j < m; j++) a[i * m + j] -= f * a[k * m + j];
    }
  }
  return det;
}

struct job {
  const struct lr_view *x, *y;
  int64_t m;
  double *scratch; /* m * m: one a thread, or one a matrix when there are fewer */
  bool matrix_each;
};

static void body(void *context, int64_t b, int64_t end, int32_t thread) {
  const struct job *j = context;
  int64_t n = j->m * j->m;
  for (; b < end; b++) {
    double *a = j->scratch + (j->matrix_each ? b : thread) * n;
    bool nan = false; /* each element is in one of the products that a determinant is the sum of */
    for (int64_t i = 0; i < n; i++) {
      if (i % 65536 == 65535 && lr_stopped()) return;
      a[i] = j->x->dtype == LR_F32 ? (double)((const float *)j->x->data)[b * n + i]
                                   : ((const double *)j->x->data)[b * n + i];
      nan |= isnan(a[i]);
    }
    double d = nan ? NAN : determinant(a, j->m);
    if (j->y->dtype == LR_F32)
      ((float *)j->y->data)[b] = (float)d;
    else
      ((double *)j->y->data)[b] = d;
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  int64_t m = x->dim[x->rank - 1], matrices = lr_view_count(y);
  if (x->dim[x->rank - 2] != m)
    return lr_run_fail(r, LR_ERR_VALUE, "x has matrices of %lld x %lld, but they must be square",
                       (long long)x->dim[x->rank - 2], (long long)m);
  struct job j = {x, y, m, r->scratch, matrices < lr_pool_threads(r->pool)};
  lr_move_rows(r->pool, matrices, m < 1024 ? 8 + m * m * (m + 8) / 2 : INT64_MAX, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_det = {.prepare = prepare, .run = run};
