/* An accelerator: takes the subgraph of a `delegate` node. What kernels_opencl and nnadapter implement; the CPU is not one of
 * these but the place where everything else runs. Every function may be called from the session's thread only. */
#pragma once
#include "graph.h"

struct lr_device {
  const char *name;   /* "fake", "opencl", ... */
  const char *vendor; /* matches Blob.vendor; "" takes any subgraph without a blob */
  void *user;
  /* Compiles the subgraph for these input types (all known). `blob` is the vendor's precompiled program or NULL. Fills the
   * types of outputs. On failure the sentence says why, and the node runs on the CPU (or the session fails to plan). */
  lr_status (*compile)(void *user, const lr_model *model, const struct lr_subgraph *graph,
                       const struct lr_blob *blob, const struct lr_type *in, struct lr_type *out,
                       void **program, lr_error *error);
  void (*release)(void *user, void *program);
  /* Memory that the device computes on. host_ptr: its address for the CPU, or NULL when upload / download must copy. */
  lr_status (*alloc)(void *user, size_t bytes, void **handle, void **host_ptr, lr_error *error);
  void (*free)(void *user, void *handle);
  lr_status (*upload)(void *user, void *handle, const void *from, size_t bytes, lr_error *error);
  lr_status (*download)(void *user, void *handle, void *to, size_t bytes, lr_error *error);
  /* Starts the program; wait returns when it is done and reports its failure. */
  lr_status (*submit)(void *user, void *program, void *const *in, void *const *out, lr_error *error);
  lr_status (*wait)(void *user, void *program, lr_error *error);
};
