/* Ways to open a model, and what each says when it cannot. */
#include "../system.h"
#include "support.h"

static void check_runs(lr_model *m, const char *name) {
  lr_error error = {""};
  struct io_file io = read_io(name);
  lr_session *s = NULL;
  OK(lr_session_open(m, NULL, &s, &error));
  OK(run_and_compare(s, &io.run[0], NULL, &error));
  lr_session_close(s);
  free_io(&io);
}

TEST(from_path) {
  lr_error error = {""};
  lr_model *m = NULL;
  OK(open_model("convnet", &m, &error));
  check_runs(m, "convnet");
  lr_model_close(m);
}

TEST(from_path_of_any_language) {
  lr_error error = {""};
  lr_model *m = NULL;
  OK(lr_model_open(path_of("gr\xc3\xb6\xc3\x9f"
                           "e \xe6\xa8\xa1\xe5\x9e\x8b/convnet.lrm"),
                   NULL, &m, &error));
  check_runs(m, "convnet");
  lr_model_close(m);
}

TEST(from_memory_at_any_alignment) {
  lr_error error = {""};
  struct bytes b = read_file("convnet.lrm");
  unsigned char *space = aligned_new(b.size + 256, 64);
  for (size_t shift = 0; shift <= 65; shift = shift ? shift * 3 : 1) {
    lr_model *m = NULL;
    memcpy(space + shift, b.data, b.size);
    OK(lr_model_open_memory(space + shift, b.size, NULL, &m, &error));
    check_runs(m, "convnet");
    lr_model_close(m);
  }
  aligned_delete(space);
  free(b.data);
}

TEST(from_descriptor_at_any_offset) {
  lr_error error = {""};
  struct bytes b = read_file("convnet.lrm");
  static const size_t offsets[] = {0, 4, 4096, 4100, 12345};
  for (size_t i = 0; i < 5; i++) {
    static const char behind[99];
    FILE *f = tmpfile();
    CHECK(f && !fseek(f, (long)offsets[i], SEEK_SET) && fwrite(b.data, 1, b.size, f) == b.size &&
              fwrite(behind, sizeof behind, 1, f) == 1 && !fflush(f),
          "write");
    lr_model *m = NULL;
    OK(lr_model_open_fd(fileno(f), offsets[i], b.size, NULL, &m, &error));
    fclose(f);
    check_runs(m, "convnet");
    lr_model_close(m);
  }
  free(b.data);
}

static int read_xor(void *user, uint64_t offset, void *to, size_t n) {
  const struct bytes *b = user;
  if (offset > b->size || n > b->size - offset) return 1;
  for (size_t i = 0; i < n; i++) ((unsigned char *)to)[i] = b->data[offset + i] ^ 0x5a;
  return 0;
}
static int read_nothing(void *user, uint64_t offset, void *to, size_t n) {
  (void)user, (void)offset, (void)to, (void)n;
  return 1;
}

TEST(from_callback) { /* as an app does that keeps its model encrypted */
  lr_error error = {""};
  struct bytes b = read_file("convnet.lrm");
  for (size_t i = 0; i < b.size; i++) b.data[i] ^= 0x5a;
  lr_model *m = NULL;
  OK(lr_model_open_reader(read_xor, &b, b.size, NULL, &m, &error));
  check_runs(m, "convnet");
  lr_model_close(m);
  m = NULL;
  FAILS(lr_model_open_reader(read_nothing, &b, b.size, NULL, &m, &error), LR_ERR_IO, "");
  CHECK(!m, "out-parameter must stay NULL");
  free(b.data);
}

TEST(bad_files) {
  lr_error error = {""};
  lr_model *m = NULL;
  struct bytes b = read_file("convnet.lrm");
  FAILS(lr_model_open("no/such/file.lrm", NULL, &m, &error), LR_ERR_IO, "no/such/file.lrm");
  FAILS(lr_model_open(test_dir, NULL, &m, &error), LR_ERR_IO, "");
  FAILS(lr_model_open("\xff.lrm", NULL, &m, &error), LR_ERR_IO, "?.lrm"); /* not UTF-8 */
  FAILS(lr_model_open_fd(1000, 0, 64, NULL, &m, &error), LR_ERR_IO, "descriptor 1000");
  FAILS(lr_model_open(NULL, NULL, &m, &error), LR_ERR_ARGUMENT, "");
  FAILS(lr_model_open(path_of("convnet.lrm"), NULL, NULL, &error), LR_ERR_ARGUMENT, "");
  FAILS(lr_model_open_memory(b.data, 0, NULL, &m, &error), LR_ERR_MODEL, "");
  FAILS(lr_model_open_memory(b.data, 7, NULL, &m, &error), LR_ERR_MODEL, "");
  FAILS(lr_model_open_memory(b.data, b.size - 1, NULL, &m, &error), LR_ERR_MODEL, "truncated");
  FAILS(lr_model_open_memory("ONNX-like bytes that are no model at all, but long enough to be looked at", 64,
                             NULL, &m, &error),
        LR_ERR_MODEL, "not a");
  b.data[b.size - 1] ^= 1; /* the last weight */
  FAILS(lr_model_open_memory(b.data, b.size, NULL, &m, &error), LR_ERR_MODEL, "damaged");
  lr_model_options o = {.size = sizeof o, .verify = LR_VERIFY_NONE};
  OK(lr_model_open_memory(b.data, b.size, &o, &m, &error));
  lr_model_close(m);
  m = NULL;
  b.data[b.size - 1] ^= 1;
  b.data[60] ^= 1; /* the graph: checked always */
  FAILS(lr_model_open_memory(b.data, b.size, &o, &m, &error), LR_ERR_MODEL, "");
  CHECK(!m, "out-parameter must stay NULL");
  CHECK(lr_model_open("no/such/file.lrm", NULL, &m, NULL) == LR_ERR_IO, "the error buffer may be NULL");
  lr_model_close(NULL);
  free(b.data);
}

TEST(facts) {
  lr_error error = {""};
  lr_model *m = NULL;
  OK(open_model("convnet", &m, &error));
  lr_tensor_info info;
  CHECK(lr_model_count(m, LR_INPUT) == 1 && lr_model_count(m, LR_OUTPUT) == 1 &&
            lr_model_count(m, LR_STATE) == 0,
        "counts");
  OK(lr_model_info(m, LR_INPUT, 0, &info, &error));
  CHECK(!strcmp(info.name, "x") && info.dtype == LR_F32 && info.rank == 4 && info.dims[1] == 3 &&
            info.dims[2] <= -2,
        "%s", info.name);
  CHECK(!strcmp(lr_model_symbol(m, (int32_t)(-2 - info.dims[2])), "height"), "symbol");
  CHECK(!lr_model_symbol(m, 1000) && !lr_model_symbol(m, -1), "no such symbol");
  FAILS(lr_model_info(m, LR_INPUT, 1, &info, &error), LR_ERR_ARGUMENT, "");
  const char *key, *value;
  CHECK(lr_model_metadata(m, 0, &key, &value) && !strcmp(key, "author") && !strcmp(value, "test"),
        "metadata");
  CHECK(!lr_model_metadata(m, 99, &key, &value), "no such entry");
  lr_model_close(m);
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"from_path", from_path},
                                      {"from_path_of_any_language", from_path_of_any_language},
                                      {"from_memory_at_any_alignment", from_memory_at_any_alignment},
                                      {"from_descriptor_at_any_offset", from_descriptor_at_any_offset},
                                      {"from_callback", from_callback},
                                      {"bad_files", bad_files},
                                      {"facts", facts}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
