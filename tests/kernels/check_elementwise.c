/* Elementwise rows: every post-op of every type. Floats are compared with long double arithmetic, integers
 * with 128-bit arithmetic. */
#include "check_math.h"

enum { CASES = 24, MAX_N = 90 };

static const struct op {
  int32_t code, arity;
  uint32_t dtypes;
  bool is_bool;
  const char *name;
} ops[] = {
#define X(code, name, arity, dtypes, is_bool) {code, arity, dtypes, is_bool, #name},
    LR_POSTOPS(X)
#undef X
};

/* Units in the last place that a result may be off by. */
static double allowed(int32_t op) {
  switch (op) {
    case LR_POST_POW:
    case LR_POST_TAN:
    case LR_POST_SINH:
    case LR_POST_COSH:
    case LR_POST_ASINH:
    case LR_POST_ACOSH:
    case LR_POST_ATANH:
    case LR_POST_GELU:
    case LR_POST_GELU_TANH:
    case LR_POST_MISH:
    case LR_POST_SELU:
    case LR_POST_CELU:
    case LR_POST_SOFTPLUS:
    case LR_POST_ELU:
    case LR_POST_SILU:
      return 6;
    case LR_POST_HARD_SIGMOID:
    case LR_POST_HARD_SWISH:
      return 4;
    default:
      return op >= LR_POST_SIN ? 4 : op >= LR_POST_EXP ? 3 : 1;
  }
}

/* Where a result is a small difference, the error is that of its parts. */
static double parts(int32_t op, double a, double b, double c) {
  switch (op) {
    case LR_POST_HARD_SIGMOID:
      return fabs(a * b) + fabs(c);
    case LR_POST_MOD:
      return fabs(a) + fabs(b);
    case LR_POST_CELU:
      if (a / b > 88) return (double)INFINITY; /* exp may overflow where a small alpha times it would not */
      return fabs(a / b) <= 1 ? 0 : fabs(a / b * (exp(a / b) - 1) * b); /* the error of a / b grows in exp */
    case LR_POST_HARD_SWISH:
    case LR_POST_GELU:
    case LR_POST_GELU_TANH:
      return fabs(a) * 0.5;
    case LR_POST_SIN:
    case LR_POST_COS:
      return fmin(fabs(a), 4);
    default:
      return 0;
  }
}

static double unit(int32_t dtype) { return dtype == T_F32 ? 0x1p-23 : dtype == T_F16 ? 0x1p-10 : 0x1p-52; }
static double least(int32_t dtype) {
  return dtype == T_F32 ? 0x1p-126 : dtype == T_F16 ? 0x1p-24 : 0x1p-1022;
}

/* ---- vop ---- */
static void compare_float(const struct op *op, int32_t dtype, void *const *x, const struct check_row *s,
                          const void *y, size_t n, int32_t y_dtype) {
  void *rounded = check_alloc(16, 16);
  for (size_t i = 0; i < n; i++) {
    double v[3] = {0, 0, 0};
    for (int k = 0; k < op->arity; k++) v[k] = check_get(s[k].dtype, x[k], s[k].step ? i : 0);
    check_real want = check_float_op(op->code, (check_real)v[0], (check_real)v[1], (check_real)v[2]);
    if (v[0] != v[0] && op->code >= LR_POST_RELU && op->code != LR_POST_THRESHOLDED_RELU &&
        op->code != LR_POST_SHRINK)
      want = (check_real)NAN;
    double got = check_get(y_dtype, y, i), size = fabs((double)want);
    check_put(y_dtype, rounded, 0, (double)want);
    double tolerance =
        op->is_bool
            ? 0
            : allowed(op->code) * (unit(dtype) * (size + parts(op->code, v[0], v[1], v[2])) + least(dtype));
    if (!check_near(got, check_get(y_dtype, rounded, 0), tolerance))
      check_fail("%s, n %zu, element %zu: (%.9g, %.9g, %.9g) gives %.9g, not %.9g", op->name, n, i, v[0],
                 v[1], v[2], got, (double)want);
  }
}

static void compare_int(const struct op *op, int32_t dtype, void *const *x, const struct check_row *s,
                        const void *y, size_t n, int32_t y_dtype) {
  for (size_t i = 0; i < n; i++) {
    int64_t v[3] = {0, 0, 0};
    for (int k = 0; k < op->arity; k++) v[k] = check_get_int(s[k].dtype, x[k], s[k].step ? i : 0);
    int64_t want = check_int_op(op->code, v[0], v[1], v[2], dtype);
    if (!check_equal_int(y_dtype, y, i, want))
      check_fail("%s, n %zu, element %zu: (%lld, %lld, %lld) does not give %lld", op->name, n, i,
                 (long long)v[0], (long long)v[1], (long long)v[2], (long long)want);
  }
}

static void vop_case(const struct lr_kernel *k, int32_t dtype, const struct op *op) {
  size_t n = 1 + check_random(MAX_N);
  int32_t y_dtype = op->is_bool ? T_BOOL : dtype;
  struct check_row s[3];
  void *x[3];
  for (int i = 0; i < 3; i++) {
    s[i] = check_source(op->code == LR_POST_SELECT && !i ? T_BOOL : dtype, n, i < op->arity,
                        op->code < LR_POST_RELU);
    x[i] = check_copy(&s[i], n);
  }
  void *y = check_alloc(n * check_size(y_dtype), check_size(y_dtype));
  int in_place = (int)check_random(6);
  if (in_place < op->arity && s[in_place].step && check_size(s[in_place].dtype) == check_size(y_dtype))
    y = s[in_place].p;
  ((lr_vop_fn *)k->fn)(op->code, n, s[0].p, s[0].step, s[1].p, s[1].step, s[2].p, s[2].step, y);
  if (check_is_float(dtype))
    compare_float(op, dtype, x, s, y, n, y_dtype);
  else
    compare_int(op, dtype, x, s, y, n, y_dtype);
}

static void vop(const struct lr_kernel *k, int32_t dtype) {
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (!(ops[i].dtypes >> dtype & 1) || ops[i].code == LR_POST_CAST || ops[i].code == LR_POST_QUANTIZE)
      continue;
    for (int j = 0; j < CASES; j++) {
      vop_case(k, dtype, &ops[i]);
      check_done();
    }
  }
}

void check_f32_vop(const struct lr_kernel *k) { vop(k, T_F32); }
void check_f16_vop(const struct lr_kernel *k) { vop(k, T_F16); }
void check_f64_vop(const struct lr_kernel *k) { vop(k, T_F64); }
void check_i8_vop(const struct lr_kernel *k) { vop(k, T_I8); }
void check_u8_vop(const struct lr_kernel *k) { vop(k, T_U8); }
void check_i16_vop(const struct lr_kernel *k) { vop(k, T_I16); }
void check_u16_vop(const struct lr_kernel *k) { vop(k, T_U16); }
void check_i32_vop(const struct lr_kernel *k) { vop(k, T_I32); }
void check_u32_vop(const struct lr_kernel *k) { vop(k, T_U32); }
void check_i64_vop(const struct lr_kernel *k) { vop(k, T_I64); }
void check_u64_vop(const struct lr_kernel *k) { vop(k, T_U64); }
void check_bool_vop(const struct lr_kernel *k) { vop(k, T_BOOL); }
