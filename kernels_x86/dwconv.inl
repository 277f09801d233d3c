/* Depthwise convolution for one vector length and one type of pixels: weights of a few channels stay in registers while all
 * pixels pass by. Panels have 16 channels as in gemm.inl. Before including:
 *   DWCONV               the function's name
 *   X, XV(name)          type of pixels' elements; load and load_some of VECs from them
 *   VEC, V(name)         a vector of WIDTH (8 or 16) floats, its functions
 *   FIXED(F)             F(ks, vectors) for the windows whose weights for so many vectors fit into registers, largest first */
#ifndef LR_DWCONV_JOB
#define LR_DWCONV_JOB
struct pixels {
  size_t rows, ks, a_step, x_step, y_stride;
  size_t from, mult, n; /* channels from..from + n - 1 of y, the first is from / mult in a pixel */
  const void *const *a;
  const float *w, *bias; /* where the first channel is */
  float *y, lo, hi;
};
enum { WHOLE, SOME, SPREAD }; /* how a vector is read: n == WIDTH, n < WIDTH, or mult > 1 */
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define LOCAL(name) JOIN(DWCONV, name)

/* `ks` and `vectors` are literals, p->n == vectors * WIDTH, mult is 1. */
LR_INLINE void LOCAL(_fixed)(const struct pixels *p, const int ks, const int vectors) {
  VEC w[25][2], bias[2], sum[2], lo = V(set)(p->lo), hi = V(set)(p->hi);
  const void *const *a = p->a;
  size_t at = p->from;
  float *y = p->y;
  LR_UNROLL
  for (int v = 0; v < vectors; v++) {
    bias[v] = V(load)(p->bias + v * WIDTH);
    LR_UNROLL
    for (int s = 0; s < ks; s++) w[s][v] = V(load)(p->w + (v * WIDTH / 16 * ks + s) * 16 + v * WIDTH % 16);
  }
  for (size_t r = p->rows; r; r--, a += p->a_step, at += p->x_step, y += p->y_stride) {
    LR_UNROLL
    for (int v = 0; v < vectors; v++) sum[v] = bias[v];
    LR_UNROLL
    for (int s = 0; s < ks; s++) {
      const X *x = (const X *)a[s] + at;
      LR_UNROLL
      for (int v = 0; v < vectors; v++) sum[v] = V(fma)(XV(load)(x + v * WIDTH), w[s][v], sum[v]);
    }
    LR_UNROLL
    for (int v = 0; v < vectors; v++) V(store)(y + v * WIDTH, V(clamp)(sum[v], lo, hi));
  }
}

LR_INLINE VEC LOCAL(_read)(const struct pixels *p, size_t r, size_t s, const int how) {
  const X *x = (const X *)p->a[r * p->a_step + s] + r * p->x_step;
  X few[WIDTH] = {0};
  if (how == WHOLE) return XV(load)(x + p->from);
  if (how == SOME) return XV(load_some)(x + p->from, p->n);
  for (size_t j = 0; j < p->n; j++) few[j] = x[(p->from + j) / p->mult];
  return XV(load)(few);
}

/* Any window, one vector of channels, `rows` (a literal) pixels from `first` on. */
LR_INLINE void LOCAL(_any)(const struct pixels *p, size_t first, const int rows, const int how) {
  VEC sum[4], lo = V(set)(p->lo), hi = V(set)(p->hi);
  LR_UNROLL
  for (int r = 0; r < rows; r++) sum[r] = V(load)(p->bias);
  for (size_t s = 0; s < p->ks; s++) {
    VEC w = V(load)(p->w + s * 16);
    LR_UNROLL
    for (int r = 0; r < rows; r++) sum[r] = V(fma)(LOCAL(_read)(p, first + r, s, how), w, sum[r]);
  }
  LR_UNROLL
  for (int r = 0; r < rows; r++) {
    float *y = p->y + (first + r) * p->y_stride;
    if (p->n == WIDTH)
      V(store)(y, V(clamp)(sum[r], lo, hi));
    else
      V(store_some)(y, V(clamp)(sum[r], lo, hi), p->n);
  }
}

LR_INLINE void LOCAL(_rows)(const struct pixels *p, const int how) {
  size_t r = 0;
  for (; r + 4 <= p->rows; r += 4) LOCAL(_any)(p, r, 4, how);
  for (; r < p->rows; r++) LOCAL(_any)(p, r, 1, how);
}

/* As many of n channels as can be done at once; returns their number. */
static size_t LOCAL(_vectors)(struct pixels *p, size_t n) {
  p->n = n < WIDTH ? n : WIDTH;
#define F(taps, vectors)                                         \
  if (p->ks == taps && n >= vectors * WIDTH && p->mult == 1) { \
    LOCAL(_fixed)(p, taps, vectors);                             \
    return vectors * WIDTH;                                      \
  }
  FIXED(F)
#undef F
  if (p->mult > 1)
    LOCAL(_rows)(p, SPREAD);
  else if (p->n < WIDTH)
    LOCAL(_rows)(p, SOME);
  else
    LOCAL(_rows)(p, WHOLE);
  return p->n;
}

void DWCONV(size_t rows, size_t cols, size_t ks, size_t first, size_t mult, const void *const *a, size_t a_step,
            size_t x_step, const void *w, const float *bias, float *y, size_t y_stride, float lo, float hi) {
  struct pixels p = {.rows = rows, .ks = ks, .a_step = a_step, .x_step = x_step, .y_stride = y_stride,
                     .mult = mult, .a = a, .lo = lo, .hi = hi};
  for (size_t col = 0; col < cols;) {
    p.from = first + col;
    p.w = (const float *)w + col / 16 * 16 * ks + col % 16;
    p.bias = bias + col;
    p.y = y + col;
    col += LOCAL(_vectors)(&p, cols - col);
  }
}
#undef JOIN
#undef JOIN_
#undef LOCAL
#undef DWCONV
#undef X
#undef XV
