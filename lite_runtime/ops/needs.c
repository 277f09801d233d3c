/* Which kernels and post-ops a node may look up: one rule for each operator that has kernels, made of what the operators
 * themselves decide by. Too much costs bytes, too little refuses a model: tests/toolchain/test_needs.py. */
#include "needs.h"

#include "conv_winograd.h"
#include "fft.h"
#include "inverted_residual.h"
#include "matmul_plain.h"
#include "program.h"
#include "recurrent.h"
#include "reduce.h"

static const struct lr_graph_tensor none = {.type = {.dtype = 0}};

static const struct lr_graph_tensor *input(const struct lr_subgraph *g, const struct lr_node *n, int32_t i) {
  return i < n->n_in && n->in[i] >= 0 ? &g->tensors[n->in[i]] : &none;
}

static void kernel(struct lr_needs *needs, enum lr_signature s) { needs->kernels |= (uint64_t)(s != 0) << s; }
static void post(struct lr_needs *needs, int32_t bit) { needs->posts[bit / 64] |= (uint64_t)1 << (bit & 63); }
static void vop(struct lr_needs *needs, int32_t dtype, int32_t op) {
  kernel(needs, lr_vop_signature(dtype));
  post(needs, op);
}

static void cast(struct lr_needs *needs, int32_t from, int32_t to) {
  kernel(needs, LR_SIG_vcast);
  post(needs, LR_CASE_CAST + from);
  post(needs, LR_CASE_CAST + to);
}

/* As bind_program in rows_prepare.c; where a kernel clamps by itself, the program is not run, but may be. acc: dtype that
 * register 0 starts with; first: the input that is operand 0. */
static void program(struct lr_needs *needs, const struct lr_subgraph *g, const struct lr_node *n, int32_t acc,
                    int32_t first) {
  int32_t reg[LR_REGISTERS] = {acc}, y = g->tensors[n->out[0]].type.dtype;
  const struct lr_program *p = &n->program;
  for (int32_t i = 0; i < p->n; i++) {
    const struct lr_instr *in = &p->instr[i];
    int32_t ref = in->src[0];
    if (in->op == LR_POST_CAST)
      cast(needs,
           ref < LR_SRC_OPERAND0 ? reg[ref - LR_SRC_REG0]
                                 : input(g, n, first + ref - LR_SRC_OPERAND0)->type.dtype,
           in->dtype);
    else if (in->op == LR_POST_QUANTIZE)
      kernel(needs, LR_SIG_vquantize);
    else
      vop(needs, in->dtype, in->op);
    reg[in->dst] = lr_instr_dst_dtype(in);
  }
  if (p->n && p->instr[p->n - 1].dst == 0) return;
  if (reg[0] == y)
    vop(needs, y, LR_POST_COPY);
  else
    cast(needs, reg[0], y);
}

/* What a product leaves, and its epilogue: lr_gemm_epilogue. */
static void product(struct lr_needs *needs, const struct lr_subgraph *g, const struct lr_node *n, int32_t x) {
  program(needs, g, n, x == LR_F16 && !n->program.n ? LR_F32 : lr_gemm_acc_dtype(x), n->n_own);
}

/* A product of so many rows, -1 for unknown: tiles of 3 to 5 rows are worth their bytes where such tails are much of it. */
static void gemm(struct lr_needs *needs, enum lr_signature s, int64_t rows) {
  enum { FULL = 6, MANY = 4 * FULL };
  kernel(needs, s);
  if (rows < 0 || (rows < MANY && rows % FULL > 2)) post(needs, LR_CASE_GEMM_FEW_ROWS);
}

/* Pixels of an image, rows of a matrix: all dims but the last. -1: not known. */
static int64_t rows_of(const struct lr_type *t) {
  int64_t rows = 1;
  for (int32_t i = 0; i < t->rank - 1; i++) {
    if (t->dim[i] < 0) return -1;
    if (rows <= INT32_MAX) rows *= t->dim[i] < INT32_MAX ? t->dim[i] : INT32_MAX;
  }
  return t->rank > 1 ? rows : -1;
}

/* w: weights of its window, [O kh kw 1]; unknown with no rank */
static void depthwise(struct lr_needs *needs, enum lr_signature s, const struct lr_type *w) {
  kernel(needs, s);
  if (w->rank < 4 || (w->dim[1] == 5 && w->dim[2] == 5)) post(needs, LR_CASE_DWCONV_5X5);
}

static void conv(struct lr_needs *needs, const struct lr_subgraph *g, const struct lr_node *n) {
  const struct lr_conv_attrs *a = n->attrs;
  const struct lr_graph_tensor *w = input(g, n, 1);
  int32_t x = input(g, n, 0)->type.dtype;
  bool constant = w->lifetime == LR_LIFE_CONST && w->type.rank > 0;
  int64_t depth = constant ? w->type.dim[w->type.rank - 1] : 1;
  bool by_channel = lr_conv_depthwise(a->groups, depth);
  if (by_channel) depthwise(needs, lr_gemm_signature(x, true), &w->type);
  if (!by_channel || !constant)
    gemm(needs, lr_gemm_signature(x, false), rows_of(&g->tensors[n->out[0]].type));
  if (constant && !by_channel && lr_conv_winograd_may(x, &w->type, a)) {
    kernel(needs, LR_SIG_f32_winograd_in);
    kernel(needs, LR_SIG_f32_winograd_out);
  }
  product(needs, g, n, x);
}

static void inverted_residual(struct lr_needs *needs, const struct lr_subgraph *g, const struct lr_node *n) {
  const struct lr_inverted_residual_attrs *a = n->attrs;
  const uint32_t act[] = {a->expand_act, a->depthwise_act};
  gemm(needs, LR_SIG_f32_gemm, rows_of(&g->tensors[n->out[0]].type));
  depthwise(needs, LR_SIG_f32_dwconv, &input(g, n, 1 + 2 * LR_DEPTHWISE)->type);
  for (int32_t k = 0; k < 2; k++) {
    struct lr_instr instr;
    struct lr_program p = lr_inverted_residual_act(act[k], 0, 0, &instr);
    vop(needs, LR_F32, p.n ? instr.op : LR_POST_COPY);
  }
  product(needs, g, n, LR_F32);
}

static void recurrent(struct lr_needs *needs, const struct lr_subgraph *g, const struct lr_node *n) {
  static const uint8_t posts[] = {LR_POST_ADD, LR_POST_SUB, LR_POST_MUL, LR_POST_CLIP};
  const struct lr_recurrent_attrs *a = n->attrs;
  bool int8 = lr_is_int8(input(g, n, 1)->type.dtype);
  gemm(needs, int8 ? LR_SIG_qu8_gemm : LR_SIG_f32_gemm, -1);
  if (int8) kernel(needs, LR_SIG_vquantize);
  for (size_t i = 0; i < sizeof posts; i++) vop(needs, LR_F32, posts[i]);
  post(needs, lr_recurrent_post(a->f));
  post(needs, lr_recurrent_post(a->g));
  post(needs, lr_recurrent_post(a->h));
}

static void reduce(struct lr_needs *needs, const struct lr_subgraph *g, const struct lr_node *n) {
  const struct lr_reduce_attrs *a = n->attrs;
  enum lr_signature s[LR_REDUCE_KERNELS];
  int32_t x = input(g, n, 0)->type.dtype, acc = lr_reduce_signatures(x, a->kind, s);
  for (int32_t i = 0; i < LR_REDUCE_KERNELS; i++) kernel(needs, s[i]);
  for (int32_t k = 0; k < LR_REDUCE_KIND_LIMIT; k++)
    if (lr_reduce_runs(a->kind, k)) post(needs, LR_CASE_REDUCE + k);
  cast(needs, x, acc);
  if (acc == LR_F32) cast(needs, LR_F64, x); /* its totals */
}

static void softmax(struct lr_needs *needs, const struct lr_subgraph *g, const struct lr_node *n) {
  const struct lr_softmax_attrs *a = n->attrs;
  const struct lr_type *x = &input(g, n, 0)->type;
  kernel(needs, lr_softmax_signature(x->dtype));
  if (a->axis == x->rank - 1) return;
  int32_t acc = x->dtype == LR_F64 ? LR_F64 : LR_F32;
  kernel(needs, acc == LR_F32 ? LR_SIG_f32_vreduce : LR_SIG_f64_vreduce);
  vop(needs, acc, LR_POST_SUB);
  vop(needs, acc, LR_POST_EXP);
  vop(needs, acc, LR_POST_DIV);
  post(needs, LR_CASE_REDUCE + LR_REDUCE_KIND_MAX);
  post(needs, LR_CASE_REDUCE + LR_REDUCE_KIND_SUM);
  if (x->dtype != acc) cast(needs, x->dtype, acc);
}

static void attention(struct lr_needs *needs) {
  gemm(needs, LR_SIG_f32_gemm, -1);
  kernel(needs, LR_SIG_f32_softmax_piece);
  kernel(needs, LR_SIG_f32_wsum);
  vop(needs, LR_F32, LR_POST_MUL);
}

static void resize(struct lr_needs *needs, const struct lr_node *n) {
  const struct lr_resize_attrs *a = n->attrs;
  if (a->mode != LR_RESIZE_MODE_NEAREST) kernel(needs, LR_SIG_f32_wsum);
}

/* An `if` and not a switch: what is not in this build goes. */
void lr_node_needs(const struct lr_subgraph *g, const struct lr_node *n, struct lr_needs *needs) {
  int32_t x = input(g, n, 0)->type.dtype, op = n->op;
  if (LR_HAS_ELEMENTWISE && op == LR_OP_ELEMENTWISE) program(needs, g, n, 0, 0);
  if (LR_HAS_CONV && op == LR_OP_CONV) conv(needs, g, n);
  if (LR_HAS_CONV_TRANSPOSE && op == LR_OP_CONV_TRANSPOSE) {
    gemm(needs, lr_gemm_signature(x, false), -1);
    product(needs, g, n, x);
  }
  if (LR_HAS_MATMUL && op == LR_OP_MATMUL && lr_matmul_is_plain(x))
    program(needs, g, n, x, n->n_own);
  else if (LR_HAS_MATMUL && op == LR_OP_MATMUL) {
    const struct lr_type *y = &g->tensors[n->out[0]].type;
    gemm(needs, lr_gemm_signature(x, false), y->rank == 2 ? rows_of(y) : -1);
    product(needs, g, n, x);
  }
  if (LR_HAS_INVERTED_RESIDUAL && op == LR_OP_INVERTED_RESIDUAL) inverted_residual(needs, g, n);
  if (LR_HAS_ATTENTION && op == LR_OP_ATTENTION) attention(needs);
  if (LR_HAS_RECURRENT && op == LR_OP_RECURRENT) recurrent(needs, g, n);
  if (LR_HAS_REDUCE && op == LR_OP_REDUCE) reduce(needs, g, n);
  if (LR_HAS_SOFTMAX && op == LR_OP_SOFTMAX) softmax(needs, g, n);
  if (LR_HAS_LAYER_NORM && op == LR_OP_LAYER_NORM) kernel(needs, lr_norm_signature(x));
  if (LR_HAS_MAX_POOL && op == LR_OP_MAX_POOL) kernel(needs, lr_pool_signature(x, false));
  if (LR_HAS_AVG_POOL && op == LR_OP_AVG_POOL) kernel(needs, lr_pool_signature(x, true));
  if (LR_HAS_RESIZE && op == LR_OP_RESIZE) resize(needs, n);
  if ((LR_HAS_DFT && op == LR_OP_DFT) || (LR_HAS_STFT && op == LR_OP_STFT))
    kernel(needs, lr_fft_signature(x == LR_F64));
}
