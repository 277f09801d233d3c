/* Walks the tables of a file by the schema. What lies outside of the file reads as 0, and a file that refers to the
 * same things again and again is not walked to its end: libFuzzer's mutator gives any bytes. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lr_ops.h"

enum kind { INTEGER, FLOAT, STRING, TABLE, STRUCT };
static const struct field {
  int table, id, kind, vector, size, sub;
} schema[] = {
#define X(table, field, id, kind, vector, size, sub) {table, id, kind, vector, size, sub},
    LR_FB_SCHEMA(X)
#undef X
};
enum { FIELDS = sizeof schema / sizeof schema[0], MAX_TARGETS = 1 << 20, MAX_DEPTH = 32 };

struct bytes {
  const uint8_t *p;
  uint64_t n;
};

static uint64_t get(const struct bytes *f, uint64_t at, int size) {
  uint64_t v = 0;
  if (at <= f->n && (uint64_t)size <= f->n - at) memcpy(&v, f->p + at, (size_t)size);
  return v;
}

static void add(struct layout *l, enum target_kind kind, int size, int field, uint64_t at, uint64_t count) {
  if (!count || l->n >= MAX_TARGETS) return;
  if (l->n == l->max) {
    l->max = l->max ? 2 * l->max : 256;
    l->target = realloc(l->target, l->max * sizeof *l->target);
    if (!l->target) abort();
  }
  l->target[l->n++] = (struct target){kind, (uint8_t)size, (uint16_t)field, at, count};
}

static uint64_t field_at(const struct bytes *p, uint64_t t, int id) {
  uint64_t vtable = t - (uint64_t)(int64_t)(int32_t)get(p, t, 4);
  if (4 + 2 * (uint64_t)id + 2 > get(p, vtable, 2)) return 0;
  uint64_t offset = get(p, vtable + 4 + 2 * (uint64_t)id, 2);
  return offset ? t + offset : 0;
}

static uint64_t scalar(const struct bytes *p, uint64_t t, int id, int size) {
  uint64_t at = field_at(p, t, id);
  return at ? get(p, at, size) : 0;
}

static void walk_table(struct layout *l, const struct bytes *p, int table, uint64_t t, int depth);

static void walk_vector(struct layout *l, const struct bytes *p, const struct field *f, int name, uint64_t v,
                        int depth) {
  uint64_t n = get(p, v, 4);
  if (n > p->n) n = 0;
  add(l, LENGTH, 4, name, v, 1);
  if (f->kind == INTEGER || f->kind == FLOAT) {
    for (uint64_t i = 0; i < n; i++) add(l, ELEMENT, f->size, name, v + 4 + i * (uint64_t)f->size, 1);
    return;
  }
  for (uint64_t i = 0; i < n; i++) {
    uint64_t at = v + 4 + 4 * i, to = at + get(p, at, 4);
    add(l, OFFSET, 4, name, at, 1);
    if (f->kind == TABLE)
      walk_table(l, p, f->sub, to, depth + 1);
    else
      add(l, TEXT, 1, name, to + 4, get(p, to, 4));
  }
}

static void walk_field(struct layout *l, const struct bytes *p, const struct field *f, uint64_t at,
                       int depth) {
  int name = f->table * 64 + f->id;
  if (f->kind == STRUCT && !f->vector) {
    for (int i = 0; i < 2; i++)
      add(l, SCALAR, 8, name, at + 8 * (uint64_t)i, 1); /* the hash is repaired anyway */
    return;
  }
  if (!f->vector && f->kind <= FLOAT) {
    add(l, f->kind == FLOAT ? REAL : SCALAR, f->size, name, at, 1);
    return;
  }
  uint64_t to = at + get(p, at, 4);
  add(l, OFFSET, 4, name, at, 1);
  if (f->vector) {
    walk_vector(l, p, f, name, to, depth);
  } else if (f->kind == STRING) {
    add(l, LENGTH, 4, name, to, 1);
    add(l, TEXT, 1, name, to + 4, get(p, to, 4));
  } else {
    walk_table(l, p, f->sub, to, depth + 1);
  }
}

static void walk_table(struct layout *l, const struct bytes *p, int table, uint64_t t, int depth) {
  if (depth > MAX_DEPTH || l->n >= MAX_TARGETS) return;
  uint64_t vtable = t - (uint64_t)(int64_t)(int32_t)get(p, t, 4);
  add(l, OFFSET, 4, table * 64 + 63, t, 1);
  for (uint64_t i = 0; i < get(p, vtable, 2) / 2; i++) add(l, VTABLE, 2, table * 64 + 62, vtable + 2 * i, 1);
  for (int i = 0; i < FIELDS; i++) {
    uint64_t at = schema[i].table == table ? field_at(p, t, schema[i].id) : 0;
    if (at) walk_field(l, p, &schema[i], at, depth);
  }
}

/* The bytes of constants, one target each, in elements of their dtype (DESIGN of mutations: indices, sizes
 * and scales are constants, too). */
static void walk_weights(struct layout *l, const struct bytes *p, uint64_t model) {
  static const uint8_t sizes[16] = {[LR_F32] = 4, [LR_F16] = 2, [LR_BF16] = 2, [LR_F64] = 8, [LR_I16] = 2,
                                    [LR_U16] = 2, [LR_I32] = 4, [LR_U32] = 4,  [LR_I64] = 8, [LR_U64] = 8};
  uint64_t graphs = field_at(p, model, LR_FB_MODEL_SUBGRAPHS);
  graphs += get(p, graphs, 4);
  for (uint64_t g = 0; g < get(p, graphs, 4) && g < p->n; g++) {
    uint64_t at = graphs + 4 + 4 * g, graph = at + get(p, at, 4);
    uint64_t tensors = field_at(p, graph, LR_FB_SUBGRAPH_TENSORS);
    if (!tensors) continue;
    tensors += get(p, tensors, 4);
    for (uint64_t i = 0; i < get(p, tensors, 4) && i < p->n && l->n < MAX_TARGETS; i++) {
      uint64_t ref = tensors + 4 + 4 * i, t = ref + get(p, ref, 4),
               e = field_at(p, t, LR_FB_TENSOR_ENCODINGS);
      uint8_t size = sizes[scalar(p, t, LR_FB_TENSOR_DTYPE, 1) & 15];
      if (!e) continue;
      e += get(p, e, 4);
      for (uint64_t k = 0; k < get(p, e, 4) && k < p->n && l->n < MAX_TARGETS; k++) {
        uint64_t x = e + 4 + 4 * k + get(p, e + 4 + 4 * k, 4);
        uint64_t bytes = scalar(p, x, LR_FB_ENCODING_SIZE, 8);
        uint64_t section = scalar(p, x, LR_FB_ENCODING_SECTION, 4);
        if (section >= l->n_sections || bytes > p->n) continue;
        uint64_t from = l->section[section].offset + scalar(p, x, LR_FB_ENCODING_OFFSET, 8);
        add(l, WEIGHT, size ? size : 1, 0, from, bytes / (size ? size : 1));
      }
    }
  }
}

static void walk_sections(struct layout *l, const struct bytes *p, uint64_t model) {
  uint64_t v = field_at(p, model, LR_FB_MODEL_SECTIONS);
  if (!v) return;
  v += get(p, v, 4);
  l->n_sections = get(p, v, 4);
  if (l->n_sections > p->n / 4) l->n_sections = 0;
  l->section = calloc(l->n_sections + 1, sizeof *l->section);
  if (!l->section) abort();
  for (uint64_t i = 0; i < l->n_sections; i++) {
    uint64_t t = v + 4 + 4 * i + get(p, v + 4 + 4 * i, 4), h = field_at(p, t, LR_FB_SECTION_HASHES);
    l->section[i] = (struct section){scalar(p, t, LR_FB_SECTION_OFFSET, 8),
                                     scalar(p, t, LR_FB_SECTION_SIZE, 8), h ? h + get(p, h, 4) + 4 : 0};
  }
}

static int by_kind(const void *a, const void *b) {
  const struct target *x = a, *y = b;
  if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

struct layout walk(const uint8_t *file, uint64_t bytes) {
  struct layout l = {0};
  struct bytes f = {file, bytes}, *p = &f;
  uint64_t model = get(p, 0, 4), integrity = field_at(p, model, LR_FB_MODEL_INTEGRITY);
  l.graph_bytes = get(p, integrity, 8);
  l.hash_at = integrity + 16;
  add(&l, OFFSET, 4, 63, 0, 1);
  walk_sections(&l, p, model);
  walk_table(&l, p, LR_FB_TABLE_MODEL, model, 0);
  walk_weights(&l, p, model);
  qsort(l.target, l.n, sizeof *l.target, by_kind);
  for (size_t i = 0, k = 0; k <= TARGET_KINDS; k++) {
    while (i < l.n && l.target[i].kind < k) i++;
    l.first[k] = i;
  }
  return l;
}

void free_layout(struct layout *l) {
  free(l->target);
  free(l->section);
}

static bool within(uint64_t at, uint64_t n, uint64_t bytes) { return at <= bytes && n <= bytes - at; }

void repair(const struct layout *l, uint8_t *p, uint64_t bytes) {
  for (size_t i = 0; i < l->n_sections; i++) {
    const struct section *s = &l->section[i];
    if (!within(s->offset, s->bytes, bytes)) continue;
    for (uint64_t c = 0; c * (1 << 20) < s->bytes; c++) {
      uint64_t from = c << 20, n = s->bytes - from < 1 << 20 ? s->bytes - from : 1 << 20;
      if (!within(s->hashes_at, 8 * c + 8, bytes)) break;
      uint64_t h = lr_tool_hash(p + s->offset + from, (size_t)n);
      memcpy(p + s->hashes_at + 8 * c, &h, sizeof h);
    }
  }
  if (!within(l->hash_at, 8, bytes) || l->graph_bytes > bytes) return;
  memset(p + l->hash_at, 0, 8);
  uint64_t h = lr_tool_hash(p, (size_t)l->graph_bytes);
  memcpy(p + l->hash_at, &h, sizeof h);
}
