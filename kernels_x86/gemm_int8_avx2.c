/* Products and convolutions of 8-bit integers with AVX2. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "unroll.h"

enum { MR = 6, NR = 16 };

struct tile8 {
  size_t rows, n, ks, kc, y_stride; /* n: columns to store */
  const void *const *a;
  const int32_t *bias;
  int32_t *y;
};

/* The first n of 16 sums. */
LR_INLINE void store8(int32_t *y, __m256i p, __m256i q, size_t n) {
  int32_t all[NR];
  int32_t *to = n == NR ? y : all;
  _mm256_storeu_si256((__m256i *)(void *)to, p);
  _mm256_storeu_si256((__m256i *)(void *)(to + 8), q);
  if (n < NR) memcpy(y, all, n * sizeof *y);
}

#define GEMM lr_qs8_gemm_6x16c2__avx2
#define DWCONV lr_qs8_dwconv_1x16__avx2
#define X int8_t
#define WIDEN _mm256_cvtepi8_epi16
#include "gemm_int8.inl"

#define GEMM lr_qu8_gemm_6x16c2__avx2
#define DWCONV lr_qu8_dwconv_1x16__avx2
#define X uint8_t
#define WIDEN _mm256_cvtepu8_epi16
#include "gemm_int8.inl"
