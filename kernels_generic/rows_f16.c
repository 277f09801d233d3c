/* Softmax and normalisation of f16: in plain C, and again for each ISA. */
#include "simd_choose.h"

#include LR_SIMD
#include "vmath.h"

#define ELEM uint16_t
#define TYPE f16
#define ISA LR_SIMD_ISA
#define SCALAR(x) lr_f16_to_f32(x)
#define EXACT 0
#define WIDE float
#define WIDE_TYPE f32
#include "rows.inl"
