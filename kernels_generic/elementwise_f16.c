/* Post-ops of f16 (stored; computed in f32): in plain C, and again for each ISA. */
#include "simd_choose.h"

#include LR_SIMD
#include "vmath.h"

#include "functions.h"

#define ELEM uint16_t
#define TYPE f16
#define ISA LR_SIMD_ISA
#define SCALAR(x) lr_f16_to_f32(x)
#include "elementwise.inl"
