/* The arithmetic of post-ops, written plainly. */
#include "check_math.h"

typedef check_real real;

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
/* All in 64 bits that wrap: not every compiler has more. */
static int64_t wrapped(uint64_t bits) { return (int64_t)bits; }
static int64_t negative(int64_t a) { return wrapped(0 - (uint64_t)a); }

static int64_t power(int64_t a, int64_t b, bool has_sign) {
  if (has_sign && b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  uint64_t y = 1, x = (uint64_t)a, n = (uint64_t)b;
  for (; n; n >>= 1, x *= x)
    if (n & 1) y *= x;
  return wrapped(y);
}

static int64_t quotient(int64_t a, int64_t b, bool has_sign) {
  if (!b) return 0;
  if (!has_sign) return wrapped((uint64_t)a / (uint64_t)b);
  return b == -1 ? negative(a) : a / b; /* the least number has no opposite */
}

static int64_t rest(int64_t a, int64_t b, bool has_sign) { /* with the sign of a */
  return wrapped((uint64_t)a - (uint64_t)quotient(a, b, has_sign) * (uint64_t)b);
}

static int64_t int_mod(int64_t a, int64_t b, bool has_sign) {
  int64_t r = b ? rest(a, b, has_sign) : 0;
  return has_sign && r && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t shift(int32_t op, int64_t a, int64_t b, int bits, bool has_sign) {
  bool below = has_sign && a < 0;
  if ((uint64_t)b >= (uint64_t)bits) return op == LR_POST_SHIFT_RIGHT && below ? -1 : 0;
  if (op == LR_POST_SHIFT_LEFT) return wrapped((uint64_t)a << b);
  return below ? ~wrapped((uint64_t)~a >> b) : wrapped((uint64_t)a >> b);
}

static bool less(int64_t a, int64_t b, bool has_sign) { return has_sign ? a < b : (uint64_t)a < (uint64_t)b; }

/* Post-ops that are the same for signed and unsigned numbers; false: it is none. */
static bool int_bits(int32_t op, int64_t a, int64_t b, int64_t c, int64_t *y) {
  switch (op) {
    case LR_POST_COPY:
      return *y = a, true;
    case LR_POST_SELECT:
      return *y = a ? b : c, true;
    case LR_POST_ADD:
      return *y = wrapped((uint64_t)a + (uint64_t)b), true;
    case LR_POST_SUB:
      return *y = wrapped((uint64_t)a - (uint64_t)b), true;
    case LR_POST_MUL:
      return *y = wrapped((uint64_t)a * (uint64_t)b), true;
    case LR_POST_NEG:
      return *y = negative(a), true;
    case LR_POST_EQUAL:
      return *y = a == b, true;
    case LR_POST_AND:
    case LR_POST_BIT_AND:
      return *y = a & b, true;
    case LR_POST_OR:
    case LR_POST_BIT_OR:
      return *y = a | b, true;
    case LR_POST_XOR:
    case LR_POST_BIT_XOR:
      return *y = a ^ b, true;
    case LR_POST_NOT:
      return *y = !a, true;
    case LR_POST_BIT_NOT:
      return *y = ~a, true;
    default:
      return false;
  }
}

static int64_t int_math(int32_t op, int64_t a, int64_t b, int64_t c, int bits, bool has_sign) {
  int64_t y;
  if (int_bits(op, a, b, c, &y)) return y;
  switch (op) {
    case LR_POST_DIV:
      return quotient(a, b, has_sign);
    case LR_POST_MOD:
      return int_mod(a, b, has_sign);
    case LR_POST_FMOD:
      return b ? rest(a, b, has_sign) : 0;
    case LR_POST_POW:
      return power(a, b, has_sign);
    case LR_POST_MIN:
      return less(a, b, has_sign) ? a : b;
    case LR_POST_MAX:
      return less(b, a, has_sign) ? a : b;
    case LR_POST_CLIP:
      a = less(b, a, has_sign) ? a : b;
      return less(a, c, has_sign) ? a : c;
    case LR_POST_ABS:
      return has_sign && a < 0 ? negative(a) : a;
    case LR_POST_SIGN:
      return less(0, a, has_sign) - less(a, 0, has_sign);
    case LR_POST_LESS:
      return less(a, b, has_sign);
    case LR_POST_LESS_EQUAL:
      return !less(b, a, has_sign);
    case LR_POST_GREATER:
      return less(b, a, has_sign);
    case LR_POST_GREATER_EQUAL:
      return !less(a, b, has_sign);
    case LR_POST_SHIFT_LEFT:
    case LR_POST_SHIFT_RIGHT:
      return shift(op, a, b, bits, has_sign);
    case LR_POST_RELU:
      return less(0, a, has_sign) ? a : 0;
    default:
      return 0;
  }
}

/* A value as an element of the type holds it. */
static int64_t wrap(int64_t v, int32_t dtype) {
  unsigned char element[8];
  memcpy(element, &v, sizeof element); /* little endian */
  return check_get_int(dtype, element, 0);
}

int64_t check_int_op(int32_t op, int64_t a, int64_t b, int64_t c, int32_t dtype) {
  bool has_sign = check_is_signed(dtype);
  if (op != LR_POST_SHRINK) return int_math(op, a, b, c, 8 * (int)check_size(dtype), has_sign);
  int64_t least = has_sign ? wrap(negative(b), dtype) : 0;
  if (less(a, least, has_sign)) return wrapped((uint64_t)a + (uint64_t)c);
  return less(b, a, has_sign) ? wrapped((uint64_t)a - (uint64_t)c) : 0;
}

/* ---- elements ---- */
bool check_is_float(int32_t dtype) { return dtype == T_F32 || dtype == T_F16 || dtype == T_F64; }
bool check_is_signed(int32_t dtype) {
  return dtype == T_I8 || dtype == T_I16 || dtype == T_I32 || dtype == T_I64;
}

int64_t check_get_int(int32_t dtype, const void *p, size_t i) {
  uint64_t bits = 0;
  size_t size = check_size(dtype);
  memcpy(&bits, (const char *)p + i * size, size);
  if (!check_is_signed(dtype)) return wrapped(bits);
  return (int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size);
}

bool check_equal_int(int32_t dtype, const void *p, size_t i, int64_t want) {
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
