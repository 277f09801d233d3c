/* What the operators that only move elements share: checks, vectors of integers, strides. */
#pragma once
#include "copy.h"
#include "op.h"

/* Fails unless input i has whole bytes an element (all dtypes but i4 and u4). */
lr_status lr_move_input(const struct lr_infer *c, int32_t i);
/* Fails unless 0 <= axis < limit. */
lr_status lr_move_axis(const struct lr_infer *c, int32_t axis, int32_t limit);
/* Fails when output k is too large; the last thing that infer does. */
lr_status lr_move_output(const struct lr_infer *c, int32_t k);

/* *a becomes what is known when both are one size: a number beats a symbol beats unknown. False: they differ.
 */
bool lr_dim_unify(lr_dim *a, lr_dim b);
/* Product of n dims: 0 when one is 0, the symbol when all others are 1, unknown when it cannot be told or is
 * too large. */
lr_dim lr_dim_product(const lr_dim *dim, int32_t n);

/* A vector of integers that is an input: shapes, axes, pads. */
struct lr_ints {
  const void *data; /* NULL: not known yet */
  int32_t dtype;    /* i32 or i64; 0: the input is absent */
  int64_t n;        /* -1: not known yet */
  int64_t stride;
};
/* Fails unless input i of the node is absent or an i32 or i64 vector. */
lr_status lr_ints_infer(const struct lr_infer *c, int32_t i, const char *name, struct lr_ints *v);
/* Of the inputs of a step (n of them); data overrides the view's when not NULL. */
struct lr_ints lr_ints_view(const struct lr_view *in, int32_t n, int32_t i, const void *data);
static inline bool lr_ints_known(const struct lr_ints *v) { return !v->dtype || v->data || v->n == 0; }
int64_t lr_ints_at(const struct lr_ints *v, int64_t i);

/* Axes that are an input: an absent or unknown vector gives an empty mask. Negative ones count from the end of `rank`; those
 * out of range or there twice are a VALUE error. */
lr_status lr_axes_infer(const struct lr_infer *c, int32_t i, int32_t rank, struct lr_ints *v, uint32_t *mask);
lr_status lr_axes_run(const struct lr_run *r, int32_t i, int32_t rank, uint32_t *mask);

/* Sizes before an axis of a dense tensor, of it, and behind it. */
struct lr_around {
  int64_t outer, n, inner;
};
static inline struct lr_around lr_around_axis(const struct lr_view *x, int32_t axis) {
  struct lr_around a = {1, x->dim[axis], 1};
  for (int32_t i = 0; i < axis; i++) a.outer *= x->dim[i];
  for (int32_t i = axis + 1; i < x->rank; i++) a.inner *= x->dim[i];
  return a;
}

/* Runs body(context, first, last, thread) over all of [0, rows) on the pool, in blocks of neighbouring rows, and asks between
 * two blocks whether to stop. cost: bytes that a row moves, or that could be moved in the time of its arithmetic. */
void lr_move_rows(struct lr_pool *pool, int64_t rows, int64_t cost,
                  void (*body)(void *context, int64_t first, int64_t last, int32_t thread), void *context);
/* Rows of y, of `block` bytes each and one behind the other, become slices of x: `from` says where each of n rows from `row` on
 * comes from, in units of `unit` bytes. */
void lr_move_slices(struct lr_pool *pool, void *y, const void *x, int64_t rows, size_t block, size_t unit,
                    void (*from)(const void *context, int64_t row, int64_t n, int64_t *at),
                    const void *context);

/* Row-major strides for v's dims. */
void lr_view_strides(struct lr_view *v);
/* Strides under which x's memory is also y (same number of elements in the same order): false when there are
 * none. */
bool lr_view_reshape(const struct lr_view *x, struct lr_view *y);
