#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <windows.h>
#endif

const char *lr_version(void) { return LR_VERSION; }

const char *lr_nth_name(const char *names, int32_t i) {
  for (; i > 0; i--) names += strlen(names) + 1;
  return names;
}

const char *lr_status_string(lr_status status) {
  static const char words[] = /* by code */
      "ok\0"
      "wrong argument\0"
      "the file could not be read\0"
      "damaged file or not a model\0"
      "a newer runtime is needed\0"
      "not supported by this build\0"
      "a value in a tensor is out of range\0"
      "out of memory\0"
      "an accelerator failed\0"
      "cancelled\0"
      "unknown status";
  return lr_nth_name(words,
                     status < LR_OK || status > LR_ERR_CANCELLED ? LR_ERR_CANCELLED + 1 : (int32_t)status);
}

uint32_t lr_utf8_length(const uint8_t *s, uint64_t room) {
  if (s[0] < 0x80) return s[0] != 0;
  uint32_t n = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
               : (s[0] & 0xf0) == 0xe0        ? 3
               : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                              : 0;
  if (n > room) return 0;
  for (uint32_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0; /* overlong; a surrogate */
  if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0; /* overlong; past U+10FFFF */
  return n;
}

lr_status lr_fail(lr_error *e, lr_status s, const char *format, ...) {
  if (!e) return s;
  va_list args;
  va_start(args, format);
  int n = vsnprintf(e->message, sizeof e->message, format, args);
  va_end(args);
  if (n < 0) e->message[0] = 0;
  /* names come from files and callers: whatever they hold, the message is one line of valid UTF-8 */
  uint8_t *p = (uint8_t *)e->message, *end = p + strlen(e->message);
  while (p < end) {
    uint32_t k = *p < 0x20 || *p == 0x7f ? 0 : lr_utf8_length(p, (uint64_t)(end - p));
    if (!k) *p = '?';
    p += k ? k : 1;
  }
  return s;
}

lr_status lr_fail_in(lr_error *e, lr_status s, const char *front, const char *format, va_list args) {
  if (!e) return s;
  char what[sizeof e->message];
  if (vsnprintf(what, sizeof what, format, args) < 0) what[0] = 0;
  return lr_fail(e, s, "%s: %s", front, what);
}

static void *default_alloc(void *user, size_t bytes, size_t align) {
  if (align < sizeof(void *)) align = sizeof(void *);
#ifdef _WIN32
  return _aligned_malloc(bytes, align);
#else
  void *p = NULL;
  return posix_memalign(&p, align, bytes) ? NULL : p;
#endif
}

static void default_free(void *user, void *p) {
#ifdef _WIN32
  _aligned_free(p);
#else
  free(p);
#endif
}

const lr_allocator lr_malloc_allocator = {default_alloc, default_free, NULL};

void *lr_alloc(const lr_allocator *a, uint64_t bytes, size_t align) {
  if (bytes > PTRDIFF_MAX) return NULL;
  void *p = a->alloc(a->user, bytes ? (size_t)bytes : 1, align);
  if (p) memset(p, 0, (size_t)bytes);
  return p;
}

void lr_free(const lr_allocator *a, void *p) {
  if (p) a->free(a->user, p);
}

lr_status lr_allocator_check(const lr_allocator *a, const char *what, lr_error *error) {
  return a->alloc && a->free ? LR_OK
                             : lr_fail(error, LR_ERR_ARGUMENT, "%s: the allocator lacks alloc or free", what);
}

uint64_t lr_now_ns(void) {
#ifdef _WIN32
  LARGE_INTEGER ticks, rate; /* never fails; the rate is that of the machine, most often 10 MHz */
  QueryPerformanceCounter(&ticks);
  QueryPerformanceFrequency(&rate);
  uint64_t t = (uint64_t)ticks.QuadPart, hz = (uint64_t)rate.QuadPart;
  return t / hz * 1000000000u + t % hz * 1000000000u / hz;
#else
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static const struct {
  char name[5];
  uint8_t size;
} dtypes[] = {
    [LR_F32] = {"f32", 4},   [LR_F16] = {"f16", 2}, [LR_BF16] = {"bf16", 2}, [LR_F64] = {"f64", 8},
    [LR_I8] = {"i8", 1},     [LR_U8] = {"u8", 1},   [LR_I16] = {"i16", 2},   [LR_U16] = {"u16", 2},
    [LR_I32] = {"i32", 4},   [LR_U32] = {"u32", 4}, [LR_I64] = {"i64", 8},   [LR_U64] = {"u64", 8},
    [LR_BOOL] = {"bool", 1}, [LR_I4] = {"i4", 1},   [LR_U4] = {"u4", 1},
};

static bool dtype_known(int32_t dtype) {
  return dtype > 0 && dtype < (int32_t)(sizeof dtypes / sizeof dtypes[0]);
}

size_t lr_dtype_size(int32_t dtype) { return dtype_known(dtype) ? dtypes[dtype].size : 0; }

const char *lr_dtype_name(int32_t dtype) { return dtype_known(dtype) ? dtypes[dtype].name : "?"; }

bool lr_type_known(const struct lr_type *t) {
  for (int32_t i = 0; i < t->rank; i++)
    if (t->dim[i] < 0) return false;
  return true;
}

bool lr_type_check(const struct lr_type *t) {
  uint64_t bytes = lr_dtype_size(t->dtype);
  if (!bytes || t->rank < 0 || t->rank > LR_MAX_RANK) return false;
  for (int32_t i = 0; i < t->rank; i++) {
    /* a dim of 0 counts as 1: strides and products of some of the dims must not overflow either */
    if (t->dim[i] > 0 && lr_mul_overflows(bytes, (uint64_t)t->dim[i], &bytes)) return false;
    if (bytes > LR_MAX_BYTES) return false;
  }
  return true;
}

const char *lr_type_text(const struct lr_type *t, char *buf, size_t size) {
  char dims[200];
  snprintf(buf, size, "%s %s", lr_dtype_name(t->dtype), lr_dims_text(t->rank, t->dim, dims, sizeof dims));
  return buf;
}

const char *lr_dims_text(int32_t rank, const int64_t *dim, char *buf, size_t size) {
  size_t n = (size_t)snprintf(buf, size, "[");
  for (int32_t i = 0; i < rank && n < size; i++) {
    const char *gap = i ? " " : "";
    if (dim[i] < 0)
      n += (size_t)snprintf(buf + n, size - n, "%s?", gap);
    else
      n += (size_t)snprintf(buf + n, size - n, "%s%lld", gap, (long long)dim[i]);
  }
  if (n < size) snprintf(buf + n, size - n, "]");
  return buf;
}
