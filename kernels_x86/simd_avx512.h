/* The names of kernels_generic/simd.h for AVX-512 (F, BW, DQ, VL): 16 lanes. */
#pragma once
#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "f16.h"
#include "independent.h"

#define VF_LANES 16
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

static inline vf vf_load_f32(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store_f32(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf vf_load_f16(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
static inline void vf_store_f16(uint16_t *p, vf x) {
  _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
static inline vm vm_load(const uint8_t *p) {
  __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
  return _mm_test_epi8_mask(x, x);
}
static inline void vm_store(uint8_t *p, vm m) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm_maskz_set1_epi8(m, 1));
}

static inline vf vf_set(double x) { return _mm512_set1_ps((float)x); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_mla(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_abs(vf a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
static inline vf vf_neg(vf a) { return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a); }
static inline vf vf_sign_of(vf a, vf b) {
  return _mm512_or_ps(vf_abs(a), _mm512_and_ps(_mm512_set1_ps(-0.0f), b));
}
/* x86's minimum and maximum give the second operand when one is NaN, or when both are zeros */
static inline vf vf_max_any(vf a, vf b) { return _mm512_max_ps(b, a); }
static inline vf vf_min_any(vf a, vf b) { return _mm512_min_ps(b, a); }

static inline vm vm_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vm vm_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
static inline vm vm_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vm vm_and(vm a, vm b) { return a & b; }
static inline vm vm_or(vm a, vm b) { return a | b; }
static inline vm vm_not(vm a) { return (vm)~a; }
static inline vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }

static inline double vf_first(vf a) { return (double)_mm512_cvtss_f32(a); }
static inline vf vf_hsum(vf a) { return _mm512_set1_ps(_mm512_reduce_add_ps(a)); }
static inline vf vf_hmax(vf a) { return _mm512_set1_ps(_mm512_reduce_max_ps(a)); }

static inline vi vi_of_bits(vf a) { return _mm512_castps_si512(a); }
static inline vf vf_of_bits(vi a) { return _mm512_castsi512_ps(a); }
static inline vi vi_set(int32_t a) { return _mm512_set1_epi32(a); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
static inline vi vi_shl(vi a, int n) { return _mm512_sllv_epi32(a, _mm512_set1_epi32(n)); }
static inline vi vi_sar(vi a, int n) { return _mm512_srav_epi32(a, _mm512_set1_epi32(n)); }
static inline vf vf_of_int(vi a) { return _mm512_cvtepi32_ps(a); }

#include "simd_lanes.h"
