/* The session API: opening, shapes, buffers, states. */
#include "needs.h"
#include "session.h"

lr_status lr_session_alloc(lr_session *s, uint64_t bytes, const char *what, void **p, lr_error *error) {
  *p = NULL;
  while (s->outer) s = s->outer; /* one limit for all */
  if (s->limit && (bytes > s->limit || s->held > s->limit - bytes))
    return lr_fail(error, LR_ERR_MEMORY,
                   "session: %s needs %llu bytes and %llu are held, the limit is %llu; raise memory_limit "
                   "or use smaller inputs",
                   what, (unsigned long long)bytes, (unsigned long long)s->held,
                   (unsigned long long)s->limit);
  if (!(*p = lr_alloc(&s->alloc, bytes ? bytes : 1, LR_ALIGN)))
    return lr_fail(error, LR_ERR_MEMORY, "session: out of memory: %s needs %llu bytes", what,
                   (unsigned long long)bytes);
  s->held += bytes;
  return LR_OK;
}

void lr_session_free(lr_session *s, void *p, size_t bytes) {
  if (!p) return;
  while (s->outer) s = s->outer;
  lr_free(&s->alloc, p);
  s->held -= bytes;
}

lr_status lr_io_own(lr_session *s, struct lr_io *io, size_t bytes, lr_error *error) {
  if (io->own && io->capacity >= bytes) return LR_OK;
  s->plan.resolved = false;
  lr_session_free(s, io->own, io->capacity);
  io->own = NULL;
  io->capacity = 0;
  LR_TRY(lr_session_alloc(s, bytes, "an input, output or state", &io->own, error));
  io->capacity = bytes;
  return LR_OK;
}

/* ---- opening ---- */
static lr_status open_io(lr_session *s, lr_error *error) {
  const struct lr_subgraph *g = s->graph;
  int32_t states = s->outer ? 0 : lr_model_count(s->model, LR_STATE);
  const int32_t count[3] = {g->n_in, g->n_out, states};
  for (int role = 0; role < 3; role++) {
    s->n_io[role] = count[role];
    s->io[role] = lr_alloc(&s->alloc, ((size_t)count[role] + 1) * sizeof(struct lr_io), LR_ALIGN);
    if (!s->io[role]) return lr_fail(error, LR_ERR_MEMORY, "session: out of memory");
  }
  for (int32_t i = 0; i < g->n_in; i++) s->io[LR_INPUT][i].tensor = g->in[i];
  for (int32_t i = 0; i < g->n_out; i++) s->io[LR_OUTPUT][i].tensor = g->out[i];
  for (int32_t i = 0, k = 0; i < g->n_tensors && k < states; i++)
    if (g->tensors[i].lifetime == LR_LIFE_STATE) s->io[LR_STATE][k++].tensor = i;
  for (int role = 0; role < 3; role++)
    for (int32_t i = 0; i < s->n_io[role]; i++) {
      struct lr_io *io = &s->io[role][i];
      io->def = &g->tensors[io->tensor];
      io->type = io->def->type;
    }
  s->symbols = lr_alloc(&s->alloc, ((size_t)s->model->n_symbols + 1) * sizeof *s->symbols, LR_ALIGN);
  return s->symbols ? LR_OK : lr_fail(error, LR_ERR_MEMORY, "session: out of memory");
}

static lr_status copy_list(lr_session *s, const void *from, size_t bytes, void **to, lr_error *error) {
  if (!(*to = lr_alloc(&s->alloc, bytes + 1, LR_ALIGN)))
    return lr_fail(error, LR_ERR_MEMORY, "session: out of memory");
  if (bytes) memcpy(*to, from, bytes);
  return LR_OK;
}

enum { PLANS = 4, MAX_PLANS = 1024 };

static lr_status keep_plans(lr_session *s, int32_t n, lr_error *error) {
  s->max_kept = n;
  s->kept = lr_alloc(&s->alloc, ((size_t)n + 1) * sizeof *s->kept, LR_ALIGN);
  return s->kept ? LR_OK : lr_fail(error, LR_ERR_MEMORY, "session: out of memory");
}

static lr_status set_options(lr_session *s, const lr_session_options *o, lr_error *error) {
  if (o->n_customs < 0 || o->n_devices < 0 || (o->n_customs && !o->customs) || (o->n_devices && !o->devices))
    return lr_fail(error, LR_ERR_ARGUMENT,
                   "session: customs or devices are NULL or their number is negative");
  for (int32_t i = 0; i < o->n_customs; i++)
    if (!o->customs[i].name || !o->customs[i].infer || !o->customs[i].run)
      return lr_fail(error, LR_ERR_ARGUMENT, "session: custom operator %d needs name, infer and run", i);
  for (int32_t i = 0; i < o->n_devices; i++)
    if (!o->devices[i]) return lr_fail(error, LR_ERR_ARGUMENT, "session: device %d is NULL", i);
  s->limit = o->memory_limit;
  s->keep_all = o->keep_all != 0;
  s->require_devices = o->require_devices != 0;
  if (o->plans < 0 || o->plans > MAX_PLANS)
    return lr_fail(error, LR_ERR_ARGUMENT, "session: plans is %d; 0 (for %d) to %d are possible", o->plans,
                   PLANS, MAX_PLANS);
  LR_TRY(keep_plans(s, (o->plans ? o->plans : PLANS) - 1, error));
  s->n_customs = o->n_customs;
  s->n_devices = o->n_devices;
  LR_TRY(copy_list(s, o->customs, (size_t)o->n_customs * sizeof *s->customs, (void **)&s->customs, error));
  LR_TRY(copy_list(s, o->devices, (size_t)o->n_devices * sizeof *s->devices, (void **)&s->devices, error));
  if (o->pool) {
    if (o->threads) return lr_fail(error, LR_ERR_ARGUMENT, "session: give `threads` or `pool`, not both");
    lr_pool_retain(s->pool = o->pool);
    return LR_OK;
  }
  lr_pool_options p = {.size = sizeof p, .threads = o->threads, .allocator = &s->alloc};
  return lr_pool_open(&p, &s->pool, error);
}

lr_status lr_session_open(lr_model *model, const lr_session_options *options, lr_session **session,
                          lr_error *error) {
  if (!model || !session) return lr_fail(error, LR_ERR_ARGUMENT, "session: model or session pointer is NULL");
  lr_session_options o = {0};
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  const lr_allocator alloc = o.allocator ? *o.allocator : model->alloc;
  LR_TRY(lr_allocator_check(&alloc, "session", error));
  if (LR_TAILORED && LR_HAS_ANY) LR_TRY(lr_needs_check(model, error));
  lr_session *s = lr_alloc(&alloc, sizeof *s, LR_ALIGN);
  if (!s) return lr_fail(error, LR_ERR_MEMORY, "session: out of memory");
  s->alloc = alloc;
  lr_model_retain(s->model = model);
  s->graph = &model->subgraphs[0];
  s->watch = &s->stop;
  lr_status status = set_options(s, &o, error);
  if (!status) status = open_io(s, error);
  if (status)
    lr_session_close(s);
  else
    *session = s;
  return status;
}

lr_status lr_session_open_inner(lr_session *outer, const struct lr_subgraph *graph, lr_session **inner,
                                lr_error *error) {
  lr_session *s = lr_alloc(&outer->alloc, sizeof *s, LR_ALIGN);
  if (!s) return lr_fail(error, LR_ERR_MEMORY, "session: out of memory");
  s->alloc = outer->alloc;
  lr_model_retain(s->model = outer->model);
  lr_pool_retain(s->pool = outer->pool);
  s->graph = graph;
  s->outer = outer;
  s->watch = outer->watch;
  s->customs = outer->customs;
  s->n_customs = outer->n_customs;
  s->devices = outer->devices;
  s->n_devices = outer->n_devices;
  s->require_devices = outer->require_devices;
  lr_status status = keep_plans(s, outer->max_kept, error);
  if (!status) status = open_io(s, error);
  if (status)
    lr_session_destroy(s);
  else
    *inner = s;
  return status;
}

void lr_session_destroy(lr_session *s) {
  lr_plans_clear(s);
  for (int role = 0; role < 3; role++) {
    for (int32_t i = 0; s->io[role] && i < s->n_io[role]; i++)
      lr_session_free(s, s->io[role][i].own, s->io[role][i].capacity);
    lr_free(&s->alloc, s->io[role]);
  }
  lr_free(&s->alloc, s->symbols);
  if (!s->outer) lr_free(&s->alloc, s->customs);
  if (!s->outer) lr_free(&s->alloc, s->devices);
  lr_pool_close(s->pool);
  lr_model_close(s->model);
  const lr_allocator alloc = s->alloc;
  lr_free(&alloc, s);
}

/* ---- shapes ---- */
/* NULL, with a sentence (status ARGUMENT), when there is no such thing. */
static struct lr_io *find_io(lr_session *s, lr_role role, int32_t index, const char *what, lr_error *error) {
  static const char names[][8] = {"inputs", "outputs", "states"};
  if (!s || (int)role < 0 || role > LR_STATE) {
    lr_fail(error, LR_ERR_ARGUMENT, "%s: no such session or role", what);
    return NULL;
  }
  if (index >= 0 && index < s->n_io[role]) return &s->io[role][index];
  lr_fail(error, LR_ERR_ARGUMENT, "%s: index %d, but the model has %d %s", what, index, s->n_io[role],
          names[role]);
  return NULL;
}

static lr_status resize(lr_session *s, struct lr_io *io, int32_t rank, const int64_t *dims, lr_error *error) {
  struct lr_type want = {.dtype = io->type.dtype, .rank = rank};
  const struct lr_type *declared = &io->def->type;
  char a[96], b[96];
  bool fits = rank == declared->rank && (dims || !rank);
  for (int32_t i = 0; i < rank && fits; i++) {
    want.dim[i] = dims[i];
    fits = dims[i] >= 0 && (declared->dim[i] < 0 || declared->dim[i] == dims[i]);
  }
  if (!fits) {
    for (int32_t i = 0; dims && i < rank && i < LR_MAX_RANK; i++) want.dim[i] = dims[i];
    if (rank < 0 || rank > LR_MAX_RANK || !dims) want.rank = 0;
    return lr_fail(error, LR_ERR_ARGUMENT, "input '%s': the shape %s (rank %d) does not fit the model's %s",
                   io->def->name, lr_type_text(&want, a, sizeof a), rank,
                   lr_type_text(declared, b, sizeof b));
  }
  if (!lr_type_check(&want))
    return lr_fail(error, LR_ERR_ARGUMENT, "input '%s': the shape %s is too large", io->def->name,
                   lr_type_text(&want, a, sizeof a));
  if (memcmp(want.dim, io->type.dim, sizeof(lr_dim) * (size_t)rank)) {
    io->type = want;
    s->plan.ready = false;
  }
  return LR_OK;
}

lr_status lr_session_resize(lr_session *s, int32_t index, int32_t rank, const int64_t *dims,
                            lr_error *error) {
  struct lr_io *io = find_io(s, LR_INPUT, index, "resize", error);
  if (!io) return LR_ERR_ARGUMENT;
  LR_TRY(lr_session_enter(s, "resize", error));
  return lr_session_leave(s, resize(s, io, rank, dims, error), error);
}

/* Sizes that the inputs give to symbols; the first input that has one decides. */
static void bind_symbols(lr_session *s) {
  for (int32_t k = 0; k < s->model->n_symbols; k++) s->symbols[k] = -1;
  for (int32_t i = 0; i < s->n_io[LR_INPUT]; i++) {
    const struct lr_io *io = &s->io[LR_INPUT][i];
    for (int32_t d = 0; d < io->type.rank; d++) {
      lr_dim k = -2 - io->def->type.dim[d];
      if (k >= 0 && k < s->model->n_symbols && s->symbols[k] < 0) s->symbols[k] = io->type.dim[d];
    }
  }
}

static lr_status size_states(lr_session *s, lr_error *error) {
  for (int32_t i = 0; i < s->n_io[LR_STATE]; i++) {
    struct lr_io *io = &s->io[LR_STATE][i];
    struct lr_type t = io->def->type;
    for (int32_t d = 0; d < t.rank; d++) {
      lr_dim k = -2 - t.dim[d];
      if (k >= 0 && k < s->model->n_symbols) t.dim[d] = s->symbols[k];
    }
    char text[96];
    if (!lr_type_check(&t) || !lr_type_known(&t))
      return lr_fail(error, LR_ERR_UNSUPPORTED,
                     "state '%s': its size %s is not known from the inputs' shapes; convert the model "
                     "with fixed dims",
                     io->def->name, lr_type_text(&t, text, sizeof text));
    if (io->own && !memcmp(t.dim, io->type.dim, sizeof(lr_dim) * (size_t)t.rank)) continue;
    io->type = t;
    LR_TRY(lr_io_own(s, io, lr_type_bytes(&t), error));
    assert(io->own);
    memset(io->own, 0, lr_type_bytes(&t)); /* a state of another size starts anew */
  }
  return LR_OK;
}

lr_status lr_session_plan_now(lr_session *s, lr_error *error) {
  for (int32_t i = 0; i < s->n_io[LR_INPUT]; i++) {
    const struct lr_io *io = &s->io[LR_INPUT][i];
    char text[96];
    if (!lr_type_known(&io->type))
      return lr_fail(error, LR_ERR_ARGUMENT,
                     "input '%s': its shape %s is not complete; call resize with the sizes first",
                     io->def->name, lr_type_text(&io->type, text, sizeof text));
  }
  bind_symbols(s);
  LR_TRY(size_states(s, error));
  return lr_plans_switch(s, error);
}

lr_status lr_session_plan(lr_session *s, lr_error *error) {
  if (!s) return lr_fail(error, LR_ERR_ARGUMENT, "plan: session is NULL");
  LR_TRY(lr_session_enter(s, "plan", error));
  lr_session_start(s, 0);
  lr_pool_enter(s->pool);
  lr_status status = s->plan.ready ? LR_OK : lr_session_plan_now(s, error);
  lr_pool_leave(s->pool);
  return lr_session_leave(s, status, error);
}

/* ---- buffers ---- */
static lr_status bind(lr_session *s, lr_role role, struct lr_io *io, void *data, size_t bytes,
                      lr_error *error) {
  if (role == LR_STATE)
    return lr_fail(error, LR_ERR_ARGUMENT,
                   "bind: states live in the session; read and write them "
                   "through lr_session_tensor");
  size_t element = lr_dtype_size(io->def->type.dtype);
  if ((uintptr_t)data % element)
    return lr_fail(error, LR_ERR_ARGUMENT, "bind '%s': the address is not a multiple of the element size %zu",
                   io->def->name, element);
  io->bound_bytes = data ? bytes : 0;
  if (io->bound == data) return LR_OK;
  io->bound = data;
  s->plan.resolved = false;
  return LR_OK;
}

lr_status lr_session_bind(lr_session *s, lr_role role, int32_t index, void *data, size_t bytes,
                          lr_error *error) {
  struct lr_io *io = find_io(s, role, index, "bind", error);
  if (!io) return LR_ERR_ARGUMENT;
  LR_TRY(lr_session_enter(s, "bind", error));
  return lr_session_leave(s, bind(s, role, io, data, bytes, error), error);
}

static lr_status get_tensor(lr_session *s, lr_role role, struct lr_io *io, lr_tensor *tensor,
                            lr_error *error) {
  lr_tensor t = {.dtype = io->type.dtype, .rank = io->type.rank};
  memcpy(t.dims, io->type.dim, sizeof t.dims);
  bool sized = lr_type_known(&io->type) && (role != LR_OUTPUT || s->plan.ready);
  if (sized) {
    t.bytes = lr_type_bytes(&io->type);
    if (!io->bound) LR_TRY(lr_io_own(s, io, t.bytes, error));
    t.data = !io->bound ? io->own : io->bound_bytes >= t.bytes ? io->bound : NULL;
  }
  *tensor = t;
  return LR_OK;
}

lr_status lr_session_tensor(lr_session *s, lr_role role, int32_t index, lr_tensor *tensor, lr_error *error) {
  struct lr_io *io = find_io(s, role, index, "tensor", error);
  if (!io) return LR_ERR_ARGUMENT;
  if (!tensor) return lr_fail(error, LR_ERR_ARGUMENT, "tensor: the result pointer is NULL");
  LR_TRY(lr_session_enter(s, "tensor", error));
  return lr_session_leave(s, get_tensor(s, role, io, tensor, error), error);
}

void lr_session_reset_state(lr_session *s) {
  if (!s || lr_session_enter(s, "reset", NULL)) return;
  for (int32_t i = 0; i < s->n_io[LR_STATE]; i++) {
    struct lr_io *io = &s->io[LR_STATE][i];
    if (io->own) memset(io->own, 0, io->capacity);
  }
  lr_session_leave(s, LR_OK, NULL);
}

uint64_t lr_session_memory(const lr_session *s) { return s ? s->held : 0; }
