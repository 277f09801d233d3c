/* Depthwise convolution with windows of 5x5, 4 channels at a time, that share columns as in dwconv_3x3.inl. Weights are read where
 * they are used, two by one instruction. Uses X, LOAD and LOCAL of dwconv_neon.inl. */

#define START                                                                  \
  const void *const *a = p->a;                                                 \
  v4 lo = vdupq_n_f32(p->lo), hi = vdupq_n_f32(p->hi), u;                      \
  const float *bias = p->bias, *w = p->w;                                      \
  const size_t y_stride = p->y_stride, a_step = p->a_step, x_step = p->x_step; \
  float *y = p->y;                                                             \
  size_t at = p->from
#define BIAS vld1q_f32(bias)
#define PIXEL(s) u = LOAD((const X *)a[s] + at)
#define ADD(sum, kh, c) sum = v4_fma(sum, u, vld1q_f32(w + 4 * (5 * kh + c)))
/* the column of taps s, s + 5, ...; add(kh) adds u to the sums */
#define COLUMN(s, add)   \
  LR_OPAQUE(w);          \
  PIXEL(s), add(0);      \
  PIXEL(s + 5), add(1);  \
  PIXEL(s + 10), add(2); \
  PIXEL(s + 15), add(3); \
  PIXEL(s + 20), add(4)
/* stores a sum, goes on to the next pixel */
#define FINISH(sum)                    \
  vst1q_f32(y, v4_clamp(sum, lo, hi)); \
  y += y_stride;                       \
  a += a_step;                         \
  at += x_step;                        \
  LR_OPAQUE(bias)

static void LOCAL(_5x5_step1)(const struct pixels *p) {
  START;
  for (size_t left = p->rows, r; left;) {
    left -= r = left < p->run ? left : p->run;
    v4 i = BIAS, j = i, k = i, l = i, m;
#define C0(kh) ADD(i, kh, 0)
#define C1(kh) ADD(i, kh, 1), ADD(j, kh, 0)
#define C2(kh) ADD(i, kh, 2), ADD(j, kh, 1), ADD(k, kh, 0)
#define C3(kh) ADD(i, kh, 3), ADD(j, kh, 2), ADD(k, kh, 1), ADD(l, kh, 0)
#define C4(kh) ADD(i, kh, 4), ADD(j, kh, 3), ADD(k, kh, 2), ADD(l, kh, 1), ADD(m, kh, 0)
    COLUMN(0, C0);
    COLUMN(1, C1);
    COLUMN(2, C2);
    COLUMN(3, C3);
    for (; r; r--) {
      m = BIAS;
      COLUMN(4, C4);
      FINISH(i);
      i = j, j = k, k = l, l = m;
    }
  }
#undef C0
#undef C1
#undef C2
#undef C3
#undef C4
}

static void LOCAL(_5x5_step2)(const struct pixels *p) {
  START;
  for (size_t left = p->rows, r; left;) {
    left -= r = left < p->run ? left : p->run;
    v4 i = BIAS, j = i, k;
#define C0(kh) ADD(i, kh, 0)
#define C1(kh) ADD(i, kh, 1)
#define C2(kh) ADD(i, kh, 2), ADD(j, kh, 0)
#define C3(kh) ADD(i, kh, 3), ADD(j, kh, 1)
#define C4(kh) ADD(i, kh, 4), ADD(j, kh, 2), ADD(k, kh, 0)
    COLUMN(0, C0);
    COLUMN(1, C1);
    COLUMN(2, C2);
    for (; r; r--) {
      k = BIAS;
      COLUMN(3, C3);
      COLUMN(4, C4);
      FINISH(i);
      i = j, j = k;
    }
  }
#undef C2
#undef C3
#undef C4
}

/* Windows that share nothing. */
static void LOCAL(_5x5_apart)(const struct pixels *p) {
  START;
#define C2(kh) ADD(i, kh, 2)
#define C3(kh) ADD(i, kh, 3)
#define C4(kh) ADD(i, kh, 4)
  for (size_t r = p->rows; r; r--) {
    v4 i = BIAS;
    COLUMN(0, C0);
    COLUMN(1, C1);
    COLUMN(2, C2);
    COLUMN(3, C3);
    COLUMN(4, C4);
    FINISH(i);
  }
#undef C0
#undef C1
#undef C2
#undef C3
#undef C4
}
#undef START
#undef BIAS
#undef PIXEL
#undef ADD
#undef COLUMN
#undef FINISH
