/* Passes of Fourier transforms of f32: in plain C, and again for each ISA. */
#include "simd_choose.h"

#include LR_SIMD

#define ELEM float
#define TYPE f32
#define ISA LR_SIMD_ISA
#include "fft.inl"
