/* The arithmetic of post-ops, written plainly. */
#include "check_math.h"

typedef check_real real;
typedef check_wide wide;

/* ---- floats ---- */
static real sigmoid(real a) { return 1 / (1 + expl(-a)); }
static real softplus(real a) { return a > 0 ? a + log1pl(expl(-a)) : log1pl(expl(a)); }
static real clamp(real a, real lo, real hi) { return a < lo ? lo : a > hi ? hi : a; }
static real expm1_of(real a, real factor) { return factor * expm1l(a); }

static real floor_mod(real a, real b) {
  real r = fmodl(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static real float_math(int32_t op, real a, real b, real c) {
  switch (op) {
    case LR_POST_COPY:
      return a;
    case LR_POST_SELECT:
      return a != 0 ? b : c;
    case LR_POST_ADD:
      return a + b;
    case LR_POST_SUB:
      return a - b;
    case LR_POST_MUL:
      return a * b;
    case LR_POST_DIV:
      return a / b;
    case LR_POST_MOD:
      return floor_mod(a, b);
    case LR_POST_FMOD:
      return fmodl(a, b);
    case LR_POST_POW:
      return powl(a, b);
    case LR_POST_MIN:
      return a != a ? a : b != b || b < a ? b : a;
    case LR_POST_MAX:
      return a != a ? a : b != b || b > a ? b : a;
    case LR_POST_CLIP:
      return a != a ? a : fminl(fmaxl(a, b), c);
    case LR_POST_NEG:
      return -a;
    case LR_POST_ABS:
      return fabsl(a);
    case LR_POST_SIGN:
      return a != a ? a : (real)((a > 0) - (a < 0));
    case LR_POST_EQUAL:
      return a == b;
    case LR_POST_LESS:
      return a < b;
    case LR_POST_LESS_EQUAL:
      return a <= b;
    case LR_POST_GREATER:
      return a > b;
    case LR_POST_GREATER_EQUAL:
      return a >= b;
    case LR_POST_IS_NAN:
      return a != a;
    case LR_POST_IS_INF:
      return (a > 0 && isinf(a) && b != 0) || (a < 0 && isinf(a) && c != 0);
    case LR_POST_SQRT:
      return sqrtl(a);
    case LR_POST_RECIPROCAL:
      return 1 / a;
    case LR_POST_EXP:
      return expl(a);
    case LR_POST_LOG:
      return logl(a);
    case LR_POST_FLOOR:
      return floorl(a);
    case LR_POST_CEIL:
      return ceill(a);
    case LR_POST_ROUND:
      return rintl(a);
    case LR_POST_SIN:
      return sinl(a);
    case LR_POST_COS:
      return cosl(a);
    case LR_POST_TAN:
      return tanl(a);
    case LR_POST_ASIN:
      return asinl(a);
    case LR_POST_ACOS:
      return acosl(a);
    case LR_POST_ATAN:
      return atanl(a);
    case LR_POST_SINH:
      return sinhl(a);
    case LR_POST_COSH:
      return coshl(a);
    case LR_POST_ASINH:
      return asinhl(a);
    case LR_POST_ACOSH:
      return acoshl(a);
    case LR_POST_ATANH:
      return atanhl(a);
    case LR_POST_ERF:
      return erfl(a);
    default:
      return (real)NAN;
  }
}

static real float_activation(int32_t op, real a, real b, real c) {
  switch (op) {
    case LR_POST_RELU:
      return a < 0 ? 0 : a;
    case LR_POST_SIGMOID:
      return sigmoid(a);
    case LR_POST_TANH:
      return tanhl(a);
    case LR_POST_LEAKY_RELU:
      return a >= 0 ? a : b * a;
    case LR_POST_HARD_SIGMOID:
      return clamp(b * a + c, 0, 1);
    case LR_POST_HARD_SWISH:
      return a * clamp(a / 6 + (real)0.5, 0, 1);
    case LR_POST_SILU:
      return a * sigmoid(a);
    case LR_POST_GELU:
      return a / 2 * erfcl(-a / sqrtl(2));
    case LR_POST_GELU_TANH:
      return a * sigmoid(2 * sqrtl(2 / acosl(-1)) * (a + (real)0.044715 * a * a * a));
    case LR_POST_ELU:
      return a >= 0 ? a : expm1_of(a, b);
    case LR_POST_SELU:
      return c * (a > 0 ? a : expm1_of(a, b));
    case LR_POST_CELU:
      return (a > 0 ? a : 0) + (expm1_of(a / b, b) > 0 ? 0 : expm1_of(a / b, b)); /* NaN stays */
    case LR_POST_SOFTPLUS:
      return softplus(a);
    case LR_POST_SOFTSIGN:
      return a / (1 + fabsl(a));
    case LR_POST_MISH:
      return a * tanhl(softplus(a));
    case LR_POST_THRESHOLDED_RELU:
      return a > b ? a : 0;
    case LR_POST_SHRINK:
      return a < -b ? a + c : a > b ? a - c : 0;
    default:
      return (real)NAN;
  }
}

check_real check_float_op(int32_t op, real a, real b, real c) {
  return op >= LR_POST_RELU ? float_activation(op, a, b, c) : float_math(op, a, b, c);
}

/* ---- integers ---- */
static wide power(wide a, wide b) { /* all in 128 bits that wrap; only the low ones count */
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  unsigned __int128 y = 1, x = (unsigned __int128)a;
  for (; b; b >>= 1, x *= x)
    if (b & 1) y *= x;
  return (wide)y;
}

static wide int_mod(wide a, wide b) {
  wide r = b ? a % b : 0;
  return r && (r < 0) != (b < 0) ? r + b : r;
}

static wide shift(int32_t op, wide a, wide b, int bits) {
  if (b < 0 || b >= bits) return op == LR_POST_SHIFT_RIGHT && a < 0 ? -1 : 0;
  return op == LR_POST_SHIFT_LEFT ? (wide)((unsigned __int128)a << b) : a >> b;
}

static wide int_math(int32_t op, wide a, wide b, wide c, int bits) {
  switch (op) {
    case LR_POST_COPY:
      return a;
    case LR_POST_SELECT:
      return a ? b : c;
    case LR_POST_ADD:
      return a + b;
    case LR_POST_SUB:
      return a - b;
    case LR_POST_MUL:
      return (wide)((unsigned __int128)a * (unsigned __int128)b);
    case LR_POST_DIV:
      return b ? a / b : 0;
    case LR_POST_MOD:
      return int_mod(a, b);
    case LR_POST_FMOD:
      return b ? a % b : 0;
    case LR_POST_POW:
      return power(a, b);
    case LR_POST_MIN:
      return a < b ? a : b;
    case LR_POST_MAX:
      return a > b ? a : b;
    case LR_POST_CLIP:
      a = a > b ? a : b;
      return a < c ? a : c;
    case LR_POST_NEG:
      return -a;
    case LR_POST_ABS:
      return a < 0 ? -a : a;
    case LR_POST_SIGN:
      return (a > 0) - (a < 0);
    case LR_POST_EQUAL:
      return a == b;
    case LR_POST_LESS:
      return a < b;
    case LR_POST_LESS_EQUAL:
      return a <= b;
    case LR_POST_GREATER:
      return a > b;
    case LR_POST_GREATER_EQUAL:
      return a >= b;
    case LR_POST_AND:
    case LR_POST_BIT_AND:
      return a & b;
    case LR_POST_OR:
    case LR_POST_BIT_OR:
      return a | b;
    case LR_POST_XOR:
    case LR_POST_BIT_XOR:
      return a ^ b;
    case LR_POST_NOT:
      return !a;
    case LR_POST_BIT_NOT:
      return ~a;
    case LR_POST_SHIFT_LEFT:
    case LR_POST_SHIFT_RIGHT:
      return shift(op, a, b, bits);
    case LR_POST_RELU:
      return a > 0 ? a : 0;
    default:
      return 0;
  }
}

/* A value as an element of the type holds it. */
static wide wrap(wide v, int32_t dtype) {
  unsigned char element[8];
  memcpy(element, &v, sizeof element); /* little endian */
  return check_get_int(dtype, element, 0);
}

check_wide check_int_op(int32_t op, wide a, wide b, wide c, int32_t dtype) {
  if (op != LR_POST_SHRINK) return int_math(op, a, b, c, 8 * (int)check_size(dtype));
  wide least = check_is_signed(dtype) ? wrap(-b, dtype) : 0;
  return a < least ? a + c : a > b ? a - c : 0;
}

/* ---- elements ---- */
bool check_is_float(int32_t dtype) { return dtype == T_F32 || dtype == T_F16 || dtype == T_F64; }
bool check_is_signed(int32_t dtype) {
  return dtype == T_I8 || dtype == T_I16 || dtype == T_I32 || dtype == T_I64;
}

check_wide check_get_int(int32_t dtype, const void *p, size_t i) {
  uint64_t bits = 0;
  size_t size = check_size(dtype);
  memcpy(&bits, (const char *)p + i * size, size);
  if (!check_is_signed(dtype)) return bits;
  return (check_wide)((int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size));
}

bool check_equal_int(int32_t dtype, const void *p, size_t i, check_wide want) {
  uint64_t bits = (uint64_t)want, got = 0;
  size_t size = check_size(dtype);
  memcpy(&got, (const char *)p + i * size, size);
  return got == (size == 8 ? bits : bits & (((uint64_t)1 << 8 * size) - 1));
}

/* Ordinary and special values. Activations get no infinities: their formulas make NaN of them, kernels may
 * give the limit. */
static void put_any(int32_t dtype, void *p, size_t i, bool infinite) {
  static const double special[] = {
      0, -0.0, 1, -1, 0.5, -0.5, (double)NAN, (double)INFINITY, -(double)INFINITY};
  if (check_is_float(dtype)) {
    const double scale[] = {1, 1, 4, 30, 0.01};
    check_put(
        dtype, p, i,
        check_random(8) ? check_float() * scale[check_random(5)] : special[check_random(infinite ? 9 : 7)]);
  } else if (dtype == T_BOOL) {
    ((uint8_t *)p)[i] = (uint8_t)check_random(2);
  } else {
    uint64_t bits = (uint64_t)check_random(1u << 31) << 33 ^ (uint64_t)check_random(1u << 31) << 10 ^
                    check_random(1u << 31);
    if (check_random(2)) bits = (uint64_t)(int64_t)check_between(-9, 70);
    memcpy((char *)p + i * check_size(dtype), &bits, check_size(dtype));
  }
}

struct check_row check_source(int32_t dtype, size_t n, bool there, bool infinite) {
  struct check_row s = {NULL, 0, dtype};
  if (!there) return s;
  s.step = check_random(4) > 0;
  size_t count = s.step ? n : 1;
  s.p = check_alloc(count * check_size(dtype), check_size(dtype));
  for (size_t i = 0; i < count; i++) put_any(dtype, s.p, i, infinite);
  return s;
}

void *check_copy(const struct check_row *s, size_t n) {
  size_t bytes = (s->step ? n : 1) * check_size(s->dtype);
  void *p = check_alloc(bytes ? bytes : 1, 16);
  if (s->p) memcpy(p, s->p, bytes);
  return p;
}
