#include "node.h"

#include <stdio.h>

lr_status lr_node_failv(lr_error *error, lr_status s, const char *op, const char *name, const char *format,
                        va_list args) {
  char front[200]; /* a long name must not push the message out of the buffer */
  snprintf(front, sizeof front, "%s '%.150s'", op, name);
  return lr_fail_in(error, s, front, format, args);
}

lr_status lr_node_fail(lr_error *error, lr_status s, int32_t op, const char *name, const char *format, ...) {
  va_list args;
  va_start(args, format);
  lr_node_failv(error, s, lr_op_name(op), name, format, args);
  va_end(args);
  return s;
}

/* The name, "" where there is none. */
static const char *name_of(int32_t op) {
  return op < 0 || op >= LR_OP_LIMIT ? "" : lr_nth_name(lr_op_names, op);
}

const char *lr_op_name(int32_t op) {
  const char *name = name_of(op);
  return *name ? name : "operator";
}

lr_status lr_node_op(int32_t op, const char *name, lr_error *error) {
  if (*name_of(op)) return LR_OK;
  return lr_node_fail(error, LR_ERR_VERSION, op, name, "its code %d is not known; use a newer lite_runtime",
                      op);
}

lr_status lr_node_attrs(int32_t op, const char *name, const void *words, uint32_t n, void *attrs,
                        lr_error *error) {
  const struct lr_op *o = lr_ops[op];
  if (n > (uint32_t)o->n_attrs)
    return lr_node_fail(error, LR_ERR_VERSION, op, name,
                        "it has %u attributes, this library knows %d; use a newer lite_runtime", n,
                        o->n_attrs);
  for (uint32_t i = 0; i < (uint32_t)o->n_attrs; i++) {
    const struct lr_attr *a = &o->attrs[i];
    uint32_t w = a->missing;
    if (i < n) memcpy(&w, (const char *)words + 4 * i, sizeof w);
    if (a->n_values && w >= a->n_values)
      return lr_node_fail(error, LR_ERR_MODEL, op, name, "%s is %u, it has values 0 to %d", a->name, w,
                          a->n_values - 1);
    if (a->is_float && (w & 0x7f800000) == 0x7f800000)
      return lr_node_fail(error, LR_ERR_MODEL, op, name, "%s is not a finite number", a->name);
    memcpy((char *)attrs + 4 * i, &w, sizeof w);
  }
  return LR_OK;
}

int32_t lr_node_inputs(int32_t op, int32_t n_in) {
  return n_in > lr_ops[op]->n_own ? n_in : lr_ops[op]->n_own;
}

int32_t lr_node_own(int32_t op, int32_t n_in) { return lr_ops[op]->n_own < 0 ? n_in : lr_ops[op]->n_own; }

lr_status lr_node_ports(int32_t op, const char *name, const int32_t *in, int32_t n_in, int32_t n_out,
                        bool program, lr_error *error) {
  const struct lr_op *o = lr_ops[op];
  if (o->n_out < 0 ? n_out < 1 : n_out != o->n_out)
    return lr_node_fail(error, LR_ERR_MODEL, op, name, "it has %d outputs, it must have %s%d", n_out,
                        o->n_out < 0 ? "at least " : "", o->n_out < 0 ? 1 : o->n_out);
  if (program && !o->post)
    return lr_node_fail(error, LR_ERR_MODEL, op, name, "it has a post-op program but cannot take one");
  int32_t own = lr_node_own(op, n_in), operands = o->n_own < 0 ? (o->post ? n_in : 0) : n_in - own;
  if (o->n_own < 0 && n_in < 1) return lr_node_fail(error, LR_ERR_MODEL, op, name, "it has no inputs");
  if (n_in > own && !program)
    return lr_node_fail(error, LR_ERR_MODEL, op, name,
                        "it has %d inputs and no program for them, it takes up to %d", n_in, own);
  if (operands > LR_MAX_OPERANDS)
    return lr_node_fail(error, LR_ERR_MODEL, op, name, "its program has %d operands, at most %d are possible",
                        operands, LR_MAX_OPERANDS);
  const char *word = o->inputs; /* "x w b?" */
  for (int32_t i = 0; i < n_in; i++) {
    size_t n = strcspn(word, " ");
    bool optional = (n && word[n - 1] == '?') || op == LR_OP_CUSTOM;
    if (in[i] < 0 && (i >= own || !optional))
      return lr_node_fail(error, LR_ERR_MODEL, op, name, "input %d '%.*s' is missing", i,
                          (int)(n && i < own ? n : 0), word);
    if (o->n_own >= 0) word += n + (word[n] == ' ');
  }
  return LR_OK;
}
