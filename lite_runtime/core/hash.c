/* XXH64 from its public specification (Y. Collet, "xxHash fast digest algorithm", doc/xxhash_spec.md, version
 * 0.1.1). */
#include "hash.h"

#include <string.h>

#define P1 0x9E3779B185EBCA87u
#define P2 0xC2B2AE3D27D4EB4Fu
#define P3 0x165667B19E3779F9u
#define P4 0x85EBCA77C2B2AE63u
#define P5 0x27D4EB2F165667C5u

static uint64_t rotate(uint64_t x, int r) { return x << r | x >> (64 - r); }
static uint64_t read64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}
static uint32_t read32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static uint64_t mix(uint64_t acc, uint64_t input) { return rotate(acc + input * P2, 31) * P1; }
static uint64_t merge(uint64_t acc, uint64_t lane) { return (acc ^ mix(0, lane)) * P1 + P4; }

/* Whole stripes of 32 bytes. The lanes are kept in locals: four independent chains. */
static void stripes(uint64_t *lane, const uint8_t *p, size_t n) {
  uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];
  for (; n; n--, p += 32) {
    a = mix(a, read64(p));
    b = mix(b, read64(p + 8));
    c = mix(c, read64(p + 16));
    d = mix(d, read64(p + 24));
  }
  lane[0] = a, lane[1] = b, lane[2] = c, lane[3] = d;
}

void lr_hash_start(struct lr_hash *h) { *h = (struct lr_hash){.lane = {P1 + P2, P2, 0, 0 - P1}}; }

void lr_hash_add(struct lr_hash *h, const void *data, size_t bytes) {
  const uint8_t *p = data;
  size_t held = h->total % 32;
  h->total += bytes;
  if (held) {
    size_t k = bytes < 32 - held ? bytes : 32 - held;
    memcpy(h->tail + held, p, k);
    if (held + k < 32) return;
    stripes(h->lane, h->tail, 1);
    p += k;
    bytes -= k;
  }
  stripes(h->lane, p, bytes / 32);
  if (bytes % 32) memcpy(h->tail, p + bytes / 32 * 32, bytes % 32);
}

uint64_t lr_hash_end(const struct lr_hash *h) {
  const uint64_t *v = h->lane;
  uint64_t acc = P5;
  if (h->total >= 32) {
    acc = rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) + rotate(v[3], 18);
    for (int i = 0; i < 4; i++) acc = merge(acc, v[i]);
  }
  acc += h->total;
  const uint8_t *p = h->tail;
  size_t n = h->total % 32;
  for (; n >= 8; n -= 8, p += 8) acc = rotate(acc ^ mix(0, read64(p)), 27) * P1 + P4;
  if (n >= 4) {
    acc = rotate(acc ^ read32(p) * P1, 23) * P2 + P3;
    n -= 4;
    p += 4;
  }
  for (; n; n--, p++) acc = rotate(acc ^ *p * P5, 11) * P1;
  acc = (acc ^ acc >> 33) * P2;
  acc = (acc ^ acc >> 29) * P3;
  return acc ^ acc >> 32;
}

uint64_t lr_hash64(const void *data, size_t bytes) {
  struct lr_hash h;
  lr_hash_start(&h);
  lr_hash_add(&h, data, bytes);
  return lr_hash_end(&h);
}
