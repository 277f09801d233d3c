/* Softmax and normalisation of f64, in plain C. */
#include "simd_f64.h"

#define ELEM double
#define TYPE f64
#define ISA c
#define SCALAR(x) (x)
#define EXACT 1
#define WIDE double
#define WIDE_TYPE f64
#include "rows.inl"
