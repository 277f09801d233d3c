/* Plain C kernels of matrix products and convolutions. */
#include <string.h>

#include "f16.h"
#include "kernels.h"

enum { MR = 4, NR = 8, BLOCK = 64 };
typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef int8_t i8x4 __attribute__((vector_size(4)));
typedef uint8_t u8x4 __attribute__((vector_size(4)));

#define W float
#define SUM float
#define VEC f32x4
#define WEIGHTS(v, w) memcpy(&(v), w, sizeof(v))
#define FLOATS 1

#define GEMM lr_f32_gemm_4x8__c
#define DWCONV lr_f32_dwconv_1x8__c
#define X float
#define LOAD(x) (x)
#define ELEMENTS(u, x) memcpy(&(u), x, sizeof(u))
#include "gemm.inl"

#define GEMM lr_f16_f32_gemm_4x8__c
#define DWCONV lr_f16_f32_dwconv_1x8__c
#define X uint16_t
#define LOAD(x) lr_f16_to_f32(x)
#define ELEMENTS(u, x) \
  u = (f32x4) { LOAD((x)[0]), LOAD((x)[1]), LOAD((x)[2]), LOAD((x)[3]) }
#include "gemm.inl"

#undef W
#undef SUM
#undef VEC
#undef WEIGHTS
#undef FLOATS

/* sums of hostile weights may wrap, which only unsigned integers may do in C */
#define W int8_t
#define SUM int32_t
#define VEC u32x4
#define SPREAD(v, from, type)                           \
  do {                                                  \
    type bytes_;                                        \
    memcpy(&bytes_, from, sizeof bytes_);               \
    v = (u32x4) __builtin_convertvector(bytes_, i32x4); \
  } while (0)
#define WEIGHTS(v, w) SPREAD(v, w, i8x4)
#define FLOATS 0

#define GEMM lr_qs8_gemm_4x8__c
#define DWCONV lr_qs8_dwconv_1x8__c
#define X int8_t
#define LOAD(x) (uint32_t)(int32_t)(x)
#define ELEMENTS(u, x) SPREAD(u, x, i8x4)
#include "gemm.inl"

#define GEMM lr_qu8_gemm_4x8__c
#define DWCONV lr_qu8_dwconv_1x8__c
#define X uint8_t
#define LOAD(x) (uint32_t)(x)
#define ELEMENTS(u, x) SPREAD(u, x, u8x4)
#include "gemm.inl"
