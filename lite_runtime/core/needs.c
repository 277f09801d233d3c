/* What this build lacks for a model, and the sentence that says so. */
#include "needs.h"

#include "program.h"

#include <stdio.h>

/* One behind the other: a table of pointers costs 32 bytes each. */
static const char signature_names[] = "\0"
#define X(signature) #signature "\0"
    LR_SIGNATURES(X)
#undef X
    ;

const char *lr_signature_name(enum lr_signature s) {
  const char *name = signature_names;
  for (int32_t i = 0; i < (int32_t)s; i++) name += strlen(name) + 1;
  return name;
}

const char *lr_case_name(int32_t i) {
  switch (i) {
#define X(code, name) \
  case code:          \
    return #name;
    LR_CASES(X)
#undef X
    default:
      return lr_postop_info(i).name;
  }
}

/* Names, until the sentence is full. */
struct list {
  char text[380];
  size_t used;
};

static void add(struct list *l, const char *name) { /* NULL: a damaged model has types that nothing casts */
  if (!name) return;
  enum { ROOM = 26 }; /* of a name, a comma and what says that there are more */
  if (l->used + ROOM < sizeof l->text)
    l->used +=
        (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%s%.20s", l->used ? ", " : "", name);
  else
    memcpy(l->text + l->used, ", ...", 6);
}

static lr_status fail(lr_error *error, const char *names) {
  return lr_fail(
      error, LR_ERR_UNSUPPORTED,
      "this runtime was built without %s; build one that has them: lite-opt build MODEL.lrm --target %s",
      names, LR_TARGET);
}

lr_status lr_find_kernel(const struct lr_bind *b, enum lr_signature s, const struct lr_kernel **kernel) {
  const struct lr_kernel *k = *kernel = lr_kernel_find(s, b->model->cpu);
  return k && k->fn ? LR_OK : fail(b->error, lr_signature_name(s));
}

lr_status lr_find_case(const struct lr_bind *b, int32_t code) {
  return !LR_TAILORED || LR_POST_BUILT(code) ? LR_OK : fail(b->error, lr_case_name(code));
}

void lr_model_needs(const lr_model *m, bool *op, struct lr_needs *needs) {
  for (int32_t g = 0; g < m->n_subgraphs; g++)
    for (int32_t i = 0; i < m->subgraphs[g].n_nodes; i++) {
      const struct lr_node *n = &m->subgraphs[g].nodes[i];
      op[n->op] = true;
      if (lr_ops[n->op]) lr_node_needs(&m->subgraphs[g], n, needs);
    }
}

lr_status lr_needs_check(const lr_model *m, bool ops, lr_error *error) {
  bool op[LR_OP_LIMIT] = {false};
  struct lr_needs needs = {0};
  struct list l = {.text = ""};
  lr_model_needs(m, op, &needs);
  for (int32_t i = 0; i < LR_OP_LIMIT; i++)
    if (op[i] && !lr_ops[i]) add(&l, lr_op_name(i));
  if (ops && !l.used) return LR_OK;
  for (int32_t i = 1; LR_TAILORED && i < LR_SIG_LIMIT; i++)
    if (needs.kernels >> i & 1 & ~(LR_KERNELS_BUILT >> i)) add(&l, lr_signature_name((enum lr_signature)i));
  for (int32_t i = 0; LR_TAILORED && i < LR_CASE_LIMIT; i++)
    if (needs.posts[i / 64] >> (i & 63) & 1 && !LR_POST_BUILT(i)) add(&l, lr_case_name(i));
  return l.used ? fail(error, l.text) : LR_OK;
}
