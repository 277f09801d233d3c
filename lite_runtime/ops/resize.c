/* resize as ONNX Resize: rules, shapes, and which elements each output is made of. Cubic and stretched filters go along one
 * axis after the other, linear ones along up to three at once, so all work in any number of dims. Coordinates are computed in float, as ONNX
 * Runtime does, so that ties round alike. */
#include "needs.h"
#include "resize.h"

#include <math.h>

#include "move.h"
#include "f16.h"
#include "kernels.h"

/* What is wanted: f32 [rank] and i64 [rank], of any alignment. NULL: absent, or not known. */
struct request {
  const void *scales, *sizes;
};

static float scale_at(const struct request *q, int32_t axis) {
  float f;
  memcpy(&f, (const char *)q->scales + (size_t)axis * sizeof f, sizeof f);
  return f;
}

static int64_t size_at(const struct request *q, int32_t axis) {
  int64_t n;
  memcpy(&n, (const char *)q->sizes + (size_t)axis * sizeof n, sizeof n);
  return n;
}

/* Size of y along an axis on which x has `in` >= 0; -1 when the request makes no sense. ONNX: floor(in *
 * scale), in float. */
static int64_t size_out(const struct request *q, int32_t axis, int64_t in) {
  if (q->sizes) return size_at(q, axis);
  float scale = scale_at(q, axis), size = floorf((float)in * scale);
  return scale > 0 && isfinite(scale) && size < (float)LR_MAX_BYTES ? (int64_t)size : -1;
}

/* ---- infer ---- */
static lr_status check_request(const struct lr_infer *c, int32_t i, int32_t dtype, int32_t each,
                               const char *name) {
  const struct lr_type *t = &c->in[i];
  int32_t n = each * c->in[0].rank;
  char text[96];
  if (t->dtype != dtype || t->rank != 1 || (t->dim[0] >= 0 && t->dim[0] != n))
    return lr_infer_fail(c, LR_ERR_MODEL, "%s is %s; x has rank %d, so it must be %s [%d]", name,
                         lr_type_text(t, text, sizeof text), c->in[0].rank, lr_dtype_name(dtype), n);
  return LR_OK;
}

static lr_status infer_axis(const struct lr_infer *c, const struct request *q, int32_t axis, lr_dim in,
                            lr_dim *out) {
  if (q->scales) {
    float scale = scale_at(q, axis);
    if (!(scale > 0) || !isfinite(scale))
      return lr_infer_fail(c, LR_ERR_VALUE, "scales[%d] is %g; it must be a positive number", axis,
                           (double)scale);
    *out = scale == 1 ? in : -1;
    if (in < 0 && !q->sizes) return LR_OK;
  }
  *out = size_out(q, axis, in);
  bool whole = !q->scales || q->sizes || (float)in * scale_at(q, axis) == (float)*out;
  if (!whole &&
      ((const struct lr_resize_attrs *)c->attrs)->coordinates == LR_RESIZE_COORDINATES_ALIGN_CORNERS)
    return lr_infer_fail(
        c, LR_ERR_UNSUPPORTED,
        "axis %d has size %lld, and scales[%d] is %g: for sizes that are not whole, ONNX does not agree "
        "with itself on what align_corners does; export with sizes",
        axis, (long long)in, axis, (double)scale_at(q, axis));
  if (*out < 0)
    return lr_infer_fail(c, LR_ERR_VALUE, "y cannot have the size that %s[%d] gives",
                         q->sizes ? "sizes" : "scales", axis);
  if (in == 0 && *out > 0)
    return lr_infer_fail(c, LR_ERR_VALUE, "x is empty along axis %d, it cannot be resized to %lld", axis,
                         (long long)*out);
  return LR_OK;
}

lr_status lr_infer_resize(struct lr_infer *c) {
  const struct lr_resize_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  bool crop = a->coordinates == LR_RESIZE_COORDINATES_TF_CROP_AND_RESIZE;
  if (!lr_infer_has(c, 1) && !lr_infer_has(c, 2))
    return lr_infer_fail(c, LR_ERR_MODEL, "it has neither scales nor sizes");
  if (crop != lr_infer_has(c, 3))
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "roi goes with the coordinates tf_crop_and_resize, and only with them");
  if ((a->mode != LR_RESIZE_MODE_NEAREST || crop) && x->dtype != LR_F32 && x->dtype != LR_F16)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                         "x is %s; all but nearest resizing without a crop is for f32 and f16",
                         lr_dtype_name(x->dtype));
  if (x->dtype == LR_I4 || x->dtype == LR_U4)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; 4-bit types cannot be resized",
                         lr_dtype_name(x->dtype));
  if (lr_infer_has(c, 1)) LR_TRY(check_request(c, 1, LR_F32, 1, "scales"));
  if (lr_infer_has(c, 2)) LR_TRY(check_request(c, 2, LR_I64, 1, "sizes"));
  if (crop) LR_TRY(check_request(c, 3, LR_F32, 2, "roi"));
  struct request q = {lr_infer_has(c, 1) ? c->value[1] : NULL, lr_infer_has(c, 2) ? c->value[2] : NULL};
  bool known = q.sizes || (q.scales && !lr_infer_has(c, 2));
  *y = *x;
  for (int32_t i = 0; i < x->rank; i++) {
    y->dim[i] = -1;
    if (known) LR_TRY(infer_axis(c, &q, i, x->dim[i], &y->dim[i]));
  }
  return lr_type_check(y) ? LR_OK : lr_infer_fail(c, LR_ERR_MODEL, "its output is too large");
}

/* ---- taps ---- */
/* Where output o lies among the inputs (ONNX's coordinate_transformation_mode). */
static float coordinate(uint32_t mode, int64_t o, float scale, int64_t in, int64_t out) {
  float x = (float)o;
  switch (mode) {
    case LR_RESIZE_COORDINATES_ASYMMETRIC:
      return x / scale;
    case LR_RESIZE_COORDINATES_ALIGN_CORNERS:
      return out == 1 ? 0 : x * (float)(in - 1) / (float)(out - 1);
    case LR_RESIZE_COORDINATES_PYTORCH_HALF_PIXEL:
      return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
    case LR_RESIZE_COORDINATES_TF_HALF_PIXEL_FOR_NN:
      return (x + 0.5f) / scale;
    case LR_RESIZE_COORDINATES_HALF_PIXEL_SYMMETRIC: {
      float adjustment = (float)out / (scale * (float)in), center = (float)in / 2;
      return center * (1 - adjustment) + (x + 0.5f) / scale - 0.5f;
    }
    default:
      return (x + 0.5f) / scale - 0.5f;
  }
}

/* The same for tf_crop_and_resize: a part of the axis, from `start` to `end` of its length. */
static float crop_coordinate(int64_t o, float start, float end, int64_t in, int64_t out) {
  float last = (float)(in - 1);
  return out > 1 ? start * last + (float)o * (end - start) * last / (float)(out - 1)
                 : 0.5f * (start + end) * last;
}

static int64_t clamp(int64_t i, int64_t in) { return i < 0 ? 0 : i >= in ? in - 1 : i; }

static int64_t nearest(uint32_t mode, float scale, double x) {
  if (mode == LR_RESIZE_NEAREST_BY_SCALE) mode = scale < 1 ? LR_RESIZE_NEAREST_CEIL : LR_RESIZE_NEAREST_FLOOR;
  switch (mode) {
    case LR_RESIZE_NEAREST_ROUND_PREFER_CEIL:
      return (int64_t)floor(x + 0.5);
    case LR_RESIZE_NEAREST_FLOOR:
      return (int64_t)floor(x);
    case LR_RESIZE_NEAREST_CEIL:
      return (int64_t)ceil(x);
    default:
      return (int64_t)ceil(x - 0.5);
  }
}

/* The filter of antialias: that of linear or cubic, stretched by 1 / scale (as in PIL). n taps around x. */
static void wide_taps(const struct lr_resize_attrs *a, double x, float scale, int64_t in, int32_t n,
                      int64_t *from, float *w) {
  double sum = 0, k = (double)a->cubic_a;
  int64_t first = (int64_t)floor(x) - n / 2 + 1;
  for (int32_t t = 0; t < n; t++) {
    double d = fabs(((double)(first + t) - x) * (double)scale), v;
    if (a->mode == LR_RESIZE_MODE_LINEAR)
      v = d < 1 ? 1 - d : 0;
    else
      v = d <= 1  ? ((k + 2) * d - (k + 3)) * d * d + 1
          : d < 2 ? ((k * d - 5 * k) * d + 8 * k) * d - 4 * k
                  : 0;
    from[t] = clamp(first + t, in);
    if (a->exclude_outside && from[t] != first + t) v = 0;
    w[t] = (float)v;
    sum += v;
  }
  for (int32_t t = 0; t < n; t++) w[t] = (float)((double)w[t] / sum);
}

static void taps_of(const struct lr_resize_attrs *a, float x, float scale, int64_t in, int32_t n,
                    int64_t *from, float *w) {
  assert(n <= 1 || w);
  /* hostile scales make any x, and NaN; beyond the edges nothing changes any more */
  double at = x > -4 ? x : -4;
  if (at > (double)in + 4) at = (double)in + 4;
  if (n > 4) {
    wide_taps(a, at, scale, in, n, from, w);
  } else if (n <= 1) {
    from[0] = clamp(nearest(a->nearest, scale, at), in);
  } else if (a->mode == LR_RESIZE_MODE_LINEAR) {
    at = at<0 ? 0 : at>(double)(in - 1) ? (double)(in - 1) : at;
    from[0] = (int64_t)at;
    from[1] = clamp(from[0] + 1, in);
    w[1] = from[1] == from[0]
               ? 0.5f
               : (float)(at - (double)from[0]); /* at the edge twice a half, which keeps infinity */
    w[0] = 1 - w[1];
  } else {
    int64_t first = (int64_t)floor(at) - 1;
    float sum = 0;
    lr_cubic_weights(a->cubic_a, (float)(at - floor(at)), w);
    for (int32_t t = 0; t < 4; t++) {
      from[t] = clamp(first + t, in);
      if (a->exclude_outside && from[t] != first + t) w[t] = 0;
      sum += w[t];
    }
    for (int32_t t = 0; a->exclude_outside && t < 4; t++) w[t] /= sum;
  }
}

/* ---- prepare ---- */
struct step {
  const struct lr_kernel *kernel;    /* weighted sums */
  int32_t n_axes, axis[LR_MAX_RANK]; /* that may need work, in the order in which it is done */
  int32_t taps[LR_MAX_RANK];         /* room for so many an output */
  uint64_t from_at[LR_MAX_RANK], weight_at[LR_MAX_RANK];
  uint64_t buffer_at[2]; /* between passes, f32 */
};

/* Taps of one output at a scale; -1 when they are too many. */
static int32_t taps_a_output(const struct lr_resize_attrs *a, float scale) {
  if (a->mode == LR_RESIZE_MODE_NEAREST) return 1;
  float reach = a->mode == LR_RESIZE_MODE_LINEAR ? 1 : 2;
  if (!a->antialias || !(scale < 1)) return 2 * (int32_t)reach;
  float half = ceilf(reach / scale);
  int32_t n = 2 * (int32_t)(half < LR_RESIZE_MOST_TAPS ? half : LR_RESIZE_MOST_TAPS);
  return n > LR_RESIZE_MOST_TAPS ? -1 : n < 6 ? 6 : n; /* more than the filters that are not stretched have */
}

/* Axes that shrink the most come first, so that later passes have less to do. */
static void sort_axes(struct step *s, const struct lr_view *x, const struct lr_view *y) {
  for (int32_t i = 1; i < s->n_axes; i++)
    for (int32_t k = i; k > 0; k--) {
      int32_t a = s->axis[k - 1], b = s->axis[k];
      if ((double)y->dim[a] * (double)x->dim[b] <= (double)y->dim[b] * (double)x->dim[a]) break;
      s->axis[k - 1] = b;
      s->axis[k] = a;
    }
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_resize_attrs *a = p->bind.node->attrs;
  const struct lr_view *x = &p->in[0], *y = &p->out[0];
  struct step *s = p->params = lr_prepare_alloc(p, sizeof *s);
  if (!s) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  lr_status status = LR_OK;
  bool by_scale = p->bind.node->in[1] >= 0, crop = a->coordinates == LR_RESIZE_COORDINATES_TF_CROP_AND_RESIZE;
  struct request q = {by_scale ? lr_bind_const(&p->bind, 1, &status) : NULL, NULL};
  if (status) return status;
  if (a->mode != LR_RESIZE_MODE_NEAREST) LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_wsum, &s->kernel));
  /* the same size at another scale moves elements too */
  for (int32_t i = 0; lr_view_count(y) && i < x->rank; i++)
    if (x->dim[i] != y->dim[i] || crop || (by_scale && (!q.scales || scale_at(&q, i) != 1)))
      s->axis[s->n_axes++] = i;
  sort_axes(s, x, y);
  uint64_t at = 0, taps = (uint64_t)taps_a_output(a, 1);
  for (int32_t i = 0; i < s->n_axes; i++) {
    int64_t in = x->dim[s->axis[i]], out = y->dim[s->axis[i]];
    /* scales that come later are no smaller than this one, unless sizes are given too */
    float least = q.scales ? scale_at(&q, s->axis[i]) : in ? (float)out / (float)in : 1;
    s->taps[i] = taps_a_output(a, least);
    if (s->taps[i] < 0)
      return lr_prepare_fail(p, LR_ERR_VALUE,
                             "axis %d shrinks from %lld to %lld; with antialias that is too much", s->axis[i],
                             (long long)in, (long long)out);
    uint64_t n = (uint64_t)out * (uint64_t)s->taps[i];
    s->from_at[i] = at;
    at += lr_align_up(n * sizeof(int64_t), LR_ALIGN);
    s->weight_at[i] = at;
    if (taps > 1) at += lr_align_up(n * sizeof(float), LR_ALIGN);
  }
  int64_t dim[LR_MAX_RANK];
  memcpy(dim, x->dim, sizeof dim);
  uint64_t bytes[2] = {0, 0};
  bool at_once = s->n_axes <= LR_RESIZE_AT_ONCE;
  for (int32_t i = 0; i < s->n_axes; i++) at_once = at_once && s->taps[i] == 2;
  for (int32_t i = 0; taps > 1 && !at_once && i < s->n_axes - 1; i++) {
    dim[s->axis[i]] = y->dim[s->axis[i]];
    uint64_t n = sizeof(float);
    for (int32_t k = 0; k < x->rank; k++) n *= (uint64_t)dim[k];
    if (n > bytes[i & 1]) bytes[i & 1] = n;
  }
  if (by_scale && !q.scales) /* run leaves out axes whose scale is 1, so each pass may have either buffer */
    bytes[0] = bytes[1] = bytes[0] > bytes[1] ? bytes[0] : bytes[1];
  s->buffer_at[0] = at;
  s->buffer_at[1] = at + lr_align_up(bytes[0], LR_ALIGN);
  p->scratch = s->buffer_at[1] + lr_align_up(bytes[1], LR_ALIGN);
  if (taps > 1) p->kernel = s->kernel->name;
  return LR_OK;
}

/* ---- run ---- */
struct taps_job {
  const struct lr_resize_attrs *a;
  float scale, roi[2]; /* roi: start and end of a crop */
  bool crop;
  int64_t in, out;
  int32_t n;
  int64_t *from;
  float *weight;
};

/* Of some outputs along one axis. */
static void make_some_taps(void *context, int64_t o, int64_t end, int32_t thread) {
  const struct taps_job *j = context;
  for (; o < end; o++)
    taps_of(j->a,
            j->crop ? crop_coordinate(o, j->roi[0], j->roi[1], j->in, j->out)
                    : coordinate(j->a->coordinates, o, j->scale, j->in, j->out),
            j->scale, j->in, j->n, j->from + o * j->n, j->weight ? j->weight + o * j->n : NULL);
}

/* Fills the tables; those of axes that stay as they are keep n == 0. */
static lr_status make_taps(const struct lr_run *r, struct lr_taps *taps) {
  const struct lr_resize_attrs *a = r->node->attrs;
  const struct step *s = r->params;
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct request q = {r->in[1].data, r->in[2].data};
  for (int32_t i = 0; i < x->rank; i++)
    if (size_out(&q, i, x->dim[i]) != y->dim[i])
      return lr_run_fail(r, LR_ERR_VALUE, "%s[%d] does not give y's size %lld; it changed after planning",
                         q.sizes ? "sizes" : "scales", i, (long long)y->dim[i]);
  for (int32_t i = 0; i < s->n_axes; i++) {
    int32_t axis = s->axis[i];
    int64_t in = x->dim[axis], out = y->dim[axis];
    float scale = q.scales ? scale_at(&q, axis) : (float)out / (float)in;
    const float *roi = r->in[3].data;
    int32_t n = taps_a_output(a, scale);
    if (scale == 1 && in == out && !roi) continue;
    if (n < 0 || n > s->taps[i])
      return lr_run_fail(r, LR_ERR_VALUE, "scales[%d] is %g; with antialias that shrinks too much", axis,
                         (double)scale);
    struct taps_job j = {.a = a, .scale = scale, .crop = roi, .in = in, .out = out, .n = n};
    if (roi) memcpy(j.roi, (const float[]){roi[axis], roi[x->rank + axis]}, sizeof j.roi);
    j.from = (int64_t *)(void *)((char *)r->scratch + s->from_at[i]);
    j.weight = n > 1 ? (float *)(void *)((char *)r->scratch + s->weight_at[i]) : NULL;
    lr_move_rows(r->pool, out, 64 * (int64_t)n, make_some_taps, &j);
    taps[axis] = (struct lr_taps){n, j.from, j.weight};
  }
  return LR_OK;
}

/* All axes in one pass when it is linear along a few. */
static bool run_at_once(const struct lr_run *r, const struct lr_taps *taps) {
  const struct step *s = r->params;
  int32_t axes = 0, axis[LR_RESIZE_AT_ONCE];
  struct lr_taps of[LR_RESIZE_AT_ONCE];
  for (int32_t i = 0; i < r->in[0].rank; i++) {
    if (!taps[i].n) continue;
    if (axes == LR_RESIZE_AT_ONCE || taps[i].n != 2) return false;
    axis[axes] = i;
    of[axes++] = taps[i];
  }
  lr_resize_weighted(r->pool, &r->in[0], &r->out[0], axes, axis, of, s->kernel->fn);
  return true;
}

static void run_passes(const struct lr_run *r, const struct lr_taps *taps) {
  const struct step *s = r->params;
  struct lr_view from = r->in[0];
  int32_t left = 0, done = 0;
  for (int32_t i = 0; i < s->n_axes; i++) left += taps[s->axis[i]].n > 0;
  for (int32_t i = 0; i < s->n_axes; i++) {
    int32_t axis = s->axis[i];
    if (!taps[axis].n) continue;
    struct lr_view to = r->out[0];
    if (--left) {
      to = from;
      to.dtype = LR_F32;
      to.data = (char *)r->scratch + s->buffer_at[done++ & 1];
      to.dim[axis] = r->out[0].dim[axis];
      for (int64_t k = to.rank - 1, step = 1; k >= 0; step *= to.dim[k--]) to.stride[k] = step;
    }
    lr_resize_weighted(r->pool, &from, &to, 1, &axis, &taps[axis], s->kernel->fn);
    from = to;
  }
}

/* Writes the extrapolation value into outputs first..last-1 along an axis. */
static void fill_slab(const struct lr_run *r, int32_t axis, int64_t first, int64_t last) {
  const struct lr_resize_attrs *a = r->node->attrs;
  struct lr_view slab = r->out[0];
  slab.dim[axis] = last - first;
  slab.data = (char *)slab.data + first * slab.stride[axis] * (int64_t)lr_dtype_size(slab.dtype);
  uint16_t half = lr_f16_from_f32(a->extrapolation);
  struct lr_view value = slab;
  value.data = slab.dtype == LR_F16 ? (void *)&half : (void *)(uintptr_t)&a->extrapolation;
  memset(value.stride, 0, sizeof value.stride);
  lr_copy_parallel(r->pool, &slab, &value);
}

/* Where the crop leaves x: neighbouring outputs at once. */
static void extrapolate(const struct lr_run *r) {
  const struct lr_view *x = &r->in[0];
  const float *roi = r->in[3].data;
  for (int32_t axis = 0; axis < x->rank; axis++) {
    int64_t first = 0; /* of a run that lies outside */
    for (int64_t o = 0, out = r->out[0].dim[axis]; o <= out; o++) {
      if (o % 65536 == 65535 && lr_stopped()) return;
      float at = o < out ? crop_coordinate(o, roi[axis], roi[x->rank + axis], x->dim[axis], out) : 0;
      if (o < out && !(at >= 0 && at <= (float)(x->dim[axis] - 1))) continue;
      if (first < o) fill_slab(r, axis, first, o);
      first = o + 1;
    }
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_resize_attrs *a = r->node->attrs;
  struct lr_taps taps[LR_MAX_RANK] = {{0}};
  LR_TRY(make_taps(r, taps));
  int32_t axes = 0;
  for (int32_t i = 0; i < r->in[0].rank; i++) axes += taps[i].n > 0;
  if (!axes)
    lr_copy_parallel(r->pool, &r->out[0], &r->in[0]);
  else if (a->mode == LR_RESIZE_MODE_NEAREST)
    lr_resize_nearest(r->pool, &r->in[0], &r->out[0], taps);
  else if (!run_at_once(r, taps))
    run_passes(r, taps);
  if (r->in[3].data) extrapolate(r);
  return LR_OK;
}

const struct lr_impl lr_cpu_resize = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT, .prepare = prepare, .run = run};
