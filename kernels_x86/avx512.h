/* Vectors of 16 floats under the names that gemm.inl and dwconv.inl use. */
#pragma once
#include "avx2.h"

typedef __m512 v16;
LR_INLINE v16 v16_load(const float *p) { return _mm512_loadu_ps(p); }
LR_INLINE void v16_store(float *p, v16 v) { _mm512_storeu_ps(p, v); }
LR_INLINE v16 v16_set(float f) { return _mm512_set1_ps(f); }
LR_INLINE v16 v16_fma(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }
LR_INLINE v16 v16_clamp(v16 v, v16 lo, v16 hi) { return _mm512_min_ps(hi, _mm512_max_ps(lo, v)); }
LR_INLINE v16 v16_max(v16 a, v16 b) { /* b where one is NaN, so not where a is */
  return _mm512_mask_max_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a, b);
}
LR_INLINE v16 v16_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
LR_INLINE v16 v16_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }

LR_INLINE __mmask16 v16_first(size_t n) { return (__mmask16)((1u << n) - 1); } /* n <= 16 */
LR_INLINE void v16_store_some(float *p, v16 v, size_t n) { _mm512_mask_storeu_ps(p, v16_first(n), v); }
LR_INLINE v16 v16_load_some(const float *p, size_t n) { return _mm512_maskz_loadu_ps(v16_first(n), p); }

/* f16 bits */
LR_INLINE v16 v16_load_f16(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
LR_INLINE v16 v16_set_f16(uint16_t h) { return _mm512_cvtph_ps(_mm256_set1_epi16((int16_t)h)); }
LR_INLINE v16 v16_load_some_f16(const uint16_t *p, size_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v16_first(n), p));
}
