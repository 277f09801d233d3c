/* Worker threads. One job at a time: the caller publishes it in `state`, works on it itself as thread 0,
 * closes it and waits for those who joined; workers that wake up late find it closed and are not waited for.
 * When the pool is busy with another session's job the caller works alone, and the other has a worker less.
 * Nothing is allocated here but in lr_pool_open. */
#include "pool.h"

#include "float_mode.h"
#include "op.h"
#include "threads.h"

enum {
  MAX_THREADS = 256,
  STACK_BYTES = 1 << 20,
  SPINS = 2000 /* some 10 to 100 microseconds: the time between two steps of a small model */
};
#define ACTIVE ((uint64_t)0xffff) /* state: workers in the job, */
#define OPEN ((uint64_t)1 << 16)  /* whether more may join, */
#define EPOCH ((uint64_t)1 << 17) /* and the number of the job */

struct job {
  void (*body)(void *context, int32_t i, int32_t thread);
  void *context;
  int32_t n;
  lr_float_mode mode; /* the caller's: results must not depend on who computes them */
  const struct lr_stop *stop;
  _Atomic int64_t next; /* may run past n */
};

struct worker {
  lr_pool *pool;
  int32_t index; /* 1 to threads - 1 */
  lr_thread thread;
};

struct lr_pool {
  lr_allocator alloc;
  int32_t refs; /* atomic */
  int32_t threads, started, spins;
  lr_parallel_fn parallel_for;
  void *user;
  atomic_bool busy;
  atomic_int callers; /* sessions between lr_pool_enter and lr_pool_leave */
  _Alignas(LR_ALIGN) _Atomic uint64_t state;
  _Alignas(LR_ALIGN) struct job job;
  _Alignas(LR_ALIGN) atomic_int sleepers; /* workers that wait for `wake` */
  atomic_bool caller_sleeps, stop;
  lr_lock lock;
  lr_wakeup wake, done;
  struct worker *worker;
};

/* What this thread is in. The pool: a call from inside a body runs inline, under the same thread number. */
struct inside {
  const lr_pool *pool;
  int32_t thread;
  const struct lr_stop *stop;
};
static _Thread_local struct inside inside;

bool lr_stop_now(const struct lr_stop *s) {
  if (!s) return false;
  if (atomic_load_explicit(&s->cancelled, memory_order_relaxed)) return true;
  return s->deadline && lr_now_ns() >= s->deadline; /* some 20 ns; a tile takes a thousand times as long */
}

const struct lr_stop *lr_stop_watch(const struct lr_stop *stop) {
  const struct lr_stop *before = inside.stop;
  inside.stop = stop;
  return before;
}

bool lr_stopped(void) { return lr_stop_now(inside.stop); }

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
  __asm__ volatile("yield");
#endif
}

static lr_float_mode current_mode(void) {
  lr_float_mode m = lr_float_mode_enter();
  lr_float_mode_leave(m);
  return m;
}

/* Callers other than the job's own stand for the workers with the highest numbers. The app's threads are its own affair. */
static bool stands_back(const lr_pool *p, int32_t thread) {
  return thread && !p->parallel_for &&
         thread + atomic_load_explicit(&p->callers, memory_order_relaxed) > p->threads;
}

/* Tiles, one after the other, until none is left or the run is to stop. */
static void work(const lr_pool *p, struct job *j, int32_t thread) {
  const struct inside outer = inside;
  const struct lr_stop *stop = j->stop;
  inside = (struct inside){p, thread, stop};
  for (int64_t i; !stands_back(p, thread) && !lr_stop_now(stop) &&
                  (i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed)) < j->n;)
    j->body(j->context, (int32_t)i, thread);
  inside = outer;
}

/* ---- workers ---- */
static bool has_news(lr_pool *p, uint64_t seen) {
  uint64_t s = atomic_load(&p->state);
  return atomic_load(&p->stop) || ((s & OPEN) && s / EPOCH != seen);
}

static void wait_for_news(lr_pool *p, uint64_t seen) {
  for (int32_t i = 0; i < p->spins; i++, relax())
    if (has_news(p, seen)) return;
  lr_lock_take(&p->lock);
  atomic_fetch_add(&p->sleepers, 1);
  while (!has_news(p, seen)) lr_wakeup_wait(&p->wake, &p->lock);
  atomic_fetch_sub(&p->sleepers, 1);
  lr_lock_give(&p->lock);
}

static void leave(lr_pool *p) {
  uint64_t s = atomic_fetch_sub(&p->state, 1) - 1;
  if ((s & (OPEN | ACTIVE)) || !atomic_load(&p->caller_sleeps)) return;
  lr_lock_take(&p->lock);
  lr_wakeup_one(&p->done);
  lr_lock_give(&p->lock);
}

static LR_THREAD_MAIN(worker_main, arg) {
  const struct worker *w = arg;
  lr_pool *p = w->pool;
  for (uint64_t seen = 0;;) {
    wait_for_news(p, seen);
    if (atomic_load(&p->stop)) return 0;
    uint64_t s = atomic_load(&p->state);
    while ((s & OPEN) && !atomic_compare_exchange_weak(&p->state, &s, s + 1)) relax();
    if (!(s & OPEN)) continue;
    seen = s / EPOCH; /* joined: the job stays until we leave */
    lr_float_mode_leave(p->job.mode);
    work(p, &p->job, w->index);
    leave(p);
  }
}

/* ---- callers ---- */
static void wake_workers(lr_pool *p, int32_t wanted) {
  int32_t asleep = atomic_load(&p->sleepers);
  if (!asleep) return;
  lr_lock_take(&p->lock);
  if (wanted >= asleep)
    lr_wakeup_all(&p->wake);
  else
    for (int32_t i = 0; i < wanted; i++) lr_wakeup_one(&p->wake);
  lr_lock_give(&p->lock);
}

static void wait_for_workers(lr_pool *p) {
  for (int32_t i = 0; i < p->spins; i++, relax())
    if (!(atomic_load(&p->state) & ACTIVE)) return;
  lr_lock_take(&p->lock);
  atomic_store(&p->caller_sleeps, true);
  while (atomic_load(&p->state) & ACTIVE) lr_wakeup_wait(&p->done, &p->lock);
  atomic_store(&p->caller_sleeps, false);
  lr_lock_give(&p->lock);
}

static void run_on_workers(lr_pool *p, int32_t n, void (*body)(void *context, int32_t i, int32_t thread),
                           void *context) {
  struct job *j = &p->job;
  j->body = body;
  j->context = context;
  j->n = n;
  j->mode = current_mode();
  j->stop = inside.stop;
  atomic_store_explicit(&j->next, 0, memory_order_relaxed);
  uint64_t epoch = atomic_load(&p->state) / EPOCH + 1;
  atomic_store(&p->state, epoch * EPOCH | OPEN);
  wake_workers(p, n - 1);
  work(p, j, 0);
  atomic_fetch_and(&p->state, ~OPEN);
  wait_for_workers(p);
}

/* The app's threads: each of its calls takes tiles until none is left, so it may run fewer of them at once
 * than promised. */
struct app_job {
  const lr_pool *pool;
  struct job job;
};

static void app_body(void *context, int32_t i) {
  struct app_job *a = context;
  lr_float_mode mine = current_mode();
  lr_float_mode_leave(a->job.mode);
  work(a->pool, &a->job, i);
  lr_float_mode_leave(mine);
}

static void run_on_app(lr_pool *p, int32_t n, void (*body)(void *context, int32_t i, int32_t thread),
                       void *context) {
  struct app_job a = {
      .pool = p,
      .job = {.body = body, .context = context, .n = n, .mode = current_mode(), .stop = inside.stop}};
  p->parallel_for(p->user, app_body, &a, n < p->threads ? n : p->threads);
  work(p, &a.job, 0); /* should it have done nothing */
}

void lr_parallel(struct lr_pool *p, int32_t n, void (*body)(void *context, int32_t i, int32_t thread),
                 void *context) {
  if (p && n > 1 && p->threads > 1 && inside.pool != p) {
    if (p->parallel_for) {
      run_on_app(p, n, body, context);
      return;
    }
    if (!atomic_exchange(&p->busy, true)) {
      run_on_workers(p, n, body, context);
      atomic_store(&p->busy, false);
      return;
    }
  }
  const struct inside outer = inside;
  int32_t thread = p && outer.pool == p ? outer.thread : 0;
  inside.pool = p; /* a busy pool may become free meanwhile; nested calls stay inline all the same */
  inside.thread = thread;
  for (int32_t i = 0; i < n && !lr_stop_now(outer.stop); i++) body(context, i, thread);
  inside = outer;
}

/* ---- opening and closing ---- */
static int32_t cores(void) {
  int32_t n = lr_thread_cpus();
  return n < MAX_THREADS ? n : MAX_THREADS;
}

static lr_status start_workers(lr_pool *p, lr_error *error) {
  p->worker = lr_alloc(&p->alloc, (size_t)p->threads * sizeof *p->worker, LR_ALIGN);
  if (!p->worker) return lr_fail(error, LR_ERR_MEMORY, "pool: out of memory");
  p->spins = p->threads <= cores()
                 ? SPINS
                 : 0; /* with more threads than cores spinning keeps the others from working */
  while (p->started < p->threads - 1) {
    struct worker *w = &p->worker[p->started];
    *w = (struct worker){.pool = p, .index = p->started + 1};
    if (!lr_thread_start(&w->thread, STACK_BYTES, worker_main, w))
      return lr_fail(error, LR_ERR_MEMORY, "pool: the system allows only %d of %d threads; use fewer",
                     p->started + 1, p->threads);
    p->started++;
  }
  return LR_OK;
}

static void stop_workers(lr_pool *p) {
  lr_lock_take(&p->lock);
  atomic_store(&p->stop, true);
  lr_wakeup_all(&p->wake);
  lr_lock_give(&p->lock);
  for (int32_t i = 0; i < p->started; i++) lr_thread_join(p->worker[i].thread);
  lr_wakeup_close(&p->wake);
  lr_wakeup_close(&p->done);
  lr_lock_close(&p->lock);
}

static void destroy(lr_pool *p) {
  if (LR_HAS_ANY) stop_workers(p); /* without operators there are none, and nothing takes the lock */
  const lr_allocator alloc = p->alloc;
  lr_free(&alloc, p->worker);
  lr_free(&alloc, p);
}

/* Locks and threads; when that fails the pool is gone. */
static lr_status open_workers(lr_pool *p, lr_error *error) {
  if (!lr_lock_open(&p->lock) || !lr_wakeup_open(&p->wake) || !lr_wakeup_open(&p->done)) {
    const lr_allocator alloc = p->alloc;
    lr_free(&alloc, p);
    return lr_fail(error, LR_ERR_MEMORY, "pool: the system has no more locks");
  }
  lr_status status = p->parallel_for ? LR_OK : start_workers(p, error);
  if (status) destroy(p);
  return status;
}

lr_status lr_pool_open(const lr_pool_options *options, lr_pool **pool, lr_error *error) {
  if (!pool) return lr_fail(error, LR_ERR_ARGUMENT, "pool: the result pointer is NULL");
  lr_pool_options o = {0};
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  if (o.threads < 0 || o.threads > MAX_THREADS)
    return lr_fail(error, LR_ERR_ARGUMENT, "pool: threads is %d; use 1 to %d, or 0 for one a core", o.threads,
                   MAX_THREADS);
  const lr_allocator alloc = o.allocator ? *o.allocator : lr_malloc_allocator;
  LR_TRY(lr_allocator_check(&alloc, "pool", error));
  lr_pool *p = lr_alloc(&alloc, sizeof *p, LR_ALIGN);
  if (!p) return lr_fail(error, LR_ERR_MEMORY, "pool: out of memory");
  p->alloc = alloc;
  p->refs = 1;
  p->threads = o.threads ? o.threads : LR_HAS_ANY ? cores() : 1;
  p->parallel_for = o.parallel_for;
  p->user = o.user;
  if (LR_HAS_ANY) LR_TRY(open_workers(p, error));
  *pool = p;
  return LR_OK;
}

int32_t lr_pool_threads(const lr_pool *p) { return p ? p->threads : 1; }

void lr_pool_enter(lr_pool *p) {
  if (p) atomic_fetch_add_explicit(&p->callers, 1, memory_order_relaxed);
}

void lr_pool_leave(lr_pool *p) {
  if (p) atomic_fetch_sub_explicit(&p->callers, 1, memory_order_relaxed);
}

void lr_pool_retain(lr_pool *p) { __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED); }

void lr_pool_close(lr_pool *p) {
  if (p && !__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL)) destroy(p);
}
