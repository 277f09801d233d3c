/* Reductions for one accumulator type: defines lr_<TYPE>_vreduce__c (columns) and lr_<TYPE>_hreduce__c (a
 * row). The includer defines TYPE (f32, ...), T, LOWEST, HIGHEST, ADD(a, b), MUL(a, b), ABS(a), EXP(a) and
 * IS_NAN(a). */
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define N(name) CAT(CAT(name, _), TYPE)

static inline T N(max)(T a, T b) { return IS_NAN(a) || a > b ? a : b; }
static inline T N(min)(T a, T b) { return IS_NAN(a) || a < b ? a : b; }

#define CASES(X)                                  \
  X(LR_REDUCE_KIND_SUM, 0, ADD, v)                \
  X(LR_REDUCE_KIND_SUM_SQUARE, 0, ADD, MUL(v, v)) \
  X(LR_REDUCE_KIND_L1, 0, ADD, ABS(v))            \
  X(LR_REDUCE_KIND_PROD, 1, MUL, v)               \
  X(LR_REDUCE_KIND_MAX, LOWEST, N(max), v)        \
  X(LR_REDUCE_KIND_MIN, HIGHEST, N(min), v)       \
  X(LR_REDUCE_KIND_LOG_SUM_EXP, 0, ADD, EXP(v - shift))

#define CHAINS 16

/* CHAINS columns stay in registers over all rows. */
#define COLUMNS(kind, start, combine, f)                                                                     \
  static void CAT(N(kind), _columns)(size_t n, size_t rows, const T *x, size_t stride, const T *m, T *acc) { \
    for (size_t i = 0; i < n; i += CHAINS) {                                                                 \
      size_t k = n - i < CHAINS ? n - i : CHAINS;                                                            \
      T s[CHAINS], shifts[CHAINS] = {0};                                                                     \
      for (size_t j = 0; j < k; j++) {                                                                       \
        s[j] = acc[i + j];                                                                                   \
        if (kind == LR_REDUCE_KIND_LOG_SUM_EXP) shifts[j] = m[i + j];                                        \
      }                                                                                                      \
      const T *p = x + i;                                                                                    \
      if (k == CHAINS)                                                                                       \
        for (size_t r = 0; r < rows; r++, p += stride)                                                       \
          for (size_t j = 0; j < CHAINS; j++) COMBINE(combine, f)                                            \
      else                                                                                                   \
        for (size_t r = 0; r < rows; r++, p += stride)                                                       \
          for (size_t j = 0; j < k; j++) COMBINE(combine, f)                                                 \
      for (size_t j = 0; j < k; j++) acc[i + j] = s[j];                                                      \
    }                                                                                                        \
  }
#define COMBINE(combine, f)        \
  {                                \
    T v = p[j], shift = shifts[j]; \
    (void)shift;                   \
    s[j] = combine(s[j], f);       \
  }
CASES(COLUMNS)
#undef COMBINE
#undef COLUMNS

void CAT(CAT(lr_, TYPE), _vreduce__c)(int32_t op, size_t n, size_t rows, const T *x, size_t stride,
                                      const T *m, T *acc) {
  switch (op) {
#define CALL(kind, start, combine, f)                   \
  case kind:                                            \
    if (!LR_POST_BUILT(LR_CASE_REDUCE + kind)) break;   \
    CAT(N(kind), _columns)(n, rows, x, stride, m, acc); \
    break;
    CASES(CALL)
#undef CALL
  }
}

#define ROW(kind, start, combine, f)                                 \
  static T CAT(N(kind), _row)(size_t n, const T *x, T shift) {       \
    T s[CHAINS];                                                     \
    size_t i = 0;                                                    \
    (void)shift;                                                     \
    for (size_t j = 0; j < CHAINS; j++) s[j] = start;                \
    for (; i + CHAINS <= n; i += CHAINS)                             \
      for (size_t j = 0; j < CHAINS; j++) {                          \
        T v = x[i + j];                                              \
        s[j] = combine(s[j], f);                                     \
      }                                                              \
    for (size_t j = 0; i < n; i++, j++) {                            \
      T v = x[i];                                                    \
      s[j] = combine(s[j], f);                                       \
    }                                                                \
    for (size_t k = CHAINS / 2; k; k /= 2)                           \
      for (size_t j = 0; j < k; j++) s[j] = combine(s[j], s[j + k]); \
    return s[0];                                                     \
  }
CASES(ROW)
#undef ROW

void CAT(CAT(lr_, TYPE), _hreduce__c)(int32_t op, size_t n, const T *x, const T *m, T *acc) {
  switch (op) {
#define CALL(kind, start, combine, f)                           \
  case kind:                                                    \
    if (!LR_POST_BUILT(LR_CASE_REDUCE + kind)) break;           \
    *acc = combine(*acc, CAT(N(kind), _row)(n, x, m ? *m : 0)); \
    break;
    CASES(CALL)
#undef CALL
  }
}

#undef CHAINS
#undef CASES
#undef N
#undef CAT
#undef CAT_
#undef TYPE
#undef T
#undef IS_NAN
#undef LOWEST
#undef HIGHEST
#undef ADD
#undef MUL
#undef ABS
#undef EXP
