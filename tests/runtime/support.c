#include "support.h"

#include <math.h>

int test_failed;
const char *test_dir = ".";

const char *path_of(const char *name) {
  static _Thread_local char path[4096];
  snprintf(path, sizeof path, "%s/%s", test_dir, name);
  return path;
}

struct bytes read_file(const char *name) {
  struct bytes b = {0};
  FILE *f = fopen(path_of(name), "rb");
  if (!f || fseek(f, 0, SEEK_END)) {
    printf("cannot read %s; run tests/runtime/make_models.py first\n", path_of(name));
    exit(2);
  }
  b.size = (size_t)ftell(f);
  b.data = malloc(b.size + 1);
  rewind(f);
  if (!b.data || fread(b.data, 1, b.size, f) != b.size) exit(2);
  fclose(f);
  return b;
}

static const unsigned char *take(const unsigned char *p, void *to, size_t n) {
  memcpy(to, p, n);
  return p + n;
}

struct io_file read_io(const char *model) {
  char name[256];
  snprintf(name, sizeof name, "%s.io", model);
  struct io_file f = {.file = read_file(name)};
  const unsigned char *p = take(f.file.data, &f.n, 4);
  for (int32_t r = 0; r < f.n; r++) {
    p = take(p, &f.run[r].n, 4);
    for (int32_t i = 0; i < f.run[r].n; i++) {
      struct io_tensor *t = &f.run[r].tensor[i];
      p = take(p, t, 16 + 64 + 8);
      t->data = p;
      p += t->bytes;
    }
  }
  return f;
}

void free_io(struct io_file *f) { free(f->file.data); }

static bool same(const struct io_tensor *want, const lr_tensor *got) {
  if (want->dtype != got->dtype || want->rank != got->rank || (size_t)want->bytes != got->bytes) return false;
  if (memcmp(want->dims, got->dims, 8 * (size_t)want->rank)) return false;
  if (want->dtype != LR_F32) return !memcmp(want->data, got->data, got->bytes);
  float top = 1e-3f, worst = 0;
  for (size_t i = 0; i < got->bytes / 4; i++) {
    float a, b;
    memcpy(&a, want->data + 4 * i, 4);
    memcpy(&b, (const char *)got->data + 4 * i, 4);
    top = fmaxf(top, fabsf(a));
    worst = isnan(a - b) ? INFINITY : fmaxf(worst, fabsf(a - b));
  }
  return worst <= 1e-5f * top;
}

lr_status run_and_compare(lr_session *s, const struct io_run *run, const lr_run_options *o, lr_error *error) {
  lr_status status;
  lr_tensor t;
  for (int32_t i = 0; i < run->n; i++) {
    const struct io_tensor *x = &run->tensor[i];
    if (x->role != LR_INPUT) continue;
    if ((status = lr_session_resize(s, x->index, x->rank, x->dims, error))) return status;
  }
  if ((status = lr_session_plan(s, error))) return status;
  for (int32_t i = 0; i < run->n; i++) {
    const struct io_tensor *x = &run->tensor[i];
    if (x->role != LR_INPUT) continue;
    if ((status = lr_session_tensor(s, LR_INPUT, x->index, &t, error))) return status;
    memcpy(t.data, x->data, t.bytes);
  }
  if ((status = lr_session_run(s, o, error))) return status;
  for (int32_t i = 0; i < run->n; i++) {
    const struct io_tensor *y = &run->tensor[i];
    if (y->role != LR_OUTPUT) continue;
    if ((status = lr_session_tensor(s, LR_OUTPUT, y->index, &t, error))) return status;
    if (same(y, &t)) continue;
    if (error)
      snprintf(error->message, sizeof error->message, "output %d differs from the reference", y->index);
    return LR_ERR_VALUE;
  }
  return LR_OK;
}

lr_status open_model(const char *name, lr_model **m, lr_error *error) {
  char file[256];
  snprintf(file, sizeof file, "%s.lrm", name);
  return lr_model_open(path_of(file), NULL, m, error);
}

int run_tests(int argc, char **argv, const struct test *tests, size_t n) {
  if (argc > 1) test_dir = argv[1];
  int failed = 0, passed = 0;
  for (size_t i = 0; i < n; i++) {
    if (argc > 2 && strcmp(argv[2], tests[i].name)) continue;
    test_failed = 0;
    tests[i].fn();
    printf("%s %s\n", test_failed ? "FAIL" : "ok  ", tests[i].name);
    failed += test_failed;
    passed += !test_failed;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed;
}
