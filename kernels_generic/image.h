/* What the kernels of pictures share: one pixel at a time, for the plain C ones and for the ends of rows. */
#pragma once
#include <string.h>

#include "f16.h"
#include "kernels.h"
#include "lr_ops.h"

static inline int16_t lr_between(int32_t a, int32_t b, int32_t w) {
  return (int16_t)(a + (((b - a) * w + (1 << 14)) >> 15));
}

static inline void lr_pick_one(size_t channels, const int16_t *p, int32_t w, size_t y_channels, int16_t *y) {
  for (size_t k = 0; k < y_channels; k++) {
    const int16_t *q = channels == 1 ? p : p + k;
    y[k] = lr_between(q[0], q[channels], w);
  }
}

/* Element i of y. Clamped before it becomes an integer; 1.5 * 2^23 rounds to nearest even. */
static inline void lr_store_one(int32_t dtype, void *y, size_t i, int32_t x, float mean, float scale) {
  float f = ((float)x - mean) * scale;
  if (dtype == LR_CODE_F32) {
    ((float *)y)[i] = f;
  } else if (dtype == LR_CODE_F16) {
    ((uint16_t *)y)[i] = lr_f16_from_f32(f);
  } else {
    f = f > 0 ? f : 0;
    f = f < 255 ? f : 255;
    ((uint8_t *)y)[i] = (uint8_t)(int32_t)((f + 12582912.0f) - 12582912.0f);
  }
}

/* Pixels from `from` to n. */
static inline void lr_store_some(size_t from, size_t n, const int16_t *x, const struct lr_pixels *o,
                                 void *y) {
  if (o->channels == 1) {
    for (size_t i = from; i < n; i++) lr_store_one(o->dtype, y, i, x[i], o->mean[0], o->scale[0]);
    return;
  }
  for (size_t k = 0; k < 3; k++) {
    size_t c = o->swap ? 2 - k : k, at = o->plane ? c * o->plane : c, step = o->plane ? 1 : 3;
    for (size_t i = from; i < n; i++)
      lr_store_one(o->dtype, y, at + i * step, x[4 * i + k], o->mean[k], o->scale[k]);
  }
}
