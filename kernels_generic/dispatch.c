#include "kernels.h"

#if defined(__x86_64__) || defined(_M_X64)
#define ON_X86(f) f
#else
#define ON_X86(f) 0
#endif
#if defined(__aarch64__)
#define ON_ARM(f) f
#else
#define ON_ARM(f) 0
#endif
#if defined(LR_NEON32) /* the build found flags for it */
#define ON_ARM32(f) f
#else
#define ON_ARM32(f) 0
#endif
#define ON_ANY(f) f

/* As apps ship it: no lines of other architectures, which a desktop packs weights by, and on AArch64, where kernels
 * may always use NEON (lr_cpu_allowed), no plain C that is never chosen. */
#if defined(LR_SMALL) && defined(__aarch64__)
#define LINE_ANY(signature, ...) LR_UNLESS_NEON_##signature(__VA_ARGS__)
#define LINE_ARM(signature, ...) __VA_ARGS__
#else
#define LINE_ANY(signature, ...) __VA_ARGS__
#define LINE_ARM(signature, ...) ELSEWHERE(__VA_ARGS__)
#endif
#ifdef LR_SMALL
#define ELSEWHERE(...)
#else
#define ELSEWHERE(...) __VA_ARGS__
#endif
#if defined(__x86_64__) || defined(_M_X64)
#define LINE_X86(signature, ...) __VA_ARGS__
#else
#define LINE_X86(signature, ...) ELSEWHERE(__VA_ARGS__)
#endif
#ifdef LR_NEON32
#define LINE_ARM32(signature, ...) __VA_ARGS__
#else
#define LINE_ARM32(signature, ...) ELSEWHERE(__VA_ARGS__)
#endif

static const struct entry {
  enum lr_signature signature;
  struct lr_kernel kernel;
} table[] = {
#define LR_KERNEL(signature, function, arch, isa, mr, nr, kr) \
  LR_IF_KERNEL_##signature(LINE_##arch(                       \
      signature, {LR_SIG_##signature, {#function, (void (*)(void))ON_##arch(function), isa, mr, nr, kr}}, ))
#include "kernels.inc"
#undef LR_KERNEL
    {LR_SIG_NONE, {0}}, /* the end */
};

const struct lr_kernel *lr_kernel_find(enum lr_signature s, uint32_t cpu) {
  const struct lr_kernel *best = 0;
  for (size_t i = 0; table[i].signature; i++)
    if (table[i].signature == s && !(table[i].kernel.isa & ~cpu)) best = &table[i].kernel;
  return best;
}

const struct lr_kernel *lr_kernel_line(size_t i) {
  return i < sizeof table / sizeof table[0] - 1 ? &table[i].kernel : 0;
}
