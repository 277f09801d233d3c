/* Post-op programs: decoding, typing, broadcasting. spec/postops.py has the encoding. */
#include "program.h"

#include "needs.h"

#include <math.h>

struct lr_postop_info lr_postop_info(int32_t op) {
  static const struct lr_postop_info table[LR_POST_LIMIT] = {
#define X(code, name, arity, dtypes, is_bool) [code] = {dtypes, arity, is_bool},
      LR_POSTOPS(X)
#undef X
  };
  return op < 0 || op >= LR_POST_LIMIT ? table[0] : table[op];
}

int32_t lr_instr_src_dtype(const struct lr_instr *in, int32_t k) {
  switch (in->op) {
    case LR_POST_CAST:
      return 0;
    case LR_POST_SELECT:
      return k == 0 ? LR_BOOL : in->dtype;
    case LR_POST_QUANTIZE:
      return k < 2 ? LR_F32 : in->dtype;
    default:
      return in->dtype;
  }
}

int32_t lr_instr_dst_dtype(const struct lr_instr *in) {
  return lr_postop_info(in->op).is_bool ? LR_BOOL : in->dtype;
}

static bool is_float(int32_t dtype) { return dtype == LR_F32 || dtype == LR_F16 || dtype == LR_F64; }

bool lr_instr_divides(const struct lr_instr *in) {
  return !is_float(in->dtype) && (in->op == LR_POST_DIV || in->op == LR_POST_MOD || in->op == LR_POST_FMOD);
}

/* ---- decoding ---- */
static bool source_known(uint32_t src) {
  return (src >= LR_SRC_REG0 && src < LR_SRC_REG0 + LR_REGISTERS) ||
         (src >= LR_SRC_OPERAND0 && src < LR_SRC_OPERAND0 + LR_MAX_OPERANDS) || src == LR_SRC_IMM;
}

/* One instruction from words[*at]; moves *at behind it. */
static lr_status decode_one(const uint32_t *words, int32_t n_words, int32_t *at, int32_t i,
                            struct lr_instr *in, lr_error *error) {
  *in = (struct lr_instr){0};
  if (n_words - *at < 2) return lr_fail(error, LR_ERR_MODEL, "program: instruction %d is cut off", i);
  uint32_t w = words[(*at)++], s = words[(*at)++];
  in->op = (uint8_t)(w & 255);
  struct lr_postop_info info = lr_postop_info(in->op);
  uint32_t dtype = w >> 8 & 255, dst = w >> 16;
  if (!info.dtypes)
    return lr_fail(error, LR_ERR_VERSION,
                   "program: instruction %d has opcode %u, which this runtime does not know; "
                   "use a newer runtime",
                   i, (unsigned)in->op);
  if (dtype >= 32 || !(info.dtypes >> dtype & 1))
    return lr_fail(error, LR_ERR_MODEL, "program: instruction %d (%s) does not exist for dtype %s", i,
                   lr_case_name(in->op), lr_dtype_name((int32_t)dtype));
  if (dst >= LR_REGISTERS)
    return lr_fail(error, LR_ERR_MODEL, "program: instruction %d (%s) writes register %u of %d", i,
                   lr_case_name(in->op), (unsigned)dst, LR_REGISTERS);
  in->dtype = (uint8_t)dtype;
  in->dst = (uint8_t)dst;
  if (s >> 24)
    return lr_fail(error, LR_ERR_MODEL, "program: instruction %d (%s) has a fourth source", i,
                   lr_case_name(in->op));
  for (int32_t k = 0; k < 3; k++) {
    uint32_t src = s >> (8 * k) & 255;
    in->src[k] = (uint8_t)src;
    if (k >= info.arity ? src != LR_SRC_NONE : !source_known(src))
      return lr_fail(error, LR_ERR_MODEL, "program: instruction %d (%s) has %u as source %d", i,
                     lr_case_name(in->op), (unsigned)src, k);
    if (src != LR_SRC_IMM) continue;
    if (*at >= n_words)
      return lr_fail(error, LR_ERR_MODEL, "program: instruction %d (%s) is cut off", i, lr_case_name(in->op));
    in->imm[k] = words[(*at)++];
  }
  if (in->op == LR_POST_CAST && in->src[0] == LR_SRC_IMM)
    return lr_fail(error, LR_ERR_MODEL,
                   "program: instruction %d casts an immediate, which has no type of its own", i);
  if (lr_instr_divides(in) && in->src[1] == LR_SRC_IMM && !in->imm[1])
    return lr_fail(error, LR_ERR_MODEL, "program: instruction %d (%s) divides by the constant 0", i,
                   lr_case_name(in->op));
  return LR_OK;
}

lr_status lr_program_decode(const uint32_t *words, int32_t n_words, struct lr_instr *out, int32_t max,
                            int32_t *n, lr_error *error) {
  int32_t count = 0;
  for (int32_t at = 0; at < n_words; count++) {
    struct lr_instr in;
    if (count == LR_MAX_INSTRS)
      return lr_fail(error, LR_ERR_MODEL, "program: it has more than %d instructions", LR_MAX_INSTRS);
    LR_TRY(decode_one(words, n_words, &at, count, &in, error));
    if (out && count >= max)
      return lr_fail(error, LR_ERR_MODEL, "program: it has more than %d instructions", max);
    if (out) out[count] = in;
  }
  *n = count;
  return LR_OK;
}

/* ---- broadcasting ---- */
static bool broadcast_dim(lr_dim a, lr_dim b, lr_dim *y) {
  if (a == b || b == 1)
    *y = a;
  else if (a == 1)
    *y = b;
  else if (a >= 0 && b >= 0)
    return false;
  else
    *y = a >= 0   ? a
         : b >= 0 ? b
                  : -1; /* an unknown against n > 1 must be n or 1; two unknowns may be anything */
  return true;
}

bool lr_broadcast(struct lr_type *a, const struct lr_type *b) {
  int32_t rank = a->rank > b->rank ? a->rank : b->rank;
  lr_dim dim[LR_MAX_RANK];
  for (int32_t i = 0; i < rank; i++) {
    int32_t ia = i - (rank - a->rank), ib = i - (rank - b->rank);
    if (!broadcast_dim(ia < 0 ? 1 : a->dim[ia], ib < 0 ? 1 : b->dim[ib], &dim[i])) return false;
  }
  a->rank = rank;
  memcpy(a->dim, dim, (size_t)rank * sizeof dim[0]);
  return true;
}

/* ---- typing ---- */
/* dtype of a source, 0 when it is not there (the message is written then). */
static lr_status source_dtype(const struct lr_infer *c, const int32_t *reg, int32_t first, int32_t i,
                              int32_t k, int32_t *dtype) {
  const struct lr_instr *in = &c->program->instr[i];
  const char *name = lr_case_name(in->op);
  int32_t src = in->src[k], want = lr_instr_src_dtype(in, k);
  if (src == LR_SRC_IMM) {
    *dtype = want;
  } else if (src < LR_SRC_OPERAND0) {
    *dtype = reg[src - LR_SRC_REG0];
    if (!*dtype)
      return lr_infer_fail(c, LR_ERR_MODEL, "instruction %d (%s) reads register %d before it is written", i,
                           name, src - LR_SRC_REG0);
  } else {
    int32_t operand = src - LR_SRC_OPERAND0;
    if (operand >= c->n_in - first || !c->in[first + operand].dtype)
      return lr_infer_fail(c, LR_ERR_MODEL, "instruction %d (%s) reads operand %d, but the node has %d", i,
                           name, operand, c->n_in > first ? c->n_in - first : 0);
    *dtype = c->in[first + operand].dtype;
  }
  if (want && want != *dtype)
    return lr_infer_fail(c, LR_ERR_MODEL, "instruction %d (%s) takes %s as source %d, but it is %s", i, name,
                         lr_dtype_name(want), k, lr_dtype_name(*dtype));
  if (!(lr_postop_info(LR_POST_CAST).dtypes >> *dtype & 1))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "programs cannot compute with %s", lr_dtype_name(*dtype));
  return LR_OK;
}

static lr_status type_program(const struct lr_infer *c, int32_t acc_dtype, int32_t first, int32_t *result) {
  int32_t reg[LR_REGISTERS] = {acc_dtype};
  for (int32_t i = 0; i < c->program->n; i++) {
    const struct lr_instr *in = &c->program->instr[i];
    struct lr_postop_info info = lr_postop_info(in->op);
    for (int32_t k = 0; k < info.arity; k++) {
      int32_t dtype;
      LR_TRY(source_dtype(c, reg, first, i, k, &dtype));
    }
    if (acc_dtype && lr_instr_divides(in) && in->src[1] != LR_SRC_IMM)
      return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                           "instruction %d divides integers by a tensor in an epilogue; use an "
                           "elementwise node",
                           i);
    reg[in->dst] = lr_instr_dst_dtype(in);
  }
  if (!reg[0]) return lr_infer_fail(c, LR_ERR_MODEL, "its program leaves nothing in register 0");
  *result = reg[0];
  return LR_OK;
}

static lr_status infer_operand(const struct lr_infer *c, const struct lr_type *in, int32_t k, bool grows,
                               struct lr_type *y) {
  struct lr_type t = *y;
  char a[96], b[200];
  bool fits = lr_broadcast(&t, in);
  for (int32_t i = 0; fits && !grows && i < t.rank; i++) /* an epilogue's operand must not enlarge y */
    fits = t.rank == y->rank && (t.dim[i] == y->dim[i] || y->dim[i] < 0 || t.dim[i] < 0);
  if (!fits)
    return lr_infer_fail(c, LR_ERR_MODEL, "input %d is %s, which does not broadcast to %s", k,
                         lr_type_text(in, a, sizeof a), lr_dims_text(y->rank, y->dim, b, sizeof b));
  if (grows) *y = t;
  return LR_OK;
}

lr_status lr_program_infer(const struct lr_infer *c, int32_t acc_dtype, struct lr_type *y) {
  int32_t first = acc_dtype ? c->n_own : 0;
  if (c->n_in - first > LR_MAX_OPERANDS)
    return lr_infer_fail(c, LR_ERR_MODEL, "its program has %d operands, at most %d are possible",
                         c->n_in - first, LR_MAX_OPERANDS);
  if (!c->program->n && (c->n_in > first || !acc_dtype))
    return lr_infer_fail(c, LR_ERR_MODEL, "it has operands but no program");
  LR_TRY(type_program(c, acc_dtype, first, &y->dtype));
  for (int32_t k = first; k < c->n_in; k++)
    if (c->in[k].dtype) LR_TRY(infer_operand(c, &c->in[k], k, !acc_dtype, y));
  return LR_OK;
}

/* ---- clamps ---- */
static float bits_float(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

bool lr_program_is_clamp(const struct lr_program *p, float *lo, float *hi) {
  float l = -INFINITY, h = INFINITY;
  for (int32_t i = 0; i < p->n; i++) {
    const struct lr_instr *in = &p->instr[i];
    if (in->dtype != LR_F32 || in->dst != 0 || in->src[0] != LR_SRC_REG0) return false;
    float a = 0, b = INFINITY;
    if (in->op == LR_POST_CLIP) {
      if (in->src[1] != LR_SRC_IMM || in->src[2] != LR_SRC_IMM) return false;
      a = bits_float(in->imm[1]);
      b = bits_float(in->imm[2]);
    } else if (in->op != LR_POST_RELU) {
      return false;
    }
    if (!(a <= b)) return false; /* NaN, or an empty range, where the order of min and max matters */
    l = l < a ? a : l > b ? b : l;
    h = h < a ? a : h > b ? b : h;
  }
  *lo = l;
  *hi = h;
  return true;
}
