/* The time of every kernel that this CPU can run, and how near it comes to the machine's peak.
 *
 * usage: kernels [-s SECONDS] [NAME]...    only kernels whose name contains one of NAMEs; SECONDS for each
 * shape, 0.05
 *
 * One core. Products: GFLOP/s (two operations a multiply-add) and % of the f32 multiply-adds that the machine
 * can do, measured in the same process; the others: GB/s read and written. Of the times the best counts, as
 * it does for the peak. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels_bench.h"
#include "lite_runtime_tools.h"

/* 1x1 and 3x3 layers of MobileNetV2 and ResNets (their tails of rows and columns too), a classifier. */
static const struct shape gemm_shapes[] = {
    {3136, 24, 1, 96}, {784, 192, 1, 32},  {196, 384, 1, 64},  {196, 96, 1, 576},  {49, 960, 1, 160},
    {49, 160, 1, 960}, {784, 128, 9, 128}, {196, 256, 9, 256}, {1, 1000, 1, 1280}, {128, 384, 1, 384}};
static const struct shape dwconv_shapes[] = {
    {56, 144, 9, 1}, {28, 192, 9, 1}, {14, 576, 9, 1}, {7, 960, 9, 1}, {14, 120, 25, 1}};
static const struct shape pool_shapes[] = {{1, 64, 9, 1}, {1, 256, 4, 1}, {1, 1280, 49, 1}};
static const struct shape wsum_shapes[] = {{1, 128, 4, 1}, {1, 1024, 2, 1}};
static const struct shape row_shapes[] = {{1, 128, 1, 1}, {1, 1000, 1, 1}};
static const struct shape reduce_shapes[] = {{49, 1280, 1, 1, LR_REDUCE_KIND_SUM},
                                             {128, 384, 1, 1, LR_REDUCE_KIND_MAX}};
static const struct shape int_shapes[] = {{1, 4096, 1, 1, LR_POST_ADD}, {1, 4096, 1, 1, LR_POST_MUL}};
static const struct shape bool_shapes[] = {{1, 4096, 1, 1, LR_POST_EQUAL}};
static const struct shape float_shapes[] = {{1, 4096, 1, 1, LR_POST_ADD},     {1, 4096, 1, 1, LR_POST_EXP},
                                            {1, 4096, 1, 1, LR_POST_SIGMOID}, {1, 4096, 1, 1, LR_POST_TANH},
                                            {1, 4096, 1, 1, LR_POST_SILU},    {1, 4096, 1, 1, LR_POST_ERF}};
static const struct shape cast_shapes[] = {{1, 4096, 1, 1, LR_CODE_F16 * 256 + LR_CODE_F32},
                                           {1, 4096, 1, 1, LR_CODE_F32 * 256 + LR_CODE_F16},
                                           {1, 4096, 1, 1, LR_CODE_U8 * 256 + LR_CODE_F32},
                                           {1, 4096, 1, 1, LR_CODE_I64 * 256 + LR_CODE_I32}};

enum family { GEMM, DWCONV, POOL, WSUM, ROW, REDUCE, INT, BOOL, FLOAT, CAST, FAMILIES };
#define LIST(shapes) {shapes, sizeof shapes / sizeof shapes[0]}
static const struct {
  const struct shape *shape;
  size_t n;
} list[FAMILIES] = {
    [GEMM] = LIST(gemm_shapes), [DWCONV] = LIST(dwconv_shapes), [POOL] = LIST(pool_shapes),
    [WSUM] = LIST(wsum_shapes), [ROW] = LIST(row_shapes),       [REDUCE] = LIST(reduce_shapes),
    [INT] = LIST(int_shapes),   [BOOL] = LIST(bool_shapes),     [FLOAT] = LIST(float_shapes),
    [CAST] = LIST(cast_shapes)};

static const struct {
  enum lr_signature signature;
  const char *name;
} line[] = {
#define LR_KERNEL(signature, function, arch, isa, mr, nr, kr) {LR_SIG_##signature, #signature},
#include "kernels.inc"
#undef LR_KERNEL
};

/* By the end of the signature's name; FAMILIES for those that this program does not know. */
static enum family family_of(const char *name) {
  static const struct {
    const char *end;
    enum family family;
  } ends[] = {{"_gemm", GEMM},    {"_dwconv", DWCONV}, {"pool", POOL},     {"_wsum", WSUM},
              {"_softmax", ROW},  {"_norm", ROW},      {"reduce", REDUCE}, {"f32_vop", FLOAT},
              {"f16_vop", FLOAT}, {"f64_vop", FLOAT},  {"bool_vop", BOOL}, {"_vop", INT},
              {"vcast", CAST},    {"vquantize", ROW}};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    size_t n = strlen(name), m = strlen(ends[i].end);
    if (n >= m && !strcmp(name + n - m, ends[i].end)) return ends[i].family;
  }
  return FAMILIES;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of one run: the best of batches of at least 50 us. */
static double best_time(const struct work *w, double seconds) {
  double begin = now(), best = 1e9;
  run_work(w);
  double once = now() - begin;
  int batch = once < 50e-6 ? (int)(50e-6 / (once + 1e-9)) + 1 : 1;
  while (now() - begin < seconds || best == 1e9) {
    double start = now();
    for (int i = 0; i < batch; i++) run_work(w);
    double t = (now() - start) / batch;
    if (t < best) best = t;
  }
  return best;
}

static const char *const dtype_name[] = {[LR_CODE_F32] = "f32",
                                         [LR_CODE_F16] = "f16",
                                         [LR_CODE_U8] = "u8",
                                         [LR_CODE_I32] = "i32",
                                         [LR_CODE_I64] = "i64"};

static const char *op_name(enum family f, int32_t op) {
  switch (op) {
#define X(code, name, arity, mask, result) \
  case code:                               \
    return f == FLOAT || f == INT || f == BOOL ? #name : "";
    LR_POSTOPS(X)
#undef X
    default:
      return "";
  }
}

static void describe(const struct shape *s, enum family f, char *text, size_t n) {
  if (f == GEMM)
    snprintf(text, n, "%zux%zux%zu%s", s->rows, s->cols, s->kc, s->ks > 1 ? " 3x3" : "");
  else if (f == DWCONV)
    snprintf(text, n, "%zux%zu, %zu taps", s->rows, s->cols, s->ks);
  else if (f == POOL || f == WSUM)
    snprintf(text, n, "%zu, %zu taps", s->cols, s->ks);
  else if (f == REDUCE)
    snprintf(text, n, "%zux%zu %s", s->rows, s->cols, s->op == LR_REDUCE_KIND_MAX ? "max" : "sum");
  else if (f == CAST)
    snprintf(text, n, "%zu, %s to %s", s->cols, dtype_name[s->op / 256], dtype_name[s->op % 256]);
  else
    snprintf(text, n, "%zu %s", s->cols, op_name(f, s->op));
}

static void print_work(const struct work *w, enum family f, double t, double peak) {
  const struct shape *s = &w->shape;
  char text[64];
  describe(s, f, text, sizeof text);
  printf("%-34s %-20s %10.2f us", w->kernel->name, text, 1e6 * t);
  if (f == GEMM || f == DWCONV) {
    double speed = 2e-9 * (double)(s->rows * s->cols * s->ks * s->kc) / t;
    printf(" %8.1f GFLOP/s %5.1f %%\n", speed, peak > 0 ? 100 * speed / peak : 0);
  } else {
    size_t sources = f == POOL || f == WSUM ? s->ks : f == REDUCE ? s->rows : f == INT ? 2 : 1;
    double bytes = (double)((sources + (f != REDUCE)) * s->cols * element_size(w->signature, s));
    printf(" %8.1f GB/s\n", 1e-9 * bytes / t);
  }
}

static bool wanted(const char *name, int argc, char **argv, int first) {
  bool any = first >= argc;
  for (int i = first; i < argc; i++) any |= strstr(name, argv[i]) != NULL;
  return any;
}

/* Bytes that are a small normal number in every type: 0.0115 in f32, 1.06 in f16, 60 in i8. */
static void fill(struct work *w) {
  int byte = w->signature == LR_SIG_bool_vop ? 1 : 0x3c;
  memset(w->x, byte, BUFFER);
  memset(w->packed, byte, BUFFER);
}

static int allocate(struct work *w) {
  w->x = aligned_alloc(64, BUFFER);
  w->y = aligned_alloc(64, BUFFER);
  w->packed = aligned_alloc(64, BUFFER);
  w->bias = aligned_alloc(64, BUFFER);
  w->a = malloc(POINTERS * sizeof *w->a);
  if (!w->x || !w->y || !w->packed || !w->bias || !w->a) return 0;
  memset(w->bias, 0, BUFFER);
  return 1;
}

int main(int argc, char **argv) {
  double seconds = 0.05;
  int first = 1, unknown = 0;
  if (argc > 2 && !strcmp(argv[1], "-s")) {
    seconds = strtod(argv[2], NULL);
    first = 3;
  }
  struct work w = {.kernel = NULL};
  if (!allocate(&w)) {
    fprintf(stderr, "kernels: out of memory\n");
    return 1;
  }
  uint32_t cpu = lr_cpu_features();
  double peak = lr_tool_fma_peak(0.1, 0);
  printf("peak of one core: %.1f GFLOP/s\n", peak);
  for (size_t i = 0; (w.kernel = lr_kernel_line(i)); i++) {
    if (!w.kernel->fn || (w.kernel->isa & ~cpu) || !wanted(w.kernel->name, argc, argv, first)) continue;
    enum family f = family_of(line[i].name);
    w.signature = line[i].signature;
    unknown += f == FAMILIES;
    if (f == FAMILIES) continue;
    fill(&w);
    for (size_t k = 0; k < list[f].n; k++) {
      w.shape = list[f].shape[k];
      prepare_work(&w);
      print_work(&w, f, best_time(&w, seconds), peak);
    }
  }
  if (unknown) printf("%d kernels have no measurement here\n", unknown);
  free(w.x), free(w.y), free(w.packed), free(w.bias), free((void *)w.a);
  return 0;
}
