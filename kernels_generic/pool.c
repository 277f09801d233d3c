/* Plain C kernels of pooling. Loops over taps are outside, so that those over
 * channels become vectors; y holds the result so far. Compiled again for CPUs with longer vectors, then
 * LR_POOL_ISA ends the names, and LR_POOL_F32 is 0 when they have pools of f32 of their own. */
#include <string.h>

#include "f16.h"
#include "kernels.h"

#ifndef LR_POOL_ISA
#define LR_POOL_ISA c
#define LR_POOL_F32 1
#endif
#define JOIN_(name, isa) name##__##isa
#define JOIN(name, isa) JOIN_(name, isa)
#define NAME(name) JOIN(name, LR_POOL_ISA)

#define MAXPOOL(name, type)                                                 \
  void name(size_t n, size_t ks, const void *const *a, void *out) {         \
    type *restrict y = out;                                                 \
    memcpy(y, a[0], n * sizeof *y);                                         \
    for (size_t s = 1; s < ks; s++) {                                       \
      const type *restrict x = a[s];                                        \
      for (size_t j = 0; j < n; j++) y[j] = WINS(x[j], y[j]) ? x[j] : y[j]; \
    }                                                                       \
  }

#define WINS(x, y) ((x) > (y) || (x) != (x))
#if LR_POOL_F32
MAXPOOL(NAME(lr_f32_maxpool), float)
#endif
#undef WINS
#define WINS(x, y) ((x) > (y))
MAXPOOL(NAME(lr_s8_maxpool), int8_t)
MAXPOOL(NAME(lr_u8_maxpool), uint8_t)
#undef WINS
/* f16 bits as integers in the order of the values: negative ones are mirrored; NaN is above or below all
 * numbers */
static inline int32_t order(uint16_t h) { return h & 0x8000 ? -(int32_t)(h & 0x7fff) : (int32_t)h; }
static inline int is_nan(uint16_t h) { return (h & 0x7fff) > 0x7c00; }
#define WINS(x, y) (is_nan(x) || (!is_nan(y) && order(x) > order(y)))
MAXPOOL(NAME(lr_f16_maxpool), uint16_t)
#undef WINS

#if LR_POOL_F32
void NAME(lr_f32_avgpool)(size_t n, size_t ks, const void *const *a, float divisor, void *out) {
  float *y = out;
  memcpy(y, a[0], n * sizeof *y);
  for (size_t s = 1; s < ks; s++) {
    const float *x = a[s];
    for (size_t j = 0; j < n; j++) y[j] += x[j];
  }
  for (size_t j = 0; j < n; j++) y[j] /= divisor;
}
#endif

void NAME(lr_f16_avgpool)(size_t n, size_t ks, const void *const *a, float divisor, void *out) {
  enum { CHUNK = 64 };
  uint16_t *y = out;
  for (size_t at = 0; at < n; at += CHUNK) {
    size_t m = n - at < CHUNK ? n - at : CHUNK;
    float sum[CHUNK] = {0};
    for (size_t s = 0; s < ks; s++) {
      const uint16_t *x = (const uint16_t *)a[s] + at;
      for (size_t j = 0; j < m; j++) sum[j] += lr_f16_to_f32(x[j]);
    }
    for (size_t j = 0; j < m; j++) y[at + j] = lr_f16_from_f32(sum[j] / divisor);
  }
}
