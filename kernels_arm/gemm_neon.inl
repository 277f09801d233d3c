/* The indirect GEMM for one type of A. A panel is 4 columns, one vector; a tile is up to 6 rows by 3 neighbouring panels, whose
 * 27 registers (18 sums, 6 of A with 4 k each, 3 of w) are what gcc and clang both keep without spilling; 4 k a step. Each
 * element is one chain of multiply-adds over taps and depth in their order, whatever the tile: no result depends on blocks.
 * Before including:
 *   GEMM       the function's name
 *   X, XV(n)   type of A's elements; the v4_load functions of it: XV(load), XV(load2), XV(load1) */
#ifndef LR_GEMM_JOB
#define LR_GEMM_JOB
enum { MR = 6, NR = 4 };
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

/* what(p, ...) for each panel, what(r, ...) for each row. All variables of a tile stand for themselves: clang 14 keeps arrays of
 * few rows in memory, however their loops are unrolled. */
/* clang-format off */
#define PANELS(what, ...)                     \
  {                                           \
    what(0, __VA_ARGS__);                     \
    if (panels > 1) { what(1, __VA_ARGS__); } \
    if (panels > 2) { what(2, __VA_ARGS__); } \
    if (panels > 3) { what(3, __VA_ARGS__); } \
  }
#define ROWS(what, ...)                     \
  {                                         \
    what(0, __VA_ARGS__);                   \
    if (rows > 1) { what(1, __VA_ARGS__); } \
    if (rows > 2) { what(2, __VA_ARGS__); } \
    if (rows > 3) { what(3, __VA_ARGS__); } \
    if (rows > 4) { what(4, __VA_ARGS__); } \
    if (rows > 5) { what(5, __VA_ARGS__); } \
  }
/* clang-format on */
/* sum_rp += lane k of e_r times the next row of panel p */
#define STEP(k)        \
  PANELS(STEP_LOAD, k) \
  ROWS(STEP_ROW, k)
#define STEP_LOAD(p, k) b##p = vld1q_f32(w##p + NR * k)
#define STEP_ROW(r, k) PANELS(STEP_ADD, r, k)
#define STEP_ADD(p, r, k) sum##r##p = vfmaq_laneq_f32(sum##r##p, b##p, e##r, k)
/* The main loop has its w two vectors ahead: then one add, part of the last load, does for both loads of two vectors. */
#define STEP_AHEAD(k)        \
  PANELS(STEP_LOAD_AHEAD, k) \
  ROWS(STEP_ROW, k)
#define STEP_LOAD_AHEAD(p, k) b##p = vld1q_f32(w##p + NR * k - 2 * NR)
/* The next n of the depth: XV(how) reads them. Compilers that see where x comes from add to an index of their own instead. */
#define NEXT(r, how, n)            \
  e##r = XV(how)(x##r), x##r += n; \
  LR_OPAQUE(x##r)
#define PASS(p, n)  \
  w##p += (n) * NR; \
  if (rows == 1) LR_OPAQUE(w##p)
/* without this gcc 12 moves so many loads up that it spills */
#define KEEP(r, _) PANELS(KEEP_ONE, r)
#define KEEP_ONE(p, r) LR_IN_REGISTER(sum##r##p)
#define START(p, _)                   \
  w##p = j->w + p * j->panel;         \
  b##p = vld1q_f32(j->bias + p * NR); \
  ROWS(START_ROW, p)
#define START_ROW(r, p) sum##r##p = b##p
#define POINT(r, _) x##r = a[r]
#define CLAMP(r, _) PANELS(CLAMP_ONE, r)
#define CLAMP_ONE(p, r) sum##r##p = v4_clamp(sum##r##p, lo, hi)
#define STORE(r, _)    \
  PANELS(STORE_ONE, r) \
  y += j->y_stride
#define STORE_ONE(p, r)                   \
  if (p + 1 < panels || n == panels * NR) \
    vst1q_f32(y + p * NR, sum##r##p);     \
  else                                    \
    v4_store_some(y + p * NR, sum##r##p, n % NR)

/* rows <= MR and panels are literals, as is `rows` in what follows; n columns are stored. */
LR_INLINE void LOCAL(_tile)(const struct job *j, const size_t rows, const size_t panels, size_t n) {
  v4 sum00, sum01, sum02, sum03, sum10, sum11, sum12, sum13, sum20, sum21, sum22, sum23;
  v4 sum30, sum31, sum32, sum33, sum40, sum41, sum42, sum43, sum50, sum51, sum52, sum53;
  v4 b0, b1, b2, b3, e0, e1, e2, e3, e4, e5;
  const float *w0, *w1, *w2, *w3;
  const X *x0, *x1, *x2, *x3, *x4, *x5;
  const void *const *a = j->a;
  PANELS(START, 0)
  ROWS(KEEP, 0)
  for (size_t s = j->ks; s; s--, a += MR) {
    ROWS(POINT, 0)
    PANELS(PASS, 2)
    for (size_t k = j->kc / 4; k; k--) {
      ROWS(NEXT, load, 4)
      STEP_AHEAD(0)
      STEP_AHEAD(1)
      ROWS(KEEP, 0)
      STEP_AHEAD(2)
      STEP_AHEAD(3)
      PANELS(PASS, 4)
    }
    PANELS(PASS, -2)
    if (j->kc & 2) {
      ROWS(NEXT, load2, 2)
      STEP(0)
      STEP(1)
      PANELS(PASS, 2)
    }
    if (j->kc & 1) {
      ROWS(NEXT, load1, 1)
      STEP(0)
      PANELS(PASS, 1)
    }
  }
  if (j->clamp) {
    v4 lo = vdupq_n_f32(j->lo), hi = vdupq_n_f32(j->hi);
    ROWS(CLAMP, 0)
  }
  float *y = j->y;
  ROWS(STORE, 0)
}

/* All columns: tiles of `most` panels, and of fewer at the end. 4 are 2 + 2, because one panel alone waits for its sums. */
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
  if (most == 4)
    while (cols > 3 * NR) TILE(4);
  while (cols > 2 * NR && (cols <= 3 * NR || cols > 4 * NR)) TILE(3);
  while (cols > NR) TILE(2);
  if (cols) TILE(1);
#undef TILE
}

/* One row is bound by reading the weights; with more panels at a time there is less to wait for. */
#define BY_ROWS(rows, most) \
  static void LOCAL(_##rows)(const struct job *j, size_t cols) { LOCAL(_columns)(*j, rows, most, cols); }
BY_ROWS(1, 4)
BY_ROWS(2, 3)
BY_ROWS(3, 3)
BY_ROWS(4, 3)
BY_ROWS(5, 3)
BY_ROWS(6, 3)
#undef BY_ROWS

void GEMM(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a, const void *w,
          const float *bias, float *y, size_t y_stride, float lo, float hi) {
  enum { few = LR_POST_BUILT(LR_CASE_GEMM_FEW_ROWS) }; /* else 3 to 5 rows are 2, 2 and 1 */
#define FEW(name) (few ? LOCAL(name) : NULL)
  static void (*const by_rows[])(const struct job *, size_t) = {LOCAL(_1), LOCAL(_2), FEW(_3),
                                                                FEW(_4),   FEW(_5),   LOCAL(_6)};
#undef FEW
  struct job j = {ks, kc, ks * kc * NR, y_stride, a, w, bias, y, lo, hi, lo > -INFINITY || hi < INFINITY};
  for (size_t n; rows; rows -= n, j.a += n, j.y += n * y_stride) {
    n = few || rows == MR || rows < 3 ? rows : 2;
    by_rows[n - 1](&j, cols);
  }
}
#undef JOIN
#undef JOIN_
#undef LOCAL
#undef PANELS
#undef ROWS
#undef STEP
#undef STEP_LOAD
#undef STEP_ROW
#undef STEP_ADD
#undef STEP_AHEAD
#undef STEP_LOAD_AHEAD
#undef NEXT
#undef PASS
#undef KEEP
#undef KEEP_ONE
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
