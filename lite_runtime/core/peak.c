/* How many multiply-adds one core does in a second: what a kernel's speed is measured against. */
#include <time.h>

#include "base.h"
#include "kernels.h"
#include "lite_runtime_tools.h"

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One pass of independent chains x = x * m + d, so many that their latency hides behind each other: with two
 * pipes of latency 4 (x86) eight are enough, four such pipes (Cortex-X) need sixteen. Values tend to 0.1, far
 * from denormals and infinity. The empty assembly keeps the compiler from seeing through the loop and the
 * values in registers. */
#define DEFINE_CHAIN(x) vec x = first;
#define STEP_CHAIN(x) x = MULTIPLY_ADD(x);
#define PIN_CHAIN(x) __asm__ volatile("" : PIN(x));
#define PASSES(CHAINS)                                  \
  CHAINS(DEFINE_CHAIN)                                  \
  for (int32_t pass = 0; pass < PASSES_TIMED; pass++) { \
    CHAINS(STEP_CHAIN)                                  \
    CHAINS(PIN_CHAIN)                                   \
  }
enum { PASSES_TIMED = 100000 }; /* about 0.3 ms: short enough to find one that nothing disturbs */

#if defined(__x86_64__)
#include <immintrin.h>
enum { N_CHAINS = 12 }; /* and two constants: 14 of 16 registers */
#define CHAINS(X) X(a) X(b) X(c) X(d) X(e) X(f) X(g) X(h) X(i) X(j) X(k) X(l)
#define PIN(x) "+x"(x)

__attribute__((target("avx512f"))) static void pass_avx512(void) {
  typedef __m512 vec;
  const vec first = _mm512_set1_ps(0.01f), m = _mm512_set1_ps(0.999999f), t = _mm512_set1_ps(1e-7f);
#define MULTIPLY_ADD(x) _mm512_fmadd_ps(x, m, t)
  PASSES(CHAINS)
#undef MULTIPLY_ADD
}

__attribute__((target("avx2,fma"))) static void pass_avx2(void) {
  typedef __m256 vec;
  const vec first = _mm256_set1_ps(0.01f), m = _mm256_set1_ps(0.999999f), t = _mm256_set1_ps(1e-7f);
#define MULTIPLY_ADD(x) _mm256_fmadd_ps(x, m, t)
  PASSES(CHAINS)
#undef MULTIPLY_ADD
}

static void pass_sse2(void) { /* it has no fused one */
  typedef __m128 vec;
  const vec first = _mm_set1_ps(0.01f), m = _mm_set1_ps(0.999999f), t = _mm_set1_ps(1e-7f);
#define MULTIPLY_ADD(x) _mm_add_ps(_mm_mul_ps(x, m), t)
  PASSES(CHAINS)
#undef MULTIPLY_ADD
}

static int32_t choose(uint32_t cpu, void (**pass)(void)) {
  *pass = cpu & LR_CPU_avx512 ? pass_avx512 : cpu & LR_CPU_avx2 ? pass_avx2 : pass_sse2;
  return cpu & LR_CPU_avx512 ? 16 : cpu & LR_CPU_avx2 ? 8 : 4;
}

#elif defined(__aarch64__)
#include <arm_neon.h>
enum { N_CHAINS = 16 };
#define CHAINS(X) X(a) X(b) X(c) X(d) X(e) X(f) X(g) X(h) X(i) X(j) X(k) X(l) X(o) X(p) X(q) X(r)
#define PIN(x) "+w"(x)

static void pass_neon(void) { /* its addend is the result: products of constants are added up */
  typedef float32x4_t vec;
  const vec first = vdupq_n_f32(0.01f), m = vdupq_n_f32(0.001f), t = vdupq_n_f32(1e-3f);
#define MULTIPLY_ADD(x) vfmaq_f32(x, m, t)
  PASSES(CHAINS)
#undef MULTIPLY_ADD
}

static int32_t choose(uint32_t cpu, void (**pass)(void)) {
  *pass = pass_neon; /* portable code is compiled with NEON too: it is part of AArch64 */
  return 4;
}

#else
enum { N_CHAINS = 0 };
static int32_t choose(uint32_t cpu, void (**pass)(void)) {
  *pass = NULL;
  return 0;
}
#endif

double lr_tool_fma_peak(double seconds, uint32_t cpu_mask) {
  uint32_t cpu = lr_cpu_features();
  if (cpu_mask) cpu &= cpu_mask;
  void (*pass)(void);
  int32_t lanes = choose(cpu, &pass);
  if (!pass) return 0;
  double begin = seconds_now(), best = 0;
  for (double t = begin; t == begin || t - begin < seconds;) {
    double start = t;
    pass();
    t = seconds_now();
    double speed = 2e-9 * N_CHAINS * lanes * PASSES_TIMED / (t - start);
    if (speed > best) best = speed;
  }
  return best;
}
