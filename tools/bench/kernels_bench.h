/* Between the table of what is measured (kernels.c) and the calls (kernels_run.c). */
#pragma once
#include <stdbool.h>

#include "kernels.h"
#include "lr_ops.h"

/* One measurement. Matrix products: rows x cols, ks taps of depth kc; depthwise convolutions: rows pixels of
 * cols channels, ks taps; pools and sums: ks rows of cols elements; reductions: rows x cols; the others: cols
 * elements. */
struct shape {
  size_t rows, cols, ks, kc;
  int32_t op; /* enum lr_postop, enum lr_reduce_kind, or the dtypes of a cast: from * 256 + to */
};

struct work {
  const struct lr_kernel *kernel;
  enum lr_signature signature;
  struct shape shape;
  const void **a;        /* pointers to rows of x */
  unsigned char *x, *y;  /* BUFFER bytes each */
  unsigned char *packed; /* weights, BUFFER bytes */
  void *bias;            /* zeros, for integers too */
};
enum { BUFFER = 8 << 20, POINTERS = 1 << 16 };

/* Sets the pointers; once before run_work. */
void prepare_work(struct work *w);
/* Does all of the shape once. */
void run_work(const struct work *w);
/* Bytes of one element of x; for casts that of the dtype in the shape. */
size_t element_size(enum lr_signature s, const struct shape *shape);
