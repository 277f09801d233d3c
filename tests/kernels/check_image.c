/* Kernels of pictures: the integers exactly, the elements of the target within their roundings. */
#include "check.h"

enum { CASES = 300 };

static uint8_t *bytes(size_t n) {
  uint8_t *p = check_alloc(n, 1);
  for (size_t i = 0; i < n; i++)
    p[i] = (uint8_t)(check_random(4) ? check_random(256) : check_random(2) * 255);
  return p;
}

static double saturate(double x) { return x < 0 ? 0 : x > 255 ? 255 : x; }

void check_u8_yuv(const struct lr_kernel *k) {
  static const struct lr_yuv yuv[] = {{16, 1220542, 1673527, -409993, -852492, 2116026},
                                      {0, 1048576, 1470104, -360853, -748806, 1858077},
                                      {16, 1220945, 1881148, -223606, -559189, 2216632}};
  for (int i = 0; i < CASES; i++, check_done()) {
    const struct lr_yuv *f = &yuv[check_random(3)];
    size_t n = 1 + check_random(100), step = 1 + check_random(2), pairs = (n + 1) / 2,
           v_first = check_random(2);
    size_t room = (n + LR_IMAGE_ROOM - 1) / LR_IMAGE_ROOM * LR_IMAGE_ROOM;
    uint8_t *y = bytes(n), *u = bytes(step * pairs), *v = step == 2 ? u + 1 : bytes(pairs);
    uint8_t *rgb = check_alloc(4 * room, 1);
    if (step == 2 && v_first) v = u, u = v + 1;
    ((lr_u8_yuv_fn *)k->fn)(n, y, u, v, step, f, rgb);
    for (size_t j = 0; j < n; j++) {
      double l = y[j] > f->black ? y[j] - f->black : 0, d = u[j / 2 * step] - 128.0,
             e = v[j / 2 * step] - 128.0;
      double want[4] = {f->cy * l + f->rv * e, f->cy * l + f->gu * d + f->gv * e, f->cy * l + f->bu * d, 0};
      for (size_t c = 0; c < 4; c++)
        if (rgb[4 * j + c] != saturate(floor(want[c] / (1 << 20) + 0.5)))
          check_fail("n %zu, step %zu, pixel %zu, channel %zu: %d, not %g", n, step, j, c, rgb[4 * j + c],
                     want[c] / (1 << 20));
    }
  }
}

/* a + (b - a) * w / 2^15, half up */
static double between(double a, double b, double w) { return a + floor((b - a) * w / 32768 + 0.5); }

void check_u8_mix(const struct lr_kernel *k) {
  for (int i = 0; i < CASES; i++, check_done()) {
    size_t n = 1 + check_random(100);
    int32_t w = check_random(3) ? check_between(0, 32767) : 32767 * check_between(0, 1);
    uint8_t *a = bytes(n), *b = bytes(n);
    int16_t *y = check_alloc(n * sizeof *y, sizeof *y);
    ((lr_u8_mix_fn *)k->fn)(n, a, b, w, y);
    for (size_t j = 0; j < n; j++)
      if (y[j] != between(128 * a[j], 128 * b[j], w))
        check_fail("n %zu, w %d, element %zu: %d, of %d and %d", n, w, j, y[j], a[j], b[j]);
  }
}

static int16_t *numbers(size_t n) {
  int16_t *p = check_alloc(n * sizeof *p, sizeof *p);
  for (size_t i = 0; i < n; i++)
    p[i] = (int16_t)(check_random(4) ? check_random(32641) : check_random(2) * 32640);
  return p;
}

void check_i16_pick(const struct lr_kernel *k) {
  static const size_t channels[] = {1, 3, 4};
  enum { SPARE = 4 };
  for (int i = 0; i < CASES; i++, check_done()) {
    size_t n = 1 + check_random(40), of = channels[check_random(3)], to = of == 1 && check_random(2) ? 1 : 4;
    size_t step = to * (1 + (size_t)check_random(2) * 15);
    int32_t pixels = check_between(2, 50), first = check_between(0, 1000),
            *x = check_alloc(n * sizeof *x, sizeof *x);
    int16_t *row = numbers((size_t)pixels * of + SPARE), *w = check_alloc(n * sizeof *w, sizeof *w);
    int16_t *y = check_alloc(((n - 1) * step + to) * sizeof *y, sizeof *y);
    for (size_t j = 0; j < n; j++) {
      x[j] = first + check_between(0, pixels - 2);
      w[j] = (int16_t)(check_random(3) ? check_between(0, 32767) : 32767 * check_between(0, 1));
    }
    ((lr_i16_pick_fn *)k->fn)(n, of, row, x, first, w, to, y, step);
    for (size_t j = 0; j < n * to; j++) {
      size_t at = j / to, c = of == 1 ? 0 : j % to;
      const int16_t *p = row + (size_t)(x[at] - first) * of + c;
      if (c < of && y[at * step + j % to] != between(p[0], p[of], w[at]))
        check_fail("n %zu, channels %zu, step %zu, pixel %zu: %d, of %d and %d by %d", n, of, step, at,
                   y[at * step + j % to], p[0], p[of], w[at]);
    }
  }
}

void check_i16_store(const struct lr_kernel *k) {
  static const int32_t dtypes[] = {T_F32, T_F16, T_U8};
  for (int i = 0; i < CASES; i++, check_done()) {
    struct lr_pixels o = {.dtype = dtypes[check_random(3)], .channels = check_random(3) ? 3 : 1};
    size_t n = 1 + check_random(60), size = check_size(o.dtype), of = o.channels == 1 ? 1 : 4;
    o.swap = o.channels == 3 && check_random(2);
    o.plane = o.channels == 3 && check_random(2) ? n + check_random(20) : 0;
    for (size_t c = 0; c < 4; c++) {
      o.mean[c] = check_random(3) ? (float)check_between(0, 32640) : 0;
      o.scale[c] = check_random(3) ? (float)check_float() / (o.dtype == T_U8 ? 64 : 8192) : 1.0f / 128;
    }
    int16_t *x = numbers(n * of);
    size_t elements = o.plane ? 2 * o.plane + n : n * (size_t)o.channels;
    uint8_t *y = check_alloc(elements * size, size), *written = check_alloc(elements, 1);
    memset(written, 0, elements);
    ((lr_i16_store_fn *)k->fn)(n, x, &o, y);
    for (size_t j = 0; j < n * (size_t)o.channels; j++) {
      size_t c = j % (size_t)o.channels, p = j / (size_t)o.channels, e = o.swap ? 2 - c : c;
      size_t at = o.plane ? c * o.plane + p : j;
      double want = ((double)x[p * of + e] - (double)o.mean[e]) * (double)o.scale[e],
             got = check_get(o.dtype, y, at);
      double tolerance = fabs(want) * 0x1p-22;
      if (o.dtype == T_F16) tolerance += fabs(want) * 0x1p-11 + 0x1p-25;
      if (o.dtype == T_U8) want = saturate(want), tolerance = 0.5 + 1e-3;
      written[at] = 1;
      if (!check_near(got, want, tolerance))
        check_fail("n %zu, dtype %d, plane %zu, swap %d, pixel %zu, channel %zu: %g, not %g", n, o.dtype,
                   o.plane, o.swap, p, c, got, want);
    }
    for (size_t j = 0; j < elements * size; j++)
      if (!written[j / size] && y[j] != CHECK_FILL)
        check_fail("n %zu, plane %zu: wrote between planes", n, o.plane);
  }
}
