/* Vectors of 8 floats under the names that gemm.inl and dwconv.inl use. */
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "unroll.h"

typedef __m256 v8;
LR_INLINE v8 v8_load(const float *p) { return _mm256_loadu_ps(p); }
LR_INLINE void v8_store(float *p, v8 v) { _mm256_storeu_ps(p, v); }
LR_INLINE v8 v8_set(float f) { return _mm256_set1_ps(f); }
LR_INLINE v8 v8_fma(v8 a, v8 b, v8 c) { return _mm256_fmadd_ps(a, b, c); }
/* x86's minimum and maximum give the second operand when one is NaN: NaN stays NaN */
LR_INLINE v8 v8_clamp(v8 v, v8 lo, v8 hi) { return _mm256_min_ps(hi, _mm256_max_ps(lo, v)); }
LR_INLINE v8 v8_max(v8 a, v8 b) {
  return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
LR_INLINE v8 v8_add(v8 a, v8 b) { return _mm256_add_ps(a, b); }
LR_INLINE v8 v8_div(v8 a, v8 b) { return _mm256_div_ps(a, b); }

/* The first n < 8 elements, by powers of two: masked stores take some 20 times as long on AMD's CPUs. */
LR_INLINE void v8_store_some(float *p, v8 v, size_t n) {
  __m128 q = _mm256_castps256_ps128(v);
  if (n & 4) {
    _mm_storeu_ps(p, q);
    q = _mm256_extractf128_ps(v, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi((__m64 *)(void *)p, q);
    q = _mm_movehl_ps(q, q);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, q);
}

LR_INLINE v8 v8_load_some(const float *p, size_t n) {
  __m256i first =
      _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  return _mm256_maskload_ps(p, first);
}

/* f16 bits */
LR_INLINE v8 v8_load_f16(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
LR_INLINE v8 v8_set_f16(uint16_t h) { return _mm256_cvtph_ps(_mm_set1_epi16((int16_t)h)); }
LR_INLINE v8 v8_load_some_f16(const uint16_t *p, size_t n) {
  uint16_t few[8] = {0};
  memcpy(few, p, n * sizeof few[0]);
  return v8_load_f16(few);
}
