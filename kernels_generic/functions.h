/* The float post-ops of spec/postops.py that are more than one operation, in the names of simd.h and vmath.h.
 */
#pragma once

/* NaN in either wins. */
static inline vf vf_max_nan(vf a, vf b) { return vf_select(vm_or(vm_lt(b, a), vm_not(vm_eq(a, a))), a, b); }

static inline vf vf_min_nan(vf a, vf b) { return vf_select(vm_or(vm_lt(a, b), vm_not(vm_eq(a, a))), a, b); }

static inline vf vf_clip(vf a, vf lo, vf hi) {
  return vf_min_any(vf_max_any(a, lo), hi);
} /* NaN in a stays */

static inline vf vf_unit(vf a) { return vf_clip(a, vf_set(0), vf_set(1)); }

static inline vf vf_sign(vf a) { /* zeros and NaN stay */
  return vf_select(vm_lt(vf_set(0), a), vf_set(1), vf_select(vm_lt(a, vf_set(0)), vf_set(-1), a));
}

/* Remainder with the sign of b. */
static inline vf vf_mod(vf a, vf b) {
  vf r = vf_fmod(a, b);
  vm turn = vm_or(vm_and(vm_lt(r, vf_set(0)), vm_lt(vf_set(0), b)),
                  vm_and(vm_lt(vf_set(0), r), vm_lt(b, vf_set(0))));
  return vf_select(turn, vf_add(r, b), r);
}

static inline vf vf_relu(vf a) { return vf_max_any(a, vf_set(0)); }

static inline vf vf_leaky_relu(vf a, vf slope) { return vf_select(vm_lt(a, vf_set(0)), vf_mul(a, slope), a); }

static inline vf vf_hard_sigmoid(vf a, vf slope, vf offset) { return vf_unit(vf_mla(slope, a, offset)); }

static inline vf vf_hard_swish(vf a) { return vf_mul(a, vf_unit(vf_mla(a, vf_set(1.0 / 6), vf_set(0.5)))); }

static inline vf vf_silu(vf a) { return vf_mul(a, vf_sigmoid(a)); }

/* a Phi(a) = relu(a) - |a| Phi(-|a|), Phi the normal distribution: nothing cancels. Beyond 12.9 Phi is 0 in f32. */
static inline vf vf_gelu(vf a) {
  vf size = vf_abs(a), near = vf_min_any(size, vf_set(12.9));
  vf relu = vf_mla(size, vf_set(0.5), vf_mul(a, vf_set(0.5))); /* -inf gives NaN, as the formula does */
  return vf_mla(vf_neg(near), vf_normal_tail(near), relu);
}

/* (1 + tanh u) / 2 = sigmoid(2 u), which does not cancel; 2 sqrt(2/pi) = 1.5957... */
static inline vf vf_gelu_tanh(vf a) {
  vf u = vf_mul(a, vf_mla(vf_mul(a, a), vf_set(0.044715 * 1.5957691216057308), vf_set(1.5957691216057308)));
  return vf_mul(a, vf_sigmoid(u));
}

static inline vf vf_elu(vf a, vf alpha) {
  return vf_select(vm_lt(a, vf_set(0)), vf_mul(alpha, vf_expm1_small(vf_min_any(a, vf_set(0)))), a);
}

static inline vf vf_selu(vf a, vf alpha, vf gamma) {
  vf low = vf_mul(alpha, vf_expm1_small(vf_min_any(a, vf_set(0))));
  return vf_mul(gamma, vf_select(vm_lt(vf_set(0), a), a, low));
}

static inline vf vf_celu(vf a, vf alpha) {
  vf low = vf_mul(alpha, vf_expm1(vf_div(a, alpha)));
  return vf_add(vf_max_any(a, vf_set(0)), vf_min_any(low, vf_set(0)));
}

static inline vf vf_softplus(vf a) {
  return vf_add(vf_relu(a), vf_log1p_unit(vf_exp_negative(vf_neg(vf_abs(a)))));
}

static inline vf vf_softsign(vf a) { return vf_div(a, vf_add(vf_abs(a), vf_set(1))); }

/* tanh(log(1 + e)) = w / (w + 2) with e = exp(a), w = e (e + 2); above 20 it is 1. */
static inline vf vf_mish(vf a) {
  vf e = vf_exp(vf_min_any(a, vf_set(20))), w = vf_mul(e, vf_add(e, vf_set(2)));
  return vf_mul(a, vf_div(w, vf_add(w, vf_set(2))));
}

static inline vf vf_thresholded_relu(vf a, vf limit) { return vf_select(vm_lt(limit, a), a, vf_set(0)); }

static inline vf vf_shrink(vf a, vf limit, vf bias) {
  vf high = vf_select(vm_lt(limit, a), vf_sub(a, bias), vf_set(0));
  return vf_select(vm_lt(a, vf_neg(limit)), vf_add(a, bias), high);
}

static inline vm vm_is_inf(vf a, vf positive, vf negative) {
  vm high = vm_and(vm_eq(a, vf_set(INFINITY)), vm_not(vm_eq(positive, vf_set(0))));
  return vm_or(high, vm_and(vm_eq(a, vf_set(-INFINITY)), vm_not(vm_eq(negative, vf_set(0)))));
}
