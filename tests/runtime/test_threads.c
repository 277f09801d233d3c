/* Many threads on one model, and callbacks that call back in. Meant for the thread sanitizer as much as for
 * its checks. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support.h"

/* ---- sixteen sessions: weights are packed by whoever comes first ---- */
enum { SESSIONS = 16 };

struct crew {
  lr_model *model;
  lr_pool *pool;
  const struct io_file *io;
  int members;
  atomic_int there; /* members that have started: all begin together */
};
struct member {
  struct crew *crew;
  int index;
  bool ok;
  lr_error error;
};

static void wait_for_all(struct crew *c) {
  atomic_fetch_add(&c->there, 1);
  while (atomic_load(&c->there) < c->members) sched_yield();
}

static void *open_and_run(void *arg) {
  struct member *w = arg;
  lr_session_options o = {.size = sizeof o, .pool = w->crew->pool};
  lr_session *s = NULL;
  wait_for_all(w->crew);
  lr_status status = lr_session_open(w->crew->model, &o, &s, &w->error);
  for (int i = 0; i < 4 && !status; i++) /* each in another order of sizes */
    status = run_and_compare(s, &w->crew->io->run[(w->index + i) % w->crew->io->n], NULL, &w->error);
  lr_session_close(s);
  w->ok = !status;
  return NULL;
}

static void sixteen(const char *name, uint32_t cpu_mask) {
  lr_error error = {""};
  struct io_file io = read_io(name);
  struct bytes file = {0};
  char path[64];
  snprintf(path, sizeof path, "%s.lrm", name);
  file = read_file(path);
  struct crew crew = {.io = &io, .members = SESSIONS};
  struct member w[SESSIONS] = {0};
  pthread_t t[SESSIONS];
  lr_pool_options po = {.size = sizeof po, .threads = 4};
  lr_model_options mo = {.size = sizeof mo, .cpu_mask = cpu_mask};
  OK(lr_model_open_memory(file.data, file.size, &mo, &crew.model, &error));
  OK(lr_pool_open(&po, &crew.pool, &error));
  for (int i = 0; i < SESSIONS; i++) {
    w[i] = (struct member){&crew, i, false, {""}};
    CHECK(!pthread_create(&t[i], NULL, open_and_run, &w[i]), "pthread_create");
  }
  for (int i = 0; i < SESSIONS; i++) pthread_join(t[i], NULL);
  lr_pool_close(crew.pool);
  lr_model_close(crew.model);
  free(file.data);
  free_io(&io);
  for (int i = 0; i < SESSIONS; i++) CHECK(w[i].ok, "%s, session %d: %s", name, i, w[i].error.message);
}

TEST(sixteen_sessions_on_first_use) {
  static const char *const names[] = {"convnet",   "deep",  "blocks", "text",   "qdq_conv",
                                      "prepacked", "views", "values", "control"};
  for (size_t i = 0; i < sizeof names / sizeof *names && !test_failed; i++) sixteen(names[i], 0);
  if (!test_failed) sixteen("prepacked", LR_CPU_PORTABLE); /* not what the file is packed for */
}

/* ---- opening and closing ---- */
static void *open_and_close(void *arg) {
  struct member *w = arg;
  lr_status status = LR_OK;
  wait_for_all(w->crew);
  for (int i = 0; i < 15 && !status; i++) {
    lr_model *m = NULL;
    lr_session *a = NULL, *b = NULL;
    lr_pool *pool = NULL;
    lr_pool_options po = {.size = sizeof po, .threads = 1 + i % 3};
    lr_session_options shared = {.size = sizeof shared, .pool = w->crew->pool};
    status = lr_model_open(path_of(i % 2 ? "convnet.lrm" : "deep.lrm"), NULL, &m, &w->error);
    const struct io_file *io = &w->crew->io[i % 2];
    if (!status) status = lr_session_open(m, &shared, &a, &w->error);
    if (!status) status = lr_pool_open(&po, &pool, &w->error);
    shared.pool = pool;
    if (!status) status = lr_session_open(m, &shared, &b, &w->error);
    if (i % 3 == 0) lr_model_close(m), m = NULL; /* the sessions hold it */
    if (i % 3 == 1) lr_pool_close(pool), pool = NULL;
    if (!status) status = run_and_compare(a, &io->run[i % io->n], NULL, &w->error);
    if (!status && i % 5 == 0) status = run_and_compare(b, &io->run[0], NULL, &w->error);
    lr_session_close(i % 2 ? a : b);
    lr_pool_close(pool);
    lr_session_close(i % 2 ? b : a);
    lr_model_close(m);
  }
  w->ok = !status;
  return NULL;
}

TEST(storms_of_opening_and_closing) {
  enum { THREADS = 8 };
  lr_error error = {""};
  struct io_file io[2] = {read_io("deep"), read_io("convnet")};
  struct crew crew = {.io = io, .members = THREADS};
  struct member w[THREADS] = {0};
  pthread_t t[THREADS];
  lr_pool_options po = {.size = sizeof po, .threads = 3};
  OK(lr_pool_open(&po, &crew.pool, &error));
  for (int i = 0; i < THREADS; i++) {
    w[i] = (struct member){&crew, i, false, {""}};
    CHECK(!pthread_create(&t[i], NULL, open_and_close, &w[i]), "pthread_create");
  }
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  lr_pool_close(crew.pool);
  for (int i = 0; i < 2; i++) free_io(&io[i]);
  for (int i = 0; i < THREADS; i++) CHECK(w[i].ok, "thread %d: %s", i, w[i].error.message);
}

/* ---- a second thread in a session ---- */
struct runner {
  lr_session *s;
  const struct io_run *run;
  atomic_bool inside, go_on;
  lr_status status;
  lr_error error;
};
static void wait_inside(void *user, const lr_step *step) {
  struct runner *r = user;
  atomic_store(&r->inside, true);
  while (!atomic_load(&r->go_on)) sched_yield();
}
static void *run_slowly(void *arg) {
  struct runner *r = arg;
  lr_run_options ro = {.size = sizeof ro, .on_step = wait_inside, .user = r};
  r->status = run_and_compare(r->s, r->run, &ro, &r->error);
  return NULL;
}

TEST(a_second_thread_is_refused) {
  lr_error error = {""};
  lr_model *m = NULL;
  lr_tensor t;
  struct io_file io = read_io("deep");
  struct runner r = {.run = &io.run[0]};
  pthread_t thread;
  OK(open_model("deep", &m, &error));
  OK(lr_session_open(m, NULL, &r.s, &error));
  CHECK(!pthread_create(&thread, NULL, run_slowly, &r), "pthread_create");
  while (!atomic_load(&r.inside)) sched_yield();
  FAILS(lr_session_run(r.s, NULL, &error), LR_ERR_ARGUMENT, "run: the session is in use");
  FAILS(lr_session_plan(r.s, &error), LR_ERR_ARGUMENT, "plan: the session is in use");
  FAILS(lr_session_resize(r.s, 0, 4, io.run[1].tensor[0].dims, &error), LR_ERR_ARGUMENT, "in use");
  FAILS(lr_session_bind(r.s, LR_INPUT, 0, NULL, 0, &error), LR_ERR_ARGUMENT, "in use");
  FAILS(lr_session_tensor(r.s, LR_INPUT, 0, &t, &error), LR_ERR_ARGUMENT, "in use");
  atomic_store(&r.go_on, true);
  pthread_join(thread, NULL);
  CHECK(!r.status, "the run: %s", r.error.message);
  lr_session_close(r.s);
  lr_model_close(m);
  free_io(&io);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"sixteen_sessions_on_first_use", sixteen_sessions_on_first_use},
                                      {"storms_of_opening_and_closing", storms_of_opening_and_closing},
                                      {"a_second_thread_is_refused", a_second_thread_is_refused}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
