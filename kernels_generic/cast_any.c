/* Conversions between any two element types, by way of a block of doubles (from floats) or of 64-bit
 * integers, which loses nothing that the result could hold. Rare pairs: built for size. */
#include <string.h>

#include "cast.h"
#include "f16.h"
#include "lr_ops.h"

enum { BLOCK = 128 };

/* types that casts are from or to: others are no code (-Dposts) */
#define BUILT(dtype) LR_POST_BUILT(LR_CASE_CAST + (dtype))
#define EACH(dtype, type, expr)               \
  if (BUILT(dtype))                           \
    for (size_t i = 0; i < n; i++) {          \
      type x;                                 \
      memcpy(&x, a + i * sizeof x, sizeof x); \
      to[i] = expr;                           \
    }                                         \
  return;

static void load_double(int32_t from, size_t n, const char *a, double *to) {
  switch (from) {
    case LR_CODE_F32:
      EACH(LR_CODE_F32, float, x)
    case LR_CODE_F16:
      EACH(LR_CODE_F16, uint16_t, lr_f16_to_f32(x))
    default:
      EACH(LR_CODE_F64, double, x)
  }
}

static void load_int(int32_t from, size_t n, const char *a, int64_t *to) { /* u64 keeps its bits */
  switch (from) {
    case LR_CODE_I8:
      EACH(LR_CODE_I8, int8_t, x)
    case LR_CODE_U8:
      EACH(LR_CODE_U8, uint8_t, x)
    case LR_CODE_BOOL:
      EACH(LR_CODE_BOOL, uint8_t, x != 0)
    case LR_CODE_I16:
      EACH(LR_CODE_I16, int16_t, x)
    case LR_CODE_U16:
      EACH(LR_CODE_U16, uint16_t, x)
    case LR_CODE_I32:
      EACH(LR_CODE_I32, int32_t, x)
    case LR_CODE_U32:
      EACH(LR_CODE_U32, uint32_t, x)
    default:
      EACH(BUILT(LR_CODE_I64) ? LR_CODE_I64 : LR_CODE_U64, int64_t, x)
  }
}
#undef EACH

#define STORE(dtype, type, expr)                            \
  case dtype:                                               \
    if (BUILT(dtype))                                       \
      for (size_t i = 0; i < n; i++) ((type *)y)[i] = expr; \
    return;

static void store_double(int32_t to, size_t n, const double *x, void *y) {
  switch (to) {
    STORE(LR_CODE_F32, float, (float)x[i])
    STORE(LR_CODE_F16, uint16_t, lr_f16_from_f64(x[i]))
    STORE(LR_CODE_F64, double, x[i])
    STORE(LR_CODE_I8, int8_t, i8_of(x[i]))
    STORE(LR_CODE_U8, uint8_t, u8_of(x[i]))
    STORE(LR_CODE_I16, int16_t, i16_of(x[i]))
    STORE(LR_CODE_U16, uint16_t, u16_of(x[i]))
    STORE(LR_CODE_I32, int32_t, i32_of(x[i]))
    STORE(LR_CODE_U32, uint32_t, u32_of(x[i]))
    STORE(LR_CODE_I64, int64_t, i64_of(x[i]))
    STORE(LR_CODE_U64, uint64_t, u64_of(x[i]))
    STORE(LR_CODE_BOOL, uint8_t, x[i] != 0)
  }
}

static void store_int(int32_t to, size_t n, const int64_t *x, void *y) {
  switch (to) {
    STORE(LR_CODE_F32, float, (float)x[i])
    STORE(LR_CODE_F16, uint16_t,
          lr_f16_from_f64((double)x[i])) /* what is not exact as a double is infinite */
    STORE(LR_CODE_F64, double, (double)x[i])
    STORE(LR_CODE_I8, int8_t, (int8_t)(uint8_t)x[i])
    STORE(LR_CODE_U8, uint8_t, (uint8_t)x[i])
    STORE(LR_CODE_I16, int16_t, (int16_t)(uint16_t)x[i])
    STORE(LR_CODE_U16, uint16_t, (uint16_t)x[i])
    STORE(LR_CODE_I32, int32_t, (int32_t)(uint32_t)x[i])
    STORE(LR_CODE_U32, uint32_t, (uint32_t)x[i])
    STORE(LR_CODE_I64, int64_t, x[i])
    STORE(LR_CODE_U64, uint64_t, (uint64_t)x[i])
    STORE(LR_CODE_BOOL, uint8_t, x[i] != 0)
  }
}

static void store_unsigned(int32_t to, size_t n, const int64_t *x, void *y) {
  switch (to) {
    STORE(LR_CODE_F32, float, (float)(uint64_t)x[i])
    STORE(LR_CODE_F16, uint16_t, lr_f16_from_f64((double)(uint64_t)x[i]))
    STORE(LR_CODE_F64, double, (double)(uint64_t)x[i])
    default:
      store_int(to, n, x, y);
  }
}
#undef STORE

size_t lr_cast_size(int32_t dtype) {
  switch (dtype) {
    case LR_CODE_I8:
    case LR_CODE_U8:
    case LR_CODE_BOOL:
      return 1;
    case LR_CODE_F16:
    case LR_CODE_I16:
    case LR_CODE_U16:
      return 2;
    case LR_CODE_F32:
    case LR_CODE_I32:
    case LR_CODE_U32:
      return 4;
    default:
      return 8;
  }
}

void lr_cast_any(int32_t from, int32_t to, size_t n, const void *from_data, void *to_data) {
  size_t a_size = lr_cast_size(from), y_size = lr_cast_size(to);
  const char *a = from_data;
  char *y = to_data;
  for (size_t m; n; n -= m, a += m * a_size, y += m * y_size) {
    m = n < BLOCK ? n : BLOCK;
    double d[BLOCK];
    int64_t k[BLOCK];
    if (from == LR_CODE_F32 || from == LR_CODE_F16 || from == LR_CODE_F64) {
      load_double(from, m, a, d);
      store_double(to, m, d, y);
    } else {
      load_int(from, m, a, k);
      if (from == LR_CODE_U64)
        store_unsigned(to, m, k, y);
      else
        store_int(to, m, k, y);
    }
  }
}
