/* reshape, squeeze, unsqueeze, flatten, identity: the same elements in the same order under other dims. */
#include "move.h"

/* ---- reshape ---- */
/* The dims of x and of the wanted shape that were not copied from one to the other, multiplied. */
struct sides {
  uint64_t x, y;   /* products of the known ones */
  int32_t unknown; /* number of unknown dims of x */
  lr_dim symbol;   /* the last of them */
  bool empty;      /* a copied dim is 0: both have no elements */
  int32_t infer;   /* index of the -1, or -1 */
};

static lr_status cannot(const struct lr_infer *c, const struct lr_ints *shape) {
  char from[200], to[200];
  int64_t want[LR_MAX_RANK];
  for (int64_t i = 0; i < shape->n; i++) want[i] = lr_ints_at(shape, i);
  lr_dim n = lr_dim_product(c->in[0].dim, c->in[0].rank);
  lr_dims_text(c->in[0].rank, c->in[0].dim, from, sizeof from);
  lr_dims_text((int32_t)shape->n, want, to, sizeof to);
  if (n < 0) return lr_infer_fail(c, LR_ERR_VALUE, "x %s cannot become %s", from, to);
  return lr_infer_fail(c, LR_ERR_VALUE, "x %s has %lld elements, which cannot become %s", from, (long long)n,
                       to);
}

/* Fills the dims that the shape gives, and the products of the others. */
static lr_status read_shape(const struct lr_infer *c, const struct lr_ints *shape, bool allow_zero,
                            struct sides *s) {
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  uint32_t copied = 0;
  *s = (struct sides){.x = 1, .y = 1, .infer = -1};
  for (int32_t i = 0; i < y->rank; i++) {
    int64_t d = lr_ints_at(shape, i);
    if (d < -1 || (d == -1 && s->infer >= 0))
      return lr_infer_fail(c, LR_ERR_VALUE,
                           d < -1 ? "shape[%d] is %lld; only -1 may be negative"
                                  : "shape[%d] is %lld again; only one dim can be inferred",
                           i, (long long)d);
    if (d == 0 && !allow_zero) {
      if (i >= x->rank)
        return lr_infer_fail(c, LR_ERR_VALUE, "shape[%d] is 0 (copy), but x has rank %d", i, x->rank);
      y->dim[i] = x->dim[i];
      copied |= 1u << i;
      s->empty |= x->dim[i] == 0;
    } else if (d == -1) {
      s->infer = i;
    } else {
      y->dim[i] = d;
      if (lr_mul_overflows(s->y, (uint64_t)d, &s->y) || s->y > LR_MAX_BYTES) return cannot(c, shape);
    }
  }
  for (int32_t i = 0; i < x->rank; i++) {
    if (copied >> i & 1) continue;
    if (x->dim[i] >= 0)
      s->x *= (uint64_t)x->dim[i]; /* below LR_MAX_BYTES: x was checked */
    else
      s->symbol = x->dim[i], s->unknown++;
  }
  return LR_OK;
}

lr_status lr_infer_reshape(struct lr_infer *c) {
  const struct lr_reshape_attrs *a = c->attrs;
  struct lr_type *y = &c->out[0];
  struct lr_ints shape;
  struct sides s;
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_ints_infer(c, 1, "shape", &shape));
  if (a->allow_zero > 1)
    return lr_infer_fail(c, LR_ERR_MODEL, "allow_zero is %u, but must be 0 or 1", a->allow_zero);
  if (shape.n < 0)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                         "the length of shape is not known, so the rank of y is not; give the "
                         "model's inputs fixed shapes");
  if (shape.n > LR_MAX_RANK)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "shape has %lld dims; at most %d are supported",
                         (long long)shape.n, LR_MAX_RANK);
  *y = (struct lr_type){.dtype = c->in[0].dtype, .rank = (int32_t)shape.n};
  if (!lr_ints_known(&shape)) {
    for (int32_t i = 0; i < y->rank; i++) y->dim[i] = -1;
    return LR_OK;
  }
  LR_TRY(read_shape(c, &shape, a->allow_zero, &s));
  if (s.infer < 0) {
    /* what is known of x must divide the whole */
    bool fits = s.unknown ? (s.x ? s.y % s.x == 0 : !s.y) : s.x == s.y;
    if (!fits && !s.empty) return cannot(c, &shape);
  } else if (!s.y) {
    return cannot(c, &shape); /* any size would do */
  } else if (!s.unknown) {
    if (s.x % s.y) return cannot(c, &shape);
    y->dim[s.infer] = (lr_dim)(s.x / s.y);
  } else {
    y->dim[s.infer] = s.unknown == 1 && s.x == s.y ? s.symbol : -1;
  }
  return lr_move_output(c, 0);
}

/* ---- the others ---- */
/* The axes of squeeze or unsqueeze come at run time; rank: y's, negative when it is not known or not possible. */
static lr_status infer_unknown(const struct lr_infer *c, int64_t rank) {
  struct lr_type *y = &c->out[0];
  if (rank < 0 || rank > LR_MAX_RANK)
    return lr_infer_fail(
        c, LR_ERR_UNSUPPORTED,
        "the number of axes is not known or does not fit x of rank %d; the rank of y must be 0 to %d",
        c->in[0].rank, LR_MAX_RANK);
  *y = (struct lr_type){.dtype = c->in[0].dtype, .rank = (int32_t)rank};
  for (int32_t i = 0; i < y->rank; i++) y->dim[i] = -1;
  return LR_OK;
}

lr_status lr_infer_squeeze(struct lr_infer *c) {
  const struct lr_squeeze_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct lr_ints given;
  uint32_t axes;
  char text[200];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_axes_infer(c, 1, x->rank, &given, &axes));
  if (!lr_ints_known(&given)) return infer_unknown(c, given.n < 0 ? -1 : x->rank - given.n);
  if (!given.dtype) axes = a->axes;
  if (axes >> x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "axes 0x%x name an axis that x, of rank %d, does not have", axes,
                         x->rank);
  *y = (struct lr_type){.dtype = x->dtype};
  for (int32_t i = 0; i < x->rank; i++) {
    if ((a->not_one >> i & 1) && x->dim[i] == 1)
      return lr_infer_fail(
          c, LR_ERR_VALUE,
          "axis %d of x %s has size 1 now and would have to go too, which changes the rank of y; use "
          "inputs of which it has another size",
          i, lr_dims_text(x->rank, x->dim, text, sizeof text));
    if (!(axes >> i & 1))
      y->dim[y->rank++] = x->dim[i];
    else if (x->dim[i] >= 0 && x->dim[i] != 1)
      return lr_infer_fail(c, LR_ERR_MODEL,
                           "axis %d of x %s has size %lld; only axes of size 1 can be dropped", i,
                           lr_dims_text(x->rank, x->dim, text, sizeof text), (long long)x->dim[i]);
  }
  return LR_OK;
}

lr_status lr_infer_unsqueeze(struct lr_infer *c) {
  uint32_t axes = ((const struct lr_unsqueeze_attrs *)c->attrs)->axes;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct lr_ints given;
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_ints_infer(c, 1, "axes", &given));
  if (given.n > LR_MAX_RANK || !lr_ints_known(&given))
    return infer_unknown(c, given.n < 0 ? -1 : x->rank + given.n);
  if (given.dtype) LR_TRY(lr_axes_infer(c, 1, x->rank + (int32_t)given.n, &given, &axes));
  int32_t rank = x->rank + __builtin_popcount(axes);
  if (rank > LR_MAX_RANK)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "y would have rank %d; at most %d is supported", rank,
                         LR_MAX_RANK);
  if (axes >> rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "axes 0x%x name an axis that y, of rank %d, does not have", axes,
                         rank);
  *y = (struct lr_type){.dtype = x->dtype, .rank = rank};
  for (int32_t i = 0, k = 0; i < rank; i++) y->dim[i] = axes >> i & 1 ? 1 : x->dim[k++];
  return LR_OK;
}

lr_status lr_infer_flatten(struct lr_infer *c) {
  int32_t axis = ((const struct lr_flatten_attrs *)c->attrs)->axis;
  const struct lr_type *x = &c->in[0];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_move_axis(c, axis, x->rank + 1));
  c->out[0] = (struct lr_type){.dtype = x->dtype, .rank = 2};
  c->out[0].dim[0] = lr_dim_product(x->dim, axis);
  c->out[0].dim[1] = lr_dim_product(x->dim + axis, x->rank - axis);
  return lr_move_output(c, 0);
}

lr_status lr_infer_identity(struct lr_infer *c) {
  LR_TRY(lr_move_input(c, 0));
  c->out[0] = c->in[0];
  return LR_OK;
}

/* ---- views and copies, the same for all ---- */
static int64_t view(const struct lr_node *node, const struct lr_view *in, const void *const *value, int32_t k,
                    struct lr_view *out) {
  return lr_view_reshape(&in[0], out) ? 0 : -1;
}

/* Flags promise that y is dense, or that its dims are x's but for dims of 1: so y's strides can be those of
 * x's dims. */
static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  if (lr_view_count(x) != lr_view_count(y))
    return lr_run_fail(r, LR_ERR_VALUE, "x has %lld elements, y has %lld", (long long)lr_view_count(x),
                       (long long)lr_view_count(y));
  struct lr_view dst = *x;
  dst.data = y->data;
  bool fits = lr_view_reshape(y, &dst);
  assert(fits);
  (void)fits;
  lr_copy_parallel(r->pool, &dst, x);
  return LR_OK;
}

/* The shape may come from values that the plan did not know. */
static lr_status run_reshape(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct lr_ints shape = lr_ints_view(r->in, r->n_in, 1, NULL);
  bool allow_zero = ((const struct lr_reshape_attrs *)r->node->attrs)->allow_zero;
  for (int32_t i = 0; i < y->rank && shape.data; i++) {
    int64_t d = i < shape.n ? lr_ints_at(&shape, i) : 0, want = d;
    if (d == 0 && !allow_zero) want = i < x->rank ? x->dim[i] : -1;
    if (d != -1 && want != y->dim[i])
      return lr_run_fail(r, LR_ERR_VALUE, "shape[%d] is %lld, but y's dim is %lld", i, (long long)d,
                         (long long)y->dim[i]);
  }
  return run(r);
}

const struct lr_impl lr_cpu_reshape = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_VIEW, .run = run_reshape, .view = view};
const struct lr_impl lr_cpu_flatten = {.flags = LR_IMPL_STRIDED_IN | LR_IMPL_VIEW, .run = run, .view = view};
#define KEEPS_DIMS (LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT | LR_IMPL_VIEW)
const struct lr_impl lr_cpu_squeeze = {.flags = KEEPS_DIMS, .run = run, .view = view};
const struct lr_impl lr_cpu_unsqueeze = {.flags = KEEPS_DIMS, .run = run, .view = view};
const struct lr_impl lr_cpu_identity = {.flags = KEEPS_DIMS, .run = run, .view = view};
