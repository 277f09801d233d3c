#include "weights.h"

#include <stdatomic.h>

#include "loader.h"
#include "threads.h"

enum { MAX_BUCKETS = 1 << 16 };

struct slot {
  void *value;
  atomic_bool bound; /* value may be read */
};

/* Packed weights. Two nodes share them when they pack the same bytes in the same way; what else goes into the
 * packed form (bias, groups, zero points) is in the node's attributes and constant inputs, so these must be
 * the same, too. */
struct packed {
  struct packed *next;
  const struct lr_subgraph *graph;
  const struct lr_node *node;
  int32_t input;
  struct lr_packing how;
  lr_pack_fn pack;
  uint64_t bytes;
  const void *data;
};

struct lr_weights {
  lr_lock lock; /* bind, which holds it, calls lr_weights_get, which others call without */
  struct lr_arena arena;
  uint64_t bytes;
  struct slot **slot; /* [subgraph][node] */
  struct packed **bucket;
  uint32_t n_buckets; /* a power of two */
};

static lr_status no_memory(lr_error *error, const char *what) {
  return lr_fail(error, LR_ERR_MEMORY, "model: out of memory for %s", what);
}

/* ---- opening ---- */
static bool make_tables(lr_model *m, struct lr_weights *w) {
  int32_t nodes = 0;
  w->slot = lr_arena_alloc(&w->arena, (size_t)m->n_subgraphs * sizeof *w->slot);
  for (int32_t i = 0; w->slot && i < m->n_subgraphs; i++) {
    nodes += m->subgraphs[i].n_nodes;
    w->slot[i] = lr_arena_alloc(&w->arena, ((size_t)m->subgraphs[i].n_nodes + 1) * sizeof **w->slot);
    if (!w->slot[i]) return false;
  }
  w->n_buckets = 16;
  while (w->n_buckets < MAX_BUCKETS && (int32_t)w->n_buckets < nodes) w->n_buckets *= 2;
  w->bucket = lr_arena_alloc(&w->arena, w->n_buckets * sizeof *w->bucket);
  return w->slot && w->bucket;
}

lr_status lr_weights_open(lr_model *m, lr_error *error) {
  struct lr_weights *w = lr_alloc(&m->alloc, sizeof *w, LR_ALIGN);
  if (!w) return no_memory(error, "the weight cache");
  w->arena.alloc = m->alloc;
  if (LR_HAS_ANY && !lr_lock_open(&w->lock)) { /* without operators nothing in the library takes it */
    lr_free(&m->alloc, w);
    return no_memory(error, "a lock");
  }
  m->weights = w;
  return make_tables(m, w) ? LR_OK : no_memory(error, "the weight cache");
}

void lr_weights_close(lr_model *m) {
  struct lr_weights *w = m->weights;
  if (!w) return;
  if (LR_HAS_ANY) lr_lock_close(&w->lock);
  lr_arena_clear(&w->arena);
  lr_free(&m->alloc, w);
  m->weights = NULL;
}

uint64_t lr_weights_bytes(lr_model *m) {
  if (!LR_HAS_ANY) return 0; /* nor is there a lock */
  lr_lock_take(&m->weights->lock);
  uint64_t n = m->weights->bytes;
  lr_lock_give(&m->weights->lock);
  return n;
}

/* Under the lock. */
static void *keep(lr_model *m, uint64_t bytes) {
  void *p = lr_arena_alloc(&m->weights->arena, bytes < LR_ALIGN ? LR_ALIGN : bytes);
  if (p) m->weights->bytes += bytes;
  return p;
}

/* ---- constants ---- */
static lr_status check_bytes(lr_model *m, const struct lr_graph_tensor *t, const struct lr_encoding *e,
                             lr_error *error) {
  uint64_t at = (uint64_t)((const uint8_t *)e->data - m->file) - m->sections[e->section].offset;
  lr_error why = {""};
  lr_status status = lr_section_check(m, (int32_t)e->section, at, e->bytes, &why);
  return status ? lr_fail(error, status, "tensor '%.100s': %s", t->name, why.message) : LR_OK;
}

lr_status lr_weights_dense(lr_model *m, const struct lr_subgraph *g, int32_t tensor, const void **data,
                           lr_error *error) {
  const struct lr_graph_tensor *t = &g->tensors[tensor];
  assert(t->lifetime == LR_LIFE_CONST);
  for (int32_t i = 0; i < t->n_encodings; i++)
    if (!t->encodings[i].kind && t->encodings[i].data == t->data) {
      LR_TRY(check_bytes(m, t, &t->encodings[i], error));
      break;
    }
  *data = t->data;
  return LR_OK;
}

static const struct lr_graph_tensor *constant(const struct lr_subgraph *g, const struct lr_node *n,
                                              int32_t i) {
  if (i >= n->n_in || n->in[i] < 0) return NULL;
  const struct lr_graph_tensor *t = &g->tensors[n->in[i]];
  return t->lifetime == LR_LIFE_CONST ? t : NULL;
}

const void *lr_bind_const(const struct lr_bind *b, int32_t i, lr_status *status) {
  const void *data = NULL;
  lr_status s = LR_OK;
  if (constant(b->graph, b->node, i))
    s = lr_weights_dense(b->model, b->graph, b->node->in[i], &data, b->error);
  if (status) *status = s;
  return s ? NULL : data;
}

void *lr_bind_alloc(const struct lr_bind *b, uint64_t bytes) {
  lr_lock_take(&b->model->weights->lock);
  void *p = keep(b->model, bytes);
  lr_lock_give(&b->model->weights->lock);
  return p;
}

/* ---- packed weights ---- */
static bool same_tensor(const struct lr_graph_tensor *a, const struct lr_graph_tensor *b) {
  if (!a || !b) return a == b;
  return a->data == b->data && a->type.dtype == b->type.dtype && a->type.rank == b->type.rank &&
         !memcmp(a->type.dim, b->type.dim, sizeof(lr_dim) * (size_t)a->type.rank);
}

static bool same_packing(const struct lr_packing *a, const struct lr_packing *b) {
  return a->kind == b->kind && a->version == b->version && a->nr == b->nr && a->kr == b->kr &&
         a->block == b->block;
}

static bool serves(const struct packed *e, const struct packed *want) {
  if (!same_packing(&e->how, &want->how) || e->pack != want->pack || e->bytes != want->bytes ||
      e->input != want->input || e->node->op != want->node->op || e->node->n_own != want->node->n_own)
    return false;
  if (e->node == want->node && e->graph == want->graph) return true;
  if (memcmp(e->node->attrs, want->node->attrs, 4 * (size_t)lr_ops[e->node->op]->n_attrs)) return false;
  for (int32_t i = 0; i < e->node->n_own; i++)
    if (!same_tensor(constant(e->graph, e->node, i), constant(want->graph, want->node, i))) return false;
  return true;
}

/* Packed by the converter, in the file. */
static const struct lr_encoding *find_encoding(const struct lr_graph_tensor *t, const struct lr_packing *how,
                                               uint64_t bytes) {
  for (int32_t i = 0; i < t->n_encodings; i++) {
    const struct lr_encoding *e = &t->encodings[i];
    struct lr_packing its = {e->kind, e->version, e->nr, e->kr, e->block};
    if (e->kind && same_packing(&its, how) && e->bytes == bytes) return e;
  }
  return NULL;
}

/* Under the lock. */
static lr_status pack_now(const struct lr_bind *b, struct packed *e, const void *user) {
  const struct lr_graph_tensor *t = constant(b->graph, b->node, e->input);
  const struct lr_encoding *ready = find_encoding(t, &e->how, e->bytes);
  if (ready) {
    e->data = ready->data;
    return check_bytes(b->model, t, ready, b->error);
  }
  const void *dense;
  LR_TRY(lr_weights_dense(b->model, b->graph, b->node->in[e->input], &dense, b->error));
  void *to = keep(b->model, e->bytes);
  if (!to) return no_memory(b->error, "packed weights");
  e->pack(user, dense, to);
  e->data = to;
  return LR_OK;
}

static lr_status get_locked(const struct lr_bind *b, const struct packed *want, const void *user,
                            const void **data) {
  struct lr_weights *w = b->model->weights;
  uintptr_t key = (uintptr_t)constant(b->graph, b->node, want->input)->data;
  struct packed **head = &w->bucket[(key / 64 ^ key >> 20) & (w->n_buckets - 1)];
  for (struct packed *e = *head; e; e = e->next)
    if (serves(e, want)) {
      *data = e->data;
      return LR_OK;
    }
  struct packed *e = lr_arena_alloc(&w->arena, sizeof *e);
  if (!e) return no_memory(b->error, "packed weights");
  *e = *want;
  LR_TRY(pack_now(b, e, user));
  e->next = *head;
  *head = e;
  *data = e->data;
  return LR_OK;
}

lr_status lr_weights_get(const struct lr_bind *b, int32_t input, const struct lr_packing *p, uint64_t bytes,
                         lr_pack_fn pack, const void *user, const void **packed) {
  if (!constant(b->graph, b->node, input))
    return lr_fail(b->error, LR_ERR_UNSUPPORTED, "%s '%.150s': input %d must be a constant",
                   lr_op_name(b->node->op), b->node->name, input);
  struct packed want = {
      .graph = b->graph, .node = b->node, .input = input, .how = *p, .pack = pack, .bytes = bytes};
  lr_lock_take(&b->model->weights->lock);
  lr_status status = get_locked(b, &want, user, packed);
  lr_lock_give(&b->model->weights->lock);
  return status;
}

/* ---- bind ---- */
lr_status lr_weights_bind(lr_model *m, const struct lr_subgraph *g, const struct lr_node *node, void **slot,
                          lr_error *error) {
  const struct lr_impl *impl = lr_cpu_impls[node->op];
  struct slot *s = &m->weights->slot[g - m->subgraphs][node - g->nodes];
  lr_status status = LR_OK;
  if (!atomic_load_explicit(&s->bound, memory_order_acquire)) {
    lr_lock_take(&m->weights->lock);
    if (!atomic_load_explicit(&s->bound, memory_order_relaxed)) {
      struct lr_bind b = {m, g, node, &s->value, error};
      if (impl && impl->bind) status = impl->bind(&b);
      if (status)
        s->value = NULL;
      else
        atomic_store_explicit(&s->bound, true, memory_order_release);
    }
    lr_lock_give(&m->weights->lock);
  }
  *slot = status ? NULL : s->value;
  return status;
}
