/* inverted_residual: shapes, the stages, and the way of three steps. */
#include "inverted_residual.h"

/* ---- shapes ---- */
static const struct lr_window POINT = {.stride = {1, 1}, .dilation = {1, 1}};

/* The shape of w of one stage beyond what a convolution checks. */
static lr_status check_weights(const struct lr_infer *c, int32_t stage) {
  const struct lr_type *w = &c->in[1];
  if (stage == LR_DEPTHWISE) {
    lr_dim e = c->in[0].dim[w->rank - 1], depth = w->dim[w->rank - 1];
    if ((depth >= 0 && depth != 1) || (e >= 0 && w->dim[0] >= 0 && e != w->dim[0]))
      return lr_infer_fail(c, LR_ERR_MODEL,
                           "weights are for %lld channels of %lld each; they must be for %lld of 1",
                           (long long)w->dim[0], (long long)depth, (long long)e);
    return LR_OK;
  }
  for (int32_t i = 1; i < w->rank - 1; i++)
    if (w->dim[i] >= 0 && w->dim[i] != 1)
      return lr_infer_fail(c, LR_ERR_MODEL, "weights span %lld along %s; they must span 1",
                           (long long)w->dim[i], lr_axis_name(i + 3 - w->rank));
  return LR_OK;
}

/* Checks a stage that reads x and sets y, without the node's program. */
static lr_status infer_stage(const struct lr_infer *c, int32_t stage, const struct lr_type *x,
                             const struct lr_window *window, int32_t groups, struct lr_type *y) {
  static const char *const names[] = {"inverted_residual.expand", "inverted_residual.depthwise",
                                      "inverted_residual.project"};
  struct lr_type in[3] = {*x, c->in[1 + 2 * stage], c->in[2 + 2 * stage]};
  struct lr_program none = {0};
  struct lr_infer s = {.name = c->name,
                       .program = &none,
                       .n_in = 3,
                       .n_own = 3,
                       .n_out = 1,
                       .in = in,
                       .out = y,
                       .error = c->error,
                       .op = names[stage]};
  lr_dim out[2] = {1, 1};
  LR_TRY(lr_conv_check(&s, window, groups, 0, 0));
  LR_TRY(check_weights(&s, stage));
  for (int32_t i = 1; i < x->rank - 1; i++) {
    int32_t axis = i + 3 - x->rank;
    LR_TRY(lr_window_out(&s, window, axis, x->dim[i], in[1].dim[i], false, &out[axis]));
  }
  return lr_conv_finish(&s, out);
}

lr_status lr_infer_inverted_residual(struct lr_infer *c) {
  const struct lr_inverted_residual_attrs *a = c->attrs;
  struct lr_window window = LR_WINDOW(a);
  struct lr_type wide, rows;
  if (c->in[0].dtype != LR_F32)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; it computes in f32", lr_dtype_name(c->in[0].dtype));
  LR_TRY(infer_stage(c, LR_EXPAND, &c->in[0], &POINT, 1, &wide));
  const struct lr_type *w = &c->in[1 + 2 * LR_DEPTHWISE];
  lr_dim e = wide.dim[wide.rank - 1];
  if (e < 0 && w->rank == wide.rank) e = w->dim[0];
  if (e >= 0 && (e < 2 || e > INT32_MAX)) /* one channel would be no depthwise convolution */
    return lr_infer_fail(c, LR_ERR_MODEL, "it expands to %lld channels; 2 to %d are possible", (long long)e,
                         INT32_MAX);
  LR_TRY(infer_stage(c, LR_DEPTHWISE, &wide, &window, e < 0 ? 1 : (int32_t)e, &rows));
  LR_TRY(infer_stage(c, LR_PROJECT, &rows, &POINT, 1, &c->out[0]));
  return lr_program_infer(c, LR_F32, &c->out[0]);
}

/* ---- stages ---- */
static void set_attrs(const struct lr_inverted_residual_attrs *a, int64_t channels,
                      struct lr_conv_attrs *stage) {
  for (int32_t k = 0; k < LR_STAGES; k++)
    stage[k] =
        (struct lr_conv_attrs){.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
  stage[LR_DEPTHWISE] = (struct lr_conv_attrs){.stride_h = a->stride_h,
                                               .stride_w = a->stride_w,
                                               .pad_top = a->pad_top,
                                               .pad_left = a->pad_left,
                                               .pad_bottom = a->pad_bottom,
                                               .pad_right = a->pad_right,
                                               .dilation_h = a->dilation_h,
                                               .dilation_w = a->dilation_w,
                                               .auto_pad = a->auto_pad,
                                               .groups = (int32_t)channels};
}

struct weights { /* the node's slot; NULL: not constant */
  struct lr_conv_weights *stage[LR_STAGES];
};

static lr_status bind(struct lr_bind *b) {
  struct lr_conv_attrs attrs[LR_STAGES];
  struct weights *s = lr_bind_alloc(b, sizeof *s);
  if (!s)
    return lr_fail(b->error, LR_ERR_MEMORY, "inverted_residual '%.150s': out of memory for its weights",
                   b->node->name);
  set_attrs(b->node->attrs, b->graph->tensors[b->node->in[1 + 2 * LR_DEPTHWISE]].type.dim[0], attrs);
  for (int32_t k = 0; k < LR_STAGES; k++) LR_TRY(lr_conv_bind(b, &attrs[k], 1 + 2 * k, &s->stage[k]));
  *b->slot = s;
  return LR_OK;
}

struct lr_program lr_inverted_residual_act(uint32_t act, float lo, float hi, struct lr_instr *instr) {
  static const uint8_t ops[] = {0, LR_POST_RELU, LR_POST_CLIP, LR_POST_HARD_SWISH, LR_POST_SILU};
  if (act == LR_INVERTED_RESIDUAL_EXPAND_ACT_NONE || act >= sizeof ops) return (struct lr_program){0};
  *instr = (struct lr_instr){.op = ops[act], .dtype = LR_F32, .src = {LR_SRC_REG0}};
  if (act == LR_INVERTED_RESIDUAL_EXPAND_ACT_CLIP) {
    instr->src[1] = instr->src[2] = LR_SRC_IMM;
    memcpy(&instr->imm[1], &lo, sizeof lo);
    memcpy(&instr->imm[2], &hi, sizeof hi);
  }
  return (struct lr_program){1, instr};
}

static struct lr_view dense(const struct lr_view *like, int64_t channels) {
  struct lr_view v = {.dtype = LR_F32, .rank = like->rank};
  memcpy(v.dim, like->dim, sizeof v.dim);
  v.dim[v.rank - 1] = channels;
  for (int64_t i = v.rank - 1, stride = 1; i >= 0; stride *= v.dim[i--]) v.stride[i] = stride;
  return v;
}

/* Makes the nodes of the stages and the tensors between them. */
static void describe(struct lr_inverted_residual *s, const struct lr_prepare *p) {
  const struct lr_node *node = p->bind.node;
  const struct lr_inverted_residual_attrs *a = node->attrs;
  int64_t channels = p->in[1].dim[0];
  set_attrs(a, channels, s->attrs);
  s->mid[LR_EXPAND] = dense(&p->in[0], channels);
  s->mid[LR_DEPTHWISE] = dense(&p->out[0], channels);
  for (int32_t k = 0; k < LR_STAGES; k++) {
    memcpy(s->in[k], (int32_t[]){node->in[0], node->in[1 + 2 * k], node->in[2 + 2 * k]}, sizeof s->in[k]);
    s->node[k] = *node;
    s->node[k].attrs = &s->attrs[k];
    s->node[k].in = s->in[k];
    s->node[k].n_in = s->node[k].n_own = 3;
  }
  s->node[LR_EXPAND].program =
      lr_inverted_residual_act(a->expand_act, a->expand_lo, a->expand_hi, &s->act[LR_EXPAND]);
  s->node[LR_DEPTHWISE].program =
      lr_inverted_residual_act(a->depthwise_act, a->depthwise_lo, a->depthwise_hi, &s->act[LR_DEPTHWISE]);
}

enum { MAX_IN = 3 + LR_MAX_OPERANDS };

/* The inputs of stage k, with the operands of the program behind those of the last one; returns their number.
 */
static int32_t stage_inputs(const struct lr_inverted_residual *s, int32_t k, const struct lr_view *in,
                            int32_t n_in, int32_t n_own, struct lr_view *to) {
  to[0] = k ? s->mid[k - 1] : in[0];
  memcpy(to + 1, in + 1 + 2 * k, 2 * sizeof *to);
  if (k < LR_PROJECT) return 3;
  memcpy(to + 3, in + n_own, (size_t)(n_in - n_own) * sizeof *to);
  return 3 + n_in - n_own;
}

static lr_status prepare_stage(struct lr_inverted_residual *s, int32_t k, struct lr_prepare *p,
                               uint64_t *at) {
  const struct lr_prepare whole = *p;
  const struct weights *w = *whole.bind.slot;
  struct lr_view in[MAX_IN];
  void *slot = w->stage[k];
  p->n_in = stage_inputs(s, k, whole.in, whole.n_in, whole.bind.node->n_own, in);
  p->in = in;
  if (k < LR_PROJECT) p->out = &s->mid[k];
  p->bind.node = &s->node[k];
  p->bind.slot = &slot;
  if (s->rolling.band) p->threads = 1; /* each tile is one thread's */
  lr_status status = lr_conv_prepare(p);
  s->conv[k] = p->params;
  s->scratch_at[k] = *at;
  *at += lr_align_up(p->scratch, LR_ALIGN);
  *p = whole;
  return status;
}

static lr_status prepare(struct lr_prepare *p) {
  struct lr_inverted_residual *s = lr_prepare_alloc(p, sizeof *s);
  if (!s) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  describe(s, p);
  lr_rolling_choose(s, p);
  uint64_t at = 0;
  for (int32_t k = 0; k < LR_STAGES; k++) LR_TRY(prepare_stage(s, k, p, &at));
  if (s->rolling.band) at = lr_rolling_scratch(s, at, p->threads);
  for (int32_t k = 0; k < LR_PROJECT && !s->rolling.band; k++) {
    s->mid_at[k] = at;
    at += lr_align_up((uint64_t)lr_view_count(&s->mid[k]) * sizeof(float), LR_ALIGN);
  }
  p->params = s;
  p->scratch = at;
  p->kernel = s->rolling.band ? "rolling_rows" : "three_steps";
  return LR_OK;
}

static lr_status run(struct lr_run *r) {
  const struct lr_inverted_residual *s = r->params;
  struct lr_view in[LR_STAGES][MAX_IN], mid[LR_PROJECT] = {s->mid[0], s->mid[1]};
  struct lr_run stage[LR_STAGES];
  for (int32_t k = 0; k < LR_PROJECT; k++) mid[k].data = (char *)r->scratch + s->mid_at[k];
  for (int32_t k = 0; k < LR_STAGES; k++) {
    stage[k] = *r;
    stage[k].n_in = stage_inputs(s, k, r->in, r->n_in, r->node->n_own, in[k]);
    if (k) in[k][0] = mid[k - 1];
    stage[k].in = in[k];
    stage[k].out = k < LR_PROJECT ? &mid[k] : r->out;
    stage[k].node = &s->node[k];
    stage[k].params = (void *)(uintptr_t)s->conv[k];
    stage[k].scratch = (char *)r->scratch + s->scratch_at[k];
  }
  if (s->rolling.band)
    lr_rolling_run(s, r, stage);
  else
    for (int32_t k = 0; k < LR_STAGES; k++) LR_TRY(lr_conv_run(&stage[k]));
  return LR_OK;
}

const struct lr_impl lr_cpu_inverted_residual = {
    .flags = LR_IMPL_STRIDED_IN | LR_IMPL_FIRST_ONLY | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT,
    .bind = bind,
    .prepare = prepare,
    .run = run};
