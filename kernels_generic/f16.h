/* IEEE half precision <-> float, in integer arithmetic that compilers vectorise and that works with denormals
 * flushed: all floats that occur are normal. Round to nearest even; NaN stays NaN. */
#pragma once
#include <stdint.h>
#include <string.h>

static inline float lr_float_of_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static inline uint32_t lr_bits_of_float(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static inline float lr_f16_to_f32(uint16_t h) {
  uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
  uint32_t exponent = magnitude & 0x0f800000;
  uint32_t normal = magnitude + (112u << 23);
  uint32_t special = magnitude + (224u << 23); /* exponent 31 becomes 255 */
  /* the mantissa of a subnormal, put behind a 1 that is subtracted again */
  uint32_t small =
      lr_bits_of_float(lr_float_of_bits(magnitude + (113u << 23)) - lr_float_of_bits(113u << 23));
  uint32_t bits = exponent == 0x0f800000 ? special : exponent ? normal : small;
  return lr_float_of_bits(bits | (uint32_t)(h & 0x8000) << 16);
}

static inline uint16_t lr_f16_from_f32(float f) {
  uint32_t bits = lr_bits_of_float(f), sign = bits >> 16 & 0x8000, u = bits & 0x7fffffff;
  uint32_t special = u > 0x7f800000 ? 0x7e00 : 0x7c00;
  /* adding 0.5 shifts the mantissa of what becomes subnormal into place, and the FPU rounds it */
  uint32_t small = lr_bits_of_float(lr_float_of_bits(u) + 0.5f) - 0x3f000000;
  uint32_t normal = (u + 0xc8000fffu + (u >> 13 & 1)) >> 13; /* exponent - 112, round half to even */
  return (uint16_t)(sign | (u >= 0x47800000 ? special : u < 0x38800000 ? small : normal));
}

/* By way of a float that is rounded to odd, so that the second rounding sees on which side the double was. */
static inline uint16_t lr_f16_from_f64(double d) {
  float f = (float)d;
  double back = f;
  uint32_t u = lr_bits_of_float(f);
  if (back != d && d == d) {
    if ((back < 0 ? -back : back) > (d < 0 ? -d : d)) u--;
    u |= 1;
  }
  return lr_f16_from_f32(lr_float_of_bits(u));
}
