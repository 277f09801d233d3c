/* Calls a kernel of any signature for a whole shape, as the operators do. */
#include <math.h>
#include <string.h>

#include "kernels_bench.h"

static size_t dtype_size(int32_t dtype) {
  switch (dtype) {
    case LR_CODE_F64:
    case LR_CODE_I64:
    case LR_CODE_U64:
      return 8;
    case LR_CODE_F32:
    case LR_CODE_I32:
    case LR_CODE_U32:
      return 4;
    case LR_CODE_F16:
    case LR_CODE_I16:
    case LR_CODE_U16:
      return 2;
    default:
      return 1;
  }
}

size_t element_size(enum lr_signature s, const struct shape *shape) {
  switch (s) {
    case LR_SIG_f64_vop:
    case LR_SIG_i64_vop:
    case LR_SIG_u64_vop:
    case LR_SIG_f64_vreduce:
    case LR_SIG_i64_vreduce:
    case LR_SIG_u64_vreduce:
    case LR_SIG_f64_hreduce:
    case LR_SIG_i64_hreduce:
    case LR_SIG_u64_hreduce:
    case LR_SIG_f64_softmax:
    case LR_SIG_f64_norm:
      return 8;
    case LR_SIG_f16_vop:
    case LR_SIG_i16_vop:
    case LR_SIG_u16_vop:
    case LR_SIG_f16_softmax:
    case LR_SIG_f16_norm:
    case LR_SIG_f16_gemm:
    case LR_SIG_f16_dwconv:
    case LR_SIG_f16_maxpool:
    case LR_SIG_f16_avgpool:
      return 2;
    case LR_SIG_i8_vop:
    case LR_SIG_u8_vop:
    case LR_SIG_bool_vop:
    case LR_SIG_qs8_gemm:
    case LR_SIG_qu8_gemm:
    case LR_SIG_qs8_dwconv:
    case LR_SIG_qu8_dwconv:
    case LR_SIG_s8_maxpool:
    case LR_SIG_u8_maxpool:
      return 1;
    case LR_SIG_vcast:
      return dtype_size(shape->op / 256);
    default:
      return 4;
  }
}

void prepare_work(struct work *w) {
  const struct shape *s = &w->shape;
  size_t size = element_size(w->signature, s), mr = w->kernel->mr > 0 ? (size_t)w->kernel->mr : 1;
  switch (w->signature) {
    case LR_SIG_f32_gemm:
    case LR_SIG_f16_gemm:
    case LR_SIG_qs8_gemm:
    case LR_SIG_qu8_gemm: /* taps lie one pixel apart, as in a convolution; rows past the end are the last one
                           */
      for (size_t tile = 0; tile * mr < s->rows; tile++)
        for (size_t tap = 0; tap < s->ks; tap++)
          for (size_t r = 0; r < mr; r++) {
            size_t row = tile * mr + r < s->rows ? tile * mr + r : s->rows - 1;
            w->a[(tile * s->ks + tap) * mr + r] = w->x + (row + tap) * s->kc * size;
          }
      break;
    case LR_SIG_f32_dwconv:
    case LR_SIG_f16_dwconv:
    case LR_SIG_qs8_dwconv:
    case LR_SIG_qu8_dwconv: /* of the first pixel; the others follow it evenly */
    default:
      for (size_t tap = 0; tap < s->ks; tap++) w->a[tap] = w->x + tap * s->cols * size;
  }
}

/* Row tiles over all columns. */
static void run_gemm(const struct work *w) {
  const struct shape *s = &w->shape;
  bool floats = w->signature == LR_SIG_f32_gemm || w->signature == LR_SIG_f16_gemm;
  size_t mr = (size_t)w->kernel->mr;
  for (size_t row = 0; row < s->rows; row += mr) {
    size_t rows = s->rows - row < mr ? s->rows - row : mr;
    const void **a = w->a + row * s->ks;
    void *y = w->y + row * s->cols * 4;
    if (floats)
      ((lr_f32_gemm_fn *)w->kernel->fn)(rows, s->cols, s->ks, s->kc, a, w->packed, w->bias, y, s->cols,
                                        -INFINITY, INFINITY);
    else
      ((lr_qs8_gemm_fn *)w->kernel->fn)(rows, s->cols, s->ks, s->kc, a, w->packed, w->bias, y, s->cols);
  }
}

static void run_dwconv(const struct work *w) {
  const struct shape *s = &w->shape;
  if (w->signature == LR_SIG_f32_dwconv || w->signature == LR_SIG_f16_dwconv)
    ((lr_f32_dwconv_fn *)w->kernel->fn)(s->rows, s->cols, s->ks, 0, 1, w->a, 0, s->cols, w->packed, w->bias,
                                        (float *)(void *)w->y, s->cols, -INFINITY, INFINITY);
  else
    ((lr_qs8_dwconv_fn *)w->kernel->fn)(s->rows, s->cols, s->ks, 0, 1, w->a, 0, s->cols, w->packed, w->bias,
                                        (int32_t *)(void *)w->y, s->cols);
}

static void run_reduce(const struct work *w) {
  const struct shape *s = &w->shape;
  const void *x = w->x, *none = NULL;
  void *y = w->y;
  switch (w->signature) {
#define CASES(name)                                                                                     \
  case LR_SIG_##name##_vreduce:                                                                         \
    ((lr_##name##_vreduce_fn *)w->kernel->fn)(s->op, s->cols, s->rows, x, s->cols, none, y);            \
    break;                                                                                              \
  case LR_SIG_##name##_hreduce:                                                                         \
    for (size_t r = 0; r < s->rows; r++)                                                                \
      ((lr_##name##_hreduce_fn *)w->kernel->fn)(                                                        \
          s->op, s->cols, (const void *)(w->x + r * s->cols * element_size(w->signature, s)), none, y); \
    break;
    CASES(f32)
    CASES(f64)
    CASES(i64)
    CASES(u64)
#undef CASES
    default:
      break;
  }
}

static void run_rows(const struct work *w) {
  const struct shape *s = &w->shape;
  const void *x = w->x, *second = w->x + BUFFER / 2;
  void (*fn)(void) = w->kernel->fn;
  switch (w->signature) {
    case LR_SIG_f32_softmax:
    case LR_SIG_f16_softmax:
    case LR_SIG_f64_softmax:
      ((lr_softmax_fn *)fn)(s->cols, x, w->y, 0);
      break;
    case LR_SIG_f32_softmax_piece: {
      float max = -INFINITY, sum = 0;
      ((lr_f32_softmax_piece_fn *)fn)(s->cols, 1, x, 1, (float *)(void *)w->y, &max, &sum);
      break;
    }
    case LR_SIG_f32_norm:
    case LR_SIG_f16_norm:
    case LR_SIG_f64_norm:
      ((lr_norm_fn *)fn)(s->cols, x, second, NULL, 1e-5f, 0, w->y);
      break;
    case LR_SIG_f32_maxpool:
    case LR_SIG_f16_maxpool:
    case LR_SIG_s8_maxpool:
    case LR_SIG_u8_maxpool:
      ((lr_f32_maxpool_fn *)fn)(s->cols, s->ks, w->a, w->y);
      break;
    case LR_SIG_f32_avgpool:
    case LR_SIG_f16_avgpool:
      ((lr_f32_avgpool_fn *)fn)(s->cols, s->ks, w->a, 9, w->y);
      break;
    case LR_SIG_f32_wsum:
      ((lr_f32_wsum_fn *)fn)(s->cols, s->ks, (const float *const *)w->a, second, (float *)(void *)w->y);
      break;
    case LR_SIG_vcast:
      ((lr_vcast_fn *)fn)(s->op / 256, s->op % 256, s->cols, x, 1, w->y);
      break;
    case LR_SIG_vquantize:
      ((lr_vquantize_fn *)fn)(LR_CODE_I8, s->cols, x, 1, second, 0, w->bias, 0, w->y);
      break;
    default:
      ((lr_vop_fn *)fn)(s->op, s->cols, x, 1, second, 1, second, 1, w->y);
  }
}

void run_work(const struct work *w) {
  switch (w->signature) {
    case LR_SIG_f32_gemm:
    case LR_SIG_f16_gemm:
    case LR_SIG_qs8_gemm:
    case LR_SIG_qu8_gemm:
      run_gemm(w);
      break;
    case LR_SIG_f32_dwconv:
    case LR_SIG_f16_dwconv:
    case LR_SIG_qs8_dwconv:
    case LR_SIG_qu8_dwconv:
      run_dwconv(w);
      break;
    case LR_SIG_f32_vreduce:
    case LR_SIG_f64_vreduce:
    case LR_SIG_i64_vreduce:
    case LR_SIG_u64_vreduce:
    case LR_SIG_f32_hreduce:
    case LR_SIG_f64_hreduce:
    case LR_SIG_i64_hreduce:
    case LR_SIG_u64_hreduce:
      run_reduce(w);
      break;
    default:
      run_rows(w);
  }
}
