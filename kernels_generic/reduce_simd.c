/* Reductions in f32 over the vectors of an ISA; what reduce.c is in plain C. */
#include "kernels.h"
#include "lr_ops.h"
#include "simd_choose.h"

#include LR_SIMD
#include "vmath.h"

#include "functions.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(name) JOIN(name, LR_SIMD_ISA)

static inline vf same(vf v, vf shift) { return v; }
static inline vf square(vf v, vf shift) { return vf_mul(v, v); }
static inline vf magnitude(vf v, vf shift) { return vf_abs(v); }
static inline vf power(vf v, vf shift) { return vf_exp(vf_sub(v, shift)); }

#define CASES(X)                                     \
  X(LR_REDUCE_KIND_SUM, 0, vf_add, same)             \
  X(LR_REDUCE_KIND_SUM_SQUARE, 0, vf_add, square)    \
  X(LR_REDUCE_KIND_L1, 0, vf_add, magnitude)         \
  X(LR_REDUCE_KIND_PROD, 1, vf_mul, same)            \
  X(LR_REDUCE_KIND_MAX, -INFINITY, vf_max_nan, same) \
  X(LR_REDUCE_KIND_MIN, INFINITY, vf_min_nan, same)  \
  X(LR_REDUCE_KIND_LOG_SUM_EXP, 0, vf_add, power)

/* ---- columns ---- */
enum { WIDTH = 4 * VF_LANES };

/* WIDTH columns at a time stay in registers over all rows, or one vector. What is left at the end is done
 * before anything is stored, with columns before it once more where there are enough; else it is a part of a
 * vector. */
#define COLUMNS(kind, start, combine, f)                                                                 \
  static void columns_##kind(size_t n, size_t rows, const float *x, size_t stride, const float *m,       \
                             float *acc) {                                                               \
    size_t i = 0;                                                                                        \
    for (; n - i >= WIDTH; i += WIDTH) {                                                                 \
      vf s0 = vf_load_f32(acc + i), s1 = vf_load_f32(acc + i + VF_LANES),                                \
         s2 = vf_load_f32(acc + i + 2 * VF_LANES), s3 = vf_load_f32(acc + i + 3 * VF_LANES);             \
      const float *p = x + i;                                                                            \
      for (size_t r = 0; r < rows; r++, p += stride) {                                                   \
        s0 = combine(s0, f(vf_load_f32(p), SHIFT(m, vf_load_f32(m + i))));                               \
        s1 = combine(s1, f(vf_load_f32(p + VF_LANES), SHIFT(m, vf_load_f32(m + i + VF_LANES))));         \
        s2 = combine(s2, f(vf_load_f32(p + 2 * VF_LANES), SHIFT(m, vf_load_f32(m + i + 2 * VF_LANES)))); \
        s3 = combine(s3, f(vf_load_f32(p + 3 * VF_LANES), SHIFT(m, vf_load_f32(m + i + 3 * VF_LANES)))); \
      }                                                                                                  \
      vf_store_f32(acc + i, s0);                                                                         \
      vf_store_f32(acc + i + VF_LANES, s1);                                                              \
      vf_store_f32(acc + i + 2 * VF_LANES, s2);                                                          \
      vf_store_f32(acc + i + 3 * VF_LANES, s3);                                                          \
    }                                                                                                    \
    for (; n - i >= VF_LANES; i += VF_LANES) {                                                           \
      vf s = vf_load_f32(acc + i), shift = SHIFT(m, vf_load_f32(m + i));                                 \
      for (size_t r = 0; r < rows; r++) s = combine(s, f(vf_load_f32(x + r * stride + i), shift));       \
      vf_store_f32(acc + i, s);                                                                          \
    }                                                                                                    \
  }                                                                                                      \
  static vf part_##kind(size_t n, size_t rows, const float *x, size_t stride, const float *m,            \
                        const float *acc) {                                                              \
    vf s = vf_load_part_f32(acc, n), shift = SHIFT(m, vf_load_part_f32(m, n));                           \
    for (size_t r = 0; r < rows; r++) s = combine(s, f(vf_load_part_f32(x + r * stride, n), shift));     \
    return s;                                                                                            \
  }                                                                                                      \
  static vf whole_##kind(size_t rows, const float *x, size_t stride, const float *m, const float *acc) { \
    vf s = vf_load_f32(acc), shift = SHIFT(m, vf_load_f32(m));                                           \
    for (size_t r = 0; r < rows; r++) s = combine(s, f(vf_load_f32(x + r * stride), shift));             \
    return s;                                                                                            \
  }
#define SHIFT(m, load) (m ? load : vf_set(0))
#define SHIFT_AT(m, at) (m ? m + at : NULL)
CASES(COLUMNS)
#undef COLUMNS

void NAME(lr_f32_vreduce__)(int32_t op, size_t n, size_t rows, const float *x, size_t stride, const float *m,
                            float *acc) {
  switch (op) {
#define CALL(kind, start, combine, f)                                         \
  case kind:                                                                  \
    if (!LR_POST_BUILT(LR_CASE_REDUCE + kind)) break;                         \
    if (n < VF_LANES) {                                                       \
      vf_store_part_f32(acc, n, part_##kind(n, rows, x, stride, m, acc));     \
    } else if (n % VF_LANES == 0) {                                           \
      columns_##kind(n, rows, x, stride, m, acc);                             \
    } else {                                                                  \
      size_t at = n - VF_LANES;                                               \
      vf end = whole_##kind(rows, x + at, stride, SHIFT_AT(m, at), acc + at); \
      columns_##kind(n, rows, x, stride, m, acc);                             \
      vf_store_f32(acc + at, end);                                            \
    }                                                                         \
    break;
    CASES(CALL)
#undef CALL
  }
}

/* ---- a row ---- */
/* Four vectors side by side, then one, then the rest lane by lane of a vector that has the start elsewhere.
 */
#define ROW(kind, start, combine, f)                                                                    \
  static void row_##kind(size_t n, const float *x, const float *m, float *acc) {                        \
    vf shift = SHIFT(m, vf_set((double)*m)),                                                            \
       s[4] = {vf_set(start), vf_set(start), vf_set(start), vf_set(start)};                             \
    float lane[VF_LANES];                                                                               \
    size_t i = 0;                                                                                       \
    for (; n - i >= WIDTH; i += WIDTH)                                                                  \
      for (size_t j = 0; j < 4; j++) s[j] = combine(s[j], f(vf_load_f32(x + i + j * VF_LANES), shift)); \
    for (; n - i >= VF_LANES; i += VF_LANES) s[0] = combine(s[0], f(vf_load_f32(x + i), shift));        \
    s[0] = combine(combine(s[0], s[1]), combine(s[2], s[3]));                                           \
    if (i < n) {                                                                                        \
      vf_store_f32(lane, vf_set(start));                                                                \
      vf_store_part_f32(lane, n - i, f(vf_load_part_f32(x + i, n - i), shift));                         \
      s[0] = combine(s[0], vf_load_f32(lane));                                                          \
    }                                                                                                   \
    vf_store_f32(lane, s[0]);                                                                           \
    vf total = vf_set((double)*acc);                                                                    \
    for (size_t k = VF_LANES / 2; k; k /= 2)                                                            \
      for (size_t j = 0; j < k; j++)                                                                    \
        lane[j] = (float)vf_first(combine(vf_set((double)lane[j]), vf_set((double)lane[j + k])));       \
    *acc = (float)vf_first(combine(total, vf_set((double)lane[0])));                                    \
  }
CASES(ROW)
#undef ROW

void NAME(lr_f32_hreduce__)(int32_t op, size_t n, const float *x, const float *m, float *acc) {
  switch (op) {
#define CALL(kind, start, combine, f)                 \
  case kind:                                          \
    if (!LR_POST_BUILT(LR_CASE_REDUCE + kind)) break; \
    row_##kind(n, x, m, acc);                         \
    break;
    CASES(CALL)
#undef CALL
  }
}
