/* Shared by load.c, load_tensor.c and load_node.c. */
#pragma once
#include "loader.h"

/* `<file>: <what> <i> '<name>': <message>` */
lr_status lr_load_fail(struct lr_loader *l, lr_status s, const char *what, uint32_t i, const char *name,
                       const char *format, ...) LR_PRINTF(6, 7);
/* The [int] or [uint] in field `id` as a list of at least `room` entries (those past the file's are -1), each
 * within lowest..limit-1. */
lr_status lr_load_indices(struct lr_loader *l, uint64_t table, unsigned id, int64_t lowest, int64_t limit,
                          const char *what, const int32_t **list, int32_t *count, int32_t room);
lr_status lr_load_node(struct lr_loader *l, uint64_t table, const struct lr_subgraph *g,
                       struct lr_node *node);
lr_status lr_load_tensor(struct lr_loader *l, uint64_t table, uint32_t i, struct lr_graph_tensor *tensor);
