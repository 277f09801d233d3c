/* Pools with AVX2; f16 and 8 bit are pool.c, compiled for it. */
#include "avx2.h"
#include "kernels.h"

#define VEC v8
#define WIDTH 8
#define V(name) v8_##name
#define NAME(name) name##__avx2
#include "pool.inl"
