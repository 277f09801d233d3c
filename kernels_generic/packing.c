#include "packing.h"

#include <string.h>

#include "f16.h"

static uint64_t padded_depth(const struct lr_pack *p) { return (p->depth + p->kr - 1) / p->kr * p->kr; }

static int is_float(const struct lr_pack *p) { return p->type == LR_PACK_F32 || p->type == LR_PACK_F16; }

uint64_t lr_pack_panel_bytes(const struct lr_pack *p) {
  uint64_t weights = p->taps_h * p->taps_w * padded_depth(p) * p->nr;
  return is_float(p) ? weights * sizeof(float) : weights + p->nr * sizeof(int32_t);
}

uint64_t lr_pack_bytes(const struct lr_pack *p) { return lr_pack_panels(p) * lr_pack_panel_bytes(p); }

/* kr 1: a row of the panel after the other. Whole rows are copied by fours, since a call of memcpy costs more. */
static void rows_f32(const struct lr_pack *p, const float *from, uint64_t n, float *to) {
  int64_t step = p->col_stride;
  for (uint64_t k = 0; k < p->depth; k++, to += p->nr, from += p->k_stride)
    if (step == 1 && n == p->nr)
      for (uint64_t j = 0; j < n; j += 4) memcpy(to + j, from + j, 4 * sizeof *to);
    else
      for (uint64_t j = 0; j < n; j++) to[j] = from[(int64_t)j * step];
}

/* One tap of n <= nr columns. */
static void tap_f32(const struct lr_pack *p, const float *from, uint64_t n, float *to) {
  if (p->kr == 1) {
    rows_f32(p, from, n, to);
    return;
  }
  for (uint64_t j = 0; j < n; j++)
    for (uint64_t k = 0; k < p->depth; k++)
      to[(k / p->kr * p->nr + j) * p->kr + k % p->kr] =
          from[(int64_t)j * p->col_stride + (int64_t)k * p->k_stride];
}

static void tap_f16(const struct lr_pack *p, const uint16_t *from, uint64_t n, float *to) {
  for (uint64_t j = 0; j < n; j++)
    for (uint64_t k = 0; k < p->depth; k++)
      to[(k / p->kr * p->nr + j) * p->kr + k % p->kr] =
          lr_f16_to_f32(from[(int64_t)j * p->col_stride + (int64_t)k * p->k_stride]);
}

static void tap_8(const struct lr_pack *p, const uint8_t *from, uint64_t n, int8_t *to, int32_t *sums) {
  for (uint64_t j = 0; j < n; j++)
    for (uint64_t k = 0; k < p->depth; k++) {
      uint8_t bits = from[(int64_t)j * p->col_stride + (int64_t)k * p->k_stride];
      int32_t v = p->type == LR_PACK_U8 ? (int32_t)bits - 128
                  : bits < 128          ? (int32_t)bits
                                        : (int32_t)bits - 256;
      to[(k / p->kr * p->nr + j) * p->kr + k % p->kr] = (int8_t)v;
      sums[j] = (int32_t)((uint32_t)sums[j] + (uint32_t)v);
    }
}

void lr_pack_run(const struct lr_pack *p, const void *from, void *to, uint64_t first, uint64_t last) {
  uint64_t taps = p->depth ? p->taps_h * p->taps_w : 0; /* nothing to copy, however large the window is */
  uint64_t panel_bytes = lr_pack_panel_bytes(p), tap_size = padded_depth(p) * p->nr;
  for (uint64_t i = first; i < last; i++) {
    char *panel = (char *)to + i * panel_bytes,
         *weights = panel + (is_float(p) ? 0 : p->nr * sizeof(int32_t));
    uint64_t col = i * p->nr, n = p->cols - col < p->nr ? p->cols - col : p->nr;
    memset(panel, 0, panel_bytes);
    for (uint64_t t = 0; t < taps; t++) {
      int64_t at = (int64_t)col * p->col_stride + (int64_t)(t / p->taps_w) * p->h_stride +
                   (int64_t)(t % p->taps_w) * p->w_stride;
      if (p->type == LR_PACK_F32)
        tap_f32(p, (const float *)from + at, n, (float *)(void *)weights + t * tap_size);
      else if (p->type == LR_PACK_F16)
        tap_f16(p, (const uint16_t *)from + at, n, (float *)(void *)weights + t * tap_size);
      else
        tap_8(p, (const uint8_t *)from + at, n, (int8_t *)weights + t * tap_size, (int32_t *)(void *)panel);
    }
  }
}
