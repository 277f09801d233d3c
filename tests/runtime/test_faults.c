/* Memory and threads that the system does not give: at the n-th request, for every n. Built with an arena in
 * which each block has a chunk of its own (meson.build), so that every block that the library asks for is a
 * request. */
#include "../system.h"
#include "fake_device.h"
#include "support.h"
#include "threads.h"

/* ---- an allocator that fails ---- */
struct heap {
  int fail_at;    /* the request that fails, counted down; 0 or less: none */
  bool all_after; /* and every one after it, until fail_at is set again */
  bool failed;
  int blocks;
  int64_t bytes;
};
enum { HEAD = 64 }; /* in front of a block: its size */

static void *heap_alloc(void *user, size_t bytes, size_t align) {
  struct heap *h = user;
  if (h->fail_at > 0 && --h->fail_at == 0) {
    h->failed = true;
    h->fail_at = h->all_after ? 1 : 0;
    return NULL;
  }
  void *p = aligned_new(bytes + HEAD, align > HEAD ? align : HEAD);
  if (!p) abort();
  memcpy(p, &bytes, sizeof bytes);
  memset((char *)p + HEAD, 0xa5, bytes); /* nothing may count on zeros */
  h->blocks++;
  h->bytes += (int64_t)bytes;
  return (char *)p + HEAD;
}

static void heap_free(void *user, void *p) {
  struct heap *h = user;
  size_t bytes;
  memcpy(&bytes, (char *)p - HEAD, sizeof bytes);
  memset(p, 0x5a, bytes);
  h->blocks--;
  h->bytes -= (int64_t)bytes;
  aligned_delete((char *)p - HEAD);
}

/* ---- models ---- */
static void twice(const struct lr_type *in, void *const *x, const struct lr_type *out, void *const *y) {
  (void)out;
  for (int64_t i = 0; i < lr_type_count(&in[0]); i++) {
    float v = ((const float *)x[0])[i] * 2;
    ((float *)y[0])[i] = v > 0 ? v : 0;
  }
}

static lr_status square_infer(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                              lr_tensor *out, int32_t n_out, lr_error *error) {
  out[0] = in[0];
  return LR_OK;
}

static lr_status square_run(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                            lr_tensor *out, int32_t n_out, lr_error *error) {
  float plus;
  memcpy(&plus, data, sizeof plus);
  for (size_t i = 0; i < in[0].bytes / 4; i++) {
    float x = ((const float *)in[0].data)[i];
    ((float *)out[0].data)[i] = x * x + plus;
  }
  return LR_OK;
}

struct subject {
  const char *name;
  bool own_pool; /* else one that is given */
  bool device;
  struct bytes file;
  struct io_file io;
};

/* The call, which may fail with MEMORY and a sentence where the heap failed; then again, with memory, when it
 * must work. */
#define SURVIVES(call)                                                                                 \
  do {                                                                                                 \
    error.message[0] = 0;                                                                              \
    lr_status first_ = (call);                                                                         \
    CHECK(!first_ || (first_ == LR_ERR_MEMORY && heap.failed && error.message[0]),                     \
          "%s, request %d%s: status %d (%s), message '%s'", m->name, n,                                \
          all_after ? " and all after it" : "", (int)first_, lr_status_string(first_), error.message); \
    if (first_) {                                                                                      \
      heap.fail_at = 0;                                                                                \
      first_ = (call);                                                                                 \
      CHECK(!first_, "%s, request %d: not usable afterwards: %s", m->name, n, error.message);          \
      (*failures)++;                                                                                   \
    }                                                                                                  \
  } while (0)

/* Everything that there is to do with a model, while request n fails. */
static void live(const struct subject *m, int n, bool all_after, bool *reached, int *failures) {
  lr_error error = {""};
  struct heap heap = {.fail_at = n, .all_after = all_after};
  const lr_allocator alloc = {heap_alloc, heap_free, &heap};
  struct fake_device fake;
  fake_device_init(&fake, twice);
  const struct lr_device *device = &fake.device;
  lr_custom custom = {"square", square_infer, square_run, NULL};
  lr_model_options mo = {.size = sizeof mo, .allocator = &alloc};
  lr_pool_options po = {.size = sizeof po, .threads = 2, .allocator = &alloc};
  lr_session_options so = {.size = sizeof so,
                           .customs = &custom,
                           .n_customs = 1,
                           .devices = &device,
                           .n_devices = m->device,
                           .threads = m->own_pool ? 1 : 0};
  lr_model *model = NULL;
  lr_session *s = NULL;
  lr_pool *pool = NULL;
  SURVIVES(lr_model_open_memory(m->file.data, m->file.size, &mo, &model, &error));
  if (!m->own_pool) SURVIVES(lr_pool_open(&po, &pool, &error));
  so.pool = pool;
  SURVIVES(lr_session_open(model, &so, &s, &error));
  /* the shapes change from run to run, and states would show when a failed run had changed them */
  for (int i = 0; i < m->io.n && i < 4; i++) SURVIVES(run_and_compare(s, &m->io.run[i], NULL, &error));
  lr_session_close(s);
  lr_pool_close(pool);
  lr_model_close(model);
  CHECK(!heap.blocks && !heap.bytes, "%s, request %d: %d blocks of %lld bytes leaked", m->name, n,
        heap.blocks, (long long)heap.bytes);
  CHECK(!fake.live && !fake.misuse, "%s, request %d: device: %d leaked, %d misused", m->name, n, fake.live,
        fake.misuse);
  *reached = heap.failed;
}

static void every_request(const char *name, bool own_pool, bool device) {
  struct subject m = {.name = name, .own_pool = own_pool, .device = device};
  char file[64];
  snprintf(file, sizeof file, "%s.lrm", name);
  m.file = read_file(file);
  m.io = read_io(name);
  for (int all_after = 0; all_after < 2; all_after++) {
    bool reached = true;
    int n = 0, failures = 0;
    while (reached && !test_failed) live(&m, ++n, all_after, &reached, &failures);
    CHECK(n > 20 && failures > n / 2, "%s: only %d requests, %d failures", name, n - 1, failures);
    printf("     %-10s %4d requests, %4d calls failed%s\n", name, n - 1, failures,
           all_after ? " (and all after)" : "");
  }
  free(m.file.data);
  free_io(&m.io);
}

TEST(convolutions) {
  every_request("convnet", false, false);
  every_request("deep", true, false);
  every_request("blocks", false, false);
}
TEST(shapes_from_values) {
  every_request("text", false, false);
  every_request("values", true, false);
}
TEST(control_flow) {
  every_request("control", false, false);
  every_request("control", true, false);
}
TEST(states) { every_request("streaming", true, false); }
TEST(quantised) { every_request("qdq_conv", false, false); }
TEST(packed_in_the_file) { every_request("prepacked", true, false); }
TEST(views) { every_request("views", false, false); }
TEST(custom_operator) { every_request("custom", true, false); }
TEST(delegate) {
  every_request("delegate", false, true);
  every_request("delegate", true, false);
}

/* ---- the session's own limit ---- */
/* Runs of several sizes in one session with a limit: each works, or says MEMORY and leaves the session
 * usable. */
static void limited(const struct subject *m, uint64_t limit, int *failures) {
  lr_error error = {""};
  struct heap heap = {0};
  const lr_allocator alloc = {heap_alloc, heap_free, &heap};
  lr_session_options so = {.size = sizeof so, .threads = 1, .memory_limit = limit, .allocator = &alloc};
  lr_model *model = NULL;
  lr_session *s = NULL;
  OK(lr_model_open_memory(m->file.data, m->file.size, NULL, &model, &error));
  OK(lr_session_open(model, &so, &s, &error));
  *failures = 0;
  for (int i = 0; i < 2 * m->io.n; i++) { /* there and back: what a failure leaves behind is used again */
    lr_status status = run_and_compare(s, &m->io.run[i < m->io.n ? i : 2 * m->io.n - 1 - i], NULL, &error);
    CHECK(!status || (status == LR_ERR_MEMORY && strstr(error.message, "limit")),
          "%s, limit %d, run %d: status %d, %s", m->name, (int)limit, i, (int)status, error.message);
    CHECK(lr_session_memory(s) <= limit && lr_session_memory(s) <= (uint64_t)heap.bytes, "%s holds %d of %d",
          m->name, (int)lr_session_memory(s), (int)limit);
    *failures += status != LR_OK;
  }
  lr_session_close(s);
  lr_model_close(model);
  CHECK(!heap.blocks && !heap.bytes, "%s, limit %d: %d blocks leaked", m->name, (int)limit, heap.blocks);
}

TEST(memory_limit) {
  static const char *const names[] = {"convnet", "deep",     "blocks", "text",
                                      "values",  "qdq_conv", "views",  "control"}; /* without states */
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct subject m = {.name = names[i]};
    char file[64];
    snprintf(file, sizeof file, "%s.lrm", m.name);
    m.file = read_file(file);
    m.io = read_io(m.name);
    int failures = 1, steps = 0, some = 0;
    for (uint64_t limit = 64; failures && !test_failed; limit += 64 + limit / 64 * 64 / 32, steps++) {
      limited(&m, limit, &failures);
      some += failures && failures < 2 * m.io.n;
    }
    CHECK(steps > 8 && some, "%s: %d steps, %d with failures of some runs", m.name, steps, some);
    free(m.file.data);
    free_io(&m.io);
  }
}

/* ---- threads that do not start: core/pool.c is built again to call these (meson.build) ---- */
static int threads_left = -1, started, joined; /* -1: as many as wanted */
bool test_thread_start(lr_thread *t, size_t stack, lr_thread_fn fn, void *arg);
void test_thread_join(lr_thread t);

bool test_thread_start(lr_thread *t, size_t stack, lr_thread_fn fn, void *arg) {
  if (threads_left == 0) return false;
  if (threads_left > 0) threads_left--;
  bool ok = lr_thread_start(t, stack, fn, arg);
  started += ok;
  return ok;
}

void test_thread_join(lr_thread t) {
  joined++;
  lr_thread_join(t);
}

TEST(threads_that_do_not_start) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  lr_model *m = NULL;
  lr_session *s = NULL;
  lr_pool *pool = NULL;
  struct heap heap = {0};
  const lr_allocator alloc = {heap_alloc, heap_free, &heap};
  lr_pool_options po = {.size = sizeof po, .threads = 5, .allocator = &alloc};
  lr_session_options so = {.size = sizeof so, .threads = 5, .allocator = &alloc};
  OK(open_model("convnet", &m, &error));
  for (int given = 0; given < 4; given++) { /* of the 4 that either needs */
    started = joined = 0;
    threads_left = given;
    FAILS(lr_pool_open(&po, &pool, &error), LR_ERR_MEMORY, "threads");
    threads_left = given;
    FAILS(lr_session_open(m, &so, &s, &error), LR_ERR_MEMORY, "threads");
    CHECK(!pool && !s && !heap.blocks, "left: pool %p, session %p, %d blocks", (void *)pool, (void *)s,
          heap.blocks);
    CHECK(started == 2 * given && joined == started, "%d threads started, %d ended", started, joined);
  }
  threads_left = 4;
  OK(lr_session_open(m, &so, &s, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  lr_session_close(s);
  lr_model_close(m);
  CHECK(!heap.blocks && started == joined, "%d blocks leaked, %d threads left", heap.blocks,
        started - joined);
  threads_left = -1;
  free_io(&io);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"convolutions", convolutions},
                                      {"shapes_from_values", shapes_from_values},
                                      {"control_flow", control_flow},
                                      {"states", states},
                                      {"quantised", quantised},
                                      {"packed_in_the_file", packed_in_the_file},
                                      {"views", views},
                                      {"custom_operator", custom_operator},
                                      {"delegate", delegate},
                                      {"memory_limit", memory_limit},
                                      {"threads_that_do_not_start", threads_that_do_not_start}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
