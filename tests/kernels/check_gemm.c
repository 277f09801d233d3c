/* Matrix products and convolutions: panels are packed by the production code, the reference reads the weights
 * as they were. */
#include "check.h"
#include "packing.h"

enum { CASES = 300 };

struct kind {
  int32_t x, w; /* dtypes */
  bool floats;
};

/* One case. Weights are [s][k][j] in the reference. */
struct work {
  size_t rows, cols, ks, kc, mr, stride;
  const void **a;
  void *w, *packed, *bias, *y;
  float lo, hi;
  struct lr_pack pack;
};

static void fill(int32_t dtype, void *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    check_put(dtype, p, i,
              dtype == T_I8   ? check_between(-128, 127)
              : dtype == T_U8 ? check_between(0, 255)
                              : check_float());
}

static void *filled(int32_t dtype, size_t n) {
  void *p = check_alloc(n * check_size(dtype), check_size(dtype));
  fill(dtype, p, n);
  return p;
}

/* Weights and bias of `depth` elements in each of w->ks taps, and y. */
static void set_up(struct work *w, const struct kind *t, const struct lr_kernel *k, size_t depth) {
  size_t n = w->ks * depth, padded = (w->cols + (size_t)k->nr - 1) / (size_t)k->nr * (size_t)k->nr;
  w->w = filled(t->w, n * w->cols);
  w->pack = (struct lr_pack){.type = t->w == T_F32 ? LR_PACK_F32 : LR_PACK_I8,
                             .nr = (uint32_t)k->nr,
                             .kr = (uint32_t)k->kr,
                             .cols = w->cols,
                             .taps_h = 1,
                             .taps_w = w->ks,
                             .depth = depth,
                             .col_stride = 1,
                             .w_stride = (int64_t)(depth * w->cols),
                             .k_stride = (int64_t)w->cols};
  w->packed = check_alloc(lr_pack_bytes(&w->pack), 64);
  lr_pack_run(&w->pack, w->w, w->packed, 0, lr_pack_panels(&w->pack));
  w->bias = check_alloc(padded * 4, 4);
  for (size_t j = 0; j < padded; j++) {
    if (t->floats)
      ((float *)w->bias)[j] = (float)check_float();
    else
      ((int32_t *)w->bias)[j] = check_between(-1000000, 1000000);
  }
  w->stride = w->cols + check_random(4);
  w->y = check_alloc(((w->rows - 1) * w->stride + w->cols) * 4, 4);
  bool clamp = t->floats && check_random(2);
  w->lo = clamp ? -1.0f : -INFINITY;
  w->hi = clamp ? 1.5f : INFINITY;
}

/* The reference for one element, from x(s, k), the element that is multiplied with w[s][k][j]. */
struct sum {
  double value, size; /* and the sum of magnitudes */
  uint32_t exact;
};
static void add(struct sum *s, const struct kind *t, const void *x, size_t i, const void *w, size_t j) {
  double product = check_get(t->x, x, i) * check_get(t->w, w, j);
  s->value += product;
  s->size += fabs(product);
  if (!t->floats) s->exact += (uint32_t)(int32_t)product;
}

static struct sum start(const struct kind *t, const void *bias, size_t j) {
  if (!t->floats) return (struct sum){0, 0, (uint32_t)((const int32_t *)bias)[j]};
  double b = (double)((const float *)bias)[j];
  return (struct sum){b, fabs(b), 0};
}

static void compare(const struct work *w, const struct kind *t, const struct sum *s, size_t n, size_t r,
                    size_t j) {
  size_t at = r * w->stride + j;
  if (!t->floats) {
    if (((const uint32_t *)w->y)[at] != s->exact)
      check_fail("row %zu of %zu, column %zu of %zu, ks %zu, kc %zu: %d, not %d", r, w->rows, j, w->cols,
                 w->ks, w->kc, ((const int32_t *)w->y)[at], (int32_t)s->exact);
    return;
  }
  double want = s->value<(double)w->lo ? (double)w->lo : s->value>(double) w->hi ? (double)w->hi : s->value;
  double got = (double)((const float *)w->y)[at];
  if (!check_near(got, want, s->size * (double)(n + 2) * 0x1p-24)) /* the bound of a sum in any order */
    check_fail("row %zu of %zu, column %zu of %zu, ks %zu, kc %zu: %g, not %g", r, w->rows, j, w->cols, w->ks,
               w->kc, got, want);
}

/* Between the rows of y nothing is written. */
static void check_gaps(const struct work *w) {
  const unsigned char *y = w->y;
  for (size_t r = 0; r + 1 < w->rows; r++)
    for (size_t i = (r * w->stride + w->cols) * 4; i < (r + 1) * w->stride * 4; i++)
      if (y[i] != CHECK_FILL) {
        check_fail("wrote behind row %zu of %zu columns", r, w->cols);
        return;
      }
}

static void gemm_case(const struct lr_kernel *k, const struct kind *t, size_t i) {
  struct work w = {.mr = (size_t)k->mr, .ks = check_random(3) ? 1 : check_random(10), .kc = check_random(40)};
  w.rows = 1 + i % w.mr;
  w.cols = 1 + check_random((i % 4 ? 3 : 8) * (uint32_t)k->nr);
  if (i % 20 == 0) w.kc = 600;
  set_up(&w, t, k, w.kc);
  size_t pointers = w.ks * w.mr;
  w.a = check_alloc((pointers ? pointers : 1) * sizeof(void *), sizeof(void *));
  for (size_t s = 0; s < pointers; s++) w.a[s] = filled(t->x, w.kc);
  if (t->floats && i % 5 == 0 && w.ks && w.kc) /* in one row only */
    check_put(t->x, (void *)(uintptr_t)w.a[check_random((uint32_t)pointers)], check_random((uint32_t)w.kc),
              i % 10 ? (double)NAN : (double)INFINITY);
  if (t->floats)
    ((lr_f32_gemm_fn *)k->fn)(w.rows, w.cols, w.ks, w.kc, w.a, w.packed, w.bias, w.y, w.stride, w.lo, w.hi);
  else
    ((lr_qs8_gemm_fn *)k->fn)(w.rows, w.cols, w.ks, w.kc, w.a, w.packed, w.bias, w.y, w.stride);
  for (size_t r = 0; r < w.rows; r++)
    for (size_t j = 0; j < w.cols; j++) {
      struct sum s = start(t, w.bias, j);
      for (size_t tap = 0; tap < w.ks; tap++)
        for (size_t c = 0; c < w.kc; c++)
          add(&s, t, w.a[tap * w.mr + r], c, w.w, (tap * w.kc + c) * w.cols + j);
      compare(&w, t, &s, w.ks * w.kc, r, j);
    }
  check_gaps(&w);
}

static void dwconv_case(const struct lr_kernel *k, const struct kind *t, size_t i) {
  struct work w = {.ks = check_random(3) ? 9 : check_random(26), .kc = 1, .rows = 1 + check_random(9)};
  size_t mult = check_random(2) ? 1 : 2 + check_random(3), first = check_random(3) * (size_t)k->nr;
  w.cols = 1 + check_random(3 * (uint32_t)k->nr);
  set_up(&w, t, k, 1);
  /* pixels with pointers of their own, or those of the first one and a distance */
  size_t channels = (first + w.cols - 1) / mult + 1, a_step = i % 2 ? w.ks : 0;
  size_t x_step = i % 2 ? 0 : check_random((uint32_t)channels + 9), pointers = (i % 2 ? w.rows : 1) * w.ks;
  size_t size = channels + (w.rows - 1) * x_step; /* of what a pointer points at */
  w.a = check_alloc((pointers ? pointers : 1) * sizeof(void *), sizeof(void *));
  for (size_t s = 0; s < pointers; s++) w.a[s] = filled(t->x, size);
  if (t->floats && i % 5 == 0 && pointers)
    check_put(t->x, (void *)(uintptr_t)w.a[check_random((uint32_t)pointers)], check_random((uint32_t)size),
              (double)NAN);
  if (t->floats)
    ((lr_f32_dwconv_fn *)k->fn)(w.rows, w.cols, w.ks, first, mult, w.a, a_step, x_step, w.packed, w.bias, w.y,
                                w.stride, w.lo, w.hi);
  else
    ((lr_qs8_dwconv_fn *)k->fn)(w.rows, w.cols, w.ks, first, mult, w.a, a_step, x_step, w.packed, w.bias, w.y,
                                w.stride);
  for (size_t r = 0; r < w.rows; r++)
    for (size_t j = 0; j < w.cols; j++) {
      struct sum s = start(t, w.bias, j);
      for (size_t tap = 0; tap < w.ks; tap++)
        add(&s, t, w.a[r * a_step + tap], r * x_step + (first + j) / mult, w.w, tap * w.cols + j);
      compare(&w, t, &s, w.ks, r, j);
    }
  check_gaps(&w);
}

/* Square windows on neighbouring pixels of an image, as kernels may find out from the pointers: columns of pixels are `step` apart
 * from one window to the next, and unless they are even, rows are after `line` windows. One column and one row of the image are
 * padding, which is the same pixel everywhere. */
static void point_at_image(struct work *w, const struct kind *t, size_t edge, size_t step, size_t channels,
                           bool even) {
  size_t line = even ? w->rows : 1 + check_random((uint32_t)w->rows), lines = (w->rows + line - 1) / line;
  size_t width = (line - 1) * step + edge, height = (lines - 1) * step + edge, size = check_size(t->x);
  size_t bare = even ? height : check_random((uint32_t)height);
  char *image = filled(t->x, height * width * channels), *outside = filled(t->x, channels);
  if (t->floats && check_random(4) == 0)
    check_put(t->x, image, check_random((uint32_t)(height * width * channels)), (double)NAN);
  for (size_t r = 0; r < (even ? 1 : w->rows); r++)
    for (size_t s = 0; s < w->ks; s++) {
      size_t x = r % line * step + s % edge, y = r / line * step + s / edge;
      w->a[r * w->ks + s] =
          (!even && x + 1 == width) || y == bare ? outside : image + (y * width + x) * channels * size;
    }
}

static void dwconv_image_case(const struct lr_kernel *k, const struct kind *t, size_t i) {
  size_t edge = 3 + i % 2 * 2, step = 1 + check_random(3), first = check_random(3) * (size_t)k->nr;
  bool even = check_random(2);
  struct work w = {.ks = edge * edge, .kc = 1, .rows = 1 + check_random(16)};
  w.cols = 1 + check_random((i % 4 ? 3 : 6) * (uint32_t)k->nr);
  set_up(&w, t, k, 1);
  size_t channels = first + w.cols + check_random(3), x_step = even ? step * channels : 0,
         a_step = even ? 0 : w.ks;
  w.a = check_alloc(w.ks * (even ? 1 : w.rows) * sizeof(void *), sizeof(void *));
  point_at_image(&w, t, edge, step, channels, even);
  if (t->floats)
    ((lr_f32_dwconv_fn *)k->fn)(w.rows, w.cols, w.ks, first, 1, w.a, a_step, x_step, w.packed, w.bias, w.y,
                                w.stride, w.lo, w.hi);
  else
    ((lr_qs8_dwconv_fn *)k->fn)(w.rows, w.cols, w.ks, first, 1, w.a, a_step, x_step, w.packed, w.bias, w.y,
                                w.stride);
  for (size_t r = 0; r < w.rows; r++)
    for (size_t j = 0; j < w.cols; j++) {
      struct sum s = start(t, w.bias, j);
      for (size_t tap = 0; tap < w.ks; tap++)
        add(&s, t, w.a[r * a_step + tap], r * x_step + first + j, w.w, tap * w.cols + j);
      compare(&w, t, &s, w.ks, r, j);
    }
  check_gaps(&w);
}

static void run(const struct lr_kernel *k, struct kind t,
                void (*one)(const struct lr_kernel *k, const struct kind *t, size_t i)) {
  for (size_t i = 0; i < CASES; i++) {
    one(k, &t, i);
    check_done();
  }
}

#define CHECKERS(name, ...)                                                                            \
  void check_##name##_gemm(const struct lr_kernel *k) { run(k, (struct kind)__VA_ARGS__, gemm_case); } \
  void check_##name##_dwconv(const struct lr_kernel *k) {                                              \
    run(k, (struct kind)__VA_ARGS__, dwconv_case);                                                     \
    run(k, (struct kind)__VA_ARGS__, dwconv_image_case);                                               \
  }
CHECKERS(f32, {T_F32, T_F32, true})
CHECKERS(f16, {T_F16, T_F32, true})
CHECKERS(qs8, {T_I8, T_I8, false})
CHECKERS(qu8, {T_U8, T_I8, false})
