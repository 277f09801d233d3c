/* Pools with AVX-512. */
#include "avx512.h"
#include "kernels.h"

#define VEC v16
#define WIDTH 16
#define V(name) v16_##name
#define NAME(name) name##__avx512
#include "pool.inl"
