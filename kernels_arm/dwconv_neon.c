/* Depthwise convolutions with NEON. */
#include <stdbool.h>

#include "kernels.h"
#include "neon.h"

/* Some channels of a row of output pixels. */
struct pixels {
  /* panel: elements of 4 channels' weights; from: first channel of y */
  size_t rows, ks, panel, y_stride, from, mult, n;
  size_t run; /* pixels that are neighbours; after each `run` of them another row of y begins */
  size_t a_step, x_step;
  const void *const *a;
  const float *w, *bias; /* of the first channel */
  float *y, lo, hi;
};

/* 8 channels; panel: elements from the weights of 4 channels to those of the next 4. */
typedef struct {
  v4 l, h;
} v8;
#define v8_load(LOAD, x) ((v8){LOAD(x), LOAD((x) + 4)})
LR_INLINE v8 v8_load_panels(const float *w, size_t panel) { return (v8){vld1q_f32(w), vld1q_f32(w + panel)}; }
LR_INLINE v8 v8_set(float f) { return (v8){vdupq_n_f32(f), vdupq_n_f32(f)}; }
LR_INLINE v8 v8_fma(v8 sum, v8 u, v8 w) {
  return (v8){vfmaq_f32(sum.l, u.l, w.l), vfmaq_f32(sum.h, u.h, w.h)};
}
LR_INLINE v8 v8_clamp(v8 v, v8 lo, v8 hi) {
  return (v8){v4_clamp(v.l, lo.l, hi.l), v4_clamp(v.h, lo.h, hi.h)};
}
LR_INLINE void v8_store(float *y, v8 v) {
  vst1q_f32(y, v.l);
  vst1q_f32(y + 4, v.h);
}

#define DWCONV lr_f32_dwconv_1x8__neon
#define X float
#define LOAD v4_load_f32
#define LOAD_SOME v4_load_some_f32
#include "dwconv_neon.inl"

#define DWCONV lr_f16_f32_dwconv_1x8__neon
#define X uint16_t
#define LOAD v4_load_f16
#define LOAD_SOME v4_load_some_f16
#include "dwconv_neon.inl"
