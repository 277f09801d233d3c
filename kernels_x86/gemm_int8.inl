/* The indirect GEMM and depthwise convolution of 8-bit integers with AVX2, for one type of A. Panels have 16 columns
 * of pairs along the depth (kr 2): a pair of A in 16 bits each is multiplied with the pairs of 8 columns and summed in
 * one instruction (pmaddwd), exactly, as 2 * 255 * 128 is far below 2^31. Sums wrap as i32.
 *
 * Before including:
 *   GEMM, DWCONV   the functions' names
 *   X, WIDEN(v)    type of A's elements; 16 of them in an __m128i -> i16 in an __m256i */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define LOCAL(name) JOIN(GEMM, name)

/* Pair k of a row, in each 32 bits; n: 1 when the pair is the last element alone. */
LR_INLINE __m256i LOCAL(_pair)(const X *x, size_t n) {
  uint16_t bits = 0;
  memcpy(&bits, x, n);
  return WIDEN(_mm_set1_epi16((short)bits));
}

/* Adds pair k of each row, times the pairs of 16 columns at w. n as in _pair; a literal, as is `rows`. */
LR_INLINE void LOCAL(_add)(__m256i (*sum)[2], const X *const *x, size_t k, size_t n, const int8_t *w,
                           const int rows) {
  __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)w));
  __m256i c = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(w + NR)));
  LR_EACH(r, rows, MR) {
    __m256i e = LOCAL(_pair)(x[r] + k, n);
    sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(e, b));
    sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(e, c));
  }
}

/* `rows` is a literal; rows from t->rows on are computed and thrown away. Returns the end of the panel. */
LR_INLINE const int8_t *LOCAL(_tile)(const struct tile8 *t, const int8_t *w, const int rows) {
  __m256i sum[MR][2];
  const void *const *a = t->a;
  LR_EACH(r, rows, MR) {
    sum[r][0] = _mm256_loadu_si256((const __m256i *)(const void *)t->bias);
    sum[r][1] = _mm256_loadu_si256((const __m256i *)(const void *)(t->bias + 8));
  }
  for (size_t s = t->ks; s; s--, a += MR) {
    const X *x[MR];
    LR_EACH(r, rows, MR) x[r] = a[r];
    size_t k = 0;
    for (; k + 2 <= t->kc; k += 2, w += 2 * NR) LOCAL(_add)(sum, x, k, 2, w, rows);
    if (k < t->kc) {
      LOCAL(_add)(sum, x, k, 1, w, rows);
      w += 2 * NR;
    }
  }
  LR_EACH(r, rows, MR) {
    if ((size_t)r < t->rows) store8(t->y + (size_t)r * t->y_stride, sum[r][0], sum[r][1], t->n);
  }
  return w;
}

void GEMM(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a, const void *panels,
          const int32_t *bias, int32_t *y, size_t y_stride) {
  struct tile8 t = {.rows = rows, .ks = ks, .kc = kc, .y_stride = y_stride, .a = a};
  const int8_t *w = panels;
  for (size_t col = 0; col < cols; col += NR) {
    w += NR * sizeof(int32_t); /* the columns' sums */
    t.n = cols - col < NR ? cols - col : NR;
    t.bias = bias + col;
    t.y = y + col;
    w = rows == 1 ? LOCAL(_tile)(&t, w, 1) : rows <= 3 ? LOCAL(_tile)(&t, w, 3) : LOCAL(_tile)(&t, w, MR);
  }
}

/* The 16 numbers of a pixel that the panel's columns see. */
LR_INLINE __m128i LOCAL(_pixel)(const X *x, const size_t *from, const int dense) {
  X few[NR];
  if (!dense)
    for (int j = 0; j < NR; j++) few[j] = x[from[j]];
  return _mm_loadu_si128((const __m128i *)(const void *)(dense ? x + from[0] : few));
}

/* One row of a depthwise convolution: pixel s is a[s] + at. Two taps are the pairs that are multiplied and summed. */
LR_INLINE void LOCAL(_taps)(size_t ks, const void *const *a, size_t at, const size_t *from, const int8_t *w,
                            const int32_t *bias, __m256i *sum, const int dense) {
  __m256i p = _mm256_loadu_si256((const __m256i *)(const void *)bias);
  __m256i q = _mm256_loadu_si256((const __m256i *)(const void *)(bias + 8));
  for (size_t s = 0; s < ks; s += 2, w += 2 * NR) {
    __m128i u = LOCAL(_pixel)((const X *)a[s] + at, from, dense), u2 = _mm_setzero_si128();
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)w), v2 = u2;
    if (s + 1 < ks) {
      u2 = LOCAL(_pixel)((const X *)a[s + 1] + at, from, dense);
      v2 = _mm_loadu_si128((const __m128i *)(const void *)(w + NR));
    }
    __m256i low = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(v, v2));
    __m256i high = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(v, v2));
    p = _mm256_add_epi32(p, _mm256_madd_epi16(WIDEN(_mm_unpacklo_epi8(u, u2)), low));
    q = _mm256_add_epi32(q, _mm256_madd_epi16(WIDEN(_mm_unpackhi_epi8(u, u2)), high));
  }
  sum[0] = p;
  sum[1] = q;
}

void DWCONV(size_t rows, size_t cols, size_t ks, size_t first, size_t mult, const void *const *a,
            size_t a_step, size_t x_step, const void *panels, const int32_t *bias, int32_t *y,
            size_t y_stride) {
  const int8_t *w = panels;
  for (size_t col = 0; col < cols; col += NR, w += NR * ks) {
    size_t n = cols - col < NR ? cols - col : NR, from[NR];
    w += NR * sizeof(int32_t);
    for (size_t j = 0; j < NR; j++) from[j] = (first + col + (j < n ? j : n - 1)) / mult;
    for (size_t r = 0; r < rows; r++) {
      __m256i sum[2];
      if (mult == 1 && n == NR)
        LOCAL(_taps)(ks, a + r * a_step, r * x_step, from, w, bias + col, sum, 1);
      else
        LOCAL(_taps)(ks, a + r * a_step, r * x_step, from, w, bias + col, sum, 0);
      store8(y + r * y_stride + col, sum[0], sum[1], n);
    }
  }
}
#undef JOIN_
#undef JOIN
#undef LOCAL
#undef GEMM
#undef DWCONV
#undef X
#undef WIDEN
