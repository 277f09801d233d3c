/* Shapes and static checks of conv and conv_transpose. */
#include "conv.h"

static bool known(lr_dim a, lr_dim b) { return a >= 0 && b >= 0; }

static lr_status check_dtypes(const struct lr_infer *c, int32_t x_zero, int32_t w_zero) {
  int32_t x = c->in[0].dtype, w = c->in[1].dtype, b = c->in[2].dtype;
  if (!lr_gemm_signature(x, false))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; convolutions compute in f32, f16, i8 and u8",
                         lr_dtype_name(x));
  int32_t want = lr_is_int8(x) ? LR_I8 : x, want_b = lr_is_int8(x) ? LR_I32 : x;
  bool halves = x == LR_F32 && w == LR_F16; /* stored in half the bytes; they become f32 when packed */
  if (w != want && !halves)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "w is %s; with x of %s it must be %s", lr_dtype_name(w),
                         lr_dtype_name(x), lr_dtype_name(want));
  if (b && b != want_b)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "b is %s; with x of %s it must be %s", lr_dtype_name(b),
                         lr_dtype_name(x), lr_dtype_name(want_b));
  int32_t low = x == LR_U8 ? 0 : -128, high = x == LR_U8 ? 255 : 127;
  if (lr_is_int8(x) && (x_zero < low || x_zero > high || w_zero < -128 || w_zero > 127))
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "zero points are %d for x of %s and %d for w of i8, which do not fit", x_zero,
                         lr_dtype_name(x), w_zero);
  return LR_OK;
}

lr_status lr_conv_check(const struct lr_infer *c, const struct lr_window *window, int32_t groups,
                        int32_t x_zero, int32_t w_zero) {
  const struct lr_type *x = &c->in[0], *w = &c->in[1], *b = &c->in[2];
  LR_TRY(check_dtypes(c, x_zero, w_zero));
  LR_TRY(lr_window_check(c, window));
  if (w->rank != x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "weights have rank %d, x has rank %d; they must be equal", w->rank,
                         x->rank);
  if (groups < 1) return lr_infer_fail(c, LR_ERR_MODEL, "groups is %d; it must be at least 1", groups);
  lr_dim channels = x->dim[x->rank - 1], in = w->dim[w->rank - 1], out = w->dim[0];
  if (known(channels, in) && (in > INT64_MAX / groups || channels != in * groups))
    return lr_infer_fail(c, LR_ERR_MODEL, "weights have %lld input channels, x has %lld with groups %d",
                         (long long)in, (long long)channels, groups);
  if (channels >= 0 && channels % groups)
    return lr_infer_fail(c, LR_ERR_MODEL, "x has %lld channels, which groups %d does not divide",
                         (long long)channels, groups);
  if (out >= 0 && out % groups)
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "weights have %lld output channels, which groups %d does not divide", (long long)out,
                         groups);
  if (b->dtype && (b->rank != 1 || (known(b->dim[0], out) && b->dim[0] != out))) {
    char text[96];
    return lr_infer_fail(c, LR_ERR_MODEL, "b is %s; the weights have %lld output channels",
                         lr_type_text(b, text, sizeof text), (long long)out);
  }
  return LR_OK;
}

lr_status lr_conv_finish(const struct lr_infer *c, const lr_dim *out) {
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  *y = (struct lr_type){.dtype = x->dtype, .rank = x->rank};
  y->dim[0] = x->dim[0];
  for (int32_t i = 1; i < x->rank - 1; i++) y->dim[i] = out[i + 3 - x->rank];
  y->dim[x->rank - 1] = c->in[1].dim[0] >= 0 ? c->in[1].dim[0]
                        : lr_infer_has(c, 2) ? c->in[2].dim[0]
                                             : c->in[1].dim[0];
  LR_TRY(lr_program_infer(c, lr_gemm_acc_dtype(x->dtype), y));
  if (!lr_type_check(y)) return lr_infer_fail(c, LR_ERR_MODEL, "its output is too large");
  return LR_OK;
}

lr_status lr_infer_conv(struct lr_infer *c) {
  const struct lr_conv_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0], *w = &c->in[1];
  struct lr_window window = LR_WINDOW(a);
  lr_dim out[2] = {1, 1};
  LR_TRY(lr_conv_check(c, &window, a->groups, a->x_zero, a->w_zero));
  for (int32_t i = 1; i < x->rank - 1; i++) {
    int32_t axis = i + 3 - x->rank;
    LR_TRY(lr_window_out(c, &window, axis, x->dim[i], w->dim[i], false, &out[axis]));
  }
  return lr_conv_finish(c, out);
}

/* One axis of a transposed convolution: out = (in - 1) stride + (kernel - 1) dilation + 1 + output_pad -
 * pads. */
static lr_status transposed_out(const struct lr_infer *c, const struct lr_window *w, int32_t axis,
                                int32_t output_pad, lr_dim in, lr_dim kernel, lr_dim *out) {
  int64_t stride = w->stride[axis], pads = (int64_t)w->begin[axis] + w->end[axis];
  if (kernel == 0)
    return lr_infer_fail(c, LR_ERR_MODEL, "the window has size 0 along %s", lr_axis_name(axis));
  if (output_pad < 0 || (output_pad > 0 && output_pad >= stride && output_pad >= w->dilation[axis]))
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "output_pad_%s is %d; it must be at least 0 and less than the stride %lld or the "
                         "dilation %d",
                         lr_axis_name(axis), output_pad, (long long)stride, w->dilation[axis]);
  if (w->auto_pad != LR_CONV_AUTO_PAD_EXPLICIT) {
    *out = stride == 1 ? in : in < 0 ? -1 : in * stride;
    return LR_OK;
  }
  *out = -1;
  if (kernel < 0) return LR_OK;
  int64_t more = (kernel - 1) * w->dilation[axis] + 1 + output_pad - pads - stride;
  if (in < 0) {
    if (stride == 1 && more == 0) *out = in;
    return LR_OK;
  }
  *out = in == 0 ? 0 : in * stride + more;
  if (*out < 0)
    return lr_infer_fail(c, LR_ERR_MODEL, "its pads of %lld along %s leave nothing of an output of %lld",
                         (long long)pads, lr_axis_name(axis), (long long)(*out + pads));
  return LR_OK;
}

lr_status lr_infer_conv_transpose(struct lr_infer *c) {
  const struct lr_conv_transpose_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0], *w = &c->in[1];
  struct lr_window window = LR_WINDOW(a);
  int32_t output_pad[2] = {a->output_pad_h, a->output_pad_w};
  lr_dim out[2] = {1, 1};
  LR_TRY(lr_conv_check(c, &window, a->groups, a->x_zero, a->w_zero));
  for (int32_t i = 1; i < x->rank - 1; i++) {
    int32_t axis = i + 3 - x->rank;
    LR_TRY(transposed_out(c, &window, axis, output_pad[axis], x->dim[i], w->dim[i], &out[axis]));
  }
  return lr_conv_finish(c, out);
}
