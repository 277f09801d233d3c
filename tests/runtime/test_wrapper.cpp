// lite_runtime.hpp against what onnxruntime computed (streaming.io, make_models.py), and what it promises about
// ownership, errors and allocations. usage: test_wrapper MODELS
#include "lite_runtime.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

using namespace lite_runtime;

static std::size_t news;  // calls of operator new
// not inlined, else gcc takes free for a mismatch of new
__attribute__((noinline)) void *operator new(std::size_t n) {
  news++;
  if (void *p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void *p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void *p, std::size_t) noexcept { std::free(p); }

static std::string folder;
static int passed, failed;

static void expect(bool good, const char *what, int line) {
  if (!good) std::printf("test_wrapper.cpp:%d: %s\n", line, what);
  ++(good ? passed : failed);
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

// f must throw Error with this status and a sentence that contains `words`.
template <class F>
static void fails(const F &f, lr_status status, const char *words, int line) {
  try {
    f();
    expect(false, "nothing was thrown", line);
  } catch (const std::runtime_error &e) {
    const Error *error = dynamic_cast<const Error *>(&e);
    expect(error && error->status() == status && std::string(e.what()).find(words) != std::string::npos,
           e.what(), line);
  }
}
#define FAILS(f, status, words) fails([&] { f; }, status, words, __LINE__)

static std::string path(const char *name) { return folder + "/" + name; }

static std::vector<char> bytes_of(const char *name) {
  std::ifstream f(path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(f), {}};
}

template <class T>
static T next(const std::vector<char> &file, std::size_t &at) {
  T value;
  std::memcpy(&value, file.data() + at, sizeof value);
  at += sizeof value;
  return value;
}

// 20 runs in a row, the state carried over; twice, from zero each time; the second time from the caller's memory.
static void values() {
  Session session{Model(path("streaming.lrm"))};
  const Port x = session.input("x"), y = session.output("y");
  float mine[8];
  for (int round = 0; round < 2; round++) {
    const std::vector<char> file = bytes_of("streaming.io");
    std::size_t at = 0;
    if (round) session.bind(x, mine, sizeof mine);
    session.plan();
    const int runs = next<std::int32_t>(file, at);
    EXPECT(runs == 20);
    double far = 0;
    for (int r = 0; r < runs; r++) {
      for (int n = next<std::int32_t>(file, at); n > 0; n--) {  // the input comes before the output
        const int role = next<std::int32_t>(file, at);
        at += 3 * sizeof(std::int32_t) + 8 * sizeof(std::int64_t);
        const std::int64_t bytes = next<std::int64_t>(file, at);
        std::vector<float> v(static_cast<std::size_t>(bytes) / sizeof(float));
        std::memcpy(v.data(), file.data() + at, static_cast<std::size_t>(bytes));
        at += static_cast<std::size_t>(bytes);
        if (role == LR_INPUT) {
          const View<float> to = round ? View<float>(mine, 8) : session.tensor(x).as<float>();
          std::copy(v.begin(), v.end(), to.begin());
          session.run();
          continue;
        }
        const View<const float> got = session.tensor(y).as<const float>();
        EXPECT(got.size() == v.size());
        for (std::size_t i = 0; i < v.size(); i++)
          far = std::max(far, std::fabs(double(got[i]) - double(v[i])));
      }
    }
    EXPECT(far < 1e-5);
    const View<float> state = session.tensor({LR_STATE, 0}).as<float>();
    EXPECT(state.size() == 8 && state[0] != 0);
    session.reset_state();
    EXPECT(std::all_of(state.begin(), state.end(), [](float v) { return v == 0; }));
  }
}

static void facts() {
  const Model model(path("convnet.lrm").c_str());
  EXPECT(model.count(LR_INPUT) == 1 && model.count(LR_OUTPUT) == 1 && model.count(LR_STATE) == 0);
  const lr_tensor_info info = model.info(model.input("x"));
  EXPECT(info.rank == 4 && info.dims[1] == 3 && info.dtype == LR_F32);
  EXPECT(std::string(model.symbol(-2 - static_cast<std::int32_t>(info.dims[2]))) == "height" &&
         !model.symbol(99));
  EXPECT(std::string(model.metadata("author")) == "test" && !model.metadata("none"));
  FAILS(model.output("x"), LR_ERR_ARGUMENT, "model: has no output 'x'");
  FAILS(model.state("h"), LR_ERR_ARGUMENT, "model: has no state 'h'");
}

static void tensors() {
  Session session{Model(path("convnet.lrm"))};
  const Port x = session.input("x"), y = session.output("y");
  FAILS(session.tensor(x).as<float>(), LR_ERR_ARGUMENT, "call plan()");
  FAILS(session.resize(y, {1, 3, 40, 36}), LR_ERR_ARGUMENT, "only inputs");
  FAILS(session.resize(x, {1, 4, 40, 36}), LR_ERR_ARGUMENT, "x");
  const std::int64_t dims[] = {1, 3, 40, 36};
  session.resize(x, dims, 4);
  session.plan();
  const Tensor tensor = session.tensor(x);
  EXPECT(tensor.dtype() == LR_F32 && tensor.bytes() == 4 * 3 * 40 * 36 && tensor.dims().size() == 4);
  EXPECT(std::equal(std::begin(dims), std::end(dims), tensor.dims().begin()));
  FAILS(tensor.as<double>(), LR_ERR_ARGUMENT, "not of the C++ type");
  FAILS(tensor.as<std::int32_t>(), LR_ERR_ARGUMENT, "not of the C++ type");
  View<float> view = tensor.as<float>();
  std::fill(view.begin(), view.end(), 0.25f);
#if __cplusplus >= 202002L
  EXPECT(std::span<float>(view).size() == 3 * 40 * 36);
#endif
  session.run();
  const std::size_t before = news;
  for (int i = 0; i < 10; i++) {
    session.run();
    view = session.tensor(y).as<float>();
  }
  EXPECT(news == before);  // nothing is allocated in runs
  EXPECT(!view.empty() && session.tensor(y).data() == view.data());
  EXPECT(session.memory() > 0);
  lr_step step;
  EXPECT(session.step(0, step) && !session.step(9999, step));
}

static void ownership() {
  static_assert(!std::is_copy_constructible_v<Model> && !std::is_copy_assignable_v<Model>);
  static_assert(!std::is_copy_constructible_v<Session> && !std::is_copy_assignable_v<Session>);
  static_assert(!std::is_copy_constructible_v<Pool> && !std::is_copy_assignable_v<Pool>);
  static_assert(std::is_nothrow_move_constructible_v<Model> && std::is_nothrow_move_assignable_v<Model>);
  static_assert(std::is_nothrow_move_constructible_v<Session> && std::is_nothrow_move_assignable_v<Session>);
  static_assert(std::is_nothrow_move_constructible_v<Pool> && std::is_nothrow_move_assignable_v<Pool>);
  Model model(path("streaming.lrm"));
  auto options = defaults<lr_session_options>();
  EXPECT(options.size == sizeof options && options.threads == 0);
  auto pool = std::make_unique<Pool>(2);
  options.pool = pool->get();
  Session a(model, &options), b(std::move(a));
  pool.reset();  // sessions keep what they need, whatever goes first
  model = Model(path("convnet.lrm"));
  b.run();
  FAILS(a.run(), LR_ERR_ARGUMENT, "session is NULL");
  FAILS(a.plan(), LR_ERR_ARGUMENT, "session is NULL");
  FAILS(a.resize({LR_INPUT, 0}, {1, 8}), LR_ERR_ARGUMENT, "no such session");
  FAILS(a.tensor({LR_INPUT, 0}), LR_ERR_ARGUMENT, "no such session");
  FAILS(a.bind({LR_INPUT, 0}, nullptr, 0), LR_ERR_ARGUMENT, "no such session");
  FAILS(a.input("x"), LR_ERR_ARGUMENT, "has no input");
  a.reset_state();
  EXPECT(a.memory() == 0);
  lr_error error;
  EXPECT(a.try_run(nullptr, &error) == LR_ERR_ARGUMENT && b.try_run() == LR_OK);
  a.cancel();
  a = std::move(b);
  a.run();
  std::thread([s = std::move(a)]() mutable { s.run(); }).join();
  FAILS(Session{Model(std::move(model))}.bind({LR_STATE, 0}, nullptr, 0), LR_ERR_ARGUMENT, "");
  FAILS(Session{model}, LR_ERR_ARGUMENT, "NULL");
  FAILS(Pool(-1), LR_ERR_ARGUMENT, "threads");
}

static int read_some(void *user, std::uint64_t offset, void *to, std::size_t bytes) {
  std::memcpy(to, static_cast<const std::vector<char> *>(user)->data() + offset, bytes);
  return 0;
}

static void sources() {
  FAILS(Model("none.lrm"), LR_ERR_IO, "none.lrm");
  std::vector<char> file = bytes_of("streaming.lrm");
  FAILS(Model::from_memory(file.data(), 40), LR_ERR_MODEL, "");
  Session(Model::from_memory(file.data(), file.size())).run();
  Session(Model::from_reader(read_some, &file, file.size())).run();
  const int fd = open(path("streaming.lrm").c_str(), O_RDONLY);
  const Model model = Model::from_fd(fd, 0, file.size());
  close(fd);
  Session session(model);
  session.run();
  auto options = defaults<lr_run_options>();
  options.user = &session;
  options.on_step = [](void *s, const lr_step *) { static_cast<Session *>(s)->cancel(); };
  FAILS(session.run(&options), LR_ERR_CANCELLED, "");
  session.run();
}

int main(int argc, char **argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: test_wrapper MODELS\n"), 2;
  folder = argv[1];
  try {
    values();
    facts();
    tensors();
    ownership();
    sources();
  } catch (const std::exception &e) {
    std::printf("not expected: %s\n", e.what());
    failed++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
