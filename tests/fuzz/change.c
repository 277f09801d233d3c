/* Two kinds of damage. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../system.h"

struct file new_file(uint64_t bytes) {
  /* of the exact size, so that the sanitizer sees a read past the end */
  struct file f = {aligned_new(bytes ? (size_t)bytes : 1, 64), bytes};
  if (!f.data) abort();
  return f;
}

static struct file copy_of(const uint8_t *data, uint64_t bytes) {
  struct file f = new_file(bytes);
  memcpy(f.data, data, (size_t)bytes);
  return f;
}

/* ---- bytes ---- */
static void insert(struct file *f, uint64_t at, uint64_t n) {
  struct file g = new_file(f->bytes + n);
  memcpy(g.data, f->data, (size_t)at);
  memset(g.data + at, 0, (size_t)n);
  memcpy(g.data + at + n, f->data + at, (size_t)(f->bytes - at));
  aligned_delete(f->data);
  *f = g;
}

static void cut(struct file *f, uint64_t at, uint64_t n) {
  struct file g = new_file(f->bytes - n);
  memcpy(g.data, f->data, (size_t)at);
  memcpy(g.data + at, f->data + at + n, (size_t)(f->bytes - at - n));
  aligned_delete(f->data);
  *f = g;
}

static void one_change(struct file *f, struct rng *r) {
  if (!f->bytes) return;
  /* half of the places in the first 4 KB, where the graph begins */
  uint64_t at = below(r, next(r) & 1 && f->bytes > 4096 ? 4096 : f->bytes), rest = f->bytes - at;
  uint64_t n = 1 + below(r, rest < 64 ? rest : 64);
  switch (below(r, 7)) {
    case 0:
    case 1:
      f->data[at] ^= (uint8_t)(1u << below(r, 8));
      break;
    case 2:
      for (uint64_t i = 0; i < n; i++) f->data[at + i] = (uint8_t)next(r);
      break;
    case 3:
      memmove(f->data + at, f->data + below(r, f->bytes - n + 1), (size_t)n);
      break; /* splice */
    case 4:
      insert(f, at, n);
      break;
    case 5:
      cut(f, at, n);
      break;
    default:
      cut(f, at, rest); /* truncate */
  }
}

struct file damage_bytes(const uint8_t *data, uint64_t bytes, struct rng *r) {
  struct file f = copy_of(data, bytes);
  for (uint64_t k = 1 + below(r, 4); k; k--) one_change(&f, r);
  if (f.bytes == bytes && !memcmp(f.data, data, (size_t)bytes)) f.data[below(r, bytes)] ^= 0x10;
  return f;
}

/* ---- values ---- */
static uint64_t integer(struct rng *r, uint64_t old, int size) {
  static const int64_t edges[] = {
      0,          1,         2,         3,       4,       7,         8,
      15,         16,        31,        32,      63,      64,        127,
      128,        255,       256,       1023,    1024,    4096,      32767,
      32768,      65535,     65536,     1 << 20, 1 << 24, INT32_MAX, (int64_t)INT32_MAX + 1,
      UINT32_MAX, INT64_MAX, INT64_MIN, -1,      -2,      -3,        -4,
      -128,       -32768};
  switch (below(r, 8)) {
    case 0:
      return old + 1;
    case 1:
      return old - 1;
    case 2:
      return old ^ (uint64_t)1 << below(r, 8 * (uint64_t)size);
    case 3:
      return old * 2;
    case 4:
      return below(r, 16);
    case 5:
      return next(r);
    default:
      return (uint64_t)edges[below(r, sizeof edges / sizeof edges[0])];
  }
}

static uint64_t real_bits(struct rng *r, int size) {
  static const double values[] = {0, -0.0, 1, -1, 0.5, 2, -3, 1e-30, 1e30, 1e-45, 3.4e38, -1e9, 65504, 1e300};
  uint64_t k = below(r, sizeof values / sizeof values[0] + 3), bits = 0;
  double d = k < sizeof values / sizeof values[0] ? values[k] : 0;
  float f = d > 3.4e38 ? 3.4e38f : (float)d;
  if (size == 8)
    memcpy(&bits, &d, sizeof d);
  else
    memcpy(&bits, &f, sizeof f);
  if (size == 2) bits = next(r) & 0xffff;
  if (k < sizeof values / sizeof values[0] || size == 2) return bits;
  static const uint32_t odd[] = {0x7fc00000, 0x7f800000, 0xff800000}; /* NaN and infinities */
  return size == 8 ? (uint64_t)odd[below(r, 3)] << 32 : odd[below(r, 3)];
}

static void write_value(const struct layout *l, uint8_t *p, uint64_t bytes, const struct target *t,
                        struct rng *r) {
  uint64_t at = t->at + below(r, t->count) * t->size, old = 0;
  if (at > bytes || t->size > bytes - at) return;
  memcpy(&old, p + at, t->size);
  uint64_t v = integer(r, old, t->size);
  if ((t->kind == REAL || t->kind == WEIGHT || (t->kind == ELEMENT && t->size == 4)) && below(r, 3) == 0)
    v = real_bits(r, t->size);
  if (t->kind != WEIGHT && t->kind != TEXT && below(r, 4) == 0) { /* what the same field holds elsewhere */
    size_t first = l->first[t->kind], n = l->first[t->kind + 1] - first;
    for (int tries = 0; tries < 20; tries++) {
      const struct target *o = &l->target[first + below(r, n)];
      if (o->field != t->field || o->size != t->size || o->at + o->size > bytes) continue;
      memcpy(&v, p + o->at, t->size);
      break;
    }
  }
  memcpy(p + at, &v, t->size);
}

struct file damage_values(const struct layout *l, const uint8_t *data, uint64_t bytes, struct rng *r) {
  /* weights are the values that most often lead as far as the run */
  static const uint8_t share[TARGET_KINDS] = {[SCALAR] = 14, [REAL] = 6,   [ELEMENT] = 28, [LENGTH] = 5,
                                              [OFFSET] = 4,  [VTABLE] = 3, [TEXT] = 6,     [WEIGHT] = 34};
  struct file f = copy_of(data, bytes);
  static const uint8_t changes[] = {1, 1, 1, 1, 1, 2, 2, 3};
  uint64_t k = changes[below(r, 8)];
  for (int tries = 0; k && tries < 1000; tries++) {
    uint64_t x = below(r, 100);
    int kind = 0;
    while (x >= share[kind]) x -= share[kind++];
    size_t n = l->first[kind + 1] - l->first[kind];
    if (!n) continue;
    write_value(l, f.data, bytes, &l->target[l->first[kind] + below(r, n)], r);
    k--;
  }
  repair(l, f.data, bytes);
  return f;
}
