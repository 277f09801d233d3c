/* Conversions and quantisation of rows. */
#include "check_math.h"

enum { MAX_N = 90 };

/* A float as an integer of this type: truncated, saturated, NaN is 0. */
static int64_t to_int(int32_t dtype, double v) {
  int bits = 8 * (int)check_size(dtype) - check_is_signed(dtype); /* of the largest number */
  double low = check_is_signed(dtype) ? -pow(2, bits) : 0;
  if (v != v) return 0;
  if (v >= pow(2, bits)) return (int64_t)(UINT64_MAX >> (64 - bits));
  if (v <= low) return check_is_signed(dtype) ? (int64_t)(UINT64_MAX << bits) : 0;
  return check_is_signed(dtype) ? (int64_t)v : (int64_t)(uint64_t)v;
}

/* Integer i, rounded once. */
static double int_to_double(int32_t dtype, const void *p, size_t i) {
  int64_t v = check_get_int(dtype, p, i);
  return dtype == T_U64 ? (double)(uint64_t)v : (double)v;
}
static float int_to_float(int32_t dtype, const void *p, size_t i) {
  int64_t v = check_get_int(dtype, p, i);
  return dtype == T_U64 ? (float)(uint64_t)v : (float)v;
}

static void cast_case(const struct lr_kernel *k, int32_t from, int32_t to) {
  size_t n = 1 + check_random(MAX_N);
  struct check_row s = check_source(from, n, true, true);
  for (size_t i = 0; check_is_float(from) && i < (s.step ? n : 1); i += 1 + check_random(5))
    check_put(from, s.p, i, check_float() * pow(2, check_between(0, 66)));
  void *y = check_alloc(n * check_size(to), check_size(to)), *x = check_alloc(n * check_size(from), 16);
  for (size_t i = 0; i < n; i++)
    memcpy((char *)x + i * check_size(from), (char *)s.p + i * s.step * check_size(from), check_size(from));
  if (s.step && check_size(from) == check_size(to) && check_random(3) == 0) y = s.p;
  ((lr_vcast_fn *)k->fn)(from, to, n, s.p, s.step, y);
  for (size_t i = 0; i < n; i++) {
    bool ok;
    if (check_is_float(to)) {
      void *want = check_alloc(16, 16);
      check_put(to, want, 0, check_is_float(from) ? check_get(from, x, i) : int_to_double(from, x, i));
      if (!check_is_float(from) && to == T_F32) ((float *)want)[0] = int_to_float(from, x, i);
      ok = check_near(check_get(to, y, i), check_get(to, want, 0), 0);
    } else {
      int64_t want = check_is_float(from) ? to_int(to, check_get(from, x, i)) : check_get_int(from, x, i);
      if (to == T_BOOL) want = check_is_float(from) ? check_get(from, x, i) != 0 : want != 0;
      ok = check_equal_int(to, y, i, want);
    }
    if (!ok)
      check_fail("from %d to %d, n %zu, step %zu, element %zu: %.17g gives %.17g", from, to, n, s.step, i,
                 check_get(from, x, i), check_get(to, y, i));
  }
}

void check_vcast(const struct lr_kernel *k) {
  static const int32_t all[] = {T_F32, T_F16, T_F64, T_I8,  T_U8,  T_I16,
                                T_U16, T_I32, T_U32, T_I64, T_U64, T_BOOL};
  enum { N = sizeof all / sizeof all[0] };
  for (int i = 0; i < N * N * 12; i++, check_done()) cast_case(k, all[i / N % N], all[i % N]);
}

void check_vquantize(const struct lr_kernel *k) {
  static const int32_t to[] = {T_I8, T_U8, T_I16, T_U16, T_I32};
  for (int i = 0; i < 300; i++, check_done()) {
    size_t n = 1 + check_random(MAX_N);
    int32_t dtype = to[i % 5];
    struct check_row a = check_source(T_F32, n, true, true), b = check_source(T_F32, n, true, false),
                     c = check_source(dtype, n, true, false);
    for (size_t j = 0; j < (b.step ? n : 1); j++) ((float *)b.p)[j] = (float)(fabs(check_float()) + 0.001);
    void *y = check_alloc(n * check_size(dtype), check_size(dtype)), *zero = check_copy(&c, n);
    if (c.step && check_random(3) == 0) y = c.p;
    ((lr_vquantize_fn *)k->fn)(dtype, n, a.p, a.step, b.p, b.step, c.p, c.step, y);
    for (size_t j = 0; j < n; j++) {
      float q = ((float *)a.p)[a.step ? j : 0] / ((float *)b.p)[b.step ? j : 0];
      double want = (q != q ? 0 : rint((double)q)) + check_get(dtype, zero, c.step ? j : 0);
      void *rounded = check_alloc(8, 8);
      check_put(dtype, rounded, 0, want);
      if (check_get(dtype, rounded, 0) != check_get(dtype, y, j))
        check_fail("to %d, n %zu, element %zu: %g gives %g, not %g", dtype, n, j, (double)q,
                   check_get(dtype, y, j), want);
    }
  }
}
