/* Vectors of 4 floats for the GEMM, depthwise and pooling kernels, with loads from f32 and f16 elements. f16 is only a way of
 * storing numbers here: every AArch64 CPU converts it, and sums are f32. */
#pragma once
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

/* Loops over registers must disappear, else what they work on stays in memory. */
#ifdef __clang__
#define LR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LR_UNROLL _Pragma("GCC unroll 32")
#endif
#define LR_INLINE static inline __attribute__((always_inline))
/* Nothing is known of pointer p any more. Keeps compilers from moving more loads out of a loop than there are registers. */
#define LR_OPAQUE(p) __asm__("" : "+r"(p))
/* Vector v is in a register here, the one that holds it before and after. */
#define LR_IN_REGISTER(v) __asm__("" : "+w"(v))

/* All four vectors are in registers before what follows is read from memory. Keeps compilers from reading a whole tile first
 * and then spilling it. */
#define LR_READY(a, b, c, d) __asm__ volatile("" : "+w"(a), "+w"(b), "+w"(c), "+w"(d)::"memory")

typedef float32x4_t v4;

LR_INLINE v4 v4_load_f32(const float *p) { return vld1q_f32(p); }
LR_INLINE v4 v4_load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }

/* The first 2 or 1 elements in the lower lanes; the other lanes hold anything. */
LR_INLINE v4 v4_load2_f32(const float *p) {
  float32x2_t v = vld1_f32(p);
  return vcombine_f32(v, v);
}
LR_INLINE v4 v4_load1_f32(const float *p) { return vld1q_dup_f32(p); }
LR_INLINE v4 v4_load1_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_dup_u16(p))); }
LR_INLINE v4 v4_load2_f16(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_lane_u16(p + 1, vld1_dup_u16(p), 1)));
}

/* The first n < 4 elements, zeros behind them. */
LR_INLINE v4 v4_load_some_f32(const float *p, size_t n) {
  v4 v = vsetq_lane_f32(p[0], vdupq_n_f32(0), 0);
  if (n > 1) v = vsetq_lane_f32(p[1], v, 1);
  if (n > 2) v = vsetq_lane_f32(p[2], v, 2);
  return v;
}
LR_INLINE v4 v4_load_some_f16(const uint16_t *p, size_t n) {
  uint16x4_t v = vld1_lane_u16(p, vdup_n_u16(0), 0);
  if (n > 1) v = vld1_lane_u16(p + 1, v, 1);
  if (n > 2) v = vld1_lane_u16(p + 2, v, 2);
  return vcvt_f32_f16(vreinterpret_f16_u16(v));
}

LR_INLINE void v4_store_some(float *p, v4 v, size_t n) {
  vst1q_lane_f32(p, v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, v, 2);
}

/* NEON's minimum and maximum give NaN when one operand is: NaN stays NaN. */
LR_INLINE v4 v4_clamp(v4 v, v4 lo, v4 hi) { return vminq_f32(vmaxq_f32(v, lo), hi); }
