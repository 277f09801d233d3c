/* What recurrent.c (products, steps, threads) and recurrent_cell.c (gates) share. */
#pragma once
#include "kernels.h"
#include "op.h"

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

void lr_cell_lstm(const struct lr_cell_piece *u);
void lr_cell_rnn(const struct lr_cell_piece *u);
/* The reset gate scales the product. */
void lr_cell_gru_linear(const struct lr_cell_piece *u);
/* The reset gate scales h: first gates z and r, which make z and reset_h; then, with `gate` the product of reset_h, the
 * state. */
void lr_cell_gru_gates(const struct lr_cell_piece *u);
void lr_cell_gru_state(const struct lr_cell_piece *u);
