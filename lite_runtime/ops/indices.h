/* Tensors of indices: i32 or i64, dense, negative ones counted from the end. */
#pragma once
#include "move.h"

/* Fails unless input i of the node holds indices. */
static inline lr_status lr_indices_infer(const struct lr_infer *c, int32_t i) {
  if (c->in[i].dtype == LR_I64 || c->in[i].dtype == LR_I32) return LR_OK;
  return lr_infer_fail(c, LR_ERR_MODEL, "indices are %s, but must be i64 or i32",
                       lr_dtype_name(c->in[i].dtype));
}

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

/* The element of indices at the row-major place `at` as one of [0, size), or -1 when it is out of range. */
static inline int64_t lr_index_in(const struct lr_view *v, int64_t at, int64_t size) {
  int64_t k = lr_index(v, at);
  if (k < 0) k += size;
  return k >= 0 && k < size ? k : -1;
}

/* The VALUE error about the first element of indices that is out of range for an axis. */
static inline lr_status lr_index_fail(const struct lr_run *r, const struct lr_view *v, int64_t at,
                                      int32_t axis, int64_t size) {
  return lr_run_fail(
      r, LR_ERR_VALUE,
      "indices[%lld] is %lld, but axis %d of x has size %lld; indices must be in [-%lld, %lld)",
      (long long)at, (long long)lr_index(v, at), axis, (long long)size, (long long)size, (long long)size);
}
