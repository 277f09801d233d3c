/* How the bytes of a model are held. */
#pragma once
#include "base.h"

struct lr_source {
  lr_allocator alloc;
  char name[160];      /* for messages: the path, its end when it is long, or "model" */
  const uint8_t *data; /* 64-byte aligned, unchanged until closed */
  uint64_t bytes;
  void *map; /* what to unmap */
  size_t map_bytes;
  void *copy; /* what to free */
};

/* Each fills *s (its allocator is set) and leaves nothing to close on failure.
 * A start that is not 64-byte aligned costs a copy of the whole model in memory: sections are aligned to the
 * start, and one rule for all ways of opening keeps every constant aligned. */
lr_status lr_source_path(struct lr_source *s, const char *path, lr_error *error);
lr_status lr_source_fd(struct lr_source *s, int fd, uint64_t offset, uint64_t bytes, lr_error *error);
lr_status lr_source_memory(struct lr_source *s, const void *data, uint64_t bytes, lr_error *error);
lr_status lr_source_reader(struct lr_source *s, lr_read_fn read, void *user, uint64_t bytes, lr_error *error);
void lr_source_close(struct lr_source *s);
