/* Packed weights: what the GEMM and depthwise kernels read.
 *
 * A matrix of `cols` output columns by taps x depth becomes panels of `nr` columns, the last one filled up with zeros:
 *   floats   f32 [taps][depth / kr, rounded up][nr][kr]
 *   8 bit    i32 [nr], the sum of each column's weights, then i8 [taps][depth / kr, rounded up][nr][kr]
 * where the depth of a tap that is not a multiple of kr is filled up with zeros. Pure functions of the weights: neither
 * bias nor zero points are in it.
 *
 * As an encoding in the file (model.fbs) this is, both of version 1,
 *   kind 1   a tensor [O ... depth] whose rows are columns of the product; `block` groups (at least 1) of O / block
 *            columns each, every group with its own panels; the dims between O and depth are the taps
 *   kind 2   a tensor [... K N], a stack of matrices one behind the other: columns last, one tap of depth K; block 0
 * and only made at run time (ops/conv_winograd_weights.c)
 *   kind 3   a filter [O 3 3 C] in the transformed form of Winograd's F(block x block, 3x3), block 2 or 4:
 *            (block + 2)^2 matrices, row-major by point, each f32 panels of one tap of depth C */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Of the source; u8 is packed as w - 128 in i8. */
enum lr_pack_type { LR_PACK_F32, LR_PACK_F16, LR_PACK_I8, LR_PACK_U8 };

/* One matrix. Strides of the source in elements; taps are a grid, h outer. */
struct lr_pack {
  enum lr_pack_type type;
  uint32_t nr, kr;
  uint64_t cols, taps_h, taps_w, depth;
  int64_t col_stride, h_stride, w_stride, k_stride;
};

/* Bytes of one panel, and of all of the matrix. nr is a multiple of 4, so that sums are aligned in each
 * panel. */
uint64_t lr_pack_panel_bytes(const struct lr_pack *p);
uint64_t lr_pack_bytes(const struct lr_pack *p);
static inline uint64_t lr_pack_panels(const struct lr_pack *p) { return (p->cols + p->nr - 1) / p->nr; }

/* Packs panels first..last-1 of the matrix that starts at `from`; `to` is where panel 0 goes. */
void lr_pack_run(const struct lr_pack *p, const void *from, void *to, uint64_t first, uint64_t last);
