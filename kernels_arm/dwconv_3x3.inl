/* Depthwise convolution with windows of 3x3, WIDE channels at a time; weights stay in registers. Output pixels are
 * neighbours in a row, so their windows share columns of input pixels: a column is read once and added to all
 * sums that it belongs to. Rows come one after the other, so that the weights are read once for all. `even`, a
 * literal: all pixels lie evenly behind those of the first window, whose pointers stay in registers then. Uses
 * X, LOAD and LOCAL of dwconv_neon.inl. */

#define AT(s) (even ? x##s + at : (const X *)a[s] + at)
#define WEIGHT(kh, c) w##kh##c = wide_load_panels(p->w + 4 * (3 * kh + c), p->panel)
#define START                                                                                             \
  const void *const *a = p->a;                                                                            \
  const X *x0 = a[0], *x1 = a[1], *x2 = a[2], *x3 = a[3], *x4 = a[4], *x5 = a[5], *x6 = a[6], *x7 = a[7], \
          *x8 = a[8];                                                                                     \
  wide WEIGHT(0, 0), WEIGHT(0, 1), WEIGHT(0, 2), WEIGHT(1, 0), WEIGHT(1, 1), WEIGHT(1, 2), WEIGHT(2, 0),  \
      WEIGHT(2, 1), WEIGHT(2, 2), lo = wide_set(p->lo), hi = wide_set(p->hi), u;                          \
  const float *bias = p->bias;                                                                            \
  const size_t y_stride = p->y_stride, a_step = p->a_step, x_step = p->x_step;                            \
  float *y = p->y;                                                                                        \
  size_t at = p->from
#define BIAS wide_load_panels(bias, 4)
/* the pixel under tap s, which is in row kh, times column c of the weights */
#define PIXEL(s) u = wide_load(LOAD, AT(s))
#define ADD(sum, kh, c) sum = wide_fma(sum, u, w##kh##c)
/* the column of taps s0, s1, s2 is column c of sum `one`, d of `two`, e of `three` */
#define ONE(s0, s1, s2, one, c) \
  PIXEL(s0), ADD(one, 0, c);    \
  PIXEL(s1), ADD(one, 1, c);    \
  PIXEL(s2), ADD(one, 2, c)
#define TWO(s0, s1, s2, one, c, two, d)      \
  PIXEL(s0), ADD(one, 0, c), ADD(two, 0, d); \
  PIXEL(s1), ADD(one, 1, c), ADD(two, 1, d); \
  PIXEL(s2), ADD(one, 2, c), ADD(two, 2, d)
#define THREE(s0, s1, s2, one, c, two, d, three, e)            \
  PIXEL(s0), ADD(one, 0, c), ADD(two, 0, d), ADD(three, 0, e); \
  PIXEL(s1), ADD(one, 1, c), ADD(two, 1, d), ADD(three, 1, e); \
  PIXEL(s2), ADD(one, 2, c), ADD(two, 2, d), ADD(three, 2, e)
/* stores a sum, goes on to the next pixel */
#define FINISH(sum)                       \
  wide_store(y, wide_clamp(sum, lo, hi)); \
  y += y_stride;                          \
  a += a_step;                            \
  at += x_step;                           \
  LR_OPAQUE(bias)

LR_INLINE void LOCAL(_3x3_step1)(const struct pixels *p, const int even) {
  START;
  for (size_t left = p->rows, r; left;) {
    left -= r = left < p->run ? left : p->run;
    wide i = BIAS, j = BIAS, k;
    ONE(0, 3, 6, i, 0);
    TWO(1, 4, 7, i, 1, j, 0);
    for (; r; r--) {
      k = BIAS;
      THREE(2, 5, 8, i, 2, j, 1, k, 0);
      FINISH(i);
      i = j, j = k;
    }
  }
}

LR_INLINE void LOCAL(_3x3_step2)(const struct pixels *p, const int even) {
  START;
  for (size_t left = p->rows, r; left;) {
    left -= r = left < p->run ? left : p->run;
    wide i = BIAS, j;
    ONE(0, 3, 6, i, 0);
#define NEXT(one, two)          \
  two = BIAS;                   \
  ONE(1, 4, 7, one, 1);         \
  TWO(2, 5, 8, one, 2, two, 0); \
  FINISH(one)
    for (; r >= 2; r -= 2) {
      NEXT(i, j);
      NEXT(j, i);
    }
    if (r) {
      NEXT(i, j);
    }
  }
#undef NEXT
}

/* Windows that share nothing. */
LR_INLINE void LOCAL(_3x3_apart)(const struct pixels *p, const int even) {
  START;
  for (size_t r = p->rows; r; r--) {
    wide i = BIAS;
    ONE(0, 3, 6, i, 0);
    ONE(1, 4, 7, i, 1);
    ONE(2, 5, 8, i, 2);
    FINISH(i);
  }
}
#undef AT
#undef WEIGHT
#undef START
#undef BIAS
#undef PIXEL
#undef ADD
#undef ONE
#undef TWO
#undef THREE
#undef FINISH
