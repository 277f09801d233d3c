/* Nodes: attributes, programs, custom data and vendors' blobs. */
#include "load.h"
#include "node.h"
#include "program.h"

#include <stdio.h>

static lr_status load_attrs(struct lr_loader *l, uint64_t t, struct lr_node *n) {
  uint32_t count;
  uint64_t v = fb_vector(&l->fb, t, LR_FB_NODE_ATTRS, 4, &count);
  if (l->fb.bad) return lr_loader_bad(l);
  lr_status status;
  void *attrs = lr_loader_alloc(l, (uint64_t)lr_ops[n->op]->n_attrs, 4, &status);
  if (!attrs) return status;
  n->attrs = attrs;
  return lr_node_attrs(n->op, n->name, l->fb.p + v, count, attrs, l->error);
}

static lr_status load_program(struct lr_loader *l, uint64_t t, struct lr_node *n) {
  uint32_t count;
  uint64_t v = fb_vector(&l->fb, t, LR_FB_NODE_POST, 4, &count);
  if (l->fb.bad) return lr_loader_bad(l);
  if (!count) return LR_OK;
  if (!LR_HAS_POST || !lr_ops[n->op]->post)
    return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name,
                        "it has a post-op program but cannot take one");
  if (count > 5 * LR_MAX_INSTRS)
    return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name,
                        "its program has %u words, at most %d are possible", count, 5 * LR_MAX_INSTRS);
  lr_status status;
  uint32_t *words = lr_loader_alloc(l, count, sizeof *words, &status); /* aligned */
  if (!words) return status;
  memcpy(words, l->fb.p + v, count * sizeof *words);
  lr_error e = {""};
  int32_t k = 0;
  status = lr_program_decode(words, (int32_t)count, NULL, 0, &k, &e);
  if (status) return lr_node_fail(l->error, status, n->op, n->name, "%s", e.message);
  if (!(n->program.instr = lr_loader_alloc(l, (uint64_t)k, sizeof *n->program.instr, &status))) return status;
  n->program.n = k;
  return lr_program_decode(words, (int32_t)count, n->program.instr, k, &k, l->error);
}

static lr_status load_ports(struct lr_loader *l, uint64_t t, const struct lr_subgraph *g, struct lr_node *n) {
  char what[160];
  snprintf(what, sizeof what, "%s '%.100s' inputs", lr_op_name(n->op), n->name);
  LR_TRY(lr_load_indices(l, t, LR_FB_NODE_INPUTS, -1, g->n_tensors, what, &n->in, &n->n_in,
                         lr_node_inputs(n->op, 0)));
  snprintf(what, sizeof what, "%s '%.100s' outputs", lr_op_name(n->op), n->name);
  LR_TRY(lr_load_indices(l, t, LR_FB_NODE_OUTPUTS, 0, g->n_tensors, what, &n->out, &n->n_out, 0));
  if (n->n_in > LR_MAX_INPUTS || n->n_out > LR_MAX_OUTPUTS)
    return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name,
                        "it has %d inputs and %d outputs, at most %d and %d are possible", n->n_in, n->n_out,
                        LR_MAX_INPUTS, LR_MAX_OUTPUTS);
  n->n_own = lr_node_own(n->op, n->n_in);
  return lr_node_ports(n->op, n->name, n->in, n->n_in, n->n_out, n->program.n > 0, l->error);
}

static lr_status load_blobs(struct lr_loader *l, uint64_t t, struct lr_node *n) {
  struct fb *f = &l->fb;
  uint32_t count;
  uint64_t v = fb_vector(f, t, LR_FB_NODE_BLOBS, 4, &count);
  if (count && n->op != LR_OP_DELEGATE)
    return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name, "only a delegate may have blobs");
  if (!LR_HAS_DELEGATE) return LR_OK;
  lr_status status;
  struct lr_blob *b = lr_loader_alloc(l, count, sizeof *b, &status);
  if (!b) return status;
  n->blobs = b;
  n->n_blobs = (int32_t)count;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t x = fb_table(f, v, i);
    LR_TRY(lr_loader_string(l, x, LR_FB_BLOB_VENDOR, &b[i].vendor));
    LR_TRY(lr_loader_string(l, x, LR_FB_BLOB_SOC, &b[i].soc));
    LR_TRY(lr_loader_string(l, x, LR_FB_BLOB_SDK, &b[i].sdk));
    uint32_t section = fb_get_u32(f, x, LR_FB_BLOB_SECTION, 0);
    uint64_t offset = fb_get_u64(f, x, LR_FB_BLOB_OFFSET, 0);
    b[i].bytes = fb_get_u64(f, x, LR_FB_BLOB_SIZE, 0);
    b[i].data = lr_loader_section(l, section, offset, b[i].bytes);
    if (!b[i].data)
      return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name, "blob %u lies outside of section %u", i,
                          section);
    LR_TRY(lr_section_check(l->model, (int32_t)section, offset, b[i].bytes,
                            l->error)); /* drivers read it as they like */
  }
  return LR_OK;
}

/* A delegate and a loop have one subgraph, an if has two, a custom node has its name; all others have neither. */
static lr_status load_special(struct lr_loader *l, uint64_t t, struct lr_node *n) {
  const int32_t *graphs;
  uint32_t bytes;
  LR_TRY(lr_load_indices(l, t, LR_FB_NODE_SUBGRAPHS, 1, l->model->n_subgraphs, "subgraphs of a node", &graphs,
                         &n->n_subgraphs, 0));
  n->subgraphs = (const uint32_t *)graphs;
  int32_t want = n->op == LR_OP_IF ? 2 : n->op == LR_OP_DELEGATE || n->op == LR_OP_LOOP;
  if (n->n_subgraphs != want)
    return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name, "it has %d subgraphs, it must have %d",
                        n->n_subgraphs, want);
  LR_TRY(lr_loader_string(l, t, LR_FB_NODE_CUSTOM_NAME, &n->custom_name));
  if (!*n->custom_name != (n->op != LR_OP_CUSTOM))
    return lr_node_fail(l->error, LR_ERR_MODEL, n->op, n->name,
                        "its custom name is '%.100s'; a custom operator must have one, others "
                        "none",
                        n->custom_name);
  uint64_t v = fb_vector(&l->fb, t, LR_FB_NODE_CUSTOM_DATA, 1, &bytes);
  n->custom_data = bytes ? l->fb.p + v : NULL;
  n->custom_bytes = bytes;
  return load_blobs(l, t, n);
}

lr_status lr_load_node(struct lr_loader *l, uint64_t t, const struct lr_subgraph *g, struct lr_node *n) {
  LR_TRY(lr_loader_string(l, t, LR_FB_NODE_NAME, &n->name));
  uint16_t op = fb_get_u16(&l->fb, t, LR_FB_NODE_OP, 0);
  if (l->fb.bad) return lr_loader_bad(l);
  LR_TRY(lr_node_op(op, n->name, l->error));
  n->op = (enum lr_op_code)op;
  if (!lr_ops[op]) return LR_OK; /* lr_verify names all that this build lacks */
  LR_TRY(load_attrs(l, t, n));
  LR_TRY(load_program(l, t, n));
  LR_TRY(load_ports(l, t, g, n));
  LR_TRY(load_special(l, t, n));
  return l->fb.bad ? lr_loader_bad(l) : LR_OK;
}
