/* Small things that all of the runtime uses: errors, memory, checked arithmetic, dtypes. */
#pragma once
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lite_runtime.h"

#if defined(__GNUC__) || defined(__clang__)
#define LR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LR_MUST_USE __attribute__((warn_unused_result))
#else
#define LR_PRINTF(fmt, args)
#define LR_MUST_USE
#endif

/* Writes the sentence into `e` (may be NULL) and returns `s`, so that callers write `return lr_fail(e, LR_ERR_MODEL, ...)`. */
lr_status lr_fail(lr_error *e, lr_status s, const char *format, ...) LR_PRINTF(3, 4);

/* The same with something in front: `<front>: <message>`. */
lr_status lr_fail_in(lr_error *e, lr_status s, const char *front, const char *format, va_list args);

#define LR_TRY(call)             \
  do {                           \
    lr_status lr_try_ = (call);  \
    if (lr_try_) return lr_try_; \
  } while (0)

/* Allocator used by one model or session. Freed memory of size 0 or NULL is fine. lr_alloc returns zeroed memory,
 * or NULL; sizes are 64 bits wide everywhere until they are asked for, so that none wraps on a 32-bit machine. */
extern const lr_allocator lr_malloc_allocator;
void *lr_alloc(const lr_allocator *a, uint64_t bytes, size_t align);
void lr_free(const lr_allocator *a, void *p);
/* ARGUMENT, `<what>: ...`, when it lacks a function. */
lr_status lr_allocator_check(const lr_allocator *a, const char *what, lr_error *error);

/* The instruction sets that kernels may use under a cpu_mask of the API. */
uint32_t lr_cpu_allowed(uint32_t cpu_mask);
uint64_t lr_now_ns(void); /* of a clock that only goes forwards */

/* *r = a op b; true when the result does not fit (the value of *r is then unspecified). */
static inline bool lr_mul_overflows(uint64_t a, uint64_t b, uint64_t *r) {
  return __builtin_mul_overflow(a, b, r);
}
static inline bool lr_add_overflows(uint64_t a, uint64_t b, uint64_t *r) {
  return __builtin_add_overflow(a, b, r);
}

static inline uint64_t lr_align_up(uint64_t n, uint64_t align) { return (n + align - 1) & ~(align - 1); }

#define LR_ALIGN 64 /* of every buffer that kernels see */
/* Of one tensor; keeps every later product in 64 bits. Where an address has 32 bits a tensor and what is counted in it fit
 * size_t too. */
#define LR_MAX_BYTES ((uint64_t)1 << (sizeof(size_t) == 4 ? 30 : 40))

/* Size of one element in bytes (1 for the 4-bit types, whose tensors the CPU does not compute on), 0 for an unknown code. */
size_t lr_dtype_size(int32_t dtype);
/* Number i of names that stand one behind the other: pointers to them would cost 32 bytes each. */
const char *lr_nth_name(const char *names, int32_t i);
const char *lr_dtype_name(int32_t dtype); /* "f32", ...; "?" for an unknown code */
/* Bytes of the well-formed UTF-8 sequence at s (RFC 3629), which has `room` bytes; 0 if there is none. NUL is none. */
uint32_t lr_utf8_length(const uint8_t *s, uint64_t room);

/* A size, or unknown: -1 anonymous, <= -2 a symbol (equal symbols are equal sizes). */
typedef int64_t lr_dim;

/* Type of a tensor: dtype 0 means absent. */
struct lr_type {
  int32_t dtype;
  int32_t rank;
  lr_dim dim[LR_MAX_RANK];
};

/* Elements / bytes of a type whose dims are all known. The type was checked with lr_type_check. */
static inline int64_t lr_type_count(const struct lr_type *t) {
  int64_t n = 1;
  for (int32_t i = 0; i < t->rank; i++) n *= t->dim[i];
  return n;
}
static inline size_t lr_type_bytes(const struct lr_type *t) {
  return (size_t)lr_type_count(t) * lr_dtype_size(t->dtype);
}
bool lr_type_known(const struct lr_type *t); /* no unknown dim */
/* Checks rank, dtype and that the size of the known dims stays below LR_MAX_BYTES; false otherwise. */
bool lr_type_check(const struct lr_type *t);
/* "f32 [1 3 224 ?]" into buf; returns buf. */
const char *lr_type_text(const struct lr_type *t, char *buf, size_t size);
/* "[1 3 224 ?]" into buf (200 bytes hold any); returns buf. */
const char *lr_dims_text(int32_t rank, const int64_t *dim, char *buf, size_t size);
