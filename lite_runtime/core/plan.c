/* From graph to steps: flattening of delegates, shape inference, and values that are known before running. */
#include "session.h"

#include "../ops/custom.h"
#include "weights.h"

enum {
  MAX_VALUE_BYTES = 64 * 1024, /* constants that shape inference may look at */
  MAX_STEPS = 1 << 22
};

/* Plan tensor of each tensor of the subgraph being flattened. */
struct scope {
  const struct lr_subgraph *graph;
  int32_t *map;
};

static lr_status no_memory(lr_error *e) {
  return lr_fail(e, LR_ERR_MEMORY, "plan: out of memory for its tables");
}

static const char *node_reason_none = "";

lr_status lr_plan_infer(const lr_session *s, const struct lr_plan_step *step, const struct lr_type *in,
                        const void *const *value, struct lr_type *out, lr_error *error) {
  const struct lr_node *n = step->node;
  if (LR_HAS_CUSTOM && step->custom) return lr_custom_infer(step->custom, n, &s->alloc, in, out, error);
  struct lr_infer c = {.name = n->name,
                       .attrs = n->attrs,
                       .program = &n->program,
                       .n_in = n->n_in,
                       .n_own = n->n_own,
                       .n_out = n->n_out,
                       .in = in,
                       .value = value,
                       .out = out,
                       .error = error,
                       .op = lr_op_name(n->op)};
  lr_status status = lr_ops[n->op]->infer(&c);
  /* the graph was found right when it was loaded: now the sizes that the caller gave do not fit it */
  if (status) return status == LR_ERR_MODEL ? LR_ERR_ARGUMENT : status;
  for (int32_t i = 0; i < n->n_out; i++)
    if (!lr_type_check(&out[i])) {
      char t[96];
      return lr_infer_fail(&c, LR_ERR_MEMORY, "output %d would be %s, which is too large", i,
                           lr_type_text(&out[i], t, sizeof t));
    }
  return LR_OK;
}

bool lr_makes_nothing(const struct lr_plan_step *st) {
  if (st->custom || lr_on_device(st)) return false;
  for (int32_t k = 0; k < st->n_out; k++)
    if (lr_view_count(&st->view[st->n_in + k])) return false;
  return st->n_out > 0;
}

struct prepare { /* what lr_prepare_alloc finds behind the public part */
  struct lr_prepare p;
  struct lr_arena *arena;
  const struct lr_plan *plan;
  const struct lr_plan_step *step;
};
void *lr_prepare_alloc(struct lr_prepare *p, uint64_t bytes) {
  return lr_arena_alloc(((struct prepare *)p)->arena, bytes);
}

const void *lr_prepare_value(const struct lr_prepare *p, int32_t i) {
  const struct prepare *c = (const struct prepare *)p;
  if (i >= p->n_in || c->step->in[i] < 0) return NULL;
  if (!c->step->dynamic) return c->plan->tensor[c->step->in[i]].value;
  return lr_view_dense(&p->in[i]) ? p->in[i].data : NULL;
}

lr_status lr_plan_prepare(lr_session *s, struct lr_plan_step *step, struct lr_arena *arena, lr_error *error) {
  LR_TRY(lr_weights_bind(s->model, step->graph, step->node, &step->slot, error));
  struct prepare c = {.p = {.bind = {s->model, step->graph, step->node, &step->slot, error},
                            .in = step->view,
                            .out = step->view + step->n_in,
                            .n_in = step->n_in,
                            .n_out = step->n_out,
                            .threads = lr_pool_threads(s->pool),
                            .kernel = ""},
                      .arena = arena,
                      .plan = &s->plan,
                      .step = step};
  if (step->impl->prepare) LR_TRY(step->impl->prepare(&c.p));
  step->params = c.p.params;
  step->kernel = c.p.kernel ? c.p.kernel : "";
  if (c.p.scratch > PTRDIFF_MAX - LR_ALIGN)
    return lr_prepare_fail(&c.p, LR_ERR_MEMORY, "its scratch would be %llu bytes; use smaller inputs",
                           (unsigned long long)c.p.scratch);
  step->scratch_bytes = (size_t)lr_align_up(c.p.scratch, LR_ALIGN);
  return LR_OK;
}

struct lr_run lr_plan_call(const lr_session *s, const struct lr_plan_step *st, lr_error *error) {
  return (struct lr_run){.model = s->model,
                         .node = st->node,
                         .in = st->view,
                         .out = st->view + st->n_in,
                         .n_in = st->n_in,
                         .n_out = st->n_out,
                         .slot = st->slot,
                         .params = st->params,
                         .scratch = st->scratch,
                         .pool = s->pool,
                         .custom = st->custom,
                         .error = error};
}

/* ---- tensors ---- */
static lr_status add_tensor(lr_session *s, const struct lr_subgraph *g, int32_t index, int32_t *at,
                            lr_error *error) {
  struct lr_plan *p = &s->plan;
  if (p->n_tensors == p->max_tensors) { /* grow; the old table stays in the arena until the plan goes */
    int32_t max = p->max_tensors * 2 + g->n_tensors;
    struct lr_plan_tensor *t = lr_arena_alloc(&p->arena, (uint64_t)max * sizeof *t);
    if (!t) return no_memory(error);
    if (p->n_tensors) memcpy(t, p->tensor, (size_t)p->n_tensors * sizeof *t);
    p->tensor = t;
    p->max_tensors = max;
  }
  struct lr_plan_tensor *t = &p->tensor[ *at = p->n_tensors++];
  const struct lr_graph_tensor *d = &g->tensors[index];
  *t = (struct lr_plan_tensor){.def = d,
                               .graph = g,
                               .def_index = index,
                               .type = d->type,
                               .root = *at,
                               .producer = -1,
                               .first = INT32_MAX,
                               .last = -1};
  if (d->lifetime != LR_LIFE_CONST) return LR_OK;
  t->place = LR_AT_CONST;
  if (lr_type_bytes(&d->type) > MAX_VALUE_BYTES) return LR_OK;
  return lr_weights_dense(s->model, g, index, &t->value, error);
}

static lr_status enter_scope(lr_session *s, struct scope *sc, const struct lr_subgraph *g, lr_error *error) {
  sc->graph = g;
  sc->map = lr_arena_alloc(&s->plan.arena, (size_t)(g->n_tensors + 1) * sizeof *sc->map);
  if (!sc->map) return no_memory(error);
  for (int32_t i = 0; i < g->n_tensors; i++) sc->map[i] = -1;
  return LR_OK;
}

/* ---- nodes ---- */
static lr_status flatten(lr_session *s, const struct scope *sc, const char *reason, int depth,
                         lr_error *error);

static const struct lr_custom *find_custom(const lr_session *s, const char *name) {
  for (int32_t i = 0; i < s->n_customs; i++)
    if (!strcmp(s->customs[i].name, name)) return &s->customs[i];
  return NULL;
}

/* Makes room for the node's step at p->step[p->n_steps], without counting it yet. */
static lr_status new_step(lr_session *s, const struct scope *sc, const struct lr_node *n,
                          struct lr_plan_step **step, lr_error *error) {
  struct lr_plan *p = &s->plan;
  if (p->n_steps == p->max_steps) {
    int32_t max = p->max_steps * 2 + sc->graph->n_nodes;
    struct lr_plan_step *st = max > MAX_STEPS ? NULL : lr_arena_alloc(&p->arena, (uint64_t)max * sizeof *st);
    if (!st) return no_memory(error);
    if (p->n_steps) memcpy(st, p->step, (size_t)p->n_steps * sizeof *st);
    p->step = st;
    p->max_steps = max;
  }
  struct lr_plan_step *st = *step = &p->step[p->n_steps];
  *st = (struct lr_plan_step){.graph = sc->graph,
                              .node = n,
                              .impl = lr_cpu_impls[n->op],
                              .n_in = n->n_in,
                              .n_out = n->n_out,
                              .kernel = "",
                              .reason = node_reason_none};
  st->arena.alloc = s->alloc;
  size_t count = (size_t)n->n_in + (size_t)n->n_out;
  st->in = lr_arena_alloc(&p->arena, (count + 1) * sizeof *st->in);
  st->view = lr_arena_alloc(&p->arena, (count + 1) * sizeof *st->view);
  if (!st->in || !st->view) return no_memory(error);
  st->out = st->in + n->n_in;
  for (int32_t i = 0; i < n->n_in; i++) {
    st->in[i] = -1;
    if (n->in[i] < 0) continue;
    if (sc->map[n->in[i]] < 0) LR_TRY(add_tensor(s, sc->graph, n->in[i], &sc->map[n->in[i]], error));
    st->in[i] = sc->map[n->in[i]];
  }
  for (int32_t i = 0; i < n->n_out; i++) {
    if (sc->map[n->out[i]] < 0) LR_TRY(add_tensor(s, sc->graph, n->out[i], &sc->map[n->out[i]], error));
    st->out[i] = sc->map[n->out[i]];
  }
  return LR_OK;
}

static lr_status delegate(lr_session *s, const struct scope *sc, const struct lr_node *n, int depth,
                          lr_error *error) {
  struct lr_plan *p = &s->plan;
  struct lr_plan_step *st = NULL;
  LR_TRY(new_step(s, sc, n, &st, error));
  assert(st);
  bool taken = false;
  char why[400];
  LR_TRY(lr_device_offer(s, st, &taken, why, sizeof why, error));
  if (taken) {
    p->n_steps++; /* counted before its buffers, so that a failure frees them */
    for (int32_t i = 0; i < n->n_out; i++) p->tensor[st->out[i]].made = true;
    return lr_device_buffers(s, st, error);
  }
  if (s->require_devices)
    return lr_fail(error, LR_ERR_DEVICE,
                   "delegate '%s': no device takes it (%s); allow the CPU or change the model", n->name, why);
  if (depth > 16) return lr_fail(error, LR_ERR_MODEL, "delegate '%s': nested too deeply", n->name);
  char *reason = lr_arena_alloc(&p->arena, strlen(why) + 1);
  if (!reason) return no_memory(error);
  strcpy(reason, why);
  struct scope inner;
  LR_TRY(enter_scope(s, &inner, &s->model->subgraphs[n->subgraphs[0]], error));
  for (int32_t i = 0; i < n->n_in; i++) inner.map[inner.graph->in[i]] = st->in[i];
  for (int32_t i = 0; i < n->n_out; i++) inner.map[inner.graph->out[i]] = st->out[i];
  return flatten(s, &inner, reason, depth + 1, error);
}

static lr_status plan_node(lr_session *s, const struct scope *sc, const struct lr_node *n, const char *reason,
                           lr_error *error) {
  struct lr_plan *p = &s->plan;
  struct lr_plan_step *st = NULL;
  LR_TRY(new_step(s, sc, n, &st, error));
  assert(st);
  st->reason = reason;
  if (LR_HAS_CUSTOM && n->op == LR_OP_CUSTOM && !(st->custom = find_custom(s, n->custom_name)))
    return lr_fail(error, LR_ERR_UNSUPPORTED,
                   "custom '%s': the model needs the custom operator '%s'; give it in "
                   "lr_session_options.customs",
                   n->name, n->custom_name);
  size_t k = (size_t)(n->n_in + n->n_out) + 1;
  struct lr_type *types = lr_alloc(&s->alloc, k * (sizeof(struct lr_type) + sizeof(void *)), LR_ALIGN);
  if (!types) return no_memory(error);
  const void **value = (const void **)(types + k);
  bool known = true;
  for (int32_t i = 0; i < n->n_in; i++) {
    if (st->in[i] < 0) continue;
    types[i] = p->tensor[st->in[i]].type;
    value[i] = p->tensor[st->in[i]].value;
    known &= lr_type_known(&types[i]);
  }
  lr_status status = LR_OK;
  for (int32_t i = 0; i < n->n_out; i++) types[n->n_in + i] = p->tensor[st->out[i]].def->type;
  if (!st->custom || known) /* the user's infer sees real shapes only */
    status = lr_plan_infer(s, st, types, value, types + n->n_in, error);
  for (int32_t i = 0; i < n->n_out && !status; i++) {
    p->tensor[st->out[i]].type = types[n->n_in + i];
    p->tensor[st->out[i]].made = true;
    known &= lr_type_known(&types[n->n_in + i]);
  }
  lr_free(&s->alloc, types);
  LR_TRY(status);
  st->dynamic = !known || lr_is_control(st); /* its outputs come out of other sessions */
  if (LR_HAS_SHAPE && lr_plan_foldable(p, st)) return lr_plan_fold(s, st, error); /* its step is dropped */
  p->n_steps++;
  return LR_OK;
}

static lr_status flatten(lr_session *s, const struct scope *sc, const char *reason, int depth,
                         lr_error *error) {
  for (int32_t i = 0; LR_HAS_ANY && i < sc->graph->n_nodes; i++) {
    const struct lr_node *n = &sc->graph->nodes[i];
    if (LR_HAS_DELEGATE && n->op == LR_OP_DELEGATE)
      LR_TRY(delegate(s, sc, n, depth, error));
    else
      LR_TRY(plan_node(s, sc, n, reason, error));
  }
  return LR_OK;
}

/* ---- the whole ---- */
static lr_status place_io(lr_session *s, const struct scope *sc, lr_error *error) {
  struct lr_plan *p = &s->plan;
  for (int32_t i = 0; i < sc->graph->n_tensors; i++) LR_TRY(add_tensor(s, sc->graph, i, &sc->map[i], error));
  for (int32_t role = LR_INPUT; role <= LR_STATE; role += LR_STATE)
    for (int32_t i = 0; i < s->n_io[role]; i++) {
      struct lr_io *io = &s->io[role][i];
      struct lr_plan_tensor *t = &p->tensor[io->tensor];
      t->place = role == LR_INPUT ? LR_AT_INPUT : LR_AT_STATE;
      t->io = i;
      t->type = io->type;
    }
  return LR_OK;
}

/* The place of every tensor that a step makes, and which graph outputs are written in place. */
static lr_status place_outputs(lr_session *s, lr_error *error) {
  struct lr_plan *p = &s->plan;
  for (int32_t i = 0; i < p->n_tensors; i++) {
    struct lr_plan_tensor *t = &p->tensor[i];
    if (t->made && t->place == LR_AT_NOWHERE)
      t->place = lr_type_known(&t->type) ? LR_AT_ARENA : LR_AT_DYNAMIC;
  }
  for (int32_t i = 0; i < lr_steps(p); i++) /* outputs of a dynamic step all have their own memory */
    for (int32_t k = 0; k < p->step[i].n_out && p->step[i].dynamic; k++)
      p->tensor[p->step[i].out[k]].place = LR_AT_DYNAMIC;
  for (int32_t i = 0; i < s->n_io[LR_OUTPUT]; i++) {
    struct lr_io *io = &s->io[LR_OUTPUT][i];
    struct lr_plan_tensor *t = &p->tensor[io->tensor];
    if (t->place == LR_AT_NOWHERE)
      return lr_fail(error, LR_ERR_MODEL, "output '%s': nothing computes it", io->def->name);
    io->type = t->type;
    io->copied = t->place != LR_AT_ARENA;
    if (!io->copied) {
      t->place = LR_AT_OUTPUT;
      t->io = i;
    }
  }
  return LR_OK;
}

static lr_status prepare_all(lr_session *s, lr_error *error) {
  struct lr_plan *p = &s->plan;
  for (int32_t i = 0; i < lr_steps(p); i++) {
    struct lr_plan_step *st = &p->step[i];
    for (int32_t k = 0; k < st->n_in + st->n_out; k++) {
      if (st->in[k] < 0) continue;
      struct lr_plan_tensor *t = &p->tensor[st->in[k]];
      st->view[k] = lr_dense_view(&t->type, NULL);
      if (t->place != LR_AT_DYNAMIC) memcpy(st->view[k].stride, t->stride, sizeof t->stride);
    }
    LR_TRY(lr_session_go_on(s, "plan", i, error)); /* packing weights takes its time */
    if (st->nothing)
      st->kernel = "view";
    else if (!st->dynamic && !lr_on_device(st) && !lr_makes_nothing(st))
      LR_TRY(lr_plan_prepare(s, st, &p->arena, error));
  }
  return LR_OK;
}

/* What the plan was made for, and what it says of the outputs. */
static lr_status remember(lr_session *s, lr_error *error) {
  struct lr_plan *p = &s->plan;
  p->input = lr_arena_alloc(&p->arena, (size_t)s->n_io[LR_INPUT] * sizeof *p->input + 1);
  p->output = lr_arena_alloc(&p->arena, (size_t)s->n_io[LR_OUTPUT] * sizeof *p->output + 1);
  if (!p->input || !p->output) return no_memory(error);
  for (int32_t i = 0; i < s->n_io[LR_INPUT]; i++) p->input[i] = s->io[LR_INPUT][i].type;
  for (int32_t i = 0; i < s->n_io[LR_OUTPUT]; i++) p->output[i] = s->io[LR_OUTPUT][i].type;
  return LR_OK;
}

lr_status lr_plan_make(lr_session *s, lr_error *error) {
  struct lr_plan *p = &s->plan;
  lr_plan_clear(s, p);
  p->arena.alloc = s->alloc;
  struct scope main_scope;
  lr_status status = enter_scope(s, &main_scope, s->graph, error);
  if (!status) status = place_io(s, &main_scope, error);
  if (!status) status = flatten(s, &main_scope, node_reason_none, 0, error);
  if (!status) status = place_outputs(s, error);
  if (!status) status = remember(s, error);
  if (!status) status = lr_memory_plan(s, error);
  if (!status) status = prepare_all(s, error);
  if (!status) status = lr_memory_assign(s, error);
  if (status) lr_plan_clear(s, p);
  p->ready = p->made = !status;
  return status;
}

void lr_plan_free_memory(lr_session *s, struct lr_plan *p) {
  for (int32_t i = 0; i < lr_steps(p); i++) {
    struct lr_plan_step *st = &p->step[i];
    if (lr_is_control(st)) lr_control_clear(s, st);
    if (!st->dynamic) continue; /* the scratch of a static step is in `memory` */
    lr_session_free(s, st->scratch, st->scratch_capacity);
    st->scratch = NULL;
    st->scratch_capacity = 0;
  }
  for (int32_t i = 0; i < p->n_tensors; i++) {
    lr_session_free(s, p->tensor[i].buffer, p->tensor[i].capacity);
    p->tensor[i].buffer = NULL;
    p->tensor[i].capacity = 0;
  }
  lr_session_free(s, p->memory, p->bytes);
  p->memory = NULL;
}

void lr_plan_clear(lr_session *s, struct lr_plan *p) {
  lr_plan_free_memory(s, p);
  for (int32_t i = 0; i < lr_steps(p); i++) {
    struct lr_plan_step *st = &p->step[i];
    if (lr_on_device(st)) lr_device_clear(st);
    lr_arena_clear(&st->arena);
  }
  lr_arena_clear(&p->arena);
  *p = (struct lr_plan){0};
}
