/* Products of 8-bit integers with AVX-512 VNNI. Panels have 32 columns of fours along the depth (kr 4): one instruction
 * (vpdpbusd) adds four products of an unsigned and a signed number to each i32, exactly. It wants A unsigned, so signed
 * numbers get 128 more, and each sum starts at 128 times the sum of its column's weights less. Sums wrap as i32. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "unroll.h"

enum { MR = 8, NR = 32 };

struct tile8 {
  size_t rows, n, ks, kc, y_stride; /* n: columns to store */
  const void *const *a;
  const int32_t *bias, *sums;
  int32_t *y;
};

/* Four numbers at x, fewer at the end of a row, in each 32 bits. */
LR_INLINE __m512i fours(const uint8_t *x, size_t n, const int is_signed) {
  int32_t bits = 0;
  memcpy(&bits, x, n);
  return _mm512_set1_epi32(is_signed ? bits ^ (int32_t)0x80808080 : bits);
}

/* n of fours(), rows and vectors are literals. */
LR_INLINE void add(__m512i (*sum)[2], const struct tile8 *t, const uint8_t *const *x, size_t k, size_t n,
                   const int8_t *w, const int rows, const int vectors, const int is_signed) {
  __m512i b[2];
  LR_EACH(v, vectors, 2) b[v] = _mm512_loadu_si512(w + v * 64);
  LR_EACH(r, rows, MR) {
    __m512i e = fours(x[r] + k, n, is_signed);
    LR_EACH(v, vectors, 2) sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], e, b[v]);
  }
}

/* Rows from t->rows on are computed and thrown away; so are columns from t->n on. */
LR_INLINE void tile(const struct tile8 *t, const int8_t *w, const int rows, const int vectors,
                    const int is_signed) {
  __m512i sum[MR][2];
  const void *const *a = t->a;
  LR_EACH(v, vectors, 2) {
    __m512i start = _mm512_loadu_si512(t->bias + v * 16);
    if (is_signed)
      start = _mm512_sub_epi32(start, _mm512_slli_epi32(_mm512_loadu_si512(t->sums + v * 16), 7));
    LR_EACH(r, rows, MR) sum[r][v] = start;
  }
  for (size_t s = t->ks; s; s--, a += MR) {
    const uint8_t *x[MR];
    LR_EACH(r, rows, MR) x[r] = a[r];
    size_t k = 0;
    for (; k + 4 <= t->kc; k += 4, w += 4 * NR) add(sum, t, x, k, 4, w, rows, vectors, is_signed);
    if (k < t->kc) {
      add(sum, t, x, k, t->kc - k, w, rows, vectors, is_signed);
      w += 4 * NR;
    }
  }
  LR_EACH(r, rows, MR) {
    if ((size_t)r >= t->rows) break;
    LR_EACH(v, vectors, 2) {
      size_t n = t->n > (size_t)v * 16 ? t->n - (size_t)v * 16 : 0;
      __mmask16 m = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
      _mm512_mask_storeu_epi32(t->y + (size_t)r * t->y_stride + v * 16, m, sum[r][v]);
    }
  }
}

LR_INLINE void some_rows(const struct tile8 *t, const int8_t *w, const int vectors, const int is_signed) {
  if (t->rows == 1)
    tile(t, w, 1, vectors, is_signed);
  else if (t->rows <= 4)
    tile(t, w, 4, vectors, is_signed);
  else
    tile(t, w, MR, vectors, is_signed);
}

LR_INLINE void gemm(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a, const void *panels,
                    const int32_t *bias, int32_t *y, size_t y_stride, const int is_signed) {
  struct tile8 t = {.rows = rows, .ks = ks, .kc = kc, .y_stride = y_stride, .a = a};
  size_t panel = NR * sizeof(int32_t) + ks * ((kc + 3) / 4 * 4) * NR;
  const char *p = panels;
  for (size_t col = 0; col < cols; col += NR, p += panel) {
    t.n = cols - col < NR ? cols - col : NR;
    t.bias = bias + col;
    t.sums = (const int32_t *)(const void *)p;
    t.y = y + col;
    const int8_t *w = (const int8_t *)p + NR * sizeof(int32_t);
    if (t.n <= 16)
      some_rows(&t, w, 1, is_signed);
    else
      some_rows(&t, w, 2, is_signed);
  }
}

void lr_qs8_gemm_8x32c4__avx512vnni(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a,
                                    const void *w, const int32_t *bias, int32_t *y, size_t y_stride) {
  gemm(rows, cols, ks, kc, a, w, bias, y, y_stride, 1);
}

void lr_qu8_gemm_8x32c4__avx512vnni(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a,
                                    const void *w, const int32_t *bias, int32_t *y, size_t y_stride) {
  gemm(rows, cols, ks, kc, a, w, bias, y, y_stride, 0);
}
