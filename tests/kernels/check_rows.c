/* Reductions, softmax and normalisation of rows. */
#include <float.h>

#include "check.h"
#include "lr_ops.h"

typedef long double real;
enum { CASES = 150 };

static bool is_float(int32_t dtype) { return dtype == T_F32 || dtype == T_F16 || dtype == T_F64; }
static real unit(int32_t dtype) { return dtype == T_F32 ? 0x1p-23L : dtype == T_F16 ? 0x1p-10L : 0x1p-52L; }

/* ---- reductions ---- */
static const int32_t kinds[] = {LR_REDUCE_KIND_SUM,        LR_REDUCE_KIND_SUM_SQUARE, LR_REDUCE_KIND_L1,
                                LR_REDUCE_KIND_PROD,       LR_REDUCE_KIND_MAX,        LR_REDUCE_KIND_MIN,
                                LR_REDUCE_KIND_LOG_SUM_EXP};

struct total {
  real value, size; /* and the sum of magnitudes */
  uint64_t exact;
};

static void take_float(struct total *t, int32_t kind, real v, real m) {
  real f = kind == LR_REDUCE_KIND_SUM_SQUARE    ? v * v
           : kind == LR_REDUCE_KIND_L1          ? fabsl(v)
           : kind == LR_REDUCE_KIND_LOG_SUM_EXP ? expl(v - m)
                                                : v;
  if (kind == LR_REDUCE_KIND_MAX || kind == LR_REDUCE_KIND_MIN) {
    bool better = kind == LR_REDUCE_KIND_MAX ? f > t->value : f < t->value;
    if (t->value == t->value && (better || f != f)) t->value = f;
    return;
  }
  t->value = kind == LR_REDUCE_KIND_PROD ? t->value * f : t->value + f;
  t->size = kind == LR_REDUCE_KIND_PROD ? fabsl(t->value) : t->size + fabsl(f);
}

static void take_int(struct total *t, int32_t kind, bool is_signed, uint64_t v) {
  bool less = is_signed ? (int64_t)v < (int64_t)t->exact : v < t->exact;
  switch (kind) {
    case LR_REDUCE_KIND_SUM:
      t->exact += v;
      break;
    case LR_REDUCE_KIND_SUM_SQUARE:
      t->exact += v * v;
      break;
    case LR_REDUCE_KIND_L1:
      t->exact += is_signed && (int64_t)v < 0 ? 0 - v : v;
      break;
    case LR_REDUCE_KIND_PROD:
      t->exact *= v;
      break;
    case LR_REDUCE_KIND_MAX:
      t->exact = less ? t->exact : v;
      break;
    case LR_REDUCE_KIND_MIN:
      t->exact = less ? v : t->exact;
      break;
    default:
      break;
  }
}

/* An element of 4 or 8 bytes. */
static void put(int32_t dtype, void *p, size_t i, bool special) {
  if (is_float(dtype)) {
    check_put(dtype, p, i, special ? (double)NAN : check_float());
  } else {
    int64_t v = check_between(-1000, 1000);
    uint64_t bits = check_random(3) ? (uint64_t)v : (uint64_t)v << 50 ^ (uint64_t)v;
    memcpy((uint64_t *)p + i, &bits, sizeof bits);
  }
}

static struct total begin(int32_t dtype, const void *acc, size_t i) {
  if (!is_float(dtype)) return (struct total){0, 0, ((const uint64_t *)acc)[i]};
  double v = check_get(dtype, acc, i);
  return (struct total){(real)v, (real)fabs(v), 0};
}

static void take(struct total *t, int32_t kind, int32_t dtype, const void *x, size_t i, double m) {
  if (is_float(dtype))
    take_float(t, kind, (real)check_get(dtype, x, i), (real)m);
  else
    take_int(t, kind, dtype == T_I64, ((const uint64_t *)x)[i]);
}

static void compare(const struct total *t, int32_t kind, int32_t dtype, const void *acc, size_t i, size_t n,
                    size_t terms) {
  bool ok;
  if (is_float(dtype)) {
    bool pick = kind == LR_REDUCE_KIND_MAX || kind == LR_REDUCE_KIND_MIN;
    double tolerance = pick ? 0 : (double)(t->size * unit(dtype)) * (double)(terms + 4);
    ok = check_near(check_get(dtype, acc, i), (double)t->value, tolerance + (pick ? 0 : 0x1p-126));
  } else {
    ok = ((const uint64_t *)acc)[i] == t->exact;
  }
  if (!ok)
    check_fail("kind %d, n %zu, %zu terms, element %zu: %g, not %g", kind, n, terms, i,
               check_get(dtype, acc, i), is_float(dtype) ? (double)t->value : (double)t->exact);
}

/* columns: n results over `rows` rows; else one result over n elements. */
static void reduce_case(const struct lr_kernel *k, int32_t dtype, int32_t kind, bool columns) {
  size_t n = 1 + check_random(100), rows = columns ? check_random(6) : 1,
         stride = n + (columns ? check_random(3) : 0);
  size_t size = check_size(dtype), results = columns ? n : 1, total = rows ? (rows - 1) * stride + n : 1;
  bool shifted = kind == LR_REDUCE_KIND_LOG_SUM_EXP;
  void *x = check_alloc(total * size, size), *acc = check_alloc(results * size, size),
       *before = check_alloc(results * size, size);
  void *m = shifted ? check_alloc(results * size, size) : NULL;
  for (size_t i = 0; i < total; i++) put(dtype, x, i, !shifted && check_random(60) == 0);
  for (size_t i = 0; i < results; i++) {
    put(dtype, acc, i, false);
    if (shifted) put(dtype, m, i, false);
  }
  memcpy(before, acc, results * size);
#define CALL(sig, type)                                                 \
  if (columns)                                                          \
    ((lr_##sig##_vreduce_fn *)k->fn)(kind, n, rows, x, stride, m, acc); \
  else                                                                  \
    ((lr_##sig##_hreduce_fn *)k->fn)(kind, n, x, m, acc)
  if (dtype == T_F32)
    CALL(f32, float);
  else if (dtype == T_F64)
    CALL(f64, double);
  else if (dtype == T_I64)
    CALL(i64, int64_t);
  else
    CALL(u64, uint64_t);
#undef CALL
  for (size_t i = 0; i < results; i++) {
    struct total t = begin(dtype, before, i);
    double shift = shifted && is_float(dtype) ? check_get(dtype, m, i) : 0;
    if (columns)
      for (size_t r = 0; r < rows; r++) take(&t, kind, dtype, x, r * stride + i, shift);
    else
      for (size_t j = 0; j < n; j++) take(&t, kind, dtype, x, j, shift);
    compare(&t, kind, dtype, acc, i, n, columns ? rows : n);
  }
}

static void reduce(const struct lr_kernel *k, int32_t dtype, bool columns) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    for (int j = 0; j < CASES / 3 && (is_float(dtype) || kinds[i] != LR_REDUCE_KIND_LOG_SUM_EXP); j++) {
      reduce_case(k, dtype, kinds[i], columns);
      check_done();
    }
}

void check_f32_vreduce(const struct lr_kernel *k) { reduce(k, T_F32, true); }
void check_f64_vreduce(const struct lr_kernel *k) { reduce(k, T_F64, true); }
void check_i64_vreduce(const struct lr_kernel *k) { reduce(k, T_I64, true); }
void check_u64_vreduce(const struct lr_kernel *k) { reduce(k, T_U64, true); }
void check_f32_hreduce(const struct lr_kernel *k) { reduce(k, T_F32, false); }
void check_f64_hreduce(const struct lr_kernel *k) { reduce(k, T_F64, false); }
void check_i64_hreduce(const struct lr_kernel *k) { reduce(k, T_I64, false); }
void check_u64_hreduce(const struct lr_kernel *k) { reduce(k, T_U64, false); }

/* ---- softmax ---- */
static void softmax_case(const struct lr_kernel *k, int32_t dtype, bool log, int special) {
  size_t n = 1 + check_random(check_random(3) ? 40 : 700), size = check_size(dtype);
  void *x = check_alloc(n * size, size), *before = check_alloc(n * size, 16),
       *y = check_alloc(n * size, size);
  for (size_t i = 0; i < n; i++) check_put(dtype, x, i, check_float() * 5);
  if (special == 1) check_put(dtype, x, check_random((uint32_t)n), -(double)INFINITY);
  if (special == 2) check_put(dtype, x, check_random((uint32_t)n), (double)NAN);
  memcpy(before, x, n * size);
  if (check_random(3) == 0) y = x;
  ((lr_softmax_fn *)k->fn)(n, x, y, log);
  real most = -INFINITY, sum = 0, lost = 0; /* Kahan's sum: on some CPUs long double is double */
  for (size_t i = 0; i < n; i++) most = fmaxl(most, (real)check_get(dtype, before, i));
  for (size_t i = 0; i < n; i++) {
    real term = expl((real)check_get(dtype, before, i) - most) - lost, next = sum + term;
    lost = next - sum - term;
    sum = next;
  }
  for (size_t i = 0; i < n; i++) {
    real v = (real)check_get(dtype, before, i) - most, want = log ? v - logl(sum) : expl(v) / sum;
    double tolerance =
        (double)(unit(dtype) * (log ? fabsl(want) + 4 : fabsl(want) * (fabsl(v) + 4)) + 0x1p-126L);
    if (dtype == T_F16) tolerance += 0x1p-24;
    if (n == 1 && special == 1) want = (real)NAN; /* -inf alone */
    if (!check_near(check_get(dtype, y, i), (double)want, tolerance))
      check_fail("log %d, n %zu, element %zu: %g, not %g", log, n, i, check_get(dtype, y, i), (double)want);
  }
}

static void softmax(const struct lr_kernel *k, int32_t dtype) {
  for (int i = 0; i < CASES; i++, check_done())
    softmax_case(k, dtype, i & 1, i % 10 == 3 ? 1 : i % 10 == 4 ? 2 : 0);
}

void check_f32_softmax(const struct lr_kernel *k) { softmax(k, T_F32); }
void check_f16_softmax(const struct lr_kernel *k) { softmax(k, T_F16); }
void check_f64_softmax(const struct lr_kernel *k) { softmax(k, T_F64); }

/* ---- normalisation ---- */
static void *row(int32_t dtype, size_t n, double offset) {
  void *p = check_alloc(n * check_size(dtype), check_size(dtype));
  for (size_t i = 0; i < n; i++) check_put(dtype, p, i, check_float() + offset);
  return p;
}

static void norm_case(const struct lr_kernel *k, int32_t dtype, bool rms) {
  size_t n = 1 + check_random(check_random(3) ? 40 : 1300), size = check_size(dtype);
  float epsilon = 1e-5f;
  void *x = row(dtype, n, check_float() * 4), *scale = check_random(3) ? row(dtype, n, 1) : NULL;
  void *bias = check_random(3) ? row(dtype, n, 0) : NULL, *y = check_alloc(n * size, size),
       *before = check_alloc(n * size, 16);
  memcpy(before, x, n * size);
  if (check_random(3) == 0) y = x;
  ((lr_norm_fn *)k->fn)(n, x, scale, bias, epsilon, rms, y);
  real mean = 0, variance = 0, size_of_x = 0;
  for (size_t i = 0; i < n; i++) {
    mean += (real)check_get(dtype, before, i) / (real)n;
    size_of_x = fmaxl(size_of_x, (real)fabs(check_get(dtype, before, i)));
  }
  if (rms) mean = 0;
  for (size_t i = 0; i < n; i++) {
    real d = (real)check_get(dtype, before, i) - mean;
    variance += d * d / (real)n;
  }
  real factor = 1 / sqrtl(variance + (real)epsilon);
  for (size_t i = 0; i < n; i++) {
    real s = scale ? (real)check_get(dtype, scale, i) : 1, b = bias ? (real)check_get(dtype, bias, i) : 0;
    real want = ((real)check_get(dtype, before, i) - mean) * factor * s + b;
    double tolerance = (double)(8 * unit(dtype) * (fabsl(b) + fabsl(s) * (size_of_x * factor + 1)));
    if (!check_near(check_get(dtype, y, i), (double)want, tolerance))
      check_fail("rms %d, n %zu, element %zu: %g, not %g", rms, n, i, check_get(dtype, y, i), (double)want);
  }
}

static void norm(const struct lr_kernel *k, int32_t dtype) {
  for (int i = 0; i < CASES; i++, check_done()) norm_case(k, dtype, i & 1);
}

void check_f32_norm(const struct lr_kernel *k) { norm(k, T_F32); }
void check_f16_norm(const struct lr_kernel *k) { norm(k, T_F16); }
void check_f64_norm(const struct lr_kernel *k) { norm(k, T_F64); }

/* ---- softmax in pieces ---- */
/* A row in 1 to 3 pieces; every piece against the sums so far. */
static void piece_case(const struct lr_kernel *k, int special) {
  float scale = (float)check_float(), max = -INFINITY, sum = 0;
  real most = -INFINITY, total = 0;
  for (size_t pieces = 1 + check_random(3); pieces--;) {
    size_t n = 1 + check_random(check_random(3) ? 40 : 700), step = check_random(2);
    float *x = check_alloc(n * sizeof *x, sizeof *x), *mask = NULL;
    real *t = check_alloc(n * sizeof *t, sizeof *t), before = most;
    if (step || check_random(3)) mask = check_alloc((step ? n : 1) * sizeof *mask, sizeof *mask);
    for (size_t i = 0; i < n; i++) x[i] = (float)check_float() * 20;
    for (size_t i = 0; mask && i < (step ? n : 1); i++)
      mask[i] = special == 1 && check_random(3) ? -INFINITY : special == 2 ? -FLT_MAX : (float)check_float();
    if (special == 3) x[check_random((uint32_t)n)] = NAN;
    bool nan = false;
    for (size_t i = 0; i < n; i++) {
      t[i] = (real)scale * (real)x[i] + (mask ? (real)mask[i * step] : 0);
      if (special == 2) t[i] = (real)(float)t[i]; /* the largest number swallows what is added to it */
      nan |= t[i] != t[i];
      most = fmaxl(most, t[i]);
    }
    bool nothing = most == -INFINITY;
    real f = nothing ? 1 : expl(before - most), size = total * f;
    float got = ((lr_f32_softmax_piece_fn *)k->fn)(n, scale, mask, step, x, &max, &sum);
    total = f * total;
    real unit = 0x1p-20L;
    for (size_t i = 0; i < n; i++) {
      real want = nothing ? 0 : expl(t[i] - most);
      real tolerance = unit * want * (fabsl(t[i]) + fabsl(most) + 1);
      total += want;
      size += want;
      if (!nan && !check_near((double)x[i], (double)want, (double)tolerance + 0x1p-125))
        check_fail("n %zu, element %zu: %g, not %g", n, i, (double)x[i], (double)want);
    }
    if (nan) {
      if (sum == sum) check_fail("n %zu: a NaN is lost", n);
      return;
    }
    real wide = special == 2 ? 1 : fabsl(most) + fabsl(nothing || before == -INFINITY ? 0 : before) + 40;
    if (!check_near((double)max, (double)most, (double)(0x1p-22L * (fabsl(most) + 2))) ||
        !check_near((double)sum, (double)total, (double)(unit * size * wide)) ||
        !check_near((double)got, (double)f, (double)(unit * f * wide) + 0x1p-125))
      check_fail("n %zu: max %g, sum %g, factor %g; not %g, %g, %g", n, (double)max, (double)sum, (double)got,
                 (double)most, (double)total, (double)f);
  }
}

void check_f32_softmax_piece(const struct lr_kernel *k) {
  for (int i = 0; i < CASES; i++, check_done())
    piece_case(k, i % 5 == 1 ? 1 : i % 5 == 2 ? 2 : i % 10 == 3 ? 3 : 0);
}
