/* Every kernel: its type, its declaration, how it is found. Kernels know pointers, sizes, strides and a
 * params struct: no allocation, no globals, no threads, no errors. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "lr_ops.h"

enum lr_cpu_bit {
#define LR_ISA(name, bit, arch) LR_CPU_##name = 1 << bit,
#include "isa.inc"
#undef LR_ISA
};

/* ---- signatures ---- */

/* y[i] = op(a[i], b[i], c[i]) for i < n; op: enum lr_postop with its meaning (spec/postops.py); elements of
 * the kernel's type (bool where the op says so). A step of 0 means one element for all i, else the source is
 * dense (1); sources that the op does not have are NULL. y may be the memory of a dense source with elements
 * of y's size, else it aliases nothing. Integers divided by 0 give 0. */
typedef void lr_vop_fn(int32_t op, size_t n, const void *a, size_t a_step, const void *b, size_t b_step,
                       const void *c, size_t c_step, void *y);
typedef lr_vop_fn lr_f32_vop_fn, lr_f16_vop_fn, lr_f64_vop_fn, lr_i8_vop_fn, lr_u8_vop_fn, lr_i16_vop_fn,
    lr_u16_vop_fn, lr_i32_vop_fn, lr_u32_vop_fn, lr_i64_vop_fn, lr_u64_vop_fn, lr_bool_vop_fn;
/* y[i] = (to)a[i * step] for i < n, step 0 or 1; from, to: lr_dtype of f32, f16, f64, integers, bool. Floats
 * to integers truncate and saturate, NaN gives 0; integers to integers wrap; to bool: not 0. y may be a when
 * it is dense and the sizes are equal. */
typedef void lr_vcast_fn(int32_t from, int32_t to, size_t n, const void *a, size_t step, void *y);
/* y[i] = saturate(round_half_even(a[i] / b[i]) + c[i]); to: lr_dtype of c and y (i8, u8, i16, u16, i32).
 * Steps as for vop; NaN counts as 0. y aliases nothing but a dense c. */
typedef void lr_vquantize_fn(int32_t to, size_t n, const float *a, size_t a_step, const float *b,
                             size_t b_step, const void *c, size_t c_step, void *y);
/* Reductions. op: LR_REDUCE_KIND_SUM (x), _SUM_SQUARE (x^2), _L1 (|x|), _PROD, _MAX, _MIN (NaN wins) or
 * _LOG_SUM_EXP (exp(x - m)). Columns (vreduce): acc[i] = combine(acc[i], f(x[r * stride + i])) for i < n,
 * over rows r in order; m: n numbers, NULL where the op has none. A row (hreduce): *acc = combine(*acc, all
 * f(x[i]) for i < n), by a tree that depends on n only; m: one number or NULL. Sums in f32 are good for a
 * thousand terms. */
typedef void lr_f32_vreduce_fn(int32_t op, size_t n, size_t rows, const float *x, size_t stride,
                               const float *m, float *acc);
typedef void lr_f64_vreduce_fn(int32_t op, size_t n, size_t rows, const double *x, size_t stride,
                               const double *m, double *acc);
typedef void lr_i64_vreduce_fn(int32_t op, size_t n, size_t rows, const int64_t *x, size_t stride,
                               const int64_t *m, int64_t *acc);
typedef void lr_u64_vreduce_fn(int32_t op, size_t n, size_t rows, const uint64_t *x, size_t stride,
                               const uint64_t *m, uint64_t *acc);
typedef void lr_f32_hreduce_fn(int32_t op, size_t n, const float *x, const float *m, float *acc);
typedef void lr_f64_hreduce_fn(int32_t op, size_t n, const double *x, const double *m, double *acc);
typedef void lr_i64_hreduce_fn(int32_t op, size_t n, const int64_t *x, const int64_t *m, int64_t *acc);
typedef void lr_u64_hreduce_fn(int32_t op, size_t n, const uint64_t *x, const uint64_t *m, uint64_t *acc);
/* y = softmax(x) of one dense row, or its logarithm; y may be x. n >= 1. */
typedef void lr_softmax_fn(size_t n, const void *x, void *y, int32_t log);
typedef lr_softmax_fn lr_f32_softmax_fn, lr_f16_softmax_fn, lr_f64_softmax_fn;
/* A softmax over a row that comes in pieces (Milakov & Gimelshein, "Online normalizer calculation for softmax", 2018).
 * With t[i] = scale * x[i] + mask[i * mask_step] for i < n, n >= 1, and m the largest of *max and all t: x[i] = exp(t[i] - m),
 * f = exp(*max - m), *sum = f * *sum + the sum of all x[i], *max = m. Returns f, by which all sums over earlier pieces are to
 * be multiplied. *max is -inf and *sum 0 before the first piece. mask: NULL or one number (mask_step 0), or n (1). A NaN in t
 * makes *sum NaN; as long as all t are -inf, x, *sum and with them a quotient's divisor are 0. */
typedef float lr_f32_softmax_piece_fn(size_t n, float scale, const float *mask, size_t mask_step, float *x,
                                      float *max, float *sum);
/* y = (x - mean(x)) / sqrt(variance(x) + epsilon) * scale + bias of one dense row; rms: without the mean.
 * scale, bias: n elements or NULL. y may be any of the others. n >= 1. */
typedef void lr_norm_fn(size_t n, const void *x, const void *scale, const void *bias, float epsilon,
                        int32_t rms, void *y);
typedef lr_norm_fn lr_f32_norm_fn, lr_f16_norm_fn, lr_f64_norm_fn;

/* Indirect GEMM, for matrix products and convolutions: y[r][j] = clamp(bias[j] + sum of a[s][r][k] *
 * w[s][k][j]) over taps s < ks and k < kc, for r < rows <= mr and j < cols. a: ks * mr row pointers, a[s * mr
 * + r], each to kc elements; all mr of them are valid, also those from `rows` on. w: panels of nr columns
 * (packing.h), one behind the other; bias: cols rounded up to nr; y: row stride y_stride, nothing outside of
 * rows x cols is written. NaN stays NaN. y aliases nothing else. */
typedef void lr_f32_gemm_fn(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a,
                            const void *w, const float *bias, float *y, size_t y_stride, float lo, float hi);
typedef lr_f32_gemm_fn lr_f16_gemm_fn; /* a is f16; w, bias and y are f32 */
/* The same for a of i8 (qs8) or u8 (qu8), w i8, sums in i32 that wrap. Zero points are in the bias (see
 * ops/gemm.h). */
typedef void lr_qs8_gemm_fn(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a,
                            const void *w, const int32_t *bias, int32_t *y, size_t y_stride);
typedef lr_qs8_gemm_fn lr_qu8_gemm_fn;

/* Depthwise convolution: y[r][j] = clamp(bias[j] + sum over s < ks of x(r, s)[(first + j) / mult] * w[s][j]) for
 * r < rows and j < cols. x(r, s), the pixel under tap s, is a[r * a_step + s] + r * x_step elements: pointers of
 * their own (a_step ks, x_step 0), or those of the first pixel where all others lie evenly behind it (a_step 0). A
 * pixel has at least (first + cols - 1) / mult + 1 channels; w: panels of nr channels with ks taps of depth 1
 * (packing.h); else as gemm. */
typedef void lr_f32_dwconv_fn(size_t rows, size_t cols, size_t ks, size_t first, size_t mult,
                              const void *const *a, size_t a_step, size_t x_step, const void *w,
                              const float *bias, float *y, size_t y_stride, float lo, float hi);
typedef lr_f32_dwconv_fn lr_f16_dwconv_fn;
typedef void lr_qs8_dwconv_fn(size_t rows, size_t cols, size_t ks, size_t first, size_t mult,
                              const void *const *a, size_t a_step, size_t x_step, const void *w,
                              const int32_t *bias, int32_t *y, size_t y_stride);
typedef lr_qs8_dwconv_fn lr_qu8_dwconv_fn;

/* y[j] = the largest of a[s][j] over s < ks, for j < n; ks >= 1. NaN wins. Elements of the kernel's type; y
 * aliases nothing. */
typedef void lr_f32_maxpool_fn(size_t n, size_t ks, const void *const *a, void *y);
typedef lr_f32_maxpool_fn lr_f16_maxpool_fn, lr_s8_maxpool_fn, lr_u8_maxpool_fn;
/* y[j] = (sum of a[s][j] over s < ks) / divisor; computed in f32; ks >= 1. */
typedef void lr_f32_avgpool_fn(size_t n, size_t ks, const void *const *a, float divisor, void *y);
typedef lr_f32_avgpool_fn lr_f16_avgpool_fn;
/* y[j] = sum over s < ks of w[s] * a[s][j] for j < n; ks >= 1. y may be one of the a[s]. Each product and sum is rounded, in
 * the order of s. */
typedef void lr_f32_wsum_fn(size_t n, size_t ks, const float *const *a, const float *w, float *y);

/* Winograd's transforms for tiles of m x m outputs of a 3x3 convolution, m 2 or 4; a = m + 2 (winograd.c). In: v[i *
 * v_stride + c] = (B^T X_c B)_i, row-major, of the a x a pixels x[i] with n channels each. Out: the first rows x cols of
 * y_c = clamp(A^T V_c A + bias[c] + add_c) go to y[r * row_stride + w * col_stride + c], c < n; add, with strides of its
 * own, may be NULL. NaN stays NaN; nothing aliases. */
typedef void lr_f32_winograd_in_fn(size_t m, size_t n, const float *const *x, float *v, size_t v_stride);
struct lr_winograd_out {
  const float *v, *bias, *add;
  size_t v_stride, rows, cols, row_stride, col_stride, add_row_stride, add_col_stride;
  float *y;
  float lo, hi;
};
typedef void lr_f32_winograd_out_fn(size_t m, size_t n, const struct lr_winograd_out *o);

/* A pass of a Fourier transform (fft.inl), rows p and columns q of it: y[(p radix + k) s + q] = w_k[p] * sum over
 * j < radix of x[(p + j m) s + q] e^(-2 pi i j k / radix) for k < radix. w: m real, then m imaginary parts for each of
 * k = 1 .. radix - 1; w_0 is 1, but a radix of 1 is y[p s + q] = w[p] x[p s + q], where y may be x. radix: 1 to 5 or an odd
 * number; then roots has cos(2 pi j / radix), then sin for j < radix. Elements of the kernel's type; else nothing aliases. */
#define LR_FFT_MAX_RADIX 31
struct lr_fft_pass {
  size_t radix, m, s, row, rows, col, cols;
  const void *w, *roots, *x_re, *x_im;
  void *y_re, *y_im;
};
typedef void lr_fft_pass_fn(const struct lr_fft_pass *p);
typedef lr_fft_pass_fn lr_f32_fft_pass_fn, lr_f64_fft_pass_fn;
/* Pictures (lite_image.h), in builds that have LR_IMAGE. R, G and B of n pixels, 4 bytes each (the last one 0); rgb is written
 * up to the next multiple of LR_IMAGE_ROOM pixels. Pixel i has y[i], u[i / 2 * step] and v[i / 2 * step]; with step 2, u and v
 * are neighbours. With l = max(y - black, 0), d = u - 128, e = v - 128: r = saturate((cy l + rv e + 2^19) >> 20), g with
 * gu d + gv e, b with bu d, which is what OpenCV computes. */
#define LR_IMAGE_ROOM 16
struct lr_yuv {
  int32_t black, cy, rv, gu, gv, bu; /* each factor / 128 fits 16 bits */
};
typedef void lr_u8_yuv_fn(size_t n, const uint8_t *y, const uint8_t *u, const uint8_t *v, size_t step,
                          const struct lr_yuv *k, uint8_t *rgb);
/* y[i] = 128 a[i] + round(128 (b[i] - a[i]) w / 2^15) for i < n; w in 0 to 2^15 - 1; round: half up. */
typedef void lr_u8_mix_fn(size_t n, const uint8_t *a, const uint8_t *b, int32_t w, int16_t *y);
/* Pixel i < n of y, at y[i * y_step], is p + round((q - p) w[i] / 2^15), where p is the pixel x[i] - first of the row and q the
 * one behind it, of 1, 3 or 4 channels with numbers of 0 to 128 * 255. 4 elements behind every q must be readable. y_channels
 * is 1, or 4: then a single channel is copied to all, and of 3 channels the last element is anything. */
typedef void lr_i16_pick_fn(size_t n, size_t channels, const int16_t *row, const int32_t *x, int32_t first,
                            const int16_t *w, size_t y_channels, int16_t *y, size_t y_step);
/* n pixels x, of 4 elements, or of 1 where there is one channel, become (x - mean) * scale, rounded after each; element k of a
 * pixel is channel k of y, or 2 - k with swap. f32, f16, or u8: rounded to even and saturated. plane: elements from one
 * channel of y to the next; 0: pixels of 3 lie one behind the other. */
struct lr_pixels {
  int32_t dtype, channels, swap; /* dtype: enum lr_dtype_code */
  size_t plane;
  float mean[4], scale[4]; /* of element k */
};
typedef void lr_i16_store_fn(size_t n, const int16_t *x, const struct lr_pixels *o, void *y);

/* ---- all kernels ---- */
#define LR_KERNEL(signature, function, arch, isa, mr, nr, kr) lr_##signature##_fn function;
#include "kernels.inc"
#undef LR_KERNEL

/* The best kernel of one signature that `cpu` (a mask of LR_CPU_*) allows; fn is NULL when it is not for this
 * architecture. */
struct lr_kernel {
  const char *name;
  void (*fn)(void); /* cast to the signature's type */
  uint32_t isa;
  int32_t mr, nr, kr;
};
enum lr_signature {
  LR_SIG_NONE,
#define X(signature) LR_SIG_##signature,
  LR_SIGNATURES(X)
#undef X
      LR_SIG_LIMIT
};
/* NULL when the signature is not in this build (-Dkernels). */
const struct lr_kernel *lr_kernel_find(enum lr_signature s, uint32_t cpu);
/* Line i of those in this build, NULL past the end. For the tests, which run all of them. */
const struct lr_kernel *lr_kernel_line(size_t i);
