/* conv_transpose, in gather form: each output sums the taps that reach it, found by its phase
 * (conv_phases.h). A problem is a row of y's pixels in a group: all its outputs are in one phase along h and
 * alternate between those along w. */
#include "needs.h"
#include "conv_phases.h"

struct step {
  struct lr_gemm gemm;
  struct lr_phased_weights w;
  struct lr_image x, y;
  int64_t begin[2];
  const void *outside;
  uint64_t packed_at, bias_at, threads_at;
};

/* ---- bind ---- */
static void pack_bound(const void *user, const void *dense, void *packed) {
  lr_phases_pack(user, NULL, dense, packed);
}

static lr_status no_memory(const struct lr_bind *b) {
  return lr_fail(b->error, LR_ERR_MEMORY, "conv_transpose '%.150s': out of memory for its weights",
                 b->node->name);
}

static lr_status bind(struct lr_bind *b) {
  const struct lr_conv_transpose_attrs *a = b->node->attrs;
  const struct lr_type *x = &b->graph->tensors[b->node->in[0]].type;
  const struct lr_graph_tensor *w = &b->graph->tensors[b->node->in[1]];
  if (w->lifetime != LR_LIFE_CONST) return LR_OK;
  struct lr_phased_weights *s = lr_bind_alloc(b, sizeof *s);
  struct lr_phase *phase = lr_bind_alloc(b, lr_phases_bytes(a, w->type.rank));
  if (!s || !phase) return no_memory(b);
  const struct lr_kernel *kernel;
  LR_TRY(lr_find_kernel(b, lr_gemm_signature(x->dtype, false), &kernel));
  lr_phases_describe(s, a, w->type.rank, w->type.dim, w->type.dtype, kernel, phase);
  /* kind 3 is of this runtime alone: it depends on strides and dilations, so no file holds it */
  struct lr_packing how = {3, 1, s->nr, s->kr, (uint32_t)a->groups};
  LR_TRY(lr_weights_get(b, 1, &how, (uint64_t)(s->groups * s->group_bytes), pack_bound, s, &s->packed));
  int32_t b_index = b->node->in[2];
  if (b_index < 0 || b->graph->tensors[b_index].lifetime == LR_LIFE_CONST) {
    lr_status status = LR_OK;
    const void *from = b_index >= 0 ? lr_bind_const(b, 2, &status) : NULL;
    if (status) return status;
    void *bias = lr_bind_alloc(b, (uint64_t)(s->groups * s->biases * s->bias_bytes));
    if (!bias) return no_memory(b);
    lr_phases_make_bias(s, a, from, b_index >= 0 ? b->graph->tensors[b_index].type.dtype : LR_F32, s->packed,
                        bias);
    s->bias = bias;
  }
  *b->slot = s;
  return LR_OK;
}

/* ---- prepare ---- */
/* Padding before the output along an axis. */
static int64_t begin_of(const struct lr_conv_transpose_attrs *a, int32_t axis, int64_t in, int64_t out,
                        const struct lr_phases *p) {
  if (a->auto_pad == LR_CONV_TRANSPOSE_AUTO_PAD_EXPLICIT) return axis ? a->pad_left : a->pad_top;
  int64_t total = (in - 1) * p->stride + (p->kernel - 1) * p->dilation + 1 +
                  (axis ? a->output_pad_w : a->output_pad_h) - out;
  if (total < 0) total = 0;
  return a->auto_pad == LR_CONV_TRANSPOSE_AUTO_PAD_SAME_UPPER ? total / 2 : total - total / 2;
}

static void set_gemm(struct step *c, const struct lr_prepare *p, const struct lr_conv_transpose_attrs *a) {
  struct lr_gemm *g = &c->gemm;
  g->x_dtype = p->in[0].dtype;
  g->w_zero = lr_is_int8(g->x_dtype) ? a->w_zero : 0;
  g->problems = c->w.groups * c->y.n * c->y.h;
  g->rows = c->y.w;
  g->cols = c->w.cols;
  g->kc = c->w.depth;
  g->ks = g->kc ? c->w.phases[0].most * c->w.phases[1].most : 0; /* no channels: bias alone */
  g->step = c->w.phases[1].stride;
  g->even_rows = true;
  g->y_stride = c->y.w_stride;
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_conv_transpose_attrs *a = p->bind.node->attrs;
  const struct lr_phased_weights *s = *p->bind.slot;
  const struct lr_view *x = &p->in[0], *w = &p->in[1];
  struct step *c = p->params = lr_prepare_alloc(p, sizeof *c);
  if (!c) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  LR_TRY(lr_find_kernel(&p->bind, lr_gemm_signature(x->dtype, false), &c->gemm.kernel));
  if (s && s->kernel != c->gemm.kernel)
    return lr_prepare_fail(p, LR_ERR_MODEL, "x is %s, which its declaration does not say",
                           lr_dtype_name(x->dtype));
  if (s) {
    c->w = *s;
  } else {
    struct lr_phase *phase = lr_prepare_alloc(p, lr_phases_bytes(a, w->rank));
    if (!phase) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
    lr_phases_describe(&c->w, a, w->rank, w->dim, w->dtype, c->gemm.kernel, phase);
  }
  c->x = lr_image_of(x);
  c->y = lr_image_of(&p->out[0]);
  c->begin[0] = w->rank == 4 ? begin_of(a, 0, c->x.h, c->y.h, &c->w.phases[0]) : 0;
  c->begin[1] = begin_of(a, 1, c->x.w, c->y.w, &c->w.phases[1]);
  c->outside = lr_conv_outside(p, x->dtype, c->w.depth, a->x_zero);
  if (!c->outside) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  set_gemm(c, p, a);
  LR_TRY(lr_gemm_prepare(&c->gemm, p));
  c->bias_at = c->w.packed ? 0 : lr_align_up((uint64_t)(c->w.groups * c->w.group_bytes), LR_ALIGN);
  c->threads_at = c->bias_at;
  if (!c->w.bias)
    c->threads_at += lr_align_up((uint64_t)(c->w.groups * c->w.biases * c->w.bias_bytes), LR_ALIGN);
  p->scratch = c->threads_at + (uint64_t)p->threads * c->gemm.thread_bytes;
  return LR_OK;
}

/* ---- run ---- */
struct user {
  const struct step *c;
  const char *packed, *bias;
};

static const struct lr_phase *phase_of(const struct step *c, int32_t axis, int64_t o) {
  return &c->w.phases[axis].phase[(o + c->begin[axis]) % c->w.phases[axis].stride];
}

static void problem(const struct lr_gemm_run *r, struct lr_gemm_problem *p) {
  const struct user *u = r->user;
  const struct step *c = u->c;
  int64_t group = p->index / (c->y.n * c->y.h);
  const struct lr_phase *h = phase_of(c, 0, p->index % c->y.h), *w = phase_of(c, 1, p->row);
  p->rows = c->y.w;
  p->ks = c->gemm.ks ? h->taps * w->taps : 0;
  p->w = u->packed + group * c->w.group_bytes + (p->ks ? lr_phases_packed(&c->w, h, w) : 0);
  p->bias = u->bias + group * c->w.biases * c->w.bias_bytes + lr_phases_bias(&c->w, h, w);
  p->col = group * c->w.cols;
}

/* Pixel of x that tap 0 of a phase reads for output o; further taps read in_step back each. */
static int64_t first_in(const struct step *c, int32_t axis, const struct lr_phase *f, int64_t o) {
  const struct lr_phases *s = &c->w.phases[axis];
  return (o + c->begin[axis] - f->tap * s->dilation) / s->stride; /* divides exactly */
}

static void point(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t n, const void **a) {
  const struct step *c = ((const struct user *)r->user)->c;
  const struct lr_phase *fh = phase_of(c, 0, p->index % c->y.h), *fw = phase_of(c, 1, p->row);
  int64_t mr = r->gemm->kernel->mr, size = (int64_t)lr_dtype_size(r->gemm->x_dtype);
  int64_t group = p->index / (c->y.n * c->y.h), image = p->index / c->y.h % c->y.n;
  int64_t h0 = first_in(c, 0, fh, p->index % c->y.h), w0 = first_in(c, 1, fw, p->row);
  const char *base = (const char *)r->run->in[0].data + (group * c->w.depth + image * c->x.n_stride) * size;
  if (!p->ks) return;
  for (int64_t i = 0; i < n; i++, w0++) {
    const void **to = a + i / mr * p->ks * mr + i % mr;
    for (int64_t th = 0, h = h0; th < fh->taps; th++, h -= c->w.phases[0].in_step) {
      bool inside = h >= 0 && h < c->x.h;
      for (int64_t tw = 0, w = w0; tw < fw->taps; tw++, w -= c->w.phases[1].in_step, to += mr)
        *to = inside && w >= 0 && w < c->x.w ? base + (h * c->x.h_stride + w * c->x.w_stride) * size
                                             : c->outside;
    }
  }
}

static int64_t y_row(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t row) {
  const struct step *c = ((const struct user *)r->user)->c;
  return p->index % (c->y.n * c->y.h) * c->y.w + row;
}

static lr_status run(struct lr_run *r) {
  const struct lr_conv_transpose_attrs *a = r->node->attrs;
  const struct step *c = r->params;
  struct user u = {c, c->w.packed, c->w.bias};
  char *scratch = r->scratch;
  if (!u.packed) {
    lr_phases_pack(&c->w, r->pool, r->in[1].data, scratch);
    u.packed = scratch;
  }
  if (!u.bias) {
    const struct lr_view *b = &r->in[2];
    lr_phases_make_bias(&c->w, a, b->data, b->dtype, u.packed, scratch + c->bias_at);
    u.bias = scratch + c->bias_at;
  }
  struct lr_gemm_run g = {.gemm = &c->gemm,
                          .run = r,
                          .threads = scratch + c->threads_at,
                          .user = &u,
                          .problem = problem,
                          .point = point,
                          .y_row = y_row};
  lr_gemm_execute(&g);
  return LR_OK;
}

const struct lr_impl lr_cpu_conv_transpose = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_FIRST_ONLY | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT,
    .bind = bind,
    .prepare = prepare,
    .run = run};
