/* Numbers of any dtype as unsigned integers in the same order, so that one comparison serves them all. */
#pragma once
#include "base.h"

/* Keys of NaN; no other float has one of them. */
#define LR_NAN_ABOVE UINT64_MAX
#define LR_NAN_BELOW 0

/* keys[i] of element i * stride of x, i < n: larger numbers have larger keys (smaller ones with `down`), -0 is 0, and NaN has
 * the key `nan` either way. dtype: a number or bool. */
void lr_order_keys(int32_t dtype, bool down, uint64_t nan, int64_t n, const void *x, int64_t stride,
                   uint64_t *keys);
/* A heap of entries in which the one that comes last of all is heap[0]. */
struct lr_entry {
  uint64_t key;
  int64_t index;
};
/* Does a come before b: a larger key, of equal ones the smaller index. */
static inline bool lr_before(struct lr_entry a, struct lr_entry b) {
  return a.key > b.key || (a.key == b.key && a.index < b.index);
}
/* Lets entry i of n sink until all below it come before it. */
void lr_heap_sink(struct lr_entry *heap, int64_t n, int64_t i);
/* Makes a heap of n entries. False when the run is stopped. */
bool lr_heap_make(struct lr_entry *heap, int64_t n);
/* Turns a heap into a list from the first to the last. Leaves early when the run is stopped. */
void lr_heap_sort(struct lr_entry *heap, int64_t n);

/* Does it have all numbers' order? (All dtypes of whole bytes but bf16.) */
static inline bool lr_order_has(int32_t dtype) {
  return dtype == LR_F32 || dtype == LR_F16 || dtype == LR_F64 || dtype == LR_BOOL ||
         (dtype >= LR_I8 && dtype <= LR_U64 && lr_dtype_size(dtype));
}
