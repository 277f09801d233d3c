/* Plain C kernels of pictures. */
#include "image.h"

enum { ROUND = 1 << 19, SHIFT = 20 };

static uint8_t saturate(int32_t x) { return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x); }

void lr_u8_yuv__c(size_t n, const uint8_t *y, const uint8_t *u, const uint8_t *v, size_t step,
                  const struct lr_yuv *k, uint8_t *rgb) {
  for (size_t i = 0; i < n; i++) {
    int32_t l = y[i] > k->black ? y[i] - k->black : 0, d = u[i / 2 * step] - 128, e = v[i / 2 * step] - 128;
    rgb[4 * i] = saturate((k->cy * l + k->rv * e + ROUND) >> SHIFT);
    rgb[4 * i + 1] = saturate((k->cy * l + k->gu * d + k->gv * e + ROUND) >> SHIFT);
    rgb[4 * i + 2] = saturate((k->cy * l + k->bu * d + ROUND) >> SHIFT);
    rgb[4 * i + 3] = 0;
  }
}

void lr_u8_mix__c(size_t n, const uint8_t *a, const uint8_t *b, int32_t w, int16_t *y) {
  for (size_t i = 0; i < n; i++) y[i] = lr_between(128 * a[i], 128 * b[i], w);
}

void lr_i16_pick__c(size_t n, size_t channels, const int16_t *row, const int32_t *x, int32_t first,
                    const int16_t *w, size_t y_channels, int16_t *y, size_t y_step) {
  for (size_t i = 0; i < n; i++)
    lr_pick_one(channels, row + (size_t)(x[i] - first) * channels, w[i], y_channels, y + i * y_step);
}

void lr_i16_store__c(size_t n, const int16_t *x, const struct lr_pixels *o, void *y) {
  lr_store_some(0, n, x, o, y);
}
