/* Row kernels of the integer post-ops for one type: defines lr_<TYPE>_vop__c. The includer defines TYPE (i8,
 * ...), T (its C type), U (unsigned of the same size), W (unsigned of at least the size of int, in which
 * arithmetic wraps) and SIGNED (0, 1). */
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define N(name) CAT(CAT(name, _), TYPE)
#define BITS (8 * sizeof(T))
#if SIGNED
#define NEGATIVE(x) ((x) < 0)
#else
#define NEGATIVE(x) 0
#endif

static inline T N(div)(T a, T b) { /* the smallest by -1 wraps; by 0 is caught before, and gives 0 */
  if (b == 0) return 0;
  return SIGNED && b == (T)-1 ? (T)(U)((W)0 - (W)a) : (T)(a / b);
}

static inline T N(fmod)(T a, T b) { return b == 0 || (SIGNED && b == (T)-1) ? 0 : (T)(a % b); }

static inline T N(mod)(T a, T b) {
  T r = N(fmod)(a, b);
  return r && NEGATIVE(r) != NEGATIVE(b) ? (T)(r + b) : r;
}

/* By squaring, wrapping; a negative exponent truncates to 0 but for 1 and -1. */
static inline T N(pow)(T a, T b) {
  if (NEGATIVE(b)) return a == 1 ? 1 : a == (T)-1 ? (b & 1 ? a : 1) : 0;
  W y = 1, x = (W)a;
  for (U e = (U)b; e; e = (U)(e >> 1)) {
    if (e & 1) y *= x;
    x *= x;
  }
  return (T)(U)y;
}

static inline T N(shift_left)(T a, T b) { return (U)b < BITS ? (T)(U)((W)(U)a << (U)b) : 0; }

static inline T N(shift_right)(T a, T b) { return (U)b < BITS ? (T)(a >> (U)b) : NEGATIVE(a) ? (T)-1 : 0; }

static inline T N(shrink)(T a, T limit, T bias) {
  T low = SIGNED ? (T)(U)((W)0 - (W)limit) : 0;
  return a < low ? (T)(U)((W)a + (W)bias) : a > limit ? (T)(U)((W)a - (W)bias) : 0;
}

#define MAP(op, expr)                                            \
  case op:                                                       \
    if (LR_POST_BUILT(op)) {                                     \
      LR_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = expr; \
    }                                                            \
    break;
#define WRAP(expr) (T)(U)(expr)

static void N(arithmetic)(int32_t op, size_t n, const T *a, const T *b, const T *c, T *y) {
  switch (op) {
    MAP(LR_POST_COPY, a[i])
    MAP(LR_POST_ADD, WRAP((W)a[i] + (W)b[i]))
    MAP(LR_POST_SUB, WRAP((W)a[i] - (W)b[i]))
    MAP(LR_POST_MUL, WRAP((W)a[i] * (W)b[i]))
    MAP(LR_POST_DIV, N(div)(a[i], b[i]))
    MAP(LR_POST_MOD, N(mod)(a[i], b[i]))
    MAP(LR_POST_FMOD, N(fmod)(a[i], b[i]))
    MAP(LR_POST_POW, N(pow)(a[i], b[i]))
    MAP(LR_POST_MIN, a[i] < b[i] ? a[i] : b[i])
    MAP(LR_POST_MAX, a[i] > b[i] ? a[i] : b[i])
    MAP(LR_POST_CLIP, (a[i] < b[i] ? b[i] : a[i]) > c[i] ? c[i] : (a[i] < b[i] ? b[i] : a[i]))
    MAP(LR_POST_NEG, WRAP((W)0 - (W)a[i]))
    MAP(LR_POST_ABS, NEGATIVE(a[i]) ? WRAP((W)0 - (W)a[i]) : a[i])
    MAP(LR_POST_SIGN, (T)((a[i] > 0) - NEGATIVE(a[i])))
    MAP(LR_POST_RELU, a[i] > 0 ? a[i] : 0)
    MAP(LR_POST_SHRINK, N(shrink)(a[i], b[i], c[i]))
  }
}

static void N(bits)(int32_t op, size_t n, const T *a, const T *b, T *y) {
  switch (op) {
    MAP(LR_POST_BIT_AND, (T)(a[i] & b[i]))
    MAP(LR_POST_BIT_OR, (T)(a[i] | b[i]))
    MAP(LR_POST_BIT_XOR, (T)(a[i] ^ b[i]))
    MAP(LR_POST_BIT_NOT, (T)~a[i])
    MAP(LR_POST_SHIFT_LEFT, N(shift_left)(a[i], b[i]))
    MAP(LR_POST_SHIFT_RIGHT, N(shift_right)(a[i], b[i]))
  }
}

static void N(compare)(int32_t op, size_t n, const T *a, const T *b, uint8_t *y) {
  switch (op) {
    MAP(LR_POST_EQUAL, a[i] == b[i])
    MAP(LR_POST_LESS, a[i] < b[i])
    MAP(LR_POST_LESS_EQUAL, a[i] <= b[i])
    MAP(LR_POST_GREATER, a[i] > b[i])
    MAP(LR_POST_GREATER_EQUAL, a[i] >= b[i])
  }
}

static void N(choose)(size_t n, const uint8_t *m, const T *a, const T *b, T *y) {
  LR_INDEPENDENT for (size_t i = 0; i < n; i++) y[i] = m[i] ? a[i] : b[i];
}

static void N(row)(int32_t op, size_t n, const void *a, const void *b, const void *c, void *y) {
  if (LR_POST_BUILT(LR_POST_SELECT) && op == LR_POST_SELECT)
    N(choose)(n, a, b, c, y);
  else if (op >= LR_POST_EQUAL && op <= LR_POST_GREATER_EQUAL)
    N(compare)(op, n, a, b, y);
  else if (op >= LR_POST_BIT_AND && op <= LR_POST_SHIFT_RIGHT)
    N(bits)(op, n, a, b, y);
  else
    N(arithmetic)(op, n, a, b, c, y);
}

void CAT(CAT(lr_, TYPE), _vop__c)(int32_t op, size_t n, const void *a, size_t a_step, const void *b,
                                  size_t b_step, const void *c, size_t c_step, void *y) {
  if ((a_step || !a) && (b_step || !b) && (c_step || !c)) {
    N(row)(op, n, a, b, c, y);
    return;
  }
  VOP_BLOCKS(T, N(row))
}

#undef MAP
#undef WRAP
#undef BITS
#undef NEGATIVE
#undef SIGNED
#undef N
#undef CAT
#undef CAT_
#undef TYPE
#undef T
#undef U
#undef W
