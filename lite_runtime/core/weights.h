/* The model's cache of packed weights: lives as long as the model, one lock, one entry per (weights,
 * descriptor). */
#pragma once
#include "op.h"

lr_status lr_weights_open(lr_model *m, lr_error *error);
void lr_weights_close(lr_model *m); /* also after lr_weights_open failed or was not called */
/* Dense canonical data of a constant, in place in the file; checks the hashes of its bytes at first use when
 * that was put off. Takes no lock. */
lr_status lr_weights_dense(lr_model *m, const struct lr_subgraph *g, int32_t tensor, const void **data,
                           lr_error *error);
/* Calls the node's bind unless that was done, and returns its slot. Takes no lock when it was. After a
 * failure the slot is NULL and the next call tries again. */
lr_status lr_weights_bind(lr_model *m, const struct lr_subgraph *g, const struct lr_node *node, void **slot,
                          lr_error *error);
uint64_t lr_weights_bytes(
    lr_model *m); /* of memory that the cache holds; packed weights in the file do not count */
