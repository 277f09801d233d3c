/* What every simd header with several lanes shares. Included at the end of such a header. */
#pragma once
#include <string.h>

/* The first n < VF_LANES lanes in memory; the others load as 0. */
#define PART(name, type)                                             \
  static inline vf vf_load_part_##name(const type *p, size_t n) {    \
    type all[VF_LANES] = {0};                                        \
    memcpy(all, p, n * sizeof all[0]);                               \
    return vf_load_##name(all);                                      \
  }                                                                  \
  static inline void vf_store_part_##name(type *p, size_t n, vf x) { \
    type all[VF_LANES];                                              \
    vf_store_##name(all, x);                                         \
    memcpy(p, all, n * sizeof all[0]);                               \
  }
PART(f32, float)
#ifndef LR_SIMD_NO_F16
PART(f16, uint16_t)
#endif
#undef PART

static inline vf vf_each1(float (*f)(float), vf x) {
  float a[VF_LANES];
  vf_store_f32(a, x);
  for (int i = 0; i < VF_LANES; i++) a[i] = f(a[i]);
  return vf_load_f32(a);
}

static inline vf vf_each2(float (*f)(float, float), vf x, vf y) {
  float a[VF_LANES], b[VF_LANES];
  vf_store_f32(a, x);
  vf_store_f32(b, y);
  for (int i = 0; i < VF_LANES; i++) a[i] = f(a[i], b[i]);
  return vf_load_f32(a);
}

#define VF_CALL1(f, x) vf_each1(f, x)
#define VF_CALL2(f, x, y) vf_each2(f, x, y)
