/* Pools and weighted sums of rows. */
#include "check.h"

enum { CASES = 200 };
/* ks rows of n elements each, some with NaN and infinities. */
static const void **rows_of(int32_t dtype, size_t ks, size_t n) {
  const void **a = check_alloc(ks * sizeof *a, sizeof *a);
  for (size_t s = 0; s < ks; s++) {
    void *p = check_alloc(n * check_size(dtype), check_size(dtype));
    for (size_t j = 0; j < n; j++) {
      double v = dtype == T_I8   ? check_between(-128, 127)
                 : dtype == T_U8 ? check_between(0, 255)
                                 : check_float();
      bool special = (dtype == T_F32 || dtype == T_F16) && check_random(40) == 0;
      check_put(dtype, p, j, !special ? v : check_random(2) ? (double)NAN : -(double)INFINITY);
    }
    a[s] = p;
  }
  return a;
}

static void max_pool(const struct lr_kernel *k, int32_t dtype) {
  for (int i = 0; i < CASES; i++, check_done()) {
    size_t n = 1 + check_random(70), ks = 1 + check_random(10);
    const void **a = rows_of(dtype, ks, n);
    void *y = check_alloc(n * check_size(dtype), check_size(dtype));
    ((lr_f32_maxpool_fn *)k->fn)(n, ks, a, y);
    for (size_t j = 0; j < n; j++) {
      double want = check_get(dtype, a[0], j);
      for (size_t s = 1; s < ks; s++) {
        double v = check_get(dtype, a[s], j);
        if (v != v || v > want) want = v; /* a NaN stays: nothing is greater */
      }
      if (!check_near(check_get(dtype, y, j), want, 0))
        check_fail("n %zu, ks %zu, element %zu: %g, not %g", n, ks, j, check_get(dtype, y, j), want);
    }
  }
}

static void avg_pool(const struct lr_kernel *k, int32_t dtype) {
  for (int i = 0; i < CASES; i++, check_done()) {
    size_t n = 1 + check_random(150), ks = 1 + check_random(10);
    const void **a = rows_of(dtype, ks, n);
    void *y = check_alloc(n * check_size(dtype), check_size(dtype));
    float divisor = (float)(ks + check_random(3));
    ((lr_f32_avgpool_fn *)k->fn)(n, ks, a, divisor, y);
    for (size_t j = 0; j < n; j++) {
      double sum = 0, size = 0;
      for (size_t s = 0; s < ks; s++) {
        sum += check_get(dtype, a[s], j);
        size += fabs(check_get(dtype, a[s], j));
      }
      double want = sum / (double)divisor;
      double tolerance = size / (double)divisor * (double)(ks + 2) * 0x1p-24 +
                         (dtype == T_F16 ? fabs(want) * 0x1p-10 + 0x1p-24 : 0);
      if (!check_near(check_get(dtype, y, j), want, tolerance))
        check_fail("n %zu, ks %zu, element %zu: %g, not %g", n, ks, j, check_get(dtype, y, j), want);
    }
  }
}

void check_f32_maxpool(const struct lr_kernel *k) { max_pool(k, T_F32); }
void check_f16_maxpool(const struct lr_kernel *k) { max_pool(k, T_F16); }
void check_s8_maxpool(const struct lr_kernel *k) { max_pool(k, T_I8); }
void check_u8_maxpool(const struct lr_kernel *k) { max_pool(k, T_U8); }
void check_f32_avgpool(const struct lr_kernel *k) { avg_pool(k, T_F32); }
void check_f16_avgpool(const struct lr_kernel *k) { avg_pool(k, T_F16); }

void check_f32_wsum(const struct lr_kernel *k) {
  for (int i = 0; i < CASES; i++, check_done()) {
    size_t n = 1 + check_random(150), ks = 1 + check_random(4);
    const float **a = (const float **)(void *)rows_of(T_F32, ks, n);
    float *w = check_alloc(ks * sizeof *w, sizeof *w), *y = check_alloc(n * sizeof *y, sizeof *y);
    for (size_t s = 0; s < ks; s++) w[s] = (float)check_float();
    float *want = check_alloc(n * sizeof *want, sizeof *want);
    for (size_t j = 0; j < n; j++) {
      want[j] = w[0] * a[0][j];
      for (size_t s = 1; s < ks; s++) want[j] += w[s] * a[s][j]; /* the tests are built without contraction */
    }
    if (i % 3 == 0) y = (float *)(uintptr_t)a[check_random((uint32_t)ks)];
    ((lr_f32_wsum_fn *)k->fn)(n, ks, a, w, y);
    for (size_t j = 0; j < n; j++)
      if (y[j] != want[j] && !(isnan(y[j]) && isnan(want[j])))
        check_fail("n %zu, ks %zu, element %zu: %a, not %a", n, ks, j, (double)y[j], (double)want[j]);
  }
}
