/* How soon a run stops: cancels it from another thread at a random time, again and again, and measures what
 * the running thread does until lr_session_run returns: in its own CPU time and in wall time.
 *
 *   meson compile -C build cancel && build/tools/bench/cancel model.lrm [times [threads]]
 *
 * The clocks are read just before lr_session_cancel, so a preemption between the two counts too. Inputs are
 * zeros; their shapes must be in the model (lite-opt convert --dim). Exit code 1 when the CPU time's 99th
 * percentile is above 5 ms and one thread works. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lite_runtime.h"

enum { LIMIT_MS = 5 };

static double ms_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void check(lr_status status, const lr_error *error) {
  if (!status) return;
  fprintf(stderr, "error: %s\n", error->message);
  exit(2);
}

struct canceller {
  lr_session *session;
  clockid_t runner; /* the CPU clock of the thread that runs */
  double longest;   /* of the random wait, ms */
  sem_t go, done;
  atomic_bool stop;
  double cpu, wall; /* when it cancelled */
};

static void *cancel_main(void *arg) {
  struct canceller *c = arg;
  unsigned seed = 1;
  for (;;) {
    sem_wait(&c->go);
    if (atomic_load(&c->stop)) return NULL;
    double wait = c->longest * (double)rand_r(&seed) / RAND_MAX;
    struct timespec t = {(time_t)(wait / 1e3), (long)(1e6 * (wait - 1e3 * (double)(time_t)(wait / 1e3)))};
    nanosleep(&t, NULL);
    c->wall = ms_of(CLOCK_MONOTONIC);
    c->cpu = ms_of(c->runner);
    lr_session_cancel(c->session);
    sem_post(&c->done);
  }
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Prints percentiles; returns the 99th. */
static double print(const char *name, double *ms, int n) {
  qsort(ms, (size_t)n, sizeof *ms, by_value);
  double p99 = ms[n * 99 / 100];
  printf("%-26s p50 %7.3f ms   p99 %7.3f ms   max %7.3f ms\n", name, ms[n / 2], p99, ms[n - 1]);
  return p99;
}

/* Milliseconds of a whole run: the median of some. */
static double run_time(lr_session *s) {
  lr_error error = {""};
  double ms[7];
  for (int i = 0; i < 7; i++) {
    double start = ms_of(CLOCK_MONOTONIC);
    check(lr_session_run(s, NULL, &error), &error);
    ms[i] = ms_of(CLOCK_MONOTONIC) - start;
  }
  qsort(ms, 7, sizeof *ms, by_value);
  return ms[3];
}

int main(int argc, char **argv) {
  int times = argc > 2 ? atoi(argv[2]) : 1000, threads = argc > 3 ? atoi(argv[3]) : 1;
  if (argc < 2 || argc > 4 || times < 1 || threads < 1) {
    fprintf(stderr, "usage: cancel model.lrm [times [threads]]\n");
    return 2;
  }
  lr_error error = {""};
  lr_model *m = NULL;
  struct canceller c = {0};
  lr_session_options o = {.size = sizeof o, .threads = threads};
  check(lr_model_open(argv[1], NULL, &m, &error), &error);
  check(lr_session_open(m, &o, &c.session, &error), &error);
  c.longest =
      run_time(c.session); /* a run starts before the canceller wakes up, so some of them are too late */
  printf("%s: %d thread%s, a run takes %.1f ms\n", argv[1], threads, threads > 1 ? "s" : "", c.longest);
  sem_init(&c.go, 0, 0);
  sem_init(&c.done, 0, 0);
  double *cpu = calloc((size_t)times, sizeof *cpu), *wall = calloc((size_t)times, sizeof *wall);
  pthread_t t;
  if (!cpu || !wall || pthread_getcpuclockid(pthread_self(), &c.runner) ||
      pthread_create(&t, NULL, cancel_main, &c)) {
    fprintf(stderr, "error: no memory or thread\n");
    return 2;
  }
  int n = 0, late = 0;
  while (n < times) {
    sem_post(&c.go);
    lr_status status = lr_session_run(c.session, NULL, &error);
    double cpu_now = ms_of(c.runner), wall_now = ms_of(CLOCK_MONOTONIC);
    sem_wait(&c.done);
    if (status == LR_ERR_CANCELLED) {
      cpu[n] = cpu_now - c.cpu;
      wall[n++] = wall_now - c.wall;
    } else {
      check(status, &error);
      late++;
    }
  }
  atomic_store(&c.stop, true);
  sem_post(&c.go);
  pthread_join(t, NULL);
  printf("%d runs cancelled; %d more were over before\n", n, late);
  double p99 = print("CPU time after the cancel", cpu, n);
  print("wall time after the cancel", wall, n);
  lr_session_close(c.session);
  lr_model_close(m);
  free(cpu);
  free(wall);
  return threads == 1 && p99 > LIMIT_MS;
}
