/* layer_norm and its rms form: rows are the dims from `axis` on. */
#include "needs.h"
#include "program.h"

#include "kernels.h"

/* scale or bias: absent, or the shape of x's last dims. */
static lr_status check_parameter(const struct lr_infer *c, int32_t input, int32_t axis) {
  if (!lr_infer_has(c, input)) return LR_OK;
  const struct lr_type *x = &c->in[0], *s = &c->in[input];
  bool fits = s->dtype == x->dtype && s->rank == x->rank - axis;
  for (int32_t i = 0; fits && i < s->rank; i++)
    fits = s->dim[i] == x->dim[axis + i] || s->dim[i] < 0 || x->dim[axis + i] < 0;
  if (fits) return LR_OK;
  char a[200], b[200];
  return lr_infer_fail(c, LR_ERR_MODEL, "%s is %s, x is %s normalised from axis %d on",
                       input == 1 ? "scale" : "bias", lr_type_text(s, a, sizeof a),
                       lr_type_text(x, b, sizeof b), axis);
}

lr_status lr_infer_layer_norm(struct lr_infer *c) {
  const struct lr_layer_norm_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  if (x->dtype != LR_F32 && x->dtype != LR_F16 && x->dtype != LR_F64)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; it must be f32, f16 or f64",
                         lr_dtype_name(x->dtype));
  if (a->axis < 0 || a->axis >= x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "its axis %d is not one of x, which has rank %d", a->axis, x->rank);
  if (a->kind >= LR_LAYER_NORM_KIND_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "it has the unknown kind %u", a->kind);
  if (!(a->epsilon >= 0 && a->epsilon <= 1e30f))
    return lr_infer_fail(c, LR_ERR_MODEL, "its epsilon %g is not a small positive number",
                         (double)a->epsilon);
  LR_TRY(check_parameter(c, 1, a->axis));
  LR_TRY(check_parameter(c, 2, a->axis));
  c->out[0] = *x;
  return LR_OK;
}

struct params {
  int64_t rows, n;
  int64_t tile, tiles; /* rows of a tile */
  lr_norm_fn *fn;
};

enum lr_signature lr_norm_signature(int32_t x_dtype) {
  return x_dtype == LR_F32 ? LR_SIG_f32_norm : x_dtype == LR_F16 ? LR_SIG_f16_norm : LR_SIG_f64_norm;
}

static lr_status prepare(struct lr_prepare *p) {
  enum { GRAIN = 16384 };
  const struct lr_layer_norm_attrs *a = p->bind.node->attrs;
  const struct lr_view *x = &p->in[0];
  struct params *q = p->params = lr_prepare_alloc(p, sizeof *q);
  if (!q) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its parameters");
  q->rows = q->n = 1;
  for (int32_t i = 0; i < x->rank; i++) *(i < a->axis ? &q->rows : &q->n) *= x->dim[i];
  const struct lr_kernel *k;
  LR_TRY(lr_find_kernel(&p->bind, lr_norm_signature(x->dtype), &k));
  q->fn = (lr_norm_fn *)k->fn;
  p->kernel = k->name;
  q->tile = GRAIN / (q->n + 1) + 1;
  q->tiles = q->n ? (q->rows + q->tile - 1) / q->tile : 0;
  if (q->tiles > INT32_MAX)
    return lr_prepare_fail(p, LR_ERR_UNSUPPORTED, "x is too large for one normalisation");
  return LR_OK;
}

static void run_tile(void *context, int32_t i, int32_t thread) {
  const struct lr_run *r = context;
  const struct lr_layer_norm_attrs *a = r->node->attrs;
  const struct params *q = r->params;
  int64_t bytes = q->n * (int64_t)lr_dtype_size(r->in[0].dtype);
  int64_t from = i * q->tile, to = from + q->tile < q->rows ? from + q->tile : q->rows;
  for (int64_t row = from; row < to; row++)
    q->fn((size_t)q->n, (const char *)r->in[0].data + row * bytes, r->in[1].data, r->in[2].data, a->epsilon,
          a->kind == LR_LAYER_NORM_KIND_RMS, (char *)r->out[0].data + row * bytes);
}

static lr_status run(struct lr_run *r) {
  const struct params *q = r->params;
  lr_parallel(r->pool, (int32_t)q->tiles, run_tile, r);
  return LR_OK;
}

const struct lr_impl lr_cpu_layer_norm = {.flags = LR_IMPL_INPLACE, .prepare = prepare, .run = run};
