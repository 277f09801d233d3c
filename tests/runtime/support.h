/* Small test frame: a test is a function, a failed CHECK ends it; main prints `N passed, N failed`. */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lite_runtime.h"

extern int test_failed; /* set by CHECK */
extern const char *test_dir;

#define CHECK(condition, ...)                                \
  do {                                                       \
    if (!(condition)) {                                      \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      printf(__VA_ARGS__);                                   \
      printf("\n");                                          \
      test_failed = 1;                                       \
      return;                                                \
    }                                                        \
  } while (0)
#define OK(call) CHECK((call) == LR_OK, "%s", error.message)
/* The call must fail with this status and a sentence that contains `words`. */
#define FAILS(call, want, words)                                                                     \
  do {                                                                                               \
    error.message[0] = 0;                                                                            \
    lr_status got_ = (call);                                                                         \
    CHECK(got_ == (want) && strstr(error.message, words), "status %d (%s), message '%s'", (int)got_, \
          lr_status_string(got_), error.message);                                                    \
  } while (0)

/* A file of the test directory in memory. */
struct bytes {
  unsigned char *data;
  size_t size;
};
struct bytes read_file(const char *name); /* exits when it is missing */
const char *path_of(const char *name);    /* the thread's own buffer */

/* Reference data of a model (NAME.io, written by make_models.py): runs, each with inputs and expected outputs. */
struct io_tensor {
  int32_t role, index, dtype, rank;
  int64_t dims[8], bytes;
  const unsigned char *data;
};
struct io_run {
  int32_t n;
  struct io_tensor tensor[16];
};
struct io_file {
  struct bytes file;
  int32_t n;
  struct io_run run[32];
};
struct io_file read_io(const char *model);
void free_io(struct io_file *f);

/* Resizes, writes the inputs of `run`, runs and compares: f32 within 1e-5 of the largest reference value, the rest equal. */
lr_status run_and_compare(lr_session *s, const struct io_run *run, const lr_run_options *o, lr_error *error);
/* Opens NAME.lrm from its path. */
lr_status open_model(const char *name, lr_model **m, lr_error *error);

#define TEST(name) static void name(void)
struct test {
  const char *name;
  void (*fn)(void);
};
int run_tests(int argc, char **argv, const struct test *tests, size_t n);
