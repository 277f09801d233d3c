/* Depthwise convolution: each output channel reads one input channel; pixels are found through pointers. */
#include "conv.h"

enum { TILE_ROWS = 32, TILE_COLS = 256, POINTER_BYTES = 64 * 1024 };

lr_status lr_conv_dw_prepare(struct lr_conv *c, struct lr_prepare *p) {
  struct lr_gemm *g = &c->gemm;
  int64_t nr = g->kernel->nr, most;
  LR_TRY(lr_gemm_epilogue(p, g->x_dtype, &g->epilogue, &g->narrow, &g->lo, &g->hi));
  c->mult = c->x.c ? (int64_t)c->pack.cols / c->x.c : 1;
  g->problems = 1;
  g->rows = c->y.n * c->y.h; /* rows of y; a tile lies within one */
  g->cols = (int64_t)c->pack.cols;
  g->ks = c->axis[0].kernel * c->axis[1].kernel;
  g->kc = 1;
  most = POINTER_BYTES / (int64_t)sizeof(void *) / (g->ks > 0 ? g->ks : 1);
  g->row_block = most < 1 ? 1 : most < TILE_ROWS ? most : TILE_ROWS; /* pixels */
  g->row_blocks = (c->y.w + g->row_block - 1) / g->row_block;
  g->col_block = g->cols < 1 ? nr : ((g->cols < TILE_COLS ? g->cols : TILE_COLS) + nr - 1) / nr * nr;
  g->col_blocks = (g->cols + g->col_block - 1) / g->col_block;
  size_t rows = (size_t)g->row_block;
  g->acc_at = lr_align_up(rows * (size_t)g->ks * sizeof(void *), LR_ALIGN);
  g->tmp_at = g->acc_at + (g->epilogue ? lr_align_up(rows * (size_t)g->col_block * 4, LR_ALIGN) : 0);
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
  int64_t size = (int64_t)lr_dtype_size(c->gemm.x_dtype), ks = c->gemm.ks, far = (aw->kernel - 1) * aw->dilation;
  int64_t column = c->x.w_stride * size, tap = aw->dilation * column, step = aw->stride * column;
  for (int64_t kh = 0, h = oh * ah->stride - ah->begin; kh < ah->kernel; kh++, h += ah->dilation) {
    const void **to = a + kh * aw->kernel;
    int64_t w = ow * aw->stride - aw->begin;
    bool inside = h >= 0 && h < c->x.h;
    int64_t from = (n * c->x.n_stride + h * c->x.h_stride) * size + w * column; /* tap 0 */
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

/* A tile: `rows` pixels of a row of y by `cols` channels. */
struct block {
  int64_t row, w, rows, col, cols;
  const void **a;
  char *out; /* y, or accumulators */
  int64_t stride;
};

/* Pixels first..first + rows - 1 of a tile; even: all have their windows in the image, and the pointers of the first do. */
static void call_kernel(const struct dw *d, const struct block *b, int64_t first, int64_t rows, bool even) {
  const struct lr_conv *c = d->c;
  const struct lr_gemm *g = &c->gemm;
  if (rows <= 0) return;
  point(c, d->r->in[0].data, b->row / c->y.h, b->row % c->y.h, b->w + first, even ? 1 : rows, b->a);
  const char *panels = d->packed + b->col / g->kernel->nr * (int64_t)lr_pack_panel_bytes(&c->pack);
  const void *bias = d->bias + b->col * 4;
  void *y = b->out + first * b->stride * 4;
  size_t a_step = even ? 0 : (size_t)g->ks, x_step = even ? (size_t)(c->axis[1].stride * c->x.w_stride) : 0;
  if (!lr_is_int8(g->x_dtype)) {
    ((lr_f32_dwconv_fn *)g->kernel->fn)((size_t)rows, (size_t)b->cols, (size_t)g->ks, (size_t)b->col,
                                        (size_t)c->mult, b->a, a_step, x_step, panels, bias, y, (size_t)b->stride,
                                        g->lo, g->hi);
    return;
  }
  ((lr_qs8_dwconv_fn *)g->kernel->fn)((size_t)rows, (size_t)b->cols, (size_t)g->ks, (size_t)b->col, (size_t)c->mult,
                                      b->a, a_step, x_step, panels, bias, y, (size_t)b->stride);
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

static void tile(void *context, int32_t i, int32_t thread) {
  enum { FEW = 8 }; /* pixels for which a call of their own does not pay */
  const struct dw *d = context;
  const struct lr_conv *c = d->c;
  const struct lr_gemm *g = &c->gemm;
  const struct lr_view *y = &d->r->out[0];
  int64_t at = d->first + i, first, last;
  struct block b = {.row = at / (g->col_blocks * g->row_blocks),
                    .w = at / g->col_blocks % g->row_blocks * g->row_block,
                    .col = at % g->col_blocks * g->col_block};
  b.rows = c->y.w - b.w < g->row_block ? c->y.w - b.w : g->row_block;
  b.cols = g->cols - b.col < g->col_block ? g->cols - b.col : g->col_block;
  char *scratch = (char *)d->r->scratch + c->threads_at + (size_t)thread * g->thread_bytes;
  int64_t to = b.row / c->y.h * c->y.n_stride + b.row % c->y.h * c->y.h_stride + b.w * c->y.w_stride + b.col;
  b.a = (const void **)(void *)scratch;
  b.out = g->epilogue ? scratch + g->acc_at : (char *)y->data + to * 4;
  b.stride = g->epilogue ? g->col_block : c->y.w_stride;
  inner_pixels(c, &b, &first, &last);
  if (last - first < FEW || g->w_zero) first = last = 0;
  call_kernel(d, &b, 0, first, false);
  call_kernel(d, &b, first, last - first, true);
  call_kernel(d, &b, last, b.rows - last, false);
  if (!g->epilogue) return;
  if (g->narrow) lr_gemm_narrow(b.out, b.rows * g->col_block);
  lr_epilogue(g->epilogue, d->r->in + d->r->node->n_own, b.out, g->col_block, y, b.row * c->y.w + b.w, b.rows, b.col,
              b.cols, scratch + g->tmp_at);
}

void lr_conv_dw_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias) {
  struct dw d = {c, r, packed, bias, 0};
  lr_parallel_wide(r->pool, c->gemm.rows * c->gemm.row_blocks * c->gemm.col_blocks, &d.first, tile, &d);
}
