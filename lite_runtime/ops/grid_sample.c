/* grid_sample: ONNX's GridSample, channels last. Each axis of a point has 1, 2 or 4 taps with weights; a result is the sum over
 * all combinations of them. */
#include <math.h>

#include "move.h"
#include "resize.h"

enum { MAX_AXES = 3, MAX_TAPS = 4 };

lr_status lr_infer_grid_sample(struct lr_infer *c) {
  const struct lr_grid_sample_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0], *grid = &c->in[1];
  struct lr_type *y = &c->out[0];
  if (x->dtype != LR_F32 || grid->dtype != LR_F32)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s and grid %s; both must be f32",
                         lr_dtype_name(x->dtype), lr_dtype_name(grid->dtype));
  if (a->mode >= LR_GRID_SAMPLE_MODE_LIMIT || a->padding >= LR_GRID_SAMPLE_PADDING_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "mode is %u and padding %u", a->mode, a->padding);
  int32_t n = x->rank - 2;
  lr_dim axes = n, batch = x->rank ? x->dim[0] : 0;
  if ((n != 2 && n != 3) || grid->rank != x->rank || !lr_dim_unify(&axes, grid->dim[grid->rank - 1]) ||
      !lr_dim_unify(&batch, grid->dim[0]))
    return lr_infer_fail(
        c, LR_ERR_MODEL,
        "x of rank %d and grid of rank %d do not fit: images [N H W C] need [N ... 2], [N D H W C] need "
        "[N ... 3]",
        x->rank, grid->rank);
  *y = *x;
  y->dim[0] = batch;
  for (int32_t i = 0; i < n; i++) y->dim[1 + i] = grid->dim[1 + i];
  return lr_move_output(c, 0);
}

/* The taps of a point along one axis; index -1: outside, where the image is 0. */
struct taps {
  int32_t n;
  int64_t index[MAX_TAPS];
  float weight[MAX_TAPS];
};

/* Mirrors v at lo and hi until it is between them. */
static float reflect(float v, float lo, float hi) {
  float range = hi - lo;
  if (!(range > 0)) return lo;
  float far = v < lo ? lo - v : v > hi ? v - hi : 0;
  if (far == 0) return v;
  float turns = floorf(far / range), rest = far - turns * range;
  bool even = fmodf(turns, 2) == 0;
  return (v < lo) == even ? lo + rest : hi - rest;
}

/* A whole number (or NaN, which is outside) as an index of an axis of that size. */
static int64_t pixel(const struct lr_grid_sample_attrs *a, float v, int64_t size) {
  if (a->padding == LR_GRID_SAMPLE_PADDING_ZEROS) return v >= 0 && v < (float)size ? (int64_t)v : -1;
  if (a->padding == LR_GRID_SAMPLE_PADDING_REFLECTION)
    v = a->align_corners ? reflect(v, 0, (float)(size - 1)) : reflect(v, -0.5f, (float)size - 0.5f);
  return !(v > 0) ? 0 : v >= (float)size ? size - 1 : (int64_t)v;
}

static void make_taps(const struct lr_grid_sample_attrs *a, float v, int64_t size, struct taps *t) {
  float n = (float)size;
  v = a->align_corners ? (v + 1) / 2 * (n - 1) : ((v + 1) * n - 1) / 2;
  if (a->mode == LR_GRID_SAMPLE_MODE_NEAREST) v = rintf(v);
  if (a->padding == LR_GRID_SAMPLE_PADDING_BORDER &&
      a->mode != LR_GRID_SAMPLE_MODE_CUBIC) /* its pixels are clamped alone */
    v = v < 0 ? 0 : v > n - 1 ? n - 1 : v;
  else if (a->padding == LR_GRID_SAMPLE_PADDING_REFLECTION)
    v = a->align_corners ? reflect(v, 0, n - 1) : reflect(v, -0.5f, n - 0.5f);
  float base = floorf(v), part = v - base;
  if (a->mode == LR_GRID_SAMPLE_MODE_NEAREST) {
    *t = (struct taps){1, {pixel(a, rintf(v), size)}, {1}};
  } else if (a->mode == LR_GRID_SAMPLE_MODE_LINEAR) {
    *t = (struct taps){2, {pixel(a, base, size), pixel(a, base + 1, size)}, {1 - part, part}};
  } else {
    t->n = 4;
    for (int32_t i = 0; i < 4; i++) t->index[i] = pixel(a, base - 1 + (float)i, size);
    lr_cubic_weights(-0.75f, part, t->weight); /* as ONNX says */
  }
}

struct job {
  const struct lr_grid_sample_attrs *a;
  const struct lr_view *x, *grid;
  float *y;
  int32_t n; /* axes of a point */
  int64_t points;
};

static void sample(const struct job *j, const float *image, const float *point, float *y) {
  struct taps t[MAX_AXES] = {{0}};
  int64_t channels = j->x->dim[j->n + 1], all = 1;
  for (int32_t i = 0; i < j->n; i++) { /* the grid has x first, the image has it last */
    make_taps(j->a, point[j->n - 1 - i], j->x->dim[1 + i], &t[i]);
    all *= t[i].n;
  }
  for (int64_t c = 0; c < channels; c++) y[c] = 0;
  for (int64_t k = 0; k < all && !(channels > 16384 && lr_stopped()); k++) {
    int64_t at = 0, rest = k, outside = 0;
    float w = 1;
    for (int64_t i = j->n - 1, m = 1; i >= 0; rest /= t[i].n, i--) {
      assert(t[i].n > 0); /* make_taps gives at least one */
      int64_t tap = rest % t[i].n;
      outside |= t[i].index[tap] < 0;
      at += t[i].index[tap] * m;
      m *= j->x->dim[1 + i];
      w *= t[i].weight[tap];
    }
    if (outside && w == w) continue;
    for (int64_t c = 0; c < channels; c++) y[c] += w * (outside ? 0 : image[at * channels + c]);
  }
}

static void body(void *context, int64_t p, int64_t end, int32_t thread) {
  const struct job *j = context;
  assert(j->x->dim[0] > 0); /* there are points */
  int64_t image = lr_view_count(j->x) / j->x->dim[0], channels = j->x->dim[j->n + 1];
  int64_t per_image = j->points / j->x->dim[0];
  for (; p < end; p++)
    sample(j, (const float *)j->x->data + p / per_image * image, (const float *)j->grid->data + p * j->n,
           j->y + p * channels);
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *grid = &r->in[1], *y = &r->out[0];
  struct job j = {r->node->attrs, x, grid, y->data, x->rank - 2};
  j.points = lr_view_count(grid) / j.n;
  if (grid->dim[grid->rank - 1] != j.n || grid->dim[0] != x->dim[0])
    return lr_run_fail(
        r, LR_ERR_VALUE, "grid has %lld coordinates for %lld images, x has %d axes and %lld images",
        (long long)grid->dim[grid->rank - 1], (long long)grid->dim[0], j.n, (long long)x->dim[0]);
  for (int32_t i = 0; i < j.n; i++)
    if (x->dim[1 + i] < 1 || x->dim[1 + i] > INT32_MAX / 4)
      return lr_run_fail(r, LR_ERR_VALUE, "axis %d of x has size %lld; there is nothing to sample", 1 + i,
                         (long long)x->dim[1 + i]);
  lr_move_rows(r->pool, j.points, 64 * (x->dim[j.n + 1] + 1), body, &j); /* some 16 taps of all channels */
  return LR_OK;
}

const struct lr_impl lr_cpu_grid_sample = {.run = run};
