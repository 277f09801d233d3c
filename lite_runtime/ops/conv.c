/* conv: packing and the choice between products (conv_gemm.c), depthwise (conv_dw.c) and Winograd
 * (conv_winograd.c). */
#include "needs.h"
#include "conv_winograd.h"

/* Without its kernels in the build there is no such way; models that may take it are refused (needs.c). */
enum { WINOGRAD = LR_KERNELS_BUILT >> LR_SIG_f32_winograd_in & 1 };

bool lr_conv_depthwise(int64_t groups, int64_t group_channels) { return groups > 1 && group_channels == 1; }

struct lr_pack lr_conv_pack(const int64_t *w_dim, int32_t rank, int32_t w_dtype, int64_t groups,
                            const struct lr_kernel *kernel) {
  int64_t depth = w_dim[rank - 1], kw = w_dim[rank - 2], kh = rank == 4 ? w_dim[1] : 1;
  if (lr_conv_depthwise(groups, depth)) groups = 1;
  return (struct lr_pack){.type = lr_gemm_pack_type(w_dtype),
                          .nr = (uint32_t)kernel->nr,
                          .kr = (uint32_t)kernel->kr,
                          .cols = (uint64_t)(w_dim[0] / groups),
                          .taps_h = (uint64_t)kh,
                          .taps_w = (uint64_t)kw,
                          .depth = (uint64_t)depth,
                          .col_stride = kh * kw * depth,
                          .h_stride = kw * depth,
                          .w_stride = depth,
                          .k_stride = 1};
}

/* ---- bind ---- */
struct pack_user {
  struct lr_pack pack;
  int64_t groups, from_bytes, group_bytes;
};

static void pack_groups(const void *user, const void *dense, void *packed) {
  const struct pack_user *u = user;
  for (int64_t g = 0; g < u->groups; g++)
    lr_pack_run(&u->pack, (const char *)dense + g * u->from_bytes, (char *)packed + g * u->group_bytes, 0,
                lr_pack_panels(&u->pack));
}

static struct pack_user pack_user(const struct lr_type *w, int32_t groups, const struct lr_kernel *kernel) {
  struct pack_user u = {.groups = lr_conv_depthwise(groups, w->dim[w->rank - 1]) ? 1 : groups};
  u.pack = lr_conv_pack(w->dim, w->rank, w->dtype, groups, kernel);
  u.group_bytes = (int64_t)lr_pack_bytes(&u.pack);
  u.from_bytes = (int64_t)u.pack.cols * u.pack.col_stride * (int64_t)lr_dtype_size(w->dtype);
  return u;
}

static lr_status get_weights(const struct lr_bind *b, int32_t input, const struct pack_user *u,
                             const void **packed) {
  struct lr_packing how = {1, 1, u->pack.nr, u->pack.kr, (uint32_t)u->groups};
  return lr_weights_get(b, input, &how, (uint64_t)(u->groups * u->group_bytes), pack_groups, u, packed);
}

static lr_status no_memory(const struct lr_bind *b) {
  return lr_fail(b->error, LR_ERR_MEMORY, "%s '%.150s': out of memory for its weights",
                 lr_op_name(b->node->op), b->node->name);
}

/* Bias of each group, when b is constant or absent. */
static lr_status bind_bias(struct lr_bind *b, int32_t input, const struct pack_user *u,
                           const struct lr_conv_attrs *a, struct lr_conv_weights *s) {
  int32_t b_index = b->node->in[input];
  if (b_index >= 0 && b->graph->tensors[b_index].lifetime != LR_LIFE_CONST) return LR_OK;
  lr_status status = LR_OK;
  const char *from = b_index >= 0 ? lr_bind_const(b, input, &status) : NULL;
  if (status) return status;
  uint64_t step = lr_pack_panels(&u->pack) * u->pack.nr * 4;
  char *bias = lr_bind_alloc(b, (uint64_t)u->groups * step);
  if (!bias) return no_memory(b);
  int32_t dtype = b_index >= 0 ? b->graph->tensors[b_index].type.dtype : LR_F32;
  for (int64_t g = 0; g < u->groups; g++)
    lr_gemm_bias(bias + (uint64_t)g * step, &u->pack,
                 from ? from + (size_t)g * u->pack.cols * lr_dtype_size(dtype) : NULL, dtype,
                 s->packed ? (const char *)s->packed + g * u->group_bytes : NULL, a->x_zero, a->w_zero);
  s->bias = bias;
  return LR_OK;
}

lr_status lr_conv_bind(struct lr_bind *b, const struct lr_conv_attrs *a, int32_t input,
                       struct lr_conv_weights **weights) {
  const struct lr_type *x = &b->graph->tensors[b->node->in[0]].type;
  const struct lr_graph_tensor *w = &b->graph->tensors[b->node->in[input]];
  *weights = NULL;
  if (w->lifetime != LR_LIFE_CONST) return LR_OK;
  bool depthwise = lr_conv_depthwise(a->groups, w->type.dim[w->type.rank - 1]);
  struct lr_conv_weights *s = lr_bind_alloc(b, sizeof *s);
  if (!s) return no_memory(b);
  LR_TRY(lr_find_kernel(b, lr_gemm_signature(x->dtype, depthwise), &s->kernel));
  struct pack_user u = pack_user(&w->type, a->groups, s->kernel);
  if (!WINOGRAD || !s->kernel->isa || !lr_conv_winograd_may(x->dtype, &w->type, a))
    LR_TRY(get_weights(b, input, &u, &s->packed));
  LR_TRY(bind_bias(b, input + 1, &u, a, s));
  *weights = s;
  return LR_OK;
}

static lr_status bind(struct lr_bind *b) {
  struct lr_conv_weights *s;
  LR_TRY(lr_conv_bind(b, b->node->attrs, 1, &s));
  *b->slot = s;
  return LR_OK;
}

/* ---- prepare ---- */
const void *lr_conv_outside(struct lr_prepare *p, int32_t x_dtype, int64_t channels, int32_t x_zero) {
  uint64_t bytes = (uint64_t)channels * lr_dtype_size(x_dtype);
  void *pixel = lr_prepare_alloc(p, bytes ? bytes : 1);
  if (pixel && lr_is_int8(x_dtype)) memset(pixel, x_zero, (size_t)bytes);
  return pixel;
}

static void set_packing(struct lr_conv *c, const struct lr_conv_weights *s, const struct lr_view *w,
                        int64_t groups) {
  c->pack = lr_conv_pack(w->dim, w->rank, w->dtype, groups, c->gemm.kernel);
  c->groups = lr_conv_depthwise(groups, w->dim[w->rank - 1]) ? 1 : groups;
  c->from_bytes = (int64_t)c->pack.cols * c->pack.col_stride * (int64_t)lr_dtype_size(w->dtype);
  c->group_bytes = (int64_t)lr_pack_bytes(&c->pack);
  c->bias_bytes = (int64_t)(lr_pack_panels(&c->pack) * c->pack.nr * 4);
  c->packed = s ? s->packed : NULL;
  c->bias = s ? s->bias : NULL;
}

static void set_shapes(struct lr_conv *c, const struct lr_prepare *p, const struct lr_conv_attrs *a) {
  struct lr_window window = LR_WINDOW(a);
  const struct lr_view *w = &p->in[1];
  c->x = lr_image_of(&p->in[0]);
  c->y = lr_image_of(&p->out[0]);
  c->axis[0] = (struct lr_axis){.in = c->x.h, .out = c->y.h, .kernel = w->rank == 4 ? w->dim[1] : 1};
  c->axis[1] = (struct lr_axis){.in = c->x.w, .out = c->y.w, .kernel = w->dim[w->rank - 2]};
  lr_window_axis(&window, 1, &c->axis[1]);
  if (w->rank == 4)
    lr_window_axis(&window, 0, &c->axis[0]);
  else
    c->axis[0].stride = c->axis[0].dilation = 1;
}

/* Dense and grouped convolutions; bind has left the weights to this where shapes of x decide. */
static lr_status prepare_products(struct lr_conv *c, struct lr_prepare *p, const struct lr_conv_weights *s) {
  const struct lr_conv_attrs *a = p->bind.node->attrs;
  const struct lr_type *w = &p->bind.graph->tensors[p->bind.node->in[1]].type;
  if (WINOGRAD && s && !s->packed) {
    LR_TRY(lr_conv_winograd_prepare(c, p));
    if (c->winograd) return LR_OK;
    struct pack_user u = pack_user(w, a->groups, c->gemm.kernel);
    LR_TRY(get_weights(&p->bind, 1, &u, &c->packed));
  }
  return lr_conv_gemm_prepare(c, p);
}

lr_status lr_conv_prepare(struct lr_prepare *p) {
  const struct lr_conv_attrs *a = p->bind.node->attrs;
  const struct lr_conv_weights *s = *p->bind.slot;
  const struct lr_view *x = &p->in[0], *w = &p->in[1];
  int64_t depth = w->dim[w->rank - 1];
  bool depthwise = lr_conv_depthwise(a->groups, depth);
  struct lr_conv *c = p->params = lr_prepare_alloc(p, sizeof *c);
  if (!c) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  LR_TRY(lr_find_kernel(&p->bind, lr_gemm_signature(x->dtype, depthwise), &c->gemm.kernel));
  if (s && s->kernel != c->gemm.kernel)
    return lr_prepare_fail(p, LR_ERR_MODEL, "x is %s, which its declaration does not say",
                           lr_dtype_name(x->dtype));
  c->gemm.x_dtype = x->dtype;
  c->gemm.w_zero = lr_is_int8(x->dtype) ? a->w_zero : 0;
  c->x_zero = a->x_zero;
  set_shapes(c, p, a);
  set_packing(c, s, w, a->groups);
  c->outside = lr_conv_outside(p, x->dtype, depthwise ? c->x.c : depth, a->x_zero);
  if (!c->outside) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  LR_TRY(depthwise ? lr_conv_dw_prepare(c, p) : prepare_products(c, p, s));
  uint64_t at = 0;
  c->packed_at = at;
  at += c->packed ? 0 : lr_align_up((uint64_t)(c->groups * c->group_bytes), LR_ALIGN);
  c->bias_at = at;
  at += c->bias ? 0 : lr_align_up((uint64_t)(c->groups * c->bias_bytes), LR_ALIGN);
  c->threads_at = at;
  c->shared_at = at + (uint64_t)p->threads * c->gemm.thread_bytes;
  p->scratch = c->shared_at + (WINOGRAD ? lr_conv_winograd_shared(c) : 0);
  return LR_OK;
}

/* ---- run ---- */
void lr_conv_weights_now(const struct lr_conv *c, struct lr_run *r, const void **packed, const void **bias) {
  const struct lr_conv_attrs *a = r->node->attrs;
  const struct lr_view *w = &r->in[1], *b = &r->in[2];
  *packed = c->packed;
  *bias = c->bias;
  if (!*packed) {
    char *to = (char *)r->scratch + c->packed_at;
    lr_gemm_pack(r->pool, &c->pack, c->groups, w->data, lr_gemm_pack_evenly, &c->from_bytes, to,
                 c->group_bytes);
    *packed = to;
  }
  if (!*bias) {
    char *to = (char *)r->scratch + c->bias_at;
    for (int64_t g = 0; g < c->groups; g++)
      lr_gemm_bias(
          to + g * c->bias_bytes, &c->pack,
          b->data ? (const char *)b->data + (size_t)g * c->pack.cols * lr_dtype_size(b->dtype) : NULL,
          b->dtype, (const char *)*packed + g * c->group_bytes, a->x_zero, c->gemm.w_zero);
    *bias = to;
  }
}

lr_status lr_conv_run(struct lr_run *r) {
  const struct lr_conv_attrs *a = r->node->attrs;
  const struct lr_conv *c = r->params;
  const struct lr_view *w = &r->in[1];
  const void *packed, *bias;
  lr_conv_weights_now(c, r, &packed, &bias);
  if (lr_conv_depthwise(a->groups, w->dim[w->rank - 1]))
    lr_conv_dw_run(c, r, packed, bias);
  else if (WINOGRAD && c->winograd)
    lr_conv_winograd_run(c, r, packed, bias);
  else
    lr_conv_gemm_run(c, r, packed, bias);
  return LR_OK;
}

const struct lr_impl lr_cpu_conv = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_FIRST_ONLY | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT,
    .bind = bind,
    .prepare = lr_conv_prepare,
    .run = lr_conv_run};
