/* deform_columns: what a deformable convolution (Dai et al., 2017; with a mask: Zhu et al., 2018) multiplies with its weights:
 * bilinear samples at taps that are moved by offsets. A 1x1 convolution does the rest. */
#include <math.h>

#include "move.h"
#include "window.h"

enum { MAX_KERNEL = 4096 };

static struct lr_window window_of(const struct lr_deform_columns_attrs *a) {
  return (struct lr_window){{a->stride_h, a->stride_w},
                            {a->pad_top, a->pad_left},
                            {a->pad_bottom, a->pad_right},
                            {a->dilation_h, a->dilation_w},
                            LR_CONV_AUTO_PAD_EXPLICIT};
}

/* The last dim of offset or mask: `each` numbers for each tap and offset group. */
static lr_status check_moves(const struct lr_infer *c, int32_t i, const char *name, int64_t each) {
  const struct lr_deform_columns_attrs *a = c->attrs;
  const struct lr_type *t = &c->in[i], *y = &c->out[0];
  lr_dim last = (int64_t)a->offset_groups * a->kernel_h * a->kernel_w * each;
  bool fits = t->dtype == LR_F32 && t->rank == 4 && lr_dim_unify(&last, t->dim[3]);
  for (int32_t k = 0; k < 3 && fits; k++) {
    lr_dim d = y->dim[k];
    fits = lr_dim_unify(&d, t->dim[k]);
  }
  char text[2][200];
  return fits ? LR_OK
              : lr_infer_fail(c, LR_ERR_MODEL, "%s is %s; for y %s it must be f32 with %lld numbers a pixel",
                              name, lr_type_text(t, text[0], sizeof text[0]),
                              lr_type_text(y, text[1], sizeof text[1]), (long long)last);
}

lr_status lr_infer_deform_columns(struct lr_infer *c) {
  const struct lr_deform_columns_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct lr_window w = window_of(a);
  if (x->dtype != LR_F32)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; it must be f32", lr_dtype_name(x->dtype));
  if (x->rank != 4) return lr_infer_fail(c, LR_ERR_MODEL, "x has rank %d, but must be [N H W C]", x->rank);
  LR_TRY(lr_window_check(c, &w));
  if (a->kernel_h < 1 || a->kernel_h > MAX_KERNEL || a->kernel_w < 1 || a->kernel_w > MAX_KERNEL)
    return lr_infer_fail(c, LR_ERR_MODEL, "the kernel is %d x %d; sizes must be 1 to %d", a->kernel_h,
                         a->kernel_w, MAX_KERNEL);
  lr_dim channels = x->dim[3];
  if (channels < 0)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                         "the number of x's channels is not known; give it a fixed size");
  if (a->groups < 1 || a->offset_groups < 1 || channels % a->groups || channels % a->offset_groups)
    return lr_infer_fail(c, LR_ERR_MODEL, "%lld channels cannot be cut into %d groups and %d offset groups",
                         (long long)channels, a->groups, a->offset_groups);
  *y = *x;
  const int64_t kernel[2] = {a->kernel_h, a->kernel_w};
  for (int32_t i = 0; i < 2; i++)
    LR_TRY(lr_window_out(c, &w, i, x->dim[1 + i], kernel[i], false, &y->dim[1 + i]));
  y->dim[3] = channels * a->kernel_h * a->kernel_w;
  LR_TRY(check_moves(c, 1, "offset", 2));
  if (lr_infer_has(c, 2)) LR_TRY(check_moves(c, 2, "mask", 1));
  return lr_move_output(c, 0);
}

struct job {
  const struct lr_deform_columns_attrs *a;
  const struct lr_view *x;
  const float *offset, *mask;
  float *y;
  int64_t oh, ow;
};

/* n channels of the image at a place between pixels, times k; pixels outside are 0. */
static void sample(const struct lr_view *x, const float *image, float v, float u, float k, int64_t n,
                   float *y) {
  int64_t h = x->dim[1], w = x->dim[2], c = x->dim[3];
  for (int64_t i = 0; i < n; i++) y[i] = 0;
  if (!(v > -1 && v < (float)h && u > -1 && u < (float)w)) return;
  float fv = floorf(v), fu = floorf(u), pv = v - fv, pu = u - fu;
  int64_t v0 = (int64_t)fv, u0 = (int64_t)fu;
  const float weight[4] = {(1 - pv) * (1 - pu), (1 - pv) * pu, pv * (1 - pu), pv * pu};
  for (int64_t t = 0; t < 4; t++) {
    int64_t row = v0 + t / 2, col = u0 + t % 2;
    if (row < 0 || row >= h || col < 0 || col >= w) continue;
    const float *p = image + (row * w + col) * c;
    for (int64_t i = 0; i < n; i++) y[i] += weight[t] * k * p[i];
  }
}

/* One output pixel: for each group, for each tap, the group's channels; runs of channels that have one offset. */
static void pixel(const struct job *j, int64_t p) {
  const struct lr_deform_columns_attrs *a = j->a;
  int64_t taps = (int64_t)a->kernel_h * a->kernel_w, channels = j->x->dim[3];
  int64_t per_group = channels / a->groups, per_offset = channels / a->offset_groups;
  int64_t n = p / (j->oh * j->ow), oy = p / j->ow % j->oh, ox = p % j->ow;
  const float *image = (const float *)j->x->data + n * j->x->dim[1] * j->x->dim[2] * channels;
  float *y = j->y + p * taps * channels;
  for (int64_t g = 0; g < a->groups; g++)
    for (int64_t t = 0; t < taps && !(t % 64 == 63 && lr_stopped()); t++)
      for (int64_t c = g * per_group, len; c < (g + 1) * per_group; c += len, y += len) {
        int64_t o = c / per_offset, end = (o + 1) * per_offset, at = (p * a->offset_groups + o) * taps + t;
        len = (end < (g + 1) * per_group ? end : (g + 1) * per_group) - c;
        int64_t row = oy * a->stride_h - a->pad_top + t / a->kernel_w * a->dilation_h;
        int64_t col = ox * a->stride_w - a->pad_left + t % a->kernel_w * a->dilation_w;
        float v = (float)row + j->offset[at * 2], u = (float)col + j->offset[at * 2 + 1];
        sample(j->x, image + c, v, u, j->mask ? j->mask[at] : 1, len, y);
      }
}

static void body(void *context, int32_t row, int32_t thread) {
  const struct job *j = context;
  for (int64_t i = 0; i < j->ow && !lr_stopped(); i++) pixel(j, row * j->ow + i);
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct job j = {r->node->attrs, x, r->in[1].data, r->in[2].data, y->data, y->dim[1], y->dim[2]};
  int64_t rows = y->dim[0] * y->dim[1];
  for (int32_t i = 1; i < 3; i++)
    for (int32_t k = 0; k < 3 && r->in[i].data; k++)
      if (r->in[i].dim[k] != y->dim[k])
        return lr_run_fail(r, LR_ERR_VALUE, "input %d has size %lld along axis %d, y has %lld", i,
                           (long long)r->in[i].dim[k], k, (long long)y->dim[k]);
  if (rows > INT32_MAX) return lr_run_fail(r, LR_ERR_UNSUPPORTED, "x is too large");
  lr_parallel(r->pool, (int32_t)rows, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_deform_columns = {.run = run};
