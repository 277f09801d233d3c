/* Softmax and normalisation of f32: in plain C, and again for each ISA. */
#include "simd_choose.h"

#include LR_SIMD
#include "vmath.h"

#define ELEM float
#define TYPE f32
#define ISA LR_SIMD_ISA
#define SCALAR(x) (x)
#define EXACT 1
#define WIDE float
#define WIDE_TYPE f32
#include "rows.inl"
