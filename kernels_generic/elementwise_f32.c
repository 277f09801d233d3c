/* Post-ops of f32: in plain C, and again for each ISA. */
#include "simd_choose.h"

#include LR_SIMD
#include "vmath.h"

#include "functions.h"

#define ELEM float
#define TYPE f32
#define ISA LR_SIMD_ISA
#define SCALAR(x) (x)
#include "elementwise.inl"
