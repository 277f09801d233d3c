/* From the flatbuffer to the structs of graph.h: strings, lists, subgraphs. load_tensor.c and load_node.c
 * have the rest. */
#include "load.h"

#include <stdio.h>

lr_status lr_load_fail(struct lr_loader *l, lr_status s, const char *what, uint32_t i, const char *name,
                       const char *format, ...) {
  char front[400];
  snprintf(front, sizeof front, "%s: %s %u '%.150s'", l->where, what, i, name);
  va_list args;
  va_start(args, format);
  lr_fail_in(l->error, s, front, format, args);
  va_end(args);
  return s;
}

void *lr_loader_alloc(struct lr_loader *l, uint64_t n, size_t size, lr_status *status) {
  uint64_t bytes;
  *status = LR_OK;
  if (lr_mul_overflows(n, size, &bytes) || !fb_charge(&l->fb, bytes)) {
    *status = lr_fail(l->error, LR_ERR_MODEL,
                      "%s: damaged: the graph refers to the same things again and again; convert the model "
                      "again",
                      l->where);
    return NULL;
  }
  void *p = lr_arena_alloc(l->arena, bytes + 1);
  if (!p) *status = lr_fail(l->error, LR_ERR_MEMORY, "%s: out of memory for the graph", l->where);
  return p;
}

/* ---- strings ---- */
static lr_status keep_string(struct lr_loader *l, uint64_t at, uint32_t n, const char **s) {
  const uint8_t *p = l->fb.p + at;
  bool good = fb_u8(&l->fb, at + n) == 0; /* ends with NUL, as the format says: may be used in place */
  if (l->fb.bad) return lr_loader_bad(l);
  for (uint32_t i = 0, k; i < n && good; i += k) good = (k = lr_utf8_length(p + i, n - i)) > 0;
  *s = (const char *)p;
  if (good) return LR_OK;
  lr_status status;
  char *copy = lr_loader_alloc(l, (uint64_t)n + 1, 1, &status);
  if (!copy) return status;
  for (uint32_t i = 0; i < n;) {
    uint32_t k = lr_utf8_length(p + i, n - i);
    if (!k)
      copy[i] = '?';
    else
      memcpy(copy + i, p + i, k);
    i += k ? k : 1;
  }
  *s = copy;
  return LR_OK;
}

lr_status lr_loader_string(struct lr_loader *l, uint64_t table, unsigned id, const char **s) {
  uint32_t n;
  uint64_t at = fb_vector(&l->fb, table, id, 1, &n);
  *s = "";
  if (l->fb.bad) return lr_loader_bad(l);
  return at ? keep_string(l, at, n, s) : LR_OK;
}

static lr_status load_symbols(struct lr_loader *l) {
  uint32_t n, length;
  uint64_t v = fb_vector(&l->fb, l->root, LR_FB_MODEL_SYMBOLS, 4, &n);
  if (n > LR_MAX_SYMBOLS)
    return lr_fail(l->error, LR_ERR_MODEL, "%s: it has %u symbols, at most %d are possible", l->where, n,
                   LR_MAX_SYMBOLS);
  lr_status status;
  const char **s = l->model->symbols = lr_loader_alloc(l, n, sizeof *s, &status);
  if (!s) return status;
  for (uint32_t i = 0; i < n; i++) {
    uint64_t at = fb_table(&l->fb, v, i);
    length = fb_u32(&l->fb, at);
    if (!fb_in(&l->fb, at + 4, length) || !fb_charge(&l->fb, length)) return lr_loader_bad(l);
    LR_TRY(keep_string(l, at + 4, length, &s[i]));
  }
  l->model->n_symbols = (int32_t)n;
  return LR_OK;
}

static lr_status load_metadata(struct lr_loader *l) {
  uint32_t n;
  uint64_t v = fb_vector(&l->fb, l->root, LR_FB_MODEL_METADATA, 4, &n);
  lr_status status;
  const char **s = l->model->metadata = lr_loader_alloc(l, n, 2 * sizeof *s, &status);
  if (!s) return status;
  for (uint32_t i = 0; i < n; i++, s += 2) {
    uint64_t t = fb_table(&l->fb, v, i);
    LR_TRY(lr_loader_string(l, t, LR_FB_KEYVALUE_KEY, &s[0]));
    LR_TRY(lr_loader_string(l, t, LR_FB_KEYVALUE_VALUE, &s[1]));
  }
  l->model->n_metadata = (int32_t)n;
  return LR_OK;
}

/* ---- subgraphs ---- */
lr_status lr_load_indices(struct lr_loader *l, uint64_t table, unsigned id, int64_t lowest, int64_t limit,
                          const char *what, const int32_t **list, int32_t *count, int32_t room) {
  uint32_t n;
  uint64_t v = fb_vector(&l->fb, table, id, 4, &n);
  if (l->fb.bad) return lr_loader_bad(l);
  if (n > (1u << 24))
    return lr_fail(l->error, LR_ERR_MODEL, "%s: %s: there are too many (%u)", l->where, what, n);
  int32_t total = (int32_t)n > room ? (int32_t)n : room;
  lr_status status;
  int32_t *p = lr_loader_alloc(l, (uint64_t)total, sizeof *p, &status);
  if (!p) return status;
  if (n) memcpy(p, l->fb.p + v, n * sizeof *p);
  for (uint32_t i = 0; i < n; i++)
    if (p[i] < lowest || p[i] >= limit)
      return lr_fail(l->error, LR_ERR_MODEL,
                     "%s: %s: entry %u is %d, it must be below %lld; convert the model again", l->where, what,
                     i, p[i], (long long)limit);
  for (int32_t i = (int32_t)n; i < total; i++) p[i] = -1;
  *list = p;
  *count = total;
  return LR_OK;
}

static lr_status load_subgraph(struct lr_loader *l, uint64_t t, struct lr_subgraph *g) {
  struct fb *f = &l->fb;
  uint32_t n_tensors, n_nodes, n_captures;
  uint64_t tensors = fb_vector(f, t, LR_FB_SUBGRAPH_TENSORS, 4, &n_tensors);
  uint64_t nodes = fb_vector(f, t, LR_FB_SUBGRAPH_NODES, 4, &n_nodes);
  fb_vector(f, t, LR_FB_SUBGRAPH_CAPTURES, 4, &n_captures);
  LR_TRY(lr_loader_string(l, t, LR_FB_SUBGRAPH_NAME, &g->name));
  if (n_captures)
    return lr_fail(l->error, LR_ERR_UNSUPPORTED,
                   "%s: subgraph '%.100s' captures tensors, which no operator of this version does", l->where,
                   g->name);
  if (n_tensors > LR_MAX_TENSORS - (uint32_t)l->n_tensors || n_nodes > LR_MAX_NODES - (uint32_t)l->n_nodes)
    return lr_fail(l->error, LR_ERR_MODEL, "%s: more than %d tensors or %d nodes", l->where, LR_MAX_TENSORS,
                   LR_MAX_NODES);
  l->n_tensors += g->n_tensors = (int32_t)n_tensors;
  l->n_nodes += g->n_nodes = (int32_t)n_nodes;
  lr_status status;
  if (!(g->tensors = lr_loader_alloc(l, n_tensors, sizeof *g->tensors, &status))) return status;
  if (!(g->nodes = lr_loader_alloc(l, n_nodes, sizeof *g->nodes, &status))) return status;
  for (uint32_t i = 0; i < n_tensors; i++)
    LR_TRY(lr_load_tensor(l, fb_table(f, tensors, i), i, &g->tensors[i]));
  LR_TRY(lr_load_indices(l, t, LR_FB_SUBGRAPH_INPUTS, 0, g->n_tensors, "inputs of the graph", &g->in,
                         &g->n_in, 0));
  LR_TRY(lr_load_indices(l, t, LR_FB_SUBGRAPH_OUTPUTS, 0, g->n_tensors, "outputs of the graph", &g->out,
                         &g->n_out, 0));
  for (uint32_t i = 0; i < n_nodes; i++) LR_TRY(lr_load_node(l, fb_table(f, nodes, i), g, &g->nodes[i]));
  return f->bad ? lr_loader_bad(l) : LR_OK;
}

static lr_status check_entries(struct lr_loader *l) {
  uint32_t n;
  uint64_t v = fb_vector(&l->fb, l->root, LR_FB_MODEL_ENTRIES, 4, &n);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t g = fb_get_u32(&l->fb, fb_table(&l->fb, v, i), LR_FB_ENTRY_SUBGRAPH, 0);
    if (l->fb.bad) return lr_loader_bad(l);
    if (g >= (uint32_t)l->model->n_subgraphs || (!i && g))
      return lr_fail(l->error, LR_ERR_MODEL,
                     "%s: entry point %u is subgraph %u; the first one must be 0, the others below %d",
                     l->where, i, g, l->model->n_subgraphs);
    if (i)
      return lr_fail(l->error, LR_ERR_UNSUPPORTED,
                     "%s: it has %u entry points, this version runs models with one", l->where, n);
  }
  return LR_OK;
}

lr_status lr_load(struct lr_loader *l) {
  uint32_t n;
  LR_TRY(load_symbols(l));
  LR_TRY(load_metadata(l));
  uint64_t v = fb_vector(&l->fb, l->root, LR_FB_MODEL_SUBGRAPHS, 4, &n);
  if (l->fb.bad) return lr_loader_bad(l);
  if (!n || n > LR_MAX_SUBGRAPHS)
    return lr_fail(l->error, LR_ERR_MODEL, "%s: it has %u graphs, 1 to %d are possible", l->where, n,
                   LR_MAX_SUBGRAPHS);
  lr_status status;
  lr_model *m = l->model;
  if (!(m->subgraphs = lr_loader_alloc(l, n, sizeof *m->subgraphs, &status))) return status;
  m->n_subgraphs = (int32_t)n;
  for (uint32_t i = 0; i < n; i++) LR_TRY(load_subgraph(l, fb_table(&l->fb, v, i), &m->subgraphs[i]));
  return check_entries(l);
}
