/* Post-ops of f16 (stored; computed in f32), in plain C. */
#include "simd.h"
#include "vmath.h"

#include "functions.h"

#define ELEM uint16_t
#define TYPE f16
#define ISA c
#define SCALAR(x) lr_f16_to_f32(x)
#include "elementwise.inl"
