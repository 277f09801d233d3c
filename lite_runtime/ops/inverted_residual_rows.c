/* inverted_residual with a rolling buffer: a tile is some rows of y, made a band of a few rows at a time. For
 * a band only those rows of x are expanded that its windows see for the first time; they go into a ring in
 * the thread's scratch, where the depthwise stage finds them, and what it makes is projected while it is in
 * the cache. So the expanded tensor, the largest of the network, never goes to memory. The kernels compute
 * each element by itself: the bits are those of the three steps, whatever the tiles are. */
#include "inverted_residual.h"

/* Bytes. What a band works on should stay in the second-level cache, and so do the weights that all bands
 * share; an expanded tensor that is there as a whole needs no ring. */
enum {
  BAND_BYTES = 384 * 1024,
  WEIGHTS_BYTES = 384 * 1024,
  MAX_BAND_BYTES = 768 * 1024,
  KEPT_BYTES = 576 * 1024
};
enum { MAX_BAND = 16, TILES_A_THREAD = 2 };
/* The cost model, in multiply-adds of a fast core: of a byte between stages that the third-level cache does
 * not see, and of a byte of weights that comes from there for each band. The gain was 0.4 to 1.2 (Zen 4,
 * AVX-512, one thread; the more, the larger the tensor); less is counted because tiles of several threads
 * also have smaller products. */
#define GAIN_BYTE 0.25
#define COST_WEIGHT_BYTE 1

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

/* ---- choice ---- */
static int64_t ring_rows(const struct lr_axis *h, int64_t band) {
  return min64((band - 1) * h->stride + (h->kernel - 1) * h->dilation + 1, h->in);
}

/* Rows of y for each of `threads`, so that all have some; what is expanded twice costs. */
static void cut(struct lr_rolling *r, int64_t images, int64_t rows, int32_t threads) {
  int64_t parts = threads == 1 ? 1 : ceil_div(TILES_A_THREAD * (int64_t)threads, images);
  r->tile = ceil_div(rows, min64(parts, rows));
  r->band = min64(r->band, r->tile);
  r->tile = ceil_div(r->tile, r->band) * r->band;
  r->tiles = ceil_div(rows, r->tile);
}

void lr_rolling_choose(struct lr_inverted_residual *s, const struct lr_prepare *p) {
  const struct lr_conv_attrs *a = &s->attrs[LR_DEPTHWISE];
  const struct lr_view *wide = &s->mid[LR_EXPAND], *narrow = &s->mid[LR_DEPTHWISE];
  struct lr_window window = LR_WINDOW(a);
  if (wide->rank != 4 || !lr_view_count(wide) || !lr_view_count(&p->out[0]) ||
      lr_view_count(wide) * 4 <= KEPT_BYTES)
    return;
  struct lr_axis h = {
      .in = wide->dim[1], .out = narrow->dim[1], .kernel = p->in[1 + 2 * LR_DEPTHWISE].dim[1]};
  lr_window_axis(&window, 0, &h);
  int64_t wide_row = wide->stride[1] * 4, narrow_row = narrow->stride[1] * 4;
  struct lr_rolling r = {.band = min64(MAX_BAND, h.out)};
  while (r.band > 1 && ring_rows(&h, r.band) * wide_row + r.band * narrow_row > BAND_BYTES) r.band--;
  cut(&r, wide->dim[0], h.out, p->threads);
  r.ring = ring_rows(&h, r.band);
  if (r.ring * wide_row + r.band * narrow_row > MAX_BAND_BYTES) return;
  const struct lr_view *x = &p->in[0], *y = &p->out[0];
  double again = (double)((r.tiles - 1) * max64((h.kernel - 1) * h.dilation + 1 - h.stride, 0)); /* rows */
  double cost = again * (double)wide->stride[1] * (double)x->dim[3];
  double weights = 4 * (double)wide->dim[3] * (double)(x->dim[3] + y->dim[3]);
  if (weights > WEIGHTS_BYTES) cost += COST_WEIGHT_BYTE * weights * (double)(ceil_div(h.out, r.band) - 1);
  if (cost < GAIN_BYTE * (double)(wide_row * h.in + narrow_row * h.out)) s->rolling = r;
}

uint64_t lr_rolling_scratch(struct lr_inverted_residual *s, uint64_t at, int32_t threads) {
  struct lr_rolling *r = &s->rolling;
  uint64_t most = 0;
  for (int32_t k = 0; k < LR_STAGES; k++)
    if (most < s->conv[k]->gemm.thread_bytes) most = s->conv[k]->gemm.thread_bytes;
  r->rows_at = lr_align_up((uint64_t)(r->ring * s->mid[LR_EXPAND].stride[1]) * sizeof(float), LR_ALIGN);
  r->stages_at = r->rows_at +
                 lr_align_up((uint64_t)(r->band * s->mid[LR_DEPTHWISE].stride[1]) * sizeof(float), LR_ALIGN);
  r->thread_bytes = r->stages_at + lr_align_up(most, LR_ALIGN);
  r->threads_at = at;
  struct lr_conv *depthwise = (struct lr_conv *)(uintptr_t)s->conv[LR_DEPTHWISE];
  depthwise->x_ring = r->ring;
  depthwise->y_ring = r->band;
  return at + (uint64_t)threads * r->thread_bytes;
}

/* ---- run ---- */
struct job {
  const struct lr_inverted_residual *s;
  const struct lr_run *run, *stage;
  const void *packed[LR_STAGES], *bias[LR_STAGES];
  int64_t first;
};

/* Neighbouring rows of an image as the rows of a product; strides in bytes. */
struct pixels {
  const void *packed, *bias;
  const char *data;
  int64_t first; /* what the product calls the first of them */
  int64_t w, h_stride, w_stride;
};

static void problem(const struct lr_gemm_run *r, struct lr_gemm_problem *p) {
  const struct pixels *x = r->user;
  p->rows = r->gemm->rows;
  p->ks = 1;
  p->w = x->packed;
  p->bias = x->bias;
}

static void point(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t n, const void **a) {
  const struct pixels *x = r->user;
  int64_t h = (p->row - x->first) / x->w, w = (p->row - x->first) % x->w;
  for (int64_t i = 0; i < n; i++) {
    a[i] = x->data + h * x->h_stride + w * x->w_stride;
    if (++w == x->w) w = 0, h++;
  }
}

static int64_t y_row(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t row) {
  return row;
}

/* `rows` rows of an image through stage k. */
static void multiply(const struct job *j, int32_t k, const struct lr_run *run, struct pixels x, int64_t rows,
                     char *scratch) {
  x.packed = j->packed[k];
  x.bias = j->bias[k];
  struct lr_gemm_run g = {.gemm = &j->s->conv[k]->gemm,
                          .run = run,
                          .user = &x,
                          .problem = problem,
                          .point = point,
                          .y_row = y_row};
  lr_gemm_rows(&g, x.first, rows * x.w, scratch);
}

/* Rows from..to - 1 of image n into the ring. */
static void expand(const struct job *j, const struct lr_run *run, int64_t n, int64_t from, int64_t to,
                   char *scratch) {
  const struct lr_image *x = &j->s->conv[LR_EXPAND]->x;
  int64_t ring = j->s->rolling.ring, size = sizeof(float);
  for (int64_t rows; from < to; from += rows) {
    rows = min64(to - from, ring - from % ring);
    struct pixels p = {.data = (const char *)run->in[0].data + (n * x->n_stride + from * x->h_stride) * size,
                       .first = from % ring * x->w,
                       .w = x->w,
                       .h_stride = x->h_stride * size,
                       .w_stride = x->w_stride * size};
    multiply(j, LR_EXPAND, run, p, rows, scratch);
  }
}

static void tile(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  const struct lr_rolling *r = &j->s->rolling;
  const struct lr_conv *dw = j->s->conv[LR_DEPTHWISE];
  const struct lr_axis *h = &dw->axis[0];
  struct lr_view ring[3] = {j->s->mid[LR_EXPAND]}, rows = j->s->mid[LR_DEPTHWISE];
  struct lr_run expanding = j->stage[LR_EXPAND], filtering = j->stage[LR_DEPTHWISE];
  char *scratch = (char *)j->run->scratch + r->threads_at + (size_t)thread * r->thread_bytes;
  ring[0].data = scratch;
  rows.data = scratch + r->rows_at;
  expanding.out = filtering.in = ring;
  filtering.out = &rows;
  scratch += r->stages_at;
  int64_t n = (j->first + i) / r->tiles, row = (j->first + i) % r->tiles * r->tile,
          end = min64(row + r->tile, h->out);
  for (int64_t next = 0, last; row < end && !lr_stopped(); row = last) {
    last = min64(row + r->band, end);
    int64_t top = row * h->stride - h->begin,
            span = (last - 1 - row) * h->stride + (h->kernel - 1) * h->dilation + 1;
    int64_t bottom = min64(top + span, h->in);
    next = max64(next, top);
    expand(j, &expanding, n, next, bottom, scratch);
    next = max64(next, bottom);
    lr_conv_dw_rows(dw, &filtering, j->packed[LR_DEPTHWISE], j->bias[LR_DEPTHWISE], row, last, scratch);
    struct pixels p = {.data = rows.data,
                       .first = (n * h->out + row) * dw->y.w,
                       .w = dw->y.w,
                       .h_stride = dw->y.h_stride * (int64_t)sizeof(float),
                       .w_stride = dw->y.w_stride * (int64_t)sizeof(float)};
    multiply(j, LR_PROJECT, &j->stage[LR_PROJECT], p, last - row, scratch);
  }
}

void lr_rolling_run(const struct lr_inverted_residual *s, const struct lr_run *run, struct lr_run *stage) {
  struct job j = {.s = s, .run = run, .stage = stage};
  for (int32_t k = 0; k < LR_STAGES; k++)
    lr_conv_weights_now(s->conv[k], &stage[k], &j.packed[k], &j.bias[k]);
  lr_parallel_wide(run->pool, s->conv[LR_EXPAND]->x.n * s->rolling.tiles, &j.first, tile, &j);
}
