/* Post-ops of f64, in plain C. */
#include "simd_f64.h"

#include "functions.h"

#define ELEM double
#define TYPE f64
#define ISA c
#define SCALAR(x) (x)
#include "elementwise.inl"
