/* Row kernels whose sources may be one element for all: such a source becomes a block of copies, and the row
 * is done block by block, so that every loop has just one form. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "lr_ops.h"

#define LR_SPLAT 256

static inline const void *lr_splat(const void *p, size_t step, size_t size, size_t n, void *block) {
  if (!p || step) return p;
  for (size_t i = 0; i < n; i++) memcpy((char *)block + i * size, p, size);
  return block;
}

/* The bytes of an element of source 0 and of the result, where they are not those of the type. */
static inline size_t lr_vop_source0_size(int32_t op, size_t size) { return op == LR_POST_SELECT ? 1 : size; }
static inline size_t lr_vop_result_size(int32_t op, size_t size) {
  return op >= LR_POST_EQUAL && op <= LR_POST_NOT       ? 1
         : op == LR_POST_IS_NAN || op == LR_POST_IS_INF ? 1
                                                        : size;
}

/* The end of a vop kernel: `row(op, n, a, b, c, y)` does n elements of dense sources. */
#define VOP_BLOCKS(T, row)                                                            \
  T blocks[3][LR_SPLAT];                                                              \
  size_t m = n < LR_SPLAT ? n : LR_SPLAT, size0 = lr_vop_source0_size(op, sizeof(T)); \
  const char *pa = lr_splat(a, a_step, size0, m, blocks[0]);                          \
  const char *pb = lr_splat(b, b_step, sizeof(T), m, blocks[1]);                      \
  const char *pc = lr_splat(c, c_step, sizeof(T), m, blocks[2]);                      \
  char *py = y;                                                                       \
  for (size_t left = n; left; left -= m) {                                            \
    if (m > left) m = left;                                                           \
    row(op, m, pa, pb, pc, py);                                                       \
    if (a_step) pa += m * size0;                                                      \
    if (b_step) pb += m * sizeof(T);                                                  \
    if (c_step) pc += m * sizeof(T);                                                  \
    py += m * lr_vop_result_size(op, sizeof(T));                                      \
  }
