/* Softmax and normalisation of f32: in plain C, and again for each ISA. */
#include <stdbool.h>

#include "simd_choose.h"

#include LR_SIMD
#include "vmath.h"

#define ELEM float
#define TYPE f32
#define ISA LR_SIMD_ISA
#define SCALAR(x) (x)
#define EXACT 1
#define WIDE float
#define WIDE_TYPE f32
#include "rows.inl"

/* ---- softmax in pieces ---- */
/* x = scale * x + mask; returns the largest. */
static double piece_scores(size_t n, float scale, const float *mask, size_t mask_step, float *x) {
  vf s = vf_set((double)scale), all = vf_set(mask && !mask_step ? (double)*mask : 0);
  size_t full = n - n % VF_LANES, i = 0;
  if (mask_step) {
    LR_INDEPENDENT for (; i < full; i += VF_LANES)
        vf_store_f32(x + i, vf_mla(vf_load_f32(x + i), s, vf_load_f32(mask + i)));
    if (i < n)
      vf_store_part_f32(x + i, n - i,
                        vf_mla(vf_load_part_f32(x + i, n - i), s, vf_load_part_f32(mask + i, n - i)));
  } else {
    LR_INDEPENDENT for (; i < full; i += VF_LANES) vf_store_f32(x + i, vf_mla(vf_load_f32(x + i), s, all));
    if (i < n) vf_store_part_f32(x + i, n - i, vf_mla(vf_load_part_f32(x + i, n - i), s, all));
  }
  return row_max(n, x);
}

float CAT(lr_f32_softmax_piece__, ISA)(size_t n, float scale, const float *mask, size_t mask_step, float *x,
                                       float *max, float *sum) {
  float top = (float)piece_scores(n, scale, mask, mask_step, x), before = *max;
  if (!(before >= top)) *max = top;
  bool nothing = *max == -INFINITY; /* -inf - -inf would be NaN, which finite scores to come must not meet */
  double total = row_exp(n, x, nothing ? 0 : (double)*max, x);
  float f = nothing ? 1 : (float)vf_first(vf_exp_negative(vf_set((double)(before - *max))));
  *sum = (float)((double)f * (double)*sum + total);
  return f;
}
