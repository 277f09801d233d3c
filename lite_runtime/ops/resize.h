/* resize: what its files share. resize.c has the rules and finds which elements each output takes,
 * resize_run.c takes them. */
#pragma once
#include "op.h"

enum {
  LR_RESIZE_AT_ONCE = 3,  /* axes that linear filters go along in one pass */
  LR_RESIZE_MAX_TAPS = 8, /* of an output of it; more than those of one axis whose filter is not stretched */
  LR_RESIZE_MOST_TAPS = 4096 /* of those that are */
};

/* For each output along one axis, the elements it is made of. */
struct lr_taps {
  int32_t n;           /* taps of an output: nearest 1, linear 2, cubic 4 */
  const int64_t *from; /* [out][n] */
  const float *weight; /* [out][n]; NULL: n is 1 and the weight too */
};

/* Weights of the 4 elements around a point s behind the second one (Keys 1981). */
static inline void lr_cubic_weights(float a, float s, float *w) {
  float r = 1 - s, far = 1 + s, farther = 2 - s;
  w[0] = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a;
  w[1] = ((a + 2) * s - (a + 3)) * s * s + 1;
  w[2] = ((a + 2) * r - (a + 3)) * r * r + 1;
  w[3] = ((a * farther - 5 * a) * farther + 8 * a) * farther - 4 * a;
}

/* y = x, but along each axis with taps[axis].n > 0 output o is element from[o] (n is 1). */
void lr_resize_nearest(struct lr_pool *pool, const struct lr_view *x, const struct lr_view *y,
                       const struct lr_taps *taps);
/* y = x, but along each axis[k], k < axes, output o is a weighted sum by taps[k]: one axis, or up to LR_RESIZE_AT_ONCE in
 * ascending order of two taps each. x and y are f32 or f16, not necessarily the same. */
void lr_resize_weighted(struct lr_pool *pool, const struct lr_view *x, const struct lr_view *y, int32_t axes,
                        const int32_t *axis, const struct lr_taps *taps, void (*wsum)(void));
