#include "arena.h"

struct lr_chunk {
  struct lr_chunk *next;
  size_t used, size;
};
#ifndef LR_ARENA_CHUNK /* tests let every block have a chunk of its own, so that each can fail */
#define LR_ARENA_CHUNK (16 * 1024)
#endif
enum { HEADER = 64, CHUNK = LR_ARENA_CHUNK };

void *lr_arena_alloc(struct lr_arena *a, uint64_t bytes) {
  size_t align = bytes >= LR_ALIGN ? LR_ALIGN : 16;
  if (bytes > PTRDIFF_MAX - HEADER) return NULL;
  struct lr_chunk *c = a->chunks;
  size_t at = c ? (size_t)lr_align_up(c->used, align) : 0;
  if (!c || at > c->size || bytes > c->size - at) {
    size_t size = HEADER + (bytes > CHUNK / 4 ? (size_t)bytes : CHUNK);
    struct lr_chunk *n = lr_alloc(&a->alloc, size, LR_ALIGN);
    if (!n) return NULL;
    n->size = size;
    n->used = at = HEADER;
    /* a chunk for one big block goes behind the current one, which still has room for small blocks */
    if (c && bytes > CHUNK / 4) {
      n->next = c->next;
      c->next = n;
    } else {
      n->next = c;
      a->chunks = n;
    }
    c = n;
  }
  c->used = at + (size_t)bytes;
  return (char *)c + at;
}

void lr_arena_clear(struct lr_arena *a) {
  while (a->chunks) {
    struct lr_chunk *c = a->chunks;
    a->chunks = c->next;
    lr_free(&a->alloc, c);
  }
}
