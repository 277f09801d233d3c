/* Stopping: cancelled and timed out before, between and inside of steps, by whom and as often as may be;
 * afterwards the session works, and its states are what they were. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "support.h"

static double ms_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void wait_ms(double ms) {
  struct timespec t = {(time_t)(ms / 1e3), (long)(1e6 * (ms - 1e3 * (double)(time_t)(ms / 1e3)))};
  nanosleep(&t, NULL);
}

struct opened {
  lr_model *m;
  lr_session *s;
  struct io_file io;
};

static lr_status open_one(const char *name, lr_session_options so, struct opened *o, lr_error *error) {
  *o = (struct opened){0};
  o->io = read_io(name);
  so.size = sizeof so;
  lr_status status = open_model(name, &o->m, error);
  return status ? status : lr_session_open(o->m, &so, &o->s, error);
}

static void close_one(struct opened *o) {
  lr_session_close(o->s);
  lr_model_close(o->m);
  free_io(&o->io);
}

TEST(before_a_run_it_does_nothing) {
  lr_error error = {""};
  struct opened o;
  OK(open_one("convnet", (lr_session_options){0}, &o, &error));
  lr_session_cancel(NULL);
  for (int i = 0; i < 3; i++) {
    lr_session_cancel(o.s);
    OK(run_and_compare(o.s, &o.io.run[i % o.io.n], NULL, &error));
  }
  close_one(&o);
}

/* ---- between steps ---- */
struct at_step {
  lr_session *s;
  int step, seen;
};
static void cancel_at(void *user, const lr_step *step) {
  struct at_step *a = user;
  a->seen++;
  if (step->index == a->step) lr_session_cancel(a->s);
}

TEST(at_every_step_states_stay) {
  lr_error error = {""};
  static const char *const names[] = {"streaming", "convnet", "text", "control"};
  for (int k = 0; k < 4; k++) {
    struct opened o;
    OK(open_one(names[k], (lr_session_options){.threads = 2}, &o, &error));
    struct at_step a = {.s = o.s};
    lr_run_options ro = {.size = sizeof ro, .on_step = cancel_at, .user = &a};
    for (int i = 0; i < o.io.n;
         i++) { /* each run is cancelled at each of its steps before it may go through */
      int n = 1;
      for (a.step = 0; a.step < n; a.step++) {
        a.seen = 0;
        FAILS(run_and_compare(o.s, &o.io.run[i], &ro, &error), LR_ERR_CANCELLED, "cancelled");
        CHECK(a.seen == a.step + 1, "%d steps were reported, %d were to run", a.seen, a.step + 1);
        lr_step step;
        while (lr_session_step(o.s, n, &step)) n++;
      }
      CHECK(n >= 3, "%s has %d steps", names[k], n);
      OK(run_and_compare(o.s, &o.io.run[i], NULL, &error));
    }
    close_one(&o);
  }
}

/* ---- inside of a step ---- */
/* An input for which a run takes some 0.2 s of this thread's time, here and with this compiler; *cpu: how
 * long in fact. */
static lr_status grow_heavy(lr_session *s, double *cpu, lr_error *error) {
  *cpu = 0;
  for (int64_t side = 64; *cpu < 150 && side <= 4096; side = side * 3 / 2) {
    const int64_t dims[4] = {1, 24, side, side};
    lr_status status = lr_session_resize(s, 0, 4, dims, error);
    if (!status) status = lr_session_plan(s, error);
    if (status) return status;
    double start = ms_of(CLOCK_THREAD_CPUTIME_ID);
    if ((status = lr_session_run(s, NULL, error))) return status;
    *cpu = ms_of(CLOCK_THREAD_CPUTIME_ID) - start;
  }
  return LR_OK;
}

struct later {
  lr_session *s;
  double ms;
};
static void *cancel_later(void *arg) {
  struct later *l = arg;
  wait_ms(l->ms);
  lr_session_cancel(l->s);
  return NULL;
}

TEST(inside_of_a_step) {
  lr_error error = {""};
  struct opened o;
  double whole, used = 0;
  OK(open_one("heavy", (lr_session_options){.threads = 1}, &o, &error));
  OK(grow_heavy(o.s, &whole, &error));
  int good = 0; /* the other thread may wake up late: one time out of ten must do */
  for (int i = 0; i < 10 && !good; i++) {
    struct later l = {o.s, whole / 10};
    pthread_t t;
    CHECK(!pthread_create(&t, NULL, cancel_later, &l), "pthread_create");
    double start = ms_of(CLOCK_THREAD_CPUTIME_ID);
    lr_status status = lr_session_run(o.s, NULL, &error);
    used = ms_of(CLOCK_THREAD_CPUTIME_ID) - start;
    pthread_join(t, NULL);
    CHECK(!status || status == LR_ERR_CANCELLED, "%s", error.message);
    good += status == LR_ERR_CANCELLED && used < whole / 2;
  }
  CHECK(good, "cancelled after %.0f ms a run took %.0f ms, a whole one %.0f", whole / 10, used, whole);
  OK(run_and_compare(o.s, &o.io.run[0], NULL, &error));
  close_one(&o);
}

TEST(a_deadline_inside_of_a_step) {
  lr_error error = {""};
  struct opened o;
  double whole;
  for (int32_t threads = 1; threads <= 2; threads++) {
    OK(open_one("heavy", (lr_session_options){.threads = threads}, &o, &error));
    OK(grow_heavy(o.s, &whole, &error));
    lr_run_options ro = {.size = sizeof ro, .timeout_ns = (uint64_t)(1e6 * whole / 10)};
    double start =
        ms_of(CLOCK_THREAD_CPUTIME_ID); /* never more than what passes on the clock of the deadline */
    FAILS(lr_session_run(o.s, &ro, &error), LR_ERR_CANCELLED, "time limit");
    double used = ms_of(CLOCK_THREAD_CPUTIME_ID) - start;
    CHECK(used < whole / 2, "with %.0f ms a run took %.0f ms, a whole one %.0f", whole / 10, used, whole);
    ro.timeout_ns = UINT64_MAX;
    OK(run_and_compare(o.s, &o.io.run[0], &ro, &error));
    ro.timeout_ns = 1;
    FAILS(run_and_compare(o.s, &o.io.run[0], &ro, &error), LR_ERR_CANCELLED, "time limit");
    OK(run_and_compare(o.s, &o.io.run[0], NULL, &error));
    close_one(&o);
  }
}

/* ---- by many threads ---- */
struct storm {
  lr_session *s;
  unsigned seed;
  atomic_bool *stop;
};
static void *cancel_often(void *arg) {
  struct storm *c = arg;
  while (!atomic_load(c->stop)) {
    lr_session_cancel(c->s);
    c->seed = c->seed * 1664525 + 1013904223; /* and pauses, in which a run gets through */
    int r = (int)(c->seed >> 8);
    wait_ms(r % 8 ? 1e-3 * (double)(r % 300) : 30);
  }
  return NULL;
}

/* Every run of the reference, each until it gets through. */
static void run_in_storm(lr_session *s, const struct io_file *io, int passes, int *cancelled) {
  lr_error error = {""};
  for (int i = 0; i < passes * io->n; i++) {
    if (i % io->n == 0) lr_session_reset_state(s);
    lr_status status = LR_ERR_CANCELLED;
    for (int tries = 0; status == LR_ERR_CANCELLED && tries < 100000; tries++) {
      status = run_and_compare(s, &io->run[i % io->n], NULL, &error);
      *cancelled += status == LR_ERR_CANCELLED;
    }
    CHECK(!status, "run %d: %s", i, error.message);
  }
}

TEST(storms) {
  lr_error error = {""};
  static const char *const names[] = {"streaming", "deep", "blocks", "text", "control"};
  int cancelled = 0;
  for (int k = 0; k < 5; k++) {
    struct opened o;
    OK(open_one(names[k], (lr_session_options){.threads = 2}, &o, &error));
    atomic_bool stop = false;
    pthread_t t[4];
    struct storm c[4];
    for (int i = 0; i < 4; i++) {
      c[i] = (struct storm){o.s, (unsigned)i, &stop};
      CHECK(!pthread_create(&t[i], NULL, cancel_often, &c[i]), "pthread_create");
    }
    for (int tries = 0; tries < 200 && cancelled < 10 * (k + 1) && !test_failed; tries++)
      run_in_storm(o.s, &o.io, 10, &cancelled);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    if (test_failed) return;
    close_one(&o);
  }
  CHECK(cancelled >= 10, "only %d runs were cancelled", cancelled);
}

struct neighbour {
  struct opened o;
  bool ok;
  lr_error error;
};
static void *run_beside(void *arg) {
  struct neighbour *n = arg;
  n->ok = true;
  for (int i = 0; i < 40 && n->ok; i++)
    n->ok = !run_and_compare(n->o.s, &n->o.io.run[i % n->o.io.n], NULL, &n->error);
  return NULL;
}

TEST(others_on_the_pool_are_not_stopped) {
  lr_error error = {""};
  lr_pool *pool = NULL;
  lr_pool_options po = {.size = sizeof po, .threads = 3};
  OK(lr_pool_open(&po, &pool, &error));
  struct opened o;
  struct neighbour n[3] = {0};
  pthread_t t[3], c;
  atomic_bool stop = false;
  int cancelled = 0;
  OK(open_one("deep", (lr_session_options){.pool = pool}, &o, &error));
  struct storm storm = {o.s, 7, &stop};
  for (int i = 0; i < 3; i++) {
    OK(open_one(i ? "convnet" : "deep", (lr_session_options){.pool = pool}, &n[i].o, &error));
    CHECK(!pthread_create(&t[i], NULL, run_beside, &n[i]), "pthread_create");
  }
  CHECK(!pthread_create(&c, NULL, cancel_often, &storm), "pthread_create");
  run_in_storm(o.s, &o.io, 20, &cancelled);
  atomic_store(&stop, true);
  pthread_join(c, NULL);
  for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 3; i++) {
    CHECK(n[i].ok, "neighbour %d: %s", i, n[i].error.message);
    close_one(&n[i].o);
  }
  close_one(&o);
  lr_pool_close(pool);
}

/* ---- while planning, and by a custom operator ---- */
struct square {
  lr_session *s;
  bool in_infer, in_run;
};
static lr_status square_infer(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                              lr_tensor *out, int32_t n_out, lr_error *error) {
  struct square *q = user;
  if (q->in_infer) lr_session_cancel(q->s);
  out[0] = in[0];
  return LR_OK;
}
static lr_status square_run(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                            lr_tensor *out, int32_t n_out, lr_error *error) {
  struct square *q = user;
  if (q->in_run) lr_session_cancel(q->s);
  float plus;
  memcpy(&plus, data, sizeof plus);
  for (size_t i = 0; i < in[0].bytes / 4; i++) {
    float x = ((const float *)in[0].data)[i];
    ((float *)out[0].data)[i] = x * x + plus;
  }
  return q->in_run ? LR_ERR_VALUE : LR_OK; /* being cancelled is what counts */
}

TEST(while_planning_and_in_a_custom_operator) {
  lr_error error = {""};
  struct square q = {0};
  lr_custom custom = {"square", square_infer, square_run, &q};
  struct opened o;
  OK(open_one("custom", (lr_session_options){.customs = &custom, .n_customs = 1}, &o, &error));
  q.s = o.s;
  const struct io_tensor *x = &o.io.run[0].tensor[0];
  for (int i = 0; i < 2; i++) {
    q.in_infer = true;
    OK(lr_session_resize(o.s, 0, x->rank, x->dims, &error));
    FAILS(i ? lr_session_run(o.s, NULL, &error) : lr_session_plan(o.s, &error), LR_ERR_CANCELLED,
          "plan: cancelled");
  }
  q.in_infer = false;
  OK(run_and_compare(o.s, &o.io.run[0], NULL, &error));
  q.in_run = true;
  FAILS(lr_session_run(o.s, NULL, &error), LR_ERR_CANCELLED, "mine");
  q.in_run = false;
  OK(run_and_compare(o.s, &o.io.run[1], NULL, &error));
  close_one(&o);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"before_a_run_it_does_nothing", before_a_run_it_does_nothing},
      {"at_every_step_states_stay", at_every_step_states_stay},
      {"inside_of_a_step", inside_of_a_step},
      {"a_deadline_inside_of_a_step", a_deadline_inside_of_a_step},
      {"storms", storms},
      {"others_on_the_pool_are_not_stopped", others_on_the_pool_are_not_stopped},
      {"while_planning_and_in_a_custom_operator", while_planning_and_in_a_custom_operator}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
