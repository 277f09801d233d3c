/* Views, and the sentences of operators' errors. */
#include "copy.h"
#include "node.h"

bool lr_view_dense(const struct lr_view *v) {
  int64_t run = 1;
  bool dense = true;
  for (int32_t i = v->rank - 1; i >= 0; i--) {
    if (v->dim[i] == 0) return true; /* there is nothing that could lie apart */
    if (v->dim[i] != 1 && v->stride[i] != run) dense = false;
    run *= v->dim[i];
  }
  return dense;
}

void lr_view_copy(const struct lr_view *dst, const struct lr_view *src) {
  if (dst->data == src->data) return;
  struct lr_copy c;
  lr_copy_init(&c, dst, src);
  lr_copy_run(&c, dst->data, src->data, 0, c.n_tiles);
}

/* ---- errors: `<op> '<name>': <message>` ---- */
lr_status lr_infer_fail(const struct lr_infer *c, lr_status s, const char *format, ...) {
  va_list args;
  va_start(args, format);
  lr_node_failv(c->error, s, c->op, c->name, format, args);
  va_end(args);
  return s;
}

lr_status lr_prepare_fail(const struct lr_prepare *p, lr_status s, const char *format, ...) {
  va_list args;
  va_start(args, format);
  lr_node_failv(p->bind.error, s, lr_op_name(p->bind.node->op), p->bind.node->name, format, args);
  va_end(args);
  return s;
}

lr_status lr_run_fail(const struct lr_run *r, lr_status s, const char *format, ...) {
  va_list args;
  va_start(args, format);
  lr_node_failv(r->error, s, lr_op_name(r->node->op), r->node->name, format, args);
  va_end(args);
  return s;
}
