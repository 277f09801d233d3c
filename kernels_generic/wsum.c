/* Weighted sums of rows: in plain C, and again for each ISA. Products and sums are rounded one by one, in the order of the
 * rows, so that an element is the same on every CPU, and the same as where a loop over elements says it. */
#include "simd_choose.h"

#include LR_SIMD
#include "kernels.h"

enum { UNROLL = 4 };

/* y may be one of the rows: all of a block is read before it is written */
void LR_SIMD_NAME(lr_f32_wsum)(size_t n, size_t ks, const float *const *a, const float *w, float *y) {
  size_t at = 0;
  for (; n - at >= UNROLL * VF_LANES; at += UNROLL * VF_LANES) {
    vf v[UNROLL], f = vf_set((double)w[0]);
    for (size_t u = 0; u < UNROLL; u++) v[u] = vf_mul(f, vf_load_f32(a[0] + at + u * VF_LANES));
    for (size_t s = 1; s < ks; s++) {
      f = vf_set((double)w[s]);
      for (size_t u = 0; u < UNROLL; u++)
        v[u] = vf_add(v[u], vf_mul(f, vf_load_f32(a[s] + at + u * VF_LANES)));
    }
    for (size_t u = 0; u < UNROLL; u++) vf_store_f32(y + at + u * VF_LANES, v[u]);
  }
  for (; at < n; at += VF_LANES) {
    size_t m = n - at;
    vf v =
        vf_mul(vf_set((double)w[0]), m < VF_LANES ? vf_load_part_f32(a[0] + at, m) : vf_load_f32(a[0] + at));
    for (size_t s = 1; s < ks; s++)
      v = vf_add(v, vf_mul(vf_set((double)w[s]),
                           m < VF_LANES ? vf_load_part_f32(a[s] + at, m) : vf_load_f32(a[s] + at)));
    if (m < VF_LANES)
      vf_store_part_f32(y + at, m, v);
    else
      vf_store_f32(y + at, v);
  }
}
