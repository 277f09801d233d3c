/* Row kernels of the float post-ops for one element type and one simd header: defines lr_<TYPE>_vop__<ISA>.
 * The includer defines ELEM (C type of an element), TYPE (f32, f16 or f64), ISA (c, avx2, ...) and SCALAR(x)
 * (value of an element), and includes simd.h and vmath.h (or their like) and functions.h before. */
#include "kernels.h"
#include "lr_ops.h"
#include "splat.h"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define LOAD(p) CAT(vf_load_, TYPE)(p)
#define STORE(x) CAT(vf_store_, TYPE)(y + i, x)
#define STORE_MASK(x) vm_store(y + i, x)

/* Where element i of a source is. Of a source with step 0 a vector has VF_LANES copies; with one lane sources
 * are always dense, so that compilers see loops that they can vectorise. */
#if VF_LANES > 1
#define AT(x) (x + i * x##_step)
#else
#define AT(x) (x + i)
#endif
/* n is a whole number of vectors */
#define EACH(whole) LR_INDEPENDENT for (size_t i = 0; i < n; i += VF_LANES) whole;
#define APPLY1(f) f(LOAD(AT(a)))
#define APPLY2(f) f(LOAD(AT(a)), LOAD(AT(b)))
#define APPLY3(f) f(LOAD(AT(a)), LOAD(AT(b)), LOAD(AT(c)))
/* what is not in this build (-Dposts) is no code; lr_needs_check refuses models that have it */
#define MAP(apply, op, f)    \
  case op:                   \
    if (LR_POST_BUILT(op)) { \
      EACH(STORE(apply(f)))  \
    }                        \
    break;
#define MAP1(op, f) MAP(APPLY1, op, f)
#define MAP2(op, f) MAP(APPLY2, op, f)
#define MAP3(op, f) MAP(APPLY3, op, f)
#define MASK(apply, op, f)       \
  case op:                       \
    if (LR_POST_BUILT(op)) {     \
      EACH(STORE_MASK(apply(f))) \
    }                            \
    break;
#define MASK1(op, f) MASK(APPLY1, op, f)
#define MASK2(op, f) MASK(APPLY2, op, f)
#define MASK3(op, f) MASK(APPLY3, op, f)

static inline vf same(vf a) { return a; }
static inline vf reciprocal(vf a) { return vf_div(vf_set(1), a); }
static inline vf square(vf a) { return vf_mul(a, a); }
static inline vf cube(vf a) { return vf_mul(vf_mul(a, a), a); }
/* a^0.5 as pow has it: -0 gives +0, -Inf gives +Inf. */
static inline vf root(vf a) {
  return vf_select(vm_eq(a, vf_set(-INFINITY)), vf_set(INFINITY), vf_sqrt(vf_add(a, vf_set(0))));
}
static inline vm greater(vf a, vf b) { return vm_lt(b, a); }
static inline vm greater_equal(vf a, vf b) { return vm_le(b, a); }
static inline vm is_nan(vf a) { return vm_not(vm_eq(a, a)); }

#define SOURCES(A) const A *a, size_t a_step, const ELEM *b, size_t b_step, const ELEM *c, size_t c_step
#define FORWARD a, a_step, b, b_step, c, c_step

static void arithmetic(int32_t op, size_t n, SOURCES(ELEM), ELEM *y) {
  switch (op) {
    MAP1(LR_POST_COPY, same)
    MAP2(LR_POST_ADD, vf_add)
    MAP2(LR_POST_SUB, vf_sub)
    MAP2(LR_POST_MUL, vf_mul)
    MAP2(LR_POST_DIV, vf_div)
    MAP2(LR_POST_MOD, vf_mod)
    MAP2(LR_POST_FMOD, vf_fmod)
    MAP2(LR_POST_POW, vf_pow)
    MAP2(LR_POST_MIN, vf_min_nan)
    MAP2(LR_POST_MAX, vf_max_nan)
    MAP3(LR_POST_CLIP, vf_clip)
    MAP1(LR_POST_NEG, vf_neg)
    MAP1(LR_POST_ABS, vf_abs)
    MAP1(LR_POST_SIGN, vf_sign)
  }
}

static void compare(int32_t op, size_t n, SOURCES(ELEM), uint8_t *y) {
  switch (op) {
    MASK2(LR_POST_EQUAL, vm_eq)
    MASK2(LR_POST_LESS, vm_lt)
    MASK2(LR_POST_LESS_EQUAL, vm_le)
    MASK2(LR_POST_GREATER, greater)
    MASK2(LR_POST_GREATER_EQUAL, greater_equal)
    MASK1(LR_POST_IS_NAN, is_nan)
    MASK3(LR_POST_IS_INF, vm_is_inf)
  }
}

static void function(int32_t op, size_t n, const ELEM *a, size_t a_step, ELEM *y) {
  switch (op) {
    MAP1(LR_POST_SQRT, vf_sqrt)
    MAP1(LR_POST_RECIPROCAL, reciprocal)
    MAP1(LR_POST_EXP, vf_exp)
    MAP1(LR_POST_LOG, vf_log)
    MAP1(LR_POST_FLOOR, vf_floor)
    MAP1(LR_POST_CEIL, vf_ceil)
    MAP1(LR_POST_ROUND, vf_round)
    MAP1(LR_POST_SIN, vf_sin)
    MAP1(LR_POST_COS, vf_cos)
    MAP1(LR_POST_TAN, vf_tan)
    MAP1(LR_POST_ASIN, vf_asin)
    MAP1(LR_POST_ACOS, vf_acos)
    MAP1(LR_POST_ATAN, vf_atan)
    MAP1(LR_POST_SINH, vf_sinh)
    MAP1(LR_POST_COSH, vf_cosh)
    MAP1(LR_POST_ASINH, vf_asinh)
    MAP1(LR_POST_ACOSH, vf_acosh)
    MAP1(LR_POST_ATANH, vf_atanh)
    MAP1(LR_POST_ERF, vf_erf)
  }
}

static void activation(int32_t op, size_t n, SOURCES(ELEM), ELEM *y) {
  switch (op) {
    MAP1(LR_POST_RELU, vf_relu)
    MAP1(LR_POST_SIGMOID, vf_sigmoid)
    MAP1(LR_POST_TANH, vf_tanh)
    MAP2(LR_POST_LEAKY_RELU, vf_leaky_relu)
    MAP3(LR_POST_HARD_SIGMOID, vf_hard_sigmoid)
    MAP1(LR_POST_HARD_SWISH, vf_hard_swish)
    MAP1(LR_POST_SILU, vf_silu)
    MAP1(LR_POST_GELU, vf_gelu)
    MAP1(LR_POST_GELU_TANH, vf_gelu_tanh)
    MAP2(LR_POST_ELU, vf_elu)
    MAP3(LR_POST_SELU, vf_selu)
    MAP2(LR_POST_CELU, vf_celu)
    MAP1(LR_POST_SOFTPLUS, vf_softplus)
    MAP1(LR_POST_SOFTSIGN, vf_softsign)
    MAP1(LR_POST_MISH, vf_mish)
    MAP2(LR_POST_THRESHOLDED_RELU, vf_thresholded_relu)
    MAP3(LR_POST_SHRINK, vf_shrink)
  }
}

static void choose(size_t n, SOURCES(uint8_t), ELEM *y) {
  EACH(STORE(vf_select(vm_load(AT(a)), LOAD(AT(b)), LOAD(AT(c)))))
}

/* a^b for one b that needs no logarithm has a code of its own. */
enum { POWER_HALF = -5, POWER_1, POWER_2, POWER_3, POWER_MINUS_1 };

static int32_t power_code(double b) {
  return b == 0.5  ? POWER_HALF
         : b == 1  ? POWER_1
         : b == 2  ? POWER_2
         : b == 3  ? POWER_3
         : b == -1 ? POWER_MINUS_1
                   : LR_POST_POW;
}

static void power(int32_t op, size_t n, const ELEM *a, size_t a_step, ELEM *y) {
  switch (op) {
    MAP1(POWER_HALF, root)
    MAP1(POWER_1, same)
    MAP1(POWER_2, square)
    MAP1(POWER_3, cube)
    MAP1(POWER_MINUS_1, reciprocal)
  }
}

static void steps(int32_t op, size_t n, SOURCES(void), void *y) {
  if (LR_POST_BUILT(LR_POST_POW) && op < 0)
    power(op, n, a, a_step, y);
  else if (LR_POST_BUILT(LR_POST_SELECT) && op == LR_POST_SELECT)
    choose(n, FORWARD, y);
  else if (op < LR_POST_EQUAL)
    arithmetic(op, n, FORWARD, y);
  else if (op < LR_POST_SQRT)
    compare(op, n, FORWARD, y);
  else if (op < LR_POST_RELU)
    function(op, n, a, a_step, y);
  else
    activation(op, n, FORWARD, y);
}

#if VF_LANES == 1
static void row(int32_t op, size_t n, const void *a, const void *b, const void *c, void *y) {
  steps(op, n, a, 1, b, 1, c, 1, y);
}
#else
static void copy(void *to, const void *from, size_t bytes) {
  if (bytes == VF_LANES * sizeof(ELEM)) /* mostly: a vector */
    memcpy(to, from, VF_LANES * sizeof(ELEM));
  else
    memcpy(to, from, bytes);
}

/* The last elements of a dense source, in a copy that fills a vector. */
static const void *last(const void *p, size_t step, size_t at, size_t n, size_t size, ELEM *to) {
  if (step) copy(to, (const char *)p + at * size, n * size);
  return step ? to : p;
}
#endif

void CAT(CAT(lr_, TYPE), CAT(_vop__, ISA))(int32_t op, size_t n, const void *a, size_t a_step, const void *b,
                                           size_t b_step, const void *c, size_t c_step, void *y) {
  if (LR_POST_BUILT(LR_POST_POW) && op == LR_POST_POW && a_step && !b_step && n) {
    op = power_code((double)SCALAR(*(const ELEM *)b));
    if (op < 0) b = NULL;
  }
#if VF_LANES == 1
  if ((a_step || !a) && (b_step || !b) && (c_step || !c)) {
    row(op, n, a, b, c, y);
    return;
  }
  VOP_BLOCKS(ELEM, row)
#else
  ELEM one[3][VF_LANES], end[3][VF_LANES] = {{0}}, out[VF_LANES];
  const void *end_a = NULL, *end_b = NULL, *end_c = NULL;
  size_t size = sizeof(ELEM), size0 = lr_vop_source0_size(op, size);
  a = lr_splat(a, a_step, size0, VF_LANES, one[0]);
  b = lr_splat(b, b_step, size, VF_LANES, one[1]);
  c = lr_splat(c, c_step, size, VF_LANES, one[2]);
  if (!a) a_step = 0;
  if (!b) b_step = 0;
  if (!c) c_step = 0;
  /* the end that fills no vector is done with elements before it once more, from copies since y may be a
   * source */
  size_t more = n % VF_LANES, m = n < VF_LANES ? n : VF_LANES, at = n - m;
  if (more) {
    end_a = last(a, a_step, at, m, size0, end[0]);
    end_b = last(b, b_step, at, m, size, end[1]);
    end_c = last(c, c_step, at, m, size, end[2]);
  }
  steps(op, n - more, FORWARD, y);
  if (!more) return;
  steps(op, VF_LANES, end_a, a_step, end_b, b_step, end_c, c_step, out);
  size_t y_size = lr_vop_result_size(op, size);
  copy((char *)y + at * y_size, out, m * y_size);
#endif
}
