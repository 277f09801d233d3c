#include "gemm.h"

#include <math.h>

#include "f16.h"

/* What a tile works on should stay in the second-level cache: weights, which all tiles of the same columns
 * share; accumulators in the first level; pointers (bytes). */
enum {
  WEIGHTS_BYTES = 256 * 1024,
  ACC_BYTES = 32 * 1024,
  POINTER_BYTES = 32 * 1024,
  MAX_ROWS = 512,
  COLS = 48, /* columns are cut at multiples of this many: kernels take several panels at once */
  TILES_A_THREAD = 4
};
/* Multiply-adds: a tile has no more rows than it takes for MAX_WORK, and is not cut for more threads below
 * MIN_WORK, some 20 microseconds of a fast core. */
#define MAX_WORK ((int64_t)4 << 20)
#define MIN_WORK ((int64_t)1 << 20)

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

enum lr_signature lr_gemm_signature(int32_t x_dtype, bool depthwise) {
  switch (x_dtype) {
    case LR_F32:
      return depthwise ? LR_SIG_f32_dwconv : LR_SIG_f32_gemm;
    case LR_F16:
      return depthwise ? LR_SIG_f16_dwconv : LR_SIG_f16_gemm;
    case LR_I8:
      return depthwise ? LR_SIG_qs8_dwconv : LR_SIG_qs8_gemm;
    case LR_U8:
      return depthwise ? LR_SIG_qu8_dwconv : LR_SIG_qu8_gemm;
    default:
      return LR_SIG_NONE;
  }
}

int64_t lr_view_row(const struct lr_view *v, int64_t row) {
  int64_t at = 0;
  for (int32_t i = v->rank - 2; i >= 0; i--) {
    at += row % v->dim[i] * v->stride[i];
    row /= v->dim[i];
  }
  return at;
}

/* ---- prepare ---- */
lr_status lr_gemm_epilogue(struct lr_prepare *p, int32_t x_dtype, const struct lr_rows **e, bool *narrow,
                           float *lo, float *hi) {
  const struct lr_program *program = &p->bind.node->program;
  bool clamp = lr_program_is_clamp(program, lo, hi) && !lr_is_int8(x_dtype);
  *e = NULL;
  *narrow = false;
  if (clamp && p->out[0].dtype == LR_F32) return LR_OK;
  /* in f16 only the empty program can be had by clamping, and then the epilogue just converts */
  if (!clamp || program->n) *lo = -INFINITY, *hi = INFINITY;
  *narrow = x_dtype == LR_F16 && program->n;
  return lr_epilogue_prepare(p, lr_is_int8(x_dtype) ? LR_I32 : *narrow ? LR_F16 : LR_F32, e);
}

static int64_t panel_bytes(const struct lr_gemm *g, int64_t ks) {
  int64_t weights = ks * round_up(g->kc, g->kernel->kr) * g->kernel->nr;
  return lr_is_int8(g->x_dtype) ? weights + 4 * g->kernel->nr : 4 * weights;
}

/* Blocks depend on the number of threads, but no result depends on blocks: a kernel computes each element by
 * itself. */
static void choose_blocks(struct lr_gemm *g, int32_t threads) {
  int64_t mr = g->kernel->mr, nr = g->kernel->nr, cols = round_up(max64(g->cols, 1), nr);
  int64_t ks = max64(g->ks, 1), rows = round_up(max64(g->rows, 1), mr), unit = round_up(COLS, nr);
  int64_t depth = ks * max64(g->kc, 1), panels = max64(WEIGHTS_BYTES / max64(panel_bytes(g, ks), 1), 1);
  int64_t most = g->epilogue ? min64(panels * nr, ACC_BYTES / 4 / mr) : panels * nr;
  g->col_block = min64(max64(most / unit * unit, unit), cols);
  g->row_block = min64(MAX_ROWS, POINTER_BYTES / (int64_t)sizeof(void *) / ks);
  g->row_block = min64(g->row_block, MAX_WORK / g->col_block / depth);
  if (g->epilogue) g->row_block = min64(g->row_block, ACC_BYTES / 4 / g->col_block);
  g->row_block = min64(max64(g->row_block / mr * mr, mr), rows);
  for (;;) {
    g->row_blocks = (rows + g->row_block - 1) / g->row_block;
    g->col_blocks = (cols + g->col_block - 1) / g->col_block;
    if (threads == 1 || g->problems * g->row_blocks * g->col_blocks >= TILES_A_THREAD * (int64_t)threads ||
        g->row_block * g->col_block * depth < 2 * MIN_WORK)
      break;
    if (g->row_block > mr && (g->row_block >= 4 * mr || g->col_block <= unit))
      g->row_block = round_up(g->row_block / 2, mr);
    else if (g->col_block > unit)
      g->col_block = round_up(g->col_block / 2, unit);
    else
      break;
  }
}

lr_status lr_gemm_prepare(struct lr_gemm *g, struct lr_prepare *p) {
  LR_TRY(lr_gemm_epilogue(p, g->x_dtype, &g->epilogue, &g->narrow, &g->lo, &g->hi));
  if (!g->epilogue && !g->even_rows) LR_TRY(lr_epilogue_prepare(p, LR_F32, &g->epilogue));
  choose_blocks(g, p->threads);
  uint64_t rows = (uint64_t)g->row_block;
  g->sums_at = lr_align_up(rows * (uint64_t)max64(g->ks, 1) * sizeof(void *), LR_ALIGN);
  g->acc_at = lr_align_up(g->sums_at + (g->w_zero ? rows * sizeof(int32_t) : 0), LR_ALIGN);
  g->tmp_at = g->acc_at + (g->epilogue ? lr_align_up(rows * (uint64_t)g->col_block * 4, LR_ALIGN) : 0);
  g->thread_bytes = lr_align_up(g->tmp_at + (g->epilogue ? LR_EPILOGUE_TMP : 0), LR_ALIGN);
  p->kernel = g->kernel->name;
  return LR_OK;
}

/* ---- run ---- */
void lr_gemm_narrow(void *acc, int64_t n) {
  for (int64_t i = 0; i < n; i++) { /* forwards: each result lies before what is still to be read */
    float f;
    memcpy(&f, (char *)acc + i * 4, sizeof f);
    uint16_t h = lr_f16_from_f32(f);
    memcpy((char *)acc + i * 2, &h, sizeof h);
  }
}

static void call_kernel(const struct lr_gemm *g, int64_t rows, int64_t cols, const struct lr_gemm_problem *p,
                        const void *const *a, const void *w, int64_t col, void *y, int64_t y_stride) {
  const void *bias = (const char *)p->bias + col * 4;
  size_t r = (size_t)rows, n = (size_t)cols, ks = (size_t)p->ks, kc = (size_t)g->kc,
         stride = (size_t)y_stride;
  if (lr_is_int8(g->x_dtype))
    ((lr_qs8_gemm_fn *)g->kernel->fn)(r, n, ks, kc, a, w, bias, y, stride);
  else
    ((lr_f32_gemm_fn *)g->kernel->fn)(r, n, ks, kc, a, w, bias, y, stride, g->lo, g->hi);
}

/* sums[i * step] = w_zero times the sum of row i over all taps. */
static void row_sums(const struct lr_gemm *g, int64_t ks, int64_t n, const void *const *a, int32_t *sums) {
  int64_t mr = g->kernel->mr;
  for (int64_t i = 0; i < n; i++) {
    uint32_t sum = 0;
    for (int64_t s = 0; s < ks; s++) {
      const void *x = a[(i / mr * ks + s) * mr + i % mr];
      for (int64_t k = 0; k < g->kc; k++)
        sum += g->x_dtype == LR_U8 ? ((const uint8_t *)x)[k] : (uint32_t)(int32_t)((const int8_t *)x)[k];
    }
    sums[i * g->step] = (int32_t)(sum * (uint32_t)g->w_zero);
  }
}

struct block {                  /* a tile */
  int64_t row, rows, col, cols; /* in the problem */
  char *scratch;
  void *out;      /* y, or accumulators */
  int64_t stride; /* of its rows */
};

/* Computes rows p->row, p->row + step, ... of the tile. */
static void multiply(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, const struct block *b) {
  const struct lr_gemm *g = r->gemm;
  int64_t mr = g->kernel->mr, n = (b->row + b->rows - p->row + g->step - 1) / g->step;
  const void **a = (const void **)(void *)b->scratch;
  const char *w = (const char *)p->w + b->col / g->kernel->nr * panel_bytes(g, p->ks);
  char *out = (char *)b->out + (p->row - b->row) * b->stride * 4;
  r->point(r, p, n, a);
  for (int64_t k = n; k % mr; k++) /* rows that only fill the last group up */
    for (int64_t s = 0; s < p->ks; s++) {
      const void **group = a + (k / mr * p->ks + s) * mr;
      group[k % mr] = group[(n - 1) % mr];
    }
  if (g->w_zero) row_sums(g, p->ks, n, a, (int32_t *)(void *)(b->scratch + g->sums_at) + (p->row - b->row));
  for (int64_t k = 0; k < n; k += mr)
    call_kernel(g, min64(mr, n - k), b->cols, p, a + k * p->ks, w, b->col, out + k * g->step * b->stride * 4,
                g->step * b->stride);
}

/* Runs the program over a tile of accumulators, for each run of neighbouring rows of y. */
static void finish(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, const struct block *b) {
  const struct lr_gemm *g = r->gemm;
  const int32_t *sums = (const int32_t *)(void *)(b->scratch + g->sums_at);
  if (g->w_zero)
    for (int64_t i = 0; i < b->rows; i++) {
      uint32_t *row = (uint32_t *)b->out + i * b->stride;
      for (int64_t j = 0; j < b->cols; j++) row[j] -= (uint32_t)sums[i];
    }
  if (g->narrow) lr_gemm_narrow(b->out, b->rows * b->stride);
  int64_t size = g->narrow ? 2 : 4;
  for (int64_t i = 0; i < b->rows;) {
    int64_t y_row = r->y_row(r, p, b->row + i), n = 1;
    while (i + n < b->rows && r->y_row(r, p, b->row + i + n) == y_row + n) n++;
    lr_epilogue(g->epilogue, r->run->in + r->run->node->n_own, (char *)b->out + i * b->stride * size,
                b->stride, &r->run->out[0], y_row, n, p->col + b->col, b->cols, b->scratch + g->tmp_at);
    i += n;
  }
}

/* All of a tile, whose row, rows, col and scratch are set; p: its problem. */
static void compute(const struct lr_gemm_run *r, struct lr_gemm_problem *p, struct block *b) {
  const struct lr_gemm *g = r->gemm;
  const struct lr_view *y = &r->run->out[0];
  b->cols = min64(g->col_block, g->cols - b->col);
  b->out = g->epilogue ? b->scratch + g->acc_at
                       : (char *)y->data + (lr_view_row(y, r->y_row(r, p, b->row)) + p->col + b->col) * 4;
  b->stride = g->epilogue ? b->cols : g->y_stride;
  multiply(r, p, b);
  for (int64_t k = 1; k < g->step && k < b->rows; k++) {
    p->row = b->row + k;
    r->problem(r, p);
    multiply(r, p, b);
  }
  if (g->epilogue) finish(r, p, b);
}

static void tile(void *context, int32_t i, int32_t thread) {
  const struct lr_gemm_run *r = context;
  const struct lr_gemm *g = r->gemm;
  int64_t at = r->first + i;
  struct block b = {.row = at % g->row_blocks * g->row_block, /* rows first: the weights stay in the cache */
                    .col = at / g->row_blocks % g->col_blocks * g->col_block,
                    .scratch = r->threads + (size_t)thread * g->thread_bytes};
  struct lr_gemm_problem p = {.index = at / (g->row_blocks * g->col_blocks), .row = b.row};
  r->problem(r, &p);
  if (b.row >= p.rows) return; /* a smaller problem than the largest */
  b.rows = min64(g->row_block, p.rows - b.row);
  compute(r, &p, &b);
}

void lr_gemm_rows(const struct lr_gemm_run *r, int64_t row, int64_t rows, char *scratch) {
  const struct lr_gemm *g = r->gemm;
  for (int64_t col = 0; col < g->cols; col += g->col_block)
    for (int64_t i = 0; i < rows; i += g->row_block) {
      struct block b = {
          .row = row + i, .rows = min64(g->row_block, rows - i), .col = col, .scratch = scratch};
      struct lr_gemm_problem p = {.row = b.row};
      r->problem(r, &p);
      compute(r, &p, &b);
    }
}

void lr_gemm_execute(struct lr_gemm_run *r) {
  const struct lr_gemm *g = r->gemm;
  if (g->rows <= 0 || g->cols <= 0) return;
  lr_parallel_wide(r->run->pool, g->problems * g->row_blocks * g->col_blocks, &r->first, tile, r);
}

void lr_parallel_wide(struct lr_pool *pool, int64_t n, int64_t *first, void (*body)(void *, int32_t, int32_t),
                      void *context) {
  for (*first = 0; *first < n; *first += INT32_MAX)
    lr_parallel(pool, (int32_t)min64(n - *first, INT32_MAX), body, context);
}

/* ---- packing ---- */
void lr_gemm_bias(void *bias, const struct lr_pack *k, const void *b, int32_t b_dtype, const void *panels,
                  int32_t x_zero, int32_t w_zero) {
  bool floats = k->type == LR_PACK_F32 || k->type == LR_PACK_F16;
  uint64_t depth = k->taps_h * k->taps_w * k->depth;
  for (uint64_t j = 0; j < lr_pack_panels(k) * k->nr; j++) {
    if (j % 65536 == 65535 && lr_stopped()) return;
    bool there = b && j < k->cols;
    if (floats) {
      float f = !there              ? 0
                : b_dtype == LR_F16 ? lr_f16_to_f32(((const uint16_t *)b)[j])
                                    : ((const float *)b)[j];
      ((float *)bias)[j] = f;
    } else {
      const int32_t *sums =
          (const int32_t *)(const void *)((const char *)panels + j / k->nr * lr_pack_panel_bytes(k));
      uint32_t v = there ? (uint32_t)((const int32_t *)b)[j] : 0;
      v -= (uint32_t)x_zero * ((uint32_t)sums[j % k->nr] - (uint32_t)depth * (uint32_t)w_zero);
      ((int32_t *)bias)[j] = (int32_t)v;
    }
  }
}

struct pack {
  const struct lr_pack *k;
  const char *from;
  int64_t (*at)(const void *user, int64_t m);
  const void *user;
  char *to;
  int64_t to_step, blocks, first;
  uint64_t panels; /* of one call */
};
enum { PACK_PANELS = 8, PACK_BYTES = 1 << 20 };

static void pack_some(void *context, int32_t i, int32_t thread) {
  const struct pack *p = context;
  int64_t m = (p->first + i) / p->blocks;
  uint64_t panel = (uint64_t)((p->first + i) % p->blocks) * p->panels, panels = lr_pack_panels(p->k);
  lr_pack_run(p->k, p->from + p->at(p->user, m), p->to + m * p->to_step, panel,
              panel + p->panels < panels ? panel + p->panels : panels);
}

int64_t lr_gemm_pack_evenly(const void *user, int64_t m) { return m * *(const int64_t *)user; }

void lr_gemm_pack(struct lr_pool *pool, const struct lr_pack *k, int64_t n, const void *from,
                  int64_t (*at)(const void *user, int64_t m), const void *user, void *to, int64_t to_step) {
  uint64_t few = PACK_BYTES / (lr_pack_panel_bytes(k) + 1) + 1,
           panels = few < PACK_PANELS ? few : PACK_PANELS;
  int64_t blocks = (int64_t)((lr_pack_panels(k) + panels - 1) / panels);
  struct pack p = {k, from, at, user, to, to_step, blocks, 0, panels};
  lr_parallel_wide(pool, n * p.blocks, &p.first, pack_some, &p);
}
