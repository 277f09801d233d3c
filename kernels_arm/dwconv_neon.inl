/* Depthwise convolution for one type of pixels. Each sum takes its taps column by column, in every function here, so that results do
 * not depend on which of them a pixel meets. Before including:
 *   DWCONV           the function's name
 *   X                type of pixels' elements
 *   LOAD, LOAD_SOME  its v4_load and v4_load_some */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define LOCAL(name) JOIN(DWCONV, name)

#include "dwconv_3x3.inl"
#include "dwconv_5x5.inl"

#define FIXED(name, even) \
  static void LOCAL(name##_##even)(const struct pixels *p) { LOCAL(name)(p, even); }
FIXED(_3x3_apart, 0)
FIXED(_3x3_step1, 0)
FIXED(_3x3_step1, 1)
FIXED(_3x3_step2, 0)
FIXED(_3x3_step2, 1)
#undef FIXED

/* The first p->n <= 4 channels of a pixel. */
LR_INLINE v4 LOCAL(_read)(const struct pixels *p, const X *x) {
  X few[4] = {0};
  if (p->mult == 1) return p->n < 4 ? LOAD_SOME(x + p->from, p->n) : LOAD(x + p->from);
  for (size_t j = 0; j < p->n; j++) few[j] = x[(p->from + j) / p->mult];
  return LOAD(few);
}

/* Any window, whose rows have `columns` taps; up to 4 channels. */
static void LOCAL(_any)(const struct pixels *p, size_t columns) {
  v4 lo = vdupq_n_f32(p->lo), hi = vdupq_n_f32(p->hi);
  float *y = p->y;
  for (size_t r = 0; r < p->rows; r++, y += p->y_stride) {
    v4 sum = vld1q_f32(p->bias);
    for (size_t c = 0; c < columns; c++)
      for (size_t s = c; s < p->ks; s += columns) {
        const X *x = (const X *)p->a[r * p->a_step + s] + r * p->x_step;
        sum = v4_fma(sum, LOCAL(_read)(p, x), vld1q_f32(p->w + 4 * s));
      }
    sum = v4_clamp(sum, lo, hi);
    if (p->n == 4)
      vst1q_f32(y, sum);
    else
      v4_store_some(y, sum, p->n);
  }
}

/* Is the window of pixel r + 1, of edge x edge, by `step` columns of pixels beside that of pixel r? The pointers
 * say it, also where they are of padding. */
LR_INLINE bool LOCAL(_beside)(const struct pixels *p, size_t edge, size_t r, size_t step) {
  uintptr_t differ = 0;
  const void *const *a = p->a + r * p->a_step;
  for (size_t kh = 0; kh < edge; kh++, a += edge)
    for (size_t kw = 0; kw + step < edge; kw++)
      differ |= (uintptr_t)((const X *)a[p->a_step + kw] + p->x_step) ^ (uintptr_t)a[kw + step];
  return !differ;
}

/* By how many columns is each window from the one before, in runs of p->run pixels, which this sets? 1, 2, or 0
 * when there are no such runs of the same length. */
static size_t LOCAL(_step)(struct pixels *p, size_t edge) {
  for (size_t step = 1; step <= 2 && p->rows > 1; step++) {
    size_t n = 1, r;
    if (!p->a_step && LOCAL(_beside)(p, edge, 0, step)) return step;
    if (!p->a_step) continue;
    while (n < p->rows && LOCAL(_beside)(p, edge, n - 1, step)) n++;
    for (r = n; r + 1 < p->rows; r++) /* from r to r + 1; each n of them end a run */
      if ((r + 1) % n && !LOCAL(_beside)(p, edge, r, step)) break;
    if (n < 3 || r + 1 < p->rows) continue;
    p->run = n;
    return step;
  }
  return 0;
}

void DWCONV(size_t rows, size_t cols, size_t ks, size_t first, size_t mult, const void *const *a,
            size_t a_step, size_t x_step, const void *w, const float *bias, float *y, size_t y_stride,
            float lo, float hi) {
  enum { five = LR_POST_BUILT(LR_CASE_DWCONV_5X5) };
#define FIVE(name) (five ? LOCAL(name) : NULL)
  static void (*const windows[3][3])(const struct pixels *) = {
      {LOCAL(_3x3_apart_0), LOCAL(_3x3_step1_0), LOCAL(_3x3_step2_0)}, /* pointers for each pixel */
      {LOCAL(_3x3_apart_0), LOCAL(_3x3_step1_1), LOCAL(_3x3_step2_1)}, /* of the first */
      {FIVE(_5x5_apart), FIVE(_5x5_step1), FIVE(_5x5_step2)}};
#undef FIVE
  struct pixels p = {rows, ks, 4 * ks, y_stride, first, mult, 0, rows, a_step, x_step, a, w, bias, y, lo, hi};
  const size_t edge = mult > 1 ? 0 : ks == 9 ? 3 : ks == 25 ? 5 : 0;
  const bool tiles = edge && (edge == 3 || five);
  const size_t step = tiles ? LOCAL(_step)(&p, edge) : 0;
  const size_t kind = edge == 5 ? 2 : a_step == 0, most = edge == 3 ? WIDE : 4;
  for (; cols; cols -= p.n) {
    p.n = cols < 4 ? cols : cols < most ? 4 : most;
    if (tiles && p.n == most)
      windows[kind][step](&p);
    else
      LOCAL(_any)(&p, edge ? edge : ks);
    p.from += p.n;
    p.w += p.n * ks;
    p.bias += p.n;
    p.y += p.n;
  }
}
#undef JOIN
#undef JOIN_
#undef LOCAL
#undef DWCONV
#undef X
#undef LOAD
#undef LOAD_SOME
