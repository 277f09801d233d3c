/* Post-op programs: running them over rows, in chunks that stay in the L1 cache. */
#include "rows.h"

/* Where everything is for one row. */
struct row_state {
  const struct lr_rows *e;
  const char *operand[LR_MAX_OPERANDS];
  char *y;
  int64_t period;                      /* elements after which operands repeat along a row; 1: they do not */
  char *repeated[LR_MAX_REPEATS];      /* LR_EPILOGUE_CHUNK elements each */
  const char *repeats[LR_MAX_REPEATS]; /* what they repeat now, */
  int64_t filled[LR_MAX_REPEATS];      /* and how often: elements that are there */
  int64_t index[LR_MAX_OUTER];
};

/* Moves from row 0 to `row`. */
static void seek(struct row_state *s, int64_t row) {
  const struct lr_rows *e = s->e;
  for (int32_t i = e->rank - 1; i >= 0; i--) {
    s->index[i] = row % e->dim[i];
    row /= e->dim[i];
    s->y += s->index[i] * e->y_outer[i];
    for (int32_t k = 0; k < e->n_operands; k++) s->operand[k] += s->index[i] * e->operand[k].outer[i];
  }
}

/* Moves on by k rows, not beyond the last dim's end. */
static void skip_rows(struct row_state *s, int64_t k) {
  const struct lr_rows *e = s->e;
  for (int32_t i = e->rank - 1; i >= 0; i--, k = 1) {
    int64_t back = (s->index[i] += k) < e->dim[i] ? 0 : e->dim[i];
    s->y += (k - back) * e->y_outer[i];
    for (int32_t j = 0; j < e->n_operands; j++) s->operand[j] += (k - back) * e->operand[j].outer[i];
    if (!back) return;
    s->index[i] = 0;
  }
}

/* n elements of a row being computed: a buffer for each register, one more because an instruction may not
 * overwrite a source of another size, and one for each source that is gathered. */
struct chunk {
  const char *reg[LR_REGISTERS]; /* where registers are now */
  char *buffer[LR_REGISTERS];
  char *spare;
  char *gathered;
};

static void chunk_init(struct chunk *c, char *tmp) {
  enum { BYTES = LR_EPILOGUE_CHUNK * 8 };
  for (int32_t i = 0; i < LR_REGISTERS; i++) c->reg[i] = c->buffer[i] = tmp + (size_t)i * BYTES;
  c->spare = tmp + (size_t)LR_REGISTERS * BYTES;
  c->gathered = c->spare + BYTES;
}

static const void *find_source(const struct row_state *s, const struct chunk *c, const struct row_instr *in,
                               int32_t k, int64_t col, int64_t n, size_t *step) {
  const struct source *src = &in->src[k];
  *step = 0;
  if (src->ref == LR_SRC_NONE) return NULL;
  if (src->ref == LR_SRC_IMM) return &src->imm;
  *step = 1;
  if (src->ref < LR_SRC_OPERAND0) return c->reg[src->ref - LR_SRC_REG0];
  const struct row_operand *o = &s->e->operand[src->ref - LR_SRC_OPERAND0];
  const char *x = s->operand[src->ref - LR_SRC_OPERAND0];
  if (o->repeat && s->period > 1) return s->repeated[o->repeat - 1];
  if (!o->jumps && (o->step == 0 || o->step == 1)) {
    *step = (size_t)o->step;
    return x + col * o->step * src->size;
  }
  void *to = c->gathered + (size_t)k * LR_EPILOGUE_CHUNK * 8;
  if (o->jumps) {
    int64_t period = s->e->period;
    lr_gather(src->size, n / period, period, x + col / period * o->jump, o->jump, o->step, to);
  } else {
    lr_gather(src->size, 1, n, x + col * o->step * src->size, 0, o->step, to);
  }
  return to;
}

static bool has_zero(const char *p, size_t step, size_t size, int64_t n) {
  static const uint64_t zero = 0;
  for (int64_t i = 0; i < (step ? n : 1); i++)
    if (!memcmp(p + (size_t)i * size, &zero, size)) return true;
  return false;
}

/* One instruction over n elements from column col into y. */
static bool step(const struct row_state *s, const struct chunk *c, const struct row_instr *in, int64_t col,
                 int64_t n, void *y) {
  const void *x[3];
  size_t st[3];
  for (int32_t k = 0; k < 3; k++) x[k] = find_source(s, c, in, k, col, n, &st[k]);
  if (in->divides && has_zero(x[1], st[1], in->src[1].size, n)) return false;
  if (in->op == LR_POST_CAST)
    ((lr_vcast_fn *)in->fn)(in->from, in->dtype, (size_t)n, x[0], st[0], y);
  else if (in->op == LR_POST_QUANTIZE)
    ((lr_vquantize_fn *)in->fn)(in->dtype, (size_t)n, x[0], st[0], x[1], st[1], x[2], st[2], y);
  else
    ((lr_vop_fn *)in->fn)(in->op, (size_t)n, x[0], st[0], x[1], st[1], x[2], st[2], y);
  return true;
}

/* A register's buffer, or the spare one when the instruction reads the register as elements of another size.
 */
static char *take_buffer(struct chunk *c, const struct row_instr *in) {
  for (int32_t k = 0; k < 3; k++)
    if (in->src[k].ref == LR_SRC_REG0 + in->dst && in->src[k].size != in->dst_size) {
      char *b = c->spare;
      c->spare = c->buffer[in->dst];
      return c->buffer[in->dst] = b;
    }
  return c->buffer[in->dst];
}

static bool run_chunk(const struct row_state *s, struct chunk *c, const char *acc, int64_t col, int64_t n) {
  const struct lr_rows *e = s->e;
  bool scatter = e->y_step != 1 || e->y_jumps;
  int64_t rows = e->y_jumps ? n / e->period : 1;
  char *y = s->y + (e->y_jumps ? col / e->period * e->y_jump : col * e->y_step * e->y_size);
  if (acc) c->reg[0] = acc;
  for (int32_t i = 0; i < e->n; i++) {
    const struct row_instr *in = &e->instr[i];
    bool last = i == e->n - 1;
    char *to = last && !scatter ? y : take_buffer(c, in);
    if (!step(s, c, in, col, n, to)) return false;
    c->reg[in->dst] = to;
    if (last && scatter) lr_scatter((size_t)e->y_size, rows, n / rows, to, y, e->y_jump, e->y_step);
  }
  return true;
}

/* Fills the buffers of operands that repeat along the row, where they are not the ones of the row before. */
static void repeat_operands(struct row_state *s, int64_t chunk) {
  for (int32_t k = 0; k < s->e->n_operands; k++) {
    const struct row_operand *o = &s->e->operand[k];
    int32_t i = o->repeat - 1;
    if (i < 0 || (s->repeats[i] == s->operand[k] && s->filled[i] >= chunk)) continue;
    s->repeats[i] = s->operand[k];
    s->filled[i] = chunk;
    size_t bytes = (size_t)(s->period * o->size), all = (size_t)(chunk * o->size);
    for (size_t at = 0; at < all; at += bytes)
      memcpy(s->repeated[i] + at, s->operand[k], all - at < bytes ? all - at : bytes);
  }
}

/* Columns that are done at once: a whole number of periods. */
static int64_t chunk_size(const struct row_state *s, int64_t n) {
  int64_t most = s->e->direct && s->period == 1 ? n : LR_EPILOGUE_CHUNK / s->period * s->period;
  return n < most ? n : most;
}

/* Are rows of n elements neighbours everywhere, so that several of them are one long row? Of operands that are the same
 * for each of them, *period says so. */
static bool joins_rows(const struct lr_rows *e, bool acc, int64_t acc_stride, int64_t n, int64_t *period) {
  int32_t at = e->rank - 1;
  int64_t repeats = 1;
  if (at < 0 || n != e->length || (acc && acc_stride != n) || e->period > 1 || e->y_step != 1 ||
      e->y_outer[at] != n * e->y_size)
    return false;
  for (int32_t k = 0; k < e->n_operands; k++) {
    const struct row_operand *o = &e->operand[k];
    if (o->repeat)
      repeats = n;
    else if (o->step > 1 || o->step < 0 || o->outer[at] != o->step * n * o->size)
      return false;
  }
  *period = repeats;
  return true;
}

bool lr_rows_run(const struct lr_rows *e, const struct lr_view *operands, const void *acc, int64_t acc_stride,
                 const struct lr_view *y, int64_t row, int64_t rows, int64_t col, int64_t n, void *tmp) {
  if (rows <= 0 || n <= 0) return true;
  struct chunk c;
  if (e->direct)
    memset(&c, 0, sizeof c);
  else
    chunk_init(&c, tmp);
  struct row_state s = {.e = e, .y = y->data, .period = e->period};
  for (int32_t k = 0; k < e->n_operands; k++) s.operand[k] = operands[k].data;
  seek(&s, row);
  const char *a = acc;
  bool join = joins_rows(e, acc != NULL, acc_stride, n, &s.period);
  for (int32_t i = 0; i < LR_MAX_REPEATS && s.period > 1; i++)
    s.repeated[i] = (char *)tmp + (size_t)(LR_REGISTERS + 4 + i) * LR_EPILOGUE_CHUNK * 8;
  for (int64_t r = 0, k; r < rows; r += k) { /* k rows at once */
    k = join ? e->dim[e->rank - 1] - s.index[e->rank - 1] : 1;
    if (k > rows - r) k = rows - r;
    int64_t chunk = chunk_size(&s, k * n);
    if (s.period > 1) repeat_operands(&s, chunk);
    for (int64_t at = 0, m; at < k * n; at += m) {
      m = k * n - at < chunk ? k * n - at : chunk;
      if (!run_chunk(&s, &c, a ? a + (r * acc_stride + at) * e->acc_size : NULL, col + at, m)) return false;
    }
    if (r + k < rows) skip_rows(&s, k);
  }
  return true;
}

void lr_epilogue(const struct lr_rows *e, const struct lr_view *operands, const void *acc, int64_t acc_stride,
                 const struct lr_view *y, int64_t row, int64_t rows, int64_t col, int64_t n, void *tmp) {
  lr_rows_run(e, operands, acc, acc_stride, y, row, rows, col, n, tmp); /* never divides: infer saw to it */
}
