/* Callbacks that call back into their session: refused with a sentence, never a deadlock or a crash; and what
 * closing does while a call is under way. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "../system.h"
#include "support.h"

enum place { NOWHERE, ON_STEP, INFER, RUN, PARALLEL_FOR, ALLOC, FREE };

/* What a callback does, and what it was told. */
struct caller {
  enum place at;
  bool close; /* closes the session; else tries all that is refused */
  lr_session *s;
  int calls, refused;
  char sentence[512];
};

static void try_everything(struct caller *c) {
  lr_tensor t;
  int64_t dims[2] = {3, 4};
  for (int i = 0; i < 5; i++) {
    lr_error error = {""};
    lr_status status = i == 0   ? lr_session_run(c->s, NULL, &error)
                       : i == 1 ? lr_session_plan(c->s, &error)
                       : i == 2 ? lr_session_resize(c->s, 0, 2, dims, &error)
                       : i == 3 ? lr_session_bind(c->s, LR_INPUT, 0, NULL, 0, &error)
                                : lr_session_tensor(c->s, LR_OUTPUT, 0, &t, &error);
    c->refused += status == LR_ERR_ARGUMENT && strstr(error.message, "the session is in use");
    snprintf(c->sentence, sizeof c->sentence, "%s", error.message);
  }
  lr_session_reset_state(c->s); /* does nothing */
  lr_step step;
  lr_session_step(c->s, 0, &step);
  lr_session_memory(c->s);
}

static void call_back(void *user, enum place at) {
  struct caller *c = user;
  if (at != c->at || !c->s) return;
  c->calls++;
  if (!c->close) {
    try_everything(c);
    return;
  }
  lr_session_close(c->s);
  lr_session_close(c->s); /* a destructor may do it again, as long as the call is under way */
}

static void on_step(void *user, const lr_step *step) { call_back(user, ON_STEP); }

static lr_status square_infer(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                              lr_tensor *out, int32_t n_out, lr_error *error) {
  call_back(user, INFER);
  out[0] = in[0];
  return LR_OK;
}

static lr_status square_run(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                            lr_tensor *out, int32_t n_out, lr_error *error) {
  float plus;
  call_back(user, RUN);
  memcpy(&plus, data, sizeof plus);
  for (size_t i = 0; i < in[0].bytes / 4; i++) {
    float x = ((const float *)in[0].data)[i];
    ((float *)out[0].data)[i] = x * x + plus;
  }
  return LR_OK;
}

static void parallel_for(void *user, void (*body)(void *, int32_t), void *context, int32_t n) {
  call_back(user, PARALLEL_FOR);
  for (int32_t i = 0; i < n; i++) body(context, i);
}

static void *alloc(void *user, size_t bytes, size_t align) {
  call_back(user, ALLOC);
  return aligned_new(bytes, align);
}

static void release(void *user, void *p) {
  call_back(user, FREE);
  aligned_delete(p);
}

/* The model for a place, in a session in which every callback is the caller's. */
static lr_status open_caller(struct caller *c, lr_model **m, lr_error *error) {
  const lr_allocator allocator = {alloc, release, c};
  const lr_custom custom = {"square", square_infer, square_run, c};
  lr_pool *pool = NULL;
  lr_pool_options po = {.size = sizeof po, .threads = 2, .parallel_for = parallel_for, .user = c};
  lr_session_options so = {.size = sizeof so, .customs = &custom, .n_customs = 1, .allocator = &allocator};
  lr_session *s = NULL;
  lr_status status = lr_pool_open(&po, &pool, error);
  if (!status) status = open_model(c->at == PARALLEL_FOR ? "deep" : "custom", m, error);
  so.pool = pool;
  if (!status) status = lr_session_open(*m, &so, &s, error);
  c->s = s;
  lr_pool_close(pool);
  return status;
}

TEST(calls_are_refused) {
  static const struct {
    enum place at;
    const char *name;
  } places[] = {{ON_STEP, "on_step"},
                {INFER, "infer"},
                {RUN, "run"},
                {PARALLEL_FOR, "parallel_for"},
                {ALLOC, "the allocator's alloc"},
                {FREE, "free"}};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    lr_error error = {""};
    struct caller c = {.at = places[i].at};
    lr_model *m = NULL;
    OK(open_caller(&c, &m, &error));
    struct io_file io = read_io(c.at == PARALLEL_FOR ? "deep" : "custom");
    lr_run_options ro = {.size = sizeof ro, .on_step = on_step, .user = &c};
    for (int k = 0; k < io.n; k++) OK(run_and_compare(c.s, &io.run[k], &ro, &error));
    CHECK(c.calls > 0 && c.refused == 5 * c.calls, "%s: %d of %d calls refused: %s", places[i].name,
          c.refused, 5 * c.calls, c.sentence);
    lr_session_close(c.s);
    lr_model_close(m);
    free_io(&io);
  }
}

/* ---- closing ---- */
/* The call ends with CANCELLED; under ASan nothing of the session is left or touched. */
TEST(closing_in_a_callback) {
  static const enum place places[] = {ON_STEP, INFER, RUN, PARALLEL_FOR, ALLOC};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    lr_error error = {""};
    struct caller c = {.at = places[i], .close = true};
    lr_model *m = NULL;
    OK(open_caller(&c, &m, &error));
    struct io_file io = read_io(c.at == PARALLEL_FOR ? "deep" : "custom");
    lr_run_options ro = {.size = sizeof ro, .on_step = on_step, .user = &c};
    const struct io_tensor *x = &io.run[0].tensor[0];
    OK(lr_session_resize(c.s, 0, x->rank, x->dims, &error));
    FAILS(lr_session_run(c.s, &ro, &error), LR_ERR_CANCELLED, "closed while it was in use");
    CHECK(c.calls > 0, "the callback was not called");
    lr_model_close(m);
    free_io(&io);
  }
}

struct runner {
  lr_session *s;
  atomic_bool inside, closed;
  lr_status status;
  lr_error error;
};
static void wait_for_close(void *user, const lr_step *step) {
  struct runner *r = user;
  atomic_store(&r->inside, true);
  while (!atomic_load(&r->closed)) sched_yield();
}
static void *run_on(void *arg) {
  struct runner *r = arg;
  lr_run_options ro = {.size = sizeof ro, .on_step = wait_for_close, .user = r};
  r->status = lr_session_run(r->s, &ro, &r->error);
  return NULL;
}

TEST(closing_in_another_thread) {
  lr_error error = {""};
  lr_model *m = NULL;
  struct runner r = {0};
  pthread_t t;
  OK(open_model("streaming", &m, &error));
  OK(lr_session_open(m, NULL, &r.s, &error));
  lr_model_close(m);
  CHECK(!pthread_create(&t, NULL, run_on, &r), "pthread_create");
  while (!atomic_load(&r.inside)) sched_yield();
  lr_session_close(r.s); /* does not wait */
  atomic_store(&r.closed, true);
  pthread_join(t, NULL);
  CHECK(r.status == LR_ERR_CANCELLED && strstr(r.error.message, "closed"), "status %d, %s", (int)r.status,
        r.error.message);
}

/* A callback may use other sessions, of the same model and pool too. */
struct other {
  lr_session *s;
  const struct io_run *run;
  int good;
};
static void run_other(void *user, const lr_step *step) {
  struct other *o = user;
  o->good += !run_and_compare(o->s, o->run, NULL, NULL);
}

TEST(other_sessions_are_free) {
  lr_error error = {""};
  struct io_file io = read_io("deep");
  lr_model *m = NULL;
  lr_session *s = NULL;
  lr_pool *pool = NULL;
  lr_pool_options po = {.size = sizeof po, .threads = 2};
  struct other o = {.run = &io.run[1]};
  OK(lr_pool_open(&po, &pool, &error));
  lr_session_options so = {.size = sizeof so, .pool = pool};
  OK(open_model("deep", &m, &error));
  OK(lr_session_open(m, &so, &s, &error));
  OK(lr_session_open(m, &so, &o.s, &error));
  lr_run_options ro = {.size = sizeof ro, .on_step = run_other, .user = &o};
  OK(run_and_compare(s, &io.run[0], &ro, &error));
  int n = 0;
  lr_step step;
  while (lr_session_step(s, n, &step)) n++;
  CHECK(n > 5 && o.good == n, "%d of %d runs in on_step", o.good, n);
  lr_session_close(s);
  lr_session_close(o.s);
  lr_model_close(m);
  lr_pool_close(pool);
  free_io(&io);
}

/* ---- a read callback opens another model ---- */
static int read_and_open(void *user, uint64_t offset, void *to, size_t bytes) {
  const struct bytes *file = user;
  lr_error error;
  lr_model *m = NULL;
  if (open_model("convnet", &m, &error)) return 1;
  lr_model_close(m);
  memcpy(to, file->data + offset, bytes);
  return 0;
}

TEST(models_in_a_read_callback) {
  lr_error error = {""};
  struct bytes file = read_file("deep.lrm");
  lr_model *m = NULL;
  OK(lr_model_open_reader(read_and_open, &file, file.size, NULL, &m, &error));
  lr_model_close(m);
  free(file.data);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"calls_are_refused", calls_are_refused},
                                      {"closing_in_a_callback", closing_in_a_callback},
                                      {"closing_in_another_thread", closing_in_another_thread},
                                      {"other_sessions_are_free", other_sessions_are_free},
                                      {"models_in_a_read_callback", models_in_a_read_callback}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
