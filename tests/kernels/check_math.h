/* What the tests of elementwise kernels share: rows of elements, and plain arithmetic on them. */
#pragma once
#include "check.h"
#include "lr_ops.h"

typedef long double check_real;

/* The result of a post-op (enum lr_postop): of floats in long arithmetic, of integers as they wrap when they are stored. Integers
 * of all types are given as 64 bits; those of u64 are to be taken for unsigned. */
check_real check_float_op(int32_t op, check_real a, check_real b, check_real c);
int64_t check_int_op(int32_t op, int64_t a, int64_t b, int64_t c, int32_t dtype);

bool check_is_float(int32_t dtype);
bool check_is_signed(int32_t dtype);
int64_t check_get_int(int32_t dtype, const void *p, size_t i);
/* Are the bits of the element those of `want`, wrapped? */
bool check_equal_int(int32_t dtype, const void *p, size_t i, int64_t want);

/* A source of a kernel: n elements, or one when step is 0. */
struct check_row {
  void *p;
  size_t step;
  int32_t dtype;
};
/* Ordinary and special values; infinite: infinities too. p is NULL unless `there`. */
struct check_row check_source(int32_t dtype, size_t n, bool there, bool infinite);
void *check_copy(const struct check_row *s, size_t n);
