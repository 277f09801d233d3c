/* The names of kernels_generic/simd.h for NEON: 4 lanes. f16 is only a way of storing numbers: AArch64 CPUs and
 * 32-bit ones with VFPv4 convert it. On 32-bit ARM vf_mla rounds twice, division and square root are exact, lane by
 * lane in the scalar unit, and denormals are always flushed. */
#pragma once
#include <arm_neon.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "f16.h"
#include "independent.h"

#define VF_LANES 4
typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm; /* all bits of a lane */

static inline vf vf_load_f32(const float *p) { return vld1q_f32(p); }
static inline void vf_store_f32(float *p, vf x) { vst1q_f32(p, x); }
#if defined(__aarch64__) || defined(LR_NEON_F16)
static inline vf vf_load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline void vf_store_f16(uint16_t *p, vf x) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
#else /* nothing that has f16 is compiled for NEON alone */
#define LR_SIMD_NO_F16
#endif
static inline vm vm_load(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
  vm x = vmovl_u16(vget_low_u16(words));
  return vtstq_u32(x, x);
}
static inline void vm_store(uint8_t *p, vm m) {
  uint16x4_t words = vmovn_u32(m);
  uint8x8_t bytes = vand_u8(vmovn_u16(vcombine_u16(words, words)), vdup_n_u8(1));
  uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  memcpy(p, &four, sizeof four);
}

static inline vf vf_set(double x) { return vdupq_n_f32((float)x); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
#if defined(__aarch64__)
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_mla(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
#else
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_mla(vf a, vf b, vf c) { return vmlaq_f32(c, a, b); }
static inline vf vf_sqrt(vf a) { return (vf){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
#endif
static inline vf vf_abs(vf a) { return vabsq_f32(a); }
static inline vf vf_neg(vf a) { return vnegq_f32(a); }
static inline vf vf_sign_of(vf a, vf b) { return vbslq_f32(vdupq_n_u32(0x80000000), b, a); }

static inline vm vm_lt(vf a, vf b) { return vcltq_f32(a, b); }
static inline vm vm_le(vf a, vf b) { return vcleq_f32(a, b); }
static inline vm vm_eq(vf a, vf b) { return vceqq_f32(a, b); }
static inline vm vm_and(vm a, vm b) { return vandq_u32(a, b); }
static inline vm vm_or(vm a, vm b) { return vorrq_u32(a, b); }
static inline vm vm_not(vm a) { return vmvnq_u32(a); }
static inline vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
/* NEON's own minimum and maximum give NaN when b is NaN; these keep a then */
static inline vf vf_max_any(vf a, vf b) { return vf_select(vm_lt(a, b), b, a); }
static inline vf vf_min_any(vf a, vf b) { return vf_select(vm_lt(b, a), b, a); }

static inline double vf_first(vf a) { return (double)vgetq_lane_f32(a, 0); }
#if defined(__aarch64__)
static inline vf vf_hsum(vf a) { return vdupq_n_f32(vaddvq_f32(a)); }
static inline vf vf_hmax(vf a) { return vdupq_n_f32(vmaxvq_f32(a)); }
#else /* in pairs, as the instructions above do it */
static inline vf vf_hsum(vf a) {
  float32x2_t pairs = vpadd_f32(vget_low_f32(a), vget_high_f32(a));
  return vdupq_lane_f32(vpadd_f32(pairs, pairs), 0);
}
static inline vf vf_hmax(vf a) {
  float32x2_t pairs = vpmax_f32(vget_low_f32(a), vget_high_f32(a));
  return vdupq_lane_f32(vpmax_f32(pairs, pairs), 0);
}
#endif

static inline vi vi_of_bits(vf a) { return vreinterpretq_s32_f32(a); }
static inline vf vf_of_bits(vi a) { return vreinterpretq_f32_s32(a); }
static inline vi vi_set(int32_t a) { return vdupq_n_s32(a); }
static inline vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
static inline vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
static inline vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
static inline vi vi_shl(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(n)); }
static inline vi vi_sar(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(-n)); }
static inline vf vf_of_int(vi a) { return vcvtq_f32_s32(a); }

#include "simd_lanes.h"
