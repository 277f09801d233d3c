/* How many multiply-adds one core does in a second: what a kernel's speed is measured against. */
#include <time.h>

#include "base.h"
#include "kernels.h"
#include "lite_runtime_tools.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve chains hide a latency of up to six cycles at two instructions a cycle; ARM cores with four pipes of latency four
 * need sixteen. Each value stays near 0.1, far from denormals and infinity. `pin` keeps the compiler from seeing
 * through the loop, and all values in registers. */
#define SLICE(name, target, type, set, step, pin)                                                             \
  target static double name(int32_t rounds) {                                                                 \
    type m = set(0.999999f), d = set(1e-7f);                                                                  \
    type a = set(0.01f), b = a, c = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a, n = a, o = a,  \
         p = a, q = a, r = a;                                                                                 \
    double start = now();                                                                                     \
    for (int32_t t = 0; t < rounds; t++) {                                                                    \
      step(a) step(b) step(c) step(e) step(f) step(g) step(h) step(i);                                        \
      step(j) step(k) step(l) step(n) MORE_##step;                                                            \
      __asm__ volatile("" : pin(a), pin(b), pin(c), pin(e), pin(f), pin(g), pin(h), pin(i));                  \
      __asm__ volatile("" : pin(j), pin(k), pin(l), pin(n) PINS_##step);                                      \
    }                                                                                                         \
    start = now() - start;                                                                                    \
    (void)o, (void)p, (void)q, (void)r;                                                                       \
    return start;                                                                                             \
  }
