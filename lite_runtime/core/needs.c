/* What this build lacks for a model, and the sentence that says so. */
#include "needs.h"

#include "node.h"
#include "program.h"
#include "source.h"

#include <stdio.h>

const char *lr_signature_name(enum lr_signature s) {
#define X(signature) #signature "\0"
  return lr_nth_name("\0" LR_SIGNATURES(X), (int32_t)s);
#undef X
}

const char *lr_case_name(int32_t i) { return lr_nth_name(LR_CASE_NAMES, i); }

static const char sentence[] =
    "%s: this runtime was built without %s; build one that has them: lite-opt build MODEL.lrm --target %s";
static const char more[] = ", ...";
enum { NAME = 2 + LR_NAME_ROOM - 1 }; /* the longest, behind its comma */

_Static_assert(sizeof sentence + sizeof LR_TARGET + sizeof((struct lr_source){0}.name) + NAME + sizeof more <=
                   sizeof(lr_error),
               "no room for a name: -Dtarget is too long");

/* Names, until the sentence is full. */
struct list {
  const char *where;
  char text[sizeof(lr_error)];
  size_t room, used; /* room: with the zero */
};

static struct list list_of(const lr_model *m) {
  const char *where = m->source->name;
  return (struct list){.where = where,
                       .room = sizeof(lr_error) - strlen(where) - sizeof sentence - sizeof LR_TARGET};
}

static void add(struct list *l, const char *name) {
  if (!*name) return; /* a dtype that nothing casts has none */
  if (l->used + NAME + sizeof more <= l->room)
    l->used += (size_t)snprintf(l->text + l->used, NAME + 1, "%s%s", l->used ? ", " : "", name);
  else
    memcpy(l->text + l->used, more, sizeof more); /* the name before left room for it */
}

static lr_status refuse(const struct list *l, lr_error *error) {
  if (!l->used) return LR_OK;
  return lr_fail(error, LR_ERR_UNSUPPORTED, sentence, l->where, l->text, LR_TARGET);
}

/* A bug of ours: lr_needs_check lets no model come so far. */
static lr_status missing(const struct lr_bind *b, const char *what, const char *name) {
  return lr_node_fail(b->error, LR_ERR_UNSUPPORTED, b->node->op, b->node->name,
                      "the %s %s is not in this build; report this", what, *name ? name : "?");
}

lr_status lr_find_kernel(const struct lr_bind *b, enum lr_signature s, const struct lr_kernel **kernel) {
  const struct lr_kernel *k = *kernel = lr_kernel_find(s, b->model->cpu);
  return k && k->fn ? LR_OK : missing(b, "kernel", lr_signature_name(s));
}

lr_status lr_find_case(const struct lr_bind *b, int32_t code) {
  return !LR_TAILORED || LR_POST_BUILT(code) ? LR_OK : missing(b, "case", lr_case_name(code));
}

void lr_model_ops(const lr_model *m, bool *op) {
  for (int32_t g = 0; g < m->n_subgraphs; g++)
    for (int32_t i = 0; i < m->subgraphs[g].n_nodes; i++) op[m->subgraphs[g].nodes[i].op] = true;
}

void lr_model_needs(const lr_model *m, struct lr_needs *needs) {
  for (int32_t g = 0; g < m->n_subgraphs; g++)
    for (int32_t i = 0; i < m->subgraphs[g].n_nodes; i++)
      lr_node_needs(&m->subgraphs[g], &m->subgraphs[g].nodes[i], needs);
}

lr_status lr_ops_check(const lr_model *m, lr_error *error) {
  bool op[LR_OP_LIMIT] = {false};
  struct list l = list_of(m);
  lr_model_ops(m, op);
  for (int32_t i = 0; i < LR_OP_LIMIT; i++)
    if (op[i] && !lr_ops[i]) add(&l, lr_op_name(i));
  return refuse(&l, error);
}

lr_status lr_needs_check(const lr_model *m, lr_error *error) {
  struct lr_needs needs = {0};
  struct list l = list_of(m);
  lr_model_needs(m, &needs);
  for (int32_t i = 1; i < LR_SIG_LIMIT; i++)
    if (needs.kernels >> i & 1 & ~(LR_KERNELS_BUILT >> i)) add(&l, lr_signature_name((enum lr_signature)i));
  for (int32_t i = 0; i < LR_CASE_TILE; i++) /* tiles only save time */
    if (needs.posts[i / 64] >> (i & 63) & 1 && !LR_POST_BUILT(i)) add(&l, lr_case_name(i));
  return refuse(&l, error);
}
