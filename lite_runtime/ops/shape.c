/* shape, expand. */
#include "move.h"

/* ---- shape ---- */
/* start and end of [start, end) as ONNX's Shape has them: negative counts from the end, out of range clamps.
 */
static void shape_range(const struct lr_shape_attrs *a, int32_t rank, int32_t *start, int32_t *end) {
  int64_t s = a->start, e = a->end;
  if (s < 0) s += rank;
  if (e < 0) e += rank;
  s = s < 0 ? 0 : s > rank ? rank : s;
  e = e < s ? s : e > rank ? rank : e;
  *start = (int32_t)s;
  *end = (int32_t)e;
}

lr_status lr_infer_shape(struct lr_infer *c) {
  int32_t start, end;
  shape_range(c->attrs, c->in[0].rank, &start, &end);
  c->out[0] = (struct lr_type){.dtype = LR_I64, .rank = 1, .dim = {end - start}};
  return LR_OK;
}

static lr_status run_shape(struct lr_run *r) {
  int32_t start, end;
  shape_range(r->node->attrs, r->in[0].rank, &start, &end);
  const struct lr_view *y = &r->out[0];
  if (y->dim[0] != end - start)
    return lr_run_fail(r, LR_ERR_VALUE, "y has %lld elements, but x has %d dims to write",
                       (long long)y->dim[0], end - start);
  int64_t *to = y->data;
  for (int32_t i = start; i < end; i++) to[(i - start) * y->stride[0]] = r->in[0].dim[i];
  return LR_OK;
}

const struct lr_impl lr_cpu_shape = {.flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT, .run = run_shape};

/* ---- expand ---- */
lr_status lr_infer_expand(struct lr_infer *c) {
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct lr_ints shape;
  char text[200];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_ints_infer(c, 1, "shape", &shape));
  if (shape.n < 0)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                         "the length of shape is not known, so the rank of y is not; give the "
                         "model's inputs fixed shapes");
  if (shape.n > LR_MAX_RANK)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "shape has %lld dims; at most %d are supported",
                         (long long)shape.n, LR_MAX_RANK);
  int32_t n = (int32_t)shape.n, rank = n > x->rank ? n : x->rank;
  *y = (struct lr_type){.dtype = x->dtype, .rank = rank};
  for (int32_t i = 0; i < rank; i++) {
    int32_t xi = i - (rank - x->rank), si = i - (rank - n);
    lr_dim a = xi < 0 ? 1 : x->dim[xi];
    if (si < 0) {
      y->dim[i] = a;
    } else if (!lr_ints_known(&shape)) {
      y->dim[i] = a >= 0 && a != 1 ? a : -1; /* 1 may grow, and an unknown size may be 1 */
    } else {
      int64_t d = lr_ints_at(&shape, si);
      if (d < 0)
        return lr_infer_fail(c, LR_ERR_VALUE, "shape[%d] is %lld; sizes cannot be negative", si,
                             (long long)d);
      if (d != 1 && a >= 0 && a != 1 && a != d)
        return lr_infer_fail(c, LR_ERR_VALUE,
                             "x %s cannot be expanded: its size %lld and shape[%d], which is %lld, "
                             "differ and neither is 1",
                             lr_dims_text(x->rank, x->dim, text, sizeof text), (long long)a, si,
                             (long long)d);
      y->dim[i] = d == 1 ? a : d;
    }
  }
  return lr_move_output(c, 0);
}

/* x with y's dims: stride 0 where it is repeated. False when x does not broadcast to y. */
static bool broadcast(const struct lr_view *x, struct lr_view *y) {
  for (int32_t i = 0; i < y->rank; i++) {
    int32_t k = i - (y->rank - x->rank);
    bool repeat = k < 0 || x->dim[k] == 1;
    if (!repeat && x->dim[k] != y->dim[i]) return false;
    /* a dim of 1 may have any stride: the dense one keeps x a dense view where nothing is repeated */
    y->stride[i] = repeat ? 0 : x->stride[k];
    if (repeat && y->dim[i] == 1 && k >= 0) y->stride[i] = x->stride[k];
  }
  return true;
}

static int64_t view_expand(const struct lr_node *node, const struct lr_view *in, const void *const *value,
                           int32_t k, struct lr_view *out) {
  return in[0].rank <= out->rank && broadcast(&in[0], out) ? 0 : -1;
}

static lr_status run_expand(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct lr_ints shape = lr_ints_view(r->in, r->n_in, 1, NULL);
  char from[200], to[200];
  int64_t skip = y->rank - shape.n;
  for (int64_t i = 0; i < shape.n && shape.data; i++) { /* it may hold values that the plan did not know */
    int64_t d = lr_ints_at(&shape, i);
    if (skip + i < 0 || d < 0 || (d != 1 && d != y->dim[skip + i]))
      return lr_run_fail(r, LR_ERR_VALUE, "shape[%lld] is %lld, but y is %s", (long long)i, (long long)d,
                         lr_dims_text(y->rank, y->dim, to, sizeof to));
  }
  struct lr_view src = *y;
  src.data = x->data;
  if (x->rank > y->rank || !broadcast(x, &src))
    return lr_run_fail(r, LR_ERR_VALUE, "x %s cannot be expanded to %s",
                       lr_dims_text(x->rank, x->dim, from, sizeof from),
                       lr_dims_text(y->rank, y->dim, to, sizeof to));
  lr_copy_parallel(r->pool, y, &src);
  return LR_OK;
}

const struct lr_impl lr_cpu_expand = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT | LR_IMPL_VIEW, .run = run_expand, .view = view_expand};
