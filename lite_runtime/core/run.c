/* Running a plan. No allocation here unless a shape depends on values. */
#include <math.h>
#include <stdio.h>

#include "session.h"

#include "float_mode.h"
#include "weights.h"

/* ---- addresses ---- */
static void *io_data(const struct lr_io *io) { return io->bound ? io->bound : io->own; }

/* There is no memory when no tensor in it has elements. */
static void *in_arena(const struct lr_plan *p, size_t offset) {
  return p->memory ? (char *)p->memory + offset : NULL;
}

static lr_status root_data(lr_session *s, const struct lr_plan_tensor *t, void **data, lr_error *error) {
  struct lr_plan *p = &s->plan;
  const void *c = NULL;
  lr_status status = LR_OK;
  switch (t->place) {
    case LR_AT_ARENA:
      c = in_arena(p, t->arena_offset);
      break;
    case LR_AT_CONST:
      status = lr_weights_dense(s->model, t->graph, t->def_index, &c, error);
      break;
    case LR_AT_INPUT:
      c = io_data(&s->io[LR_INPUT][t->io]);
      break;
    case LR_AT_OUTPUT:
      c = io_data(&s->io[LR_OUTPUT][t->io]);
      break;
    case LR_AT_STATE:
      c = io_data(&s->io[LR_STATE][t->io]);
      break;
    case LR_AT_PLAN:
      c = t->value;
      break;
    case LR_AT_DYNAMIC:
      c = t->buffer;
      break;
    case LR_AT_NOWHERE:
      break;
  }
  *data = (void *)(uintptr_t)c;
  return status;
}

static lr_status resolve_view(lr_session *s, int32_t tensor, struct lr_view *v, lr_error *error) {
  const struct lr_plan_tensor *t = &s->plan.tensor[tensor];
  static char empty[LR_ALIGN]; /* tensors without elements have an address too: NULL means absent */
  LR_TRY(root_data(s, &s->plan.tensor[t->root], &v->data, error));
  if (!v->data)
    v->data = empty;
  else
    v->data = (char *)v->data + t->offset * (int64_t)lr_dtype_size(t->type.dtype);
  return LR_OK;
}

/* Constants that a CPU step packed are not read again; asking for their dense form would check hashes for nothing. */
static lr_status resolve(lr_session *s, lr_error *error) {
  struct lr_plan *p = &s->plan;
  for (int32_t i = 0; i < lr_steps(p); i++) {
    struct lr_plan_step *st = &p->step[i];
    for (int32_t k = 0; k < st->n_in + st->n_out; k++)
      if (st->in[k] >= 0) LR_TRY(resolve_view(s, st->in[k], &st->view[k], error));
    if (!st->dynamic) st->scratch = in_arena(p, st->scratch_offset);
  }
  p->resolved = true;
  return LR_OK;
}

static lr_status check_io(lr_session *s, lr_error *error) {
  for (int32_t role = LR_INPUT; role <= LR_OUTPUT; role++)
    for (int32_t i = 0; i < s->n_io[role]; i++) {
      struct lr_io *io = &s->io[role][i];
      if (!lr_type_known(&io->type))
        continue; /* an output that depends on values: checked when it is there */
      size_t bytes = lr_type_bytes(&io->type);
      if (!io->bound) {
        if (io->capacity < bytes) s->plan.resolved = false;
        LR_TRY(lr_io_own(s, io, bytes, error));
      } else if (io->bound_bytes < bytes) {
        char t[96];
        return lr_fail(error, LR_ERR_ARGUMENT, "%s '%s': the bound buffer has %zu bytes, %s needs %zu",
                       role == LR_INPUT ? "input" : "output", io->def->name, io->bound_bytes,
                       lr_type_text(&io->type, t, sizeof t), bytes);
      }
    }
  return LR_OK;
}

/* ---- steps whose shapes depend on values ---- */
lr_status lr_tensor_make(lr_session *s, int32_t tensor, const struct lr_type *type, lr_error *error) {
  struct lr_plan_tensor *t = &s->plan.tensor[tensor];
  t->type = *type;
  lr_dense_strides(type, t->stride);
  size_t bytes = lr_type_bytes(type);
  if (bytes <= t->capacity) return LR_OK;
  lr_session_free(s, t->buffer, t->capacity);
  t->buffer = NULL;
  t->capacity = 0;
  LR_TRY(lr_session_alloc(s, bytes, "a tensor whose size depends on values", &t->buffer, error));
  t->capacity = bytes;
  return LR_OK;
}

lr_status lr_tensor_view(lr_session *s, int32_t tensor, struct lr_view *v, lr_error *error) {
  const struct lr_plan_tensor *t = &s->plan.tensor[tensor];
  v->dtype = t->type.dtype;
  v->rank = t->type.rank;
  memcpy(v->dim, t->type.dim, sizeof v->dim);
  memcpy(v->stride, t->stride, sizeof v->stride);
  return resolve_view(s, tensor, v, error);
}

static lr_status prepare_dynamic(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  struct lr_plan *p = &s->plan;
  lr_arena_clear(&st->arena);
  size_t n = (size_t)(st->n_in + st->n_out) + 1;
  struct lr_type *type = lr_arena_alloc(&st->arena, n * sizeof *type);
  const void **value = lr_arena_alloc(&st->arena, n * sizeof *value);
  if (!type || !value) return lr_fail(error, LR_ERR_MEMORY, "run: out of memory");
  for (int32_t i = 0; i < st->n_in; i++) {
    if (st->in[i] < 0) continue;
    LR_TRY(lr_tensor_view(s, st->in[i], &st->view[i], error));
    type[i] = p->tensor[st->in[i]].type;
    value[i] = lr_view_dense(&st->view[i]) ? st->view[i].data : NULL;
  }
  for (int32_t i = 0; i < st->n_out; i++) type[st->n_in + i] = p->tensor[st->out[i]].def->type;
  LR_TRY(lr_plan_infer(s, st, type, value, type + st->n_in, error));
  for (int32_t i = 0; i < st->n_out; i++) {
    if (!lr_type_known(&type[st->n_in + i]))
      return lr_fail(error, LR_ERR_UNSUPPORTED,
                     "%s '%s': the shape of output %d cannot be found even at run time",
                     lr_op_name(st->node->op), st->node->name, i);
    LR_TRY(lr_tensor_make(s, st->out[i], &type[st->n_in + i], error));
    LR_TRY(lr_tensor_view(s, st->out[i], &st->view[st->n_in + i], error));
  }
  if (lr_makes_nothing(st)) return LR_OK;
  size_t had = st->scratch_capacity;
  LR_TRY(lr_plan_prepare(s, st, &st->arena, error));
  if (st->scratch_bytes <= had) return LR_OK;
  lr_session_free(s, st->scratch, had);
  st->scratch_capacity = 0;
  LR_TRY(lr_session_alloc(s, st->scratch_bytes, "scratch", &st->scratch, error));
  st->scratch_capacity = st->scratch_bytes;
  return LR_OK;
}

/* A step of known shape may read a tensor that a dynamic step made: its address changes from run to run. */
static lr_status refresh_inputs(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  for (int32_t i = 0; i < st->n_in; i++)
    if (st->in[i] >= 0 && s->plan.tensor[st->in[i]].place == LR_AT_DYNAMIC)
      LR_TRY(lr_tensor_view(s, st->in[i], &st->view[i], error));
  return LR_OK;
}

/* ---- steps ---- */
static lr_status run_step(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  if (lr_is_control(st)) return lr_control_run(s, st, error);
  if (st->dynamic)
    LR_TRY(prepare_dynamic(s, st, error));
  else
    LR_TRY(refresh_inputs(s, st, error));
  if (st->nothing || lr_makes_nothing(st)) return LR_OK;
  if (lr_on_device(st)) {
    lr_error e = {""};
    lr_status status = lr_device_run(st, &e);
    return status ? lr_fail(error, status, "delegate '%s': device %s failed: %.300s", st->node->name,
                            st->device->name, e.message)
                  : LR_OK;
  }
  struct lr_run r = lr_plan_call(s, st, error);
  const struct lr_stop *outer = lr_stop_watch(s->watch);
  lr_status status = st->impl->run(&r);
  lr_stop_watch(outer);
  return status;
}

/* ---- watching ---- */
static bool all_finite(const struct lr_view *v) {
  if (!lr_view_dense(v)) return true; /* part of a tensor that is looked at when it is whole */
  int64_t n = lr_view_count(v);
  switch (v->dtype) {
    case LR_F32:
      for (int64_t i = 0; i < n; i++)
        if (!isfinite(((const float *)v->data)[i])) return false;
      return true;
    case LR_F64:
      for (int64_t i = 0; i < n; i++)
        if (!isfinite(((const double *)v->data)[i])) return false;
      return true;
    case LR_F16: /* all exponent bits set */
      for (int64_t i = 0; i < n; i++)
        if ((((const uint16_t *)v->data)[i] & 0x7c00) == 0x7c00) return false;
      return true;
    default:
      return true;
  }
}

static void describe(const lr_session *s, const struct lr_plan_step *st, int32_t index, lr_step *out) {
  *out = (lr_step){.index = index,
                   .node = st->node->name,
                   .op = lr_op_name(st->node->op),
                   .device = st->device ? st->device->name : "cpu",
                   .kernel = st->kernel,
                   .reason = st->reason,
                   .n_outputs = st->n_out < 8 ? st->n_out : 8};
  for (int32_t k = 0; k < out->n_outputs; k++) {
    const struct lr_plan_tensor *t = &s->plan.tensor[st->out[k]];
    out->output_names[k] = t->def->name;
    lr_tensor *y = &out->outputs[k];
    y->dtype = t->type.dtype;
    y->rank = t->type.rank;
    memcpy(y->dims, t->type.dim, sizeof y->dims);
    if (lr_type_known(&t->type)) y->bytes = lr_type_bytes(&t->type);
  }
}

int32_t lr_session_step(const lr_session *s, int32_t i, lr_step *step) {
  if (!s || !step || !s->plan.ready || i < 0 || i >= lr_steps(&s->plan)) return 0;
  describe(s, &s->plan.step[i], i, step);
  return 1;
}

static void report(const lr_session *s, const lr_run_options *o, int32_t i, uint64_t ns) {
  const struct lr_plan_step *st = &s->plan.step[i];
  lr_step step;
  describe(s, st, i, &step);
  step.ns = ns;
  for (int32_t k = 0; k < step.n_outputs; k++)
    if (lr_view_dense(&st->view[st->n_in + k])) step.outputs[k].data = st->view[st->n_in + k].data;
  o->on_step(o->user, &step);
}

/* Step i, and what watches it. When it was stopped on its way, its outputs are not looked at and its error may come from
 * that. */
static lr_status run_and_watch(lr_session *s, const lr_run_options *o, int32_t i, lr_error *error) {
  struct lr_plan_step *st = &s->plan.step[i];
  uint64_t t = o->on_step ? lr_now_ns() : 0;
  lr_status status = run_step(s, st, error);
  LR_TRY(lr_session_go_on(s, "run", i, error));
  LR_TRY(status);
  if (o->on_step) report(s, o, i, lr_now_ns() - t);
  for (int32_t k = 0; o->trap_nan && k < st->n_out; k++)
    if (!all_finite(&st->view[st->n_in + k]))
      return lr_fail(error, LR_ERR_VALUE, "%s '%s': its output '%s' has a NaN or an infinity",
                     lr_op_name(st->node->op), st->node->name, s->plan.tensor[st->out[k]].def->name);
  return LR_OK;
}

static lr_status run_steps(lr_session *s, const lr_run_options *o, lr_error *error) {
  for (int32_t i = 0; i < lr_steps(&s->plan); i++) {
    LR_TRY(lr_session_go_on(s, "run", i, error));
    LR_TRY(run_and_watch(s, o, i, error));
  }
  return lr_session_go_on(s, "run", s->plan.n_steps, error); /* from here on it is too late to stop */
}

/* ---- the end of a run: outputs that live elsewhere, then states; all of them are dense (memory.c) ---- */
static lr_status copy_outputs(lr_session *s, lr_error *error) {
  for (int32_t i = 0; i < s->n_io[LR_OUTPUT]; i++) {
    struct lr_io *io = &s->io[LR_OUTPUT][i];
    if (!io->copied) continue;
    io->type = s->plan.tensor[io->tensor].type;
    size_t bytes = lr_type_bytes(&io->type);
    if (!io->bound)
      LR_TRY(lr_io_own(s, io, bytes, error));
    else if (io->bound_bytes < bytes)
      return lr_fail(error, LR_ERR_ARGUMENT,
                     "output '%s': the bound buffer has %zu bytes, this run's result has %zu", io->def->name,
                     io->bound_bytes, bytes);
    struct lr_view src;
    LR_TRY(lr_tensor_view(s, io->tensor, &src, error));
    assert(lr_view_dense(&src));
    /* may overlap: the caller may have bound one buffer to an input and an output */
    if (bytes) memmove(io_data(io), src.data, bytes);
  }
  return LR_OK;
}

static lr_status update_states(lr_session *s, lr_error *error) {
  for (int pass = 0; pass < 2; pass++) /* first look at all of them, so that a failure changes none */
    for (int32_t i = 0; i < s->n_io[LR_STATE]; i++) {
      struct lr_io *io = &s->io[LR_STATE][i];
      if (io->def->state_source < 0) continue;
      struct lr_view src;
      LR_TRY(lr_tensor_view(s, io->def->state_source, &src, error));
      assert(lr_view_dense(&src));
      const struct lr_type *t = &s->plan.tensor[io->def->state_source].type;
      if (!pass && (t->dtype != io->type.dtype || t->rank != io->type.rank ||
                    memcmp(t->dim, io->type.dim, sizeof(lr_dim) * (size_t)t->rank))) {
        char a[96], b[96];
        return lr_fail(error, LR_ERR_VALUE, "state '%s' is %s, its new value is %s", io->def->name,
                       lr_type_text(&io->type, a, sizeof a), lr_type_text(t, b, sizeof b));
      }
      if (pass && lr_type_bytes(t)) memmove(io->own, src.data, lr_type_bytes(t));
    }
  return LR_OK;
}

lr_status lr_session_run_now(lr_session *s, const lr_run_options *o, lr_error *error) {
  if (!s->plan.ready) LR_TRY(lr_session_plan_now(s, error));
  LR_TRY(check_io(s, error));
  if (!s->plan.resolved) LR_TRY(resolve(s, error));
  lr_float_mode mode = lr_float_mode_enter();
  lr_status status = run_steps(s, o, error);
  lr_float_mode_leave(mode);
  return status ? status : copy_outputs(s, error);
}

lr_status lr_session_run(lr_session *s, const lr_run_options *options, lr_error *error) {
  if (!s) return lr_fail(error, LR_ERR_ARGUMENT, "run: session is NULL");
  lr_run_options o = {0};
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  LR_TRY(lr_session_enter(s, "run", error));
  lr_session_start(s, o.timeout_ns);
  lr_pool_enter(s->pool);
  lr_status status = lr_session_run_now(s, &o, error);
  if (!status) status = update_states(s, error);
  lr_pool_leave(s->pool);
  return lr_session_leave(s, status, error);
}
