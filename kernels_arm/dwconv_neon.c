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

/* What a 3x3 window keeps of a tap: 8 channels where there are registers for 9 such weights, else 4; panel: elements from the
 * weights of 4 channels to those of the next 4. */
#if defined(__aarch64__)
enum { WIDE = 8 };
typedef struct {
  v4 l, h;
} wide;
#define wide_load(LOAD, x) ((wide){LOAD(x), LOAD((x) + 4)})
LR_INLINE wide wide_load_panels(const float *w, size_t panel) {
  return (wide){vld1q_f32(w), vld1q_f32(w + panel)};
}
LR_INLINE wide wide_set(float f) { return (wide){vdupq_n_f32(f), vdupq_n_f32(f)}; }
LR_INLINE wide wide_fma(wide sum, wide u, wide w) {
  return (wide){v4_fma(sum.l, u.l, w.l), v4_fma(sum.h, u.h, w.h)};
}
LR_INLINE wide wide_clamp(wide v, wide lo, wide hi) {
  return (wide){v4_clamp(v.l, lo.l, hi.l), v4_clamp(v.h, lo.h, hi.h)};
}
LR_INLINE void wide_store(float *y, wide v) {
  vst1q_f32(y, v.l);
  vst1q_f32(y + 4, v.h);
}
#else
enum { WIDE = 4 };
typedef v4 wide;
#define wide_load(LOAD, x) LOAD(x)
LR_INLINE wide wide_load_panels(const float *w, size_t panel) { return vld1q_f32(w); }
LR_INLINE wide wide_set(float f) { return vdupq_n_f32(f); }
LR_INLINE wide wide_fma(wide sum, wide u, wide w) { return v4_fma(sum, u, w); }
LR_INLINE wide wide_clamp(wide v, wide lo, wide hi) { return v4_clamp(v, lo, hi); }
LR_INLINE void wide_store(float *y, wide v) { vst1q_f32(y, v); }
#endif

#if LR_NEON_F32
#define DWCONV LR_NEON(lr_f32_dwconv_1x8)
#define X float
#define LOAD v4_load_f32
#define LOAD_SOME v4_load_some_f32
#include "dwconv_neon.inl"

#endif
#if LR_NEON_F16
#define DWCONV LR_NEON(lr_f16_f32_dwconv_1x8)
#define X uint16_t
#define LOAD v4_load_f16
#define LOAD_SOME v4_load_some_f16
#include "dwconv_neon.inl"
#endif
