/* The names of simd.h and vmath.h that elementwise.inl uses, for doubles: one lane, functions from libm. */
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "independent.h"

#define VF_LANES 1
typedef double vf;
typedef int vm;

static inline vf vf_load_f64(const double *p) { return *p; }
static inline void vf_store_f64(double *p, vf x) { *p = x; }
static inline vm vm_load(const uint8_t *p) { return *p != 0; }
static inline void vm_store(uint8_t *p, vm m) { *p = (uint8_t)m; }

static inline vf vf_load_part_f64(const double *p, size_t n) { return *p; }
static inline void vf_store_part_f64(double *p, size_t n, vf x) { *p = x; }

static inline vf vf_set(double x) { return x; }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_mla(vf a, vf b, vf c) { return a * b + c; }
static inline vf vf_sqrt(vf a) { return sqrt(a); }
static inline vf vf_abs(vf a) { return fabs(a); }
static inline vf vf_neg(vf a) { return -a; }

static inline vm vm_lt(vf a, vf b) { return a < b; }
static inline vm vm_le(vf a, vf b) { return a <= b; }
static inline vm vm_eq(vf a, vf b) { return a == b; }
static inline vm vm_and(vm a, vm b) { return a & b; }
static inline vm vm_or(vm a, vm b) { return a | b; }
static inline vm vm_not(vm a) { return !a; }
static inline vf vf_select(vm m, vf a, vf b) { return m ? a : b; }

static inline vf vf_hsum(vf a) { return a; }
static inline vf vf_hmax(vf a) { return a; }
static inline double vf_first(vf a) { return a; }

static inline vf vf_max_any(vf a, vf b) { return a < b ? b : a; } /* NaN in a stays */
static inline vf vf_min_any(vf a, vf b) { return b < a ? b : a; }
static inline vf vf_exp(vf x) { return exp(x); }
static inline vf vf_exp_negative(vf x) { return exp(x); }
static inline vf vf_expm1(vf x) { return expm1(x); }
static inline vf vf_expm1_small(vf x) { return expm1(x); }
static inline vf vf_log(vf x) { return log(x); }
static inline vf vf_log1p_unit(vf x) { return log1p(x); }
static inline vf vf_sigmoid(vf x) { return 1 / (1 + exp(-x)); }
static inline vf vf_tanh(vf x) { return tanh(x); }
static inline vf vf_erf(vf x) { return erf(x); }
static inline vf vf_normal_tail(vf x) { return erfc(x * 0.70710678118654752) / 2; }
static inline vf vf_round(vf x) { return rint(x); }
static inline vf vf_floor(vf x) { return floor(x); }
static inline vf vf_ceil(vf x) { return ceil(x); }
static inline vf vf_fmod(vf a, vf b) { return fmod(a, b); }
static inline vf vf_pow(vf a, vf b) { return pow(a, b); }
static inline vf vf_sin(vf x) { return sin(x); }
static inline vf vf_cos(vf x) { return cos(x); }
static inline vf vf_tan(vf x) { return tan(x); }
static inline vf vf_asin(vf x) { return asin(x); }
static inline vf vf_acos(vf x) { return acos(x); }
static inline vf vf_atan(vf x) { return atan(x); }
static inline vf vf_sinh(vf x) { return sinh(x); }
static inline vf vf_cosh(vf x) { return cosh(x); }
static inline vf vf_asinh(vf x) { return asinh(x); }
static inline vf vf_acosh(vf x) { return acosh(x); }
static inline vf vf_atanh(vf x) { return atanh(x); }
