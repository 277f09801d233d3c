/* Matrix products with AVX2 and FMA: 6 rows by one panel; a single row by four, as it must wait for no
 * multiply-add. */
#include "avx2.h"
#include "kernels.h"

#define VEC v8
#define WIDTH 8
#define V(name) v8_##name
#define H v8
#define HALF(name) v8_##name
#define LOWER(v) (v)
#define MR 6
#define VECTORS 8
#define MOST(rows) ((rows) == 1 ? 4 : 1)
#define OF_ROWS(T, rows) T(rows, 1, 0) T(rows, 2, 0)
#define OF_ONE_ROW(T) OF_ROWS(T, 1) T(1, 4, 0) T(1, 6, 0) T(1, 8, 0)

#define GEMM lr_f32_gemm_6x16__avx2
#define X float
#define BROADCAST v8_set
#define TILES(T) OF_ONE_ROW(T) OF_ROWS(T, 2) OF_ROWS(T, 3) OF_ROWS(T, 4) OF_ROWS(T, 5) OF_ROWS(T, 6)
#include "gemm.inl"
#undef TILES

#define GEMM lr_f16_f32_gemm_6x16__avx2
#define X uint16_t
#define BROADCAST v8_set_f16
#define TILES(T) OF_ONE_ROW(T) OF_ROWS(T, 3) OF_ROWS(T, 6)
#include "gemm.inl"
