/* roi_align: ONNX's RoiAlign, channels last: the mean (or largest) of bilinear samples in each bin of a region (He et al.,
 * Mask R-CNN, 2017). */
#include <math.h>

#include "move.h"

enum { MAX_SIZE = 4096, CHANNELS = 4096 /* at once */ };

lr_status lr_infer_roi_align(struct lr_infer *c) {
  const struct lr_roi_align_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0], *rois = &c->in[1], *batch = &c->in[2];
  lr_dim four = 4, n = rois->rank ? rois->dim[0] : 0;
  if (x->dtype != LR_F32 || rois->dtype != LR_F32 || batch->dtype != LR_I64)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                         "x is %s, rois %s and batch %s; they must be f32, f32 and i64",
                         lr_dtype_name(x->dtype), lr_dtype_name(rois->dtype), lr_dtype_name(batch->dtype));
  if (x->rank != 4 || rois->rank != 2 || batch->rank != 1 || !lr_dim_unify(&four, rois->dim[1]) ||
      !lr_dim_unify(&n, batch->dim[0]))
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "x must be [N H W C], rois [R 4] and batch [R]; they have ranks %d, %d, %d", x->rank,
                         rois->rank, batch->rank);
  if (a->mode >= LR_ROI_ALIGN_MODE_LIMIT || a->height < 1 || a->height > MAX_SIZE || a->width < 1 ||
      a->width > MAX_SIZE || a->sampling < 0 || a->sampling > MAX_SIZE)
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "mode is %u, height %d, width %d, sampling %d; sizes must be 1 to %d", a->mode,
                         a->height, a->width, a->sampling, MAX_SIZE);
  c->out[0] = (struct lr_type){.dtype = LR_F32, .rank = 4, .dim = {n, a->height, a->width, x->dim[3]}};
  return lr_move_output(c, 0);
}

/* One axis of a region: its first point, the size of a bin, and the number of points in a bin. */
struct axis {
  float start, bin;
  int32_t points;
};

static struct axis make_axis(const struct lr_roi_align_attrs *a, float from, float to, int32_t bins) {
  float shift = a->half_pixel ? 0.5f : 0, start = from * a->scale - shift,
        size = to * a->scale - shift - start;
  if (!a->half_pixel && size < 1) size = 1;
  float adaptive = ceilf(size / (float)bins);
  return (struct axis){start, size / (float)bins,
                       a->sampling                  ? a->sampling
                       : adaptive > (float)MAX_SIZE ? -1
                       : adaptive > 0               ? (int32_t)adaptive
                                                    : 0};
}

/* The two pixels around a place and their weights; weights of 0 when it lies outside. */
struct pair {
  int64_t low, high;
  float at_low, at_high;
};

static struct pair around(float v, int64_t size) {
  if (!(v >= -1 && v <= (float)size)) return (struct pair){0, 0, 0, 0};
  if (v < 0) v = 0;
  int64_t low = (int64_t)v;
  if (low >= size - 1) return (struct pair){size - 1, size - 1, 1, 0};
  float part = v - (float)low;
  return (struct pair){low, low + 1, 1 - part, part};
}

struct job {
  const struct lr_run *r;
  const struct lr_roi_align_attrs *a;
};

/* Adds one sample to n of the `all` channels; for the largest, ONNX takes the largest of the four weighted pixels. */
static void add_sample(const float *image, int64_t row, int64_t all, int64_t n, struct pair h, struct pair w,
                       bool max, bool first, float *y) {
  const float *p[4] = {image + h.low * row + w.low * all, image + h.low * row + w.high * all,
                       image + h.high * row + w.low * all, image + h.high * row + w.high * all};
  float k[4] = {h.at_low * w.at_low, h.at_low * w.at_high, h.at_high * w.at_low, h.at_high * w.at_high};
  if (!max) {
    for (int64_t c = 0; c < n; c++) y[c] += k[0] * p[0][c] + k[1] * p[1][c] + k[2] * p[2][c] + k[3] * p[3][c];
    return;
  }
  for (int64_t c = 0; c < n; c++)
    for (int32_t i = 0; i < 4; i++) {
      float v = k[i] * p[i][c];
      if ((first && i == 0) || v > y[c] || v != v) y[c] = v;
    }
}

static void bin(const struct job *j, const float *image, struct axis ah, struct axis aw, int64_t oh,
                int64_t ow, int64_t n, float *y) {
  const struct lr_view *x = &j->r->in[0];
  bool max = j->a->mode == LR_ROI_ALIGN_MODE_MAX;
  int64_t all = x->dim[3], row = x->dim[2] * all;
  for (int64_t c = 0; c < n; c++) y[c] = 0;
  for (int32_t i = 0; i < ah.points && !lr_stopped(); i++) {
    float v = ah.start + (float)oh * ah.bin + ((float)i + 0.5f) * ah.bin / (float)ah.points;
    for (int32_t k = 0; k < aw.points; k++) {
      float u = aw.start + (float)ow * aw.bin + ((float)k + 0.5f) * aw.bin / (float)aw.points;
      struct pair h = around(v, x->dim[1]), w = around(u, x->dim[2]);
      bool outside = h.at_low + h.at_high == 0 || w.at_low + w.at_high == 0;
      if (outside && !max) continue;
      if (outside) h.at_low = h.at_high = 0;
      add_sample(image, row, all, n, h, w, max, i == 0 && k == 0, y);
    }
  }
  int64_t count = (int64_t)ah.points * aw.points;
  for (int64_t c = 0; c < n && !max && count > 1; c++) y[c] /= (float)count;
}

static void body(void *context, int32_t roi, int32_t thread) {
  const struct job *j = context;
  const struct lr_view *x = &j->r->in[0];
  const float *box = (const float *)j->r->in[1].data + (int64_t)roi * 4;
  int64_t batch = ((const int64_t *)j->r->in[2].data)[roi], n = x->dim[3];
  struct axis h = make_axis(j->a, box[1], box[3], j->a->height),
              w = make_axis(j->a, box[0], box[2], j->a->width);
  float *y = (float *)j->r->out[0].data + (int64_t)roi * j->a->height * j->a->width * n;
  for (int64_t i = 0; i < j->a->height; i++)
    for (int64_t k = 0; k < j->a->width; k++, y += n)
      for (int64_t c = 0; c < n; c += CHANNELS)
        bin(j, (const float *)x->data + batch * x->dim[1] * x->dim[2] * n + c, h, w, i, k,
            n - c < CHANNELS ? n - c : CHANNELS, y + c);
}

static lr_status check(const struct job *j, int64_t roi) {
  const float *box = (const float *)j->r->in[1].data + roi * 4;
  int64_t batch = ((const int64_t *)j->r->in[2].data)[roi], n = j->r->in[0].dim[0];
  if (batch < 0 || batch >= n)
    return lr_run_fail(j->r, LR_ERR_VALUE, "batch[%lld] is %lld, but x has %lld images", (long long)roi,
                       (long long)batch, (long long)n);
  for (int32_t i = 0; i < 4; i++)
    if (!isfinite(box[i] * j->a->scale))
      return lr_run_fail(j->r, LR_ERR_VALUE, "rois[%lld] is not finite", (long long)roi);
  if (make_axis(j->a, box[1], box[3], j->a->height).points < 0 ||
      make_axis(j->a, box[0], box[2], j->a->width).points < 0)
    return lr_run_fail(j->r, LR_ERR_VALUE,
                       "rois[%lld] needs more than %d points along a bin; give sampling_ratio",
                       (long long)roi, MAX_SIZE);
  return LR_OK;
}

static lr_status run(struct lr_run *r) {
  struct job j = {r, r->node->attrs};
  int64_t n = r->out[0].dim[0];
  if (r->in[1].dim[0] != n || r->in[2].dim[0] != n || r->in[1].dim[1] != 4)
    return lr_run_fail(r, LR_ERR_VALUE, "rois and batch have %lld and %lld elements for %lld results",
                       (long long)r->in[1].dim[0], (long long)r->in[2].dim[0], (long long)n);
  if (!r->in[0].dim[1] || !r->in[0].dim[2])
    return lr_run_fail(r, LR_ERR_VALUE, "x is an image without pixels");
  if (n > INT32_MAX) return lr_run_fail(r, LR_ERR_UNSUPPORTED, "there are more than 2^31 rois");
  for (int64_t i = 0; i < n; i++) {
    if (i % 4096 == 4095 && lr_stopped()) return LR_OK;
    LR_TRY(check(&j, i));
  }
  lr_parallel(r->pool, (int32_t)n, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_roi_align = {.run = run};
