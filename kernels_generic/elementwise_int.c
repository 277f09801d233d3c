/* Integer and bool post-ops. */
#include "independent.h"
#include "kernels.h"
#include "splat.h"

#define TYPE i8
#define T int8_t
#define U uint8_t
#define W uint32_t
#define SIGNED 1
#include "elementwise_int.inl"

#define TYPE u8
#define T uint8_t
#define U uint8_t
#define W uint32_t
#define SIGNED 0
#include "elementwise_int.inl"

#define TYPE i16
#define T int16_t
#define U uint16_t
#define W uint32_t
#define SIGNED 1
#include "elementwise_int.inl"

#define TYPE u16
#define T uint16_t
#define U uint16_t
#define W uint32_t
#define SIGNED 0
#include "elementwise_int.inl"

#define TYPE i32
#define T int32_t
#define U uint32_t
#define W uint32_t
#define SIGNED 1
#include "elementwise_int.inl"

#define TYPE u32
#define T uint32_t
#define U uint32_t
#define W uint32_t
#define SIGNED 0
#include "elementwise_int.inl"

#define TYPE i64
#define T int64_t
#define U uint64_t
#define W uint64_t
#define SIGNED 1
#include "elementwise_int.inl"

#define TYPE u64
#define T uint64_t
#define U uint64_t
#define W uint64_t
#define SIGNED 0
#include "elementwise_int.inl"

/* Bools are bytes, true when not 0, and 0 or 1 when we write them. */
static void bool_dense(int32_t op, size_t n, const uint8_t *a, const uint8_t *b, const uint8_t *c,
                       uint8_t *y) {
#define MAP(op, expr)                                          \
  case op:                                                     \
    LR_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = expr; \
    break;
  switch (op) {
    MAP(LR_POST_COPY, a[i] != 0)
    MAP(LR_POST_SELECT, (a[i] ? b[i] : c[i]) != 0)
    MAP(LR_POST_EQUAL, (a[i] != 0) == (b[i] != 0))
    MAP(LR_POST_AND, (a[i] != 0) & (b[i] != 0))
    MAP(LR_POST_OR, (a[i] | b[i]) != 0)
    MAP(LR_POST_XOR, (a[i] != 0) ^ (b[i] != 0))
    MAP(LR_POST_NOT, a[i] == 0)
  }
#undef MAP
}

static void bool_row(int32_t op, size_t n, const void *a, const void *b, const void *c, void *y) {
  bool_dense(op, n, a, b, c, y);
}

void lr_bool_vop__c(int32_t op, size_t n, const void *a, size_t a_step, const void *b, size_t b_step,
                    const void *c, size_t c_step, void *y) {
  if ((a_step || !a) && (b_step || !b) && (c_step || !c)) {
    bool_dense(op, n, a, b, c, y);
    return;
  }
  VOP_BLOCKS(uint8_t, bool_row)
}
