/* Meaning: each tensor is made once and before its use, subgraphs form a tree, this build has all operators,
 * and the types that shape inference finds are those that the file declares. What plan.c and run.c take for
 * granted is checked here. */
#include "loader.h"
#include "needs.h"
#include "node.h"
#include "weights.h"

#include <stdio.h>

enum {
  MAX_VALUE_BYTES = 64 * 1024
}; /* of constants that shape inference looks at; plan.c has the same limit */

/* Room for the work on one graph at a time. */
struct verifier {
  struct lr_loader *l;
  struct lr_type *type; /* of each tensor, as far as inferred */
  bool *there;          /* tensors that have a value by now */
  struct lr_type *ports;
  const void **value;
  int32_t graph; /* index of the graph at hand */
};

static lr_status graph_fail(const struct verifier *v, int32_t tensor, const char *what) {
  const struct lr_subgraph *g = &v->l->model->subgraphs[v->graph];
  return lr_fail(v->l->error, LR_ERR_MODEL,
                 "%s: graph %d '%.60s': tensor %d '%.100s' %s; convert the model again", v->l->where,
                 v->graph, g->name, tensor, g->tensors[tensor].name, what);
}

/* ---- what there is before the first node ---- */
static lr_status check_inputs(struct verifier *v, const struct lr_subgraph *g) {
  int32_t declared = 0;
  for (int32_t i = 0; i < g->n_tensors; i++) {
    const struct lr_graph_tensor *t = &g->tensors[i];
    v->type[i] = t->type;
    v->there[i] = t->lifetime == LR_LIFE_CONST || t->lifetime == LR_LIFE_STATE;
    declared += t->lifetime == LR_LIFE_INPUT;
    if (t->lifetime == LR_LIFE_STATE && v->graph)
      return graph_fail(v, i, "is a state, which only the main graph may have");
  }
  for (int32_t i = 0; i < g->n_in; i++) {
    if (g->tensors[g->in[i]].lifetime != LR_LIFE_INPUT)
      return graph_fail(v, g->in[i], "is in the list of inputs but not one");
    if (v->there[g->in[i]]) return graph_fail(v, g->in[i], "is twice in the list of inputs");
    v->there[g->in[i]] = true;
  }
  if (declared == g->n_in) return LR_OK;
  for (int32_t i = 0; i < g->n_tensors; i++)
    if (g->tensors[i].lifetime == LR_LIFE_INPUT && !v->there[i])
      return graph_fail(v, i, "is an input that the list of inputs lacks");
  return LR_OK;
}

/* ---- types ---- */
static bool same_or_unknown(const struct lr_type *a, const struct lr_type *b) {
  if (a->dtype != b->dtype || a->rank != b->rank) return false;
  for (int32_t i = 0; i < a->rank; i++)
    if (a->dim[i] >= 0 && b->dim[i] >= 0 && a->dim[i] != b->dim[i]) return false;
  return true;
}

static lr_status type_fail(const struct verifier *v, const struct lr_node *n, int32_t tensor,
                           const char *what, const struct lr_type *a, const char *other,
                           const struct lr_type *b) {
  char x[160], y[160];
  return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name, "%s '%.80s' is %s, %s %s", what,
                      v->l->model->subgraphs[v->graph].tensors[tensor].name, lr_type_text(a, x, sizeof x),
                      other, lr_type_text(b, y, sizeof y));
}

/* Values of small constants, as plan.c gives them. */
static lr_status constant_value(struct verifier *v, const struct lr_subgraph *g, int32_t tensor,
                                const void **value) {
  const struct lr_graph_tensor *t = &g->tensors[tensor];
  *value = NULL;
  if (t->lifetime != LR_LIFE_CONST || lr_type_bytes(&t->type) > MAX_VALUE_BYTES) return LR_OK;
  return lr_weights_dense(v->l->model, g, tensor, value, v->l->error);
}

static lr_status infer_node(struct verifier *v, const struct lr_subgraph *g, const struct lr_node *n) {
  struct lr_type *in = v->ports, *out = v->ports + n->n_in;
  for (int32_t i = 0; i < n->n_in; i++) {
    in[i] = n->in[i] < 0 ? (struct lr_type){0} : v->type[n->in[i]];
    v->value[i] = NULL;
    if (n->in[i] >= 0) LR_TRY(constant_value(v, g, n->in[i], &v->value[i]));
  }
  for (int32_t i = 0; i < n->n_out; i++) out[i] = g->tensors[n->out[i]].type;
  struct lr_infer c = {.name = n->name,
                       .attrs = n->attrs,
                       .program = &n->program,
                       .n_in = n->n_in,
                       .n_own = n->n_own,
                       .n_out = n->n_out,
                       .in = in,
                       .value = v->value,
                       .out = out,
                       .error = v->l->error,
                       .op = lr_op_name(n->op)};
  LR_TRY(lr_ops[n->op]->infer(&c));
  for (int32_t i = 0; i < n->n_out; i++) {
    const struct lr_graph_tensor *t = &g->tensors[n->out[i]];
    if (!lr_type_check(&out[i]))
      return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name, "output %d would be too large", i);
    bool binding =
        t->lifetime == LR_LIFE_OUTPUT; /* callers see it; the dims of others are hints, not their ranks */
    if (out[i].dtype != t->type.dtype || out[i].rank != t->type.rank ||
        (binding && !same_or_unknown(&out[i], &t->type)))
      return type_fail(v, n, n->out[i], "output", &out[i], "the file says", &t->type);
    v->type[n->out[i]] = out[i];
  }
  return LR_OK;
}

/* ---- nodes ---- */
static lr_status check_delegate(const struct verifier *v, const struct lr_subgraph *g,
                                const struct lr_node *n) {
  const struct lr_subgraph *body = &v->l->model->subgraphs[n->subgraphs[0]];
  if (n->n_in != body->n_in || n->n_out != body->n_out)
    return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name,
                        "it has %d inputs and %d outputs, its graph has %d and %d", n->n_in, n->n_out,
                        body->n_in, body->n_out);
  for (int32_t i = 0; i < n->n_in + n->n_out; i++) {
    int32_t outer = i < n->n_in ? n->in[i] : n->out[i - n->n_in],
            inner = i < n->n_in ? body->in[i] : body->out[i - n->n_in];
    if (!same_or_unknown(&g->tensors[outer].type, &body->tensors[inner].type))
      return type_fail(v, n, outer, i < n->n_in ? "input" : "output", &g->tensors[outer].type,
                       "its graph says", &body->tensors[inner].type);
  }
  return LR_OK;
}

/* A tensor of a node and one of its subgraph are of one dtype, and of one rank but for `extra`. Sizes are compared when it
 * runs: those of a loop change. */
static lr_status check_pair(const struct verifier *v, const struct lr_node *n, int32_t graph, int32_t outer,
                            int32_t inner, int32_t extra) {
  const struct lr_type *a = &v->l->model->subgraphs[v->graph].tensors[outer].type;
  const struct lr_type *b = &v->l->model->subgraphs[graph].tensors[inner].type;
  return a->dtype == b->dtype && a->rank == b->rank + extra
             ? LR_OK
             : type_fail(v, n, outer, "a value", a, "its graph says", b);
}

static lr_status count_fail(const struct verifier *v, const struct lr_node *n,
                            const struct lr_subgraph *body) {
  return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name,
                      "its %d inputs and %d outputs do not fit its graph, which has %d and %d", n->n_in,
                      n->n_out, body->n_in, body->n_out);
}

static lr_status check_scalar(const struct verifier *v, const struct lr_node *n, const struct lr_type *t,
                              int32_t dtype, int32_t max_rank, const char *what) {
  char text[160];
  bool one = t->rank <= max_rank && (t->rank == 0 || t->dim[0] == 1 || t->dim[0] < 0);
  return t->dtype == dtype && one
             ? LR_OK
             : lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name, "%s is %s; it must be one %s", what,
                            lr_type_text(t, text, sizeof text), lr_dtype_name(dtype));
}

static lr_status check_if(const struct verifier *v, const struct lr_subgraph *g, const struct lr_node *n) {
  if (n->in[0] < 0) return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name, "it has no condition");
  LR_TRY(check_scalar(v, n, &g->tensors[n->in[0]].type, LR_BOOL, LR_MAX_RANK, "the condition"));
  for (int32_t k = 0; k < 2; k++) {
    const struct lr_subgraph *body = &v->l->model->subgraphs[n->subgraphs[k]];
    if (body->n_in != n->n_in - 1 || body->n_out != n->n_out) return count_fail(v, n, body);
    for (int32_t i = 0; i < body->n_in; i++)
      LR_TRY(check_pair(v, n, (int32_t)n->subgraphs[k], n->in[i + 1], body->in[i], 0));
    for (int32_t i = 0; i < n->n_out; i++)
      LR_TRY(check_pair(v, n, (int32_t)n->subgraphs[k], n->out[i], body->out[i], 0));
  }
  return LR_OK;
}

static lr_status check_loop(const struct verifier *v, const struct lr_subgraph *g, const struct lr_node *n) {
  const struct lr_loop_attrs *a = n->attrs;
  const struct lr_subgraph *body = &v->l->model->subgraphs[n->subgraphs[0]];
  int32_t graph = (int32_t)n->subgraphs[0];
  if (a->carried < 0 || a->scanned < 0 || a->carried > LR_MAX_INPUTS || a->scanned > LR_MAX_INPUTS ||
      a->has_trip > 1 || a->has_condition > 1)
    return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name, "carried is %d and scanned %d", a->carried,
                        a->scanned);
  int32_t first = (int32_t)a->has_trip + (int32_t)a->has_condition;
  if (n->n_in - first + 1 != body->n_in || n->n_out + 1 != body->n_out ||
      n->n_in < first + a->carried + a->scanned || n->n_out < a->carried)
    return count_fail(v, n, body);
  if (a->has_trip)
    LR_TRY(check_scalar(v, n, &g->tensors[n->in[0]].type, LR_I64, 1, "the number of iterations"));
  if (a->has_condition)
    LR_TRY(check_scalar(v, n, &g->tensors[n->in[first - 1]].type, LR_BOOL, 1, "the condition"));
  LR_TRY(check_scalar(v, n, &body->tensors[body->in[0]].type, LR_I64, 0, "the iteration"));
  LR_TRY(check_scalar(v, n, &body->tensors[body->out[0]].type, LR_BOOL, 1, "the graph's condition"));
  for (int32_t i = 1; i < body->n_in; i++) {
    int32_t k = i - 1, slice = k >= a->carried && k < a->carried + a->scanned;
    LR_TRY(check_pair(v, n, graph, n->in[first + k], body->in[i], slice));
  }
  for (int32_t k = 0; k < n->n_out; k++)
    LR_TRY(check_pair(v, n, graph, n->out[k], body->out[k + 1], k >= a->carried));
  for (int32_t k = 0; k < a->carried; k++) {
    const struct lr_type *in = &body->tensors[body->in[k + 1]].type,
                         *out = &body->tensors[body->out[k + 1]].type;
    if (in->dtype != out->dtype || in->rank != out->rank)
      return type_fail(v, n, n->out[k], "carried", in, "then", out);
  }
  return LR_OK;
}

static lr_status check_node(struct verifier *v, const struct lr_subgraph *g, const struct lr_node *n) {
  for (int32_t i = 0; i < n->n_in; i++)
    if (n->in[i] >= 0 && !v->there[n->in[i]])
      return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name,
                          "input %d '%.100s' is read before it is made", i, g->tensors[n->in[i]].name);
  if (LR_HAS_DELEGATE && n->op == LR_OP_DELEGATE) LR_TRY(check_delegate(v, g, n));
  if (LR_HAS_IF && n->op == LR_OP_IF) LR_TRY(check_if(v, g, n));
  if (LR_HAS_LOOP && n->op == LR_OP_LOOP) LR_TRY(check_loop(v, g, n));
  LR_TRY(infer_node(v, g, n));
  for (int32_t i = 0; i < n->n_out; i++) {
    uint8_t life = g->tensors[n->out[i]].lifetime;
    if (v->there[n->out[i]] || (life != LR_LIFE_TEMP && life != LR_LIFE_OUTPUT))
      return lr_node_fail(v->l->error, LR_ERR_MODEL, n->op, n->name, "output %d '%.100s' %s", i,
                          g->tensors[n->out[i]].name,
                          v->there[n->out[i]] ? "is made already" : "cannot be written");
    v->there[n->out[i]] = true;
  }
  return LR_OK;
}

/* ---- what there must be at the end ---- */
static lr_status check_outputs(struct verifier *v, const struct lr_subgraph *g) {
  for (int32_t i = 0; i < g->n_out; i++) {
    if (!v->there[g->out[i]]) return graph_fail(v, g->out[i], "is an output that nothing makes");
    uint8_t life = g->tensors[g->out[i]].lifetime;
    if (v->graph && life != LR_LIFE_OUTPUT && life != LR_LIFE_TEMP)
      return graph_fail(v, g->out[i], "is an output of a body but made by none of its nodes");
  }
  if (!v->graph) return LR_OK; /* a model may give the same tensor out twice; a delegate may not */
  memset(v->there, 0, (size_t)g->n_tensors * sizeof *v->there);
  for (int32_t i = 0; i < g->n_out; i++) {
    if (v->there[g->out[i]]) return graph_fail(v, g->out[i], "is an output of a body twice");
    v->there[g->out[i]] = true;
  }
  return LR_OK;
}

static lr_status check_states(struct verifier *v, const struct lr_subgraph *g) {
  for (int32_t i = 0; i < g->n_tensors; i++) {
    const struct lr_graph_tensor *t = &g->tensors[i];
    int32_t k = t->state_source;
    if (t->lifetime != LR_LIFE_STATE || k == -1) continue;
    if (k < 0 || k >= g->n_tensors)
      return graph_fail(v, i, "is a state whose new value is no tensor of the graph");
    if (!v->there[k]) return graph_fail(v, i, "is a state whose new value nothing makes");
    /* states are updated one after the other: one that is read as another's new value would be the updated
     * one */
    if (k != i && g->tensors[k].lifetime == LR_LIFE_STATE)
      return graph_fail(v, i, "is a state whose new value is another state");
    if (!same_or_unknown(&v->type[k], &t->type)) {
      char x[160], y[160];
      return lr_fail(v->l->error, LR_ERR_MODEL,
                     "%s: state '%.100s' is %s, its new value '%.100s' is %s; convert the model again",
                     v->l->where, t->name, lr_type_text(&t->type, x, sizeof x), g->tensors[k].name,
                     lr_type_text(&v->type[k], y, sizeof y));
    }
  }
  return LR_OK;
}

static lr_status check_graph(struct verifier *v, int32_t index) {
  const struct lr_subgraph *g = &v->l->model->subgraphs[v->graph = index];
  LR_TRY(check_inputs(v, g));
  for (int32_t i = 0; LR_HAS_ANY && i < g->n_nodes; i++) LR_TRY(check_node(v, g, &g->nodes[i]));
  LR_TRY(check_states(v, g));
  return check_outputs(v, g);
}

/* ---- the whole ---- */
/* Each graph but the first is the body of one node, so that the plan is as large as the file says; no
 * deeper than the limit, so that code may recurse. */
static lr_status check_tree(const struct lr_loader *l, int32_t *parent) {
  const lr_model *m = l->model;
  for (int32_t g = 0; g < m->n_subgraphs; g++) parent[g] = -1;
  for (int32_t g = 0; LR_HAS_BODIES && g < m->n_subgraphs; g++)
    for (int32_t i = 0; i < m->subgraphs[g].n_nodes; i++) {
      const struct lr_node *n = &m->subgraphs[g].nodes[i];
      for (int32_t k = 0; k < n->n_subgraphs; k++) {
        if (parent[n->subgraphs[k]] >= 0)
          return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name,
                              "its graph %u is that of another node too", n->subgraphs[k]);
        parent[n->subgraphs[k]] = g;
      }
    }
  for (int32_t g = 1; g < m->n_subgraphs; g++) {
    int32_t depth = 0, p = g;
    while (p > 0 && depth <= LR_MAX_NESTING) {
      p = parent[p];
      depth++;
    }
    if (p) /* unused, or so deep that it may be its own body */
      return lr_fail(l->error, LR_ERR_MODEL, "%s: graph %d '%.100s' is %s; convert the model again", l->where,
                     g, m->subgraphs[g].name, p < 0 ? "used by no node" : "nested too deeply");
  }
  return LR_OK;
}

static lr_status verify_with(struct verifier *v, int32_t *parent) {
  LR_TRY(lr_ops_check(v->l->model, v->l->error));
  LR_TRY(check_tree(v->l, parent));
  for (int32_t i = 0; i < v->l->model->n_subgraphs; i++) LR_TRY(check_graph(v, i));
  return LR_OK;
}

lr_status lr_verify(struct lr_loader *l) {
  const lr_model *m = l->model;
  size_t tensors = 1;
  for (int32_t i = 0; i < m->n_subgraphs; i++)
    if ((size_t)m->subgraphs[i].n_tensors > tensors) tensors = (size_t)m->subgraphs[i].n_tensors;
  enum { PORTS = LR_MAX_INPUTS + LR_MAX_OUTPUTS + 8 }; /* absent own inputs may come on top */
  struct verifier v = {.l = l};
  v.type = lr_alloc(&m->alloc, tensors * sizeof *v.type, LR_ALIGN);
  v.there = lr_alloc(&m->alloc, tensors * sizeof *v.there, LR_ALIGN);
  v.ports = lr_alloc(&m->alloc, PORTS * sizeof *v.ports, LR_ALIGN);
  v.value = lr_alloc(&m->alloc, PORTS * sizeof *v.value, LR_ALIGN);
  int32_t *parent = lr_alloc(&m->alloc, (size_t)m->n_subgraphs * sizeof *parent, LR_ALIGN);
  lr_status status =
      v.type && v.there && v.ports && v.value && parent
          ? verify_with(&v, parent)
          : lr_fail(l->error, LR_ERR_MEMORY, "%s: out of memory to verify the graph", l->where);
  lr_free(&m->alloc, v.type);
  lr_free(&m->alloc, v.there);
  lr_free(&m->alloc, v.ports);
  lr_free(&m->alloc, v.value);
  lr_free(&m->alloc, parent);
  return status;
}
