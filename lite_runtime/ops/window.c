#include "window.h"

enum { MAX_STRIDE = 4096, MAX_PAD = 65536 };

const char *lr_axis_name(int32_t axis) { return axis ? "w" : "h"; }

lr_status lr_window_check(const struct lr_infer *c, const struct lr_window *w) {
  int32_t rank = c->in[0].rank;
  if (rank != 3 && rank != 4)
    return lr_infer_fail(c, rank > 4 ? LR_ERR_UNSUPPORTED : LR_ERR_MODEL,
                         "x has rank %d; images [N H W C] and rows [N W C] are possible", rank);
  for (int32_t i = 0; i < 2; i++) {
    const char *name = lr_axis_name(i);
    if (w->stride[i] < 1 || w->stride[i] > MAX_STRIDE)
      return lr_infer_fail(c, LR_ERR_MODEL, "stride_%s is %d; it must be 1 to %d", name, w->stride[i],
                           MAX_STRIDE);
    if (w->dilation[i] < 1 || w->dilation[i] > MAX_STRIDE)
      return lr_infer_fail(c, LR_ERR_MODEL, "dilation_%s is %d; it must be 1 to %d", name, w->dilation[i],
                           MAX_STRIDE);
    if (w->begin[i] < 0 || w->begin[i] > MAX_PAD || w->end[i] < 0 || w->end[i] > MAX_PAD)
      return lr_infer_fail(c, LR_ERR_MODEL, "pads along %s are %d and %d; they must be 0 to %d", name,
                           w->begin[i], w->end[i], MAX_PAD);
  }
  if (w->auto_pad >= LR_CONV_AUTO_PAD_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "auto_pad is %u", (unsigned)w->auto_pad);
  return LR_OK;
}

lr_status lr_window_out(const struct lr_infer *c, const struct lr_window *w, int32_t axis, lr_dim in,
                        lr_dim kernel, bool ceil_mode, lr_dim *out) {
  int64_t stride = w->stride[axis], pads = (int64_t)w->begin[axis] + w->end[axis];
  if (kernel == 0)
    return lr_infer_fail(c, LR_ERR_MODEL, "the window has size 0 along %s", lr_axis_name(axis));
  if (w->auto_pad != LR_CONV_AUTO_PAD_EXPLICIT) {
    *out = stride == 1 ? in : in < 0 ? -1 : (in + stride - 1) / stride;
    return LR_OK;
  }
  *out = -1;
  if (kernel < 0) return LR_OK;
  int64_t extent = (kernel - 1) * w->dilation[axis] + 1;
  if (in < 0) {
    if (stride == 1 && pads == extent - 1) *out = in; /* the same symbol */
    return LR_OK;
  }
  int64_t room = in + pads - extent;
  if (room < 0)
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "the window spans %lld along %s, but x with its padding has only %lld",
                         (long long)extent, lr_axis_name(axis), (long long)(in + pads));
  *out = (ceil_mode ? room + stride - 1 : room) / stride + 1;
  if (ceil_mode && (*out - 1) * stride >= in + w->begin[axis]) (*out)--;
  return LR_OK;
}

void lr_window_axis(const struct lr_window *w, int32_t axis, struct lr_axis *a) {
  a->stride = w->stride[axis];
  a->dilation = w->dilation[axis];
  a->begin = w->begin[axis];
  a->end = w->end[axis];
  if (w->auto_pad == LR_CONV_AUTO_PAD_EXPLICIT) return;
  int64_t total = (a->out - 1) * a->stride + (a->kernel - 1) * a->dilation + 1 - a->in;
  if (total < 0) total = 0;
  a->begin = w->auto_pad == LR_CONV_AUTO_PAD_SAME_UPPER ? total / 2 : total - total / 2;
  a->end = total - a->begin;
}

lr_status lr_window_infer_pool(const struct lr_infer *c, const struct lr_window *w, const int64_t kernel[2],
                               bool ceil_mode, struct lr_type *y) {
  enum { MAX_KERNEL = 65536 };
  const struct lr_type *x = &c->in[0];
  LR_TRY(lr_window_check(c, w));
  for (int32_t i = 1; i < x->rank - 1; i++) {
    int32_t axis = i + 3 - x->rank;
    if (kernel[axis] < 1 || kernel[axis] > MAX_KERNEL)
      return lr_infer_fail(c, LR_ERR_MODEL, "kernel_%s is %lld; it must be 1 to %d", lr_axis_name(axis),
                           (long long)kernel[axis], MAX_KERNEL);
    LR_TRY(lr_window_out(c, w, axis, x->dim[i], kernel[axis], ceil_mode, &y->dim[i]));
  }
  return lr_type_check(y) ? LR_OK : lr_infer_fail(c, LR_ERR_MODEL, "its output is too large");
}

void lr_window_pool_axes(const struct lr_window *w, const int64_t kernel[2], const struct lr_view *x,
                         const struct lr_view *y, struct lr_axis axis[2]) {
  struct lr_image from = lr_image_of(x), to = lr_image_of(y);
  axis[0] = (struct lr_axis){.in = from.h, .out = to.h, .kernel = 1, .stride = 1, .dilation = 1};
  axis[1] = (struct lr_axis){.in = from.w, .out = to.w, .kernel = kernel[1]};
  lr_window_axis(w, 1, &axis[1]);
  if (x->rank == 3) return;
  axis[0].kernel = kernel[0];
  lr_window_axis(w, 0, &axis[0]);
}

void lr_axis_taps(const struct lr_axis *a, int64_t o, int64_t *first, int64_t *last) {
  int64_t at = o * a->stride - a->begin; /* of tap 0 */
  *first = at >= 0 ? 0 : (-at + a->dilation - 1) / a->dilation;
  *last = at >= a->in ? 0 : (a->in - at + a->dilation - 1) / a->dilation;
  if (*last > a->kernel) *last = a->kernel;
  if (*first > *last) *first = *last;
}

struct lr_image lr_image_of(const struct lr_view *v) {
  if (v->rank == 3)
    return (struct lr_image){v->dim[0], 1, v->dim[1], v->dim[2], v->stride[0], 0, v->stride[1]};
  return (struct lr_image){v->dim[0],    v->dim[1],    v->dim[2],   v->dim[3],
                           v->stride[0], v->stride[1], v->stride[2]};
}

struct lr_pixel lr_pixel_at(int64_t row, int64_t h, int64_t w) {
  return (struct lr_pixel){row / (h * w), row / w % h, row % w};
}
