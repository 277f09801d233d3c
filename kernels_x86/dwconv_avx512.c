/* Depthwise convolution with AVX-512. */
#include "avx512.h"
#include "kernels.h"

#define VEC v16
#define WIDTH 16
#define V(name) v16_##name
#define FIXED(F) F(9, 2) F(9, 1) F(25, 1)

#define DWCONV lr_f32_dwconv_1x32__avx512
#define X float
#define XV(name) v16_##name
#include "dwconv.inl"

#define DWCONV lr_f16_f32_dwconv_1x32__avx512
#define X uint16_t
#define XV(name) v16_##name##_f16
#include "dwconv.inl"
