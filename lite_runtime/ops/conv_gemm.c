/* Convolution as an indirect GEMM: a row of A is an output pixel, its taps are pointers to input pixels. */
#include "conv.h"

/* Elements of a window's row up to which it is copied where it crosses the border: a first layer's. */
enum { MAX_COPY = 64 };

/* Taps of a window's row that lie one behind the other in memory make one long tap. Weights look the same in
 * memory then. */
static bool joins_taps(const struct lr_conv *c) {
  const struct lr_axis *w = &c->axis[1];
  bool inside = w->begin == 0 && (w->out - 1) * w->stride + w->kernel <= w->in;
  return c->groups == 1 && w->dilation == 1 && w->kernel > 1 && c->x.w_stride == c->x.c &&
         c->x.c % c->gemm.kernel->kr == 0 && (inside || w->kernel * c->x.c <= MAX_COPY);
}

/* Output columns of which `span` pixels from tap kw on lie in the image: *from..*to - 1 of all. */
static void inner_columns(const struct lr_axis *a, int64_t kw, int64_t span, int64_t *from, int64_t *to) {
  int64_t least = a->begin - kw * a->dilation, most = a->in - span + least; /* of column * stride */
  *from = least <= 0 ? 0 : (least + a->stride - 1) / a->stride;
  *to = most < 0 ? 0 : most / a->stride + 1;
  if (*to > a->out) *to = a->out;
  if (*from > *to) *from = *to;
}

/* Bytes for windows across the border, of a tile's rows. */
static uint64_t edge_bytes(const struct lr_conv *c, size_t size) {
  const struct lr_gemm *g = &c->gemm;
  int64_t from, to, image_rows = g->row_block / (c->y.w ? c->y.w : 1) + 2;
  inner_columns(&c->axis[1], 0, c->axis[1].kernel, &from, &to);
  int64_t edges = (c->y.w - (to - from)) * image_rows;
  if (edges > g->row_block) edges = g->row_block;
  return (uint64_t)(edges * g->ks * g->kc) * size;
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
  g->ks = g->kc ? c->axis[0].kernel * c->taps_w : 0; /* no channels: bias alone, however large the window */
  g->step = 1;
  g->even_rows = even_rows(&c->y, &g->y_stride);
  if (join) { /* padding is above and below only */
    c->outside = lr_conv_outside(p, g->x_dtype, g->kc, c->x_zero);
    if (!c->outside) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  }
  LR_TRY(lr_gemm_prepare(g, p));
  c->edge_at = g->thread_bytes;
  if (join) g->thread_bytes += lr_align_up(edge_bytes(c, lr_dtype_size(g->x_dtype)), LR_ALIGN);
  return LR_OK;
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

/* Pixels of y that are neighbours in one of its rows: places first..first + n - 1 of a tile. */
struct run {
  int64_t image, h, w, n, first;
};

/* The window's row of pixel w where it crosses the border. */
static void copy_edge(const struct lr_conv *c, const char *row, int64_t w, int64_t size, char *to) {
  const struct lr_axis *a = &c->axis[1];
  int64_t at = w * a->stride - a->begin, pixel = c->x.c * size;
  int64_t first = at < 0 ? -at : 0, last = a->in - at < a->kernel ? a->in - at : a->kernel;
  memcpy(to, c->outside, (size_t)(a->kernel * pixel));
  if (first < last) memcpy(to + first * pixel, row + (at + first) * pixel, (size_t)((last - first) * pixel));
}

/* Pointers of one tap of a run; row: the row of x that it reads, or NULL for one outside. Returns the rest of
 * `edge`. */
static char *point_tap(const struct lr_gemm *g, const struct lr_conv *c, const struct run *t, const char *row,
                       int64_t tap, char *edge, const void **a) {
  const struct lr_axis *aw = &c->axis[1];
  bool join = c->taps_w < aw->kernel;
  int64_t mr = g->kernel->mr, size = (int64_t)lr_dtype_size(g->x_dtype), kw = tap % c->taps_w, from, to;
  int64_t step = aw->stride * c->x.w_stride * size,
          at = (kw * aw->dilation - aw->begin) * c->x.w_stride * size;
  int64_t lane = t->first % mr;
  inner_columns(aw, kw, join ? aw->kernel : 1, &from, &to);
  if (!row) from = to = 0;
  a += (t->first / mr * g->ks + tap) * mr;
  for (int64_t w = t->w; w < t->w + t->n; w++) {
    const void *p = c->outside;
    if (w >= from && w < to) {
      p = row + at + w * step;
    } else if (join && row) {
      copy_edge(c, row, w, size, edge);
      p = edge;
      edge += g->kc * size;
    }
    a[lane] = p;
    if (++lane == mr) {
      lane = 0;
      a += g->ks * mr;
    }
  }
  return edge;
}

static void point(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t n, const void **a) {
  const struct user *u = r->user;
  const struct lr_conv *c = u->c;
  const struct lr_axis *ah = &c->axis[0];
  const struct lr_image *x = &c->x;
  int64_t size = (int64_t)lr_dtype_size(r->gemm->x_dtype);
  const char *base = (const char *)r->run->in[0].data + p->index * (int64_t)c->pack.depth * size;
  char *edge = (char *)a + c->edge_at;
  struct lr_pixel at = lr_pixel_at(p->row, c->y.h, c->y.w);
  struct run t = {at.n, at.h, at.w, 0, 0};
  if (!p->ks) return;
  for (; t.first < n; t.first += t.n) {
    t.n = n - t.first < c->y.w - t.w ? n - t.first : c->y.w - t.w;
    for (int64_t kh = 0, h = t.h * ah->stride - ah->begin; kh < ah->kernel; kh++, h += ah->dilation) {
      const char *row = h >= 0 && h < x->h ? base + (t.image * x->n_stride + h * x->h_stride) * size : NULL;
      for (int64_t kw = 0; kw < c->taps_w; kw++)
        edge = point_tap(r->gemm, c, &t, row, kh * c->taps_w + kw, edge, a);
    }
    t.w = 0;
    if (++t.h == c->y.h) t.h = 0, t.image++;
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
