/* Passes of Fourier transforms, against their formula in double. */
#include "check.h"

enum { CASES = 400 };

static double number(bool wide, const void *p, size_t i) {
  return wide ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void *numbers(bool wide, size_t n) {
  void *p = check_alloc(n * (wide ? sizeof(double) : sizeof(float)), wide ? sizeof(double) : sizeof(float));
  for (size_t i = 0; i < n; i++) check_put(wide ? T_F64 : T_F32, p, i, check_float());
  return p;
}

/* Result k of row p and column q; *size: what it is made of, in absolute values. */
static void want(const struct lr_fft_pass *a, bool wide, size_t p, size_t q, size_t k, double y[2],
                 double *size) {
  double re = 0, im = 0, c = 1, s = 0;
  size_t at = a->radix == 1 ? 0 : 2 * k - 2;
  *size = 0;
  for (size_t j = 0; j < a->radix; j++) {
    double angle = -2 * 3.14159265358979323846 * (double)(j * k % a->radix) / (double)a->radix;
    double x = number(wide, a->x_re, (p + j * a->m) * a->s + q),
           i = number(wide, a->x_im, (p + j * a->m) * a->s + q);
    re += x * cos(angle) - i * sin(angle);
    im += x * sin(angle) + i * cos(angle);
    *size += fabs(x) + fabs(i);
  }
  if (k || a->radix == 1) {
    c = number(wide, a->w, at * a->m + p);
    s = number(wide, a->w, (at + 1) * a->m + p);
    *size *= fabs(c) + fabs(s);
  }
  y[0] = re * c - im * s;
  y[1] = re * s + im * c;
}

static void fft_case(const struct lr_kernel *k, bool wide, bool special) {
  static const size_t radices[] = {1, 2, 3, 4, 5, 7, 11, 13, 31};
  struct lr_fft_pass a = {
      .radix = radices[check_random(9)], .m = 1 + check_random(9), .s = 1 + check_random(40)};
  size_t size = wide ? sizeof(double) : sizeof(float), n = a.radix * a.m * a.s;
  a.row = check_random((uint32_t)a.m);
  a.rows = 1 + check_random((uint32_t)(a.m - a.row));
  a.col = check_random(3) ? 0 : check_random((uint32_t)a.s);
  a.cols = 1 + check_random((uint32_t)(a.s - a.col));
  a.w = numbers(wide, 2 * a.m * (a.radix == 1 ? 1 : a.radix - 1));
  void *x[2] = {numbers(wide, n), numbers(wide, n)}, *y[2], *roots = numbers(wide, 2 * a.radix);
  for (size_t j = 0; j < a.radix; j++) {
    double angle = 2 * 3.14159265358979323846 * (double)j / (double)a.radix;
    check_put(wide ? T_F64 : T_F32, roots, j, cos(angle));
    check_put(wide ? T_F64 : T_F32, roots, j + a.radix, sin(angle));
  }
  if (special) check_put(wide ? T_F64 : T_F32, x[0], check_random((uint32_t)n), NAN);
  for (int i = 0; i < 2; i++) y[i] = check_alloc(n * size, size);
  a.roots = a.radix > 5 ? roots : NULL;
  a.x_re = x[0], a.x_im = x[1], a.y_re = y[0], a.y_im = y[1];
  ((lr_f32_fft_pass_fn *)k->fn)(&a);
  for (size_t at = 0; at < n; at++) {
    size_t q = at % a.s, result = at / a.s % a.radix, p = at / a.s / a.radix;
    if (p < a.row || p >= a.row + a.rows || q < a.col || q >= a.col + a.cols) {
      for (size_t i = 0; i < 2 * size; i++)
        if (((const uint8_t *)y[i / size])[at * size + i % size] != CHECK_FILL) check_fail("wrote outside");
      continue;
    }
    double v[2], sum, unit = (wide ? 0x1p-53 : 0x1p-24) * 4 * (double)(a.radix + 2);
    want(&a, wide, p, q, result, v, &sum);
    double got[] = {number(wide, y[0], at), number(wide, y[1], at)};
    bool nan = v[0] != v[0] || v[1] != v[1]; /* which part a NaN reaches is the factors' choice */
    bool right = nan ? got[0] != got[0] || got[1] != got[1]
                     : check_near(got[0], v[0], unit * sum) && check_near(got[1], v[1], unit * sum);
    if (!right)
      check_fail("radix %zu, m %zu, s %zu, element %zu: %g %g, not %g %g", a.radix, a.m, a.s, at, got[0],
                 got[1], v[0], v[1]);
  }
}

/* A radix of 1 may work in place. */
static void in_place(const struct lr_kernel *k, bool wide) {
  struct lr_fft_pass a = {.radix = 1, .m = 1 + check_random(9), .s = 1 + check_random(40)};
  size_t n = a.m * a.s, size = wide ? sizeof(double) : sizeof(float);
  void *x[2] = {numbers(wide, n), numbers(wide, n)}, *y[2] = {numbers(wide, n), numbers(wide, n)};
  a.rows = a.m, a.cols = a.s, a.w = numbers(wide, 2 * a.m);
  a.x_re = x[0], a.x_im = x[1], a.y_re = y[0], a.y_im = y[1];
  ((lr_f32_fft_pass_fn *)k->fn)(&a);
  a.y_re = x[0], a.y_im = x[1];
  ((lr_f32_fft_pass_fn *)k->fn)(&a);
  if (memcmp(x[0], y[0], n * size) || memcmp(x[1], y[1], n * size)) check_fail("in place: another result");
}

static void fft(const struct lr_kernel *k, bool wide) {
  for (int i = 0; i < CASES; i++, check_done()) {
    if (i % 8 == 1)
      in_place(k, wide);
    else
      fft_case(k, wide, i % 8 == 2);
  }
}

void check_f32_fft_pass(const struct lr_kernel *k) { fft(k, false); }
void check_f64_fft_pass(const struct lr_kernel *k) { fft(k, true); }
