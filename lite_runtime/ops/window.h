/* Windows that slide over images: what conv, conv_transpose and the pools share. Images are N H W C, or N W
 * C, which are taken as H = 1; pairs are {h, w}. */
#pragma once
#include "op.h"

/* The window attributes of an operator. */
struct lr_window {
  int32_t stride[2], begin[2], end[2], dilation[2]; /* begin, end: padding */
  uint32_t auto_pad;                                /* as enum lr_conv_auto_pad */
};
#define LR_WINDOW(a)                                                                                  \
  (struct lr_window) {                                                                                \
    {(a)->stride_h, (a)->stride_w}, {(a)->pad_top, (a)->pad_left}, {(a)->pad_bottom, (a)->pad_right}, \
        {(a)->dilation_h, (a)->dilation_w}, (a)->auto_pad                                             \
  }

/* One axis, all known. */
struct lr_axis {
  int64_t in, out, kernel, stride, dilation, begin, end;
};

/* Checks that x is an image and the window's attributes are in range. */
lr_status lr_window_check(const struct lr_infer *c, const struct lr_window *w);
/* Output size along axis 0 (h) or 1 (w) of an x of size `in`; ceil_mode as ONNX defines it: a window must
 * begin in x or in the padding before it. */
lr_status lr_window_out(const struct lr_infer *c, const struct lr_window *w, int32_t axis, lr_dim in,
                        lr_dim kernel, bool ceil_mode, lr_dim *out);
/* Checks a pool's kernel and sets y's sizes along its axes; the rest of y is set. */
lr_status lr_window_infer_pool(const struct lr_infer *c, const struct lr_window *w, const int64_t kernel[2],
                               bool ceil_mode, struct lr_type *y);
/* The two axes of a pool. */
void lr_window_pool_axes(const struct lr_window *w, const int64_t kernel[2], const struct lr_view *x,
                         const struct lr_view *y, struct lr_axis axis[2]);
/* The axis at run time; `in`, `out` and `kernel` are set, auto_pad becomes padding. */
void lr_window_axis(const struct lr_window *w, int32_t axis, struct lr_axis *a);
/* Taps first..last-1 of the window at output o lie in the image. */
void lr_axis_taps(const struct lr_axis *a, int64_t o, int64_t *first, int64_t *last);

/* A view as an image; strides in elements, channels are contiguous. */
struct lr_image {
  int64_t n, h, w, c, n_stride, h_stride, w_stride;
};
struct lr_image lr_image_of(const struct lr_view *v);

/* Row `row` of the pixels of an image counted row-major, and the next one. */
struct lr_pixel {
  int64_t n, h, w;
};
struct lr_pixel lr_pixel_at(int64_t row, int64_t h, int64_t w);

/* "h" or "w" */
const char *lr_axis_name(int32_t axis);
