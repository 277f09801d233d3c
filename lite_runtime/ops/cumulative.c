/* cumulative: ONNX's CumSum and CumProd. */
#include "move.h"

#include "f16.h"

enum { COLUMNS = 256 };

static bool has(int32_t t) {
  return t == LR_F32 || t == LR_F64 || t == LR_F16 || t == LR_I32 || t == LR_U32 || t == LR_I64 ||
         t == LR_U64;
}

lr_status lr_infer_cumulative(struct lr_infer *c) {
  const struct lr_cumulative_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_ints axis;
  uint32_t mask;
  if (!has(x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; use f32, f64, f16, i32, u32, i64 or u64",
                         lr_dtype_name(x->dtype));
  if (a->kind >= LR_CUMULATIVE_KIND_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "kind is %u, but must be below %d", a->kind,
                         LR_CUMULATIVE_KIND_LIMIT);
  LR_TRY(lr_axes_infer(c, 1, x->rank, &axis, &mask));
  if (axis.dtype && axis.n >= 0 && axis.n != 1)
    return lr_infer_fail(c, LR_ERR_MODEL, "axis has %lld elements, but must have one", (long long)axis.n);
  if (!axis.dtype) LR_TRY(lr_move_axis(c, a->axis, x->rank));
  c->out[0] = *x;
  return LR_OK;
}

struct job {
  const struct lr_cumulative_attrs *a;
  const char *x;
  char *y;
  int32_t dtype;
  struct lr_around at;
  int64_t across;
};

/* Columns col..col+n-1 of one outer. SUM: how elements are added (integers wrap). f16 is added up in f32. */
#define SCAN(type, acc_type, load, store)                                    \
  {                                                                          \
    acc_type acc[COLUMNS];                                                   \
    const type *x = (const type *)j->x + base;                               \
    type *y = (type *)j->y + base;                                           \
    for (int64_t i = 0; i < n; i++) acc[i] = (acc_type)(prod ? 1 : 0);       \
    for (int64_t k = 0; k < j->at.n; k++) {                                  \
      if (k % often == often - 1 && lr_stopped()) return;                    \
      int64_t at = (j->a->reverse ? j->at.n - 1 - k : k) * j->at.inner;      \
      for (int64_t i = 0; i < n; i++) {                                      \
        acc_type v = load(x[at + i]), next = prod ? acc[i] * v : acc[i] + v; \
        y[at + i] = store(j->a->exclusive ? acc[i] : next);                  \
        acc[i] = next;                                                       \
      }                                                                      \
    }                                                                        \
  }                                                                          \
  break
#define SAME(v) (v)

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  bool prod = j->a->kind == LR_CUMULATIVE_KIND_PROD;
  const int64_t often = 512;
  int64_t col = task % j->across * COLUMNS, n = j->at.inner - col < COLUMNS ? j->at.inner - col : COLUMNS;
  int64_t base = task / j->across * j->at.n * j->at.inner + col;
  switch (j->dtype) {
    case LR_F32:
      SCAN(float, float, SAME, SAME);
    case LR_F64:
      SCAN(double, double, SAME, SAME);
    case LR_F16:
      SCAN(uint16_t, float, lr_f16_to_f32, lr_f16_from_f32);
    case LR_I32:
    case LR_U32:
      SCAN(uint32_t, uint32_t, SAME, SAME);
    default:
      SCAN(uint64_t, uint64_t, SAME, SAME);
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_cumulative_attrs *a = r->node->attrs;
  const struct lr_view *x = &r->in[0];
  int32_t axis = a->axis;
  if (r->in[1].data) {
    uint32_t mask;
    LR_TRY(lr_axes_run(r, 1, x->rank, &mask));
    axis = __builtin_ctz(mask);
  }
  struct job j = {a, x->data, r->out[0].data, x->dtype, lr_around_axis(x, axis), 0};
  j.across = (j.at.inner + COLUMNS - 1) / COLUMNS;
  if (j.at.outer * j.across > INT32_MAX) return lr_run_fail(r, LR_ERR_UNSUPPORTED, "x is too large");
  lr_parallel(r->pool, (int32_t)(j.at.outer * j.across), body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_cumulative = {.flags = LR_IMPL_INPLACE, .run = run};
