/* Matrix products with AVX-512: 8 rows by 3 panels. More rows would need more pointers than there are integer
 * registers. */
#include "avx512.h"
#include "kernels.h"

#define VEC v16
#define WIDTH 16
#define V(name) v16_##name
#define H v8
#define HALF(name) v8_##name
#define LOWER(v) _mm512_castps512_ps256(v)
#define MR 8
#define VECTORS 3
#define MOST(rows) 3
#define OF_ROWS(T, rows) T(rows, 0, 1) T(rows, 1, 0) T(rows, 1, 1) T(rows, 2, 0) T(rows, 2, 1) T(rows, 3, 0)

#define GEMM lr_f32_gemm_8x48__avx512
#define X float
#define BROADCAST v16_set
#define TILES(T) \
  OF_ROWS(T, 1) OF_ROWS(T, 2) OF_ROWS(T, 3) OF_ROWS(T, 4) OF_ROWS(T, 5) OF_ROWS(T, 6) OF_ROWS(T, 8)
#include "gemm.inl"
#undef TILES

#define GEMM lr_f16_f32_gemm_8x48__avx512
#define X uint16_t
#define BROADCAST v16_set_f16
#define TILES(T) OF_ROWS(T, 1) OF_ROWS(T, 4) OF_ROWS(T, 8)
#include "gemm.inl"
