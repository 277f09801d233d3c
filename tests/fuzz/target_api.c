/* libFuzzer: the input's bytes are calls of the API, in any order, on good models (LR_FUZZ_SEEDS: a folder of them).
 * Only what the header forbids is not done: objects are not used after they were closed, memory that is bound stays. */
#include "../system.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MODELS = 2, SESSIONS = 3, BUFFERS = 16, MAX_SEEDS = 256, MAX_CALLS = 200 };

static struct file seed[MAX_SEEDS];
static int n_seeds;

struct calls {
  const uint8_t *data;
  size_t left;
  lr_model *model[MODELS];
  lr_session *session[SESSIONS];
  lr_model *of[SESSIONS]; /* the model of a session, NULL when that was closed before */
  lr_pool *pool;
  void *buffer[BUFFERS];
  int n_buffers;
};

static uint8_t byte(struct calls *c) {
  if (!c->left) return 0;
  c->left--;
  return *c->data++;
}

/* ---- the calls ---- */
static void close_model(struct calls *c, int k) {
  for (int i = 0; i < SESSIONS; i++)
    if (c->of[i] == c->model[k]) c->of[i] = NULL;
  lr_model_close(c->model[k]);
  c->model[k] = NULL;
}

static void open_model(struct calls *c, int k) {
  const struct file *f = &seed[byte(c) % n_seeds];
  uint8_t how = byte(c);
  lr_model_options o = {.size = sizeof o, .verify = how & 1, .cpu_mask = how & 2 ? LR_CPU_PORTABLE : 0};
  close_model(c, k);
  if (lr_model_open_memory(f->data, (size_t)f->bytes, &o, &c->model[k], NULL)) abort(); /* it is a good one */
}

static void open_session(struct calls *c, int i, int k) {
  uint8_t how = byte(c);
  lr_session_options o = {.size = sizeof o,
                          .threads = 1 + (how & 1),
                          .pool = how & 2 ? c->pool : NULL,
                          .memory_limit = how & 4 ? 4096 : (uint64_t)64 << 20,
                          .keep_all = how >> 3 & 1,
                          .require_devices = how >> 4 & 1,
                          .customs = &fuzz_custom,
                          .n_customs = how >> 5 & 1};
  if (c->session[i] || !c->model[k]) return;
  if (!lr_session_open(c->model[k], &o, &c->session[i], NULL)) c->of[i] = c->model[k];
}

static void resize(struct calls *c, lr_session *s) {
  static const int64_t odd[] = {-1, 0, (int64_t)1 << 31, (int64_t)1 << 62, INT64_MIN};
  int32_t index = byte(c) % 4, rank = byte(c) % 10;
  int64_t dims[10];
  for (int32_t d = 0; d < 10 && d < rank; d++) {
    uint8_t b = byte(c);
    dims[d] = b < 240 ? b % 24 : odd[b % 5];
  }
  lr_error error = {""};
  if (lr_session_resize(s, index, rank, dims, &error) && !error.message[0]) abort();
}

static void on_step(void *user, const lr_step *step) {
  if (!step->node || !step->op || !step->device || !step->kernel) abort();
  if (step->index == 2) lr_session_cancel(user);
}

static void run(struct calls *c, lr_session *s) {
  uint8_t how = byte(c);
  lr_run_options o = {.size = sizeof o, .timeout_ns = how & 1 ? 1 : 200000000, .trap_nan = how >> 1 & 1};
  if (how & 4) {
    o.on_step = on_step;
    o.user = s;
  }
  lr_error error = {""};
  if (lr_session_run(s, &o, &error) && !error.message[0]) abort();
}

static void bind(struct calls *c, lr_session *s) {
  lr_role role = byte(c) % 3;
  int32_t index = byte(c) % 4;
  size_t bytes = (size_t)1 << byte(c) % 18;
  uint8_t how = byte(c);
  void *p = NULL;
  if (how & 1 && c->n_buffers < BUFFERS && (p = calloc(1, bytes))) c->buffer[c->n_buffers++] = p;
  lr_session_bind(s, role, index, p, bytes, NULL); /* NULL: its own again */
}

/* Memory that the session gives out is written from end to end. */
static void fill(struct calls *c, lr_session *s) {
  lr_role role = byte(c) % 3;
  lr_tensor t;
  if (!lr_session_tensor(s, role, byte(c) % 4, &t, NULL) && t.data) memset(t.data, byte(c), t.bytes);
}

static void list_steps(lr_session *s) {
  lr_step step;
  for (int32_t i = 0; lr_session_step(s, i, &step); i++)
    if (step.index != i) abort();
}

static void call(struct calls *c) {
  uint8_t what = byte(c) % 14, which = byte(c);
  int k = which % MODELS, i = which / MODELS % SESSIONS;
  lr_session *s = c->session[i];
  if (what == 0) open_model(c, k);
  if (what == 1) close_model(c, k);
  if (what == 2) open_session(c, i, k);
  if (what == 3) {
    lr_session_close(s);
    c->session[i] = NULL;
  }
  if (what == 4 && !c->pool &&
      lr_pool_open(&(lr_pool_options){.size = sizeof(lr_pool_options), .threads = 2}, &c->pool, NULL))
    c->pool = NULL;
  if (what == 5) {
    lr_pool_close(c->pool);
    c->pool = NULL;
  }
  if (!s || what < 6) return;
  if (what == 6) resize(c, s);
  if (what == 7) lr_session_plan(s, NULL);
  if (what == 8 || what == 13) run(c, s);
  if (what == 9) bind(c, s);
  if (what == 10) fill(c, s);
  if (what == 11) lr_session_cancel(s), lr_session_reset_state(s);
  if (what == 12) list_steps(s), lr_session_memory(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct calls c = {.data = data, .left = size};
  for (int n = 0; c.left && n < MAX_CALLS; n++) call(&c);
  for (int i = 0; i < MODELS; i++) close_model(&c, i); /* sessions keep what they need */
  for (int i = 0; i < SESSIONS; i++) lr_session_close(c.session[i]);
  lr_pool_close(c.pool);
  for (int i = 0; i < c.n_buffers; i++) free(c.buffer[i]);
  return 0;
}

/* ---- the models ---- */
static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static void load(const char *folder, const char *name) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "rb");
  long n = f && !fseek(f, 0, SEEK_END) ? ftell(f) : -1;
  if (n < 0) return;
  rewind(f);
  struct file *to = &seed[n_seeds];
  *to = new_file((uint64_t)n);
  lr_model *m = NULL;
  bool good = fread(to->data, 1, (size_t)n, f) == (size_t)n &&
              !lr_model_open_memory(to->data, (size_t)n, NULL, &m, NULL);
  lr_model_close(m);
  fclose(f);
  n_seeds += good;
  if (!good) aligned_delete(to->data);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const char *folder = getenv("LR_FUZZ_SEEDS");
  struct dirent **entry;
  int n = folder ? scandir(folder, &entry, NULL, by_name) : -1;
  for (int i = 0; i < n; i++) {
    const char *end = strrchr(entry[i]->d_name, '.');
    if (end && !strcmp(end, ".lrm") && n_seeds < MAX_SEEDS) load(folder, entry[i]->d_name);
    free(entry[i]);
  }
  if (n >= 0) free(entry);
  if (n_seeds) return 0;
  fprintf(stderr, "api: LR_FUZZ_SEEDS must name a folder with .lrm files\n");
  exit(2);
}
