/* Winograd convolution in f32: 3x3 filters, stride 1, no dilation, one group (conv_winograd.c). */
#pragma once
#include "conv.h"

/* ---- weights, kind 3 of packing.h ---- */
enum { LR_WINOGRAD_POINTS = 36, LR_WINOGRAD_LANES = 64 }; /* most points; at least any kernel's mr and nr */
struct lr_winograd_weights {
  int64_t m, depth, cols, nr, kr;
};
static inline int64_t lr_ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }
/* Floats of a panel, and of all panels of one point. */
static inline int64_t lr_winograd_panel(const struct lr_winograd_weights *s) {
  return lr_ceil_div(s->depth, s->kr) * s->kr * s->nr;
}
static inline int64_t lr_winograd_point(const struct lr_winograd_weights *s) {
  return lr_ceil_div(s->cols, s->nr) * lr_winograd_panel(s);
}
/* An lr_pack_fn; user: struct lr_winograd_weights. */
void lr_winograd_pack(const void *user, const void *dense, void *packed);

/* ---- the way ---- */
/* May a convolution of these types and attributes be computed so, for some shape? Decided without shapes of
 * x, so that bind knows whose weights have to wait for prepare. Never with plain C's products, where the kernel's isa
 * is 0: they are the reference. */
bool lr_conv_winograd_may(int32_t x_dtype, const struct lr_type *w, const struct lr_conv_attrs *a);
/* Sets c->winograd and c->packed when it is faster for these shapes and its weights find memory, else leaves
 * them. c is as for the direct way, which must be prepared when this does not choose. */
lr_status lr_conv_winograd_prepare(struct lr_conv *c, struct lr_prepare *p);
/* Scratch that all threads share, behind that of the threads. */
uint64_t lr_conv_winograd_shared(const struct lr_conv *c);
void lr_conv_winograd_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias);
