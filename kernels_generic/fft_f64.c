/* Passes of Fourier transforms of f64, in plain C. */
#include "simd_f64.h"

#define ELEM double
#define TYPE f64
#define ISA c
#include "fft.inl"
