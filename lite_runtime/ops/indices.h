/* Tensors of indices: i32 or i64, dense, negative ones counted from the end. */
#pragma once
#include "move.h"

/* Fails unless input i of the node holds indices. */
lr_status lr_indices_infer(const struct lr_infer *c, int32_t i);
/* Fails when some of n known indices are out of range for an axis of x that has that size; long vectors wait for run. */
lr_status lr_indices_known(const struct lr_infer *c, int32_t i, int64_t n, int32_t axis, int64_t size);
/* Fails with VALUE and the first of the indices that is out of range: those at places k, k + n, ... are for axis `axis + k` of
 * x, of size size[k]. When the run is stopped they may not have been looked at: ask lr_stopped() before using them. */
lr_status lr_indices_check(const struct lr_run *r, const struct lr_view *v, int32_t axis, int32_t n,
                           const int64_t *size);

/* The element at the row-major place i. */
static inline int64_t lr_index(const struct lr_view *v, int64_t i) {
  int32_t narrow;
  int64_t wide;
  if (v->dtype == LR_I32) {
    memcpy(&narrow, (const char *)v->data + i * 4, sizeof narrow);
    return narrow;
  }
  memcpy(&wide, (const char *)v->data + i * 8, sizeof wide);
  return wide;
}

/* The same as one of [0, size); it has been checked. */
static inline int64_t lr_index_in(const struct lr_view *v, int64_t i, int64_t size) {
  int64_t k = lr_index(v, i);
  return k < 0 ? k + size : k;
}
