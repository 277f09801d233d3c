/* Which kernels and post-ops the nodes of a model may look up, for any shapes and any CPU: what a build that is cut down
 * to models (-Dkernels, -Dposts) must have. It follows from operators, attributes, programs and declared dtypes alone. */
#pragma once
#include "kernels.h"
#include "op.h"

struct lr_needs {
  uint64_t kernels; /* bits by enum lr_signature */
  /* bits by enum lr_postop, then LR_CASE_*: kinds of reductions, dtypes of casts, tiles */
  uint64_t posts[LR_CASE_LIMIT / 64];
};
_Static_assert(LR_SIG_LIMIT <= 64, "struct lr_needs has too few bits");
_Static_assert((int)LR_POST_LIMIT <= LR_CASE_REDUCE &&
                   LR_CASE_REDUCE + (int)LR_REDUCE_KIND_LIMIT <= LR_CASE_CAST,
               "the bits of tools/gen.py overlap");

/* Signatures by the dtype of x, LR_SIG_NONE where there are none; of the files that have the operators. */
enum lr_signature lr_vop_signature(int32_t dtype); /* of post-ops */
enum lr_signature lr_softmax_signature(int32_t x_dtype);
enum lr_signature lr_norm_signature(int32_t x_dtype);
enum lr_signature lr_pool_signature(int32_t x_dtype, bool mean);

/* Adds what the node needs. Its operator is in this build; its subgraphs' nodes count for themselves. */
void lr_node_needs(const struct lr_subgraph *g, const struct lr_node *n, struct lr_needs *needs);

/* Sets op[code] of all operators of a model. */
void lr_model_ops(const lr_model *m, bool *op);
/* Adds what its nodes need; the model is verified, so that all its operators are in this build. */
void lr_model_needs(const lr_model *m, struct lr_needs *needs);
const char *lr_signature_name(enum lr_signature s);
/* Of bit i of posts; "" where there is none. */
const char *lr_case_name(int32_t i);

/* The kernel of a signature for the model's CPU. UNSUPPORTED, with the node's and its name, when it is not in this build:
 * then lr_node_needs is wrong, as lr_needs_check lets no such model come so far. */
lr_status lr_find_kernel(const struct lr_bind *b, enum lr_signature s, const struct lr_kernel **kernel);

/* The same for a case within kernels: a post-op or LR_CASE_*. A kernel without it would compute nothing. */
lr_status lr_find_case(const struct lr_bind *b, int32_t code);

/* UNSUPPORTED, with one sentence that names all operators which the model has and this build lacks. Reads nothing but the
 * codes: other facts of the nodes are not verified yet. */
lr_status lr_ops_check(const lr_model *m, lr_error *error);
/* The same of kernels and cases, but for tiles, of a verified model. */
lr_status lr_needs_check(const lr_model *m, lr_error *error);
