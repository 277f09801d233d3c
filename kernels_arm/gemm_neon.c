/* Matrix products and convolutions with NEON. */
#include <math.h>

#include "kernels.h"
#include "neon.h"

#if defined(__aarch64__)
#define TILES "gemm_neon.inl"
#define NAME(types) LR_NEON(types##_gemm_6x12)
#else
#define TILES "gemm_neon32.inl"
#define NAME(types) LR_NEON(types##_gemm_4x8)
#endif

#if LR_NEON_F32
#define GEMM NAME(lr_f32)
#define X float
#define XV(name) v4_##name##_f32
#include TILES
#endif

#if LR_NEON_F16
#define GEMM NAME(lr_f16_f32)
#define X uint16_t
#define XV(name) v4_##name##_f16
#include TILES
#endif
