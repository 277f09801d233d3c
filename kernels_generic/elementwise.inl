/* Row kernels of the float post-ops for one element type and one simd header: defines lr_<TYPE>_vop__<ISA>.
 * The includer defines ELEM (C type of an element), TYPE (f32, f16 or f64), ISA (c, avx2, ...) and SCALAR(x)
 * (value of an element), and includes simd.h and vmath.h (or their like) and functions.h before. */
#include "kernels.h"
#include "lr_ops.h"
#include "splat.h"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define LOAD(p) CAT(vf_load_, TYPE)(p)
#define PART(p) CAT(vf_load_part_, TYPE)(p, n - i)
#define STORE(x) CAT(vf_store_, TYPE)(y + i, x)
#define STORE_PART(x) CAT(vf_store_part_, TYPE)(y + i, n - i, x)
#define STORE_MASK(x) vm_store(y + i, x)
#define STORE_MASK_PART(x) vm_store_part(y + i, n - i, x)

/* whole: what to do with VF_LANES elements; tail: with the rest (a header with one lane has no rest) */
#define EACH(whole, tail)                                 \
  {                                                       \
    size_t i = 0, full = n - n % VF_LANES;                \
    LR_INDEPENDENT for (; i < full; i += VF_LANES) whole; \
    if (i < n) tail;                                      \
  }
#define APPLY1(f, ld) f(ld(a + i))
#define APPLY2(f, ld) f(ld(a + i), ld(b + i))
#define APPLY3(f, ld) f(ld(a + i), ld(b + i), ld(c + i))
#define MAP(apply, op, f) \
  case op:                \
    EACH(STORE(apply(f, LOAD)), STORE_PART(apply(f, PART))) break;
#define MAP1(op, f) MAP(APPLY1, op, f)
#define MAP2(op, f) MAP(APPLY2, op, f)
#define MAP3(op, f) MAP(APPLY3, op, f)
#define MASK(apply, op, f) \
  case op:                 \
    EACH(STORE_MASK(apply(f, LOAD)), STORE_MASK_PART(apply(f, PART))) break;
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

static void arithmetic(int32_t op, size_t n, const ELEM *a, const ELEM *b, const ELEM *c, ELEM *y) {
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

static void compare(int32_t op, size_t n, const ELEM *a, const ELEM *b, const ELEM *c, uint8_t *y) {
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

static void function(int32_t op, size_t n, const ELEM *a, ELEM *y) {
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

static void activation(int32_t op, size_t n, const ELEM *a, const ELEM *b, const ELEM *c, ELEM *y) {
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

static void choose(size_t n, const uint8_t *a, const ELEM *b, const ELEM *c, ELEM *y) {
  EACH(STORE(vf_select(vm_load(a + i), LOAD(b + i), LOAD(c + i))),
       STORE_PART(vf_select(vm_load_part(a + i, n - i), PART(b + i), PART(c + i))))
}

/* a^b for one b that needs no logarithm; false for others. */
static int power(size_t n, const ELEM *a, double b, ELEM *y) {
  switch (b == 0.5 ? 1 : b == 1 ? 2 : b == 2 ? 3 : b == 3 ? 4 : b == -1 ? 5 : 0) {
    MAP1(1, root)
    MAP1(2, same)
    MAP1(3, square)
    MAP1(4, cube)
    MAP1(5, reciprocal)
    default:
      return 0;
  }
  return 1;
}

static void row(int32_t op, size_t n, const void *a, const void *b, const void *c, void *y) {
  if (op == LR_POST_SELECT)
    choose(n, a, b, c, y);
  else if (op < LR_POST_EQUAL)
    arithmetic(op, n, a, b, c, y);
  else if (op < LR_POST_SQRT)
    compare(op, n, a, b, c, y);
  else if (op < LR_POST_RELU)
    function(op, n, a, y);
  else
    activation(op, n, a, b, c, y);
}

void CAT(CAT(lr_, TYPE), CAT(_vop__, ISA))(int32_t op, size_t n, const void *a, size_t a_step, const void *b,
                                           size_t b_step, const void *c, size_t c_step, void *y) {
  if ((a_step || !a) && (b_step || !b) && (c_step || !c)) {
    row(op, n, a, b, c, y);
    return;
  }
  if (op == LR_POST_POW && a_step && !b_step && n && power(n, a, SCALAR(*(const ELEM *)b), y)) return;
  VOP_BLOCKS(ELEM, row)
}
