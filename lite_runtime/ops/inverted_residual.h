/* The inverted residual: a 1x1 convolution that expands, a depthwise one, a 1x1 one that projects. Each stage
 * is a convolution node of its own, made in prepare from the one node; inverted_residual.c runs the three one
 * after the other, inverted_residual_rows.c some rows of y at a time through all three. */
#pragma once
#include "conv.h"

enum { LR_EXPAND, LR_DEPTHWISE, LR_PROJECT, LR_STAGES };

/* The way with a ring of expanded rows. */
struct lr_rolling {
  int64_t band;        /* rows of y that are made at a time; 0: three steps instead */
  int64_t ring;        /* expanded rows that are kept: row h lies at h % ring */
  int64_t tile, tiles; /* rows of y that one thread makes, a multiple of the band; tiles of an image */
  /* a thread's scratch: the ring, rows after the depthwise stage, that of the stages */
  uint64_t rows_at, stages_at;
  uint64_t thread_bytes, threads_at;
};

/* A step, made in prepare. */
struct lr_inverted_residual {
  struct lr_conv_attrs attrs[LR_STAGES];
  struct lr_instr act[LR_PROJECT];
  int32_t in[LR_STAGES][3];
  struct lr_node node[LR_STAGES];
  const struct lr_conv *conv[LR_STAGES];
  struct lr_view mid[LR_PROJECT]; /* what the first two stages make, dense; without data */
  uint64_t mid_at[LR_PROJECT], scratch_at[LR_STAGES]; /* in the scratch */
  struct lr_rolling rolling;
};

/* An activation (enum lr_inverted_residual_expand_act) as a program of *instr, or of nothing. */
struct lr_program lr_inverted_residual_act(uint32_t act, float lo, float hi, struct lr_instr *instr);
/* Chooses the way for these shapes: sets all of s->rolling but places in the scratch. s->attrs and s->mid are
 * set. */
void lr_rolling_choose(struct lr_inverted_residual *s, const struct lr_prepare *p);
/* The stages are prepared: sets the places, from `at` on; returns the end of the scratch. */
uint64_t lr_rolling_scratch(struct lr_inverted_residual *s, uint64_t at, int32_t threads);
/* run: the node's; stage[k]: that of stage k as a convolution, the data of tensors between stages not set. */
void lr_rolling_run(const struct lr_inverted_residual *s, const struct lr_run *run, struct lr_run *stage);
