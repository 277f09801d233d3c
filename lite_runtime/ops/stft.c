/* stft: ONNX's STFT. Frames are read where they lie in the signal, so they never are a tensor. */
#include <stdio.h>

#include "fft.h"
#include "move.h"

#define ABSENT INT64_MAX /* instead of a window's length */

struct sizes {
  int64_t step, n, frames; /* -1: not known yet */
};

/* From those that are known of step, length and the lengths of window and signal. False: `why` says what is wrong. */
static bool find_sizes(const struct lr_ints *step, const struct lr_ints *length, int64_t window,
                       int64_t samples, struct sizes *s, char *why, size_t size) {
  bool given = length->dtype != 0;
  *s = (struct sizes){-1, given ? -1 : window == ABSENT ? samples : window, -1};
  if (step->data) s->step = lr_ints_at(step, 0);
  if (length->data) s->n = lr_ints_at(length, 0);
  bool known = given ? length->data != NULL : s->n >= 0;
  if (step->data && s->step < 1)
    snprintf(why, size, "the step is %lld, but must be at least 1", (long long)s->step);
  else if (known && (s->n < 1 || s->n > LR_FFT_MAX))
    snprintf(why, size, "a frame has %lld samples; 1 to %d are supported", (long long)s->n, LR_FFT_MAX);
  else if (known && window != ABSENT && window >= 0 && window != s->n)
    snprintf(why, size, "the window has %lld samples, but a frame has %lld", (long long)window,
             (long long)s->n);
  else if (known && samples >= 0 && s->n > samples)
    snprintf(why, size,
             "a frame has %lld samples, but the signal only %lld; pad the signal or take shorter frames",
             (long long)s->n, (long long)samples);
  else {
    if (known && samples >= 0 && step->data) s->frames = (samples - s->n) / s->step + 1;
    if (!known) s->n = -1;
    return true;
  }
  return false;
}

static lr_status check_inputs(const struct lr_infer *c) {
  const struct lr_type *x = &c->in[0], *window = &c->in[2];
  bool windowed = lr_infer_has(c, 2);
  if ((x->dtype != LR_F32 && x->dtype != LR_F64) || (windowed && window->dtype != x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s and window %s; both must be f32, or both f64",
                         lr_dtype_name(x->dtype), windowed ? lr_dtype_name(window->dtype) : "absent");
  if (x->rank != 3 || (x->dim[2] >= 0 && x->dim[2] != 1 && x->dim[2] != 2)) {
    char text[200];
    return lr_infer_fail(c, LR_ERR_MODEL, "x has shape %s, but must be [B L 1] (real) or [B L 2] (complex)",
                         lr_dims_text(x->rank, x->dim, text, sizeof text));
  }
  if (windowed && window->rank != 1)
    return lr_infer_fail(c, LR_ERR_MODEL, "window has rank %d, but must be a vector", window->rank);
  return LR_OK;
}

lr_status lr_infer_stft(struct lr_infer *c) {
  const struct lr_stft_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_ints step, length;
  struct sizes s;
  char why[200];
  LR_TRY(check_inputs(c));
  LR_TRY(lr_ints_infer(c, 1, "step", &step));
  LR_TRY(lr_ints_infer(c, 3, "length", &length));
  if ((step.n >= 0 && step.n != 1) || (length.dtype && length.n >= 0 && length.n != 1))
    return lr_infer_fail(c, LR_ERR_VALUE, "step and length must have one element");
  if (!find_sizes(&step, &length, lr_infer_has(c, 2) ? c->in[2].dim[0] : ABSENT, x->dim[1], &s, why,
                  sizeof why))
    return lr_infer_fail(c, LR_ERR_VALUE, "%s", why);
  int64_t bins = s.n < 0 ? -1 : a->onesided ? s.n / 2 + 1 : s.n;
  c->out[0] = (struct lr_type){.dtype = x->dtype, .rank = 4, .dim = {x->dim[0], s.frames, bins, 2}};
  return lr_move_output(c, 0);
}

static bool sizes_of(const struct lr_view *in, int32_t n_in, const void *step, const void *length,
                     struct sizes *s, char *why, size_t size) {
  struct lr_ints v = lr_ints_view(in, n_in, 1, step), n = lr_ints_view(in, n_in, 3, length);
  v.data = step;
  n.data = length;
  int64_t window = n_in > 2 && in[2].dtype ? in[2].dim[0] : ABSENT;
  return find_sizes(&v, &n, window, in[0].dim[1], s, why, size);
}

/* The step is looked at in run. */
static lr_status prepare(struct lr_prepare *p) {
  const struct lr_stft_attrs *a = p->bind.node->attrs;
  const struct lr_view *x = &p->in[0], *y = &p->out[0];
  struct lr_signals *s = p->params = lr_prepare_alloc(p, sizeof *s);
  struct sizes sizes;
  char why[200];
  if (!s) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  if (!sizes_of(p->in, p->n_in, NULL, lr_prepare_value(p, 3), &sizes, why, sizeof why))
    return lr_prepare_fail(p, LR_ERR_VALUE, "%s", why);
  int64_t n = sizes.n, bins = a->onesided ? n / 2 + 1 : n;
  if (n < 1 || y->dim[2] != bins)
    return lr_prepare_fail(p, LR_ERR_VALUE, "frames of %lld samples do not give y's size %lld", (long long)n,
                           (long long)y->dim[2]);
  s->form = x->dim[2] == 1 ? LR_SIGNAL_REAL : LR_SIGNAL_COMPLEX;
  s->wide = x->dtype == LR_F64;
  s->n = s->given = n;
  s->kept = bins;
  s->count = y->dim[0] * y->dim[1];
  s->x = (struct lr_places){y->dim[1], x->dim[1] * x->dim[2], 0, x->dim[2]};
  s->y = (struct lr_places){y->dim[1], y->dim[1] * bins * 2, bins * 2, 2};
  return lr_signals_prepare(p, s);
}

static lr_status run(struct lr_run *r) {
  struct lr_signals s = *(const struct lr_signals *)r->params;
  struct sizes sizes;
  char why[200] = "a size changed after the run was planned";
  bool right =
      sizes_of(r->in, r->n_in, r->in[1].data, r->n_in > 3 ? r->in[3].data : NULL, &sizes, why, sizeof why);
  if (!right || sizes.n != s.n || sizes.frames != r->out[0].dim[1])
    return lr_run_fail(r, LR_ERR_VALUE, "%s", why);
  if (sizes.frames > 1) s.x.inner = sizes.step * s.x.step; /* at most a signal */
  lr_signals_run(r, &s, r->n_in > 2 ? r->in[2].data : NULL);
  return LR_OK;
}

const struct lr_impl lr_cpu_stft = {.prepare = prepare, .run = run};
