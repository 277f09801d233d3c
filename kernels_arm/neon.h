/* Vectors of 4 floats for the GEMM, depthwise and pooling kernels, with loads from f32 and f16 elements. f16 is only a way of
 * storing numbers here: AArch64 CPUs and 32-bit ones with VFPv4 convert it, and sums are f32. Where the two instruction sets
 * differ, this is the place that knows: 32-bit ARM has 16 vector registers, no division and no fused multiply-add by a lane. */
#pragma once
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

/* What a source is compiled for, and the end of its kernels' names. AArch64 has it all; for 32-bit ARM the build makes one library
 * with NEON alone and one, LR_NEON_F16, with VFPv4. */
#define LR_NEON_JOIN_(name, isa) name##__##isa
#define LR_NEON_JOIN(name, isa) LR_NEON_JOIN_(name, isa)
#if defined(__aarch64__)
#define LR_NEON_F32 1
#define LR_NEON_F16 1
#define LR_NEON(name) LR_NEON_JOIN(name, neon)
#elif defined(LR_NEON_F16)
#define LR_NEON_F32 0
#define LR_NEON(name) LR_NEON_JOIN(name, vfpv4)
#else
#define LR_NEON_F32 1
#define LR_NEON_F16 0
#define LR_NEON(name) LR_NEON_JOIN(name, neon32)
#endif

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

#if defined(__aarch64__)
LR_INLINE v4 v4_fma(v4 sum, v4 a, v4 b) { return vfmaq_f32(sum, a, b); }
LR_INLINE v4 v4_div(v4 a, v4 b) { return vdivq_f32(a, b); }
/* sum +- v * lane of f; the lane is a literal */
#define v4_fma_lane(sum, v, f, lane) vfmaq_laneq_f32(sum, v, f, lane)
#define v4_fms_lane(sum, v, f, lane) vfmsq_laneq_f32(sum, v, f, lane)
#else /* two roundings; division is exact, lane by lane in the scalar unit */
LR_INLINE v4 v4_fma(v4 sum, v4 a, v4 b) { return vmlaq_f32(sum, a, b); }
LR_INLINE v4 v4_div(v4 a, v4 b) { return a / b; }
#define v4_half(f, lane) ((lane) < 2 ? vget_low_f32(f) : vget_high_f32(f))
#define v4_fma_lane(sum, v, f, lane) vmlaq_lane_f32(sum, v, v4_half(f, lane), (lane) & 1)
#define v4_fms_lane(sum, v, f, lane) vmlsq_lane_f32(sum, v, v4_half(f, lane), (lane) & 1)
#endif

LR_INLINE v4 v4_load_f32(const float *p) { return vld1q_f32(p); }

/* The first 2 or 1 elements in the lower lanes; the other lanes hold anything. */
LR_INLINE v4 v4_load2_f32(const float *p) {
  float32x2_t v = vld1_f32(p);
  return vcombine_f32(v, v);
}
LR_INLINE v4 v4_load1_f32(const float *p) { return vld1q_dup_f32(p); }

/* The first n < 4 elements, zeros behind them. */
LR_INLINE v4 v4_load_some_f32(const float *p, size_t n) {
  v4 v = vsetq_lane_f32(p[0], vdupq_n_f32(0), 0);
  if (n > 1) v = vsetq_lane_f32(p[1], v, 1);
  if (n > 2) v = vsetq_lane_f32(p[2], v, 2);
  return v;
}

LR_INLINE void v4_store_some(float *p, v4 v, size_t n) {
  vst1q_lane_f32(p, v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, v, 2);
}

/* NEON's minimum and maximum give NaN when one operand is: NaN stays NaN. */
LR_INLINE v4 v4_clamp(v4 v, v4 lo, v4 hi) { return vminq_f32(vmaxq_f32(v, lo), hi); }

#if LR_NEON_F16
LR_INLINE v4 v4_load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
LR_INLINE v4 v4_load1_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_dup_u16(p))); }
LR_INLINE v4 v4_load2_f16(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_lane_u16(p + 1, vld1_dup_u16(p), 1)));
}
LR_INLINE v4 v4_load_some_f16(const uint16_t *p, size_t n) {
  uint16x4_t v = vld1_lane_u16(p, vdup_n_u16(0), 0);
  if (n > 1) v = vld1_lane_u16(p + 1, v, 1);
  if (n > 2) v = vld1_lane_u16(p + 2, v, 2);
  return vcvt_f32_f16(vreinterpret_f16_u16(v));
}
#endif
