/* The indirect GEMM for one type of A on 32-bit ARM, which has 16 vector registers and loads that can add to their pointer but not
 * to an address. So a panel is 8 columns that are read one behind the other; a tile is 4 or 3 rows by one panel (8 sums, 4 of A
 * with 4 k each, 2 of w), 2 or 1 rows by two, so that there are sums enough to wait for. Each element is one chain of
 * multiply-adds over taps and depth in their order, whatever the tile: no result depends on blocks. Before including:
 *   GEMM       the function's name
 *   X, XV(n)   type of A's elements; the v4_load functions of it: XV(load), XV(load2), XV(load1) */
#ifndef LR_GEMM_JOB
#define LR_GEMM_JOB
enum { MR = 4, NR = 8 };
struct job {
  size_t ks, kc, panel, y_stride; /* panel: elements from one to the next */
  const void *const *a;
  const float *w, *bias;
  float *y, lo, hi;
  int clamp;
};
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define LOCAL(name) JOIN(GEMM, name)

/* what(r, ...) for each row, what(p, ...) for each panel. All variables of a tile stand for themselves, else compilers keep some of
 * them in memory. sumrph: row r, panel p, columns 0 to 3 (l) or 4 to 7 (h) of it. */
/* clang-format off */
#define ROWS(what, ...)                     \
  {                                         \
    what(0, __VA_ARGS__);                   \
    if (rows > 1) { what(1, __VA_ARGS__); } \
    if (rows > 2) { what(2, __VA_ARGS__); } \
    if (rows > 3) { what(3, __VA_ARGS__); } \
  }
#define PANELS(what, ...)                     \
  {                                           \
    what(0, __VA_ARGS__);                     \
    if (panels > 1) { what(1, __VA_ARGS__); } \
  }
/* clang-format on */
/* sum_rp += lane k of e_r times the next row of panel p. The order of ORDERED is kept, so that clang does not read w far ahead and
 * then spill. */
#define ORDERED(kind, v) __asm__ volatile("" : kind(v))
#define STEP(k) PANELS(STEP_PANEL, k)
#define STEP_PANEL(p, k)           \
  bl = vld1q_f32(w##p), w##p += 4; \
  ORDERED("+r", w##p);             \
  ROWS(STEP_LOW, p, k)             \
  bh = vld1q_f32(w##p), w##p += 4; \
  ORDERED("+r", w##p);             \
  ROWS(STEP_HIGH, p, k)
#define STEP_LOW(r, p, k)                                \
  sum##r##p##l = v4_fma_lane(sum##r##p##l, bl, e##r, k); \
  ORDERED("+w", sum##r##p##l)
#define STEP_HIGH(r, p, k)                               \
  sum##r##p##h = v4_fma_lane(sum##r##p##h, bh, e##r, k); \
  ORDERED("+w", sum##r##p##h)
/* the next n of the depth: XV(how) reads them */
#define NEXT(r, how, n)            \
  e##r = XV(how)(x##r), x##r += n; \
  LR_OPAQUE(x##r)
#define START(p, _)                                                       \
  w##p = j->w + p * j->panel;                                             \
  bl = vld1q_f32(j->bias + p * NR), bh = vld1q_f32(j->bias + p * NR + 4); \
  ROWS(START_ROW, p)
#define START_ROW(r, p) sum##r##p##l = bl, sum##r##p##h = bh
#define POINT(r, _) x##r = a[r]
#define CLAMP(r, _) PANELS(CLAMP_ONE, r)
#define CLAMP_ONE(p, r) \
  sum##r##p##l = v4_clamp(sum##r##p##l, lo, hi), sum##r##p##h = v4_clamp(sum##r##p##h, lo, hi)
#define STORE(r, _)    \
  PANELS(STORE_ONE, r) \
  y += j->y_stride
#define STORE_ONE(p, r) store_some(y + p * NR, sum##r##p##l, sum##r##p##h, p + 1 < panels ? NR : n - p * NR)

#ifndef LR_GEMM_STORE
#define LR_GEMM_STORE
/* The first n of 8 columns, 1 to 8. */
LR_INLINE void store_some(float *y, v4 l, v4 h, size_t n) {
  if (n < 4) {
    v4_store_some(y, l, n);
    return;
  }
  vst1q_f32(y, l);
  if (n == NR)
    vst1q_f32(y + 4, h);
  else if (n > 4)
    v4_store_some(y + 4, h, n - 4);
}
#endif

/* rows and panels are literals, as is `rows` in what follows; n columns are stored, at least one of the last panel. */
LR_INLINE void LOCAL(_tile)(const struct job *j, const size_t rows, const size_t panels, size_t n) {
  v4 sum00l, sum00h, sum01l, sum01h, sum10l, sum10h, sum11l, sum11h;
  v4 sum20l, sum20h, sum21l, sum21h, sum30l, sum30h, sum31l, sum31h;
  v4 bl, bh, e0, e1, e2, e3;
  const float *w0, *w1;
  const X *x0, *x1, *x2, *x3;
  const void *const *a = j->a;
  PANELS(START, 0)
  for (size_t s = j->ks; s; s--, a += MR) {
    ROWS(POINT, 0)
    for (size_t k = j->kc / 4; k; k--) {
      ROWS(NEXT, load, 4)
      STEP(0)
      STEP(1)
      STEP(2)
      STEP(3)
    }
    if (j->kc & 2) {
      ROWS(NEXT, load2, 2)
      STEP(0)
      STEP(1)
    }
    if (j->kc & 1) {
      ROWS(NEXT, load1, 1)
      STEP(0)
    }
  }
  if (j->clamp) {
    v4 lo = vdupq_n_f32(j->lo), hi = vdupq_n_f32(j->hi);
    ROWS(CLAMP, 0)
  }
  float *y = j->y;
  ROWS(STORE, 0)
}

/* All columns: tiles of `most` panels, and of one at the end. */
LR_INLINE void LOCAL(_columns)(struct job j, const size_t rows, const size_t most, size_t cols) {
#define TILE(panels)                                    \
  do {                                                  \
    size_t n = cols < panels * NR ? cols : panels * NR; \
    LOCAL(_tile)(&j, rows, panels, n);                  \
    cols -= n;                                          \
    j.w += panels * j.panel;                            \
    j.bias += panels * NR;                              \
    j.y += panels * NR;                                 \
  } while (0)
  if (most == 2)
    while (cols > NR) TILE(2);
  while (cols) TILE(1);
#undef TILE
}

#define BY_ROWS(rows, most) \
  static void LOCAL(_##rows)(const struct job *j, size_t cols) { LOCAL(_columns)(*j, rows, most, cols); }
BY_ROWS(1, 2)
BY_ROWS(2, 2)
BY_ROWS(3, 1)
BY_ROWS(4, 1)
#undef BY_ROWS

void GEMM(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a, const void *w,
          const float *bias, float *y, size_t y_stride, float lo, float hi) {
  static void (*const by_rows[])(const struct job *, size_t) = {LOCAL(_1), LOCAL(_2), LOCAL(_3), LOCAL(_4)};
  struct job j = {ks, kc, ks * kc * NR, y_stride, a, w, bias, y, lo, hi, lo > -INFINITY || hi < INFINITY};
  by_rows[rows - 1](&j, cols);
}
#undef JOIN
#undef JOIN_
#undef LOCAL
#undef ROWS
#undef PANELS
#undef STEP
#undef STEP_PANEL
#undef STEP_LOW
#undef STEP_HIGH
#undef ORDERED
#undef NEXT
#undef START
#undef START_ROW
#undef POINT
#undef CLAMP
#undef CLAMP_ONE
#undef STORE
#undef STORE_ONE
#undef GEMM
#undef X
#undef XV
