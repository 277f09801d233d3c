/* What lite_image.h's functions share. The source is worked on as it lies in memory: an axis across it and one down, whose
 * tables hold mirror and half turns; with a quarter turn the target's columns go down the source. */
#pragma once
#include "base.h"
#include "kernels.h"
#include "lite_image.h"

/* Pixels of the source from `start` on, `size` of them, are seen at n places along the target, from the last one on when
 * `backwards`. For each place: the pixel before it (a row or column of the source), and how far it is on the way to the next
 * one, in 2^-15. */
struct lr_image_axis {
  int32_t start, size, n;
  bool backwards;
  int32_t *at;
  int16_t *weight;
};

struct lr_image {
  lr_allocator allocator;
  int32_t format, width, height; /* of the source */
  int32_t target_width, target_height, channels;
  int32_t inner_x, inner_y, inner_width, inner_height; /* the target without padding */
  bool turned;                                         /* by 90 or 270 degrees */
  struct lr_image_axis across, down;
  int32_t row_channels; /* of pixels in rows that are ready for kernels: 1, 3 or 4 */
  size_t element;       /* bytes of one of the target */
  struct lr_yuv yuv;
  uint8_t luma[256]; /* grey of Y */
  struct lr_pixels pixels;
  uint8_t pad[3][4]; /* an element of each channel */
  lr_u8_yuv_fn *to_rgb;
  lr_u8_mix_fn *mix;
  lr_i16_pick_fn *pick;
  lr_i16_store_fn *store;
};

enum { LR_IMAGE_LARGEST = 32768 };

static inline bool lr_image_is_yuv(int32_t format) {
  return format == LR_IMAGE_NV21 || format == LR_IMAGE_NV12 || format == LR_IMAGE_I420;
}
static inline int32_t lr_image_planes_of(int32_t format) {
  return format == LR_IMAGE_I420 ? 3 : lr_image_is_yuv(format) ? 2 : 1;
}
/* Bytes of a pixel in plane 0. */
static inline int32_t lr_image_pixel(int32_t format) {
  return format == LR_IMAGE_RGBA || format == LR_IMAGE_BGRA ? 4
         : format == LR_IMAGE_RGB || format == LR_IMAGE_BGR ? 3
                                                            : 1;
}

/* The options with their defaults; ARGUMENT when they make no sense. */
lr_status lr_image_check(const lr_image_options *options, lr_image_options *checked, lr_error *error);
