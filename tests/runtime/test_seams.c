/* The seams: a delegate on a device, state tensors, int8 through the post-op program, a custom operator, two encodings of a
 * weight, f16, shapes that depend on values. */
#include "support.h"

#include "fake_device.h"
#include "weights.h"

/* Opens model `name`, runs every set of its reference data in one session and checks each. */
static void run_all(const char *name, const lr_session_options *so, const lr_model_options *mo) {
  lr_error error = {""};
  char file[256];
  snprintf(file, sizeof file, "%s.lrm", name);
  struct io_file io = read_io(name);
  lr_model *m = NULL;
  lr_session *s = NULL;
  OK(lr_model_open(path_of(file), mo, &m, &error));
  OK(lr_session_open(m, so, &s, &error));
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < io.n; i++) OK(run_and_compare(s, &io.run[i], NULL, &error));
    lr_session_reset_state(s);
  }
  lr_session_close(s);
  lr_model_close(m);
  free_io(&io);
}

TEST(streaming_state) { run_all("streaming", NULL, NULL); }

TEST(state_access) {
  lr_error error = {""};
  struct io_file io = read_io("streaming");
  lr_model *m = NULL;
  lr_session *s = NULL;
  OK(open_model("streaming", &m, &error));
  CHECK(lr_model_count(m, LR_STATE) == 1 && lr_model_count(m, LR_INPUT) == 1 &&
            lr_model_count(m, LR_OUTPUT) == 1,
        "roles");
  OK(lr_session_open(m, NULL, &s, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  lr_tensor t;
  OK(lr_session_tensor(s, LR_STATE, 0, &t, &error));
  void *saved = malloc(t.bytes); /* save after call 0, run on, load, and call 1 gives the same again */
  memcpy(saved, t.data, t.bytes);
  OK(run_and_compare(s, &io.run[1], NULL, &error));
  OK(run_and_compare(s, &io.run[2], NULL, &error));
  OK(lr_session_tensor(s, LR_STATE, 0, &t, &error));
  memcpy(t.data, saved, t.bytes);
  OK(run_and_compare(s, &io.run[1], NULL, &error));
  lr_session_reset_state(s);
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  FAILS(lr_session_bind(s, LR_STATE, 0, saved, t.bytes, &error), LR_ERR_ARGUMENT, "state");
  lr_session_close(s);
  lr_model_close(m);
  free(saved);
  free_io(&io);
}

TEST(int8_convolution) { run_all("qdq_conv", NULL, NULL); }
TEST(half_precision) { run_all("half", NULL, NULL); }
TEST(shapes_from_values) { run_all("values", NULL, NULL); }
TEST(deep_network) { run_all("deep", NULL, NULL); }
TEST(fused_blocks) { run_all("blocks", NULL, NULL); }
TEST(text_of_any_length) { run_all("text", NULL, NULL); }
TEST(views_and_concat) { run_all("views", NULL, NULL); }
TEST(control_flow) { run_all("control", NULL, NULL); }
TEST(every_instruction_set) { /* plain C, then each that this CPU has with those before it */
  static const char *const models[] = {"convnet", "streaming", "qdq_conv",  "half",
                                       "values",  "views",     "prepacked", "control"};
  uint32_t cpu = lr_cpu_features();
  for (uint32_t bit = 0; bit < 32; bit++) {
    uint32_t mask = bit ? cpu & ((1u << bit) - 1) : LR_CPU_PORTABLE;
    if (bit && !(cpu >> (bit - 1) & 1)) continue;
    lr_model_options o = {.size = sizeof o, .cpu_mask = mask};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) run_all(models[i], NULL, &o);
  }
}

TEST(values_in_tensors_are_checked) {
  lr_error error = {""};
  struct io_file io = read_io("gather");
  lr_model *m = NULL;
  lr_session *s = NULL;
  OK(open_model("gather", &m, &error));
  OK(lr_session_open(m, NULL, &s, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  lr_tensor t;
  OK(lr_session_tensor(s, LR_INPUT, 0, &t, &error));
  ((int64_t *)t.data)[0] = (int64_t)1 << 40;
  FAILS(lr_session_run(s, NULL, &error), LR_ERR_VALUE, "pick");
  OK(run_and_compare(s, &io.run[0], NULL, &error)); /* still usable */
  lr_session_close(s);
  lr_model_close(m);
  free_io(&io);
}

TEST(nan_trap_names_the_step) {
  lr_error error = {""};
  struct io_file io = read_io("convnet");
  lr_model *m = NULL;
  lr_session *s = NULL;
  OK(open_model("convnet", &m, &error));
  OK(lr_session_open(m, NULL, &s, &error));
  lr_run_options o = {.size = sizeof o, .trap_nan = 1};
  OK(run_and_compare(s, &io.run[0], &o, &error));
  lr_tensor t;
  OK(lr_session_tensor(s, LR_INPUT, 0, &t, &error));
  uint32_t nan = 0x7fc00000;
  memcpy(t.data, &nan, 4);
  FAILS(lr_session_run(s, &o, &error), LR_ERR_VALUE, "NaN");
  OK(lr_session_run(s, NULL, &error));
  lr_session_close(s);
  lr_model_close(m);
  free_io(&io);
}

/* ---- a custom operator: y = x * x + data[0] ---- */
static lr_status square_infer(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                              lr_tensor *out, int32_t n_out, lr_error *error) {
  if (n_in != 1 || n_out != 1 || bytes != 4 || !data || in[0].dtype != LR_F32) {
    if (error) snprintf(error->message, sizeof error->message, "square: wrong use");
    return LR_ERR_ARGUMENT;
  }
  (*(int *)user)++;
  out[0] = in[0];
  return LR_OK;
}
static lr_status square_run(void *user, const void *data, size_t bytes, const lr_tensor *in, int32_t n_in,
                            lr_tensor *out, int32_t n_out, lr_error *error) {
  float plus;
  (void)bytes, (void)n_in, (void)n_out, (void)error;
  memcpy(&plus, data, 4);
  for (size_t i = 0; i < in[0].bytes / 4; i++)
    ((float *)out[0].data)[i] = ((float *)in[0].data)[i] * ((float *)in[0].data)[i] + plus;
  (*(int *)user)++;
  return LR_OK;
}

TEST(custom_operator) {
  lr_error error = {""};
  int calls = 0;
  lr_custom custom = {"square", square_infer, square_run, &calls};
  lr_session_options o = {.size = sizeof o, .customs = &custom, .n_customs = 1};
  run_all("custom", &o, NULL);
  CHECK(calls > 1, "the callbacks were not called");
  lr_model *m = NULL;
  lr_session *s = NULL;
  struct io_file io = read_io("custom");
  OK(open_model("custom", &m, &error));
  OK(lr_session_open(m, NULL, &s, &error));
  FAILS(run_and_compare(s, &io.run[0], NULL, &error), LR_ERR_UNSUPPORTED, "square");
  lr_session_close(s);
  lr_model_close(m);
  free_io(&io);
}

TEST(two_encodings_of_a_weight) {
  lr_error error = {""};
  run_all("prepacked", NULL, NULL);
  lr_model *m = NULL, *plain = NULL;
  lr_session *s = NULL;
  struct io_file io = read_io("prepacked");
  OK(open_model("prepacked", &m, &error));
  int packed = 0;
  for (int32_t i = 0; i < m->subgraphs[0].n_tensors; i++)
    packed += m->subgraphs[0].tensors[i].n_encodings == 2;
  CHECK(packed == 1, "%d weights with two encodings", packed);
  lr_model_options o = {.size = sizeof o, .cpu_mask = LR_CPU_PORTABLE};
  lr_model_close(m);
  OK(lr_model_open(path_of("prepacked.lrm"), &o, &m, &error));
  OK(lr_session_open(m, NULL, &s, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  lr_session_close(s);
  s = NULL;
  OK(lr_model_open(path_of("plain.lrm"), &o, &plain, &error));
  OK(lr_session_open(plain, NULL, &s, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  size_t packed_bytes = 2 * 8 * 20 * sizeof(float); /* two panels of 8 channels */
  CHECK(lr_weights_bytes(plain) == lr_weights_bytes(m) + packed_bytes,
        "packed again? %d bytes with the packed encoding, %d without", (int)lr_weights_bytes(m),
        (int)lr_weights_bytes(plain));
  lr_session_close(s);
  lr_model_close(m);
  lr_model_close(plain);
  free_io(&io);
}

/* ---- a delegate: y = relu(x * 2) in a subgraph, between other nodes ---- */
static void twice(const struct lr_type *in, void *const *x, const struct lr_type *out, void *const *y) {
  (void)out;
  for (int64_t i = 0; i < lr_type_count(&in[0]); i++) {
    float v = ((const float *)x[0])[i] * 2;
    ((float *)y[0])[i] = v > 0 ? v : 0;
  }
}

static lr_status open_delegate(const struct lr_device *device, bool require, lr_model **m, lr_session **s,
                               lr_error *error) {
  lr_status status = open_model("delegate", m, error);
  lr_session_options o = {
      .size = sizeof o, .devices = &device, .n_devices = device ? 1 : 0, .require_devices = require};
  return status ? status : lr_session_open(*m, &o, s, error);
}

static int steps_on(lr_session *s, const char *device, const char *reason) {
  int n = 0;
  lr_step step;
  for (int i = 0; lr_session_step(s, i, &step); i++)
    n += !strcmp(step.device, device) && strstr(step.reason, reason);
  return n;
}

TEST(delegate_on_the_device) {
  lr_error error = {""};
  struct io_file io = read_io("delegate");
  lr_model *m = NULL;
  lr_session *s = NULL;
  struct fake_device fake;
  fake_device_init(&fake, twice);
  OK(open_delegate(&fake.device, true, &m, &s, &error));
  for (int i = 0; i < 4; i++) OK(run_and_compare(s, &io.run[i % io.n], NULL, &error));
  CHECK(steps_on(s, "fake", "") == 1, "the delegate is not on the device");
  CHECK(fake.calls[FAKE_SUBMIT] == 4 && fake.calls[FAKE_UPLOAD] == 4 && fake.calls[FAKE_DOWNLOAD] == 4,
        "copies");
  static const enum fake_call at_run[] = {FAKE_UPLOAD, FAKE_SUBMIT, FAKE_WAIT, FAKE_DOWNLOAD};
  for (int i = 0; i < 4;
       i++) { /* a failure at run time is an error, never a silent fallback, and the session lives on */
    fake_device_fail(&fake, at_run[i]);
    FAILS(lr_session_run(s, NULL, &error), LR_ERR_DEVICE, "fake");
    fake_device_fail(&fake, FAKE_NONE);
    OK(run_and_compare(s, &io.run[0], NULL, &error));
  }
  lr_session_close(s);
  lr_model_close(m);
  CHECK(fake.live == 0, "%d programs or buffers leaked", fake.live);
  free_io(&io);
}

TEST(delegate_falls_back_and_says_why) {
  lr_error error = {""};
  struct io_file io = read_io("delegate");
  for (int given = 0; given < 2; given++) {
    lr_model *m = NULL;
    lr_session *s = NULL;
    struct fake_device fake;
    fake_device_init(&fake, twice);
    fake_device_fail(&fake, FAKE_COMPILE);
    OK(open_delegate(given ? &fake.device : NULL, false, &m, &s, &error));
    OK(run_and_compare(s, &io.run[0], NULL, &error));
    CHECK(steps_on(s, "cpu", given ? "fake: " : "no device") >= 1, "no step says why it runs on the cpu");
    lr_session_close(s);
    s = NULL;
    lr_session_options o = {.size = sizeof o, .require_devices = 1};
    const struct lr_device *d = &fake.device;
    if (given) o.devices = &d, o.n_devices = 1;
    OK(lr_session_open(m, &o, &s, &error));
    FAILS(run_and_compare(s, &io.run[0], NULL, &error), LR_ERR_DEVICE, "delegate");
    lr_session_close(s);
    lr_model_close(m);
    CHECK(fake.live == 0, "%d programs or buffers leaked", fake.live);
  }
  struct fake_device fake;
  lr_model *m = NULL;
  lr_session *s = NULL;
  fake_device_init(&fake, twice);
  OK(open_delegate(&fake.device, false, &m, &s, &error));
  fake_device_fail(&fake, FAKE_ALLOC);
  FAILS(run_and_compare(s, &io.run[0], NULL, &error), LR_ERR_DEVICE, "fake");
  fake_device_fail(&fake, FAKE_NONE);
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  lr_session_close(s);
  lr_model_close(m);
  CHECK(fake.live == 0, "%d programs or buffers leaked", fake.live);
  free_io(&io);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"streaming_state", streaming_state},
                                      {"state_access", state_access},
                                      {"int8_convolution", int8_convolution},
                                      {"half_precision", half_precision},
                                      {"shapes_from_values", shapes_from_values},
                                      {"views_and_concat", views_and_concat},
                                      {"deep_network", deep_network},
                                      {"fused_blocks", fused_blocks},
                                      {"text_of_any_length", text_of_any_length},
                                      {"control_flow", control_flow},
                                      {"every_instruction_set", every_instruction_set},
                                      {"values_in_tensors_are_checked", values_in_tensors_are_checked},
                                      {"nan_trap_names_the_step", nan_trap_names_the_step},
                                      {"custom_operator", custom_operator},
                                      {"two_encodings_of_a_weight", two_encodings_of_a_weight},
                                      {"delegate_on_the_device", delegate_on_the_device},
                                      {"delegate_falls_back_and_says_why", delegate_falls_back_and_says_why}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
