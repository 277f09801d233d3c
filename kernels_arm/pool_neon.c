/* Pools and weighted sums of rows with NEON: 16 channels stay in registers while all taps pass by. */
#include <string.h>

#include "kernels.h"
#include "neon.h"

#if LR_NEON_F16 /* rounded to once, from the f32 result */
LR_INLINE void v4_store_f16(uint16_t *p, v4 v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
#endif
#if LR_NEON_F32
LR_INLINE void v4_store_f32(float *p, v4 v) { vst1q_f32(p, v); }
LR_INLINE uint8x16_t load_u8(const uint8_t *p) { return vld1q_u8(p); }
LR_INLINE int8x16_t load_s8(const int8_t *p) { return vld1q_s8(p); }
#endif
LR_INLINE v4 v4_add(v4 a, v4 b) { return vaddq_f32(a, b); }
LR_INLINE v4 v4_max(v4 a, v4 b) { return vmaxq_f32(a, b); } /* NaN when one operand is */

/* y[j] = finish(join of all a[s][j]) for the j that are left, from `at` on, as long as there are 4 * LANES, then LANES of them;
 * what is left after that is padded. V: vector of LANES elements of type T. */
#define POOL_OF(NAME, T, V, LANES, load, store, join, finish, more)                                       \
  LR_INLINE void NAME##_1(size_t at, size_t ks, const void *const *a, float divisor, T *y) {              \
    V v = load((const T *)a[0] + at);                                                                     \
    for (size_t s = 1; s < ks; s++) v = join(v, load((const T *)a[s] + at));                              \
    store(y, finish(v, divisor));                                                                         \
  }                                                                                                       \
  LR_INLINE void NAME##_4(size_t at, size_t ks, const void *const *a, float divisor, T *y) {              \
    const T *x = (const T *)a[0] + at;                                                                    \
    V v0 = load(x), v1 = load(x + LANES), v2 = load(x + 2 * LANES), v3 = load(x + 3 * LANES);             \
    for (size_t s = 1; s < ks; s++) {                                                                     \
      x = (const T *)a[s] + at;                                                                           \
      v0 = join(v0, load(x)), v1 = join(v1, load(x + LANES));                                             \
      v2 = join(v2, load(x + 2 * LANES)), v3 = join(v3, load(x + 3 * LANES));                             \
    }                                                                                                     \
    store(y, finish(v0, divisor));                                                                        \
    store(y + LANES, finish(v1, divisor));                                                                \
    store(y + 2 * LANES, finish(v2, divisor));                                                            \
    store(y + 3 * LANES, finish(v3, divisor));                                                            \
  }                                                                                                       \
  LR_INLINE void NAME##_rest(size_t at, size_t n, size_t ks, const void *const *a, float divisor, T *y) { \
    T few[LANES] = {0};                                                                                   \
    memcpy(few, (const T *)a[0] + at, n * sizeof *few);                                                   \
    V v = load(few);                                                                                      \
    for (size_t s = 1; s < ks; s++) {                                                                     \
      memcpy(few, (const T *)a[s] + at, n * sizeof *few);                                                 \
      v = join(v, load(few));                                                                             \
    }                                                                                                     \
    store(few, finish(v, divisor));                                                                       \
    memcpy(y, few, n * sizeof *few);                                                                      \
  }                                                                                                       \
  void NAME(size_t n, size_t ks, const void *const *a MORE_##more, void *out) {                           \
    T *y = out;                                                                                           \
    size_t at = 0;                                                                                        \
    for (; n - at >= 4 * LANES; at += 4 * LANES) NAME##_4(at, ks, a, DIVISOR_##more, y + at);             \
    for (; n - at >= LANES; at += LANES) NAME##_1(at, ks, a, DIVISOR_##more, y + at);                     \
    if (at < n) NAME##_rest(at, n - at, ks, a, DIVISOR_##more, y + at);                                   \
  }
#define POOL_EXPANDED(...) POOL_OF(__VA_ARGS__)
#define POOL(name, ...) POOL_EXPANDED(LR_NEON(name), __VA_ARGS__)
#define MORE_max
#define MORE_mean , float divisor
#define DIVISOR_max 1
#define DIVISOR_mean divisor
#define SAME(v, divisor) (v)
#define QUOTIENT(v, divisor) v4_div(v, vdupq_n_f32(divisor))

#if LR_NEON_F32
POOL(lr_f32_maxpool, float, v4, 4, v4_load_f32, v4_store_f32, v4_max, SAME, max)
POOL(lr_s8_maxpool, int8_t, int8x16_t, 16, load_s8, vst1q_s8, vmaxq_s8, SAME, max)
POOL(lr_u8_maxpool, uint8_t, uint8x16_t, 16, load_u8, vst1q_u8, vmaxq_u8, SAME, max)
POOL(lr_f32_avgpool, float, v4, 4, v4_load_f32, v4_store_f32, v4_add, QUOTIENT, mean)
#endif
#if LR_NEON_F16
POOL(lr_f16_maxpool, uint16_t, v4, 4, v4_load_f16, v4_store_f16, v4_max, SAME, max)
POOL(lr_f16_avgpool, uint16_t, v4, 4, v4_load_f16, v4_store_f16, v4_add, QUOTIENT, mean)
#endif
