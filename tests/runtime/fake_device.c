#include "fake_device.h"

#include <stdlib.h>

static const char *const names[FAKE_CALLS] = {"none",   "compile",  "release", "alloc", "free",
                                              "upload", "download", "submit",  "wait"};

struct buffer {
  struct fake_device *owner;
  size_t bytes;
  unsigned char *data; /* exactly that many bytes, so that a sanitizer sees an overrun */
};

struct program {
  struct fake_device *owner;
  int32_t n_in, n_out;
  struct lr_type *in, *out;
  struct buffer **x, **y; /* set by submit, used by wait */
  bool pending;
};

static lr_status enter(struct fake_device *d, enum fake_call call, lr_error *e) {
  d->calls[call]++;
  if (d->fail != call || d->after-- > 0) return LR_OK;
  d->after = 0;
  return lr_fail(e, LR_ERR_DEVICE, "fake: told to fail in %s", names[call]);
}

static lr_status misuse(struct fake_device *d, lr_error *e, const char *what) {
  d->misuse++;
  return lr_fail(e, LR_ERR_DEVICE, "fake: %s", what);
}

/* ---- compile ---- */
/* The declared type with its symbols replaced by the sizes that the inputs have. */
static bool output_type(const struct lr_subgraph *g, const struct lr_type *in, const struct lr_type *declared,
                        struct lr_type *out) {
  *out = *declared;
  for (int32_t k = 0; k < out->rank; k++)
    for (int32_t i = 0; i < g->n_in && out->dim[k] < -1; i++)
      for (int32_t j = 0; j < in[i].rank; j++)
        if (g->tensors[g->in[i]].type.dim[j] == declared->dim[k]) out->dim[k] = in[i].dim[j];
  return lr_type_known(out) && lr_type_check(out);
}

static void destroy(struct program *p) {
  free(p->in);
  free(p->x);
  free(p);
}

static lr_status fake_compile(void *user, const lr_model *model, const struct lr_subgraph *g,
                              const struct lr_blob *blob, const struct lr_type *in, struct lr_type *out,
                              void **program, lr_error *e) {
  (void)model, (void)blob;
  struct fake_device *d = user;
  lr_status s = enter(d, FAKE_COMPILE, e);
  if (s) return s;
  size_t n = (size_t)(g->n_in + g->n_out) + 1;
  struct program *p = calloc(1, sizeof *p);
  if (p)
    *p = (struct program){d,    g->n_in, g->n_out, calloc(n, sizeof *p->in), NULL, calloc(n, sizeof *p->x),
                          NULL, false};
  if (!p || !p->in || !p->x) {
    if (p) destroy(p);
    return lr_fail(e, LR_ERR_MEMORY, "fake: out of memory");
  }
  p->out = p->in + g->n_in;
  p->y = p->x + g->n_in;
  for (int32_t i = 0; i < g->n_in; i++) {
    p->in[i] = in[i];
    if (!lr_type_known(&in[i]) || in[i].rank != g->tensors[g->in[i]].type.rank) {
      destroy(p);
      return misuse(d, e, "compile got an input type that is not known or not of the declared rank");
    }
  }
  for (int32_t k = 0; k < g->n_out; k++) {
    if (!output_type(g, in, &g->tensors[g->out[k]].type, &p->out[k])) {
      destroy(p);
      return lr_fail(e, LR_ERR_UNSUPPORTED, "fake: the shape of output %d does not follow from the inputs'",
                     k);
    }
    out[k] = p->out[k];
  }
  d->live++;
  *program = p;
  return LR_OK;
}

static void fake_release(void *user, void *program) {
  struct fake_device *d = user;
  enter(d, FAKE_RELEASE, NULL);
  struct program *p = program;
  if (!p || p->owner != d) {
    d->misuse++;
    return;
  }
  d->live--;
  destroy(p);
}

/* ---- memory ---- */
static lr_status fake_alloc(void *user, size_t bytes, void **handle, void **host_ptr, lr_error *e) {
  struct fake_device *d = user;
  lr_status s = enter(d, FAKE_ALLOC, e);
  if (s) return s;
  struct buffer *b = malloc(sizeof *b);
  unsigned char *data = malloc(bytes ? bytes : 1);
  if (!b || !data) {
    free(b);
    free(data);
    return lr_fail(e, LR_ERR_MEMORY, "fake: out of memory");
  }
  memset(data, 0xcd, bytes); /* memory that was never written must not pass for zeros */
  *b = (struct buffer){d, bytes, data};
  d->live++;
  *handle = b;
  *host_ptr = NULL;
  return LR_OK;
}

static void fake_free(void *user, void *handle) {
  struct fake_device *d = user;
  struct buffer *b = handle;
  enter(d, FAKE_FREE, NULL);
  if (!b || b->owner != d) {
    d->misuse++;
    return;
  }
  d->live--;
  free(b->data);
  free(b);
}

static lr_status fake_upload(void *user, void *handle, const void *from, size_t bytes, lr_error *e) {
  struct fake_device *d = user;
  struct buffer *b = handle;
  lr_status s = enter(d, FAKE_UPLOAD, e);
  if (s) return s;
  if (!b || b->owner != d || bytes > b->bytes || (!from && bytes))
    return misuse(d, e, "upload beyond a buffer");
  if (bytes) memcpy(b->data, from, bytes);
  return LR_OK;
}

static lr_status fake_download(void *user, void *handle, void *to, size_t bytes, lr_error *e) {
  struct fake_device *d = user;
  struct buffer *b = handle;
  lr_status s = enter(d, FAKE_DOWNLOAD, e);
  if (s) return s;
  if (!b || b->owner != d || bytes > b->bytes || (!to && bytes))
    return misuse(d, e, "download beyond a buffer");
  if (bytes) memcpy(to, b->data, bytes);
  return LR_OK;
}

/* ---- work: nothing is computed before wait, so a result that is read too early is seen ---- */
static lr_status take(struct fake_device *d, void *const *handles, const struct lr_type *types, int32_t n,
                      struct buffer **to, lr_error *e) {
  for (int32_t i = 0; i < n; i++) {
    to[i] = handles[i];
    if (!to[i] || to[i]->owner != d || to[i]->bytes < lr_type_bytes(&types[i]))
      return misuse(d, e, "submit with a buffer that is not its own or too small");
  }
  return LR_OK;
}

static lr_status fake_submit(void *user, void *program, void *const *in, void *const *out, lr_error *e) {
  struct fake_device *d = user;
  struct program *p = program;
  lr_status s = enter(d, FAKE_SUBMIT, e);
  if (s) return s;
  if (!p || p->owner != d || p->pending)
    return misuse(d, e, "submit of a program that is still running or not its own");
  LR_TRY(take(d, in, p->in, p->n_in, p->x, e));
  LR_TRY(take(d, out, p->out, p->n_out, p->y, e));
  p->pending = true;
  return LR_OK;
}

static lr_status fake_wait(void *user, void *program, lr_error *e) {
  struct fake_device *d = user;
  struct program *p = program;
  lr_status s = enter(d, FAKE_WAIT, e);
  if (!p || p->owner != d || !p->pending)
    return s ? s : misuse(d, e, "wait for a program that is not running");
  p->pending = false; /* a failed run is over too */
  if (s) return s;
  void **data = malloc((size_t)(p->n_in + p->n_out + 1) * sizeof *data);
  if (!data) return lr_fail(e, LR_ERR_MEMORY, "fake: out of memory");
  for (int32_t i = 0; i < p->n_in + p->n_out; i++) data[i] = p->x[i]->data; /* y follows x */
  d->compute(p->in, data, p->out, data + p->n_in);
  free(data);
  return LR_OK;
}

void fake_device_init(struct fake_device *d, fake_compute_fn compute) {
  *d = (struct fake_device){.compute = compute};
  d->device = (struct lr_device){.name = "fake",
                                 .vendor = "",
                                 .user = d,
                                 .compile = fake_compile,
                                 .release = fake_release,
                                 .alloc = fake_alloc,
                                 .free = fake_free,
                                 .upload = fake_upload,
                                 .download = fake_download,
                                 .submit = fake_submit,
                                 .wait = fake_wait};
}

void fake_device_fail(struct fake_device *d, enum fake_call call) {
  d->fail = call;
  d->after = 0;
}
