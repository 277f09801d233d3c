/* What the converter needs (lite_runtime_tools.h); not in the library for apps. */
#include "lite_runtime_tools.h"

#include "arena.h"
#include "hash.h"
#include "needs.h"
#include "node.h"
#include "program.h"
#include "session.h"

uint64_t lr_tool_hash(const void *data, size_t bytes) { return lr_hash64(data, bytes); }

int32_t lr_tool_has_op(int32_t op) { return op >= 0 && op < LR_OP_LIMIT && lr_ops[op]; }

/* One node in memory of its own. */
struct call {
  struct lr_arena arena;
  int32_t *in;
  struct lr_type *type; /* of inputs, then outputs */
  const void **value;
  void *attrs;
  struct lr_program program;
  int32_t n_in;
};

static lr_status no_memory(lr_error *error) { return lr_fail(error, LR_ERR_MEMORY, "infer: out of memory"); }

static bool get_type(const lr_tensor *t, struct lr_type *type) {
  *type = (struct lr_type){.dtype = t->dtype, .rank = t->rank};
  if (t->rank < 0 || t->rank > LR_MAX_RANK) return false;
  memcpy(type->dim, t->dims, sizeof(lr_dim) * (size_t)t->rank);
  return lr_type_check(type);
}

static lr_status set_inputs(struct call *c, int32_t op, const lr_tensor *inputs, int32_t n, int32_t n_out,
                            lr_error *error) {
  c->n_in = lr_node_inputs(op, n);
  c->in = lr_arena_alloc(&c->arena, (size_t)c->n_in * sizeof *c->in + 1);
  c->type = lr_arena_alloc(&c->arena, (size_t)(c->n_in + n_out) * sizeof *c->type + 1);
  c->value = lr_arena_alloc(&c->arena, (size_t)c->n_in * sizeof *c->value + 1);
  if (!c->in || !c->type || !c->value) return no_memory(error);
  for (int32_t i = 0; i < c->n_in; i++) {
    c->in[i] = i < n && inputs[i].dtype ? i : -1;
    if (c->in[i] < 0) continue;
    c->value[i] = inputs[i].data;
    if (!get_type(&inputs[i], &c->type[i]))
      return lr_node_fail(error, LR_ERR_ARGUMENT, op, "", "input %d has no valid dtype, rank or size", i);
    if (c->value[i] && (!lr_type_known(&c->type[i]) || inputs[i].bytes < lr_type_bytes(&c->type[i])))
      return lr_node_fail(error, LR_ERR_ARGUMENT, op, "",
                          "input %d has %zu bytes of data, its type needs more", i, inputs[i].bytes);
  }
  return LR_OK;
}

static lr_status set_program(struct call *c, const uint32_t *post, int32_t n_post, lr_error *error) {
  if (!n_post) return LR_OK;
  LR_TRY(lr_program_decode(post, n_post, NULL, 0, &c->program.n, error));
  c->program.instr = lr_arena_alloc(&c->arena, (size_t)c->program.n * sizeof *c->program.instr + 1);
  if (!c->program.instr) return no_memory(error);
  return lr_program_decode(post, n_post, c->program.instr, c->program.n, &c->program.n, error);
}

static lr_status infer(struct call *c, int32_t op, const uint32_t *attrs, int32_t n_attrs, int32_t n_out,
                       lr_error *error) {
  c->attrs = lr_arena_alloc(&c->arena, 4 * (size_t)lr_ops[op]->n_attrs + 1);
  if (!c->attrs) return no_memory(error);
  LR_TRY(lr_node_attrs(op, "", attrs, (uint32_t)n_attrs, c->attrs, error));
  LR_TRY(lr_node_ports(op, "", c->in, c->n_in, n_out, c->program.n > 0, error));
  struct lr_infer i = {.name = "",
                       .attrs = c->attrs,
                       .program = &c->program,
                       .n_in = c->n_in,
                       .n_own = lr_node_own(op, c->n_in),
                       .n_out = n_out,
                       .in = c->type,
                       .value = c->value,
                       .out = c->type + c->n_in,
                       .error = error,
                       .op = lr_op_name(op)};
  LR_TRY(lr_ops[op]->infer(&i));
  for (int32_t k = 0; k < n_out; k++)
    if (!lr_type_check(&i.out[k]))
      return lr_node_fail(error, LR_ERR_MODEL, op, "", "output %d would be too large", k);
  return LR_OK;
}

lr_status lr_tool_infer(int32_t op, const uint32_t *attrs, int32_t n_attrs, const uint32_t *post,
                        int32_t n_post, const lr_tensor *inputs, int32_t n_inputs, lr_tensor *outputs,
                        int32_t n_outputs, lr_error *error) {
  LR_TRY(lr_node_op(op, "", error));
  if (!lr_tool_has_op(op)) return lr_node_fail(error, LR_ERR_UNSUPPORTED, op, "", "it is not in this build");
  if (n_attrs < 0 || n_post < 0 || n_inputs < 0 || n_outputs < 0 || n_inputs > LR_MAX_INPUTS ||
      n_outputs > LR_MAX_OUTPUTS || (n_attrs && !attrs) || (n_post && !post) || (n_inputs && !inputs) ||
      (n_outputs && !outputs))
    return lr_node_fail(error, LR_ERR_ARGUMENT, op, "", "a list is NULL or its length out of range");
  struct call c = {.arena = {.alloc = lr_malloc_allocator}};
  lr_status status = set_inputs(&c, op, inputs, n_inputs, n_outputs, error);
  for (int32_t i = 0; i < n_outputs && !status; i++)
    get_type(&outputs[i], &c.type[c.n_in + i]); /* `custom` keeps them */
  if (!status) status = set_program(&c, post, n_post, error);
  if (!status) status = infer(&c, op, attrs, n_attrs, n_outputs, error);
  for (int32_t i = 0; i < n_outputs && !status; i++) {
    const struct lr_type *t = &c.type[c.n_in + i];
    outputs[i].dtype = t->dtype;
    outputs[i].rank = t->rank;
    memcpy(outputs[i].dims, t->dim, sizeof outputs[i].dims);
  }
  lr_arena_clear(&c.arena);
  return status;
}

/* ---- what a model needs ---- */
struct found {
  lr_tool_need_info *needs;
  int32_t room, n;
};

static void found(struct found *f, lr_tool_need_kind kind, const char *name) {
  if (f->n < f->room) f->needs[f->n] = (lr_tool_need_info){kind, name};
  f->n++;
}

int32_t lr_tool_needs(const lr_model *m, lr_tool_need_info *needs, int32_t room) {
  bool op[LR_OP_LIMIT] = {false};
  struct lr_needs all = {0};
  struct found f = {needs, needs ? room : 0, 0};
  if (!m) return 0;
  lr_model_ops(m, op);
  lr_model_needs(m, &all);
  for (int32_t k = 0; k < LR_OP_LIMIT; k++)
    if (op[k]) found(&f, LR_TOOL_NEEDS_OP, lr_op_name(k));
  for (int32_t k = 1; k < LR_SIG_LIMIT; k++)
    if (all.kernels >> k & 1) found(&f, LR_TOOL_NEEDS_KERNEL, lr_signature_name((enum lr_signature)k));
  for (int32_t k = 0; k < LR_CASE_LIMIT; k++)
    if (all.posts[k / 64] >> (k & 63) & 1) found(&f, LR_TOOL_NEEDS_POST, lr_case_name(k));
  return f.n;
}

/* ---- the memory of a plan ---- */
static int32_t where_is(enum lr_place place) {
  switch (place) {
    case LR_AT_ARENA:
      return LR_TOOL_IN_PLAN;
    case LR_AT_INPUT:
    case LR_AT_OUTPUT:
    case LR_AT_STATE:
      return LR_TOOL_IN_IO;
    case LR_AT_DYNAMIC:
      return LR_TOOL_IN_RUN;
    default:
      return LR_TOOL_IN_CONSTANT;
  }
}

/* Bytes from a tensor's first to its last element. */
static uint64_t span_of(const struct lr_plan_tensor *t) {
  int64_t last = 0;
  for (int32_t i = 0; i < t->type.rank; i++) {
    if (!t->type.dim[i]) return 0;
    last += (t->type.dim[i] - 1) * t->stride[i];
  }
  return (uint64_t)(last + 1) * lr_dtype_size(t->type.dtype);
}

static void describe_tensor(const struct lr_plan *p, int32_t i, lr_tool_buffer *b) {
  const struct lr_plan_tensor *t = &p->tensor[i], *root = &p->tensor[t->root];
  *b = (lr_tool_buffer){.name = t->def->name ? t->def->name : "",
                        .where = where_is(root->place),
                        .producer = t->producer,
                        .first = t->last < 0 ? -1 : t->first,
                        .last = t->last,
                        .root = t->root};
  if (!lr_type_known(&t->type)) return;
  b->offset = (uint64_t)t->offset * lr_dtype_size(t->type.dtype);
  if (root->place == LR_AT_ARENA) b->offset += root->arena_offset;
  b->bytes = lr_type_bytes(&t->type);
  b->span = span_of(t);
}

int32_t lr_tool_plan_buffer(const lr_session *s, int32_t i, lr_tool_buffer *buffer) {
  if (!s || !buffer || !s->plan.ready || i < 0) return 0;
  const struct lr_plan *p = &s->plan;
  if (i < p->n_tensors) {
    describe_tensor(p, i, buffer);
    return 1;
  }
  int32_t step = i - p->n_tensors;
  if (step >= p->n_steps) return 0;
  const struct lr_plan_step *st = &p->step[step];
  *buffer = (lr_tool_buffer){.name = st->node->name,
                             .scratch = 1,
                             .where = st->dynamic ? LR_TOOL_IN_RUN : LR_TOOL_IN_PLAN,
                             .producer = step,
                             .first = step,
                             .last = step,
                             .root = i,
                             .offset = st->dynamic ? 0 : st->scratch_offset,
                             .bytes = st->dynamic ? 0 : st->scratch_bytes,
                             .span = st->dynamic ? 0 : st->scratch_bytes};
  return 1;
}

uint64_t lr_tool_plan_bytes(const lr_session *s) { return s && s->plan.ready ? s->plan.bytes : 0; }
