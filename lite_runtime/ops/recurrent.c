/* recurrent: LSTM, GRU and RNN layers in one direction. The inputs' shares of all steps come from one matmul before. Here
 * each step is a product of the state with packed weights, every gate with panels of its own, so that a unit of work
 * (some rows of the batch, some units of the layer) has all gates of its units and updates them at once. The cut into
 * units depends on shapes alone. */
#include <math.h>

#include "needs.h"
#include "gemm.h"
#include "move.h"
#include "recurrent.h"

enum { MAX_MR = 16 };
/* Multiply-adds of a unit of work, at least: some 10 us, far above what handing it to a thread costs. */
#define UNIT_WORK ((int64_t)1 << 18)

/* ---- bind: packs r when it is constant ---- */
struct weights { /* how r is packed: gate by gate; `packed` is NULL when each run must do it */
  const struct lr_kernel *kernel;
  struct lr_pack pack; /* of one gate */
  int64_t gates, from_bytes, gate_bytes;
  const void *packed;
};

static lr_status weights_of(const struct lr_bind *b, int64_t gates, int64_t h, int32_t dtype,
                            struct weights *weights) {
  struct weights w = {.gates = gates};
  LR_TRY(lr_find_kernel(b, lr_is_int8(dtype) ? LR_SIG_qu8_gemm : LR_SIG_f32_gemm, &w.kernel));
  w.pack = (struct lr_pack){.type = lr_gemm_pack_type(dtype),
                            .nr = (uint32_t)w.kernel->nr,
                            .kr = (uint32_t)w.kernel->kr,
                            .cols = (uint64_t)h,
                            .taps_h = 1,
                            .taps_w = 1,
                            .depth = (uint64_t)h,
                            .col_stride = h,
                            .k_stride = 1};
  w.from_bytes = h * h * (int64_t)lr_dtype_size(dtype);
  w.gate_bytes = (int64_t)lr_pack_bytes(&w.pack);
  *weights = w;
  return LR_OK;
}

static void pack_gates(const void *user, const void *dense, void *packed) {
  const struct weights *w = user;
  for (int64_t g = 0; g < w->gates; g++)
    lr_pack_run(&w->pack, (const char *)dense + g * w->from_bytes, (char *)packed + g * w->gate_bytes, 0,
                lr_pack_panels(&w->pack));
}

static lr_status bind(struct lr_bind *b) {
  const struct lr_recurrent_attrs *a = b->node->attrs;
  const struct lr_graph_tensor *r = &b->graph->tensors[b->node->in[R]];
  if (r->lifetime != LR_LIFE_CONST) return LR_OK; /* its declared sizes are hints */
  struct weights w;
  LR_TRY(weights_of(b, lr_gates_of(a->cell), r->type.dim[1], r->type.dtype, &w));
  struct lr_packing how = {1, 1, w.pack.nr, w.pack.kr, (uint32_t)w.gates};
  const void *packed = NULL;
  LR_TRY(lr_weights_get(b, R, &how, (uint64_t)(w.gates * w.gate_bytes), pack_gates, &w, &packed));
  *b->slot = (void *)packed;
  return LR_OK;
}

/* ---- prepare ---- */
struct step {
  struct weights w;
  lr_f32_gemm_fn *gemm;
  lr_qu8_gemm_fn *int8; /* NULL: r is a float */
  lr_vquantize_fn *quantise;
  lr_f32_vop_fn *vop;
  int64_t steps, batch, h;
  int64_t mr, chunk, chunks; /* rows and units of the layer in a unit of work */
  int64_t tiles;             /* units of work in a step */
  uint64_t bias_bytes;       /* of one gate */
  uint64_t packed_at, bias_at, states_at, state_bytes, q_at, threads_at, thread_bytes;
};

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_recurrent_attrs *a = p->bind.node->attrs;
  struct step *c = p->params = lr_prepare_alloc(p, sizeof *c);
  if (!c) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  c->h = p->in[R].dim[1];
  struct weights *w = &c->w;
  const struct lr_kernel *k;
  LR_TRY(weights_of(&p->bind, lr_gates_of(a->cell), c->h, p->in[R].dtype, w));
  w->packed = *p->bind.slot;
  if (lr_is_int8(p->in[R].dtype)) {
    c->int8 = (lr_qu8_gemm_fn *)w->kernel->fn;
    LR_TRY(lr_find_kernel(&p->bind, LR_SIG_vquantize, &k));
    c->quantise = (lr_vquantize_fn *)k->fn;
  } else {
    c->gemm = (lr_f32_gemm_fn *)w->kernel->fn;
  }
  LR_TRY(lr_find_kernel(&p->bind, LR_SIG_f32_vop, &k));
  const int32_t posts[] = {LR_POST_ADD,
                           LR_POST_SUB,
                           LR_POST_MUL,
                           LR_POST_CLIP,
                           lr_recurrent_post(a->f),
                           lr_recurrent_post(a->g),
                           lr_recurrent_post(a->h)};
  for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) LR_TRY(lr_find_case(&p->bind, posts[i]));
  c->vop = (lr_f32_vop_fn *)k->fn;
  p->kernel = w->kernel->name;
  c->mr = w->kernel->mr;
  assert(c->mr > 0 && c->mr <= MAX_MR);
  c->steps = p->in[X].dim[0];
  c->batch = p->in[X].dim[1];
  int64_t rows = c->batch < c->mr ? c->batch : c->mr, nr = w->kernel->nr;
  int64_t column = (rows ? rows : 1) * w->gates * c->h, n = (UNIT_WORK + column - 1) / column;
  c->chunk = n >= c->h ? c->h : (n + nr - 1) / nr * nr;
  if (c->chunk > c->h) c->chunk = c->h;
  c->chunks = (c->h + c->chunk - 1) / c->chunk;
  c->tiles = (c->batch + c->mr - 1) / c->mr * c->chunks;
  c->bias_bytes = lr_pack_panels(&w->pack) * w->pack.nr * sizeof(float);
  c->bias_at = w->packed ? 0 : lr_align_up((uint64_t)(w->gates * w->gate_bytes), LR_ALIGN);
  c->states_at = lr_align_up(c->bias_at + (uint64_t)w->gates * c->bias_bytes, LR_ALIGN);
  c->state_bytes = lr_align_up((uint64_t)(c->batch * c->h) * sizeof(float), LR_ALIGN);
  c->q_at = c->states_at + 4 * c->state_bytes;
  c->threads_at = c->q_at + (c->int8 ? lr_align_up((uint64_t)(c->batch * c->h), LR_ALIGN) : 0);
  c->thread_bytes = lr_align_up((uint64_t)(c->mr * w->gates * c->chunk) * sizeof(float), LR_ALIGN);
  p->scratch = c->threads_at + (uint64_t)p->threads * c->thread_bytes;
  return LR_OK;
}

/* ---- run ---- */
struct job {
  const struct step *c;
  const struct weights *w;
  const struct lr_recurrent_attrs *a;
  const float *x, *p;
  const char *packed, *bias;
  const int32_t *lengths; /* NULL: all are c->steps */
  struct lr_int8_weights int8;
  struct lr_int8_state state; /* of this step, where c->int8 */
  float *y, *cell;            /* cell: NULL unless lstm */
  float *h, *next, *z, *reset_h;
  char *threads;
  int64_t k;     /* number of the step */
  int64_t first; /* of lr_parallel_wide */
};

struct block { /* rows row..row+rows-1, units col..col+n-1 */
  int64_t row, rows, col, n;
  float *gate; /* of the thread */
};

static struct block block_at(const struct job *j, int64_t i, int32_t thread) {
  const struct step *c = j->c;
  struct block b = {.row = i / c->chunks * c->mr, .col = i % c->chunks * c->chunk};
  b.rows = c->batch - b.row < c->mr ? c->batch - b.row : c->mr;
  b.n = c->h - b.col < c->chunk ? c->h - b.col : c->chunk;
  b.gate = (float *)(void *)(j->threads + (size_t)thread * c->thread_bytes);
  return b;
}

/* The same as multiply, of the quantised states with all gates. */
static void multiply_int8(const struct job *j, const struct block *b) {
  const struct step *c = j->c;
  const void *a[MAX_MR];
  for (int64_t i = 0; i < c->mr; i++) a[i] = j->state.q + (b->row + (i < b->rows ? i : b->rows - 1)) * c->h;
  int64_t panel = b->col / (int64_t)j->w->pack.nr * (int64_t)lr_pack_panel_bytes(&j->w->pack);
  for (int64_t g = 0; g < j->w->gates; g++) {
    struct lr_int8_weights w = j->int8;
    w.panels = j->packed + g * j->w->gate_bytes;
    c->int8((size_t)b->rows, (size_t)b->n, 1, (size_t)c->h, a, w.panels + panel,
            (const int32_t *)(const void *)j->bias, (int32_t *)(void *)(b->gate + g * b->n),
            (size_t)(j->w->gates * b->n));
    for (int64_t i = 0; i < b->rows; i++)
      lr_int8_real(&w, &j->state, b->row + i, g, b->col, b->n, b->gate + (i * j->w->gates + g) * b->n);
  }
}

/* Products of the block's rows of `state` with gates first..last-1. */
static void multiply(const struct job *j, const struct block *b, const float *state, int64_t first,
                     int64_t last) {
  const struct step *c = j->c;
  const void *a[MAX_MR];
  for (int64_t i = 0; i < c->mr; i++) a[i] = state + (b->row + (i < b->rows ? i : b->rows - 1)) * c->h;
  int64_t panel = b->col / (int64_t)j->w->pack.nr * (int64_t)lr_pack_panel_bytes(&j->w->pack);
  for (int64_t g = first; g < last; g++) {
    const char *bias = j->bias + (size_t)g * c->bias_bytes + (size_t)b->col * sizeof(float);
    c->gemm((size_t)b->rows, (size_t)b->n, 1, (size_t)c->h, a, j->packed + g * j->w->gate_bytes + panel,
            (const float *)(const void *)bias, b->gate + (g - first) * b->n, (size_t)((last - first) * b->n),
            -INFINITY, INFINITY);
  }
}

/* Which step row `row` of the batch is at, -1 past its end. */
static int64_t time_of(const struct job *j, int64_t row) {
  int64_t n = j->lengths ? j->lengths[row] : j->c->steps;
  return j->k >= n ? -1 : j->a->reverse ? n - 1 - j->k : j->k;
}

/* Lets cell() work on each row of the block, `gates` of them computed; rows past their end keep their states. write_y: the
 * states are those of the step's end. */
static void cells(const struct job *j, const struct block *b, int64_t gates,
                  void (*cell)(const struct lr_cell_piece *u), bool write_y) {
  const struct step *c = j->c;
  for (int64_t i = 0; i < b->rows; i++) {
    int64_t row = b->row + i, t = time_of(j, row), at = row * c->h + b->col;
    if (t < 0) {
      memcpy(j->next + at, j->h + at, (size_t)b->n * sizeof(float));
      continue;
    }
    cell(&(struct lr_cell_piece){.attrs = j->a,
                                 .vop = c->vop,
                                 .n = (size_t)b->n,
                                 .gate = b->gate + i * gates * b->n,
                                 .x = j->x + (t * c->batch + row) * j->w->gates * c->h + b->col,
                                 .x_step = (size_t)c->h,
                                 .h = j->h + at,
                                 .c = j->cell ? j->cell + at : NULL,
                                 .p = j->p ? j->p + b->col : NULL,
                                 .next = j->next + at,
                                 .z = j->z + at,
                                 .reset_h = j->reset_h + at});
    if (write_y)
      memcpy(j->y + (t * c->batch + row) * c->h + b->col, j->next + at, (size_t)b->n * sizeof(float));
  }
}

static void whole(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  struct block b = block_at(j, j->first + i, thread);
  if (j->c->int8)
    multiply_int8(j, &b);
  else
    multiply(j, &b, j->h, 0, j->w->gates);
  cells(j, &b, j->w->gates,
        j->a->cell == LR_RECURRENT_CELL_LSTM  ? lr_cell_lstm
        : j->a->cell == LR_RECURRENT_CELL_GRU ? lr_cell_gru_linear
                                              : lr_cell_rnn,
        true);
}

static void gru_gates(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  struct block b = block_at(j, j->first + i, thread);
  multiply(j, &b, j->h, 0, 2);
  cells(j, &b, 2, lr_cell_gru_gates, false);
}

static void gru_state(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  struct block b = block_at(j, j->first + i, thread);
  multiply(j, &b, j->reset_h, 2, 3);
  cells(j, &b, 1, lr_cell_gru_state, true);
}

static lr_status check_lengths(const struct lr_run *r, const struct step *c, const int32_t *lengths) {
  for (int64_t i = 0; lengths && i < c->batch; i++)
    if (lengths[i] < 0 || lengths[i] > c->steps)
      return lr_run_fail(r, LR_ERR_VALUE, "lengths[%lld] is %d; it must be 0 to %lld, the number of steps",
                         (long long)i, lengths[i], (long long)c->steps);
  return LR_OK;
}

/* The initial state `from`, or zeros. */
static void start(float *to, const float *from, int64_t n) {
  if (from)
    memcpy(to, from, (size_t)n * sizeof *to);
  else
    memset(to, 0, (size_t)n * sizeof *to);
}

static void set_weights(struct job *j, struct lr_run *r) {
  const struct step *c = j->c;
  const struct weights *w = j->w;
  const float *b = r->in[B].data;
  char *bias = (char *)r->scratch + c->bias_at;
  for (int64_t g = 0; g < w->gates; g++)
    if (c->int8)
      memset(bias + (size_t)g * c->bias_bytes, 0, (size_t)c->bias_bytes);
    else
      lr_gemm_bias(bias + (size_t)g * c->bias_bytes, &w->pack, b ? b + g * c->h : NULL, LR_F32, NULL, 0, 0);
  j->bias = bias;
  j->int8 = (struct lr_int8_weights){
      .pack = &w->pack, .scale = r->in[R_SCALE].data, .bias = r->in[B].data, .zero = r->in[R_ZERO].data};
  j->state.q = (uint8_t *)r->scratch + c->q_at;
  j->packed = w->packed;
  if (j->packed) return;
  lr_gemm_pack(r->pool, &w->pack, w->gates, r->in[R].data, lr_gemm_pack_evenly, &w->from_bytes, r->scratch,
               w->gate_bytes);
  j->packed = r->scratch;
}

/* States of rows of length 0: zeros whatever the initial states, as in onnxruntime; ONNX's text does not say. */
static void clear_empty(const struct job *j) {
  size_t bytes = (size_t)j->c->h * sizeof(float);
  for (int64_t i = 0; j->lengths && i < j->c->batch; i++) {
    if (j->lengths[i]) continue;
    memset(j->h + i * j->c->h, 0, bytes);
    if (j->cell) memset(j->cell + i * j->c->h, 0, bytes);
  }
}

static lr_status run(struct lr_run *r) {
  const struct step *c = r->params;
  const struct lr_recurrent_attrs *a = r->node->attrs;
  int64_t n = c->batch * c->h;
  char *states = (char *)r->scratch + c->states_at;
  struct job j = {.c = c,
                  .w = &c->w,
                  .a = a,
                  .x = r->in[X].data,
                  .p = r->in[P].data,
                  .lengths = r->in[LENGTHS].data,
                  .y = r->out[0].data,
                  .h = (float *)(void *)states,
                  .next = (float *)(void *)(states + c->state_bytes),
                  .z = (float *)(void *)(states + 2 * c->state_bytes),
                  .reset_h = (float *)(void *)(states + 3 * c->state_bytes),
                  .threads = (char *)r->scratch + c->threads_at};
  LR_TRY(check_lengths(r, c, j.lengths));
  start(j.h, r->in[H0].data, n);
  if (a->cell == LR_RECURRENT_CELL_LSTM) start(j.cell = r->out[2].data, r->in[C0].data, n);
  if (j.lengths) lr_copy_bytes(j.y, NULL, (size_t)(c->steps * n) * sizeof(float));
  bool two_phases = a->cell == LR_RECURRENT_CELL_GRU && !a->linear_before_reset;
  if (two_phases)
    memset(j.reset_h, 0, (size_t)c->state_bytes); /* of rows past their end it is not set, but multiplied */
  if (c->steps) set_weights(&j, r);
  for (; j.k < c->steps && !lr_stopped(); j.k++) {
    if (c->int8) lr_int8_quantise(c->quantise, j.h, n, &j.state);
    lr_parallel_wide(r->pool, c->tiles, &j.first, two_phases ? gru_gates : whole, &j);
    if (two_phases) lr_parallel_wide(r->pool, c->tiles, &j.first, gru_state, &j);
    float *h = j.h;
    j.h = j.next;
    j.next = h;
  }
  clear_empty(&j);
  memcpy(r->out[1].data, j.h, (size_t)n * sizeof(float));
  return LR_OK;
}

const struct lr_impl lr_cpu_recurrent = {.bind = bind, .prepare = prepare, .run = run};
