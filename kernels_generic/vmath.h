/* Functions of floats in the names of simd.h, within about 2 ulp, with no libm inside. Include after a simd
 * header.
 *
 * Method: argument reduction as in Cody & Waite, "Software Manual for the Elementary Functions" (1980), and
 * polynomials fitted for this file (weighted least squares driven to minimax, coefficients rounded to float
 * one after the other). The same operations in the same order everywhere; with simd.h the same bits on every
 * CPU, with the vectors' headers vf_mla rounds once. */
#pragma once

/* 1.5 * 2^23: adding it leaves the nearest integer (halves to even) in the low bits of the mantissa. */
#define VF_MAGIC 12582912.0f

/* 2^n, n an integer in -126..127 given with VF_MAGIC added. */
static inline vf vf_exp2_magic(vf magic_n) {
  return vf_of_bits(vi_shl(vi_add(vi_of_bits(magic_n), vi_set(127)), 23));
}

/* n = round(x / ln 2) with VF_MAGIC added; *r = x - n ln 2; returns expm1(r) = r + r^2 q(r). */
static inline vf vf_expm1_reduced(vf x, vf *magic_n) {
  vf m = vf_mla(x, vf_set(1.44269504), vf_set(VF_MAGIC)), n = vf_sub(m, vf_set(VF_MAGIC));
  /* ln 2 in two parts, the first short enough for n * part to be exact */
  vf r = vf_mla(n, vf_set(2.12194440e-4), vf_mla(n, vf_set(-0.693359375), x));
  vf q = vf_set(0.00138243986);
  q = vf_mla(q, r, vf_set(0.0083693834));
  q = vf_mla(q, r, vf_set(0.04166824));
  q = vf_mla(q, r, vf_set(0.166665152));
  q = vf_mla(q, r, vf_set(0.49999994));
  *magic_n = m;
  return vf_mla(vf_mul(r, r), q, r);
}

static inline vf vf_exp(vf x) {
  vf c = vf_min_any(vf_max_any(x, vf_set(-104.0)), vf_set(89.0)), m;
  vf e = vf_add(vf_expm1_reduced(c, &m), vf_set(1.0));
  /* the scale in two steps, since 2^n may be out of range where the result is not */
  vi n = vi_sub(vi_of_bits(m), vi_of_bits(vf_set(VF_MAGIC))), half = vi_sar(n, 1);
  vf s1 = vf_of_bits(vi_shl(vi_add(half, vi_set(127)), 23));
  vf s2 = vf_of_bits(vi_shl(vi_add(vi_sub(n, half), vi_set(127)), 23));
  return vf_mul(vf_mul(e, s1), s2);
}

/* exp for x <= 0 (NaN stays): results below 2^-126 are 0. For softmax, sigmoid and the like. */
static inline vf vf_exp_negative(vf x) {
  vf c = vf_max_any(x, vf_set(-87.3)), m;
  vf e = vf_add(vf_expm1_reduced(c, &m), vf_set(1.0));
  return vf_select(vm_lt(x, vf_set(-87.3)), vf_set(0.0), vf_mul(e, vf_exp2_magic(m)));
}

/* exp(x) - 1 without cancellation, for x <= 87.9 (NaN stays): 2^n expm1(r) + (2^n - 1). */
static inline vf vf_expm1_small(vf x) {
  vf m, e = vf_expm1_reduced(vf_max_any(x, vf_set(-30.0)), &m), s = vf_exp2_magic(m);
  return vf_mla(e, s, vf_sub(s, vf_set(1.0)));
}

static inline vf vf_expm1(vf x) {
  vf small = vf_expm1_small(vf_min_any(x, vf_set(87.9)));
  return vf_select(vm_lt(vf_set(87.9), x), vf_exp(x), small);
}

/* Natural logarithm: x = m 2^e with m in [sqrt(1/2), sqrt 2), log m = f - f^2/2 + f^3 P(f), f = m - 1. */
static inline vf vf_log(vf x) {
  vm tiny = vm_lt(x, vf_set(1.17549435e-38));
  vf y = vf_select(tiny, vf_mul(x, vf_set(8388608.0)), x);
  vi bits = vi_of_bits(y), e = vi_sar(vi_sub(bits, vi_set(0x3f3504f3)), 23); /* bits of sqrt(1/2) */
  vf n = vf_sub(vf_of_int(e), vf_select(tiny, vf_set(23.0), vf_set(0.0)));
  vf f = vf_sub(vf_of_bits(vi_sub(bits, vi_shl(e, 23))), vf_set(1.0)), z = vf_mul(f, f);
  vf p = vf_set(0.0673146322);
  p = vf_mla(p, f, vf_set(-0.11659842));
  p = vf_mla(p, f, vf_set(0.118863843));
  p = vf_mla(p, f, vf_set(-0.124083176));
  p = vf_mla(p, f, vf_set(0.142202288));
  p = vf_mla(p, f, vf_set(-0.166678503));
  p = vf_mla(p, f, vf_set(0.20002073));
  p = vf_mla(p, f, vf_set(-0.250000119));
  p = vf_mla(p, f, vf_set(0.333333135));
  vf r = vf_mla(vf_mul(p, f), z, vf_mul(n, vf_set(-2.12194440e-4)));
  r = vf_add(f, vf_mla(z, vf_set(-0.5), r));
  r = vf_mla(n, vf_set(0.693359375), r);
  r = vf_select(vm_lt(x, vf_set(INFINITY)), r, x); /* +inf and NaN stay */
  r = vf_select(vm_lt(x, vf_set(0.0)), vf_set(NAN), r);
  return vf_select(vm_eq(x, vf_set(0.0)), vf_set(-INFINITY), r);
}

/* log(1 + x) for 0 <= x <= 1; the quotient repairs what 1 + x lost (W. Kahan's way, as told in the HP-15C
 * handbook). */
static inline vf vf_log1p_unit(vf x) {
  vf u = vf_add(x, vf_set(1.0)), d = vf_sub(u, vf_set(1.0));
  vf y = vf_div(vf_mul(vf_log(u), x), d);
  return vf_select(vm_eq(d, vf_set(0.0)), x, y);
}

static inline vf vf_sigmoid(vf x) {
  vf e = vf_exp_negative(vf_neg(vf_abs(x)));
  return vf_div(vf_select(vm_lt(x, vf_set(0.0)), e, vf_set(1.0)), vf_add(e, vf_set(1.0)));
}

/* tanh |x| = -t / (2 + t) with t = expm1(-2 |x|). */
static inline vf vf_tanh(vf x) {
  vf t = vf_expm1_small(vf_mul(vf_abs(x), vf_set(-2.0)));
  vf y = vf_sign_of(vf_div(t, vf_add(t, vf_set(2.0))), x);
  return vf_select(vm_lt(vf_abs(x), vf_set(2e-4)), x, y);
}

/* |x| <= 1: x + x Q(x^2); else 1 - exp(P(|x|)), where P is log erfc. */
static inline vf vf_erf(vf x) {
  vf a = vf_abs(x), z = vf_mul(x, x);
  vf q = vf_set(7.92030987e-05);
  q = vf_mla(q, z, vf_set(-0.000803075091));
  q = vf_mla(q, z, vf_set(0.00519073335));
  q = vf_mla(q, z, vf_set(-0.026855126));
  q = vf_mla(q, z, vf_set(0.112836182));
  q = vf_mla(q, z, vf_set(-0.376126289));
  q = vf_mla(q, z, vf_set(0.128379166));
  vf small = vf_mla(q, x, x);
  vf t = vf_min_any(a, vf_set(4.0));
  vf p = vf_set(0.000185591081);
  p = vf_mla(p, t, vf_set(-0.00293974904));
  p = vf_mla(p, t, vf_set(0.0218058154));
  p = vf_mla(p, t, vf_set(-0.103038311));
  p = vf_mla(p, t, vf_set(-0.638224661));
  p = vf_mla(p, t, vf_set(-1.12704062));
  p = vf_mla(p, t, vf_set(-0.000353576936));
  vf large = vf_sign_of(vf_sub(vf_set(1.0), vf_exp_negative(p)), x);
  return vf_select(vm_le(a, vf_set(1.0)), small, vf_select(vm_eq(x, x), large, x));
}

/* Phi(-x) = erfc(x / sqrt 2) / 2 for 0 <= x <= 12.9 (NaN stays), within 1.2e-7: exp(P(x) - x^2 / 2), where P is the
 * logarithm of a Mills ratio, nearly a straight line; beyond 6 its end is taken. */
static inline vf vf_normal_tail(vf x) {
  vf t = vf_min_any(x, vf_set(6.0)), m;
  vf p = vf_set(-6.64451818e-07);
  p = vf_mla(p, t, vf_set(1.15974553e-05));
  p = vf_mla(p, t, vf_set(-5.55022358e-05));
  p = vf_mla(p, t, vf_set(-0.000266204996));
  p = vf_mla(p, t, vf_set(0.0051067397));
  p = vf_mla(p, t, vf_set(-0.0365217663));
  p = vf_mla(p, t, vf_set(0.181741133));
  p = vf_mla(p, t, vf_set(-0.797889709));
  p = vf_mla(p, t, vf_set(-0.693147123));
  vf e = vf_expm1_reduced(vf_mla(vf_mul(x, x), vf_set(-0.5), p), &m);
  return vf_mul(vf_add(e, vf_set(1.0)), vf_exp2_magic(m));
}

/* ---- rounding ---- */
/* Nearest integer, halves to even: beyond 2^23 all floats are integers. */
static inline vf vf_round(vf x) {
  vf big = vf_sign_of(vf_set(8388608.0), x);
  return vf_select(vm_lt(vf_abs(x), vf_set(8388608.0)), vf_sign_of(vf_sub(vf_add(x, big), big), x), x);
}

static inline vf vf_floor(vf x) {
  vf r = vf_round(x);
  return vf_select(vm_lt(x, r), vf_sub(r, vf_set(1.0)), r);
}

static inline vf vf_ceil(vf x) { return vf_neg(vf_floor(vf_neg(x))); }

/* ---- left to libm ---- */
static inline vf vf_fmod(vf a, vf b) { return VF_CALL2(fmodf, a, b); }
static inline vf vf_pow(vf a, vf b) { return VF_CALL2(powf, a, b); }
static inline vf vf_sin(vf x) { return VF_CALL1(sinf, x); }
static inline vf vf_cos(vf x) { return VF_CALL1(cosf, x); }
static inline vf vf_tan(vf x) { return VF_CALL1(tanf, x); }
static inline vf vf_asin(vf x) { return VF_CALL1(asinf, x); }
static inline vf vf_acos(vf x) { return VF_CALL1(acosf, x); }
static inline vf vf_atan(vf x) { return VF_CALL1(atanf, x); }
static inline vf vf_sinh(vf x) { return VF_CALL1(sinhf, x); }
static inline vf vf_cosh(vf x) { return VF_CALL1(coshf, x); }
static inline vf vf_asinh(vf x) { return VF_CALL1(asinhf, x); }
static inline vf vf_acosh(vf x) { return VF_CALL1(acoshf, x); }
static inline vf vf_atanh(vf x) { return VF_CALL1(atanhf, x); }
