/* conv_transpose, in gather form: output o sums the taps k with (o + begin - k dilation) divisible by the stride. Along each axis
 * the outputs with the same (o + begin) % stride, a phase, have the same taps, so a phase is a plain product. A problem is a row
 * of y's pixels in a group: all its outputs are in one phase along h and alternate between those along w. */
#include "conv.h"

struct phase {
  int64_t tap, taps; /* the first one and their number */
  int64_t before;    /* taps of the phases before */
  int64_t index;     /* among phases that have taps */
};
struct phases { /* of one axis; from w and the attributes alone */
  int64_t stride, dilation, kernel;
  int64_t tap_step, in_step; /* between taps of a phase: in the kernel, and back in x */
  int64_t used, most;        /* phases with taps; taps of the largest */
  struct phase *phase;       /* stride */
};

struct weights {
  const struct lr_kernel *kernel;
  struct phases phases[2];
  int64_t groups, cols, depth; /* cols: of a group */
  uint32_t nr, kr;
  enum lr_pack_type type;
  int64_t tap_bytes, head_bytes; /* packed: of one tap of all panels; of the panels' heads (integers) */
  int64_t group_bytes, bias_bytes; /* of one group; of one bias */
  int64_t biases;                /* of one group: 1 (as if there were no taps), and for integers one a pair of phases */
  const void *packed, *bias;     /* NULL: w, or w or b, is not constant */
};

struct step {
  struct lr_gemm gemm;
  struct weights w;
  struct lr_image x, y;
  int64_t begin[2];
  const void *outside;
  size_t packed_at, bias_at, threads_at;
};

/* ---- phases ---- */
static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a;
}

/* `phase` has room for `stride` of them, zeroed. */
static void find_phases(struct phases *p, int64_t stride, int64_t dilation, int64_t kernel, struct phase *phase) {
  int64_t g = gcd(stride, dilation), before = 0;
  *p = (struct phases){.stride = stride, .dilation = dilation, .kernel = kernel, .tap_step = stride / g,
                       .in_step = dilation / g, .phase = phase};
  for (int64_t k = 0; k < kernel && k < p->tap_step; k++) { /* each of these begins another phase */
    struct phase *f = &phase[k * dilation % stride];
    f->tap = k;
    f->taps = (kernel - 1 - k) / p->tap_step + 1;
    if (f->taps > p->most) p->most = f->taps;
  }
  for (int64_t i = 0; i < stride; i++) {
    phase[i].before = before;
    before += phase[i].taps;
    phase[i].index = p->used;
    p->used += phase[i].taps > 0;
  }
}

/* All but packed and bias. `phase`: room for the phases of h, then those of w. */
static void describe(struct weights *s, const struct lr_conv_transpose_attrs *a, int32_t rank, const int64_t *dim,
                     int32_t w_dtype, const struct lr_kernel *kernel, struct phase *phase) {
  bool image = rank == 4;
  int64_t stride_h = image ? a->stride_h : 1;
  *s = (struct weights){.kernel = kernel, .groups = a->groups, .cols = dim[0] / a->groups, .depth = dim[rank - 1],
                        .nr = (uint32_t)kernel->nr, .kr = (uint32_t)kernel->kr, .type = lr_gemm_pack_type(w_dtype)};
  find_phases(&s->phases[0], stride_h, image ? a->dilation_h : 1, image ? dim[1] : 1, phase);
  find_phases(&s->phases[1], a->stride_w, a->dilation_w, dim[rank - 2], phase + stride_h);
  struct lr_pack tap = {.type = s->type, .nr = s->nr, .kr = s->kr, .cols = (uint64_t)s->cols, .taps_h = 0, .taps_w = 0,
                        .depth = (uint64_t)s->depth};
  s->head_bytes = (int64_t)lr_pack_bytes(&tap);
  tap.taps_h = tap.taps_w = 1;
  s->tap_bytes = (int64_t)lr_pack_bytes(&tap) - s->head_bytes;
  int64_t pairs = s->phases[0].used * s->phases[1].used;
  s->group_bytes = s->phases[0].kernel * s->phases[1].kernel * s->tap_bytes + pairs * s->head_bytes;
  s->bias_bytes = (int64_t)(lr_pack_panels(&tap) * s->nr * 4);
  s->biases = 1 + (s->head_bytes ? pairs : 0);
}

static size_t phase_bytes(const struct lr_conv_transpose_attrs *a, int32_t rank) {
  return ((size_t)(rank == 4 ? a->stride_h : 1) + (size_t)a->stride_w) * sizeof(struct phase);
}

/* Where the panels of a pair of phases are in a group. */
static int64_t packed_offset(const struct weights *s, const struct phase *h, const struct phase *w) {
  int64_t taps = h->before * s->phases[1].kernel + h->taps * w->before;
  return taps * s->tap_bytes + (h->index * s->phases[1].used + w->index) * s->head_bytes;
}

static int64_t bias_offset(const struct weights *s, const struct phase *h, const struct phase *w) {
  if (!s->head_bytes || !h->taps || !w->taps) return 0;
  return (1 + h->index * s->phases[1].used + w->index) * s->bias_bytes;
}

/* One pair of phases of a group as a matrix; *from: where it begins in the weights of the group, in elements. */
static struct lr_pack pair_pack(const struct weights *s, const struct phase *h, const struct phase *w, int64_t *from) {
  int64_t kh = s->phases[0].kernel, kw = s->phases[1].kernel;
  *from = (h->tap * kw + w->tap) * s->depth;
  return (struct lr_pack){.type = s->type, .nr = s->nr, .kr = s->kr, .cols = (uint64_t)s->cols,
                          .taps_h = (uint64_t)h->taps, .taps_w = (uint64_t)w->taps, .depth = (uint64_t)s->depth,
                          .col_stride = kh * kw * s->depth, .h_stride = s->phases[0].tap_step * kw * s->depth,
                          .w_stride = s->phases[1].tap_step * s->depth, .k_stride = 1};
}

static int64_t element_size(const struct weights *s) { return s->type == LR_PACK_F32 ? 4 : s->type == LR_PACK_F16 ? 2 : 1; }

/* The statement behind it, for each pair of phases that has taps. */
#define EACH_PAIR(s, h, w)                                                                                    \
  for (const struct phase *h = (s)->phases[0].phase; h < (s)->phases[0].phase + (s)->phases[0].stride; h++)   \
    for (const struct phase *w = (s)->phases[1].phase; h->taps && w < (s)->phases[1].phase + (s)->phases[1].stride; w++) \
      if (w->taps)

/* pool: NULL packs on this thread alone. */
static void pack_all(const struct weights *s, struct lr_pool *pool, const void *dense, void *packed) {
  int64_t group = s->cols * s->phases[0].kernel * s->phases[1].kernel * s->depth * element_size(s), from;
  EACH_PAIR(s, h, w) {
    struct lr_pack k = pair_pack(s, h, w, &from);
    const char *src = (const char *)dense + from * element_size(s);
    char *dst = (char *)packed + packed_offset(s, h, w);
    if (pool) lr_gemm_pack(pool, &k, s->groups, src, lr_gemm_pack_evenly, &group, dst, s->group_bytes);
    else
      for (int64_t g = 0; g < s->groups; g++)
        lr_pack_run(&k, src + g * group, dst + g * s->group_bytes, 0, lr_pack_panels(&k));
  }
}

static void bias_all(const struct weights *s, const struct lr_conv_transpose_attrs *a, const void *b, int32_t b_dtype,
                     const char *packed, char *bias) {
  struct lr_pack none = {.type = LR_PACK_F32, .nr = s->nr, .kr = s->kr, .cols = (uint64_t)s->cols};
  int64_t step = s->biases * s->bias_bytes, b_step = b ? s->cols * (int64_t)lr_dtype_size(b_dtype) : 0, from;
  for (int64_t g = 0; g < s->groups; g++) {
    const void *of_group = b ? (const char *)b + g * b_step : NULL;
    if (!s->head_bytes) {
      lr_gemm_bias(bias + g * step, &none, of_group, b_dtype, NULL, 0, 0);
    } else {
      memset(bias + g * step, 0, (size_t)s->bias_bytes);
      if (of_group) memcpy(bias + g * step, of_group, (size_t)s->cols * 4);
    }
  }
  if (!s->head_bytes) return;
  EACH_PAIR(s, h, w) {
    struct lr_pack k = pair_pack(s, h, w, &from);
    for (int64_t g = 0; g < s->groups; g++)
      lr_gemm_bias(bias + g * step + bias_offset(s, h, w), &k, b ? (const char *)b + g * b_step : NULL, b_dtype,
                   packed + g * s->group_bytes + packed_offset(s, h, w), a->x_zero, a->w_zero);
  }
}

/* ---- bind ---- */
static void pack_bound(const void *user, const void *dense, void *packed) { pack_all(user, NULL, dense, packed); }

static lr_status no_memory(const struct lr_bind *b) {
  return lr_fail(b->error, LR_ERR_MEMORY, "conv_transpose '%.150s': out of memory for its weights", b->node->name);
}

static lr_status bind(struct lr_bind *b) {
  const struct lr_conv_transpose_attrs *a = b->node->attrs;
  const struct lr_type *x = &b->graph->tensors[b->node->in[0]].type;
  const struct lr_graph_tensor *w = &b->graph->tensors[b->node->in[1]];
  if (w->lifetime != LR_LIFE_CONST) return LR_OK;
  struct weights *s = lr_bind_alloc(b, sizeof *s);
  struct phase *phase = lr_bind_alloc(b, phase_bytes(a, w->type.rank));
  if (!s || !phase) return no_memory(b);
  const struct lr_kernel *kernel = lr_kernel_find(lr_gemm_signature(x->dtype, false), b->model->cpu);
  describe(s, a, w->type.rank, w->type.dim, w->type.dtype, kernel, phase);
  /* kind 3 is of this runtime alone: it depends on strides and dilations, so no file holds it */
  struct lr_packing how = {3, 1, s->nr, s->kr, (uint32_t)a->groups};
  LR_TRY(lr_weights_get(b, 1, &how, (size_t)(s->groups * s->group_bytes), pack_bound, s, &s->packed));
  int32_t b_index = b->node->in[2];
  if (b_index < 0 || b->graph->tensors[b_index].lifetime == LR_LIFE_CONST) {
    lr_status status = LR_OK;
    const void *from = b_index >= 0 ? lr_bind_const(b, 2, &status) : NULL;
    if (status) return status;
    void *bias = lr_bind_alloc(b, (size_t)(s->groups * s->biases * s->bias_bytes));
    if (!bias) return no_memory(b);
    bias_all(s, a, from, b_index >= 0 ? b->graph->tensors[b_index].type.dtype : LR_F32, s->packed, bias);
    s->bias = bias;
  }
  *b->slot = s;
  return LR_OK;
}

/* ---- prepare ---- */
/* Padding before the output along an axis. */
static int64_t begin_of(const struct lr_conv_transpose_attrs *a, int32_t axis, int64_t in, int64_t out,
                        const struct phases *p) {
  if (a->auto_pad == LR_CONV_TRANSPOSE_AUTO_PAD_EXPLICIT) return axis ? a->pad_left : a->pad_top;
  int64_t total = (in - 1) * p->stride + (p->kernel - 1) * p->dilation + 1 + (axis ? a->output_pad_w : a->output_pad_h) - out;
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
  g->ks = c->w.phases[0].most * c->w.phases[1].most;
  g->step = c->w.phases[1].stride;
  g->even_rows = true;
  g->y_stride = c->y.w_stride;
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_conv_transpose_attrs *a = p->bind.node->attrs;
  const struct weights *s = *p->bind.slot;
  const struct lr_view *x = &p->in[0], *w = &p->in[1];
  struct step *c = p->params = lr_prepare_alloc(p, sizeof *c);
  if (!c) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  c->gemm.kernel = lr_kernel_find(lr_gemm_signature(x->dtype, false), p->bind.model->cpu);
  if (s && s->kernel != c->gemm.kernel)
    return lr_prepare_fail(p, LR_ERR_MODEL, "x is %s, which its declaration does not say", lr_dtype_name(x->dtype));
  if (s) {
    c->w = *s;
  } else {
    struct phase *phase = lr_prepare_alloc(p, phase_bytes(a, w->rank));
    if (!phase) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
    describe(&c->w, a, w->rank, w->dim, w->dtype, c->gemm.kernel, phase);
  }
  c->x = lr_image_of(x);
  c->y = lr_image_of(&p->out[0]);
  c->begin[0] = w->rank == 4 ? begin_of(a, 0, c->x.h, c->y.h, &c->w.phases[0]) : 0;
  c->begin[1] = begin_of(a, 1, c->x.w, c->y.w, &c->w.phases[1]);
  c->outside = lr_conv_outside(p, x->dtype, c->w.depth, a->x_zero);
  if (!c->outside) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  set_gemm(c, p, a);
  LR_TRY(lr_gemm_prepare(&c->gemm, p));
  c->bias_at = c->w.packed ? 0 : lr_align_up((size_t)(c->w.groups * c->w.group_bytes), LR_ALIGN);
  c->threads_at = c->bias_at;
  if (!c->w.bias) c->threads_at += lr_align_up((size_t)(c->w.groups * c->w.biases * c->w.bias_bytes), LR_ALIGN);
  p->scratch = c->threads_at + (size_t)p->threads * c->gemm.thread_bytes;
  return LR_OK;
}

/* ---- run ---- */
struct user {
  const struct step *c;
  const char *packed, *bias;
};

static const struct phase *phase_of(const struct step *c, int32_t axis, int64_t o) {
  return &c->w.phases[axis].phase[(o + c->begin[axis]) % c->w.phases[axis].stride];
}

static void problem(const struct lr_gemm_run *r, struct lr_gemm_problem *p) {
  const struct user *u = r->user;
  const struct step *c = u->c;
  int64_t group = p->index / (c->y.n * c->y.h);
  const struct phase *h = phase_of(c, 0, p->index % c->y.h), *w = phase_of(c, 1, p->row);
  p->rows = c->y.w;
  p->ks = h->taps * w->taps;
  p->w = u->packed + group * c->w.group_bytes + (p->ks ? packed_offset(&c->w, h, w) : 0);
  p->bias = u->bias + group * c->w.biases * c->w.bias_bytes + bias_offset(&c->w, h, w);
  p->col = group * c->w.cols;
}

/* Pixel of x that tap 0 of a phase reads for output o; further taps read in_step back each. */
static int64_t first_in(const struct step *c, int32_t axis, const struct phase *f, int64_t o) {
  const struct phases *s = &c->w.phases[axis];
  return (o + c->begin[axis] - f->tap * s->dilation) / s->stride; /* divides exactly */
}

static void point(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t n, const void **a) {
  const struct step *c = ((const struct user *)r->user)->c;
  const struct phase *fh = phase_of(c, 0, p->index % c->y.h), *fw = phase_of(c, 1, p->row);
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
        *to = inside && w >= 0 && w < c->x.w ? base + (h * c->x.h_stride + w * c->x.w_stride) * size : c->outside;
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
  if (!lr_view_count(&r->out[0])) return LR_OK;
  struct user u = {c, c->w.packed, c->w.bias};
  char *scratch = r->scratch;
  if (!u.packed) {
    pack_all(&c->w, r->pool, r->in[1].data, scratch);
    u.packed = scratch;
  }
  if (!u.bias) {
    const struct lr_view *b = &r->in[2];
    bias_all(&c->w, a, r->node->in[2] >= 0 ? b->data : NULL, b->dtype, u.packed, scratch + c->bias_at);
    u.bias = scratch + c->bias_at;
  }
  struct lr_gemm_run g = {.gemm = &c->gemm, .run = r, .threads = scratch + c->threads_at, .user = &u, .problem = problem,
                          .point = point, .y_row = y_row};
  lr_gemm_execute(&g);
  return LR_OK;
}

const struct lr_impl lr_cpu_conv_transpose = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT, .bind = bind, .prepare = prepare, .run = run};
