/* Post-ops of f32, in plain C. */
#include "simd.h"
#include "vmath.h"

#include "functions.h"

#define ELEM float
#define TYPE f32
#define ISA c
#define SCALAR(x) (x)
#include "elementwise.inl"
