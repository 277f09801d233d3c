/* Vectors of floats, the portable way: one lane, plain C that compilers vectorise by themselves. Headers of
 * the same names for SSE2, AVX2, NEON, ... stand beside it in kernels_x86 and kernels_arm; the templates
 * (*.inl, vmath.h) are written in these names and see just one of them.
 *
 *   vf  floats   vi  32-bit integers   vm  masks, one per lane, only made by comparisons
 * Here no operation is fused or reassociated; elsewhere vf_mla rounds once, and nothing else differs but the
 * order of sums. What an element becomes never depends on the lane that it is in. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "f16.h"
#include "independent.h"

#define VF_LANES 1
typedef float vf;
typedef int32_t vi;
typedef int vm;

static inline vf vf_load_f32(const float *p) { return *p; }
static inline void vf_store_f32(float *p, vf x) { *p = x; }
static inline vf vf_load_f16(const uint16_t *p) { return lr_f16_to_f32(*p); }
static inline void vf_store_f16(uint16_t *p, vf x) { *p = lr_f16_from_f32(x); }
static inline vm vm_load(const uint8_t *p) { return *p != 0; } /* bools: one byte a lane */
static inline void vm_store(uint8_t *p, vm m) { *p = (uint8_t)m; }

/* The first n < VF_LANES lanes; never called with one lane. */
static inline vf vf_load_part_f32(const float *p, size_t n) { return *p; }
static inline void vf_store_part_f32(float *p, size_t n, vf x) { *p = x; }
static inline vf vf_load_part_f16(const uint16_t *p, size_t n) { return vf_load_f16(p); }
static inline void vf_store_part_f16(uint16_t *p, size_t n, vf x) { vf_store_f16(p, x); }

static inline vf vf_set(double x) { return (float)x; }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_mla(vf a, vf b, vf c) { return a * b + c; } /* two roundings */
static inline vf vf_sqrt(vf a) { return sqrtf(a); }
static inline vf vf_abs(vf a) { return fabsf(a); }
static inline vf vf_neg(vf a) { return -a; }
static inline vf vf_sign_of(vf a, vf b) { return copysignf(a, b); } /* |a| with the sign of b */

static inline vm vm_lt(vf a, vf b) { return a < b; }
static inline vm vm_le(vf a, vf b) { return a <= b; }
static inline vm vm_eq(vf a, vf b) { return a == b; }
static inline vm vm_and(vm a, vm b) { return a & b; }
static inline vm vm_or(vm a, vm b) { return a | b; }
static inline vm vm_not(vm a) { return !a; }
static inline vf vf_select(vm m, vf a, vf b) { return m ? a : b; }
static inline vf vf_max_any(vf a, vf b) { return vf_select(vm_lt(a, b), b, a); } /* NaN in a stays */
static inline vf vf_min_any(vf a, vf b) { return vf_select(vm_lt(b, a), b, a); }

/* over all lanes */
static inline vf vf_hsum(vf a) { return a; }
static inline vf vf_hmax(vf a) { return a; }
static inline double vf_first(vf a) { return a; }

static inline vi vi_of_bits(vf a) { return (int32_t)lr_bits_of_float(a); }
static inline vf vf_of_bits(vi a) { return lr_float_of_bits((uint32_t)a); }
static inline vi vi_set(int32_t a) { return a; }
static inline vi vi_add(vi a, vi b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline vi vi_sub(vi a, vi b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline vi vi_and(vi a, vi b) { return a & b; }
static inline vi vi_shl(vi a, int n) { return (int32_t)((uint32_t)a << n); }
static inline vi vi_sar(vi a, int n) { return a >> n; }
static inline vf vf_of_int(vi a) { return (float)a; }

/* A libm function, lane by lane. */
#define VF_CALL1(f, x) f(x)
#define VF_CALL2(f, x, y) f(x, y)
