/* Quantising to 8 bits by one scale and zero point with AVX-512; all else as with AVX2. */
#include <immintrin.h>

#include "cast.h"
#include "lr_ops.h"
#include "kernels.h"

static void quantize8(size_t n, const float *a, float scale, int32_t zero, int32_t lowest, uint8_t *y) {
  __m512 low = _mm512_set1_ps((float)(lowest - zero)), high = _mm512_set1_ps((float)(lowest + 255 - zero));
  for (size_t at = 0; at < n; at += 16) {
    __mmask16 m = n - at < 16 ? (__mmask16)((1u << (n - at)) - 1) : 0xffff;
    __m512 q = _mm512_div_ps(_mm512_maskz_loadu_ps(m, a + at), _mm512_set1_ps(scale));
    q = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(q, q, _CMP_ORD_Q), q);           /* NaN becomes 0 */
    __m512i i = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(q, low), high)); /* to nearest even */
    _mm512_mask_cvtepi32_storeu_epi8(y + at, m, _mm512_add_epi32(i, _mm512_set1_epi32(zero)));
  }
}

void lr_vquantize__avx512(int32_t to, size_t n, const float *a, size_t a_step, const float *b, size_t b_step,
                          const void *c, size_t c_step, void *y) {
  if (!a_step || b_step || c_step || (to != LR_CODE_I8 && to != LR_CODE_U8))
    lr_vquantize__avx2(to, n, a, a_step, b, b_step, c, c_step, y);
  else if (to == LR_CODE_I8)
    quantize8(n, a, *b, *(const int8_t *)c, -128, y);
  else
    quantize8(n, a, *b, *(const uint8_t *)c, 0, y);
}
