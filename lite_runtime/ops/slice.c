/* slice: ONNX's Slice. */
#include "move.h"

/* starts, ends, axes, steps; axes and steps may be absent. */
struct params {
  struct lr_ints start, end, axes, step;
};

static bool known(const struct params *p) {
  return lr_ints_known(&p->start) && lr_ints_known(&p->end) && lr_ints_known(&p->axes) &&
         lr_ints_known(&p->step);
}

/* First element, number and step along one axis. */
struct range {
  int64_t start, n, step;
};

static int64_t clamp(int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; }

/* The range of a dim of known size: negative values count from the end, then they are clamped as ONNX says (a
 * start too far to the left gives the first element when going backwards, where numpy gives nothing). step is
 * not 0. */
static struct range resolve(int64_t dim, int64_t start, int64_t end, int64_t step) {
  if (!dim) return (struct range){0, 0, 1};
  assert(dim > 0 && step);
  step = clamp(step, -(dim + 1), dim + 1); /* a longer step takes one element too, and cannot overflow */
  if (start < 0) start += dim;
  if (end < 0) end += dim;
  start = clamp(start, 0, step < 0 ? dim - 1 : dim);
  end = clamp(end, step < 0 ? -1 : 0, dim);
  int64_t way = step < 0 ? start - end : end - start, size = step < 0 ? -step : step;
  return (struct range){start, way > 0 ? (way - 1) / size + 1 : 0, step};
}

/* The same for a dim of unknown size: only taking all of it is certain. */
static lr_dim resolve_unknown(lr_dim dim, int64_t start, int64_t end, int64_t step) {
  const int64_t far =
      (int64_t)1 << 40; /* no dim is as large: LR_MAX_BYTES; exporters write INT32_MAX as well */
  if (step == 1 && start == 0 && end >= INT32_MAX) return dim;
  if (step == -1 && (start == -1 || start >= INT32_MAX) && (end <= INT32_MIN + 1 || end < -far)) return dim;
  return -1;
}

static const char *const one_length = "starts, ends, axes and steps must have one length";

/* Index of the axis that element i is about, -1 when it is not one of x's. */
static int32_t axis_of(const struct params *p, int64_t i, int32_t rank) {
  int64_t a = p->axes.dtype ? lr_ints_at(&p->axes, i) : i;
  if (a < 0) a += rank;
  return a >= 0 && a < rank ? (int32_t)a : -1;
}

static lr_status check_lengths(const struct lr_infer *c, const struct params *p, int64_t *n) {
  const struct lr_ints *v[] = {&p->start, &p->end, &p->axes, &p->step};
  *n = -1;
  for (int32_t i = 0; i < 4; i++) {
    if (!v[i]->dtype || v[i]->n < 0) continue;
    if (*n >= 0 && *n != v[i]->n)
      return lr_infer_fail(c, LR_ERR_MODEL, "%s, but there are %lld and %lld elements", one_length,
                           (long long)*n, (long long)v[i]->n);
    *n = v[i]->n;
  }
  if (*n > c->in[0].rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "starts has %lld elements, but x has rank %d", (long long)*n,
                         c->in[0].rank);
  return LR_OK;
}

/* The axes that the slice is about, as a bit mask; all of them when that is not known. */
static lr_status touched(const struct lr_infer *c, const struct params *p, int64_t n, uint32_t *mask) {
  int32_t rank = c->in[0].rank;
  *mask = (1u << rank) - 1;
  if (n < 0 || !lr_ints_known(&p->axes)) return LR_OK;
  *mask = 0;
  for (int64_t i = 0; i < n; i++) {
    int32_t a = axis_of(p, i, rank);
    if (a < 0 || (*mask >> a & 1))
      return lr_infer_fail(c, LR_ERR_VALUE, "axes[%lld] is %lld, which %s; x has rank %d", (long long)i,
                           (long long)lr_ints_at(&p->axes, i), a < 0 ? "is out of range" : "is there twice",
                           rank);
    *mask |= 1u << a;
  }
  return LR_OK;
}

lr_status lr_infer_slice(struct lr_infer *c) {
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct params p;
  int64_t n;
  uint32_t mask;
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_ints_infer(c, 1, "starts", &p.start));
  LR_TRY(lr_ints_infer(c, 2, "ends", &p.end));
  LR_TRY(lr_ints_infer(c, 3, "axes", &p.axes));
  LR_TRY(lr_ints_infer(c, 4, "steps", &p.step));
  LR_TRY(check_lengths(c, &p, &n));
  LR_TRY(touched(c, &p, n, &mask));
  *y = *x;
  if (!known(&p)) { /* a slice is never larger than x, but that cannot be said with one number */
    for (int32_t i = 0; i < x->rank; i++)
      if (mask >> i & 1) y->dim[i] = x->dim[i] == 0 ? 0 : -1;
    return LR_OK;
  }
  for (int64_t i = 0; i < n; i++) {
    int32_t a = axis_of(&p, i, x->rank);
    int64_t start = lr_ints_at(&p.start, i), end = lr_ints_at(&p.end, i);
    int64_t step = p.step.dtype ? lr_ints_at(&p.step, i) : 1;
    if (step == 0) return lr_infer_fail(c, LR_ERR_VALUE, "steps[%lld] is 0", (long long)i);
    y->dim[a] =
        x->dim[a] < 0 ? resolve_unknown(x->dim[a], start, end, step) : resolve(x->dim[a], start, end, step).n;
  }
  return LR_OK;
}

/* Makes y, whose dims are set, the part of x that p says; offset in elements. False when the values are not
 * valid or give other dims. */
static bool apply(const struct params *p, const struct lr_view *x, struct lr_view *y, int64_t *offset) {
  struct range r[LR_MAX_RANK];
  for (int32_t i = 0; i < x->rank; i++) r[i] = (struct range){0, x->dim[i], 1};
  uint32_t seen = 0;
  if (p->end.n != p->start.n || (p->axes.dtype && p->axes.n != p->start.n) ||
      (p->step.dtype && p->step.n != p->start.n))
    return false;
  for (int64_t i = 0; i < p->start.n; i++) {
    int32_t a = axis_of(p, i, x->rank);
    int64_t step = p->step.dtype ? lr_ints_at(&p->step, i) : 1;
    if (a < 0 || (seen >> a & 1) || step == 0) return false;
    seen |= 1u << a;
    r[a] = resolve(x->dim[a], lr_ints_at(&p->start, i), lr_ints_at(&p->end, i), step);
  }
  *offset = 0;
  bool empty = false;
  for (int32_t i = 0; i < x->rank; i++) {
    if (r[i].n != y->dim[i]) return false;
    empty |= r[i].n == 0;
    y->stride[i] = x->stride[i] * r[i].step;
    *offset += x->stride[i] * r[i].start;
  }
  if (empty) *offset = 0; /* a start may lie behind the last element */
  return true;
}

static struct params of_views(const struct lr_view *in, int32_t n_in, const void *const *value) {
  struct lr_ints v[4];
  for (int32_t i = 0; i < 4; i++)
    v[i] = lr_ints_view(in, n_in, i + 1, value && i + 1 < n_in ? value[i + 1] : NULL);
  return (struct params){v[0], v[1], v[2], v[3]};
}

static int64_t view(const struct lr_node *node, const struct lr_view *in, const void *const *value, int32_t k,
                    struct lr_view *out) {
  for (int32_t i = 1; i < node->n_in; i++)
    if (in[i].dtype && !value[i] && in[i].dim[0]) return -1;
  struct params p = of_views(in, node->n_in, value);
  int64_t offset;
  if (!apply(&p, &in[0], out, &offset)) return -1;
  for (int32_t i = 0; i < out->rank; i++) /* readers of views count on positive strides */
    if (out->stride[i] < 0 && out->dim[i] > 1)
      return -1;
    else if (out->stride[i] < 0)
      out->stride[i] = -out->stride[i];
  return offset;
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct params p = of_views(r->in, r->n_in, NULL);
  struct lr_view src = *y;
  int64_t offset;
  char from[200], to[200];
  if (!known(&p) || !apply(&p, x, &src, &offset))
    return lr_run_fail(r, LR_ERR_VALUE, "starts, ends, axes and steps do not cut %s out of x %s",
                       lr_dims_text(y->rank, y->dim, to, sizeof to),
                       lr_dims_text(x->rank, x->dim, from, sizeof from));
  src.data = (char *)x->data + offset * (int64_t)lr_dtype_size(x->dtype);
  lr_copy_parallel(r->pool, y, &src);
  return LR_OK;
}

const struct lr_impl lr_cpu_slice = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_STRIDED_OUT | LR_IMPL_VIEW, .run = run, .view = view};
