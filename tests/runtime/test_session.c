/* Sessions: shapes, buffers, sharing, limits, stopping. */
#include <pthread.h>
#include <stdatomic.h>

#include "../system.h"
#include "support.h"

/* ---- an allocator that counts ---- */
static atomic_int allocations, alive;
static void *count_alloc(void *user, size_t bytes, size_t align) {
  (void)user;
  atomic_fetch_add(&allocations, 1);
  atomic_fetch_add(&alive, 1);
  return aligned_new(bytes ? bytes : 1, align);
}
static void count_free(void *user, void *p) {
  (void)user;
  atomic_fetch_sub(&alive, 1);
  aligned_delete(p);
}
static const lr_allocator counting = {count_alloc, count_free, NULL};

TEST(resize_there_and_back) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  lr_model *m = NULL;
  lr_session *s = NULL;
  OK(open_model("convnet", &m, &error));
  OK(lr_session_open(m, NULL, &s, &error));
  FAILS(lr_session_plan(s, &error), LR_ERR_ARGUMENT, "resize");
  for (int i = 0; i < 6; i++) OK(run_and_compare(s, &io.run[i % io.n], NULL, &error));
  static const int64_t bad[][4] = {{1, 4, 8, 8}, {1, 3, -8, 8}, {1, 3, (int64_t)1 << 60, 8}};
  for (int i = 0; i < 3; i++) FAILS(lr_session_resize(s, 0, 4, bad[i], &error), LR_ERR_ARGUMENT, "input 'x'");
  FAILS(lr_session_resize(s, 0, 3, bad[0], &error), LR_ERR_ARGUMENT, "rank 3");
  FAILS(lr_session_resize(s, 0, 99, bad[0], &error), LR_ERR_ARGUMENT, "rank 99");
  FAILS(lr_session_resize(s, 0, 4, NULL, &error), LR_ERR_ARGUMENT, "input 'x'");
  FAILS(lr_session_resize(s, 7, 4, bad[0], &error), LR_ERR_ARGUMENT, "index 7");
  OK(run_and_compare(s, &io.run[0], NULL, &error)); /* still usable */
  lr_session_close(s);
  lr_model_close(m);
  free_io(&io);
}

TEST(no_allocation_in_a_run) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  struct bytes file = read_file("convnet.lrm");
  lr_model *m = NULL;
  lr_session *s = NULL;
  lr_model_options o = {.size = sizeof o, .allocator = &counting};
  lr_session_options so = {.size = sizeof so, .threads = 2};
  OK(lr_model_open_memory(file.data, file.size, &o, &m, &error));
  OK(lr_session_open(m, &so, &s, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  int before = atomic_load(&allocations);
  for (int i = 0; i < 10; i++) OK(lr_session_run(s, NULL, &error));
  CHECK(atomic_load(&allocations) == before, "%d allocations in 10 runs", atomic_load(&allocations) - before);
  lr_session_close(s);
  lr_model_close(m);
  CHECK(atomic_load(&alive) == 0, "%d blocks leaked", atomic_load(&alive));
  free(file.data);
  free_io(&io);
}

TEST(zero_copy_buffers) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  const struct io_tensor *x = &io.run[0].tensor[0], *y = &io.run[0].tensor[1];
  lr_model *m = NULL;
  lr_session *s = NULL;
  OK(open_model("convnet", &m, &error));
  OK(lr_session_open(m, NULL, &s, &error));
  OK(lr_session_resize(s, 0, x->rank, x->dims, &error));
  float *in = malloc((size_t)x->bytes), *out = malloc((size_t)y->bytes + 4);
  memcpy(in, x->data, (size_t)x->bytes);
  OK(lr_session_bind(s, LR_INPUT, 0, in, (size_t)x->bytes, &error));
  OK(lr_session_bind(s, LR_OUTPUT, 0, out, (size_t)y->bytes, &error));
  out[y->bytes / 4] = 12345;
  OK(lr_session_run(s, NULL, &error));
  lr_tensor t;
  OK(lr_session_tensor(s, LR_OUTPUT, 0, &t, &error));
  CHECK(t.data == out && out[y->bytes / 4] == 12345, "the output must be the caller's memory and no more");
  for (int64_t i = 0; i < y->bytes / 4; i++) {
    float want;
    memcpy(&want, y->data + 4 * i, 4);
    CHECK(out[i] - want < 1e-4f && want - out[i] < 1e-4f, "element %d: %g, %g", (int)i, (double)out[i],
          (double)want);
  }
  OK(lr_session_bind(s, LR_OUTPUT, 0, out, (size_t)y->bytes - 4, &error));
  FAILS(lr_session_run(s, NULL, &error), LR_ERR_ARGUMENT, "bytes");
  FAILS(lr_session_bind(s, LR_OUTPUT, 0, (char *)out + 1, (size_t)y->bytes, &error), LR_ERR_ARGUMENT,
        "multiple");
  OK(lr_session_bind(s, LR_OUTPUT, 0, NULL, 0, &error));
  OK(lr_session_bind(s, LR_INPUT, 0, NULL, 0, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  lr_session_close(s);
  lr_model_close(m);
  free(in);
  free(out);
  free_io(&io);
}

/* ---- many threads ---- */
struct worker {
  lr_session *session;
  const struct io_file *io;
  lr_error error;
  bool ok;
};
static void *work(void *arg) {
  struct worker *w = arg;
  w->ok = true;
  for (int i = 0; i < 10 && w->ok; i++)
    w->ok = run_and_compare(w->session, &w->io->run[i % w->io->n], NULL, &w->error) == LR_OK;
  lr_session_close(w->session);
  return NULL;
}

TEST(sessions_share_model_and_pool) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  lr_model *m = NULL;
  lr_pool *pool = NULL;
  lr_pool_options po = {.size = sizeof po, .threads = 3};
  OK(open_model("convnet", &m, &error));
  OK(lr_pool_open(&po, &pool, &error));
  struct worker w[8] = {0};
  pthread_t t[8];
  lr_session_options o = {.size = sizeof o, .pool = pool};
  for (int i = 0; i < 8; i++) OK(lr_session_open(m, &o, &w[i].session, &error));
  lr_model_close(m); /* the sessions hold references */
  lr_pool_close(pool);
  for (int i = 0; i < 8; i++) {
    w[i].io = &io;
    CHECK(!pthread_create(&t[i], NULL, work, &w[i]), "pthread_create");
  }
  for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 8; i++) CHECK(w[i].ok, "worker %d: %s", i, w[i].error.message);
  free_io(&io);
}

static void app_for(void *user, void (*body)(void *, int32_t), void *context, int32_t n) {
  (*(int *)user)++;
  for (int32_t i = n - 1; i >= 0; i--) body(context, i);
}

TEST(threads_do_not_change_bits) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  unsigned char *first = NULL;
  int calls = 0;
  for (int threads = 1; threads <= 5; threads++) {
    lr_model *m = NULL;
    lr_session *s = NULL;
    lr_pool *pool = NULL;
    lr_pool_options po = {.size = sizeof po, .threads = threads};
    if (threads == 5) po.parallel_for = app_for, po.user = &calls, po.threads = 2;
    OK(lr_pool_open(&po, &pool, &error));
    lr_session_options o = {.size = sizeof o, .pool = pool};
    OK(open_model("convnet", &m, &error));
    OK(lr_session_open(m, &o, &s, &error));
    OK(run_and_compare(s, &io.run[0], NULL, &error));
    lr_tensor t;
    OK(lr_session_tensor(s, LR_OUTPUT, 0, &t, &error));
    if (!first) memcpy(first = malloc(t.bytes), t.data, t.bytes);
    CHECK(!memcmp(first, t.data, t.bytes), "%d threads give other bits", threads);
    lr_session_close(s);
    lr_model_close(m);
    lr_pool_close(pool);
  }
  CHECK(calls > 0, "the app's parallel_for was not used");
  free(first);
  free_io(&io);
}

TEST(bad_thread_counts) {
  lr_error error = {""};
  lr_pool *pool = NULL;
  lr_pool_options o = {.size = sizeof o, .threads = 10000};
  FAILS(lr_pool_open(&o, &pool, &error), LR_ERR_ARGUMENT, "10000");
  o.threads = -1;
  FAILS(lr_pool_open(&o, &pool, &error), LR_ERR_ARGUMENT, "-1");
  CHECK(!pool, "out-parameter must stay NULL");
}

/* ---- watching and stopping ---- */
struct watch {
  lr_session *stop;
  int steps;
  uint64_t ns;
  char names[4096];
};
static void on_step(void *user, const lr_step *step) {
  struct watch *w = user;
  w->steps++;
  w->ns += step->ns;
  snprintf(w->names + strlen(w->names), sizeof w->names - strlen(w->names), "%s:%s ", step->op, step->kernel);
  if (w->stop) lr_session_cancel(w->stop);
}

TEST(profile_and_cancel) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  lr_model *m = NULL;
  lr_session *s = NULL;
  OK(open_model("convnet", &m, &error));
  OK(lr_session_open(m, NULL, &s, &error));
  struct watch w = {0};
  lr_run_options o = {.size = sizeof o, .on_step = on_step, .user = &w};
  OK(run_and_compare(s, &io.run[0], &o, &error));
  lr_step step;
  int n = 0;
  while (lr_session_step(s, n, &step)) n++;
  CHECK(w.steps == n && n > 1 && w.ns > 0 && strstr(w.names, "conv:lr_f32_"), "%d steps, %d listed: %s",
        w.steps, n, w.names);
  w.stop = s;
  FAILS(lr_session_run(s, &o, &error), LR_ERR_CANCELLED, "cancelled");
  w.stop = NULL;
  o.timeout_ns = 1;
  FAILS(lr_session_run(s, &o, &error), LR_ERR_CANCELLED, "time limit");
  OK(run_and_compare(s, &io.run[0], NULL, &error)); /* still usable */
  lr_session_close(s);
  lr_model_close(m);
  free_io(&io);
}

/* b's panels would be 2^32 bytes with plain C kernels and with those of 32-bit ARM: 0 in 32 bits. */
TEST(sizes_do_not_wrap) {
  lr_error error = {""};
  struct io_file io = read_io("product");
  lr_model *m = NULL;
  lr_session *s = NULL;
  lr_session_options so = {.size = sizeof so, .threads = 1, .memory_limit = 1 << 20};
  static const int64_t dims[][2] = {{1, 1 << 27}, {1 << 27, 1}};
  OK(open_model("product", &m, &error));
  OK(lr_session_open(m, &so, &s, &error));
  for (int i = 0; i < io.n; i++) OK(run_and_compare(s, &io.run[i], NULL, &error));
  for (int i = 0; i < 2; i++) OK(lr_session_resize(s, i, 2, dims[i], &error));
  FAILS(lr_session_plan(s, &error), LR_ERR_MEMORY, "bytes");
  OK(run_and_compare(s, &io.run[0], NULL, &error)); /* still usable */
  lr_session_close(s);
  lr_model_close(m);
  free_io(&io);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"resize_there_and_back", resize_there_and_back},
                                      {"no_allocation_in_a_run", no_allocation_in_a_run},
                                      {"zero_copy_buffers", zero_copy_buffers},
                                      {"sessions_share_model_and_pool", sessions_share_model_and_pool},
                                      {"threads_do_not_change_bits", threads_do_not_change_bits},
                                      {"bad_thread_counts", bad_thread_counts},
                                      {"sizes_do_not_wrap", sizes_do_not_wrap},
                                      {"profile_and_cancel", profile_and_cancel}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
