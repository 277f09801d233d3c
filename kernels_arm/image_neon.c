/* Kernels of pictures for NEON: the same integers as in plain C, 16 pixels or 8 at a time. */
#include "image.h"
#include "neon.h"

#if defined(__aarch64__)
LR_INLINE int32x4x2_t twice_each(int32x4_t c) { return (int32x4x2_t){{vzip1q_s32(c, c), vzip2q_s32(c, c)}}; }
#else
LR_INLINE int32x4x2_t twice_each(int32x4_t c) { return vzipq_s32(c, c); }
#endif

/* ---- YUV ---- */
/* 16 values of one channel: luma y in four vectors, chroma terms c of 8 pairs of pixels. */
LR_INLINE uint8x16_t sum(const int32x4_t *y, int32x4_t c0, int32x4_t c1) {
  int32x4x2_t d0 = twice_each(c0), d1 = twice_each(c1);
  int16x8_t low =
      vcombine_s16(vshrn_n_s32(vaddq_s32(y[0], d0.val[0]), 16), vshrn_n_s32(vaddq_s32(y[1], d0.val[1]), 16));
  int16x8_t high =
      vcombine_s16(vshrn_n_s32(vaddq_s32(y[2], d1.val[0]), 16), vshrn_n_s32(vaddq_s32(y[3], d1.val[1]), 16));
  return vcombine_u8(vqshrun_n_s16(low, 4), vqshrun_n_s16(high, 4));
}

LR_INLINE void yuv_16(uint8x16_t y, uint8x8_t u, uint8x8_t v, const struct lr_yuv *k, uint8_t *rgb) {
  y = vqsubq_u8(y, vdupq_n_u8((uint8_t)k->black));
  int16x8_t y0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(y))),
            y1 = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(y)));
  int32x4_t half = vdupq_n_s32(1 << 19);
  int32x4_t l[4] = {vmlaq_n_s32(half, vmovl_s16(vget_low_s16(y0)), k->cy),
                    vmlaq_n_s32(half, vmovl_s16(vget_high_s16(y0)), k->cy),
                    vmlaq_n_s32(half, vmovl_s16(vget_low_s16(y1)), k->cy),
                    vmlaq_n_s32(half, vmovl_s16(vget_high_s16(y1)), k->cy)};
  int16x8_t d = vreinterpretq_s16_u16(vsubl_u8(u, vdup_n_u8(128))),
            e = vreinterpretq_s16_u16(vsubl_u8(v, vdup_n_u8(128)));
  int32x4_t d0 = vmovl_s16(vget_low_s16(d)), d1 = vmovl_s16(vget_high_s16(d)),
            e0 = vmovl_s16(vget_low_s16(e)), e1 = vmovl_s16(vget_high_s16(e));
  uint8x16x4_t out;
  out.val[0] = sum(l, vmulq_n_s32(e0, k->rv), vmulq_n_s32(e1, k->rv));
  out.val[1] =
      sum(l, vmlaq_n_s32(vmulq_n_s32(d0, k->gu), e0, k->gv), vmlaq_n_s32(vmulq_n_s32(d1, k->gu), e1, k->gv));
  out.val[2] = sum(l, vmulq_n_s32(d0, k->bu), vmulq_n_s32(d1, k->bu));
  out.val[3] = vdupq_n_u8(0);
  vst4q_u8(rgb, out);
}

void LR_NEON(lr_u8_yuv)(size_t n, const uint8_t *y, const uint8_t *u, const uint8_t *v, size_t step,
                        const struct lr_yuv *k, uint8_t *rgb) {
  const uint8_t *uv = u < v ? u : v;
  size_t full = n & ~(size_t)15, left = n - full, pairs = (left + 1) / 2;
  int first = u < v ? 0 : 1; /* where u is in a pair */
  if (step == 2) {
    for (size_t i = 0; i < full; i += 16) {
      uint8x8x2_t c = vld2_u8(uv + i);
      yuv_16(vld1q_u8(y + i), first ? c.val[1] : c.val[0], first ? c.val[0] : c.val[1], k, rgb + 4 * i);
    }
  } else {
    for (size_t i = 0; i < full; i += 16)
      yuv_16(vld1q_u8(y + i), vld1_u8(u + i / 2), vld1_u8(v + i / 2), k, rgb + 4 * i);
  }
  if (!left) return;
  uint8_t last_y[16] = {0}, last_u[16] = {0}, last_v[16] = {0};
  memcpy(last_y, y + full, left);
  if (step == 2) {
    memcpy(last_u, uv + full, 2 * pairs);
    uint8x8x2_t c = vld2_u8(last_u);
    yuv_16(vld1q_u8(last_y), first ? c.val[1] : c.val[0], first ? c.val[0] : c.val[1], k, rgb + 4 * full);
  } else {
    memcpy(last_u, u + full / 2, pairs);
    memcpy(last_v, v + full / 2, pairs);
    yuv_16(vld1q_u8(last_y), vld1_u8(last_u), vld1_u8(last_v), k, rgb + 4 * full);
  }
}

/* ---- between two rows, between two pixels of a row ---- */
LR_INLINE int16x8_t between(int16x8_t p, int16x8_t q, int16x8_t w) {
  return vaddq_s16(p, vqrdmulhq_s16(vsubq_s16(q, p), w));
}
LR_INLINE int16x8_t times_128(uint8x8_t x) { return vreinterpretq_s16_u16(vshll_n_u8(x, 7)); }

void LR_NEON(lr_u8_mix)(size_t n, const uint8_t *a, const uint8_t *b, int32_t w, int16_t *y) {
  int16x8_t weight = vdupq_n_s16((int16_t)w);
  size_t i = 0;
  for (; n - i >= 16; i += 16) {
    uint8x16_t p = vld1q_u8(a + i), q = vld1q_u8(b + i);
    vst1q_s16(y + i, between(times_128(vget_low_u8(p)), times_128(vget_low_u8(q)), weight));
    vst1q_s16(y + i + 8, between(times_128(vget_high_u8(p)), times_128(vget_high_u8(q)), weight));
  }
  for (; i < n; i++) y[i] = lr_between(128 * a[i], 128 * b[i], w);
}

LR_INLINE void pick_colours(size_t n, size_t channels, const int16_t *row, const int32_t *x, int32_t first,
                            const int16_t *w, int16_t *y, size_t y_step) {
  size_t i = 0;
  for (; n - i >= 2; i += 2) {
    const int16_t *a = row + (size_t)(x[i] - first) * channels,
                  *b = row + (size_t)(x[i + 1] - first) * channels;
    int16x8_t p = vcombine_s16(vld1_s16(a), vld1_s16(b)),
              q = vcombine_s16(vld1_s16(a + channels), vld1_s16(b + channels));
    p = between(p, q, vcombine_s16(vld1_dup_s16(w + i), vld1_dup_s16(w + i + 1)));
    vst1_s16(y + i * y_step, vget_low_s16(p));
    vst1_s16(y + (i + 1) * y_step, vget_high_s16(p));
  }
  if (i < n) lr_pick_one(channels, row + (size_t)(x[i] - first) * channels, w[i], 4, y + i * y_step);
}

void LR_NEON(lr_i16_pick)(size_t n, size_t channels, const int16_t *row, const int32_t *x, int32_t first,
                          const int16_t *w, size_t y_channels, int16_t *y, size_t y_step) {
  if (channels == 4)
    pick_colours(n, 4, row, x, first, w, y, y_step);
  else if (channels == 3)
    pick_colours(n, 3, row, x, first, w, y, y_step);
  else
    for (size_t i = 0; i < n; i++) lr_pick_one(1, row + (x[i] - first), w[i], y_channels, y + i * y_step);
}

/* ---- the target's elements ---- */
typedef struct {
  float32x4_t low, high;
} eight;

LR_INLINE eight normal(int16x8_t x, float mean, float scale) {
  float32x4_t m = vdupq_n_f32(mean), s = vdupq_n_f32(scale);
  return (eight){vmulq_f32(vsubq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(x))), m), s),
                 vmulq_f32(vsubq_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(x))), m), s)};
}
#if defined(__aarch64__)
LR_INLINE uint16x8_t to_f16(eight x) {
  return vreinterpretq_u16_f16(vcombine_f16(vcvt_f16_f32(x.low), vcvt_f16_f32(x.high)));
}
LR_INLINE uint8x8_t to_u8(eight x) { /* the conversion to integers rounds to even and saturates */
  int16x8_t i = vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(x.low)), vqmovn_s32(vcvtnq_s32_f32(x.high)));
  return vqmovun_s16(i);
}
#else
LR_INLINE uint16x8_t to_f16(eight x) { /* one by one: not every 32-bit CPU converts it */
  float f[8];
  uint16_t h[8];
  vst1q_f32(f, x.low);
  vst1q_f32(f + 4, x.high);
  for (int i = 0; i < 8; i++) h[i] = lr_f16_from_f32(f[i]);
  return vld1q_u16(h);
}
LR_INLINE uint16x4_t
round_four(float32x4_t x) { /* clamped (NaN becomes 0); 2^23 rounds to even, in the low bits */
  uint32x4_t above = vandq_u32(vreinterpretq_u32_f32(x), vcgtq_f32(x, vdupq_n_f32(0)));
  x = vminq_f32(vreinterpretq_f32_u32(above), vdupq_n_f32(255));
  return vmovn_u32(vreinterpretq_u32_f32(vaddq_f32(x, vdupq_n_f32(8388608))));
}
LR_INLINE uint8x8_t to_u8(eight x) { return vmovn_u16(vcombine_u16(round_four(x.low), round_four(x.high))); }
#endif

LR_INLINE void store_8(int32_t dtype, void *y, size_t at, eight x) {
  if (dtype == LR_CODE_F32) {
    vst1q_f32((float *)y + at, x.low);
    vst1q_f32((float *)y + at + 4, x.high);
  } else if (dtype == LR_CODE_F16) {
    vst1q_u16((uint16_t *)y + at, to_f16(x));
  } else {
    vst1_u8((uint8_t *)y + at, to_u8(x));
  }
}

LR_INLINE void store_24(int32_t dtype, void *y, size_t at, eight a, eight b, eight c) {
  if (dtype == LR_CODE_F32) {
    vst3q_f32((float *)y + at, ((float32x4x3_t){{a.low, b.low, c.low}}));
    vst3q_f32((float *)y + at + 12, ((float32x4x3_t){{a.high, b.high, c.high}}));
  } else if (dtype == LR_CODE_F16) {
    vst3q_u16((uint16_t *)y + at, ((uint16x8x3_t){{to_f16(a), to_f16(b), to_f16(c)}}));
  } else {
    vst3_u8((uint8_t *)y + at, ((uint8x8x3_t){{to_u8(a), to_u8(b), to_u8(c)}}));
  }
}

LR_INLINE size_t store(size_t n, const int16_t *x, const struct lr_pixels *o, int32_t dtype, void *y) {
  size_t i = 0;
  if (o->channels == 1) {
    for (; n - i >= 8; i += 8) store_8(dtype, y, i, normal(vld1q_s16(x + i), o->mean[0], o->scale[0]));
    return i;
  }
  for (; n - i >= 8; i += 8) {
    int16x8x4_t p = vld4q_s16(x + 4 * i);
    eight r = normal(p.val[0], o->mean[0], o->scale[0]), g = normal(p.val[1], o->mean[1], o->scale[1]),
          b = normal(p.val[2], o->mean[2], o->scale[2]), first = o->swap ? b : r, last = o->swap ? r : b;
    if (o->plane) {
      store_8(dtype, y, i, first);
      store_8(dtype, y, o->plane + i, g);
      store_8(dtype, y, 2 * o->plane + i, last);
    } else {
      store_24(dtype, y, 3 * i, first, g, last);
    }
  }
  return i;
}

void LR_NEON(lr_i16_store)(size_t n, const int16_t *x, const struct lr_pixels *o, void *y) {
  size_t done = o->dtype == LR_CODE_F32   ? store(n, x, o, LR_CODE_F32, y)
                : o->dtype == LR_CODE_F16 ? store(n, x, o, LR_CODE_F16, y)
                                          : store(n, x, o, LR_CODE_U8, y);
  lr_store_some(done, n, x, o, y);
}
