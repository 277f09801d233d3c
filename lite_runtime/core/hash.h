/* XXH64 with seed 0: finds accidents, not attackers. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct lr_hash {
  uint64_t lane[4], total;
  uint8_t tail[32]; /* total % 32 bytes that wait for more */
};
void lr_hash_start(struct lr_hash *h);
void lr_hash_add(struct lr_hash *h, const void *data, size_t bytes);
uint64_t lr_hash_end(const struct lr_hash *h);
uint64_t lr_hash64(const void *data, size_t bytes);
