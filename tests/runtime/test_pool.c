/* The pool by itself: all tiles once, as many threads as allowed, workers that stand back for other callers. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "op.h"
#include "pool.h"
#include "support.h"

enum { TILES = 40, JOBS = 10, TILE_US = 1000, MAX_THREADS = 8 };

/* What the bodies of all callers see. */
struct count {
  atomic_int inside, most; /* bodies that run now; the most at once */
  atomic_int callers;      /* that have entered */
  atomic_int over;         /* bodies that a worker began although a caller stood for it */
  int threads;
};
struct job {
  struct count *count;
  atomic_int done[TILES], thread[MAX_THREADS]; /* bodies that run under this thread number */
  atomic_bool clash;
};

static void tile(void *context, int32_t i, int32_t thread) {
  struct job *j = context;
  struct count *c = j->count;
  if (atomic_fetch_add(&j->thread[thread], 1)) atomic_store(&j->clash, true);
  int now = atomic_fetch_add(&c->inside, 1) + 1, most = atomic_load(&c->most);
  while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now)) continue;
  if (thread && thread + atomic_load(&c->callers) > c->threads) atomic_fetch_add(&c->over, 1);
  usleep(TILE_US);
  atomic_fetch_add(&j->done[i], 1);
  atomic_fetch_sub(&c->inside, 1);
  atomic_fetch_sub(&j->thread[thread], 1);
}

struct caller {
  lr_pool *pool;
  struct count *count;
  pthread_t thread;
  bool ok;
};

/* Many jobs, as a session in lr_session_run. */
static void *call(void *arg) {
  struct caller *c = arg;
  c->ok = true;
  lr_pool_enter(c->pool);
  atomic_fetch_add(&c->count->callers, 1);
  for (int k = 0; k < JOBS; k++) {
    struct job j = {.count = c->count};
    lr_parallel(c->pool, TILES, tile, &j);
    for (int i = 0; i < TILES; i++) c->ok &= j.done[i] == 1;
    c->ok &= !j.clash;
  }
  atomic_fetch_sub(&c->count->callers, 1);
  lr_pool_leave(c->pool);
  return NULL;
}

/* So many callers at once share a pool of count->threads. */
static void share(int callers, struct count *count) {
  lr_error error = {""};
  lr_pool *pool = NULL;
  lr_pool_options o = {.size = sizeof o, .threads = count->threads};
  OK(lr_pool_open(&o, &pool, &error));
  struct caller c[MAX_THREADS];
  for (int i = 0; i < callers; i++) {
    c[i] = (struct caller){.pool = pool, .count = count};
    CHECK(!pthread_create(&c[i].thread, NULL, call, &c[i]), "pthread_create");
  }
  for (int i = 0; i < callers; i++) pthread_join(c[i].thread, NULL);
  lr_pool_close(pool);
  for (int i = 0; i < callers; i++)
    CHECK(c[i].ok, "caller %d: tiles left out, done twice, or under one number", i);
}

TEST(one_caller_has_all_threads) {
  for (int threads = 1; threads <= 5; threads += 2) {
    struct count c = {.threads = threads};
    share(1, &c);
    CHECK(c.most == threads, "%d of %d threads worked", c.most, threads);
  }
}

TEST(callers_stand_for_workers) {
  static const int cases[][2] = {{2, 2}, {3, 2}, {4, 3}, {5, 2}}; /* threads, callers */
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int threads = cases[i][0], callers = cases[i][1];
    struct count c = {.threads = threads};
    share(callers, &c);
    /* a caller that comes may find each worker about to begin a tile */
    CHECK(c.over <= callers * (threads - 1),
          "%d callers share %d threads: workers began %d tiles too many, %d at once", callers, threads,
          c.over, c.most);
  }
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"one_caller_has_all_threads", one_caller_has_all_threads},
                                      {"callers_stand_for_workers", callers_stand_for_workers}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
