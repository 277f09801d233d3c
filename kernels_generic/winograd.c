/* The two transforms around the products of a Winograd convolution with a 3x3 filter: F(2x2, 3x3) and F(4x4,
 * 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), with the points 0, 1,
 * -1, (2, -2,) infinity. Channels are innermost, a vector of them goes through at a time. Compiled again for
 * CPUs with longer vectors, then LR_WINOGRAD_ISA ends the names. */
#include <string.h>

#include "kernels.h"

#ifndef LR_WINOGRAD_ISA
#define LR_WINOGRAD_ISA c
#endif
#define JOIN_(name, isa) name##__##isa
#define JOIN(name, isa) JOIN_(name, isa)
#define NAME(name) JOIN(name, LR_WINOGRAD_ISA)
#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define WIDTH (BYTES / sizeof(float))
typedef float vec __attribute__((vector_size(BYTES)));
typedef int32_t ivec __attribute__((vector_size(BYTES)));

INLINE vec load(const float *p, size_t n) {
  vec v = {0};
  if (n >= WIDTH)
    memcpy(&v, p, sizeof v);
  else
    memcpy(&v, p, n * sizeof *p);
  return v;
}
INLINE void store(float *p, vec v, size_t n) {
  if (n >= WIDTH)
    memcpy(p, &v, sizeof v);
  else
    memcpy(p, &v, n * sizeof *p);
}
/* b where a lane of `if_set` is all ones, else a; comparisons with NaN are false, so NaN stays */
INLINE vec choose(vec a, vec b, ivec if_set) {
  union {
    vec f;
    ivec i;
  } u = {a}, v = {b};
  u.i = (u.i & ~if_set) | (v.i & if_set);
  return u.f;
}
INLINE vec clamp(vec v, float lo, float hi) {
  vec l = (vec){0} + lo, h = (vec){0} + hi;
  v = choose(v, l, v < l);
  return choose(v, h, v > h);
}

/* y = B^T x */
INLINE void in_2(const vec *x, vec *y) {
  y[0] = x[0] - x[2];
  y[1] = x[1] + x[2];
  y[2] = x[2] - x[1];
  y[3] = x[1] - x[3];
}
INLINE void in_4(const vec *x, vec *y) {
  vec even = x[4] - 4 * x[2], odd = x[3] - 4 * x[1], far_even = x[4] - x[2], far_odd = 2 * (x[3] - x[1]);
  y[0] = 4 * x[0] - 5 * x[2] + x[4];
  y[1] = even + odd;
  y[2] = even - odd;
  y[3] = far_even + far_odd;
  y[4] = far_even - far_odd;
  y[5] = 4 * x[1] - 5 * x[3] + x[5];
}
/* y = A^T x */
INLINE void out_2(const vec *x, vec *y) {
  y[0] = x[0] + x[1] + x[2];
  y[1] = x[1] - x[2] - x[3];
}
INLINE void out_4(const vec *x, vec *y) {
  vec sum = x[1] + x[2], difference = x[1] - x[2], far_sum = x[3] + x[4], far_difference = x[3] - x[4];
  y[0] = x[0] + sum + far_sum;
  y[1] = difference + 2 * far_difference;
  y[2] = sum + 4 * far_sum;
  y[3] = difference + 8 * far_difference + x[5];
}

/* n <= WIDTH channels of a tile: columns, then rows */
#define IN(M)                                                                                      \
  INLINE void in_tile_##M(size_t at, size_t n, const float *const *x, float *v, size_t v_stride) { \
    enum { A = M + 2 };                                                                            \
    vec half[A][A], column[A], row[A];                                                             \
    for (size_t j = 0; j < A; j++) {                                                               \
      for (size_t i = 0; i < A; i++) column[i] = load(x[i * A + j] + at, n);                       \
      in_##M(column, row);                                                                         \
      for (size_t i = 0; i < A; i++) half[i][j] = row[i];                                          \
    }                                                                                              \
    for (size_t i = 0; i < A; i++) {                                                               \
      in_##M(half[i], row);                                                                        \
      for (size_t j = 0; j < A; j++) store(v + (i * A + j) * v_stride + at, row[j], n);            \
    }                                                                                              \
  }                                                                                                \
  static void in_all_##M(size_t n, const float *const *x, float *v, size_t v_stride) {             \
    size_t at = 0;                                                                                 \
    for (; at + WIDTH <= n; at += WIDTH) in_tile_##M(at, WIDTH, x, v, v_stride);                   \
    if (at < n) in_tile_##M(at, n - at, x, v, v_stride);                                           \
  }
IN(2)
IN(4)

/* point 1 goes into every output as it is, in columns and in rows: there the bias is added */
#define OUT(M)                                                                                      \
  INLINE void out_tile_##M(size_t at, size_t n, const struct lr_winograd_out *o) {                  \
    enum { A = M + 2 };                                                                             \
    vec half[M][A], column[A], row[M];                                                              \
    for (size_t j = 0; j < A; j++) {                                                                \
      for (size_t i = 0; i < A; i++) column[i] = load(o->v + (i * A + j) * o->v_stride + at, n);    \
      if (j == 1) column[1] += load(o->bias + at, n);                                               \
      out_##M(column, row);                                                                         \
      for (size_t i = 0; i < M; i++) half[i][j] = row[i];                                           \
    }                                                                                               \
    for (size_t i = 0; i < o->rows; i++) {                                                          \
      out_##M(half[i], row);                                                                        \
      for (size_t j = 0; j < o->cols; j++) {                                                        \
        if (o->add) row[j] += load(o->add + i * o->add_row_stride + j * o->add_col_stride + at, n); \
        store(o->y + i * o->row_stride + j * o->col_stride + at, clamp(row[j], o->lo, o->hi), n);   \
      }                                                                                             \
    }                                                                                               \
  }                                                                                                 \
  static void out_all_##M(size_t n, const struct lr_winograd_out *o) {                              \
    size_t at = 0;                                                                                  \
    for (; at + WIDTH <= n; at += WIDTH) out_tile_##M(at, WIDTH, o);                                \
    if (at < n) out_tile_##M(at, n - at, o);                                                        \
  }
OUT(2)
OUT(4)

void NAME(lr_f32_winograd_in)(size_t m, size_t n, const float *const *x, float *v, size_t v_stride) {
  if (m == 4)
    in_all_4(n, x, v, v_stride);
  else
    in_all_2(n, x, v, v_stride);
}

void NAME(lr_f32_winograd_out)(size_t m, size_t n, const struct lr_winograd_out *o) {
  if (m == 4)
    out_all_4(n, o);
  else
    out_all_2(n, o);
}
