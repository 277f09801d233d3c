/* The gates of recurrent cells, in terms of the vector operations of post-op programs: at the sizes of these layers their
 * calls cost little beside the product before them. Names of gates are ONNX's. */
#include "recurrent.h"

typedef struct lr_cell_piece piece;

static void two(const piece *u, int32_t op, const float *a, const float *b, float *y) {
  u->vop(op, u->n, a, 1, b, 1, NULL, 0, y);
}

/* y = op(y, b, c) with numbers b and c, or without. */
static void numbers(const piece *u, int32_t op, float *y, const float *b, const float *c) {
  u->vop(op, u->n, y, 1, b, 0, c, 0, y);
}

int32_t lr_recurrent_post(uint32_t activation) {
  static const uint8_t posts[] = {[LR_RECURRENT_F_SIGMOID] = LR_POST_SIGMOID,
                                  [LR_RECURRENT_F_TANH] = LR_POST_TANH,
                                  [LR_RECURRENT_F_RELU] = LR_POST_RELU,
                                  [LR_RECURRENT_F_AFFINE] = LR_POST_MUL,
                                  [LR_RECURRENT_F_LEAKY_RELU] = LR_POST_LEAKY_RELU,
                                  [LR_RECURRENT_F_THRESHOLDED_RELU] = LR_POST_THRESHOLDED_RELU,
                                  [LR_RECURRENT_F_SCALED_TANH] = LR_POST_TANH,
                                  [LR_RECURRENT_F_HARD_SIGMOID] = LR_POST_HARD_SIGMOID,
                                  [LR_RECURRENT_F_ELU] = LR_POST_ELU,
                                  [LR_RECURRENT_F_SOFTSIGN] = LR_POST_SOFTSIGN,
                                  [LR_RECURRENT_F_SOFTPLUS] = LR_POST_SOFTPLUS};
  return posts[activation < LR_RECURRENT_F_LIMIT ? activation : 0];
}

static void activate(const piece *u, uint32_t kind, float alpha, float beta, float *y) {
  int32_t op = lr_recurrent_post(kind);
  switch (kind) {
    case LR_RECURRENT_F_AFFINE:
      numbers(u, op, y, &alpha, NULL);
      numbers(u, LR_POST_ADD, y, &beta, NULL);
      break;
    case LR_RECURRENT_F_SCALED_TANH:
      numbers(u, LR_POST_MUL, y, &beta, NULL);
      numbers(u, op, y, NULL, NULL);
      numbers(u, LR_POST_MUL, y, &alpha, NULL);
      break;
    case LR_RECURRENT_F_HARD_SIGMOID:
      numbers(u, op, y, &alpha, &beta);
      break;
    case LR_RECURRENT_F_LEAKY_RELU:
    case LR_RECURRENT_F_THRESHOLDED_RELU:
    case LR_RECURRENT_F_ELU:
      numbers(u, op, y, &alpha, NULL);
      break;
    default:
      numbers(u, op, y, NULL, NULL);
  }
}

/* Gates are clipped, the cell's state before h is not: ONNX says "the input of activations", onnxruntime does this. */
static void clip(const piece *u, float *y) {
  const float low = -u->attrs->clip;
  if (u->attrs->clip > 0) numbers(u, LR_POST_CLIP, y, &low, &u->attrs->clip);
}

static void activate_f(const piece *u, float *y) {
  clip(u, y);
  activate(u, u->attrs->f, u->attrs->f_alpha, u->attrs->f_beta, y);
}
static void activate_g(const piece *u, float *y) {
  clip(u, y);
  activate(u, u->attrs->g, u->attrs->g_alpha, u->attrs->g_beta, y);
}

static void add_input(const piece *u, size_t gate) {
  float *y = u->gate + gate * u->n;
  two(u, LR_POST_ADD, y, u->x + gate * u->x_step, y);
}

/* y += peephole `at` times the cell's state; tmp: n numbers. */
static void peep(const piece *u, size_t at, float *y, float *tmp) {
  if (!u->p) return;
  two(u, LR_POST_MUL, u->c, u->p + at * u->x_step, tmp);
  two(u, LR_POST_ADD, y, tmp, y);
}

/* y = 1 - a */
static void complement(const piece *u, const float *a, float *y) {
  static const float one = 1;
  u->vop(LR_POST_SUB, u->n, &one, 0, a, 1, NULL, 0, y);
}

void lr_cell_lstm(const piece *u) {
  float *i = u->gate, *o = i + u->n, *f = o + u->n, *g = f + u->n;
  for (size_t k = 0; k < 4; k++) add_input(u, k);
  peep(u, 0, i, u->next);
  activate_f(u, i);
  if (u->attrs->input_forget) {
    complement(u, i, f);
  } else {
    peep(u, 2, f, u->next);
    activate_f(u, f);
  }
  activate_g(u, g);
  two(u, LR_POST_MUL, f, u->c, f);
  two(u, LR_POST_MUL, i, g, i);
  two(u, LR_POST_ADD, f, i, u->c);
  peep(u, 1, o, u->next);
  activate_f(u, o);
  memcpy(g, u->c, u->n * sizeof *g);
  activate(u, u->attrs->h, u->attrs->h_alpha, u->attrs->h_beta, g);
  two(u, LR_POST_MUL, o, g, u->next);
}

void lr_cell_rnn(const piece *u) {
  add_input(u, 0);
  activate_f(u, u->gate);
  memcpy(u->next, u->gate, u->n * sizeof *u->next);
}

/* next = (1 - z) candidate + z h; z and candidate are overwritten. */
static void blend(const piece *u, float *z, float *candidate) {
  complement(u, z, u->next);
  two(u, LR_POST_MUL, u->next, candidate, candidate);
  two(u, LR_POST_MUL, z, u->h, z);
  two(u, LR_POST_ADD, candidate, z, u->next);
}

void lr_cell_gru_linear(const piece *u) {
  float *z = u->gate, *r = z + u->n, *candidate = r + u->n;
  add_input(u, 0);
  add_input(u, 1);
  activate_f(u, z);
  activate_f(u, r);
  two(u, LR_POST_MUL, r, candidate, candidate);
  add_input(u, 2);
  activate_g(u, candidate);
  blend(u, z, candidate);
}

void lr_cell_gru_gates(const piece *u) {
  float *z = u->gate, *r = z + u->n;
  add_input(u, 0);
  add_input(u, 1);
  activate_f(u, z);
  activate_f(u, r);
  memcpy(u->z, z, u->n * sizeof *z);
  two(u, LR_POST_MUL, r, u->h, u->reset_h);
}

void lr_cell_gru_state(const piece *u) {
  two(u, LR_POST_ADD, u->gate, u->x + 2 * u->x_step, u->gate);
  activate_g(u, u->gate);
  blend(u, u->z, u->gate);
}
