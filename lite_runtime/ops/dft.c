/* dft: ONNX's DFT. The axis need not be the last one of signals, so their samples may lie apart. */
#include "fft.h"
#include "move.h"

/* What a transform's axis and length are. -1: not known yet; no axis: there is none. */
struct request {
  int64_t axis, n;
};
enum { NO_AXIS = -2 };

static struct request read(const struct lr_dft_attrs *a, const struct lr_ints *length,
                           const struct lr_ints *axis, int32_t rank, const int64_t *dim) {
  struct request q = {a->axis, -1};
  if (axis->dtype) {
    if (!axis->data) return (struct request){-1, -1};
    q.axis = lr_ints_at(axis, 0);
    if (q.axis < 0 && q.axis >= -rank) q.axis += rank;
  }
  if (q.axis < 0 || q.axis >= rank - 1) return (struct request){NO_AXIS, -1};
  int64_t size = dim[q.axis];
  if (length->dtype)
    q.n = length->data ? lr_ints_at(length, 0) : -1;
  else
    q.n = size < 0 ? -1 : a->onesided && a->inverse ? 2 * (size - 1) : size;
  return q;
}

static lr_status check_x(const struct lr_infer *c) {
  const struct lr_dft_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  if (x->dtype != LR_F32 && x->dtype != LR_F64)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; it must be f32 or f64", lr_dtype_name(x->dtype));
  if (x->rank < 2) return lr_infer_fail(c, LR_ERR_MODEL, "x has rank %d, but must have 2 or more", x->rank);
  int64_t last = x->dim[x->rank - 1], want = a->onesided ? a->inverse ? 2 : 1 : last;
  if (last < 0 || ((last == 1 || last == 2) && last == want)) return LR_OK;
  return lr_infer_fail(c, LR_ERR_MODEL, "the last dim of x is %lld, but must be %s", (long long)last,
                       !a->onesided ? "1 (real) or 2 (complex)"
                       : a->inverse ? "2 (complex) for onesided and inverse"
                                    : "1 (real) for onesided");
}

lr_status lr_infer_dft(struct lr_infer *c) {
  const struct lr_dft_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct lr_ints length, axis;
  LR_TRY(check_x(c));
  LR_TRY(lr_ints_infer(c, 1, "length", &length));
  LR_TRY(lr_ints_infer(c, 2, "axis", &axis));
  if ((length.dtype && length.n >= 0 && length.n != 1) || (axis.dtype && axis.n >= 0 && axis.n != 1))
    return lr_infer_fail(c, LR_ERR_VALUE, "length and axis must have one element");
  struct request q = read(a, &length, &axis, x->rank, x->dim);
  if (q.axis == NO_AXIS)
    return lr_infer_fail(c, axis.dtype ? LR_ERR_VALUE : LR_ERR_MODEL, "axis is %lld, but must be in [0, %d)",
                         axis.dtype ? (long long)lr_ints_at(&axis, 0) : (long long)a->axis, x->rank - 1);
  bool known = q.axis >= 0 && (length.dtype ? length.data != NULL : x->dim[q.axis] >= 0);
  if (known && (q.n < 1 || q.n > LR_FFT_MAX))
    return lr_infer_fail(c, LR_ERR_VALUE, "the length of a transform is %lld; 1 to %d are supported",
                         (long long)q.n, LR_FFT_MAX);
  *y = *x;
  for (int32_t i = 0; i < y->rank; i++) /* a known shape would make a plan without the axis */
    if (q.axis < 0 || (i == q.axis && (a->onesided || length.dtype))) y->dim[i] = -1;
  if (known) y->dim[q.axis] = a->onesided && !a->inverse ? q.n / 2 + 1 : q.n;
  y->dim[y->rank - 1] = a->onesided && a->inverse ? 1 : 2;
  return lr_move_output(c, 0);
}

static struct request request_of(const struct lr_dft_attrs *a, const struct lr_view *in, int32_t n_in,
                                 const void *length, const void *axis) {
  struct lr_ints n = lr_ints_view(in, n_in, 1, length), at = lr_ints_view(in, n_in, 2, axis);
  n.data = length;
  at.data = axis;
  return read(a, &n, &at, in[0].rank, in[0].dim);
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_dft_attrs *a = p->bind.node->attrs;
  const struct lr_view *x = &p->in[0], *y = &p->out[0];
  struct lr_signals *s = p->params = lr_prepare_alloc(p, sizeof *s);
  struct request q = request_of(a, p->in, p->n_in, lr_prepare_value(p, 1), lr_prepare_value(p, 2));
  if (!s) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  if (q.axis < 0 || q.n < 1 || q.n > LR_FFT_MAX ||
      y->dim[q.axis] != (a->onesided && !a->inverse ? q.n / 2 + 1 : q.n))
    return lr_prepare_fail(p, LR_ERR_VALUE, "a length of %lld along axis %lld does not give the shape of y",
                           (long long)q.n, (long long)q.axis);
  int64_t last = x->dim[x->rank - 1], y_last = y->dim[y->rank - 1];
  struct lr_around at = lr_around_axis(y, (int32_t)q.axis);
  int64_t per = at.inner / y_last, size = x->dim[q.axis];
  s->form = y_last == 1 ? LR_SIGNAL_HALF : last == 1 ? LR_SIGNAL_REAL : LR_SIGNAL_COMPLEX;
  s->wide = x->dtype == LR_F64;
  s->inverse = a->inverse;
  s->n = q.n;
  s->axis = q.axis;
  s->kept = at.n;
  int64_t most = s->form == LR_SIGNAL_HALF ? s->n / 2 + 1 : s->n;
  s->given = size < most ? size : most;
  s->count = at.outer * per;
  s->x = (struct lr_places){per, size * per * last, last, per * last};
  s->y = (struct lr_places){per, at.n * at.inner, y_last, at.inner};
  return lr_signals_prepare(p, s);
}

static lr_status run(struct lr_run *r) {
  const struct lr_dft_attrs *a = r->node->attrs;
  const struct lr_signals *s = r->params;
  struct request q =
      request_of(a, r->in, r->n_in, r->n_in > 1 ? r->in[1].data : NULL, r->n_in > 2 ? r->in[2].data : NULL);
  if (q.n != s->n || q.axis != s->axis)
    return lr_run_fail(r, LR_ERR_VALUE,
                       "a length of %lld along axis %lld is not what the run was planned for", (long long)q.n,
                       (long long)q.axis);
  lr_signals_run(r, s, NULL);
  return LR_OK;
}

const struct lr_impl lr_cpu_dft = {.prepare = prepare, .run = run};
