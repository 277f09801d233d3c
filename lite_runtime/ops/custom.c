/* custom, delegate: nodes that something outside of this library computes. */
#include "custom.h"

/* ---- shapes: the declared ones ---- */
static lr_status declared(struct lr_infer *c) {
  for (int32_t k = 0; k < c->n_out; k++) {
    if (!c->out[k].dtype)
      return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                           "the type of output %d is not known; declare its dtype and shape", k);
    if (!lr_type_check(&c->out[k]))
      return lr_infer_fail(c, LR_ERR_MODEL, "the declared type of output %d is not valid", k);
  }
  return LR_OK;
}

lr_status lr_infer_custom(struct lr_infer *c) { return declared(c); }
lr_status lr_infer_delegate(struct lr_infer *c) { return declared(c); }

static lr_tensor to_tensor(int32_t dtype, int32_t rank, const int64_t *dim, void *data) {
  lr_tensor t = {.data = data, .dtype = dtype, .rank = rank};
  memcpy(t.dims, dim, sizeof t.dims);
  t.bytes = lr_dtype_size(dtype);
  for (int32_t i = 0; i < rank; i++) t.bytes *= (size_t)dim[i];
  return t;
}

/* A callback may return anything; what is not a status becomes one. */
static lr_status status_of(lr_status s) { return s > LR_OK && s <= LR_ERR_CANCELLED ? s : LR_ERR_ARGUMENT; }

static const char *message_of(lr_error *e) {
  e->message[sizeof e->message - 1] = 0;
  return e->message[0] ? e->message : "the callback failed without a message";
}

/* ---- the user's infer ---- */
static lr_status check_output(const struct lr_node *n, int32_t k, const lr_tensor *t, struct lr_type *out,
                              lr_error *e) {
  struct lr_type y = {.dtype = t->dtype, .rank = t->rank};
  char a[240], b[240];
  memcpy(y.dim, t->dims, sizeof y.dim);
  if (!lr_type_check(&y) || !lr_type_known(&y))
    return lr_fail(e, LR_ERR_ARGUMENT,
                   "custom '%.150s': infer of '%.100s' gave output %d no valid type (dtype %d, rank %d)",
                   n->name, n->custom_name, k, t->dtype, t->rank);
  bool same = !out->dtype || (out->dtype == y.dtype && out->rank == y.rank);
  for (int32_t i = 0; i < y.rank && same && out->dtype; i++)
    same = out->dim[i] < 0 || out->dim[i] == y.dim[i];
  if (!same)
    return lr_fail(e, LR_ERR_ARGUMENT,
                   "custom '%.100s': infer of '%.100s' says output %d is %s, the model says %s", n->name,
                   n->custom_name, k, lr_type_text(&y, a, sizeof a), lr_type_text(out, b, sizeof b));
  *out = y;
  return LR_OK;
}

static lr_status call_infer(const struct lr_custom *u, const struct lr_node *n, const struct lr_type *in,
                            struct lr_type *out, lr_tensor *t, lr_error *error) {
  lr_error e = {""};
  for (int32_t i = 0; i < n->n_in; i++) t[i] = to_tensor(in[i].dtype, in[i].rank, in[i].dim, NULL);
  lr_status s = u->infer(u->user, n->custom_data, n->custom_bytes, t, n->n_in, t + n->n_in, n->n_out, &e);
  if (s)
    return lr_fail(error, status_of(s), "custom '%.150s': infer of '%.100s' failed: %s", n->name,
                   n->custom_name, message_of(&e));
  for (int32_t k = 0; k < n->n_out; k++) LR_TRY(check_output(n, k, &t[n->n_in + k], &out[k], error));
  return LR_OK;
}

lr_status lr_custom_infer(const struct lr_custom *u, const struct lr_node *n, const lr_allocator *alloc,
                          const struct lr_type *in, struct lr_type *out, lr_error *error) {
  for (int32_t i = 0; i < n->n_in; i++)
    if (in[i].dtype && !lr_type_known(&in[i]))
      return lr_fail(error, LR_ERR_UNSUPPORTED, "custom '%.150s': the shape of input %d is not known",
                     n->name, i);
  if (!u->infer) {
    for (int32_t k = 0; k < n->n_out; k++)
      if (!lr_type_check(&out[k]) || !lr_type_known(&out[k]))
        return lr_fail(error, LR_ERR_ARGUMENT,
                       "custom '%.150s': '%.100s' has no infer, and the model does not say the "
                       "shape of output %d; give it an infer",
                       n->name, n->custom_name, k);
    return LR_OK;
  }
  lr_tensor *t = lr_alloc(alloc, (size_t)(n->n_in + n->n_out) * sizeof *t, LR_ALIGN);
  if (!t) return lr_fail(error, LR_ERR_MEMORY, "custom '%.150s': out of memory", n->name);
  lr_status s = call_infer(u, n, in, out, t, error);
  lr_free(alloc, t);
  return s;
}

/* ---- the user's run ---- */
static lr_status prepare_custom(struct lr_prepare *p) {
  p->scratch = (size_t)(p->n_in + p->n_out) * sizeof(lr_tensor);
  return LR_OK;
}

static lr_status run_custom(struct lr_run *r) {
  const struct lr_custom *u = r->custom;
  const struct lr_node *n = r->node;
  if (!u || !u->run)
    return lr_run_fail(r, LR_ERR_UNSUPPORTED,
                       "there is no callback for '%.150s'; give one in lr_session_options.customs",
                       n->custom_name);
  lr_tensor *t = r->scratch;
  for (int32_t i = 0; i < r->n_in; i++)
    t[i] = to_tensor(r->in[i].dtype, r->in[i].rank, r->in[i].dim, r->in[i].data);
  for (int32_t k = 0; k < r->n_out; k++)
    t[r->n_in + k] = to_tensor(r->out[k].dtype, r->out[k].rank, r->out[k].dim, r->out[k].data);
  lr_error e = {""};
  lr_status s = u->run(u->user, n->custom_data, n->custom_bytes, t, r->n_in, t + r->n_in, r->n_out, &e);
  return s ? lr_run_fail(r, status_of(s), "'%.150s' failed: %s", n->custom_name, message_of(&e)) : LR_OK;
}

const struct lr_impl lr_cpu_custom = {.prepare = prepare_custom, .run = run_custom};

/* ---- delegate ---- */
static lr_status run_delegate(struct lr_run *r) {
  return lr_run_fail(r, LR_ERR_UNSUPPORTED,
                     "the session did not put its subgraph in its place; report this as a bug");
}

const struct lr_impl lr_cpu_delegate = {.run = run_delegate};
