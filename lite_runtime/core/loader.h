/* From the bytes of a file to a model, in three steps, each of which may trust the ones before.
 *   container.c  it is our file, of a version that we read, complete and undamaged; where its sections are
 *   load.c       the structs of graph.h: every reference inside the file, every index in range
 *   verify.c     the graph means something: order, types, shapes, what this build can run */
#pragma once
#include "arena.h"
#include "fb.h"
#include "op.h"
#include "source.h"

enum {
  LR_MAX_NODES = 1000000, /* of all subgraphs together, like the tensors */
  LR_MAX_TENSORS = 4000000,
  LR_MAX_SUBGRAPHS = 10000,
  LR_MAX_NESTING = 16, /* of delegates */
  LR_MAX_SYMBOLS = 1000000
};

struct lr_loader {
  struct fb fb;    /* the flatbuffer */
  uint64_t root;   /* its table Model */
  lr_model *model; /* to be filled: file, bytes, verify, source are set */
  struct lr_arena *arena;
  const char *where; /* the file, for messages */
  lr_error *error;
  int32_t n_nodes, n_tensors; /* so far */
};

lr_status lr_container_open(struct lr_loader *l);
lr_status lr_load(struct lr_loader *l);
lr_status lr_verify(struct lr_loader *l); /* after lr_weights_open: looks at small constants */

/* Zeroed memory for n structs of `size` bytes that lives as long as the model, charged against the file's
 * budget; NULL with the sentence in *status otherwise. */
void *lr_loader_alloc(struct lr_loader *l, uint64_t n, size_t size, lr_status *status);
/* `<file>: damaged ...` for a flatbuffer that points outside of itself. */
lr_status lr_loader_bad(struct lr_loader *l);
/* A string that lives as long as the model; "" when absent. What is not UTF-8 becomes '?'. */
lr_status lr_loader_string(struct lr_loader *l, uint64_t table, unsigned id, const char **s);
/* The bytes of a section when [offset, offset + bytes) lies in it, else NULL. */
const uint8_t *lr_loader_section(const struct lr_loader *l, uint32_t section, uint64_t offset,
                                 uint64_t bytes);
/* Checks the hashes of the chunks that hold these bytes of section `i`, unless that was done. Any thread. */
lr_status lr_section_check(lr_model *m, int32_t i, uint64_t offset, uint64_t bytes, lr_error *error);
