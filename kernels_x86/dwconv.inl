/* Depthwise convolution for one vector length and one type of pixels: weights of a few channels stay in
 * registers while all pixels pass by. Panels have 16 channels as in gemm.inl.
 *
 * Before including:
 *   DWCONV         the function's name
 *   X, XV(name)    type of pixels' elements; load and load_some of VECs from them
 *   VEC, V(name)   a vector of WIDTH (8 or 16) floats, its functions
 *   FIXED(F)       F(ks, vectors), largest first, for the windows whose weights for so many
 *                  vectors fit into registers */
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

/* `ks` and `vectors` are literals, as are `together`, 1 or 2 pixels at once, and `even`: the pointers of one
 * do for all of them. p->n == vectors * WIDTH, mult is 1. Returns the number of pixels done. */
LR_INLINE size_t LOCAL(_fixed)(const struct pixels *p, size_t done, const int ks, const int vectors,
                               const int together, const int even) {
  VEC w[25][2], bias[2], sum[2][2], lo = V(set)(p->lo), hi = V(set)(p->hi);
  const void *const *a = p->a + done * p->a_step;
  size_t at = p->from + done * p->x_step, next = p->x_step;
  float *y = p->y + done * p->y_stride;
  LR_EACH(v, vectors, 2) {
    bias[v] = V(load)(p->bias + v * WIDTH);
    LR_EACH(s, ks, 25) w[s][v] = V(load)(p->w + (v * WIDTH / 16 * ks + s) * 16 + v * WIDTH % 16);
  }
  for (; done + together <= p->rows;
       done += together, a += together * p->a_step, at += together * next, y += together * p->y_stride) {
    LR_EACH(v, vectors, 2) sum[0][v] = sum[1][v] = bias[v];
    LR_EACH(s, ks, 25) {
      const X *x[2] = {(const X *)a[s] + at};
      if (together == 2) x[1] = even ? x[0] + next : (const X *)a[p->a_step + s] + at + next;
      LR_EACH(v, vectors, 2) {
        LR_EACH(r, together, 2) sum[r][v] = V(fma)(XV(load)(x[r] + v * WIDTH), w[s][v], sum[r][v]);
      }
    }
    LR_EACH(r, together, 2) {
      LR_EACH(v, vectors, 2) V(store)(y + r * p->y_stride + v * WIDTH, V(clamp)(sum[r][v], lo, hi));
    }
  }
  return done;
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
  LR_EACH(r, rows, 4) sum[r] = V(load)(p->bias);
  for (size_t s = 0; s < p->ks; s++) {
    VEC w = V(load)(p->w + s * 16);
    LR_EACH(r, rows, 4) sum[r] = V(fma)(LOCAL(_read)(p, first + r, s, how), w, sum[r]);
  }
  LR_EACH(r, rows, 4) {
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

/* A function for each, as compilers keep weights in registers only where nothing else wants them. */
#define ONE(name, taps, vectors, together, even)                                                            \
  static __attribute__((noinline)) size_t LOCAL(name##taps##_##vectors)(const struct pixels *p, size_t n) { \
    return LOCAL(_fixed)(p, n, taps, vectors, together, even);                                              \
  }
#define F(taps, vectors)          \
  ONE(_one_, taps, vectors, 1, 0) \
  ONE(_two_, taps, vectors, 2, 0) \
  ONE(_even_, taps, vectors, 2, 1)
FIXED(F)
#undef F
#undef ONE

/* As many of n channels as can be done at once; returns their number. */
static size_t LOCAL(_vectors)(struct pixels *p, size_t n) {
  p->n = n < WIDTH ? n : WIDTH;
#define F(taps, vectors)                                                                                    \
  if (p->ks == taps && n >= vectors * WIDTH && p->mult == 1) {                                              \
    size_t done = p->a_step ? LOCAL(_two_##taps##_##vectors)(p, 0) : LOCAL(_even_##taps##_##vectors)(p, 0); \
    if (done < p->rows) LOCAL(_one_##taps##_##vectors)(p, done);                                            \
    return vectors * WIDTH;                                                                                 \
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

void DWCONV(size_t rows, size_t cols, size_t ks, size_t first, size_t mult, const void *const *a,
            size_t a_step, size_t x_step, const void *w, const float *bias, float *y, size_t y_stride,
            float lo, float hi) {
  struct pixels p = {.rows = rows,
                     .ks = ks,
                     .a_step = a_step,
                     .x_step = x_step,
                     .y_stride = y_stride,
                     .mult = mult,
                     .a = a,
                     .lo = lo,
                     .hi = hi};
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
