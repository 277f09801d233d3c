/* Softmax and normalisation of f32, in plain C. */
#include "simd.h"
#include "vmath.h"

#define ELEM float
#define TYPE f32
#define ISA c
#define SCALAR(x) (x)
#define EXACT 1
#define WIDE float
#define WIDE_TYPE f32
#include "rows.inl"
