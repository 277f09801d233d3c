/* Softmax and normalisation of f16, in plain C. */
#include "simd.h"
#include "vmath.h"

#define ELEM uint16_t
#define TYPE f16
#define ISA c
#define SCALAR(x) lr_f16_to_f32(x)
#define EXACT 0
#define WIDE float
#define WIDE_TYPE f32
#include "rows.inl"
