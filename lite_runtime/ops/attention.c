/* attention: y = softmax(scale q k^T + mask) v, without the S x T scores ever being in memory. A tile takes
 * ROWS rows of q of one problem (one matrix of the leading dims) through all of k and v, BLOCK rows of these
 * at a time: scores of mr rows by the GEMM kernel, their exponentials by the row kernel, those times v by the
 * GEMM kernel again. y's rows hold the sums, which are multiplied by what the row kernel says when a later
 * block has a larger score. Up to BLOCK rows of k this is the plain softmax.
 *
 * k and v are packed before, each matrix once, for as many problems at a time as GROUP_BYTES hold. */
#include <math.h>

#include "needs.h"
#include "gemm.h"

enum { ROWS = 48, COLS = 48, BLOCK = 12 * COLS, MAX_MR = 16 };
#define GROUP_BYTES ((int64_t)4 << 20)

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

struct operand {
  int64_t stride[LR_MAX_RANK]; /* of the leading dims in elements; 0 broadcasts */
  int64_t row, col;            /* of the last two */
};

struct step {
  lr_f32_gemm_fn *gemm;
  lr_f32_softmax_piece_fn *piece;
  lr_f32_vop_fn *vop;
  lr_f32_wsum_fn *wsum;
  int64_t mr, nr;
  int32_t rank;             /* of the leading dims */
  int64_t dim[LR_MAX_RANK]; /* of y */
  struct operand q, k, v, mask, y;
  int64_t problems, s, t, d, e;
  int64_t share;          /* neighbouring problems with the same k and v */
  int64_t block, blocks;  /* of rows of k */
  int64_t tiles;          /* of a problem */
  int64_t group;          /* pairs of k and v that are packed at a time */
  int64_t v_at, kv_bytes; /* v's place behind its k; one pair */
  struct lr_pack k_pack, v_pack;
  uint64_t zeros_at, zeros_bytes; /* a bias for every product */
  uint64_t threads_at, sums_at, thread_bytes;
};

/* ---- prepare ---- */
static void set_operand(struct operand *o, const struct lr_view *x, int32_t rank) {
  for (int32_t i = 0; i < rank + 2; i++) {
    int32_t at = i - (rank + 2 - x->rank);
    int64_t stride = at < 0 || x->dim[at] == 1 ? 0 : x->stride[at];
    *(i < rank ? &o->stride[i] : i == rank ? &o->row : &o->col) = stride;
  }
}

static void set_sizes(struct step *c, const struct lr_prepare *p, bool heads_last) {
  struct lr_view y = p->out[0];
  const struct lr_view *k = &p->in[1];
  c->rank = y.rank - 2;
  if (heads_last) {
    int64_t dim = y.dim[c->rank], stride = y.stride[c->rank];
    y.dim[c->rank] = y.dim[c->rank - 1];
    y.stride[c->rank] = y.stride[c->rank - 1];
    y.dim[c->rank - 1] = dim;
    y.stride[c->rank - 1] = stride;
  }
  set_operand(&c->q, &p->in[0], c->rank);
  set_operand(&c->k, k, c->rank);
  set_operand(&c->v, &p->in[2], c->rank);
  if (p->in[3].dtype) set_operand(&c->mask, &p->in[3], c->rank);
  set_operand(&c->y, &y, c->rank);
  memcpy(c->dim, y.dim, sizeof c->dim);
  c->s = y.dim[c->rank];
  c->e = y.dim[c->rank + 1];
  c->t = k->dim[k->rank - 2];
  c->d = k->dim[k->rank - 1];
  c->problems = c->share = 1;
  bool shared = true;
  for (int32_t i = c->rank - 1; i >= 0; i--) {
    c->problems *= c->dim[i];
    shared = shared && !c->k.stride[i] && !c->v.stride[i];
    if (shared) c->share *= c->dim[i];
  }
}

/* Blocks depend on shapes alone: sums must not depend on the threads. */
static void set_blocks(struct step *c) {
  int64_t n = max64(c->t, 1);
  c->blocks = (n + BLOCK - 1) / BLOCK;
  c->block = round_up((n + c->blocks - 1) / c->blocks, COLS);
  c->blocks = (n + c->block - 1) / c->block;
  c->tiles = (c->s + ROWS - 1) / ROWS;
  c->k_pack = (struct lr_pack){.type = LR_PACK_F32,
                               .nr = (uint32_t)c->nr,
                               .kr = 1,
                               .cols = (uint64_t)c->t,
                               .taps_h = 1,
                               .taps_w = 1,
                               .depth = (uint64_t)c->d,
                               .col_stride = c->k.row,
                               .k_stride = 1};
  c->v_pack = c->k_pack;
  c->v_pack.cols = (uint64_t)c->e;
  c->v_pack.depth = (uint64_t)c->t;
  c->v_pack.col_stride = 1;
  c->v_pack.k_stride = c->v.row;
  c->v_at = (int64_t)lr_align_up(lr_pack_bytes(&c->k_pack), LR_ALIGN);
  c->kv_bytes = c->v_at + (int64_t)lr_align_up(lr_pack_bytes(&c->v_pack), LR_ALIGN);
  c->group = min64(max64(GROUP_BYTES / max64(c->kv_bytes, 1), 1), max64(c->problems / max64(c->share, 1), 1));
  c->zeros_at = (uint64_t)(c->group * c->kv_bytes);
  c->zeros_bytes = (uint64_t)round_up(max64(c->block, c->e), c->nr) * sizeof(float);
  c->threads_at = lr_align_up(c->zeros_at + c->zeros_bytes, LR_ALIGN);
  int64_t width = max64(min64(c->block, round_up(n, c->nr)), 1);
  c->sums_at = lr_align_up((uint64_t)(c->mr * width) * sizeof(float), LR_ALIGN);
  c->thread_bytes =
      c->sums_at + (c->blocks > 1 ? lr_align_up((uint64_t)(c->mr * c->e) * sizeof(float), LR_ALIGN) : 0);
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_attention_attrs *a = p->bind.node->attrs;
  struct step *c = p->params = lr_prepare_alloc(p, sizeof *c);
  if (!c) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  const struct lr_kernel *gemm, *k;
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_gemm, &gemm));
  c->gemm = (lr_f32_gemm_fn *)gemm->fn;
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_softmax_piece, &k));
  c->piece = (lr_f32_softmax_piece_fn *)k->fn;
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_vop, &k));
  LR_TRY(lr_find_case(&p->bind, LR_POST_MUL));
  c->vop = (lr_f32_vop_fn *)k->fn;
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_wsum, &k));
  c->wsum = (lr_f32_wsum_fn *)k->fn;
  c->mr = gemm->mr;
  c->nr = gemm->nr;
  assert(c->mr <= MAX_MR && ROWS % c->mr == 0 && COLS % c->nr == 0 && gemm->kr == 1);
  p->kernel = gemm->name;
  set_sizes(c, p, a->y_layout == LR_ATTENTION_Y_LAYOUT_HEADS_LAST);
  set_blocks(c);
  p->scratch = c->threads_at + (uint64_t)p->threads * c->thread_bytes;
  return LR_OK;
}

/* ---- run ---- */
struct job {
  const struct step *c;
  const float *q, *k, *v, *mask;
  float *y;
  float scale;
  char *packed, *threads;
  const float *zeros;
  int64_t pair;  /* first of the group */
  int64_t first; /* of lr_parallel_wide */
};

/* Place of problem `index` in an operand. */
static int64_t place(const struct step *c, const struct operand *o, int64_t index) {
  int64_t at = 0;
  for (int32_t i = c->rank - 1; i >= 0; i--) {
    at += index % c->dim[i] * o->stride[i];
    index /= c->dim[i];
  }
  return at;
}

static int64_t block_rows(const struct step *c, int64_t block) {
  return min64(c->block, c->t - block * c->block);
}

/* Panels of a block of v: those of a matrix of its own, since a product reads panels of its whole depth. */
static char *v_block(const struct step *c, char *pair, int64_t block) {
  return pair + c->v_at +
         block * c->block * (int64_t)lr_pack_panels(&c->v_pack) * c->nr * (int64_t)sizeof(float);
}

/* Packs a block of k and v. */
static void pack(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  const struct step *c = j->c;
  int64_t at = j->first + i, block = at % c->blocks, problem = (j->pair + at / c->blocks) * c->share;
  char *pair = j->packed + at / c->blocks * c->kv_bytes;
  int64_t panel = block * c->block / c->nr, panels = (block_rows(c, block) + c->nr - 1) / c->nr;
  lr_pack_run(&c->k_pack, j->k + place(c, &c->k, problem), pair, (uint64_t)panel, (uint64_t)(panel + panels));
  struct lr_pack v = c->v_pack;
  v.depth = (uint64_t)block_rows(c, block);
  lr_pack_run(&v, j->v + place(c, &c->v, problem) + block * c->block * c->v.row, v_block(c, pair, block), 0,
              lr_pack_panels(&v));
}

struct rows { /* of q, at most mr */
  int64_t problem, row, n;
  char *pair;
  float *scores, *sums; /* of the thread */
  float *max, *sum;     /* n of each */
  float *y;
};

/* One block of k and v. */
static void attend(const struct job *j, const struct rows *r, int64_t block) {
  const struct step *c = j->c;
  const void *a[MAX_MR];
  int64_t cols = block_rows(c, block), stride = round_up(cols, c->nr);
  const float *q = j->q + place(c, &c->q, r->problem) + r->row * c->q.row;
  for (int64_t i = 0; i < c->mr; i++) a[i] = q + min64(i, r->n - 1) * c->q.row;
  size_t n = (size_t)r->n, e = (size_t)c->e;
  const char *k = r->pair + block * c->block / c->nr * (int64_t)lr_pack_panel_bytes(&c->k_pack);
  c->gemm(n, (size_t)cols, 1, (size_t)c->d, a, k, j->zeros, r->scores, (size_t)stride, -INFINITY, INFINITY);
  const float *mask = j->mask ? j->mask + place(c, &c->mask, r->problem) + r->row * c->mask.row +
                                    block * c->block * c->mask.col
                              : NULL;
  float factor[MAX_MR];
  for (int64_t i = 0; i < r->n; i++)
    factor[i] = c->piece((size_t)cols, j->scale, mask ? mask + i * c->mask.row : NULL, (size_t)c->mask.col,
                         r->scores + i * stride, &r->max[i], &r->sum[i]);
  for (int64_t i = 0; i < c->mr; i++) a[i] = r->scores + min64(i, r->n - 1) * stride;
  float *to = block ? r->sums : r->y;
  int64_t to_stride = block ? c->e : c->y.row;
  c->gemm(n, e, 1, (size_t)cols, a, v_block(c, r->pair, block), j->zeros, to, (size_t)to_stride, -INFINITY,
          INFINITY);
  for (int64_t i = 0; block && i < r->n; i++) {
    const float *both[] = {r->y + i * c->y.row, to + i * to_stride}, weight[] = {factor[i], 1};
    c->wsum(e, 2, both, weight, r->y + i * c->y.row);
  }
}

static void tile(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  const struct step *c = j->c;
  int64_t at = j->first + i, problem = j->pair * c->share + at / c->tiles, row = at % c->tiles * ROWS;
  int64_t n = min64(ROWS, c->s - row);
  float max[ROWS], sum[ROWS], *y = j->y + place(c, &c->y, problem) + row * c->y.row;
  char *scratch = j->threads + (size_t)thread * c->thread_bytes;
  struct rows r = {.problem = problem,
                   .pair = j->packed + at / c->tiles / c->share * c->kv_bytes,
                   .scores = (float *)(void *)scratch,
                   .sums = (float *)(void *)(scratch + c->sums_at)};
  for (int64_t k = 0; k < n; k++) max[k] = -INFINITY, sum[k] = 0;
  for (int64_t block = 0; block < c->blocks && !lr_stopped(); block++)
    for (int64_t k = 0; k < n; k += c->mr) {
      r.row = row + k;
      r.n = min64(c->mr, n - k);
      r.max = max + k;
      r.sum = sum + k;
      r.y = y + k * c->y.row;
      attend(j, &r, block);
    }
  for (int64_t k = 0; k < n; k++) {
    float inverse =
        1 / sum[k]; /* 0 when all scores are -inf: then y is 0 * inf, NaN like a softmax of that row */
    c->vop(LR_POST_MUL, (size_t)c->e, y + k * c->y.row, 1, &inverse, 0, NULL, 0, y + k * c->y.row);
  }
}

/* No row of k: sums of nothing. */
static void zero(const struct step *c, float *y) {
  for (int64_t i = 0; i < c->problems; i++)
    for (int64_t row = 0; row < c->s; row++)
      memset(y + place(c, &c->y, i) + row * c->y.row, 0, (size_t)c->e * sizeof *y);
}

static lr_status run(struct lr_run *r) {
  const struct lr_attention_attrs *a = r->node->attrs;
  const struct step *c = r->params;
  if (!c->t) {
    zero(c, r->out[0].data);
    return LR_OK;
  }
  struct job j = {.c = c,
                  .q = r->in[0].data,
                  .k = r->in[1].data,
                  .v = r->in[2].data,
                  .mask = r->in[3].data,
                  .y = r->out[0].data,
                  .scale = a->scale,
                  .packed = r->scratch,
                  .zeros = memset((char *)r->scratch + c->zeros_at, 0, (size_t)c->zeros_bytes),
                  .threads = (char *)r->scratch + c->threads_at};
  int64_t pairs = c->problems / c->share;
  for (; j.pair < pairs; j.pair += c->group) {
    int64_t n = min64(c->group, pairs - j.pair);
    lr_parallel_wide(r->pool, n * c->blocks, &j.first, pack, &j);
    lr_parallel_wide(r->pool, n * c->share * c->tiles, &j.first, tile, &j);
  }
  return LR_OK;
}

const struct lr_impl lr_cpu_attention = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT, .prepare = prepare, .run = run};
