/* A bump allocator for structs that are freed together. */
#pragma once
#include "base.h"

struct lr_chunk;
struct lr_arena {
  lr_allocator alloc;
  struct lr_chunk *chunks;
};

/* Zeroed memory, 64-byte aligned when `bytes` is 64 or more, else 16; NULL when out of memory. */
void *lr_arena_alloc(struct lr_arena *a, uint64_t bytes);
void lr_arena_clear(struct lr_arena *a); /* frees everything; the arena may be used again */
