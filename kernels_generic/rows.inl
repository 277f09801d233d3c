/* Softmax and normalisation of one row, for one element type and one simd header: defines
 * lr_<TYPE>_softmax__<ISA> and lr_<TYPE>_norm__<ISA>. Includer: see elementwise.inl; EXACT (1 when an element
 * holds a lane of a vf without rounding), and WIDE, WIDE_TYPE: the type that does. */
#include "kernels.h"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define LOAD(p) CAT(vf_load_, TYPE)(p)
#define PART(p) CAT(vf_load_part_, TYPE)(p, n - i)
#define STORE(p, x) CAT(vf_store_, TYPE)(p, x)
#define WIDE_LOAD(p) CAT(vf_load_, WIDE_TYPE)(p)
#define WIDE_STORE(p, x) CAT(vf_store_, WIDE_TYPE)(p, x)
#define WIDE_STORE_PART(p, x) CAT(vf_store_part_, WIDE_TYPE)(p, k - i, x)
#define FROM_PART(p) CAT(vf_load_part_, TYPE)(p, k - i)
#define STORE_PART(p, x) CAT(vf_store_part_, TYPE)(p, n - i, x)

/* Sums run in 8 vectors over at most BLOCK elements, then in double. */
#define CHAINS 8
#define STEP (CHAINS * VF_LANES)
#define BLOCK 512

static double fold(const vf *acc) {
  vf a = vf_add(vf_add(acc[0], acc[4]), vf_add(acc[2], acc[6])),
     b = vf_add(vf_add(acc[1], acc[5]), vf_add(acc[3], acc[7]));
  return vf_first(vf_hsum(vf_add(a, b)));
}

static double block_sum(size_t n, const WIDE *x) {
  size_t full = n - n % STEP, i = 0;
  vf acc[CHAINS] = {vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0)};
  for (; i < full; i += STEP)
    for (size_t j = 0; j < CHAINS; j++) acc[j] = vf_add(acc[j], WIDE_LOAD(x + i + j * VF_LANES));
  double total = fold(acc);
  if (VF_LANES > 1 && n - i >= VF_LANES) {
    vf last = vf_set(0);
    for (; n - i >= VF_LANES; i += VF_LANES) last = vf_add(last, WIDE_LOAD(x + i));
    total += vf_first(vf_hsum(last));
  }
  for (; i < n; i++) total += (double)x[i];
  return total;
}

/* Whole vectors behind the last full step. */
#define VECTORS(from, expr)                          \
  if (VF_LANES > 1 && n - from >= VF_LANES) {        \
    vf last = vf_set(0);                             \
    for (; n - from >= VF_LANES; from += VF_LANES) { \
      vf v = LOAD(x + from);                         \
      last = vf_add(last, expr);                     \
    }                                                \
    total += vf_first(vf_hsum(last));                \
  }
/* The elements behind those, one by one, in double. */
#define REST(from, expr)              \
  for (size_t k = from; k < n; k++) { \
    double v = SCALAR(x[k]);          \
    total += expr;                    \
  }

static double row_sum(size_t n, const ELEM *x) {
  double total = 0;
  size_t full = n - n % STEP;
  for (size_t at = 0; at < full; at += BLOCK) {
    size_t end = full - at < BLOCK ? full : at + BLOCK;
    vf acc[CHAINS] = {vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0)};
    for (size_t i = at; i < end; i += STEP)
      for (size_t j = 0; j < CHAINS; j++) acc[j] = vf_add(acc[j], LOAD(x + i + j * VF_LANES));
    total += fold(acc);
  }
  VECTORS(full, v)
  REST(full, v)
  return total;
}

/* Sum of (x - mean)^2. */
static double row_squares(size_t n, const ELEM *x, double mean) {
  double total = 0;
  size_t full = n - n % STEP;
  vf m = vf_set(mean);
  for (size_t at = 0; at < full; at += BLOCK) {
    size_t end = full - at < BLOCK ? full : at + BLOCK;
    vf acc[CHAINS] = {vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0), vf_set(0)};
    for (size_t i = at; i < end; i += STEP)
      for (size_t j = 0; j < CHAINS; j++) {
        vf d = vf_sub(LOAD(x + i + j * VF_LANES), m);
        acc[j] = vf_add(acc[j], vf_mul(d, d));
      }
    total += fold(acc);
  }
  VECTORS(full, vf_mul(vf_sub(v, m), vf_sub(v, m)))
  REST(full, (v - mean) * (v - mean))
  return total;
}

static double row_max(size_t n, const ELEM *x) {
  size_t full = n - n % STEP, i = full;
  double max = SCALAR(x[0]);
  if (full) {
    vf acc[CHAINS];
    for (size_t j = 0; j < CHAINS; j++) acc[j] = LOAD(x + j * VF_LANES);
    for (size_t k = STEP; k < full; k += STEP)
      for (size_t j = 0; j < CHAINS; j++) acc[j] = vf_max_any(acc[j], LOAD(x + k + j * VF_LANES));
    for (size_t j = 1; j < CHAINS; j++) acc[0] = vf_max_any(acc[0], acc[j]);
    max = vf_first(vf_hmax(acc[0]));
  }
  if (VF_LANES > 1 && n - i >= VF_LANES) {
    vf last = LOAD(x + i);
    for (i += VF_LANES; n - i >= VF_LANES; i += VF_LANES) last = vf_max_any(last, LOAD(x + i));
    double most = vf_first(vf_hmax(last));
    if (max < most) max = most;
  }
  for (; i < n; i++)
    if (max < SCALAR(x[i])) max = SCALAR(x[i]);
  return max;
}

/* ---- softmax ---- */
/* Returns the sum of exp(x - max), NaN when there is a NaN anywhere; with `keep` the terms stay in y. */
static double row_exp(size_t n, const ELEM *x, double max, WIDE *keep) {
  double total = 0;
  vf m = vf_set(max);
  for (size_t at = 0; at < n; at += BLOCK) {
    size_t k = n - at < BLOCK ? n - at : BLOCK, full = k - k % VF_LANES, i = 0;
    const ELEM *from = x + at;
    WIDE block[BLOCK], *e = keep ? keep + at : block;
    LR_INDEPENDENT for (; i < full; i += VF_LANES)
        WIDE_STORE(e + i, vf_exp_negative(vf_sub(LOAD(from + i), m)));
    if (i < k) WIDE_STORE_PART(e + i, vf_exp_negative(vf_sub(FROM_PART(from + i), m)));
    total += block_sum(k, e);
  }
  return total;
}

#define EACH(whole, tail)                            \
  {                                                  \
    size_t i = 0, full = n - n % VF_LANES;           \
    LR_INDEPENDENT for (; i < full; i += VF_LANES) { \
      vf v = LOAD(x + i);                            \
      STORE(y + i, whole);                           \
    }                                                \
    if (i < n) {                                     \
      vf v = PART(x + i);                            \
      STORE_PART(y + i, tail);                       \
    }                                                \
  }

void CAT(CAT(lr_, TYPE), CAT(_softmax__, ISA))(size_t n, const void *px, void *py, int32_t log_of) {
  const ELEM *x = px;
  ELEM *y = py;
  double max = row_max(n, x);
  vf m = vf_set(max);
  if (log_of) {
    vf l = vf_set(log(row_exp(n, x, max, NULL)));
    EACH(vf_sub(vf_sub(v, m), l), vf_sub(vf_sub(v, m), l))
    return;
  }
  vf scale = vf_set(1 / row_exp(n, x, max, EXACT ? (WIDE *)py : NULL));
  if (EXACT) {
    x = y;
    EACH(vf_mul(v, scale), vf_mul(v, scale))
  } else {
    EACH(vf_mul(vf_exp_negative(vf_sub(v, m)), scale), vf_mul(vf_exp_negative(vf_sub(v, m)), scale))
  }
}

/* ---- normalisation ---- */
void CAT(CAT(lr_, TYPE), CAT(_norm__, ISA))(size_t n, const void *px, const void *scale, const void *bias,
                                            float epsilon, int32_t rms, void *py) {
  const ELEM *x = px, *s = scale, *b = bias;
  ELEM *y = py;
  double mean = rms ? 0 : row_sum(n, x) / (double)n;
  double inverse = 1 / sqrt(row_squares(n, x, mean) / (double)n + (double)epsilon);
  vf m = vf_set(mean), r = vf_set(inverse);
#define NORMAL vf_mul(vf_sub(v, m), r)
  if (s && b)
    EACH(vf_mla(NORMAL, LOAD(s + i), LOAD(b + i)), vf_mla(NORMAL, PART(s + i), PART(b + i)))
  else if (s)
    EACH(vf_mul(NORMAL, LOAD(s + i)), vf_mul(NORMAL, PART(s + i)))
  else if (b)
    EACH(vf_add(NORMAL, LOAD(b + i)), vf_add(NORMAL, PART(b + i)))
  else
    EACH(NORMAL, NORMAL)
#undef NORMAL
}
