/* concat, split: parts of a tensor along one axis. */
#include "move.h"

/* Part of v along an axis: the data moved on by `start`, the dim set to n. */
static struct lr_view part(const struct lr_view *v, int32_t axis, int64_t start, int64_t n) {
  struct lr_view p = *v;
  p.data = (char *)v->data + start * v->stride[axis] * (int64_t)lr_dtype_size(v->dtype);
  p.dim[axis] = n;
  return p;
}

/* ---- concat ---- */
/* Takes one more input into the output's type. */
static lr_status join(const struct lr_infer *c, int32_t k, int32_t axis) {
  const struct lr_type *x = &c->in[k];
  struct lr_type *y = &c->out[0];
  char a[240], b[240];
  lr_type_text(&c->in[0], a, sizeof a);
  lr_type_text(x, b, sizeof b);
  if (x->dtype != y->dtype || x->rank != y->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "input %d is %s, but input 0 is %s; dtypes and ranks must be equal",
                         k, b, a);
  for (int32_t i = 0; i < y->rank; i++) {
    if (i != axis && !lr_dim_unify(&y->dim[i], x->dim[i]))
      return lr_infer_fail(c, LR_ERR_MODEL,
                           "input %d is %s, which does not fit the others (input 0 is %s) at axis %d; "
                           "only sizes of axis %d may differ",
                           k, b, a, i, axis);
  }
  lr_dim *sum = &y->dim[axis], d = x->dim[axis];
  if (*sum == 0)
    *sum = d;
  else if (d != 0)
    *sum = *sum > 0 && d > 0 ? *sum + d : -1;
  return LR_OK;
}

lr_status lr_infer_concat(struct lr_infer *c) {
  int32_t axis = ((const struct lr_concat_attrs *)c->attrs)->axis;
  struct lr_type *y = &c->out[0];
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_move_axis(c, axis, c->in[0].rank));
  *y = c->in[0];
  for (int32_t k = 1; k < c->n_in; k++) LR_TRY(join(c, k, axis));
  return lr_move_output(c, 0);
}

static lr_status run_concat(struct lr_run *r) {
  int32_t axis = ((const struct lr_concat_attrs *)r->node->attrs)->axis;
  const struct lr_view *y = &r->out[0];
  int64_t at = 0;
  for (int32_t k = 0; k < r->n_in; k++) {
    const struct lr_view *x = &r->in[k];
    for (int32_t i = 0; i < y->rank; i++)
      if (i == axis ? x->dim[i] > y->dim[i] - at : x->dim[i] != y->dim[i])
        return lr_run_fail(r, LR_ERR_VALUE, "input %d has size %lld at axis %d, which does not fit y's %lld",
                           k, (long long)x->dim[i], i, (long long)y->dim[i]);
    struct lr_view dst = part(y, axis, at, x->dim[axis]);
    lr_copy_parallel(r->pool, &dst, x); /* nothing when x was made in its place */
    at += x->dim[axis];
  }
  if (at == y->dim[axis]) return LR_OK;
  return lr_run_fail(r, LR_ERR_VALUE, "the inputs have %lld elements along axis %d, but y has %lld",
                     (long long)at, axis, (long long)y->dim[axis]);
}

const struct lr_impl lr_cpu_concat = {.flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT, .run = run_concat};

/* ---- split ---- */
/* Size of each part but the last when a dim is cut in n equal parts. */
static int64_t equal_part(int64_t dim, int32_t n) { return dim / n + (dim % n != 0); }

static lr_status split_sizes(struct lr_infer *c, const struct lr_ints *sizes, int32_t axis) {
  lr_dim whole = c->in[0].dim[axis];
  uint64_t sum = 0;
  if (sizes->n >= 0 && sizes->n != c->n_out)
    return lr_infer_fail(c, LR_ERR_MODEL, "sizes has %lld elements, but there are %d outputs",
                         (long long)sizes->n, c->n_out);
  for (int32_t k = 0; k < c->n_out; k++) {
    lr_dim *d = &c->out[k].dim[axis];
    *d = lr_ints_known(sizes) ? lr_ints_at(sizes, k) : -1;
    if (!lr_ints_known(sizes)) continue;
    if (*d < 0 || lr_add_overflows(sum, (uint64_t)*d, &sum) || sum > LR_MAX_BYTES)
      return lr_infer_fail(c, LR_ERR_VALUE, "sizes[%d] is %lld", k, (long long)*d);
  }
  if (lr_ints_known(sizes) && whole >= 0 && sum != (uint64_t)whole)
    return lr_infer_fail(c, LR_ERR_VALUE, "sizes add up to %lld, but x has %lld elements along axis %d",
                         (long long)sum, (long long)whole, axis);
  return LR_OK;
}

static lr_status split_equal(struct lr_infer *c, int32_t axis) {
  lr_dim whole = c->in[0].dim[axis];
  if (whole < 0) {
    for (int32_t k = 0; k < c->n_out; k++) c->out[k].dim[axis] = c->n_out == 1 ? whole : -1;
    return LR_OK;
  }
  int64_t each = equal_part(whole, c->n_out), last = whole - each * (c->n_out - 1);
  if (last < 0)
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "%lld elements along axis %d cannot be cut in %d parts of %lld and a smaller "
                         "last one",
                         (long long)whole, axis, c->n_out, (long long)each);
  for (int32_t k = 0; k < c->n_out; k++) c->out[k].dim[axis] = k < c->n_out - 1 ? each : last;
  return LR_OK;
}

lr_status lr_infer_split(struct lr_infer *c) {
  int32_t axis = ((const struct lr_split_attrs *)c->attrs)->axis;
  struct lr_ints sizes;
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_move_axis(c, axis, c->in[0].rank));
  LR_TRY(lr_ints_infer(c, 1, "sizes", &sizes));
  if (c->n_out < 1) return lr_infer_fail(c, LR_ERR_MODEL, "there is no output; give it at least one");
  for (int32_t k = 0; k < c->n_out; k++) c->out[k] = c->in[0];
  LR_TRY(sizes.dtype ? split_sizes(c, &sizes, axis) : split_equal(c, axis));
  for (int32_t k = 0; k < c->n_out; k++) LR_TRY(lr_move_output(c, k));
  return LR_OK;
}

static int64_t view_split(const struct lr_node *node, const struct lr_view *in, const void *const *value,
                          int32_t k, struct lr_view *out) {
  int32_t axis = ((const struct lr_split_attrs *)node->attrs)->axis;
  struct lr_ints sizes = lr_ints_view(in, node->n_in, 1, node->n_in > 1 ? value[1] : NULL);
  if (!lr_ints_known(&sizes)) return -1;
  int64_t start = 0;
  for (int32_t i = 0; i < k; i++)
    start += sizes.dtype ? lr_ints_at(&sizes, i) : equal_part(in[0].dim[axis], node->n_out);
  memcpy(out->stride, in[0].stride, sizeof out->stride);
  return start * in[0].stride[axis];
}

static lr_status run_split(struct lr_run *r) {
  int32_t axis = ((const struct lr_split_attrs *)r->node->attrs)->axis;
  const struct lr_view *x = &r->in[0];
  struct lr_ints sizes = lr_ints_view(r->in, r->n_in, 1, NULL);
  int64_t sum = 0;
  for (int32_t k = 0; k < r->n_out; k++) { /* they may hold values that the plan did not know */
    int64_t n = r->out[k].dim[axis];
    if (sizes.data && (sizes.n != r->n_out || lr_ints_at(&sizes, k) != n))
      return lr_run_fail(r, LR_ERR_VALUE, "sizes[%d] is %lld, but output %d has %lld elements along axis %d",
                         k, (long long)(k < sizes.n ? lr_ints_at(&sizes, k) : -1), k, (long long)n, axis);
    sum += n;
  }
  if (sum != x->dim[axis])
    return lr_run_fail(r, LR_ERR_VALUE, "sizes add up to %lld, but x has %lld elements along axis %d",
                       (long long)sum, (long long)x->dim[axis], axis);
  int64_t at = 0;
  for (int32_t k = 0; k < r->n_out; k++) {
    struct lr_view src = part(x, axis, at, r->out[k].dim[axis]);
    lr_copy_parallel(r->pool, &r->out[k], &src); /* nothing when the output is a view of x */
    at += r->out[k].dim[axis];
  }
  return LR_OK;
}

const struct lr_impl lr_cpu_split = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT | LR_IMPL_VIEW, .run = run_split, .view = view_split};
