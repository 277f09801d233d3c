/* Post-op programs over rows: binding to kernels in prepare, running in tiles that stay in the L1 cache. */
#include "program.h"

#include "../../kernels_generic/f16.h"
#include "kernels.h"

enum { MAX_OUTER = LR_MAX_RANK };

struct source {
  uint8_t ref;    /* LR_SRC_* */
  uint8_t size;   /* bytes of an element */
  uint64_t imm;   /* the immediate as an element */
};
struct row_instr {
  void (*fn)(void);
  uint8_t op, dtype, dst, dst_size;
  uint8_t from;    /* cast: dtype of the source */
  bool divides;
  struct source src[3];
};
struct row_operand {
  int64_t outer[MAX_OUTER]; /* bytes */
  int64_t step;             /* elements along the row: 0, 1, or else it is gathered */
  int32_t size;
};
struct lr_rows {
  int32_t n, n_operands, rank;
  struct row_instr *instr;
  struct row_operand *operand;
  int64_t dim[MAX_OUTER], y_outer[MAX_OUTER]; /* y: bytes */
  int64_t count, length, y_step;
  int32_t y_size, acc_size;
  bool direct; /* one instruction, nothing to gather: rows may be of any length */
  const char *kernel;
};

/* ---- binding ---- */
static enum lr_signature vop_signature(int32_t dtype) {
  static const uint8_t table[] = {
      [LR_F32] = LR_SIG_f32_vop, [LR_F16] = LR_SIG_f16_vop, [LR_F64] = LR_SIG_f64_vop, [LR_I8] = LR_SIG_i8_vop,
      [LR_U8] = LR_SIG_u8_vop,   [LR_I16] = LR_SIG_i16_vop, [LR_U16] = LR_SIG_u16_vop, [LR_I32] = LR_SIG_i32_vop,
      [LR_U32] = LR_SIG_u32_vop, [LR_I64] = LR_SIG_i64_vop, [LR_U64] = LR_SIG_u64_vop, [LR_BOOL] = LR_SIG_bool_vop};
  return dtype > 0 && dtype <= LR_BOOL ? (enum lr_signature)table[dtype] : LR_SIG_NONE;
}

static uint64_t immediate(uint32_t word, int32_t dtype) {
  uint64_t y = 0;
  float f;
  memcpy(&f, &word, sizeof f);
  double d = f;
  uint16_t h = lr_f16_from_f32(f);
  switch (dtype) {
    case LR_F32: memcpy(&y, &f, sizeof f); break;
    case LR_F16: memcpy(&y, &h, sizeof h); break;
    case LR_F64: memcpy(&y, &d, sizeof d); break;
    case LR_BOOL: y = word != 0; break;
    default: y = (uint64_t)(int64_t)(int32_t)word; /* little endian: the low bytes come first */
  }
  return y;
}

/* Binds one instruction; reg: dtypes of the registers before and after it. */
static bool bind_instr(const struct lr_prepare *p, const struct lr_instr *in, int32_t first, int32_t *reg,
                       struct row_instr *r, const char **kernel) {
  struct lr_postop_info info = lr_postop_info(in->op);
  *r = (struct row_instr){.op = in->op, .dtype = in->dtype, .dst = in->dst, .divides = lr_instr_divides(in)};
  for (int32_t k = 0; k < info.arity; k++) {
    int32_t ref = in->src[k], dtype = lr_instr_src_dtype(in, k);
    if (!dtype) dtype = ref < LR_SRC_OPERAND0 ? reg[ref - LR_SRC_REG0] : p->in[first + ref - LR_SRC_OPERAND0].dtype;
    r->src[k] = (struct source){(uint8_t)ref, (uint8_t)lr_dtype_size(dtype), immediate(in->imm[k], dtype)};
    if (k == 0) r->from = (uint8_t)dtype;
  }
  reg[in->dst] = lr_instr_dst_dtype(in);
  r->dst_size = (uint8_t)lr_dtype_size(reg[in->dst]);
  enum lr_signature s = in->op == LR_POST_CAST ? LR_SIG_vcast
                      : in->op == LR_POST_QUANTIZE ? LR_SIG_vquantize : vop_signature(in->dtype);
  const struct lr_kernel *kn = lr_kernel_find(s, p->bind.model->cpu);
  if (!kn || !kn->fn) return false;
  r->fn = kn->fn;
  if (!*kernel) *kernel = kn->name;
  return true;
}

static lr_status bind_program(struct lr_prepare *p, int32_t acc_dtype, int32_t first, struct lr_rows *e) {
  const struct lr_program *g = &p->bind.node->program;
  int32_t reg[LR_REGISTERS] = {acc_dtype}, y_dtype = p->out[0].dtype;
  e->instr = lr_prepare_alloc(p, (size_t)(g->n + 1) * sizeof *e->instr);
  if (!e->instr) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its program");
  for (int32_t i = 0; i < g->n; i++)
    if (!bind_instr(p, &g->instr[i], first, reg, &e->instr[e->n++], &e->kernel))
      return lr_prepare_fail(p, LR_ERR_UNSUPPORTED, "this build has no kernel for %s of %s",
                             lr_postop_info(g->instr[i].op).name, lr_dtype_name(g->instr[i].dtype));
  /* the last instruction must be the one that makes the result */
  if (g->n && g->instr[g->n - 1].dst == 0) return LR_OK;
  struct lr_instr last = {.op = reg[0] == y_dtype ? LR_POST_COPY : LR_POST_CAST, .dtype = (uint8_t)y_dtype,
                          .src = {LR_SRC_REG0}};
  if (!bind_instr(p, &last, first, reg, &e->instr[e->n++], &e->kernel))
    return lr_prepare_fail(p, LR_ERR_UNSUPPORTED, "this build cannot store %s", lr_dtype_name(y_dtype));
  return LR_OK;
}

/* Strides of a view broadcast to y's dims. */
static void broadcast_strides(const struct lr_view *x, const struct lr_view *y, int64_t *stride) {
  for (int32_t i = 0; i < y->rank; i++) {
    int32_t k = i - (y->rank - x->rank);
    stride[i] = k < 0 || x->dim[k] == 1 ? 0 : x->stride[k];
  }
}

/* Cuts dims and strides (y's, then the operands') into rows. */
static void set_geometry(struct lr_rows *e, int32_t rank, int64_t *dim, int64_t (*stride)[LR_MAX_RANK], bool keep_last) {
  int32_t n = e->n_operands + 1;
  int64_t last_dim = 1, last[LR_MAX_OPERANDS + 1] = {0};
  if (!keep_last) rank = lr_collapse(rank, dim, NULL, n, stride);
  if (rank) {
    last_dim = dim[--rank];
    for (int32_t k = 0; k < n; k++) last[k] = stride[k][rank];
  }
  if (keep_last) rank = lr_collapse(rank, dim, NULL, n, stride);
  e->rank = rank;
  e->length = last_dim;
  e->count = 1;
  for (int32_t i = 0; i < rank; i++) {
    e->dim[i] = dim[i];
    e->count *= dim[i];
    e->y_outer[i] = stride[0][i] * e->y_size;
    for (int32_t k = 0; k < e->n_operands; k++) e->operand[k].outer[i] = stride[k + 1][i] * e->operand[k].size;
  }
  e->y_step = last_dim == 1 ? 1 : last[0];
  for (int32_t k = 0; k < e->n_operands; k++) e->operand[k].step = last_dim == 1 ? 1 : last[k + 1];
}

lr_status lr_rows_prepare(struct lr_prepare *p, int32_t acc_dtype, int32_t first_operand, bool keep_last,
                          const struct lr_rows **rows) {
  const struct lr_view *y = &p->out[0];
  int64_t dim[LR_MAX_RANK], stride[LR_MAX_OPERANDS + 1][LR_MAX_RANK];
  struct lr_rows *e = lr_prepare_alloc(p, sizeof *e);
  if (!e) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its program");
  e->n_operands = p->n_in > first_operand ? p->n_in - first_operand : 0;
  assert(e->n_operands <= LR_MAX_OPERANDS);
  e->operand = lr_prepare_alloc(p, (size_t)(e->n_operands + 1) * sizeof *e->operand);
  if (!e->operand) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its program");
  e->y_size = (int32_t)lr_dtype_size(y->dtype);
  e->acc_size = (int32_t)lr_dtype_size(acc_dtype);
  LR_TRY(bind_program(p, acc_dtype, first_operand, e));
  memcpy(dim, y->dim, sizeof dim);
  memcpy(stride[0], y->stride, sizeof stride[0]);
  for (int32_t k = 0; k < e->n_operands; k++) {
    const struct lr_view *x = &p->in[first_operand + k];
    e->operand[k].size = (int32_t)lr_dtype_size(x->dtype);
    broadcast_strides(x, y, stride[k + 1]);
  }
  set_geometry(e, y->rank, dim, stride, keep_last);
  e->direct = e->n == 1 && e->y_step == 1;
  for (int32_t k = 0; k < e->n_operands; k++) e->direct &= e->operand[k].step == 0 || e->operand[k].step == 1;
  *rows = e;
  return LR_OK;
}

lr_status lr_epilogue_prepare(struct lr_prepare *p, int32_t acc_dtype, const struct lr_rows **e) {
  return lr_rows_prepare(p, acc_dtype, p->bind.node->n_own, true, e);
}

int64_t lr_rows_count(const struct lr_rows *e) { return e->count; }
int64_t lr_rows_length(const struct lr_rows *e) { return e->length; }
bool lr_rows_direct(const struct lr_rows *e) { return e->direct; }
const char *lr_rows_kernel(const struct lr_rows *e) { return e->kernel; }

/* ---- running ---- */
/* Where everything is for one row. */
struct row_state {
  const struct lr_rows *e;
  const char *operand[LR_MAX_OPERANDS];
  char *y;
  int64_t index[MAX_OUTER];
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

static void next_row(struct row_state *s) {
  const struct lr_rows *e = s->e;
  for (int32_t i = e->rank - 1; i >= 0; i--) {
    int64_t back = ++s->index[i] < e->dim[i] ? 0 : e->dim[i];
    s->y += e->y_outer[i] - back * e->y_outer[i];
    for (int32_t k = 0; k < e->n_operands; k++)
      s->operand[k] += e->operand[k].outer[i] - back * e->operand[k].outer[i];
    if (!back) return;
    s->index[i] = 0;
  }
}

/* n elements of a row being computed: a buffer for each register, one more because an instruction may not overwrite a source
 * of another size, and one for each source that is gathered. */
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

static const void *find_source(const struct row_state *s, const struct chunk *c, const struct row_instr *in, int32_t k,
                               int64_t col, int64_t n, size_t *step) {
  const struct source *src = &in->src[k];
  *step = 0;
  if (src->ref == LR_SRC_NONE) return NULL;
  if (src->ref == LR_SRC_IMM) return &src->imm;
  *step = 1;
  if (src->ref < LR_SRC_OPERAND0) return c->reg[src->ref - LR_SRC_REG0];
  int32_t operand = src->ref - LR_SRC_OPERAND0;
  int64_t stride = s->e->operand[operand].step;
  const char *x = s->operand[operand] + col * stride * src->size;
  *step = stride != 0;
  if (stride == 0 || stride == 1) return x;
  void *to = c->gathered + (size_t)k * LR_EPILOGUE_CHUNK * 8;
  lr_gather(src->size, n, x, stride, to);
  return to;
}

static bool has_zero(const char *p, size_t step, size_t size, int64_t n) {
  static const uint64_t zero = 0;
  for (int64_t i = 0; i < (step ? n : 1); i++)
    if (!memcmp(p + (size_t)i * size, &zero, size)) return true;
  return false;
}

/* One instruction over n elements from column col into y. */
static bool step(const struct row_state *s, const struct chunk *c, const struct row_instr *in, int64_t col, int64_t n,
                 void *y) {
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

/* A register's buffer, or the spare one when the instruction reads the register as elements of another size. */
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
  char *y = s->y + col * e->y_step * e->y_size;
  if (acc) c->reg[0] = acc;
  for (int32_t i = 0; i < e->n; i++) {
    const struct row_instr *in = &e->instr[i];
    bool last = i == e->n - 1;
    char *to = last && e->y_step == 1 ? y : take_buffer(c, in);
    if (!step(s, c, in, col, n, to)) return false;
    c->reg[in->dst] = to;
    if (last && e->y_step != 1) lr_scatter((size_t)e->y_size, n, to, y, e->y_step);
  }
  return true;
}

bool lr_rows_run(const struct lr_rows *e, const struct lr_view *operands, const void *acc, int64_t acc_stride,
                 const struct lr_view *y, int64_t row, int64_t rows, int64_t col, int64_t n, void *tmp) {
  if (rows <= 0 || n <= 0) return true;
  struct row_state s = {.e = e, .y = y->data};
  for (int32_t k = 0; k < e->n_operands; k++) s.operand[k] = operands[k].data;
  seek(&s, row);
  struct chunk c;
  if (e->direct) memset(&c, 0, sizeof c);
  else chunk_init(&c, tmp);
  const char *a = acc;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t at = 0, m; at < n; at += m) {
      m = e->direct || n - at < LR_EPILOGUE_CHUNK ? n - at : LR_EPILOGUE_CHUNK;
      if (!run_chunk(&s, &c, a ? a + (r * acc_stride + at) * e->acc_size : NULL, col + at, m)) return false;
    }
    if (r + 1 < rows) next_row(&s);
  }
  return true;
}

void lr_epilogue(const struct lr_rows *e, const struct lr_view *operands, const void *acc, int64_t acc_stride,
                 const struct lr_view *y, int64_t row, int64_t rows, int64_t col, int64_t n, void *tmp) {
  lr_rows_run(e, operands, acc, acc_stride, y, row, rows, col, n, tmp); /* never divides: infer saw to it */
}
