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

static const struct entry {
  enum lr_signature signature;
  struct lr_kernel kernel;
} table[] = {
#define LR_KERNEL(signature, function, arch, isa, mr, nr, kr) \
  LR_IF_KERNEL_##signature(                                   \
      {LR_SIG_##signature, {#function, (void (*)(void))ON_##arch(function), isa, mr, nr, kr}}, )
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
