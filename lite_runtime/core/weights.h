/* The model's cache of packed weights: ref-counted with the model, one lock, one entry per (tensor, descriptor). */
#pragma once
#include "op.h"

lr_status lr_weights_open(lr_model *m, lr_error *error);
void lr_weights_close(lr_model *m);
/* Dense canonical data of a constant: in place, or unpacked once from a packed encoding; checks the section's hashes at first
 * use when that was put off. */
lr_status lr_weights_dense(lr_model *m, const struct lr_subgraph *g, int32_t tensor, const void **data, lr_error *error);
/* Calls bind of every CPU node that was not bound yet and returns the slot of `node`. */
lr_status lr_weights_bind(lr_model *m, const struct lr_subgraph *g, const struct lr_node *node, void **slot,
                          lr_error *error);
uint64_t lr_weights_bytes(lr_model *m); /* held by the cache */
