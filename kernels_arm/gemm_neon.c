/* Matrix products and convolutions with NEON. */
#include <math.h>

#include "kernels.h"
#include "neon.h"

#define GEMM lr_f32_gemm_6x12__neon
#define X float
#define XV(name) v4_##name##_f32
#include "gemm_neon.inl"

#define GEMM lr_f16_f32_gemm_6x12__neon
#define X uint16_t
#define XV(name) v4_##name##_f16
#include "gemm_neon.inl"
