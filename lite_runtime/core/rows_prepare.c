/* Post-op programs: binding to kernels, types and strides. */
#include "rows.h"

#include "needs.h"

#include "f16.h"

enum lr_signature lr_vop_signature(int32_t dtype) {
  static const uint8_t table[] = {
      [LR_F32] = LR_SIG_f32_vop, [LR_F16] = LR_SIG_f16_vop, [LR_F64] = LR_SIG_f64_vop,
      [LR_I8] = LR_SIG_i8_vop,   [LR_U8] = LR_SIG_u8_vop,   [LR_I16] = LR_SIG_i16_vop,
      [LR_U16] = LR_SIG_u16_vop, [LR_I32] = LR_SIG_i32_vop, [LR_U32] = LR_SIG_u32_vop,
      [LR_I64] = LR_SIG_i64_vop, [LR_U64] = LR_SIG_u64_vop, [LR_BOOL] = LR_SIG_bool_vop};
  return dtype > 0 && dtype <= LR_BOOL ? (enum lr_signature)table[dtype] : LR_SIG_NONE;
}

static uint64_t immediate(uint32_t word, int32_t dtype) {
  uint64_t y = 0;
  float f;
  memcpy(&f, &word, sizeof f);
  double d = f;
  uint16_t h = lr_f16_from_f32(f);
  switch (dtype) {
    case LR_F32:
      memcpy(&y, &f, sizeof f);
      break;
    case LR_F16:
      memcpy(&y, &h, sizeof h);
      break;
    case LR_F64:
      memcpy(&y, &d, sizeof d);
      break;
    case LR_BOOL:
      y = word != 0;
      break;
    default:
      y = (uint64_t)(int64_t)(int32_t)word; /* little endian: the low bytes come first */
  }
  return y;
}

/* Binds one instruction; reg: dtypes of the registers before and after it. */
static lr_status bind_instr(const struct lr_prepare *p, const struct lr_instr *in, int32_t first,
                            int32_t *reg, struct row_instr *r, const char **kernel) {
  struct lr_postop_info info = lr_postop_info(in->op);
  *r = (struct row_instr){.op = in->op, .dtype = in->dtype, .dst = in->dst, .divides = lr_instr_divides(in)};
  for (int32_t k = 0; k < info.arity; k++) {
    int32_t ref = in->src[k], dtype = lr_instr_src_dtype(in, k);
    if (!dtype)
      dtype = ref < LR_SRC_OPERAND0 ? reg[ref - LR_SRC_REG0] : p->in[first + ref - LR_SRC_OPERAND0].dtype;
    r->src[k] = (struct source){(uint8_t)ref, (uint8_t)lr_dtype_size(dtype), immediate(in->imm[k], dtype)};
    if (k == 0) r->from = (uint8_t)dtype;
  }
  reg[in->dst] = lr_instr_dst_dtype(in);
  r->dst_size = (uint8_t)lr_dtype_size(reg[in->dst]);
  enum lr_signature s = in->op == LR_POST_CAST       ? LR_SIG_vcast
                        : in->op == LR_POST_QUANTIZE ? LR_SIG_vquantize
                                                     : lr_vop_signature(in->dtype);
  if (in->op == LR_POST_CAST) {
    LR_TRY(lr_find_case(&p->bind, LR_CASE_CAST + r->from));
    LR_TRY(lr_find_case(&p->bind, LR_CASE_CAST + in->dtype));
  } else if (in->op != LR_POST_QUANTIZE) {
    LR_TRY(lr_find_case(&p->bind, in->op));
  }
  const struct lr_kernel *kn;
  LR_TRY(lr_find_kernel(&p->bind, s, &kn));
  r->fn = kn->fn;
  if (!*kernel) *kernel = kn->name;
  return LR_OK;
}

static lr_status bind_program(struct lr_prepare *p, int32_t acc_dtype, int32_t first, struct lr_rows *e) {
  const struct lr_program *g = &p->bind.node->program;
  int32_t reg[LR_REGISTERS] = {acc_dtype}, y_dtype = p->out[0].dtype;
  e->instr = lr_prepare_alloc(p, (size_t)(g->n + 1) * sizeof *e->instr);
  if (!e->instr) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its program");
  for (int32_t i = 0; i < g->n; i++)
    LR_TRY(bind_instr(p, &g->instr[i], first, reg, &e->instr[e->n++], &e->kernel));
  /* the last instruction must be the one that makes the result */
  if (g->n && g->instr[g->n - 1].dst == 0) return LR_OK;
  struct lr_instr last = {
      .op = reg[0] == y_dtype ? LR_POST_COPY : LR_POST_CAST, .dtype = (uint8_t)y_dtype, .src = {LR_SRC_REG0}};
  return bind_instr(p, &last, first, reg, &e->instr[e->n++], &e->kernel);
}

/* Strides of a view broadcast to y's dims. */
static void broadcast_strides(const struct lr_view *x, const struct lr_view *y, int64_t *stride) {
  for (int32_t i = 0; i < y->rank; i++) {
    int32_t k = i - (y->rank - x->rank);
    stride[i] = k < 0 || x->dim[k] == 1 ? 0 : x->stride[k];
  }
}

/* Cuts dims and strides (y's, then the operands') into rows. */
static void set_geometry(struct lr_rows *e, int32_t rank, int64_t *dim, int64_t (*stride)[LR_MAX_RANK],
                         bool keep_last) {
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
    for (int32_t k = 0; k < e->n_operands; k++)
      e->operand[k].outer[i] = stride[k + 1][i] * e->operand[k].size;
  }
  e->y_step = last_dim == 1 ? 1 : last[0];
  for (int32_t k = 0; k < e->n_operands; k++) e->operand[k].step = last_dim == 1 ? 1 : last[k + 1];
}

/* How an operand goes from one short row to the next. */
enum next_row { GOES_ON, AGAIN, JUMPS };
static enum next_row next_row(const struct lr_rows *e, const struct row_operand *o, int32_t at) {
  if (o->outer[at] == o->step * e->length * o->size && (o->step == 0 || o->step == 1)) return GOES_ON;
  return o->outer[at] == 0 && o->step == 1 ? AGAIN : JUMPS;
}

/* Short rows become one row, so that a kernel call has work for more than a few elements: operands that are
 * the same in each of them ([H W C] with [C]) repeat along it, others that do not just go on are gathered row
 * by row, which pays only for the shortest. */
static void join_short_rows(struct lr_rows *e) {
  enum { SHORT = 64, SHORTEST = 16 };
  int32_t at = e->rank - 1, repeats = 0;
  if (e->rank == 0 || e->length < 2 || e->length > SHORT) return;
  e->y_jumps = e->y_step != 1 || e->y_outer[at] != e->length * e->y_size;
  bool jumps = e->y_jumps;
  for (int32_t k = 0; k < e->n_operands; k++) {
    enum next_row next = next_row(e, &e->operand[k], at);
    repeats += next == AGAIN;
    jumps |= next == JUMPS;
  }
  jumps |= repeats > LR_MAX_REPEATS;
  if (jumps && e->length > SHORTEST) {
    e->y_jumps = false;
    return;
  }
  e->y_jump = e->y_outer[at];
  for (int32_t k = 0, place = 0; k < e->n_operands; k++) {
    struct row_operand *o = &e->operand[k];
    enum next_row next = next_row(e, o, at);
    if (next == GOES_ON) continue;
    o->repeat = next == AGAIN && place < LR_MAX_REPEATS ? ++place : 0;
    o->jumps = !o->repeat;
    o->jump = o->outer[at];
  }
  if (repeats || jumps) e->period = e->length;
  e->count /= e->dim[at];
  e->length *= e->dim[at];
  e->rank--;
}

/* Operands that are the same for each row of an epilogue may repeat when several whole rows are done at once. */
static void mark_repeats(struct lr_rows *e) {
  if (e->rank == 0 || e->length < 2 || e->length > LR_EPILOGUE_CHUNK / 2) return;
  for (int32_t k = 0, place = 0; k < e->n_operands; k++)
    if (next_row(e, &e->operand[k], e->rank - 1) == AGAIN && place < LR_MAX_REPEATS)
      e->operand[k].repeat = ++place;
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
  e->period = 1;
  set_geometry(e, y->rank, dim, stride, keep_last);
  if (keep_last)
    mark_repeats(e);
  else if (e->count)
    join_short_rows(e);
  e->direct = e->n == 1 && e->y_step == 1 && e->period == 1;
  for (int32_t k = 0; k < e->n_operands; k++) e->direct &= e->operand[k].step == 0 || e->operand[k].step == 1;
  *rows = e;
  return LR_OK;
}

lr_status lr_epilogue_prepare(struct lr_prepare *p, int32_t acc_dtype, const struct lr_rows **e) {
  return lr_rows_prepare(p, acc_dtype, p->bind.node->n_own, true, e);
}

int64_t lr_rows_count(const struct lr_rows *e) { return e->count; }
int64_t lr_rows_length(const struct lr_rows *e) { return e->length; }
int64_t lr_rows_period(const struct lr_rows *e) { return e->period; }
bool lr_rows_direct(const struct lr_rows *e) { return e->direct; }
const char *lr_rows_kernel(const struct lr_rows *e) { return e->kernel; }
