/* Pairs of f32 that lie one behind the other in memory (real and imaginary parts, even and odd samples), to and from rows of
 * lanes: 4 x 4 transpositions. x, y: where lane j begins, in elements from the pointer beside it. */
#pragma once
#include <stdint.h>
#include <string.h>

typedef float lr_f32x4 __attribute__((vector_size(16)));
typedef int32_t lr_i32x4 __attribute__((vector_size(16)));
#if defined(__clang__)
#define LR_SHUFFLE(v, w, a, b, c, d) __builtin_shufflevector(v, w, a, b, c, d)
#else
#define LR_SHUFFLE(v, w, a, b, c, d) __builtin_shuffle(v, w, (lr_i32x4){a, b, c, d})
#endif

static inline lr_f32x4 lr_load4(const float *p) {
  lr_f32x4 v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline void lr_store4(float *p, lr_f32x4 v) { memcpy(p, &v, sizeof v); }

/* Rows become columns. */
static inline void lr_transpose4(lr_f32x4 v[4]) {
  lr_f32x4 a = LR_SHUFFLE(v[0], v[1], 0, 4, 1, 5), b = LR_SHUFFLE(v[0], v[1], 2, 6, 3, 7);
  lr_f32x4 c = LR_SHUFFLE(v[2], v[3], 0, 4, 1, 5), d = LR_SHUFFLE(v[2], v[3], 2, 6, 3, 7);
  v[0] = LR_SHUFFLE(a, c, 0, 1, 4, 5);
  v[1] = LR_SHUFFLE(a, c, 2, 3, 6, 7);
  v[2] = LR_SHUFFLE(b, d, 0, 1, 4, 5);
  v[3] = LR_SHUFFLE(b, d, 2, 3, 6, 7);
}

/* re[t * lanes + j], im[...] = the two numbers of pair t of lane j, times the pair t of window unless that is NULL, for t < n
 * and j < used. */
static inline void lr_pairs_in(const float *from, const int64_t *x, const float *window, int64_t n,
                               int64_t used, int64_t lanes, float *re, float *im) {
  for (int64_t j = 0; j < used; j += 4) {
    int64_t t = 0;
    for (; j + 4 <= used && t + 2 <= n; t += 2) {
      lr_f32x4 v[4];
      for (int i = 0; i < 4; i++) {
        v[i] = lr_load4(from + x[j + i] + 2 * t);
        if (window) v[i] *= lr_load4(window + 2 * t);
      }
      lr_transpose4(v);
      lr_store4(re + t * lanes + j, v[0]);
      lr_store4(im + t * lanes + j, v[1]);
      lr_store4(re + (t + 1) * lanes + j, v[2]);
      lr_store4(im + (t + 1) * lanes + j, v[3]);
    }
    for (int64_t i = j; i < used && i < j + 4; i++)
      for (int64_t k = t; k < n; k++) {
        const float *p = from + x[i] + 2 * k;
        re[k * lanes + i] = p[0] * (window ? window[2 * k] : 1);
        im[k * lanes + i] = p[1] * (window ? window[2 * k + 1] : 1);
      }
  }
}

/* The other way round: pair t of lane j is re[t * step + j] * r, im[...] * i. */
static inline void lr_pairs_out(const float *re, const float *im, int64_t step, float r, float i, int64_t n,
                                int64_t used, float *to, const int64_t *y) {
  for (int64_t j = 0; j < used; j += 4) {
    int64_t t = 0;
    for (; j + 4 <= used && t + 2 <= n; t += 2) {
      const float *a = re + t * step + j, *b = im + t * step + j;
      lr_f32x4 v[] = {lr_load4(a) * r, lr_load4(b) * i, lr_load4(a + step) * r, lr_load4(b + step) * i};
      lr_transpose4(v);
      for (int k = 0; k < 4; k++) lr_store4(to + y[j + k] + 2 * t, v[k]);
    }
    for (int64_t l = j; l < used && l < j + 4; l++)
      for (int64_t k = t; k < n; k++) {
        to[y[l] + 2 * k] = re[k * step + l] * r;
        to[y[l] + 2 * k + 1] = im[k * step + l] * i;
      }
  }
}
