/* Delegates on accelerators: who takes one, its buffers, its run. */
#include <stdio.h>

#include "session.h"

lr_status lr_device_offer(lr_session *s, struct lr_plan_step *st, bool *taken, char *why, size_t why_size,
                          lr_error *error) {
  struct lr_plan *p = &s->plan;
  const struct lr_node *n = st->node;
  const struct lr_subgraph *body = &s->model->subgraphs[n->subgraphs[0]];
  struct lr_type *in = lr_arena_alloc(&p->arena, (size_t)(n->n_in + n->n_out + 1) * sizeof *in),
                 *out = in + n->n_in;
  st->handle = lr_arena_alloc(&p->arena, (size_t)(n->n_in + n->n_out + 1) * 2 * sizeof(void *));
  if (!in || !st->handle) return lr_fail(error, LR_ERR_MEMORY, "plan: out of memory for a device");
  st->host = st->handle + n->n_in + n->n_out;
  bool known = true;
  for (int32_t i = 0; i < n->n_in; i++) {
    in[i] = p->tensor[st->in[i]].type;
    known &= lr_type_known(&in[i]);
  }
  snprintf(why, why_size, "%s",
           !s->n_devices ? "no device was given"
           : known       ? ""
                         : "its shapes depend on values");
  for (int32_t d = 0; d < s->n_devices && known; d++) {
    const struct lr_device *dev = s->devices[d];
    const struct lr_blob *blob = NULL;
    for (int32_t i = 0; i < n->n_blobs; i++)
      if (!strcmp(n->blobs[i].vendor, dev->vendor)) blob = &n->blobs[i];
    lr_error e = {""};
    lr_status r = LR_ERR_UNSUPPORTED;
    if (n->n_blobs && *dev->vendor && !blob)
      snprintf(e.message, sizeof e.message, "the model has no program for it");
    else
      r = dev->compile(dev->user, s->model, body, blob, in, out, &st->program, &e);
    if (r == LR_OK) {
      for (int32_t i = 0; i < n->n_out; i++) p->tensor[st->out[i]].type = out[i];
      st->device = dev;
      *taken = true;
      return LR_OK;
    }
    size_t used = strlen(why);
    snprintf(why + used, why_size - used, "%s%s: %.200s", used ? "; " : "", dev->name, e.message);
  }
  return LR_OK;
}

lr_status lr_device_buffers(lr_session *s, struct lr_plan_step *st, lr_error *error) {
  for (int32_t i = 0; i < st->n_in + st->n_out; i++) {
    const struct lr_type *t = &s->plan.tensor[st->in[i]].type; /* out[] follows in[] */
    if (!lr_type_check(t) || !lr_type_known(t))
      return lr_fail(error, LR_ERR_DEVICE, "delegate '%s': device %s gave an output without a valid shape",
                     st->node->name, st->device->name);
    LR_TRY(st->device->alloc(st->device->user, lr_type_bytes(t), &st->handle[i], &st->host[i], error));
  }
  return LR_OK;
}

void lr_device_clear(struct lr_plan_step *st) {
  for (int32_t i = 0; i < st->n_in + st->n_out; i++)
    if (st->handle[i]) st->device->free(st->device->user, st->handle[i]);
  st->device->release(st->device->user, st->program);
}

lr_status lr_device_run(struct lr_plan_step *st, lr_error *error) {
  const struct lr_device *d = st->device;
  for (int32_t i = 0; i < st->n_in; i++) {
    size_t bytes = (size_t)lr_view_count(&st->view[i]) * lr_dtype_size(st->view[i].dtype);
    if (st->host[i])
      memcpy(st->host[i], st->view[i].data, bytes);
    else
      LR_TRY(d->upload(d->user, st->handle[i], st->view[i].data, bytes, error));
  }
  LR_TRY(d->submit(d->user, st->program, st->handle, st->handle + st->n_in, error));
  LR_TRY(d->wait(d->user, st->program, error));
  for (int32_t k = st->n_in; k < st->n_in + st->n_out; k++) {
    size_t bytes = (size_t)lr_view_count(&st->view[k]) * lr_dtype_size(st->view[k].dtype);
    if (st->host[k])
      memcpy(st->view[k].data, st->host[k], bytes);
    else
      LR_TRY(d->download(d->user, st->handle[k], st->view[k].data, bytes, error));
  }
  return LR_OK;
}
