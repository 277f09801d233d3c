/* Conversions between element types, and quantisation. Pairs that models use a lot go straight, the others by
 * cast_any.c. In plain C, and again for each ISA with the vectors that compilers make. */
#include <math.h>
#include <string.h>

#include "cast.h"
#include "f16.h"
#include "independent.h"
#include "kernels.h"
#include "lr_ops.h"
#include "simd_choose.h"

#include LR_SIMD

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(name) JOIN(name, LR_SIMD_ISA)

enum { BLOCK = 128 };

/* ---- f16, where the CPU converts it; with one lane the loops below do it ---- */
#if VF_LANES > 1
#define HALVES(from, to)                                                            \
  {                                                                                 \
    size_t i = 0, full = n - n % VF_LANES;                                          \
    for (; i < full; i += VF_LANES) vf_store_##to(y + i, vf_load_##from(x + i));    \
    if (i < n) vf_store_part_##to(y + i, n - i, vf_load_part_##from(x + i, n - i)); \
  }
static void widen(size_t n, const uint16_t *x, float *y)
    HALVES(f16, f32) static void narrow(size_t n, const float *x, uint16_t *y) HALVES(f32, f16)

        static int halves(int32_t from, int32_t to, size_t n, const void *a, void *y) {
  if (!LR_POST_BUILT(LR_CASE_CAST + LR_CODE_F16)) return 0;
  if (from == LR_CODE_F16 && to == LR_CODE_F32)
    widen(n, a, y);
  else if (from == LR_CODE_F32 && to == LR_CODE_F16)
    narrow(n, a, y);
  else
    return 0;
  return 1;
}
#else
static int halves(int32_t from, int32_t to, size_t n, const void *a, void *y) { return 0; }
#endif

/* ---- straight pairs ---- */
#define PAIR(from, to) ((from) << 8 | (to))
#define STRAIGHT(A, a_type, B, b_type, expr)                                            \
  case PAIR(A, B):                                                                      \
    if (!LR_POST_BUILT(LR_CASE_CAST + A) || !LR_POST_BUILT(LR_CASE_CAST + B)) return 0; \
    LR_INDEPENDENT for (size_t i = 0; i < n; i++) {                                     \
      a_type x = ((const a_type *)a)[i];                                                \
      ((b_type *)y)[i] = expr;                                                          \
    }                                                                                   \
    return 1;

static int straight(int32_t from, int32_t to, size_t n, const void *a, void *y) {
  switch (PAIR(from, to)) {
    STRAIGHT(LR_CODE_F16, uint16_t, LR_CODE_F32, float, lr_f16_to_f32(x))
    STRAIGHT(LR_CODE_F32, float, LR_CODE_F16, uint16_t, lr_f16_from_f32(x))
    STRAIGHT(LR_CODE_F32, float, LR_CODE_F64, double, x)
    STRAIGHT(LR_CODE_F64, double, LR_CODE_F32, float, (float)x)
    STRAIGHT(LR_CODE_F32, float, LR_CODE_I32, int32_t, i32_of(x))
    STRAIGHT(LR_CODE_F32, float, LR_CODE_I64, int64_t, i64_of(x))
    STRAIGHT(LR_CODE_F32, float, LR_CODE_U8, uint8_t, u8_of(x))
    STRAIGHT(LR_CODE_F32, float, LR_CODE_I8, int8_t, i8_of(x))
    STRAIGHT(LR_CODE_F32, float, LR_CODE_BOOL, uint8_t, x != 0)
    STRAIGHT(LR_CODE_I32, int32_t, LR_CODE_F32, float, (float)x)
    STRAIGHT(LR_CODE_I64, int64_t, LR_CODE_F32, float, (float)x)
    STRAIGHT(LR_CODE_U8, uint8_t, LR_CODE_F32, float, x)
    STRAIGHT(LR_CODE_I8, int8_t, LR_CODE_F32, float, x)
    STRAIGHT(LR_CODE_BOOL, uint8_t, LR_CODE_F32, float, (float)(x != 0))
    STRAIGHT(LR_CODE_I64, int64_t, LR_CODE_I32, int32_t, (int32_t)(uint32_t)x)
    STRAIGHT(LR_CODE_I32, int32_t, LR_CODE_I64, int64_t, x)
    STRAIGHT(LR_CODE_U8, uint8_t, LR_CODE_I32, int32_t, x)
    STRAIGHT(LR_CODE_I8, int8_t, LR_CODE_I32, int32_t, x)
    STRAIGHT(LR_CODE_BOOL, uint8_t, LR_CODE_I64, int64_t, x != 0)
    STRAIGHT(LR_CODE_I64, int64_t, LR_CODE_BOOL, uint8_t, x != 0)
    default:
      return 0;
  }
}
#undef STRAIGHT

void NAME(lr_vcast__)(int32_t from, int32_t to, size_t n, const void *a, size_t step, void *y) {
  if (step || !n) {
    if (!halves(from, to, n, a, y) && !straight(from, to, n, a, y)) lr_cast_any(from, to, n, a, y);
    return;
  }
  char one[8];
  size_t size = lr_cast_size(to);
  lr_cast_any(from, to, 1, a, one);
  for (size_t i = 0; i < n; i++) memcpy((char *)y + i * size, one, size);
}

/* ---- quantize ---- */
/* Clamped before it becomes an integer; 1.5 * 2^23 rounds to nearest even what is small enough, as the 16-bit
 * types are. step: 0 when b and c are one number. */
#define QUANTIZE(dtype, type, lo, hi, step)                                                  \
  case dtype:                                                                                \
    for (size_t i = 0; i < n; i++) {                                                         \
      int32_t zero = ((const type *)c)[step * i];                                            \
      float q = a[i] / b[step * i], low = (float)((lo) - zero), high = (float)((hi) - zero); \
      q = q == q ? q : 0;                                                                    \
      q = q < low ? low : q > high ? high : q;                                               \
      ((type *)y)[i] = (type)((int32_t)((q + 12582912.0f) - 12582912.0f) + zero);            \
    }                                                                                        \
    return;

static void quantize(int32_t to, size_t n, const float *a, const float *b, const void *c, void *y) {
  switch (to) {
    QUANTIZE(LR_CODE_I8, int8_t, -128, 127, 1)
    QUANTIZE(LR_CODE_U8, uint8_t, 0, 255, 1)
    QUANTIZE(LR_CODE_I16, int16_t, -32768, 32767, 1)
    QUANTIZE(LR_CODE_U16, uint16_t, 0, 65535, 1)
    default:
      break;
  }
  for (size_t i = 0; i < n; i++) {
    double q = (double)(a[i] / b[i]);
    ((int32_t *)y)[i] = i32_of(rint(q == q ? q : 0) + ((const int32_t *)c)[i]);
  }
}

/* What activations have: 8 bits, one scale and zero point. */
static void quantize_by_one(int32_t to, size_t n, const float *a, const float *b, const void *c, void *y) {
  switch (to) {
    QUANTIZE(LR_CODE_I8, int8_t, -128, 127, 0)
    QUANTIZE(LR_CODE_U8, uint8_t, 0, 255, 0)
    default:
      return;
  }
}

void NAME(lr_vquantize__)(int32_t to, size_t n, const float *a, size_t a_step, const float *b, size_t b_step,
                          const void *c, size_t c_step, void *y) {
  float pa[BLOCK], pb[BLOCK];
  int32_t pc[BLOCK];
  size_t size = lr_cast_size(to);
  if (a_step && !b_step && !c_step && size == 1) {
    quantize_by_one(to, n, a, b, c, y);
    return;
  }
  for (size_t at = 0, m; at < n; at += m) {
    m = n - at < BLOCK ? n - at : BLOCK;
    for (size_t i = 0; i < m && !at; i++) { /* blocks of copies, made once */
      if (!a_step) pa[i] = *a;
      if (!b_step) pb[i] = *b;
      if (!c_step) memcpy((char *)pc + i * size, c, size);
    }
    quantize(to, m, a_step ? a + at : pa, b_step ? b + at : pb,
             c_step ? (const char *)c + at * size : (const char *)pc, (char *)y + at * size);
  }
}
