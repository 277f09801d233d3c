/* Winograd's transforms, against their matrices (Lavin and Gray 2015) in double. */
#include "check.h"

enum { CASES = 150, A = 6 };
static const double b_2[] = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1};
static const double b_4[] = {4, 0,  -5, 0, 1, 0, 0, -4, -4, 1,  1, 0, 0, 4, -4, -1, 1, 0,
                             0, -2, -1, 2, 1, 0, 0, 2,  -1, -2, 1, 0, 0, 4, 0,  -5, 0, 1};
static const double a_2[] = {1, 1, 1, 0, 0, 1, -1, -1};
static const double a_4[] = {1, 1, 1, 1, 1, 0, 0, 1, -1, 2, -2, 0, 0, 1, 1, 4, 4, 0, 0, 1, -1, 8, -8, 1};

/* y = T x T^T for T of rows x cols; *size: what it is made of, in absolute values */
static double both(const double *t, size_t cols, const double *x, size_t row, size_t col, double *size) {
  double sum = 0;
  *size = 0;
  for (size_t i = 0; i < cols; i++)
    for (size_t j = 0; j < cols; j++) {
      double f = t[row * cols + i] * t[col * cols + j];
      if (f == 0) continue; /* where a NaN cannot reach */
      sum += f * x[i * cols + j];
      *size += fabs(f * x[i * cols + j]);
    }
  return sum;
}

static void compare(double got, double want, double size, size_t m, size_t n, size_t c) {
  /* an intermediate value may meet a NaN or infinity that the product of the two matrices does not */
  bool ok = isfinite(want) ? check_near(got, want, size * 40 * 0x1p-24) : !isfinite(got);
  if (!ok) check_fail("m %zu, n %zu, channel %zu: %g, not %g", m, n, c, got, want);
}

void check_f32_winograd_in(const struct lr_kernel *k) {
  for (int t = 0; t < CASES; t++, check_done()) {
    size_t m = check_random(2) ? 4 : 2, a = m + 2, n = 1 + check_random(70), stride = n + check_random(9);
    const float **x = check_alloc(a * a * sizeof *x, sizeof *x);
    for (size_t i = 0; i < a * a; i++) {
      float *p = check_alloc(n * sizeof *p, sizeof *p);
      for (size_t c = 0; c < n; c++) p[c] = check_random(400) ? (float)check_float() : NAN;
      x[i] = p;
    }
    float *v = check_alloc(((a * a - 1) * stride + n) * sizeof *v, sizeof *v);
    ((lr_f32_winograd_in_fn *)k->fn)(m, n, x, v, stride);
    for (size_t c = 0; c < n; c++) {
      double of[A * A], size;
      bool finite = true;
      for (size_t i = 0; i < a * a; i++) finite &= isfinite(of[i] = x[i][c]);
      for (size_t i = 0; i < a * a; i++) {
        double want = both(m == 4 ? b_4 : b_2, a, of, i / a, i % a, &size);
        if (finite || !isfinite(want)) compare(v[i * stride + c], want, size, m, n, c);
      }
    }
    for (size_t i = 0; i + 1 < a * a; i++)
      for (size_t c = n; c < stride; c++)
        if (((const uint8_t *)&v[i * stride + c])[0] != CHECK_FILL) check_fail("wrote between rows");
  }
}

/* One case: y has gaps, which stay as they were. */
static void out_case(const struct lr_kernel *k, size_t m, size_t n) {
  size_t a = m + 2, stride = n + check_random(9), rows = 1 + check_random((uint32_t)m);
  size_t cols = 1 + check_random((uint32_t)m), col_stride = n + check_random(5);
  size_t row_stride = cols * col_stride + check_random(5);
  size_t add_col_stride = n + check_random(5), add_row_stride = cols * add_col_stride + check_random(5);
  size_t adds = (rows - 1) * add_row_stride + (cols - 1) * add_col_stride + n;
  size_t ys = (rows - 1) * row_stride + (cols - 1) * col_stride + n;
  float *v = check_alloc(((a * a - 1) * stride + n) * sizeof *v, sizeof *v);
  float *bias = check_alloc(n * sizeof *bias, sizeof *bias), *y = check_alloc(ys * sizeof *y, sizeof *y);
  float *add = check_random(2) ? check_alloc(adds * sizeof *add, sizeof *add) : NULL;
  for (size_t i = 0; i < a * a; i++)
    for (size_t c = 0; c < n; c++) v[i * stride + c] = check_random(400) ? (float)check_float() : NAN;
  for (size_t c = 0; c < n; c++) bias[c] = (float)check_float();
  for (size_t i = 0; add && i < adds; i++) add[i] = (float)check_float();
  bool clamps = check_random(2);
  struct lr_winograd_out o = {.v = v,
                              .bias = bias,
                              .add = add,
                              .v_stride = stride,
                              .rows = rows,
                              .cols = cols,
                              .row_stride = row_stride,
                              .col_stride = col_stride,
                              .add_row_stride = add_row_stride,
                              .add_col_stride = add_col_stride,
                              .y = y,
                              .lo = clamps ? -1 : -INFINITY,
                              .hi = clamps ? 6 : INFINITY};
  ((lr_f32_winograd_out_fn *)k->fn)(m, n, &o);
  for (size_t c = 0; c < n; c++) {
    double of[A * A], size;
    bool finite = true;
    for (size_t i = 0; i < a * a; i++) finite &= isfinite(of[i] = v[i * stride + c]);
    for (size_t i = 0; i < rows * cols; i++) {
      double more = add ? add[i / cols * add_row_stride + i % cols * add_col_stride + c] : 0;
      double want = both(m == 4 ? a_4 : a_2, a, of, i / cols, i % cols, &size) + bias[c] + more;
      want = want < o.lo ? o.lo : want > o.hi ? o.hi : want;
      if (finite || !isfinite(want))
        compare(y[i / cols * row_stride + i % cols * col_stride + c], want, size + fabs(bias[c]) + fabs(more),
                m, n, c);
    }
  }
  for (size_t i = 0; i < ys; i++)
    if (i % row_stride / col_stride < cols && i % row_stride % col_stride < n)
      continue;
    else if (((const uint8_t *)&y[i])[0] != CHECK_FILL)
      check_fail("wrote into a gap");
}

void check_f32_winograd_out(const struct lr_kernel *k) {
  for (int t = 0; t < CASES; t++, check_done()) out_case(k, check_random(2) ? 4 : 2, 1 + check_random(70));
}
