/* elementwise: a post-op program over broadcast inputs. */
#include <stdatomic.h>

#include "program.h"

lr_status lr_infer_elementwise(struct lr_infer *c) {
  c->out[0].rank = 0;
  return lr_program_infer(c, 0, &c->out[0]);
}

struct params {
  const struct lr_rows *rows;
  int64_t tile_rows, tile_cols; /* one of them is the whole */
  int64_t row_tiles, col_tiles;
};

/* Elements of a tile: enough work for a thread to be worth waking, and so many that an int32_t counts the
 * tiles of the largest tensor. */
enum { GRAIN = 16384 };

static lr_status prepare(struct lr_prepare *p) {
  struct params *q = p->params = lr_prepare_alloc(p, sizeof *q);
  if (!q) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its parameters");
  LR_TRY(lr_rows_prepare(p, 0, 0, false, &q->rows));
  int64_t count = lr_rows_count(q->rows), length = lr_rows_length(q->rows);
  int64_t grain = GRAIN / (p->bind.node->program.n < 4 ? p->bind.node->program.n : 4);
  grain += (lr_rows_period(q->rows) - grain % lr_rows_period(q->rows)) % lr_rows_period(q->rows);
  q->tile_cols = length > 2 * grain ? grain : length;
  q->tile_rows = q->tile_cols < length || length == 0 ? 1 : (grain + length - 1) / length;
  q->row_tiles = (count + q->tile_rows - 1) / q->tile_rows;
  q->col_tiles = length ? (length + q->tile_cols - 1) / q->tile_cols : 0;
  p->scratch = lr_rows_direct(q->rows) ? 0 : (size_t)p->threads * LR_EPILOGUE_TMP;
  p->kernel = lr_rows_kernel(q->rows);
  return LR_OK;
}

struct job {
  const struct lr_run *r;
  const struct params *q;
  atomic_int by_zero;
};

static void run_tile(void *context, int32_t i, int32_t thread) {
  struct job *j = context;
  const struct params *q = j->q;
  int64_t row = i / q->col_tiles * q->tile_rows, col = i % q->col_tiles * q->tile_cols;
  int64_t rows = lr_rows_count(q->rows) - row, cols = lr_rows_length(q->rows) - col;
  if (rows > q->tile_rows) rows = q->tile_rows;
  if (cols > q->tile_cols) cols = q->tile_cols;
  char *tmp = j->r->scratch ? (char *)j->r->scratch + (size_t)thread * LR_EPILOGUE_TMP : NULL;
  if (!lr_rows_run(q->rows, j->r->in, NULL, 0, j->r->out, row, rows, col, cols, tmp))
    atomic_store(&j->by_zero, 1);
}

static lr_status run(struct lr_run *r) {
  const struct params *q = r->params;
  struct job j = {.r = r, .q = q};
  lr_parallel(r->pool, (int32_t)(q->row_tiles * q->col_tiles), run_tile, &j);
  if (atomic_load(&j.by_zero))
    return lr_run_fail(r, LR_ERR_VALUE,
                       "it divides an integer by zero; the divisor is a tensor that holds a 0");
  return LR_OK;
}

const struct lr_impl lr_cpu_elementwise = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT | LR_IMPL_INPLACE, .prepare = prepare, .run = run};
