/* scatter_elements, scatter_nd: x with some elements replaced by updates, or combined with them. To each element updates are
 * applied one after the other, so where two hit it the result does not depend on threads. */
#include <math.h>

#include "indices.h"

#include "f16.h"

/* ---- infer ---- */
static lr_status check(const struct lr_infer *c, uint32_t reduction) {
  const struct lr_type *x = &c->in[0];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_indices_infer(c, 1));
  if (c->in[2].dtype != x->dtype)
    return lr_infer_fail(c, LR_ERR_MODEL, "updates are %s, x is %s; they must be equal",
                         lr_dtype_name(c->in[2].dtype), lr_dtype_name(x->dtype));
  if (reduction >= LR_SCATTER_ND_REDUCTION_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "reduction is %u, but must be below %d", reduction,
                         LR_SCATTER_ND_REDUCTION_LIMIT);
  if (reduction && (x->dtype == LR_BOOL || x->dtype == LR_BF16))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "it cannot combine %s; use reduction none",
                         lr_dtype_name(x->dtype));
  c->out[0] = *x;
  return LR_OK;
}

lr_status lr_infer_scatter_elements(struct lr_infer *c) {
  const struct lr_scatter_elements_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0], *idx = &c->in[1], *u = &c->in[2];
  LR_TRY(check(c, a->reduction));
  LR_TRY(lr_move_axis(c, a->axis, x->rank));
  if (idx->rank != x->rank || u->rank != x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "x, indices and updates have ranks %d, %d and %d; they must be equal", x->rank,
                         idx->rank, u->rank);
  for (int32_t i = 0; i < x->rank; i++) {
    lr_dim d = idx->dim[i];
    if (!lr_dim_unify(&d, u->dim[i]) || (i != a->axis && x->dim[i] >= 0 && idx->dim[i] > x->dim[i]))
      return lr_infer_fail(c, LR_ERR_MODEL, "axis %d has size %lld in x, %lld in indices and %lld in updates",
                           i, (long long)x->dim[i], (long long)idx->dim[i], (long long)u->dim[i]);
  }
  return LR_OK;
}

lr_status lr_infer_scatter_nd(struct lr_infer *c) {
  const struct lr_scatter_nd_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0], *idx = &c->in[1], *u = &c->in[2];
  char text[2][200];
  LR_TRY(check(c, a->reduction));
  lr_dim k = idx->rank ? idx->dim[idx->rank - 1] : -1;
  if (k < 0 || k > x->rank)
    return lr_infer_fail(c, k < -1 || (idx->rank && k < 0) ? LR_ERR_UNSUPPORTED : LR_ERR_MODEL,
                         "the last size of indices must be known and at most the rank %d of x", x->rank);
  bool fits = u->rank == idx->rank - 1 + x->rank - (int32_t)k;
  for (int32_t i = 0; i < u->rank && fits; i++) {
    lr_dim d = i < idx->rank - 1 ? idx->dim[i] : x->dim[i - (idx->rank - 1) + k];
    fits = lr_dim_unify(&d, u->dim[i]);
  }
  if (!fits)
    return lr_infer_fail(c, LR_ERR_MODEL, "updates %s do not fit indices %s and x of rank %d",
                         lr_dims_text(u->rank, u->dim, text[0], sizeof text[0]),
                         lr_dims_text(idx->rank, idx->dim, text[1], sizeof text[1]), x->rank);
  return LR_OK;
}

/* ---- combining ---- */
#define COMBINE(type, wide, load, store, least, most)                                 \
  for (int64_t i = 0; i < n; i++) {                                                   \
    wide a = load(((type *)to)[i]), b = load(((const type *)from)[i]);                \
    ((type *)to)[i] = store(reduction == LR_SCATTER_ND_REDUCTION_ADD   ? a + b        \
                            : reduction == LR_SCATTER_ND_REDUCTION_MUL ? a * b        \
                            : reduction == LR_SCATTER_ND_REDUCTION_MIN ? least(a, b)  \
                                                                       : most(a, b)); \
  }                                                                                   \
  break
#define SAME(v) (v)
#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define MOST(a, b) ((a) > (b) ? (a) : (b))
#define FLEAST(a, b) ((a) < (b) || (a) != (a) ? (a) : (b)) /* NaN wins */
#define FMOST(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
/* Sums and products wrap: they are computed unsigned. */
#define COMBINE_INTEGER(type, utype)                                                      \
  for (int64_t i = 0; i < n; i++) {                                                       \
    type a = ((type *)to)[i], b = ((const type *)from)[i];                                \
    uint64_t ua = (uint64_t)a, ub = (uint64_t)b;                                          \
    ((type *)to)[i] = reduction == LR_SCATTER_ND_REDUCTION_ADD   ? (type)(utype)(ua + ub) \
                      : reduction == LR_SCATTER_ND_REDUCTION_MUL ? (type)(utype)(ua * ub) \
                      : reduction == LR_SCATTER_ND_REDUCTION_MIN ? LEAST(a, b)            \
                                                                 : MOST(a, b);            \
  }                                                                                       \
  break

static void combine(int32_t dtype, uint32_t reduction, void *to, const void *from, int64_t n) {
  if (reduction == LR_SCATTER_ND_REDUCTION_NONE) {
    memcpy(to, from, (size_t)n * lr_dtype_size(dtype));
    return;
  }
  switch (dtype) {
    case LR_F32:
      COMBINE(float, float, SAME, SAME, FLEAST, FMOST);
    case LR_F64:
      COMBINE(double, double, SAME, SAME, FLEAST, FMOST);
    case LR_F16:
      COMBINE(uint16_t, float, lr_f16_to_f32, lr_f16_from_f32, FLEAST, FMOST);
    case LR_I8:
      COMBINE_INTEGER(int8_t, uint8_t);
    case LR_U8:
      COMBINE_INTEGER(uint8_t, uint8_t);
    case LR_I16:
      COMBINE_INTEGER(int16_t, uint16_t);
    case LR_U16:
      COMBINE_INTEGER(uint16_t, uint16_t);
    case LR_I32:
      COMBINE_INTEGER(int32_t, uint32_t);
    case LR_U32:
      COMBINE_INTEGER(uint32_t, uint32_t);
    case LR_I64:
      COMBINE_INTEGER(int64_t, uint64_t);
    default:
      COMBINE_INTEGER(uint64_t, uint64_t);
  }
}

/* ---- run ---- */
static void copy_x(struct lr_run *r) { lr_copy_parallel(r->pool, &r->out[0], &r->in[0]); }

static lr_status run_elements(struct lr_run *r) {
  const struct lr_scatter_elements_attrs *a = r->node->attrs;
  const struct lr_view *x = &r->in[0], *idx = &r->in[1], *u = &r->in[2];
  int64_t count = lr_view_count(idx), size = x->dim[a->axis], step[LR_MAX_RANK], at[LR_MAX_RANK] = {0};
  size_t bytes = lr_dtype_size(x->dtype);
  for (int32_t i = x->rank - 1, k = 0; i >= 0; i--, k++) {
    step[i] = k ? step[i + 1] * x->dim[i + 1] : 1;
    if (idx->dim[i] != u->dim[i] || (i != a->axis && idx->dim[i] > x->dim[i]))
      return lr_run_fail(r, LR_ERR_VALUE, "axis %d has size %lld in x, %lld in indices and %lld in updates",
                         i, (long long)x->dim[i], (long long)idx->dim[i], (long long)u->dim[i]);
  }
  LR_TRY(lr_indices_check(r, idx, a->axis, 1, &x->dim[a->axis]));
  copy_x(r);
  for (int64_t e = 0; e < count; e++) {
    if (e % 16384 == 0 && lr_stopped()) return LR_OK;
    int64_t to = lr_index_in(idx, e, size) * step[a->axis];
    for (int32_t i = 0; i < x->rank; i++)
      if (i != a->axis) to += at[i] * step[i];
    combine(x->dtype, a->reduction, (char *)r->out[0].data + (size_t)to * bytes,
            (const char *)u->data + (size_t)e * bytes, 1);
    for (int32_t i = x->rank - 1; i >= 0 && ++at[i] == idx->dim[i]; i--) at[i] = 0;
  }
  return LR_OK;
}

struct job {
  const struct lr_run *r;
  int32_t k;       /* coordinates */
  int64_t rows, n; /* updates, elements of each */
};

/* Elements first..last-1 of all slices. */
static void columns(void *context, int64_t first, int64_t last, int32_t thread) {
  const struct job *j = context;
  const struct lr_scatter_nd_attrs *a = j->r->node->attrs;
  const struct lr_view *x = &j->r->in[0], *idx = &j->r->in[1];
  int64_t size = (int64_t)lr_dtype_size(x->dtype), often = 16384 / (last - first) + 1;
  for (int64_t row = 0; row < j->rows; row++) {
    if (row % often == 0 && lr_stopped()) return;
    int64_t at = 0;
    for (int32_t i = 0; i < j->k; i++) at = at * x->dim[i] + lr_index_in(idx, row * j->k + i, x->dim[i]);
    combine(x->dtype, a->reduction, (char *)j->r->out[0].data + (at * j->n + first) * size,
            (const char *)j->r->in[2].data + (row * j->n + first) * size, last - first);
  }
}

static lr_status run_nd(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *idx = &r->in[1], *u = &r->in[2];
  struct job j = {r, (int32_t)idx->dim[idx->rank - 1], 1, 1};
  for (int32_t i = 0; i < idx->rank - 1; i++) j.rows *= idx->dim[i];
  for (int32_t i = j.k; i < x->rank; i++) j.n *= x->dim[i];
  if (j.rows * j.n != lr_view_count(u))
    return lr_run_fail(r, LR_ERR_VALUE, "updates have %lld elements, but %lld slices of %lld are needed",
                       (long long)lr_view_count(u), (long long)j.rows, (long long)j.n);
  LR_TRY(lr_indices_check(r, idx, 0, j.k, x->dim));
  copy_x(r);
  lr_move_rows(r->pool, j.n, (int64_t)lr_dtype_size(x->dtype), columns, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_scatter_elements = {.run = run_elements};
const struct lr_impl lr_cpu_scatter_nd = {.run = run_nd};
