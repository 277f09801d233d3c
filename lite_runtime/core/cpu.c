/* What the CPU has of kernels_generic/isa.inc. */
#include "base.h"
#include "kernels.h"

#ifdef __APPLE__
#include <sys/sysctl.h>

static bool has(const char *feature) {
  int32_t v = 0;
  size_t n = sizeof v;
  return !sysctlbyname(feature, &v, &n, NULL, 0) && v;
}
#endif

#if defined(__x86_64__) && defined(__APPLE__)
#include <stdlib.h>

/* XCR0 does not tell here: the system gives a thread its wide registers when it first uses them. Before macOS 13 (Darwin 22)
 * versions are in use that damage mask registers when a signal arrives. */
static bool saves_masks(void) {
  char release[32] = "";
  size_t n = sizeof release - 1;
  return !sysctlbyname("kern.osrelease", release, &n, NULL, 0) && atoi(release) >= 22;
}

uint32_t lr_cpu_features(void) {
  uint32_t mask = LR_CPU_sse2; /* part of x86-64 */
  if (!has("hw.optional.avx2_0") || !has("hw.optional.fma") || !has("hw.optional.f16c")) return mask;
  mask |= LR_CPU_avx2;
  if (!has("hw.optional.avx512f") || !has("hw.optional.avx512dq") || !has("hw.optional.avx512bw") ||
      !has("hw.optional.avx512vl") || !saves_masks())
    return mask;
  mask |= LR_CPU_avx512;
  return has("hw.optional.avx512vnni") ? mask | LR_CPU_avx512vnni : mask;
}

#elif defined(__x86_64__)
#include <cpuid.h>

/* Register sets that the operating system saves (XCR0). */
static uint32_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static bool has(uint32_t reg, uint32_t bits) { return (reg & bits) == bits; }

uint32_t lr_cpu_features(void) {
  uint32_t a, b, c, d, mask = LR_CPU_sse2;                               /* part of x86-64 */
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 1u << 27)) return mask; /* no OSXSAVE: no wide registers */
  uint32_t saved = saved_state();
  bool fma_f16c = has(c, 1u << 12 | 1u << 28 | 1u << 29);
  if (!has(saved, 6) || !fma_f16c || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, 1u << 5))
    return mask;
  mask |= LR_CPU_avx2;
  if (!has(saved, 0xe6) || !has(b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31))
    return mask; /* F, DQ, BW, VL */
  mask |= LR_CPU_avx512;
  return has(c, 1u << 11) ? mask | LR_CPU_avx512vnni : mask;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

uint32_t lr_cpu_features(void) { /* bits of the kernel's asm/hwcap.h */
  unsigned long cap = getauxval(AT_HWCAP), cap2 = getauxval(AT_HWCAP2);
  uint32_t mask = 0;
  if (cap & 1ul << 1) mask |= LR_CPU_neon;
  if (cap & 1ul << 10) mask |= LR_CPU_neonfp16;
  if (cap & 1ul << 20) mask |= LR_CPU_neondot;
  if (cap2 & 1ul << 13) mask |= LR_CPU_neoni8mm;
  return mask;
}

#elif defined(__arm__) && defined(__linux__)
#include <sys/auxv.h>

uint32_t lr_cpu_features(void) { /* bits of asm/hwcap.h for 32-bit ARM, which a 64-bit CPU has too */
  unsigned long cap = getauxval(AT_HWCAP);
  if (!(cap & 1ul << 12)) return 0;
  return cap & 1ul << 16 ? LR_CPU_neon32 | LR_CPU_vfpv4 : LR_CPU_neon32;
}

#elif defined(__aarch64__) && defined(__APPLE__)
uint32_t lr_cpu_features(void) {
  uint32_t mask = LR_CPU_neon;
  if (has("hw.optional.arm.FEAT_FP16")) mask |= LR_CPU_neonfp16;
  if (has("hw.optional.arm.FEAT_DotProd")) mask |= LR_CPU_neondot;
  if (has("hw.optional.arm.FEAT_I8MM")) mask |= LR_CPU_neoni8mm;
  return mask;
}

#elif defined(__aarch64__)
uint32_t lr_cpu_features(void) { return LR_CPU_neon; } /* part of AArch64 */
#else
uint32_t lr_cpu_features(void) { return 0; }
#endif

/* What kernels of this build need at least: dispatch.c. */
#if defined(LR_SMALL) && defined(__aarch64__)
enum { LR_CPU_ALWAYS = LR_CPU_neon };
#else
enum { LR_CPU_ALWAYS = 0 };
#endif

uint32_t lr_cpu_allowed(uint32_t cpu_mask) {
  if (cpu_mask & LR_CPU_PORTABLE) return LR_CPU_ALWAYS;
  return (lr_cpu_features() & (cpu_mask ? cpu_mask : UINT32_MAX)) | LR_CPU_ALWAYS;
}

const char *lr_cpu_name(uint32_t bit) {
  switch (bit) {
#define LR_ISA(name, bit, arch) \
  case LR_CPU_##name:           \
    return #name;
#include "isa.inc"
#undef LR_ISA
    case LR_CPU_PORTABLE:
      return "portable";
    default:
      return NULL;
  }
}
