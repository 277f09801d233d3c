/* Denormals are flushed to zero while kernels run, where the CPU can, and the caller's mode comes back afterwards. */
#pragma once
#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
typedef uint32_t lr_float_mode;
static inline lr_float_mode lr_float_mode_enter(void) {
  lr_float_mode m = _mm_getcsr();
  _mm_setcsr(m | 0x8040); /* FTZ and DAZ */
  return m;
}
static inline void lr_float_mode_leave(lr_float_mode m) { _mm_setcsr(m); }
#elif defined(__aarch64__)
typedef uint64_t lr_float_mode;
static inline lr_float_mode lr_float_mode_enter(void) {
  lr_float_mode m;
  __asm__ volatile("mrs %0, fpcr" : "=r"(m));
  __asm__ volatile("msr fpcr, %0" : : "r"(m | (1u << 24))); /* FZ */
  return m;
}
static inline void lr_float_mode_leave(lr_float_mode m) { __asm__ volatile("msr fpcr, %0" : : "r"(m)); }
#elif defined(__arm__) && defined(__VFP_FP__) && !defined(__SOFTFP__)
typedef uint32_t lr_float_mode; /* NEON always flushes; this is for the scalar instructions */
static inline lr_float_mode lr_float_mode_enter(void) {
  lr_float_mode m;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(m));
  __asm__ volatile("vmsr fpscr, %0" : : "r"(m | (1u << 24))); /* FZ */
  return m;
}
static inline void lr_float_mode_leave(lr_float_mode m) { __asm__ volatile("vmsr fpscr, %0" : : "r"(m)); }
#else /* as on RISC-V, which has no such mode: denormals stay */
typedef int lr_float_mode;
static inline lr_float_mode lr_float_mode_enter(void) { return 0; }
static inline void lr_float_mode_leave(lr_float_mode m) { (void)m; }
#endif
