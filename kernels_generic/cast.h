/* Conversions of one element, and of blocks; for cast.c and cast_any.c. */
#pragma once
#include <stddef.h>
#include <stdint.h>

size_t lr_cast_size(int32_t dtype); /* bytes of an element */
/* y[i] = (to)a[i] for i < n, any pair; y may be a when the sizes are equal. */
void lr_cast_any(int32_t from, int32_t to, size_t n, const void *a, void *y);

/* x is truncated; hi is one above the largest value, lo the smallest, both exact as doubles. */
#define SATURATE(T, x, lo, hi, max) \
  ((x) >= (hi) ? (T)(max) : (x) > (lo) - 1.0 ? (T)(x) : (x) < 0 ? (T)(lo) : (T)0)
static inline int8_t i8_of(double x) { return SATURATE(int8_t, x, -128.0, 128.0, 127); }
static inline uint8_t u8_of(double x) { return SATURATE(uint8_t, x, 0.0, 256.0, 255); }
static inline int16_t i16_of(double x) { return SATURATE(int16_t, x, -32768.0, 32768.0, 32767); }
static inline uint16_t u16_of(double x) { return SATURATE(uint16_t, x, 0.0, 65536.0, 65535); }
static inline int32_t i32_of(double x) {
  return SATURATE(int32_t, x, -2147483648.0, 2147483648.0, INT32_MAX);
}
static inline uint32_t u32_of(double x) { return SATURATE(uint32_t, x, 0.0, 4294967296.0, UINT32_MAX); }
/* -2^63 - 1 is not a double: anything from -2^63 on fits */
static inline int64_t i64_of(double x) {
  return x >= 9223372036854775808.0    ? INT64_MAX
         : x >= -9223372036854775808.0 ? (int64_t)x
         : x < 0                       ? INT64_MIN
                                       : 0;
}
static inline uint64_t u64_of(double x) {
  return SATURATE(uint64_t, x, 0.0, 18446744073709551616.0, UINT64_MAX);
}
