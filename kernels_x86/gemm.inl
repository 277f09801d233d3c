/* The indirect GEMM for one vector length and one type of A. Panels have 16 columns on every x86 CPU, so that
 * one packed form serves all of them; a tile takes as many neighbouring panels as there are registers for.
 * Each element is one chain of multiply-adds over taps and depth in their order, whatever the tile, so that
 * results do not depend on blocks.
 *
 * Before including:
 *   GEMM           the function's name
 *   X, BROADCAST   type of A's elements, element -> VEC
 *   VEC, V(name)   a vector of WIDTH (8 or 16) floats, its functions
 *   H, HALF(name)  the same for 8 floats
 *   LOWER(v)       H of a VEC's lower half
 *   MR, VECTORS    most rows and vectors of columns of a tile
 *   MOST(rows)     most panels of a tile of so many rows
 *   TILES(T)       T(rows, vectors, half) for all tiles, small ones first; literals:
 *                  `vectors` VECs and, when `half` is 1, an H are a tile's columns */
#ifndef LR_GEMM_JOB
#define LR_GEMM_JOB
#include <stdbool.h>

struct tile {
  size_t rows, n, ks, kc, panel, y_stride; /* n: columns to store; panel: elements from one to the next */
  const void *const *a;
  const float *w, *bias;
  float *y, lo, hi;
};
typedef void tile_fn(const struct tile *t);
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define LOCAL(name) JOIN(GEMM, name)
#define PER_PANEL (16 / WIDTH)
#define AT(v) \
  ((size_t)((v) / PER_PANEL) * t->panel + (size_t)((v) % PER_PANEL) * WIDTH) /* vector v of a row of w */

/* The part of a vector that is within the n columns that are left. */
LR_INLINE void LOCAL(_store)(float *y, VEC v, size_t n) {
  if (n >= WIDTH)
    V(store)(y, v);
  else
    V(store_some)(y, v, n);
}

/* `rows`, `vectors` and `half` are literals. Rows from t->rows on are computed and thrown away. */
LR_INLINE void LOCAL(_tile)(const struct tile *t, const int rows, const int vectors, const int half) {
  VEC sum[MR][VECTORS];
  H last[MR];
  const float *w = t->w;
  const void *const *a = t->a;
  LR_EACH(r, rows, MR) {
    LR_EACH(v, vectors, VECTORS) sum[r][v] = V(load)(t->bias + v * WIDTH);
    if (half) last[r] = HALF(load)(t->bias + vectors * WIDTH);
  }
  for (size_t s = t->ks; s; s--, a += MR) {
    const X *x[MR];
    LR_EACH(r, rows, MR) x[r] = a[r];
    for (size_t k = 0; k < t->kc; k++, w += 16) {
      VEC b[VECTORS];
      H c;
      LR_EACH(v, vectors, VECTORS) b[v] = V(load)(w + AT(v));
      if (half) c = HALF(load)(w + AT(vectors));
      LR_EACH(r, rows, MR) {
        VEC e = BROADCAST(x[r][k]);
        LR_EACH(v, vectors, VECTORS) sum[r][v] = V(fma)(e, b[v], sum[r][v]);
        if (half) last[r] = HALF(fma)(LOWER(e), c, last[r]);
      }
    }
  }
  VEC lo = V(set)(t->lo), hi = V(set)(t->hi);
  LR_EACH(r, rows, MR) {
    float *y = t->y + (size_t)r * t->y_stride;
    if ((size_t)r >= t->rows) return;
    LR_EACH(v, vectors, VECTORS) {
      size_t at = (size_t)v * WIDTH; /* columns before the last 16 are there */
      bool whole = half || v + 1 + PER_PANEL <= vectors;
      LOCAL(_store)(y + at, V(clamp)(sum[r][v], lo, hi), whole ? WIDTH : t->n > at ? t->n - at : 0);
    }
    if (half) {
      H u = HALF(clamp)(last[r], LOWER(lo), LOWER(hi));
      if (t->n >= (size_t)(vectors * WIDTH + 8))
        HALF(store)(y + vectors * WIDTH, u);
      else
        HALF(store_some)(y + vectors * WIDTH, u, t->n - vectors * WIDTH);
    }
  }
}

#define T(rows, vectors, half)                                            \
  static void LOCAL(_##rows##_##vectors##_##half)(const struct tile *t) { \
    LOCAL(_tile)(t, rows, vectors, half);                                 \
  }
TILES(T)
#undef T

/* A tile for all rows and halves * 8 columns, or a few more: panels are whole, and rows that are not there
 * have pointers. */
static tile_fn *LOCAL(_choose)(size_t rows, size_t halves) {
  static const struct {
    uint8_t rows, halves;
    tile_fn *fn;
  } tiles[] = {
#define T(rows, vectors, half) {rows, vectors * WIDTH / 8 + half, LOCAL(_##rows##_##vectors##_##half)},
      TILES(T)
#undef T
  };
  size_t i = 0;
  while (tiles[i].halves < halves || tiles[i].rows < rows) i++;
  return tiles[i].fn;
}

void GEMM(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a, const void *w,
          const float *bias, float *y, size_t y_stride, float lo, float hi) {
  size_t most = MOST(rows);
  struct tile t = {rows, 0, ks, kc, ks * kc * 16, y_stride, a, w, bias, y, lo, hi};
  tile_fn *fn = 0;
  for (size_t left = cols, halves = 0; left; left -= t.n) {
    size_t panels = (left + 15) / 16, n = panels < most ? panels : most;
    if (panels == most + 1) n = (panels + 1) / 2; /* not one alone at the end */
    t.n = left < n * 16 ? left : n * 16;
    if (halves != (t.n + 7) / 8) fn = LOCAL(_choose)(rows, halves = (t.n + 7) / 8);
    fn(&t);
    t.w += n * t.panel;
    t.bias += n * 16;
    t.y += t.n;
  }
}
#undef JOIN
#undef JOIN_
#undef LOCAL
#undef PER_PANEL
#undef AT
#undef GEMM
#undef X
#undef BROADCAST
