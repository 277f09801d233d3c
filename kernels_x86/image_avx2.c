/* Kernels of pictures for AVX2: the same integers as in plain C, 16 pixels or 8 at a time. */
#include "image.h"

#include <immintrin.h>

#include "unroll.h"

typedef __m256i v16;
typedef __m128i v8;

LR_INLINE v8 load8(const void *p) { return _mm_loadl_epi64((const __m128i *)p); }
LR_INLINE v8 load16(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
LR_INLINE v16 pair(v8 a, v8 b) { return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1); }

/* ---- YUV ---- */
/* Products of 9 bits and 22 bits in one multiply-add of 16-bit pairs: x * c = 128 x * (c / 128) + x * (c % 128). */
LR_INLINE v16 factor(int32_t c) {
  return _mm256_set1_epi32((int32_t)((uint32_t)(c & 127) << 16 | (uint16_t)(c >> 7)));
}

struct factors {
  v8 black;
  v16 cy, rv, gu, gv, bu;
};

/* Of chroma factors c of pixels 0-7 | 8-15, a pair of pixels each, and luma of 0-3 8-11 and 4-7 12-15. */
LR_INLINE v16 sum(v16 c, v16 y0, v16 y1) {
  v16 a = _mm256_add_epi32(y0, _mm256_unpacklo_epi32(c, c)),
      b = _mm256_add_epi32(y1, _mm256_unpackhi_epi32(c, c));
  return _mm256_packs_epi32(_mm256_srai_epi32(a, 20), _mm256_srai_epi32(b, 20));
}

/* y: 16 bytes; u, v: 8 words. */
LR_INLINE void yuv_16(v8 y, v8 u, v8 v, const struct factors *f, uint8_t *rgb) {
  v16 y16 = _mm256_cvtepu8_epi16(_mm_subs_epu8(y, f->black)), y128 = _mm256_slli_epi16(y16, 7);
  v16 y0 = _mm256_madd_epi16(_mm256_unpacklo_epi16(y128, y16), f->cy),
      y1 = _mm256_madd_epi16(_mm256_unpackhi_epi16(y128, y16), f->cy);
  v8 d = _mm_sub_epi16(u, _mm_set1_epi16(128)), e = _mm_sub_epi16(v, _mm_set1_epi16(128));
  v8 d128 = _mm_slli_epi16(d, 7), e128 = _mm_slli_epi16(e, 7);
  v16 dd = pair(_mm_unpacklo_epi16(d128, d), _mm_unpackhi_epi16(d128, d)),
      ee = pair(_mm_unpacklo_epi16(e128, e), _mm_unpackhi_epi16(e128, e));
  v16 half = _mm256_set1_epi32(1 << 19);
  v16 green = _mm256_add_epi32(_mm256_madd_epi16(dd, f->gu), _mm256_madd_epi16(ee, f->gv));
  v16 r = sum(_mm256_add_epi32(_mm256_madd_epi16(ee, f->rv), half), y0, y1);
  v16 g = sum(_mm256_add_epi32(green, half), y0, y1);
  v16 b = sum(_mm256_add_epi32(_mm256_madd_epi16(dd, f->bu), half), y0, y1);
  v16 rg = _mm256_packus_epi16(r, g), bx = _mm256_packus_epi16(b, _mm256_setzero_si256());
  v16 rb = _mm256_unpacklo_epi8(rg, bx), gx = _mm256_unpackhi_epi8(rg, bx);
  v16 low = _mm256_unpacklo_epi8(rb, gx), high = _mm256_unpackhi_epi8(rb, gx); /* 0-3 | 8-11, 4-7 | 12-15 */
  _mm256_storeu_si256((__m256i *)(void *)rgb, _mm256_permute2x128_si256(low, high, 0x20));
  _mm256_storeu_si256((__m256i *)(void *)(rgb + 32), _mm256_permute2x128_si256(low, high, 0x31));
}

/* Of 8 neighbours in memory: the first ones and the second ones. */
LR_INLINE void split(v8 uv, v8 *first, v8 *second) {
  *first = _mm_and_si128(uv, _mm_set1_epi16(255));
  *second = _mm_srli_epi16(uv, 8);
}

void lr_u8_yuv__avx2(size_t n, const uint8_t *y, const uint8_t *u, const uint8_t *v, size_t step,
                     const struct lr_yuv *k, uint8_t *rgb) {
  const struct factors f = {_mm_set1_epi8((char)k->black),
                            factor(k->cy),
                            factor(k->rv),
                            factor(k->gu),
                            factor(k->gv),
                            factor(k->bu)};
  const uint8_t *uv = u < v ? u : v;
  size_t full = n & ~(size_t)15, left = n - full, pairs = (left + 1) / 2;
  v8 a, b;
  if (step == 2) {
    for (size_t i = 0; i < full; i += 16) {
      split(load16(uv + i), &a, &b);
      yuv_16(load16(y + i), u < v ? a : b, u < v ? b : a, &f, rgb + 4 * i);
    }
  } else {
    for (size_t i = 0; i < full; i += 16)
      yuv_16(load16(y + i), _mm_cvtepu8_epi16(load8(u + i / 2)), _mm_cvtepu8_epi16(load8(v + i / 2)), &f,
             rgb + 4 * i);
  }
  if (!left) return;
  uint8_t last_y[16] = {0}, last_u[16] = {0}, last_v[16] = {0};
  memcpy(last_y, y + full, left);
  if (step == 2) {
    memcpy(last_u, uv + full, 2 * pairs);
    split(load16(last_u), &a, &b);
    yuv_16(load16(last_y), u < v ? a : b, u < v ? b : a, &f, rgb + 4 * full);
  } else {
    memcpy(last_u, u + full / 2, pairs);
    memcpy(last_v, v + full / 2, pairs);
    yuv_16(load16(last_y), _mm_cvtepu8_epi16(load8(last_u)), _mm_cvtepu8_epi16(load8(last_v)), &f,
           rgb + 4 * full);
  }
}

/* ---- between two rows ---- */
void lr_u8_mix__avx2(size_t n, const uint8_t *a, const uint8_t *b, int32_t w, int16_t *y) {
  size_t i = 0;
  v16 weight = _mm256_set1_epi16((int16_t)w);
  for (; n - i >= 16; i += 16) {
    v16 p = _mm256_slli_epi16(_mm256_cvtepu8_epi16(load16(a + i)), 7),
        q = _mm256_slli_epi16(_mm256_cvtepu8_epi16(load16(b + i)), 7);
    p = _mm256_add_epi16(p, _mm256_mulhrs_epi16(_mm256_sub_epi16(q, p), weight));
    _mm256_storeu_si256((__m256i *)(void *)(y + i), p);
  }
  for (; i < n; i++) y[i] = lr_between(128 * a[i], 128 * b[i], w);
}

/* ---- between two pixels of a row ---- */
/* Of pixels x[0] and x[1], which have `channels` elements: p the pixels themselves, q those behind them. */
LR_INLINE void two_pixels(const int16_t *row, const int32_t *x, int32_t first, size_t channels, v8 *p,
                          v8 *q) {
  v8 a = load16(row + (size_t)(x[0] - first) * channels), b = load16(row + (size_t)(x[1] - first) * channels);
  *p = _mm_unpacklo_epi64(a, b);
  *q = channels == 4 ? _mm_unpackhi_epi64(a, b)
                     : _mm_unpacklo_epi64(_mm_srli_si128(a, 6), _mm_srli_si128(b, 6));
}

LR_INLINE void pick_colours(size_t n, size_t channels, const int16_t *row, const int32_t *x, int32_t first,
                            const int16_t *w, int16_t *y, size_t y_step) {
  const v16 each = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 4, 5, 4, 5, 4, 5, 4, 5, 6,
                                    7, 6, 7, 6, 7, 6, 7);
  size_t i = 0;
  for (; n - i >= 4; i += 4) {
    v8 p0, q0, p1, q1;
    two_pixels(row, x + i, first, channels, &p0, &q0);
    two_pixels(row, x + i + 2, first, channels, &p1, &q1);
    v16 p = pair(p0, p1), q = pair(q0, q1);
    v16 weight = _mm256_shuffle_epi8(_mm256_broadcastq_epi64(load8(w + i)), each);
    p = _mm256_add_epi16(p, _mm256_mulhrs_epi16(_mm256_sub_epi16(q, p), weight));
    int16_t *to = y + i * y_step;
    if (y_step == 4) {
      _mm256_storeu_si256((__m256i *)(void *)to, p);
    } else {
      p0 = _mm256_castsi256_si128(p), p1 = _mm256_extracti128_si256(p, 1);
      _mm_storel_epi64((__m128i *)(void *)to, p0);
      _mm_storeh_pd((double *)(void *)(to + y_step), _mm_castsi128_pd(p0));
      _mm_storel_epi64((__m128i *)(void *)(to + 2 * y_step), p1);
      _mm_storeh_pd((double *)(void *)(to + 3 * y_step), _mm_castsi128_pd(p1));
    }
  }
  for (; i < n; i++) lr_pick_one(channels, row + (size_t)(x[i] - first) * channels, w[i], 4, y + i * y_step);
}

void lr_i16_pick__avx2(size_t n, size_t channels, const int16_t *row, const int32_t *x, int32_t first,
                       const int16_t *w, size_t y_channels, int16_t *y, size_t y_step) {
  if (channels == 4)
    pick_colours(n, 4, row, x, first, w, y, y_step);
  else if (channels == 3)
    pick_colours(n, 3, row, x, first, w, y, y_step);
  else
    for (size_t i = 0; i < n; i++) lr_pick_one(1, row + (x[i] - first), w[i], y_channels, y + i * y_step);
}

/* ---- the target's elements ---- */
LR_INLINE void store_8(int32_t dtype, uint8_t *y, size_t at, __m256 f) {
  if (dtype == LR_CODE_F32) {
    _mm256_storeu_ps((float *)(void *)y + at, f);
  } else if (dtype == LR_CODE_F16) {
    _mm_storeu_si128((__m128i *)(void *)((uint16_t *)(void *)y + at),
                     _mm256_cvtps_ph(f, _MM_FROUND_TO_NEAREST_INT));
  } else {
    v16 i = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(f, _mm256_setzero_ps()), _mm256_set1_ps(255)));
    v8 words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)(void *)(y + at), _mm_packus_epi16(words, words));
  }
}

LR_INLINE __m256 normal(v16 x, __m256 mean, __m256 scale) {
  return _mm256_mul_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(x), mean), scale);
}

/* Two pixels are 6 elements: 2 more are written, which the next pixel overwrites. */
LR_INLINE size_t interleaved(size_t n, const int16_t *x, const struct lr_pixels *o, int32_t dtype,
                             uint8_t *y) {
  const v16 order =
      o->swap ? _mm256_setr_epi32(2, 1, 0, 6, 5, 4, 7, 7) : _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
  __m256 mean = _mm256_broadcast_ps((const __m128 *)(const void *)o->mean),
         scale = _mm256_broadcast_ps((const __m128 *)(const void *)o->scale);
  size_t i = 0;
  for (; n - i > 2; i += 2) {
    __m256 f = normal(_mm256_cvtepi16_epi32(load16(x + 4 * i)), mean, scale);
    store_8(dtype, y, 3 * i, _mm256_permutevar8x32_ps(f, order));
  }
  return i;
}

LR_INLINE size_t planes(size_t n, const int16_t *x, const struct lr_pixels *o, int32_t dtype, uint8_t *y) {
  const v16 by_channel = _mm256_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0, 1, 8, 9, 2,
                                          3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
  size_t at[3], i = 0;
  __m256 mean[3], scale[3];
  for (size_t k = 0; k < 3; k++) {
    at[k] = o->plane * (o->swap ? 2 - k : k);
    mean[k] = _mm256_set1_ps(o->mean[k]);
    scale[k] = _mm256_set1_ps(o->scale[k]);
  }
  for (; n - i >= 8; i += 8) { /* pixels 0 1 | 4 5 and 2 3 | 6 7, so that four in each half are in order */
    v16 a = _mm256_shuffle_epi8(pair(load16(x + 4 * i), load16(x + 4 * i + 16)), by_channel),
        b = _mm256_shuffle_epi8(pair(load16(x + 4 * i + 8), load16(x + 4 * i + 24)), by_channel);
    v16 rg = _mm256_unpacklo_epi32(a, b), bx = _mm256_unpackhi_epi32(a, b);
    v16 c[3] = {_mm256_unpacklo_epi16(rg, rg), _mm256_unpackhi_epi16(rg, rg), _mm256_unpacklo_epi16(bx, bx)};
    LR_UNROLL for (int k = 0; k < 3; k++)
        store_8(dtype, y, at[k] + i, normal(_mm256_srai_epi32(c[k], 16), mean[k], scale[k]));
  }
  return i;
}

LR_INLINE size_t one_channel(size_t n, const int16_t *x, const struct lr_pixels *o, int32_t dtype,
                             uint8_t *y) {
  __m256 mean = _mm256_set1_ps(o->mean[0]), scale = _mm256_set1_ps(o->scale[0]);
  size_t i = 0;
  for (; n - i >= 8; i += 8) store_8(dtype, y, i, normal(_mm256_cvtepi16_epi32(load16(x + i)), mean, scale));
  return i;
}

LR_INLINE size_t store(size_t n, const int16_t *x, const struct lr_pixels *o, int32_t dtype, uint8_t *y) {
  if (o->channels == 1) return one_channel(n, x, o, dtype, y);
  return o->plane ? planes(n, x, o, dtype, y) : interleaved(n, x, o, dtype, y);
}

void lr_i16_store__avx2(size_t n, const int16_t *x, const struct lr_pixels *o, void *y) {
  size_t done = o->dtype == LR_CODE_F32   ? store(n, x, o, LR_CODE_F32, y)
                : o->dtype == LR_CODE_F16 ? store(n, x, o, LR_CODE_F16, y)
                                          : store(n, x, o, LR_CODE_U8, y);
  lr_store_some(done, n, x, o, y);
}
