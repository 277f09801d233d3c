/* Reading a flatbuffer that may hold anything. Positions are offsets from the start, 0 for what is absent;
 * every accessor returns zero and sets `bad` when the file points outside of itself. Nothing needs to be
 * aligned. Depth is no concern: the caller follows the schema.
 *
 * A file may refer to one object from many places. `budget` bounds the work and memory that this can cost:
 * strings, vectors and the structs made from them are charged against it, and a file that uses it up is `bad`
 * too. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fb {
  const uint8_t *p;
  uint64_t size, budget;
  bool bad;
};

static inline bool fb_in(struct fb *f, uint64_t at, uint64_t bytes) {
  if (at > f->size || bytes > f->size - at) f->bad = true;
  return !f->bad;
}

static inline bool fb_charge(struct fb *f, uint64_t bytes) {
  if (bytes > f->budget)
    f->bad = true;
  else
    f->budget -= bytes;
  return !f->bad;
}

#define FB_READ(name, type)                                      \
  static inline type fb_##name(struct fb *f, uint64_t at) {      \
    type v = 0;                                                  \
    if (fb_in(f, at, sizeof v)) memcpy(&v, f->p + at, sizeof v); \
    return v;                                                    \
  }
FB_READ(u8, uint8_t)
FB_READ(u16, uint16_t)
FB_READ(u32, uint32_t)
FB_READ(i32, int32_t)
FB_READ(u64, uint64_t)
#undef FB_READ

/* Where field `id` of table `t` is stored; 0 when the writer left it out. */
static inline uint64_t fb_field(struct fb *f, uint64_t t, unsigned id) {
  if (!t) return 0;
  int64_t vtable = (int64_t)t - fb_i32(f, t);
  if (f->bad || vtable <= 0) {
    f->bad = true;
    return 0;
  }
  uint64_t slot = 4 + 2 * (uint64_t)id;
  if (slot + 2 > fb_u16(f, (uint64_t)vtable)) return 0;
  uint16_t offset = fb_u16(f, (uint64_t)vtable + slot);
  return offset && !f->bad ? t + offset : 0;
}

/* Scalar fields with the schema's default. */
#define FB_SCALAR(name, type)                                                             \
  static inline type fb_get_##name(struct fb *f, uint64_t t, unsigned id, type missing) { \
    uint64_t at = fb_field(f, t, id);                                                     \
    return at ? fb_##name(f, at) : missing;                                               \
  }
FB_SCALAR(u8, uint8_t)
FB_SCALAR(u16, uint16_t)
FB_SCALAR(u32, uint32_t)
FB_SCALAR(i32, int32_t)
FB_SCALAR(u64, uint64_t)
#undef FB_SCALAR

/* What the reference stored at `at` points at. */
static inline uint64_t fb_ref(struct fb *f, uint64_t at) {
  if (!at) return 0;
  uint32_t offset = fb_u32(f, at);
  if (!offset) f->bad = true;
  return f->bad ? 0 : at + offset;
}

/* Vector in field `id`: position of element 0, and the number of elements of `element` bytes in *n. */
static inline uint64_t fb_vector(struct fb *f, uint64_t t, unsigned id, uint64_t element, uint32_t *n) {
  uint64_t v = fb_ref(f, fb_field(f, t, id));
  *n = v ? fb_u32(f, v) : 0;
  if (v && fb_in(f, v + 4, *n * element) && fb_charge(f, *n * element)) return v + 4;
  *n = 0;
  return 0;
}

/* Table i of the vector of tables that starts at `v`. */
static inline uint64_t fb_table(struct fb *f, uint64_t v, uint32_t i) {
  return fb_ref(f, v + 4 * (uint64_t)i);
}
