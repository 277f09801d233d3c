/* Runs every kernel that this CPU can run against plain reference code.
 *
 * usage: check [NAME]...    only kernels whose name contains one of NAMEs
 * The last line is `N passed, N failed`; exit code 1 when any failed. */
#include "check.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../system.h"
#include "f16.h"
#include "lite_runtime.h"

static check_fn *const checkers[] = {
#define LR_KERNEL(signature, function, arch, isa, mr, nr, kr) check_##signature,
#include "kernels.inc"
#undef LR_KERNEL
};

static const char *current = "";
static int failures; /* of the current kernel */

void check_fail(const char *format, ...) {
  enum { SHOWN = 5 };
  if (failures++ >= SHOWN) return;
  va_list args;
  va_start(args, format);
  printf("%s: ", current);
  vprintf(format, args);
  printf("\n");
  va_end(args);
}

static void on_crash(int signal) {
  const char *words = ": reads or writes outside of its buffers (or crashed otherwise)\n";
  long ignored = (long)write(1, "\n", 1);
  ignored += (long)write(1, current, (unsigned)strlen(current));
  ignored += (long)write(1, words, (unsigned)strlen(words));
  (void)ignored;
  _exit(1);
}

/* ---- memory ---- */
enum { FRONT = 256, MAX_BUFFERS = 4096 };
static struct {
  unsigned char *map, *data;
  size_t mapped, bytes;
} buffer[MAX_BUFFERS];
static int n_buffers;

void *check_alloc(size_t bytes, size_t align) {
  size_t page = page_bytes(), inside = (bytes + FRONT + align + page - 1) / page * page;
  unsigned char *map = n_buffers < MAX_BUFFERS ? pages_before_guard(inside) : NULL;
  if (!map) {
    printf("check: out of memory\n");
    exit(1);
  }
  memset(map, CHECK_FILL, inside);
  unsigned char *data = (unsigned char *)((uintptr_t)(map + inside - bytes) / align * align);
  buffer[n_buffers].map = map;
  buffer[n_buffers].data = data;
  buffer[n_buffers].mapped = inside + page;
  buffer[n_buffers++].bytes = bytes;
  return data;
}

bool check_done(void) {
  bool intact = true;
  size_t page = page_bytes();
  while (n_buffers) {
    n_buffers--;
    unsigned char *p = buffer[n_buffers].map, *data = buffer[n_buffers].data;
    for (; p < data; p++) intact &= *p == CHECK_FILL;
    for (p = data + buffer[n_buffers].bytes; p < buffer[n_buffers].map + buffer[n_buffers].mapped - page; p++)
      intact &= *p == CHECK_FILL;
    pages_free(buffer[n_buffers].map, buffer[n_buffers].mapped);
  }
  if (!intact) check_fail("wrote outside of a buffer");
  return intact;
}

/* ---- numbers ---- */
static uint64_t state = 88172645463325252u; /* xorshift64, Marsaglia 2003 */

uint32_t check_random(uint32_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)((state >> 32) % n);
}

double check_float(void) { return (double)check_random(1u << 24) / (1 << 22) - 2; }

size_t check_size(int32_t dtype) {
  static const uint8_t size[] = {0, 4, 2, 2, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1};
  return size[dtype];
}

#define INTEGERS(X)                                                \
  X(T_I8, int8_t, -128, 127)                                       \
  X(T_U8, uint8_t, 0, 255)                                         \
  X(T_I16, int16_t, -32768, 32767)                                 \
  X(T_U16, uint16_t, 0, 65535)                                     \
  X(T_I32, int32_t, -2147483648.0, 2147483647.0)                   \
  X(T_U32, uint32_t, 0, 4294967295.0)                              \
  X(T_I64, int64_t, -9223372036854775808.0, 9223372036854774784.0) \
  X(T_U64, uint64_t, 0, 18446744073709549568.0) X(T_BOOL, uint8_t, 0, 1)

double check_get(int32_t dtype, const void *p, size_t i) {
  switch (dtype) {
    case T_F32:
      return (double)((const float *)p)[i];
    case T_F16:
      return (double)lr_f16_to_f32(((const uint16_t *)p)[i]);
    case T_F64:
      return ((const double *)p)[i];
#define X(code, type, low, high) \
  case code:                     \
    return (double)((const type *)p)[i];
      INTEGERS(X)
#undef X
    default:
      return 0;
  }
}

void check_put(int32_t dtype, void *p, size_t i, double v) {
  switch (dtype) {
    case T_F32:
      ((float *)p)[i] = (float)v;
      break;
    case T_F16:
      ((uint16_t *)p)[i] = lr_f16_from_f64(v);
      break;
    case T_F64:
      ((double *)p)[i] = v;
      break;
#define X(code, type, low, high)                                                         \
  case code:                                                                             \
    ((type *)p)[i] = (type)(v != v ? 0 : v<(low) ? (low) : v>(high) ? (high) : rint(v)); \
    break;
      INTEGERS(X)
#undef X
    default:
      break;
  }
}

bool check_near(double got, double want, double tolerance) {
  if (want != want || got != got) return want != want && got != got;
  return got == want || fabs(got - want) <= tolerance;
}

/* ---- main ---- */
static bool wanted(const char *name, int argc, char **argv) {
  bool any = argc < 2;
  for (int i = 1; i < argc; i++) any |= strstr(name, argv[i]) != NULL;
  return any;
}

int main(int argc, char **argv) {
  int passed = 0, failed = 0, elsewhere = 0;
  uint32_t cpu = lr_cpu_features();
  const struct lr_kernel *k;
  signal(SIGSEGV, on_crash);
#ifdef SIGBUS
  signal(SIGBUS, on_crash);
#endif
  for (size_t i = 0; (k = lr_kernel_line(i)); i++) {
    if (!wanted(k->name, argc, argv)) continue;
    if (!k->fn || (k->isa & ~cpu)) {
      elsewhere++;
      continue;
    }
    current = k->name;
    failures = 0;
    checkers[i](k);
    passed += !failures;
    failed += failures > 0;
    if (failures) printf("%s: %d differences\n", current, failures);
  }
  if (elsewhere) printf("%d kernels are for other CPUs\n", elsewhere);
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
