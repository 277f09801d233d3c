/* Depthwise convolution: each output channel reads one input channel; pixels are found through pointers. */
#include "conv.h"

/* A tile's rows of x stay in the L1 cache, where those that one row of y needs are found again for the next
 * one. */
enum {
  X_BYTES = 240 * 1024,
  COLS = 32,
  TILE_PIXELS = 128,
  SHORT = 32,
  ACC_BYTES = 32 * 1024,
  POINTER_BYTES = 64 * 1024
};
enum {
  TILES_A_THREAD = 4,
  WORK = 1 << 19
}; /* multiply-adds of a tile, where there are enough: some 20 microseconds */

lr_status lr_conv_dw_prepare(struct lr_conv *c, struct lr_prepare *p) {
  struct lr_gemm *g = &c->gemm;
  int64_t nr = g->kernel->nr, most;
  LR_TRY(lr_gemm_epilogue(p, g->x_dtype, &g->epilogue, &g->narrow, &g->lo, &g->hi));
  c->x_ring = c->y_ring = INT64_MAX;
  c->mult = c->x.c ? (int64_t)c->pack.cols / c->x.c : 1;
  g->problems = 1;
  g->rows = c->y.n * c->y.h; /* of y */
  g->cols = (int64_t)c->pack.cols;
  g->ks = c->axis[0].kernel * c->axis[1].kernel;
  g->kc = 1;
  int64_t unit = (COLS + nr - 1) / nr * nr, all = ((g->cols > 1 ? g->cols : 1) + nr - 1) / nr * nr;
  int64_t row_bytes = c->axis[0].kernel * c->x.w * (int64_t)lr_dtype_size(g->x_dtype);
  g->col_block = X_BYTES * c->mult / (row_bytes > 0 ? row_bytes : 1) / unit * unit;
  if (g->col_block < unit) g->col_block = unit;
  if (g->col_block > all) g->col_block = all;
  g->col_blocks = (g->cols + g->col_block - 1) / g->col_block;
  most = POINTER_BYTES / (int64_t)sizeof(void *) / (g->ks > 0 ? g->ks : 1);
  if (g->epilogue && most > ACC_BYTES / 4 / g->col_block) most = ACC_BYTES / 4 / g->col_block;
  g->row_block = most < 1 ? 1 : most < TILE_PIXELS ? most : TILE_PIXELS;
  g->row_blocks = (c->y.w + g->row_block - 1) / g->row_block;
  /* short rows of y are taken together, so that there are some pixels for each time that weights are read */
  bool dense =
      c->y.h_stride == c->y.w * c->y.w_stride && (c->y.n == 1 || c->y.n_stride == c->y.h * c->y.h_stride);
  c->rows_at_once = c->y.w > 0 && c->y.w <= SHORT && (dense || g->epilogue) ? g->row_block / c->y.w : 1;
  if (c->rows_at_once < 1) c->rows_at_once = 1;
  /* a tile is a part of `step` rows of y */
  int64_t row_work = (c->y.w < g->row_block ? c->y.w : g->row_block) * g->col_block * g->ks;
  int64_t tiles = g->rows * g->row_blocks * g->col_blocks,
          few = tiles / (TILES_A_THREAD * (int64_t)p->threads);
  g->step = row_work > 0 ? WORK / row_work : 1;
  if (p->threads > 1 && g->step > few) g->step = few;
  if (g->step < 1) g->step = 1;
  uint64_t rows = (uint64_t)g->row_block;
  g->acc_at = lr_align_up(rows * (uint64_t)g->ks * sizeof(void *), LR_ALIGN);
  g->tmp_at = g->acc_at + (g->epilogue ? lr_align_up(rows * (uint64_t)g->col_block * 4, LR_ALIGN) : 0);
  g->thread_bytes = lr_align_up(g->tmp_at + (g->epilogue ? LR_EPILOGUE_TMP : 0), LR_ALIGN);
  p->kernel = g->kernel->name;
  return LR_OK;
}

struct dw {
  const struct lr_conv *c;
  const struct lr_run *r;
  const char *packed, *bias;
  int64_t first;
};

/* Pointers to the taps of output pixels (n, h, w..w+count-1). */
static void point(const struct lr_conv *c, const char *base, int64_t n, int64_t oh, int64_t ow, int64_t count,
                  const void **a) {
  const struct lr_axis *ah = &c->axis[0], *aw = &c->axis[1];
  int64_t size = (int64_t)lr_dtype_size(c->gemm.x_dtype), ks = c->gemm.ks,
          far = (aw->kernel - 1) * aw->dilation;
  int64_t column = c->x.w_stride * size, tap = aw->dilation * column, step = aw->stride * column;
  for (int64_t kh = 0, h = oh * ah->stride - ah->begin; kh < ah->kernel; kh++, h += ah->dilation) {
    const void **to = a + kh * aw->kernel;
    int64_t w = ow * aw->stride - aw->begin;
    bool inside = h >= 0 && h < c->x.h;
    int64_t from = (n * c->x.n_stride + h % c->x_ring * c->x.h_stride) * size + w * column; /* tap 0 */
    for (int64_t i = 0; i < count; i++, to += ks, w += aw->stride, from += step) {
      if (inside && w >= 0 && w + far < aw->in) {
        for (int64_t kw = 0; kw < aw->kernel; kw++) to[kw] = base + from + kw * tap;
      } else {
        for (int64_t kw = 0, v = w; kw < aw->kernel; kw++, v += aw->dilation)
          to[kw] = inside && v >= 0 && v < aw->in ? base + from + kw * tap : c->outside;
      }
    }
  }
}

/* i32 sums of a, times w_zero, taken off a tile. */
static void subtract_sums(const struct lr_conv *c, const void **a, int64_t rows, int64_t col, int64_t cols,
                          uint32_t *acc) {
  const struct lr_gemm *g = &c->gemm;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t s = 0; s < g->ks; s++) {
      const void *x = a[i * g->ks + s];
      for (int64_t j = 0; j < cols; j++) {
        int64_t k = (col + j) / c->mult;
        int32_t v = g->x_dtype == LR_U8 ? ((const uint8_t *)x)[k] : ((const int8_t *)x)[k];
        acc[i * g->col_block + j] -= (uint32_t)v * (uint32_t)g->w_zero;
      }
    }
}

/* `rows` pixels of y, in one row of it or in several whole ones, by `cols` channels. */
struct block {
  int64_t row, w, rows, col, cols;
  const void **a;
  char *out; /* y, or accumulators */
  int64_t stride;
};

/* Pixels first..first + rows - 1 of a block; even: all have their windows in the image, and the pointers of
 * the first do. */
static void call_kernel(const struct dw *d, const struct block *b, int64_t first, int64_t rows, bool even) {
  const struct lr_conv *c = d->c;
  const struct lr_gemm *g = &c->gemm;
  if (rows <= 0) return;
  for (int64_t i = 0, row = b->row, w = b->w + first, n; i < (even ? 1 : rows); i += n, w = 0, row++) {
    n = c->y.w - w < rows - i ? c->y.w - w : rows - i;
    point(c, d->r->in[0].data, row / c->y.h, row % c->y.h, w, even ? 1 : n, b->a + i * g->ks);
  }
  const char *panels = d->packed + b->col / g->kernel->nr * (int64_t)lr_pack_panel_bytes(&c->pack);
  const void *bias = d->bias + b->col * 4;
  void *y = b->out + first * b->stride * 4;
  size_t a_step = even ? 0 : (size_t)g->ks, x_step = even ? (size_t)(c->axis[1].stride * c->x.w_stride) : 0;
  if (!lr_is_int8(g->x_dtype)) {
    ((lr_f32_dwconv_fn *)g->kernel->fn)((size_t)rows, (size_t)b->cols, (size_t)g->ks, (size_t)b->col,
                                        (size_t)c->mult, b->a, a_step, x_step, panels, bias, y,
                                        (size_t)b->stride, g->lo, g->hi);
    return;
  }
  ((lr_qs8_dwconv_fn *)g->kernel->fn)((size_t)rows, (size_t)b->cols, (size_t)g->ks, (size_t)b->col,
                                      (size_t)c->mult, b->a, a_step, x_step, panels, bias, y,
                                      (size_t)b->stride);
  if (g->w_zero) subtract_sums(c, b->a, rows, b->col, b->cols, y);
}

/* Pixels from *first to *last - 1 of a tile have their windows in the image. */
static void inner_pixels(const struct lr_conv *c, const struct block *b, int64_t *first, int64_t *last) {
  const struct lr_axis *ah = &c->axis[0], *aw = &c->axis[1];
  int64_t h = b->row % c->y.h * ah->stride - ah->begin;
  int64_t most = aw->in - (aw->kernel - 1) * aw->dilation - 1 + aw->begin; /* of column * stride */
  *first = *last = 0;
  if (h < 0 || h + (ah->kernel - 1) * ah->dilation >= ah->in || most < 0) return;
  *first = (aw->begin + aw->stride - 1) / aw->stride - b->w;
  *last = most / aw->stride + 1 - b->w;
  if (*first < 0) *first = 0;
  if (*last > b->rows) *last = b->rows;
}

/* What begins at row, pixel w and channel col of y: a part of one row, or n_rows whole ones. */
static void row_part(const struct dw *d, int64_t row, int64_t n_rows, int64_t w, int64_t col, char *scratch) {
  enum { FEW = 8 }; /* pixels for which a call of their own does not pay */
  const struct lr_conv *c = d->c;
  const struct lr_gemm *g = &c->gemm;
  const struct lr_view *y = &d->r->out[0];
  int64_t first, last;
  struct block b = {.row = row, .w = w, .col = col};
  b.rows = n_rows > 1 ? n_rows * c->y.w : c->y.w - b.w < g->row_block ? c->y.w - b.w : g->row_block;
  b.cols = g->cols - b.col < g->col_block ? g->cols - b.col : g->col_block;
  int64_t y_row = row % c->y_ring;
  int64_t to = y_row / c->y.h * c->y.n_stride + y_row % c->y.h * c->y.h_stride + b.w * c->y.w_stride + b.col;
  b.a = (const void **)(void *)scratch;
  b.out = g->epilogue ? scratch + g->acc_at : (char *)y->data + to * 4;
  b.stride = g->epilogue ? g->col_block : c->y.w_stride;
  inner_pixels(c, &b, &first, &last);
  if (n_rows > 1 || last - first < FEW || g->w_zero) first = last = 0;
  call_kernel(d, &b, 0, first, false);
  call_kernel(d, &b, first, last - first, true);
  call_kernel(d, &b, last, b.rows - last, false);
  if (!g->epilogue) return;
  if (g->narrow) lr_gemm_narrow(b.out, b.rows * g->col_block);
  lr_epilogue(g->epilogue, d->r->in + d->r->node->n_own, b.out, g->col_block, y, y_row * c->y.w + b.w, b.rows,
              b.col, b.cols, scratch + g->tmp_at);
}

/* Rows row..end - 1, from pixel w and channel col on as far as a block goes. */
static void rows_part(const struct dw *d, int64_t row, int64_t end, int64_t w, int64_t col, char *scratch) {
  for (int64_t n; row < end; row += n) {
    n = end - row < d->c->rows_at_once ? end - row : d->c->rows_at_once;
    row_part(d, row, n, w, col, scratch);
  }
}

static void tile(void *context, int32_t i, int32_t thread) {
  const struct dw *d = context;
  const struct lr_gemm *g = &d->c->gemm;
  int64_t at = d->first + i, col = at % g->col_blocks * g->col_block;
  int64_t w = at / g->col_blocks % g->row_blocks * g->row_block,
          row = at / (g->col_blocks * g->row_blocks) * g->step;
  int64_t end = row + g->step < g->rows ? row + g->step : g->rows;
  rows_part(d, row, end, w, col, (char *)d->r->scratch + d->c->threads_at + (size_t)thread * g->thread_bytes);
}

void lr_conv_dw_rows(const struct lr_conv *c, const struct lr_run *r, const void *packed, const void *bias,
                     int64_t row, int64_t end, char *scratch) {
  const struct dw d = {c, r, packed, bias, 0};
  for (int64_t col = 0; col < c->gemm.cols; col += c->gemm.col_block)
    for (int64_t w = 0; w < c->y.w; w += c->gemm.row_block) rows_part(&d, row, end, w, col, scratch);
}

void lr_conv_dw_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias) {
  const struct lr_gemm *g = &c->gemm;
  struct dw d = {c, r, packed, bias, 0};
  int64_t groups = (g->rows + g->step - 1) / g->step;
  lr_parallel_wide(r->pool, groups * g->row_blocks * g->col_blocks, &d.first, tile, &d);
}
