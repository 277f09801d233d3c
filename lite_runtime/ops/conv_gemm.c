/* Convolution as an indirect GEMM: a row of A is an output pixel, its taps are pointers to input pixels. */
#include "conv.h"

/* Taps of a window's row that lie one behind the other in memory make one long tap. Weights look the same in
 * memory then. */
static bool joins_taps(const struct lr_conv *c) {
  const struct lr_axis *w = &c->axis[1];
  bool inside = w->begin == 0 && (w->out - 1) * w->stride + w->kernel <= w->in;
  return c->groups == 1 && w->dilation == 1 && inside && c->x.w_stride == c->x.c &&
         c->x.c % c->gemm.kernel->kr == 0;
}

/* Are all pixels of y equally far apart? Then *step is how far. */
static bool even_rows(const struct lr_image *y, int64_t *step) {
  *step = y->w > 1 ? y->w_stride : y->h > 1 ? y->h_stride : y->n_stride;
  return (y->h <= 1 || y->h_stride == y->w * *step) && (y->n <= 1 || y->n_stride == y->h * y->w * *step);
}

lr_status lr_conv_gemm_prepare(struct lr_conv *c, struct lr_prepare *p) {
  struct lr_gemm *g = &c->gemm;
  bool join = joins_taps(c);
  c->taps_w = join ? 1 : c->axis[1].kernel;
  g->problems = c->groups;
  g->rows = c->y.n * c->y.h * c->y.w;
  g->cols = (int64_t)c->pack.cols;
  g->kc = join ? c->axis[1].kernel * c->x.c : (int64_t)c->pack.depth;
  g->ks = c->axis[0].kernel * c->taps_w;
  g->step = 1;
  g->even_rows = even_rows(&c->y, &g->y_stride);
  if (join) { /* padding is above and below only */
    c->outside = lr_conv_outside(p, g->x_dtype, g->kc, c->x_zero);
    if (!c->outside) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  }
  return lr_gemm_prepare(g, p);
}

struct user {
  const struct lr_conv *c;
  const char *packed, *bias;
};

static void problem(const struct lr_gemm_run *r, struct lr_gemm_problem *p) {
  const struct user *u = r->user;
  p->rows = r->gemm->rows;
  p->ks = r->gemm->ks;
  p->w = u->packed + p->index * u->c->group_bytes;
  p->bias = u->bias + p->index * u->c->bias_bytes;
  p->col = p->index * r->gemm->cols;
}

static void point(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t n, const void **a) {
  const struct user *u = r->user;
  const struct lr_conv *c = u->c;
  const struct lr_axis *ah = &c->axis[0], *aw = &c->axis[1];
  const struct lr_image *x = &c->x;
  int64_t mr = r->gemm->kernel->mr, size = (int64_t)lr_dtype_size(r->gemm->x_dtype);
  const char *base = (const char *)r->run->in[0].data + p->index * (int64_t)c->pack.depth * size;
  struct lr_pixel at = lr_pixel_at(p->row, c->y.h, c->y.w);
  for (int64_t i = 0; i < n; i++, lr_pixel_next(&at, c->y.h, c->y.w)) {
    const void **to = a + i / mr * p->ks * mr + i % mr;
    int64_t h = at.h * ah->stride - ah->begin, w0 = at.w * aw->stride - aw->begin;
    for (int64_t kh = 0; kh < ah->kernel; kh++, h += ah->dilation) {
      bool inside = h >= 0 && h < x->h;
      int64_t w = w0;
      for (int64_t kw = 0; kw < c->taps_w; kw++, w += aw->dilation, to += mr)
        *to = inside && w >= 0 && w < x->w
                  ? base + (at.n * x->n_stride + h * x->h_stride + w * x->w_stride) * size
                  : c->outside;
    }
  }
}

static int64_t y_row(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t row) {
  return row;
}

void lr_conv_gemm_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias) {
  struct user u = {c, packed, bias};
  struct lr_gemm_run g = {.gemm = &c->gemm,
                          .run = r,
                          .threads = (char *)r->scratch + c->threads_at,
                          .user = &u,
                          .problem = problem,
                          .point = point,
                          .y_row = y_row};
  lr_gemm_execute(&g);
}
