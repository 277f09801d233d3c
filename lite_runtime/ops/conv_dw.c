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
  int64_t size = (int64_t)lr_dtype_size(c->gemm.x_dtype);
  for (int64_t i = 0; i < count; i++) {
    int64_t h = oh * ah->stride - ah->begin, w0 = (ow + i) * aw->stride - aw->begin;
    for (int64_t kh = 0; kh < ah->kernel; kh++, h += ah->dilation) {
      bool inside = h >= 0 && h < c->x.h;
      int64_t w = w0;
      for (int64_t kw = 0; kw < aw->kernel; kw++, w += aw->dilation)
        *a++ = inside && w >= 0 && w < c->x.w
                   ? base + (n * c->x.n_stride + h * c->x.h_stride + w * c->x.w_stride) * size
                   : c->outside;
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

static void tile(void *context, int32_t i, int32_t thread) {
  const struct dw *d = context;
  const struct lr_conv *c = d->c;
  const struct lr_gemm *g = &c->gemm;
  const struct lr_view *y = &d->r->out[0];
  int64_t at = d->first + i, col = at % g->col_blocks * g->col_block;
  int64_t w = at / g->col_blocks % g->row_blocks * g->row_block, row = at / (g->col_blocks * g->row_blocks);
  int64_t rows = c->y.w - w < g->row_block ? c->y.w - w : g->row_block;
  int64_t cols = g->cols - col < g->col_block ? g->cols - col : g->col_block;
  char *scratch = (char *)d->r->scratch + c->threads_at + (size_t)thread * g->thread_bytes;
  const void **a = (const void **)(void *)scratch;
  point(c, d->r->in[0].data, row / c->y.h, row % c->y.h, w, rows, a);
  const char *panels = d->packed + col / g->kernel->nr * (int64_t)lr_pack_panel_bytes(&c->pack);
  const void *bias = d->bias + col * 4;
  void *acc = scratch + g->acc_at;
  if (lr_is_int8(g->x_dtype)) {
    ((lr_qs8_dwconv_fn *)g->kernel->fn)((size_t)rows, (size_t)cols, (size_t)g->ks, (size_t)col,
                                        (size_t)c->mult, a, panels, bias, acc, (size_t)g->col_block);
    if (g->w_zero) subtract_sums(c, a, rows, col, cols, acc);
  } else {
    int64_t to = row / c->y.h * c->y.n_stride + row % c->y.h * c->y.h_stride + w * c->y.w_stride + col;
    float *out = g->epilogue ? acc : (float *)y->data + to;
    ((lr_f32_dwconv_fn *)g->kernel->fn)((size_t)rows, (size_t)cols, (size_t)g->ks, (size_t)col,
                                        (size_t)c->mult, a, panels, bias, out,
                                        (size_t)(g->epilogue ? g->col_block : c->y.w_stride), g->lo, g->hi);
  }
  if (!g->epilogue) return;
  if (g->narrow) lr_gemm_narrow(acc, rows * g->col_block);
  lr_epilogue(g->epilogue, d->r->in + d->r->node->n_own, acc, g->col_block, y, row * c->y.w + w, rows, col,
              cols, scratch + g->tmp_at);
}

void lr_conv_dw_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias) {
  struct dw d = {c, r, packed, bias, 0};
  lr_parallel_wide(r->pool, c->gemm.rows * c->gemm.row_blocks * c->gemm.col_blocks, &d.first, tile, &d);
}
