/* Depthwise convolution with AVX2 and FMA. */
#include "avx2.h"
#include "kernels.h"

#define VEC v8
#define WIDTH 8
#define V(name) v8_##name
#define FIXED(F) F(9, 1)

#define DWCONV lr_f32_dwconv_1x8__avx2
#define X float
#define XV(name) v8_##name
#include "dwconv.inl"

#define DWCONV lr_f16_f32_dwconv_1x8__avx2
#define X uint16_t
#define XV(name) v8_##name##_f16
#include "dwconv.inl"
