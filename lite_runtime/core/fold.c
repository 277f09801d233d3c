/* Shape arithmetic: what follows from the inputs' shapes is computed while planning, once, not in each run. */
#include "session.h"

enum { MAX_FOLD_BYTES = 16 * 1024 };

bool lr_plan_foldable(const struct lr_plan *p, const struct lr_plan_step *st) {
  bool derived = st->node->op == LR_OP_SHAPE;
  size_t bytes = 0;
  for (int32_t i = 0; i < st->n_in && st->node->op != LR_OP_SHAPE; i++) {
    if (st->in[i] < 0) continue;
    const struct lr_plan_tensor *t = &p->tensor[st->in[i]];
    if (!t->value) return false;
    derived |= t->place == LR_AT_PLAN;
  }
  for (int32_t i = 0; i < st->n_in; i++)
    if (st->in[i] >= 0 && !lr_type_known(&p->tensor[st->in[i]].type)) return false;
  for (int32_t i = 0; i < st->n_out; i++) {
    const struct lr_type *t = &p->tensor[st->out[i]].type;
    if (!lr_type_known(t)) return false;
    bytes += lr_type_bytes(t);
  }
  return derived && !st->custom && !lr_is_control(st) && bytes <= MAX_FOLD_BYTES;
}

void lr_dense_strides(const struct lr_type *t, int64_t *stride) {
  int64_t n = 1;
  for (int32_t i = t->rank - 1; i >= 0; i--) {
    stride[i] = n;
    n *= t->dim[i] > 0 ? t->dim[i] : 1;
  }
}

struct lr_view lr_dense_view(const struct lr_type *t, void *data) {
  struct lr_view v = {.data = data, .dtype = t->dtype, .rank = t->rank};
  memcpy(v.dim, t->dim, sizeof v.dim);
  lr_dense_strides(t, v.stride);
  return v;
}

lr_status lr_plan_fold(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  struct lr_plan *p = &s->plan;
  assert(p->tensor);
  static char no_data[LR_ALIGN]; /* `shape` looks at dims only, but a NULL would say absent */
  for (int32_t i = 0; i < st->n_in; i++) {
    struct lr_plan_tensor *t = st->in[i] < 0 ? NULL : &p->tensor[st->in[i]];
    if (t) st->view[i] = lr_dense_view(&t->type, (void *)(uintptr_t)(t->value ? t->value : no_data));
  }
  for (int32_t i = 0; i < st->n_out; i++) {
    struct lr_plan_tensor *t = &p->tensor[st->out[i]];
    void *data = lr_arena_alloc(&p->arena, lr_type_bytes(&t->type) + 1);
    if (!data) return lr_fail(error, LR_ERR_MEMORY, "plan: out of memory for its values");
    st->view[st->n_in + i] = lr_dense_view(&t->type, data);
  }
  bool nothing = lr_makes_nothing(st);
  if (!nothing) LR_TRY(lr_plan_prepare(s, st, &p->arena, error));
  void *scratch = NULL;
  if (st->scratch_bytes) LR_TRY(lr_session_alloc(s, st->scratch_bytes, "scratch", &scratch, error));
  st->scratch = scratch;
  struct lr_run r = lr_plan_call(s, st, error);
  lr_status status = nothing ? LR_OK : st->impl->run(&r);
  lr_session_free(s, scratch, st->scratch_bytes);
  for (int32_t i = 0; i < st->n_out && !status; i++) {
    struct lr_plan_tensor *t = &p->tensor[st->out[i]];
    t->value = st->view[st->n_in + i].data;
    t->place = LR_AT_PLAN;
  }
  return status;
}
