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

struct fb {
  const uint8_t *p;
  uint64_t size, budget;
  bool bad;
};

/* Whether so many bytes from `at` on are in the file; takes `bytes` off the budget. */
bool fb_in(struct fb *f, uint64_t at, uint64_t bytes);
bool fb_charge(struct fb *f, uint64_t bytes);

/* fb_u8(f, at): the number at a place; fb_get_u8(f, t, id, missing): that of a field of table t, or the schema's default. */
#define FB_SCALARS(X) X(u8, uint8_t) X(u16, uint16_t) X(u32, uint32_t) X(i32, int32_t) X(u64, uint64_t)
#define FB_DECLARE(name, type)               \
  type fb_##name(struct fb *f, uint64_t at); \
  type fb_get_##name(struct fb *f, uint64_t t, unsigned id, type missing);
FB_SCALARS(FB_DECLARE)
#undef FB_DECLARE

/* Where field `id` of table `t` is stored; 0 when the writer left it out. */
uint64_t fb_field(struct fb *f, uint64_t t, unsigned id);
/* What the reference stored at `at` points at. */
uint64_t fb_ref(struct fb *f, uint64_t at);
/* Vector in field `id`: position of element 0, and the number of elements of `element` bytes in *n. */
uint64_t fb_vector(struct fb *f, uint64_t t, unsigned id, uint64_t element, uint32_t *n);
/* Table i of the vector of tables that starts at `v`. */
uint64_t fb_table(struct fb *f, uint64_t v, uint32_t i);
