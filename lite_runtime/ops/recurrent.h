/* What recurrent_infer.c, recurrent.c (products, steps, threads) and recurrent_cell.c (gates) share. */
#pragma once
#include "kernels.h"
#include "op.h"
#include "packing.h"

enum { X, R, B, LENGTHS, H0, C0, P, R_SCALE, R_ZERO, INPUTS }; /* of the node */

static inline int64_t lr_gates_of(uint32_t cell) {
  return cell == LR_RECURRENT_CELL_LSTM ? 4 : cell == LR_RECURRENT_CELL_GRU ? 3 : 1;
}

/* A piece of one row of the batch at one step: units first..first+n-1. */
struct lr_cell_piece {
  const struct lr_recurrent_attrs *attrs;
  lr_f32_vop_fn *vop;
  size_t n;
  float *gate;        /* h r^T + b: n numbers for each gate, one behind the other; overwritten */
  const float *x;     /* the inputs' shares of the first gate's units; */
  size_t x_step;      /* those of the next gate are so many elements further */
  const float *h;     /* the state before */
  float *c;           /* lstm: the cell's state, updated */
  const float *p;     /* lstm: peepholes, x_step apart; NULL: none */
  float *next;        /* the state after */
  float *z, *reset_h; /* gru in two phases: kept from the first to the second */
};

/* The post-op that computes an activation (enum lr_recurrent_f), beside multiplications and sums. */
int32_t lr_recurrent_post(uint32_t activation);
void lr_cell_lstm(const struct lr_cell_piece *u);
void lr_cell_rnn(const struct lr_cell_piece *u);
/* The reset gate scales the product. */
void lr_cell_gru_linear(const struct lr_cell_piece *u);
/* The reset gate scales h: first gates z and r, which make z and reset_h; then, with `gate` the product of reset_h, the
 * state. */
void lr_cell_gru_gates(const struct lr_cell_piece *u);
void lr_cell_gru_state(const struct lr_cell_piece *u);

/* ---- weights of 8 bits (recurrent_int8.c) ---- */
struct lr_int8_state { /* the states of a step: (q - zero) * scale */
  uint8_t *q;          /* [B H] */
  float scale;
  uint8_t zero;
};
struct lr_int8_weights {
  const struct lr_pack *pack; /* of one gate */
  const char *panels;         /* of that gate */
  const float *scale, *bias;  /* [G*H]; bias: NULL for none */
  const int32_t *zero;        /* [G*H], NULL: 0 */
};

/* Sets all of s but the place of q. */
void lr_int8_quantise(lr_vquantize_fn *quantise, const float *h, int64_t n, struct lr_int8_state *s);
/* Makes n sums of i32, those of units col.. of a gate for a row of the batch, the real numbers that they stand for, the
 * bias added; in place. */
void lr_int8_real(const struct lr_int8_weights *w, const struct lr_int8_state *s, int64_t row, int64_t gate,
                  int64_t col, int64_t n, float *acc);
