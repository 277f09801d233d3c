/* The frame of the kernel tests. A checker runs one kernel on many cases and compares it with plain code of
 * its own: check_<signature>, one for each signature of kernels.inc; a missing one does not link. */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

typedef void check_fn(const struct lr_kernel *k);
#define LR_KERNEL(signature, function, arch, isa, mr, nr, kr) check_fn check_##signature;
#include "kernels.inc"
#undef LR_KERNEL

/* Memory that ends where an unreadable page begins, filled with CHECK_FILL, aligned to `align` only. The
 * bytes before it are looked at by check_done. */
#define CHECK_FILL 0x5b
void *check_alloc(size_t bytes, size_t align);
/* Ends a case: true when nothing was written before any of its buffers; frees them. */
bool check_done(void);

/* The same numbers in every run. */
uint32_t check_random(uint32_t n); /* 0..n-1 */
static inline int32_t check_between(int32_t a, int32_t b) {
  return a + (int32_t)check_random((uint32_t)(b - a + 1));
}
double check_float(void); /* -2..2 */

/* Says what is wrong with the kernel under test (the first times) and counts it as failed. */
void check_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Elements by lr_dtype codes. */
enum {
  T_F32 = 1,
  T_F16 = 2,
  T_F64 = 4,
  T_I8 = 5,
  T_U8 = 6,
  T_I16 = 7,
  T_U16 = 8,
  T_I32 = 9,
  T_U32 = 10,
  T_I64 = 11,
  T_U64 = 12,
  T_BOOL = 13
};
size_t check_size(int32_t dtype);
double check_get(int32_t dtype, const void *p, size_t i);   /* 64-bit integers are rounded */
void check_put(int32_t dtype, void *p, size_t i, double v); /* rounds, and saturates integers */
/* |got - want| <= tolerance, or both NaN, or the same infinity. */
bool check_near(double got, double want, double tolerance);
