/* lite_runtime.h for C++17 and newer: handles that close themselves, exceptions, tensors with element types.
 *
 * The C header is the truth: this one only calls it, and what it says about lifetimes, threads and callbacks holds here.
 * get() is the C handle, for what has no method here.
 *
 *   lite_runtime::Model model("model.lrm");
 *   lite_runtime::Session session(model);
 *   session.resize(session.input("x"), {1, 3, 32, 32});
 *   session.plan();
 *   for (float &v : session.tensor(session.input("x")).as<float>()) v = 0.5f;
 *   session.run();
 *   for (float v : session.tensor(session.output("y")).as<const float>()) std::printf("%f\n", v);
 *
 * Model, Session and Pool can be moved, not copied; a moved-from one is empty, and its calls throw (the noexcept ones do
 * nothing). They may be destroyed in any order. Calls that fail throw Error with the C library's sentence. Where nothing
 * fails, nothing here allocates.
 */
#ifndef LITE_RUNTIME_HPP
#define LITE_RUNTIME_HPP
#include "lite_runtime.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#error "lite_runtime.hpp throws exceptions; compile with them, or use lite_runtime.h"
#endif

namespace lite_runtime {

/* What a call of the C library answered that failed. */
class Error : public std::runtime_error {
 public:
  Error(lr_status status, const char *message) : std::runtime_error(message), status_(status) {}
  lr_status status() const noexcept { return status_; }

 private:
  lr_status status_;
};

/* Throws what a C function answered, unless it is LR_OK. */
inline void check(lr_status status, const lr_error &error) {
  if (status != LR_OK) throw Error(status, error.message);
}

/* An option struct of the C header with its size set and defaults in all other fields:
 * auto o = lite_runtime::defaults<lr_session_options>(); o.threads = 2; */
template <class Options>
Options defaults() noexcept {
  Options o{};
  o.size = sizeof o;
  return o;
}

/* Elements in memory that others own; std::span takes it. */
template <class T>
class View {
 public:
  View() = default;
  View(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  T *data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return !size_; }
  T *begin() const noexcept { return data_; }
  T *end() const noexcept { return data_ + size_; }
  T &operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

/* Whether elements of a dtype can be accessed as T: LR_F16 and LR_BF16 as std::uint16_t (their bits), LR_I4 and LR_U4 as
 * none (two lie in a byte). */
template <class T>
constexpr bool is_element(std::int32_t dtype) noexcept {
  using U = std::remove_cv_t<T>;
  static_assert(sizeof(bool) == 1, "LR_BOOL has one byte");
  switch (dtype) {
    case LR_F32:
      return std::is_same_v<U, float>;
    case LR_F64:
      return std::is_same_v<U, double>;
    case LR_F16:
    case LR_BF16:
    case LR_U16:
      return std::is_same_v<U, std::uint16_t>;
    case LR_I8:
      return std::is_same_v<U, std::int8_t>;
    case LR_U8:
      return std::is_same_v<U, std::uint8_t>;
    case LR_I16:
      return std::is_same_v<U, std::int16_t>;
    case LR_I32:
      return std::is_same_v<U, std::int32_t>;
    case LR_U32:
      return std::is_same_v<U, std::uint32_t>;
    case LR_I64:
      return std::is_same_v<U, std::int64_t>;
    case LR_U64:
      return std::is_same_v<U, std::uint64_t>;
    case LR_BOOL:
      return std::is_same_v<U, bool>;
    default:
      return false;
  }
}

/* A tensor of a session: a view, valid until the session's next resize, bind, plan or close. */
class Tensor {
 public:
  explicit Tensor(const lr_tensor &tensor) noexcept : t_(tensor) {}
  const lr_tensor &get() const noexcept { return t_; }
  lr_dtype dtype() const noexcept { return static_cast<lr_dtype>(t_.dtype); }
  View<const std::int64_t> dims() const noexcept { return {t_.dims, static_cast<std::size_t>(t_.rank)}; }
  std::size_t bytes() const noexcept { return t_.bytes; }
  void *data() const noexcept { return t_.data; }

  /* The elements. Throws when T is not their type, and while the tensor has no memory. */
  template <class T>
  View<T> as() const {
    if (!is_element<T>(t_.dtype))
      throw Error(LR_ERR_ARGUMENT, "tensor: its elements are not of the C++ type asked for; see dtype()");
    if (!t_.data && t_.bytes)
      throw Error(LR_ERR_ARGUMENT, "tensor: has no memory; call plan(), or bind as many bytes as it has");
    for (const std::int64_t d : dims())
      if (d < 0)
        throw Error(LR_ERR_ARGUMENT, "tensor: its shape is not known yet; call plan() or run() first");
    return {static_cast<T *>(t_.data), t_.bytes / sizeof(T)};
  }

 private:
  lr_tensor t_;
};

/* One input, output or state of a model: the pair that the C functions take. */
struct Port {
  lr_role role;
  std::int32_t index;
};

namespace detail {
struct Close {
  void operator()(lr_model *p) const noexcept { lr_model_close(p); }
  void operator()(lr_session *p) const noexcept { lr_session_close(p); }
  void operator()(lr_pool *p) const noexcept { lr_pool_close(p); }
};

inline lr_tensor_info info(const lr_model *model, Port port) {
  lr_tensor_info info;
  lr_error error;
  check(lr_model_info(model, port.role, port.index, &info, &error), error);
  return info;
}

inline Port find(const lr_model *model, lr_role role, const char *name) {
  const std::int32_t n = lr_model_count(model, role);
  for (std::int32_t i = 0; i < n; i++)
    if (!std::strcmp(info(model, {role, i}).name, name)) return {role, i};
  const char *const words[] = {"input", "output", "state"};
  throw Error(LR_ERR_ARGUMENT, ("model: has no " + std::string(words[role]) + " '" + name + "'").c_str());
}
}  // namespace detail

/* A model; any number of sessions and threads share it. */
class Model {
 public:
  explicit Model(const char *path, const lr_model_options *options = nullptr) {
    take([&](lr_model **m, lr_error *e) { return lr_model_open(path, options, m, e); });
  }
  explicit Model(const std::string &path, const lr_model_options *options = nullptr)
      : Model(path.c_str(), options) {}

  /* As lr_model_open_memory: the bytes must stay until the model and its sessions are gone. */
  static Model from_memory(const void *data, std::size_t bytes, const lr_model_options *options = nullptr) {
    return Model([&](lr_model **m, lr_error *e) { return lr_model_open_memory(data, bytes, options, m, e); });
  }
  static Model from_fd(int fd, std::uint64_t offset, std::uint64_t bytes,
                       const lr_model_options *options = nullptr) {
    return Model(
        [&](lr_model **m, lr_error *e) { return lr_model_open_fd(fd, offset, bytes, options, m, e); });
  }
  static Model from_reader(lr_read_fn read, void *user, std::uint64_t bytes,
                           const lr_model_options *options = nullptr) {
    return Model(
        [&](lr_model **m, lr_error *e) { return lr_model_open_reader(read, user, bytes, options, m, e); });
  }

  lr_model *get() const noexcept { return handle_.get(); }
  std::int32_t count(lr_role role) const noexcept { return lr_model_count(get(), role); }
  lr_tensor_info info(Port port) const { return detail::info(get(), port); }
  /* By its name; throws when there is none. */
  Port input(const char *name) const { return detail::find(get(), LR_INPUT, name); }
  Port output(const char *name) const { return detail::find(get(), LR_OUTPUT, name); }
  Port state(const char *name) const { return detail::find(get(), LR_STATE, name); }
  /* Name of a symbolic dim (dims[i] == -2 - k), or NULL. */
  const char *symbol(std::int32_t k) const noexcept { return lr_model_symbol(get(), k); }
  /* Value of a key of the source model's metadata, owned by the model, or NULL. */
  const char *metadata(const char *key) const noexcept {
    const char *k, *value;
    for (std::int32_t i = 0; lr_model_metadata(get(), i, &k, &value); i++)
      if (!std::strcmp(k, key)) return value;
    return nullptr;
  }

 private:
  template <class Open, class = std::enable_if_t<std::is_invocable_v<Open, lr_model **, lr_error *>>>
  explicit Model(const Open &open) {
    take(open);
  }
  template <class Open>
  void take(const Open &open) {
    lr_model *model = nullptr;
    lr_error error;
    check(open(&model, &error), error);
    handle_.reset(model);
  }

  std::unique_ptr<lr_model, detail::Close> handle_;
};

/* Worker threads that sessions share: `auto o = defaults<lr_session_options>(); o.pool = pool.get();`. */
class Pool {
 public:
  explicit Pool(const lr_pool_options &options) {
    lr_pool *pool = nullptr;
    lr_error error;
    check(lr_pool_open(&options, &pool, &error), error);
    handle_.reset(pool);
  }
  /* threads: as in lr_pool_options. */
  explicit Pool(std::int32_t threads) : Pool(of(threads)) {}
  lr_pool *get() const noexcept { return handle_.get(); }

 private:
  static lr_pool_options of(std::int32_t threads) noexcept {
    lr_pool_options o = defaults<lr_pool_options>();
    o.threads = threads;
    return o;
  }

  std::unique_ptr<lr_pool, detail::Close> handle_;
};

/* A model with shapes, memory and states; for one thread at a time, but cancel(). */
class Session {
 public:
  explicit Session(const Model &model, const lr_session_options *options = nullptr) : model_(model.get()) {
    lr_session *session = nullptr;
    lr_error error;
    check(lr_session_open(model.get(), options, &session, &error), error);
    handle_.reset(session);
  }

  lr_session *get() const noexcept { return handle_.get(); }
  /* By its name; throws when there is none. Look up once, not in each run. */
  Port input(const char *name) const { return detail::find(model(), LR_INPUT, name); }
  Port output(const char *name) const { return detail::find(model(), LR_OUTPUT, name); }
  Port state(const char *name) const { return detail::find(model(), LR_STATE, name); }

  void resize(Port input, const std::int64_t *dims, std::int32_t rank) {
    if (input.role != LR_INPUT) throw Error(LR_ERR_ARGUMENT, "resize: only inputs are given shapes");
    lr_error error;
    check(lr_session_resize(get(), input.index, rank, dims, &error), error);
  }
  void resize(Port input, std::initializer_list<std::int64_t> dims) {
    resize(input, dims.begin(), static_cast<std::int32_t>(dims.size()));
  }
  void plan() {
    lr_error error;
    check(lr_session_plan(get(), &error), error);
  }
  void bind(Port port, void *data, std::size_t bytes) {
    lr_error error;
    check(lr_session_bind(get(), port.role, port.index, data, bytes, &error), error);
  }
  Tensor tensor(Port port) const {
    lr_tensor tensor;
    lr_error error;
    check(lr_session_tensor(get(), port.role, port.index, &tensor, &error), error);
    return Tensor(tensor);
  }
  void run(const lr_run_options *options = nullptr) {
    lr_error error;
    check(lr_session_run(get(), options, &error), error);
  }
  /* The same without exceptions: the status, and the sentence where wanted. */
  lr_status try_run(const lr_run_options *options = nullptr, lr_error *error = nullptr) noexcept {
    return lr_session_run(get(), options, error);
  }
  /* From any thread. */
  void cancel() const noexcept { lr_session_cancel(get()); }
  void reset_state() noexcept { lr_session_reset_state(get()); }
  std::uint64_t memory() const noexcept { return lr_session_memory(get()); }
  /* Step i of the current plan; false past the end or without a plan. */
  bool step(std::int32_t i, lr_step &step) const noexcept { return lr_session_step(get(), i, &step) != 0; }

 private:
  /* The session's own reference keeps it open. */
  const lr_model *model() const noexcept { return handle_ ? model_ : nullptr; }

  const lr_model *model_;
  std::unique_ptr<lr_session, detail::Close> handle_;
};

}  // namespace lite_runtime
#endif
