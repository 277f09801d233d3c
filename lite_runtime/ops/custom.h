/* Operators that are the user's. */
#pragma once
#include "op.h"

/* Calls the user's infer and checks what it gives. `in`: types of the node's inputs, all known; `out`: n_out
 * types to be filled; on entry dtype 0 or the declared type, which the result must agree with and which
 * stands when there is no infer. */
lr_status lr_custom_infer(const struct lr_custom *custom, const struct lr_node *node,
                          const lr_allocator *alloc, const struct lr_type *in, struct lr_type *out,
                          lr_error *error);
