/* The model API: opening, facts, closing. */
#include "loader.h"
#include "weights.h"

struct opening {
  lr_model_options options;
  lr_allocator alloc;
  struct lr_source source;
};

static lr_status start(struct opening *o, const lr_model_options *options, lr_model **model,
                       lr_error *error) {
  *o = (struct opening){.alloc = lr_malloc_allocator};
  if (!model) return lr_fail(error, LR_ERR_ARGUMENT, "model: the result pointer is NULL");
  if (options)
    memcpy(&o->options, options, options->size < sizeof o->options ? options->size : sizeof o->options);
  if (o->options.verify > LR_VERIFY_NONE)
    return lr_fail(error, LR_ERR_ARGUMENT, "model: verify is %u; use LR_VERIFY_DEFAULT or LR_VERIFY_NONE",
                   o->options.verify);
  if (o->options.allocator) o->alloc = *o->options.allocator;
  LR_TRY(lr_allocator_check(&o->alloc, "model", error));
  o->source.alloc = o->alloc;
  return LR_OK;
}

static void destroy(lr_model *m) {
  const lr_allocator alloc = m->alloc;
  lr_weights_close(m);
  if (m->source) lr_source_close(m->source);
  if (m->arena) lr_arena_clear(m->arena);
  lr_free(&alloc, m->arena);
  lr_free(&alloc, m->source);
  lr_free(&alloc, m);
}

/* The model with its source, which it owns from now on (on failure too). */
static lr_model *new_model(struct opening *o) {
  lr_model *m = lr_alloc(&o->alloc, sizeof *m, LR_ALIGN);
  struct lr_source *source = lr_alloc(&o->alloc, sizeof *source, LR_ALIGN);
  struct lr_arena *arena = lr_alloc(&o->alloc, sizeof *arena, LR_ALIGN);
  if (!m || !source || !arena) {
    lr_source_close(&o->source);
    lr_free(&o->alloc, m);
    lr_free(&o->alloc, source);
    lr_free(&o->alloc, arena);
    return NULL;
  }
  *source = o->source;
  arena->alloc = o->alloc;
  *m = (lr_model){.alloc = o->alloc,
                  .cpu = lr_cpu_allowed(o->options.cpu_mask),
                  .verify = o->options.verify,
                  .log = o->options.log,
                  .log_user = o->options.log_user,
                  .file = source->data,
                  .bytes = source->bytes,
                  .source = source,
                  .arena = arena,
                  .refs = 1};
  return m;
}

static lr_status finish(struct opening *o, lr_model **model, lr_error *error) {
  lr_model *m = new_model(o);
  if (!m) return lr_fail(error, LR_ERR_MEMORY, "model: out of memory");
  struct lr_loader l = {.model = m, .arena = m->arena, .where = m->source->name, .error = error};
  lr_status status = lr_container_open(&l);
  if (!status) status = lr_load(&l);
  if (!status) status = lr_weights_open(m, error);
  if (!status) status = lr_verify(&l);
  if (status)
    destroy(m);
  else
    *model = m;
  return status;
}

lr_status lr_model_open(const char *path, const lr_model_options *options, lr_model **model,
                        lr_error *error) {
  struct opening o;
  LR_TRY(start(&o, options, model, error));
  LR_TRY(lr_source_path(&o.source, path, error));
  return finish(&o, model, error);
}

lr_status lr_model_open_memory(const void *data, size_t bytes, const lr_model_options *options,
                               lr_model **model, lr_error *error) {
  struct opening o;
  LR_TRY(start(&o, options, model, error));
  LR_TRY(lr_source_memory(&o.source, data, bytes, error));
  return finish(&o, model, error);
}

lr_status lr_model_open_fd(int fd, uint64_t offset, uint64_t bytes, const lr_model_options *options,
                           lr_model **model, lr_error *error) {
  struct opening o;
  LR_TRY(start(&o, options, model, error));
  LR_TRY(lr_source_fd(&o.source, fd, offset, bytes, error));
  return finish(&o, model, error);
}

lr_status lr_model_open_reader(lr_read_fn read, void *user, uint64_t bytes, const lr_model_options *options,
                               lr_model **model, lr_error *error) {
  struct opening o;
  LR_TRY(start(&o, options, model, error));
  LR_TRY(lr_source_reader(&o.source, read, user, bytes, error));
  return finish(&o, model, error);
}

void lr_model_retain(lr_model *m) { __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED); }

void lr_model_close(lr_model *m) {
  if (m && !__atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL)) destroy(m);
}

/* ---- facts ---- */
int32_t lr_model_count(const lr_model *m, lr_role role) {
  if (!m) return 0;
  const struct lr_subgraph *g = &m->subgraphs[0];
  if (role == LR_INPUT) return g->n_in;
  if (role == LR_OUTPUT) return g->n_out;
  int32_t n = 0;
  for (int32_t i = 0; role == LR_STATE && i < g->n_tensors; i++) n += g->tensors[i].lifetime == LR_LIFE_STATE;
  return n;
}

lr_status lr_model_info(const lr_model *m, lr_role role, int32_t index, lr_tensor_info *info,
                        lr_error *error) {
  static const char names[][8] = {"inputs", "outputs", "states"};
  if (!m || !info || (int)role < 0 || role > LR_STATE)
    return lr_fail(error, LR_ERR_ARGUMENT,
                   "model info: the model or the result pointer is NULL, or there is no such role");
  int32_t n = lr_model_count(m, role);
  if (index < 0 || index >= n)
    return lr_fail(error, LR_ERR_ARGUMENT, "model info: index %d, but the model has %d %s", index, n,
                   names[role]);
  const struct lr_subgraph *g = &m->subgraphs[0];
  int32_t i = 0;
  if (role != LR_STATE)
    i = role == LR_INPUT ? g->in[index] : g->out[index];
  else
    for (int32_t k = 0; k <= index; i++) k += g->tensors[i].lifetime == LR_LIFE_STATE;
  const struct lr_graph_tensor *t = &g->tensors[role == LR_STATE ? i - 1 : i];
  *info = (lr_tensor_info){.name = t->name, .dtype = t->type.dtype, .rank = t->type.rank};
  memcpy(info->dims, t->type.dim, sizeof info->dims);
  return LR_OK;
}

const char *lr_model_symbol(const lr_model *m, int32_t k) {
  return m && k >= 0 && k < m->n_symbols ? m->symbols[k] : NULL;
}

int32_t lr_model_metadata(const lr_model *m, int32_t i, const char **key, const char **value) {
  if (!m || !key || !value || i < 0 || i >= m->n_metadata) return 0;
  *key = m->metadata[2 * i];
  *value = m->metadata[2 * i + 1];
  return 1;
}
