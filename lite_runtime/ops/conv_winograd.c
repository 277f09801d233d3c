/* Winograd convolution: F(2x2, 3x3) and F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks" (2015). Tiles of m x m outputs: V = B^T X B for each input channel, (m + 2)^2 products M =
 * V U of matrices [tiles, C] by [C, O], Y = A^T M A. A group of tiles goes through all of it while it is in
 * the second-level cache. An element depends on its own tile and the whole depth only, so neither groups nor
 * threads change any result. A NaN or infinity in x makes its whole tiles NaN. */
#include "needs.h"
#include "conv_winograd.h"

#include <math.h>

enum {
  COLS = 48,                /* columns at once, a multiple of the kernels' panels */
  GROUP_BYTES = 768 * 1024, /* V and M of a group */
  SMALL_WEIGHTS = 2 << 20,  /* U that is read again for each group; larger ones get larger groups */
  LARGE_V = 4 << 20,
  LARGE_M = 512 * 1024,
  MIN_GROUP = 16,
  RUN_PIXELS = 64, /* of one call of the epilogue: m rows by this / m pixels */
  PAD = 16         /* floats between matrices, else those of powers of two share cache sets */
};
/* The cost model, in multiply-adds of one core. A byte of weights is read once from memory or the third
 * level; an element of V and M is transformed, stored and loaded. Measured on Zen 4 with AVX-512. NEON has
 * other kernels and no other numbers: llvm-mca's cycles of single layers for neoverse-n1 fit 12 for an
 * element, caches left out, and a phone's core reads some 10 GB/s while it does 20 G multiply-adds/s. */
#define COST_WEIGHT_BYTE 2
#define COST_ELEMENT 16
#define MIN_GAIN 0.95 /* of the next simpler way's cost: it takes less memory */
#define MAX_U_BYTES ((int64_t)64 << 20)

struct lr_winograd {
  const struct lr_kernel *in, *out;
  int64_t m, points;     /* (m + 2)^2 */
  int64_t th, tw, tiles; /* in an image's column and row, in all */
  int64_t group, groups; /* tiles of one */
  int64_t cols, col_block, col_blocks;
  int64_t v_stride, m_stride;     /* floats of one of their matrices */
  bool shared;                    /* threads share a group: one V */
  const struct lr_rows *epilogue; /* NULL: the transform does it: adds input `residual`, clamps */
  int32_t residual;               /* -1: none */
  struct lr_image r;
  float lo, hi;
  const float *zeros;               /* bias of the products */
  uint64_t m_at, buffer_at, tmp_at; /* scratch of a thread; V comes first unless it is shared */
};

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return lr_ceil_div(n, to) * to; }

bool lr_conv_winograd_may(int32_t x_dtype, const struct lr_type *w, const struct lr_conv_attrs *a) {
  return x_dtype == LR_F32 && w->dtype == LR_F32 && w->rank == 4 && w->dim[1] == 3 && w->dim[2] == 3 &&
         w->dim[0] > 0 && w->dim[3] > 0 && a->groups == 1 && a->stride_h == 1 && a->stride_w == 1 &&
         a->dilation_h == 1 && a->dilation_w == 1;
}

/* ---- choice ---- */
static int64_t count_tiles(const struct lr_conv *c, int64_t m) {
  return c->y.n * lr_ceil_div(c->y.h, m) * lr_ceil_div(c->y.w, m);
}

static double cost_of(const struct lr_conv *c, const struct lr_winograd_weights *s) {
  double points = (double)((s->m + 2) * (s->m + 2)), tiles = (double)count_tiles(c, s->m);
  double depth = (double)s->depth, cols = (double)round_up(s->cols, s->nr), u = depth * cols * points;
  if (u * 4 > (double)MAX_U_BYTES) return INFINITY;
  return tiles * u + COST_ELEMENT * tiles * points * (depth + cols) + COST_WEIGHT_BYTE * 4 * u;
}

/* m of the cheapest way, 0 for the direct one. */
static int64_t choose(const struct lr_conv *c, struct lr_winograd_weights s) {
  double u = 9 * (double)s.depth * (double)round_up(s.cols, s.nr);
  double best = u * (double)(c->y.n * c->y.h * c->y.w) + COST_WEIGHT_BYTE * 4 * u;
  int64_t m = 0;
  for (s.m = 2; s.m <= 4; s.m += 2) {
    double cost = cost_of(c, &s);
    if (cost >= MIN_GAIN * best) continue;
    best = cost;
    m = s.m;
  }
  return m;
}

/* ---- prepare ---- */
/* Groups that fit the cache; where there are not enough of them for the threads, these share the work of
 * each. */
static void choose_groups(struct lr_winograd *w, const struct lr_winograd_weights *s, int64_t mr,
                          int32_t threads) {
  int64_t u_bytes = w->points * lr_winograd_point(s) * 4, unit = round_up(COLS, s->nr), bytes = w->points * 4,
          group;
  w->col_block = min64(2 * unit, round_up(s->cols, s->nr));
  if (u_bytes > SMALL_WEIGHTS) {
    w->col_block = min64(unit, w->col_block);
    group = min64(LARGE_V / (bytes * s->depth), LARGE_M / (bytes * w->col_block));
  } else {
    group = GROUP_BYTES / (bytes * (s->depth + w->col_block));
    if (threads > 1) group = min64(group, max64(w->tiles / (4 * threads), 2 * mr));
  }
  group = min64(max64(group, MIN_GROUP), w->tiles);
  w->groups = lr_ceil_div(w->tiles, group);
  w->group = min64(round_up(lr_ceil_div(w->tiles, w->groups), mr), w->tiles);
  w->groups = lr_ceil_div(w->tiles, w->group);
  w->shared = threads > 1 && w->groups < 2 * threads;
  if (w->shared) w->col_block = min64(unit, w->col_block);
  w->col_blocks = lr_ceil_div(s->cols, w->col_block);
  w->v_stride = w->group * s->depth + PAD;
  w->m_stride = w->group * w->col_block + PAD;
}

static uint64_t floats(int64_t n) { return lr_align_up((uint64_t)n * sizeof(float), LR_ALIGN); }

static uint64_t set_scratch(struct lr_winograd *w) {
  w->m_at = w->shared ? 0 : floats(w->points * w->v_stride);
  w->buffer_at = w->m_at + floats(w->points * w->m_stride);
  w->tmp_at = w->buffer_at + (w->epilogue ? floats(RUN_PIXELS * w->col_block) : 0);
  return lr_align_up(w->tmp_at + (w->epilogue ? LR_EPILOGUE_TMP : 0), LR_ALIGN);
}

/* The input that the program adds before it only clamps, or -1. */
static int32_t find_residual(const struct lr_prepare *p, float *lo, float *hi) {
  const struct lr_program *program = &p->bind.node->program;
  const struct lr_view *y = &p->out[0];
  if (!program->n || y->dtype != LR_F32) return -1;
  const struct lr_instr *add = &program->instr[0];
  const struct lr_program rest = {program->n - 1, program->instr + 1};
  int32_t other = add->src[0] == LR_SRC_REG0, input = add->src[other] - LR_SRC_OPERAND0;
  if (add->op != LR_POST_ADD || add->dtype != LR_F32 || add->dst || add->src[!other] != LR_SRC_REG0 ||
      input < 0 || input >= LR_MAX_OPERANDS || !lr_program_is_clamp(&rest, lo, hi))
    return -1;
  input += p->bind.node->n_own;
  const struct lr_view *r = &p->in[input];
  bool same = r->rank == y->rank && r->stride[r->rank - 1] == 1;
  for (int32_t i = 0; i < y->rank && same; i++) same = r->dim[i] == y->dim[i];
  return same ? input : -1;
}

static lr_status choose_finish(struct lr_winograd *w, struct lr_conv *c, struct lr_prepare *p) {
  w->residual = find_residual(p, &w->lo, &w->hi);
  if (w->residual < 0) return lr_gemm_epilogue(p, LR_F32, &w->epilogue, &c->gemm.narrow, &w->lo, &w->hi);
  w->r = lr_image_of(&p->in[w->residual]);
  return LR_OK;
}

lr_status lr_conv_winograd_prepare(struct lr_conv *c, struct lr_prepare *p) {
  const struct lr_kernel *gemm = c->gemm.kernel;
  struct lr_winograd_weights s = {0, c->x.c, (int64_t)c->pack.cols, gemm->nr, gemm->kr};
  if (gemm->nr > LR_WINOGRAD_LANES || !lr_view_count(&p->out[0]) || !(s.m = choose(c, s))) return LR_OK;
  const void *u;
  lr_error ignored;
  struct lr_bind bind = p->bind;
  bind.error = &ignored;
  struct lr_packing how = {3, 1, (uint32_t)s.nr, (uint32_t)s.kr, (uint32_t)s.m};
  uint64_t bytes = (uint64_t)((s.m + 2) * (s.m + 2) * lr_winograd_point(&s)) * sizeof(float);
  lr_status status = lr_weights_get(&bind, 1, &how, bytes, lr_winograd_pack, &s, &u);
  if (status == LR_ERR_MEMORY) return LR_OK; /* the direct way's are smaller */
  if (status) return lr_prepare_fail(p, status, "%s", ignored.message);
  struct lr_winograd *w = lr_prepare_alloc(p, sizeof *w);
  if (!w) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  w->m = s.m;
  w->points = (s.m + 2) * (s.m + 2);
  w->th = lr_ceil_div(c->y.h, s.m);
  w->tw = lr_ceil_div(c->y.w, s.m);
  w->tiles = count_tiles(c, s.m);
  w->cols = s.cols;
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_winograd_in, &w->in));
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_winograd_out, &w->out));
  choose_groups(w, &s, gemm->mr, p->threads);
  w->zeros = lr_prepare_alloc(p, floats(w->col_block));
  if (!w->zeros) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  LR_TRY(choose_finish(w, c, p));
  c->gemm.thread_bytes = set_scratch(w);
  c->packed = u;
  c->winograd = w;
  p->kernel = s.m == 4 ? "winograd_4x4" : "winograd_2x2";
  return LR_OK;
}

uint64_t lr_conv_winograd_shared(const struct lr_conv *c) {
  const struct lr_winograd *w = c->winograd;
  return w && w->shared ? floats(w->points * w->v_stride) : 0;
}

/* ---- run ---- */
struct job {
  const struct lr_conv *c;
  const struct lr_winograd *w;
  const struct lr_run *run;
  const float *u, *bias;
  char *threads;
  float *v;             /* shared */
  int64_t first, tiles; /* of the shared group */
};

/* Output pixel at a tile's corner. */
static struct lr_pixel corner(const struct lr_winograd *w, int64_t tile) {
  struct lr_pixel t = lr_pixel_at(tile, w->th, w->tw);
  return (struct lr_pixel){t.n, t.h * w->m, t.w * w->m};
}

static void transform(const struct job *j, int64_t tile, float *v) {
  const struct lr_winograd *w = j->w;
  const struct lr_image *x = &j->c->x;
  struct lr_pixel at = corner(w, tile);
  const float *pixel[LR_WINOGRAD_POINTS], **to = pixel,
                                          *image = (const float *)j->run->in[0].data + at.n * x->n_stride;
  int64_t side = w->m + 2, top = at.h - j->c->axis[0].begin, left = at.w - j->c->axis[1].begin;
  for (int64_t h = top; h < top + side; h++)
    for (int64_t k = left; k < left + side; k++)
      *to++ = h >= 0 && h < x->h && k >= 0 && k < x->w ? image + h * x->h_stride + k * x->w_stride
                                                       : j->c->outside;
  ((lr_f32_winograd_in_fn *)w->in->fn)((size_t)w->m, (size_t)x->c, pixel, v, (size_t)w->v_stride);
}

/* Columns col..col + cols - 1 of M for n tiles. */
static void multiply(const struct job *j, int64_t n, int64_t col, int64_t cols, const float *v, float *to) {
  const struct lr_winograd *w = j->w;
  const struct lr_kernel *gemm = j->c->gemm.kernel;
  struct lr_winograd_weights s = {w->m, j->c->x.c, w->cols, gemm->nr, gemm->kr};
  const void *a[LR_WINOGRAD_LANES];
  for (int64_t i = 0; i < w->points; i++) {
    const float *u = j->u + i * lr_winograd_point(&s) + col / s.nr * lr_winograd_panel(&s),
                *from = v + i * w->v_stride;
    for (int64_t t = 0; t < n; t += gemm->mr) {
      for (int64_t r = 0; r < gemm->mr; r++) a[r] = from + min64(t + r, n - 1) * s.depth;
      ((lr_f32_gemm_fn *)gemm->fn)((size_t)min64(gemm->mr, n - t), (size_t)cols, 1, (size_t)s.depth, a, u,
                                   w->zeros, to + i * w->m_stride + t * cols, (size_t)cols, -INFINITY,
                                   INFINITY);
    }
  }
}

/* `n` neighbouring tiles of a row of tiles, from M to y or through the program. */
static void finish(const struct job *j, int64_t tile, int64_t n, int64_t col, int64_t cols, const float *m,
                   char *scratch) {
  const struct lr_winograd *w = j->w;
  const struct lr_image *y = &j->c->y;
  const struct lr_view *out = &j->run->out[0];
  struct lr_pixel at = corner(w, tile);
  int64_t rows = min64(w->m, y->h - at.h), pixels = min64(n * w->m, y->w - at.w);
  float *to = (float *)(void *)(scratch + w->buffer_at);
  struct lr_winograd_out o = {.bias = j->bias + col,
                              .v_stride = (size_t)w->m_stride,
                              .rows = (size_t)rows,
                              .row_stride = (size_t)(pixels * cols),
                              .col_stride = (size_t)cols,
                              .lo = w->lo,
                              .hi = w->hi};
  if (!w->epilogue) {
    to = (float *)out->data + at.n * y->n_stride + at.h * y->h_stride + at.w * y->w_stride + col;
    o.row_stride = (size_t)y->h_stride;
    o.col_stride = (size_t)y->w_stride;
  }
  if (w->residual >= 0) {
    o.add = (const float *)j->run->in[w->residual].data + at.n * w->r.n_stride + at.h * w->r.h_stride +
            at.w * w->r.w_stride + col;
    o.add_row_stride = (size_t)w->r.h_stride;
    o.add_col_stride = (size_t)w->r.w_stride;
  }
  for (int64_t t = 0; t < n; t++) {
    o.v = m + t * cols;
    o.y = to + t * w->m * (int64_t)o.col_stride;
    o.cols = (size_t)min64(w->m, pixels - t * w->m);
    ((lr_f32_winograd_out_fn *)w->out->fn)((size_t)w->m, (size_t)cols, &o);
    if (o.add) o.add += w->m * w->r.w_stride;
  }
  for (int64_t r = 0; w->epilogue && r < rows; r++)
    lr_epilogue(w->epilogue, j->run->in + j->run->node->n_own, to + r * pixels * cols, cols, out,
                (at.n * y->h + at.h + r) * y->w + at.w, pixels, col, cols, scratch + w->tmp_at);
}

/* One block of columns of n tiles. */
static void columns(const struct job *j, int64_t tile, int64_t n, int64_t block, const float *v,
                    char *scratch) {
  const struct lr_winograd *w = j->w;
  int64_t col = block * w->col_block, cols = min64(w->col_block, w->cols - col);
  float *m = (float *)(void *)(scratch + w->m_at);
  multiply(j, n, col, cols, v, m);
  for (int64_t t = 0, run; t < n; t += run) {
    run = min64(min64(n - t, w->tw - (tile + t) % w->tw), RUN_PIXELS / (w->m * w->m));
    finish(j, tile + t, run, col, cols, m + t * cols, scratch);
  }
}

static char *scratch_of(const struct job *j, int32_t thread) {
  return j->threads + (size_t)thread * j->c->gemm.thread_bytes;
}

static void whole_group(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  char *scratch = scratch_of(j, thread);
  float *v = (float *)(void *)scratch;
  int64_t tile = i * j->w->group, n = min64(j->w->group, j->w->tiles - tile);
  for (int64_t t = 0; t < n; t++) transform(j, tile + t, v + t * j->c->x.c);
  for (int64_t b = 0; b < j->w->col_blocks && !lr_stopped(); b++) columns(j, tile, n, b, v, scratch);
}

enum { TRANSFORMS = 4 }; /* of one call */
static void shared_transform(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  for (int64_t t = (int64_t)i * TRANSFORMS; t < min64(j->tiles, ((int64_t)i + 1) * TRANSFORMS); t++)
    transform(j, j->first + t, j->v + t * j->c->x.c);
}

static void shared_columns(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  columns(j, j->first, j->tiles, i, j->v, scratch_of(j, thread));
}

void lr_conv_winograd_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias) {
  const struct lr_winograd *w = c->winograd;
  struct job j = {
      .c = c, .w = w, .run = r, .u = packed, .bias = bias, .threads = (char *)r->scratch + c->threads_at};
  if (!w->shared) {
    lr_parallel(r->pool, (int32_t)w->groups, whole_group, &j);
    return;
  }
  j.v = (float *)(void *)((char *)r->scratch + c->shared_at);
  for (; j.first < w->tiles; j.first += w->group) {
    j.tiles = min64(w->group, w->tiles - j.first);
    lr_parallel(r->pool, (int32_t)lr_ceil_div(j.tiles, TRANSFORMS), shared_transform, &j);
    lr_parallel(r->pool, (int32_t)w->col_blocks, shared_columns, &j);
  }
}
