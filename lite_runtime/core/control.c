/* `if` and `loop`. A subgraph has a session of its own inside of the one that runs the node: its inputs are bound to the values
 * of the node, its outputs are copied out. */
#include "copy.h"
#include "session.h"

/* Memory that grows; `bytes` of it are used. */
struct lr_buffer {
  void *data;
  size_t capacity, bytes;
};
struct lr_control {
  lr_session *inner[2];
  /* of each output; of a loop: carried values between two iterations, then stacked outputs so far */
  struct lr_buffer *buffer;
};

/* Fails when the run is stopped: a part of a value is no value. */
static lr_status copy(const lr_session *s, void *to, const void *from, size_t bytes, lr_error *error) {
  const struct lr_view src = {
      .data = (void *)(uintptr_t)from, .dtype = LR_U8, .rank = 1, .dim = {(int64_t)bytes}, .stride = {1}};
  struct lr_view dst = src;
  dst.data = to;
  if (!bytes) return LR_OK;
  const struct lr_stop *outer = lr_stop_watch(s->watch);
  lr_copy_parallel(s->pool, &dst, &src);
  bool stopped = lr_stopped();
  lr_stop_watch(outer);
  return stopped ? lr_fail(error, LR_ERR_CANCELLED, "run: cancelled") : LR_OK;
}

static lr_status grow(lr_session *s, struct lr_buffer *b, uint64_t bytes, lr_error *error) {
  if (bytes <= b->capacity) return LR_OK;
  void *data;
  uint64_t wanted = bytes + b->capacity; /* at least doubles */
  LR_TRY(lr_session_alloc(s, wanted, "a value of a loop", &data, error));
  lr_status status = copy(s, data, b->data, b->bytes, error);
  lr_session_free(s, b->data, b->capacity);
  *b = (struct lr_buffer){data, (size_t)wanted, b->bytes};
  return status;
}

void lr_control_clear(lr_session *s, struct lr_plan_step *st) {
  struct lr_control *c = st->control;
  if (!c) return;
  for (int32_t k = 0; k < 2; k++)
    if (c->inner[k]) lr_session_destroy(c->inner[k]);
  for (int32_t k = 0; k < st->n_out; k++) lr_session_free(s, c->buffer[k].data, c->buffer[k].capacity);
  memset(c->buffer, 0, (size_t)st->n_out * sizeof *c->buffer);
  memset(c->inner, 0, sizeof c->inner);
}

static lr_status fail(const struct lr_plan_step *st, lr_error *error, const char *what) {
  return lr_fail(error, LR_ERR_VALUE, "%s '%s': %s", lr_op_name(st->node->op), st->node->name, what);
}

/* What the step keeps between runs, until its plan is put away, and the session of its subgraph k. */
static lr_status prepare_inner(lr_session *s, struct lr_plan_step *st, int32_t k, lr_error *error) {
  if (!st->control) {
    struct lr_control *c = lr_arena_alloc(&s->plan.arena, sizeof *c);
    if (!c) return lr_fail(error, LR_ERR_MEMORY, "run: out of memory");
    c->buffer = lr_arena_alloc(&s->plan.arena, ((size_t)st->n_out + 1) * sizeof *c->buffer);
    if (!c->buffer) return lr_fail(error, LR_ERR_MEMORY, "run: out of memory");
    st->control = c;
  }
  if (st->control->inner[k]) return LR_OK;
  return lr_session_open_inner(s, &s->model->subgraphs[st->node->subgraphs[k]], &st->control->inner[k],
                               error);
}

/* Binds input i of a subgraph. */
static lr_status give(lr_session *inner, const struct lr_plan_step *st, int32_t i, const struct lr_type *type,
                      void *data, lr_error *error) {
  struct lr_io *io = &inner->io[LR_INPUT][i];
  const struct lr_type *declared = &io->def->type;
  bool fits = type->dtype == declared->dtype && type->rank == declared->rank;
  for (int32_t d = 0; d < type->rank && fits; d++)
    fits = declared->dim[d] < 0 || declared->dim[d] == type->dim[d];
  if (!fits) {
    char a[96], b[96];
    return lr_fail(error, LR_ERR_VALUE, "%s '%s': '%.80s' is %s, its subgraph wants %s",
                   lr_op_name(st->node->op), st->node->name, io->def->name, lr_type_text(type, a, sizeof a),
                   lr_type_text(declared, b, sizeof b));
  }
  if (memcmp(io->type.dim, type->dim, sizeof(lr_dim) * (size_t)type->rank)) {
    io->type = *type;
    inner->plan.ready = false;
  }
  io->bound_bytes = lr_type_bytes(type);
  if (io->bound == data) return LR_OK;
  io->bound = data;
  inner->plan.resolved = false;
  return LR_OK;
}

static lr_status give_value(lr_session *s, lr_session *inner, struct lr_plan_step *st, int32_t from,
                            int32_t to, lr_error *error) {
  return give(inner, st, to, &s->plan.tensor[st->in[from]].type, st->view[from].data, error);
}

/* Output k of the node becomes these bytes. */
static lr_status take(lr_session *s, struct lr_plan_step *st, int32_t k, const struct lr_type *type,
                      const void *data, lr_error *error) {
  struct lr_view *v = &st->view[st->n_in + k];
  const struct lr_type *declared = &s->plan.tensor[st->out[k]].def->type; /* the next steps rely on it */
  bool fits = type->dtype == declared->dtype && type->rank == declared->rank && lr_type_check(type);
  for (int32_t d = 0; d < type->rank && fits; d++)
    fits = declared->dim[d] < 0 || declared->dim[d] == type->dim[d];
  if (!fits) {
    char a[96], b[96];
    return lr_fail(error, LR_ERR_VALUE, "%s '%s': output %d is %s, the model says %s",
                   lr_op_name(st->node->op), st->node->name, k, lr_type_text(type, a, sizeof a),
                   lr_type_text(declared, b, sizeof b));
  }
  LR_TRY(lr_tensor_make(s, st->out[k], type, error));
  LR_TRY(lr_tensor_view(s, st->out[k], v, error));
  return copy(s, v->data, data, lr_type_bytes(type), error);
}

static bool flag(const struct lr_view *v) { return *(const uint8_t *)v->data != 0; }

/* ---- if ---- */
static lr_status run_if(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  const lr_run_options o = {0};
  if (lr_view_count(&st->view[0]) != 1)
    return fail(st, error, "its condition has more than one element, or none");
  int32_t k = flag(&st->view[0]) ? 0 : 1;
  LR_TRY(prepare_inner(s, st, k, error));
  lr_session *inner = st->control->inner[k];
  for (int32_t i = 1; i < st->n_in; i++) LR_TRY(give_value(s, inner, st, i, i - 1, error));
  LR_TRY(lr_session_run_now(inner, &o, error));
  for (int32_t i = 0; i < st->n_out; i++) {
    struct lr_io *io = &inner->io[LR_OUTPUT][i];
    LR_TRY(take(s, st, i, &io->type, io->own, error));
  }
  return LR_OK;
}

/* ---- loop ---- */
struct loop {
  const struct lr_loop_attrs *a;
  int32_t first; /* value after trip and condition */
  int64_t trip, i;
  struct lr_type *type; /* of each carried value, then of one slice of each stacked output */
};

static struct lr_type slice_of(const struct lr_type *t) {
  struct lr_type y = {.dtype = t->dtype, .rank = t->rank - 1};
  memcpy(y.dim, t->dim + 1, sizeof(lr_dim) * (size_t)y.rank);
  return y;
}

static lr_status begin(lr_session *s, struct lr_plan_step *st, struct loop *l, bool *go, lr_error *error) {
  const struct lr_loop_attrs *a = l->a;
  l->first = (int32_t)a->has_trip + (int32_t)a->has_condition;
  l->trip = INT64_MAX;
  *go = true;
  for (int32_t k = 0; k < l->first; k++)
    if (lr_view_count(&st->view[k]) != 1)
      return fail(st, error, "its number of iterations or condition is not one");
  if (a->has_trip) memcpy(&l->trip, st->view[0].data, sizeof l->trip);
  if (a->has_condition) *go = flag(&st->view[l->first - 1]);
  for (int32_t k = 0; k < a->scanned; k++) {
    int64_t n = s->plan.tensor[st->in[l->first + a->carried + k]].type.dim[0];
    if (k || a->has_trip ? n != l->trip : false)
      return lr_fail(error, LR_ERR_VALUE, "loop '%s': scanned value %d has %lld slices, %lld are needed",
                     st->node->name, k, (long long)n, (long long)l->trip);
    l->trip = n;
  }
  for (int32_t k = 0; k < a->carried; k++) {
    struct lr_buffer *b = &st->control->buffer[k];
    l->type[k] = s->plan.tensor[st->in[l->first + k]].type;
    b->bytes = 0;
    LR_TRY(grow(s, b, lr_type_bytes(&l->type[k]) + 1, error));
    b->bytes = lr_type_bytes(&l->type[k]);
    LR_TRY(copy(s, b->data, st->view[l->first + k].data, b->bytes, error));
  }
  for (int32_t k = a->carried; k < st->n_out; k++) st->control->buffer[k].bytes = 0;
  return LR_OK;
}

static lr_status give_all(lr_session *s, struct lr_plan_step *st, struct loop *l, lr_error *error) {
  const struct lr_loop_attrs *a = l->a;
  lr_session *inner = st->control->inner[0];
  const struct lr_type counter = {.dtype = LR_I64};
  LR_TRY(give(inner, st, 0, &counter, &l->i, error));
  for (int32_t k = 0; k < a->carried; k++)
    LR_TRY(give(inner, st, 1 + k, &l->type[k], st->control->buffer[k].data, error));
  for (int32_t k = a->carried; k < a->carried + a->scanned; k++) {
    struct lr_type slice = slice_of(&s->plan.tensor[st->in[l->first + k]].type);
    char *data = (char *)st->view[l->first + k].data + (size_t)l->i * lr_type_bytes(&slice);
    LR_TRY(give(inner, st, 1 + k, &slice, data, error));
  }
  for (int32_t k = a->carried + a->scanned; k < st->n_in - l->first; k++)
    LR_TRY(give_value(s, inner, st, l->first + k, 1 + k, error));
  return LR_OK;
}

/* Keeps what an iteration made. */
static lr_status keep_all(lr_session *s, struct lr_plan_step *st, struct loop *l, lr_error *error) {
  lr_session *inner = st->control->inner[0];
  for (int32_t k = 0; k < st->n_out; k++) {
    struct lr_io *io = &inner->io[LR_OUTPUT][k + 1];
    struct lr_buffer *b = &st->control->buffer[k];
    size_t bytes = lr_type_bytes(&io->type);
    bool stacked = k >= l->a->carried;
    if (stacked && l->i && memcmp(l->type[k].dim, io->type.dim, sizeof(lr_dim) * (size_t)io->type.rank)) {
      char x[96], y[96];
      return lr_fail(error, LR_ERR_VALUE,
                     "loop '%s': output %d is %s now and was %s, so they cannot be stacked", st->node->name,
                     k, lr_type_text(&io->type, x, sizeof x), lr_type_text(&l->type[k], y, sizeof y));
    }
    l->type[k] = io->type;
    if (!stacked) b->bytes = 0;
    LR_TRY(grow(s, b, (uint64_t)b->bytes + bytes + 1, error));
    LR_TRY(copy(s, (char *)b->data + b->bytes, io->own, bytes, error));
    b->bytes += bytes;
  }
  return LR_OK;
}

static lr_status end(lr_session *s, struct lr_plan_step *st, struct loop *l, lr_error *error) {
  for (int32_t k = 0; k < st->n_out; k++) {
    struct lr_type t = l->type[k];
    if (k >= l->a->carried) {
      if (!l->i) { /* no iteration said what a slice is */
        t = st->control->inner[0]->io[LR_OUTPUT][k + 1].def->type;
        for (int32_t d = 0; d < t.rank; d++) t.dim[d] = t.dim[d] < 0 ? 0 : t.dim[d];
      }
      memmove(t.dim + 1, t.dim, sizeof(lr_dim) * (size_t)t.rank++);
      t.dim[0] = l->i;
    }
    LR_TRY(take(s, st, k, &t, st->control->buffer[k].data, error));
  }
  return LR_OK;
}

static lr_status run_loop(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  const lr_run_options o = {0};
  struct loop l = {.a = st->node->attrs};
  bool go;
  LR_TRY(prepare_inner(s, st, 0, error));
  lr_session *inner = st->control->inner[0];
  lr_arena_clear(&st->arena);
  l.type = lr_arena_alloc(&st->arena, ((size_t)st->n_out + 1) * sizeof *l.type);
  if (!l.type) return lr_fail(error, LR_ERR_MEMORY, "run: out of memory");
  LR_TRY(begin(s, st, &l, &go, error));
  for (; go && l.i < l.trip; l.i++) {
    LR_TRY(give_all(s, st, &l, error));
    LR_TRY(lr_session_run_now(inner, &o, error));
    LR_TRY(keep_all(s, st, &l, error));
    const struct lr_io *next = &inner->io[LR_OUTPUT][0];
    if (lr_type_count(&next->type) != 1)
      return fail(st, error, "its condition has more than one element, or none");
    go = *(const uint8_t *)next->own != 0;
  }
  return end(s, st, &l, error);
}

lr_status lr_control_run(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  for (int32_t i = 0; i < st->n_in; i++) LR_TRY(lr_tensor_view(s, st->in[i], &st->view[i], error));
  return st->node->op == LR_OP_IF ? run_if(s, st, error) : run_loop(s, st, error);
}
