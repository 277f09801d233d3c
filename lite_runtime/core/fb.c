#include "fb.h"

#include <string.h>

bool fb_in(struct fb *f, uint64_t at, uint64_t bytes) {
  if (at > f->size || bytes > f->size - at) f->bad = true;
  return !f->bad;
}

bool fb_charge(struct fb *f, uint64_t bytes) {
  if (bytes > f->budget)
    f->bad = true;
  else
    f->budget -= bytes;
  return !f->bad;
}

uint64_t fb_field(struct fb *f, uint64_t t, unsigned id) {
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

#define SCALAR(name, type)                                                  \
  type fb_##name(struct fb *f, uint64_t at) {                               \
    type v = 0;                                                             \
    if (fb_in(f, at, sizeof v)) memcpy(&v, f->p + at, sizeof v);            \
    return v;                                                               \
  }                                                                         \
  type fb_get_##name(struct fb *f, uint64_t t, unsigned id, type missing) { \
    uint64_t at = fb_field(f, t, id);                                       \
    return at ? fb_##name(f, at) : missing;                                 \
  }
FB_SCALARS(SCALAR)
#undef SCALAR

uint64_t fb_ref(struct fb *f, uint64_t at) {
  if (!at) return 0;
  uint32_t offset = fb_u32(f, at);
  if (!offset) f->bad = true;
  return f->bad ? 0 : at + offset;
}

uint64_t fb_vector(struct fb *f, uint64_t t, unsigned id, uint64_t element, uint32_t *n) {
  uint64_t v = fb_ref(f, fb_field(f, t, id));
  *n = v ? fb_u32(f, v) : 0;
  if (v && fb_in(f, v + 4, *n * element) && fb_charge(f, *n * element)) return v + 4;
  *n = 0;
  return 0;
}

uint64_t fb_table(struct fb *f, uint64_t v, uint32_t i) { return fb_ref(f, v + 4 * (uint64_t)i); }
