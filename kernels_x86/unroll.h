/* Loops over registers must disappear, else what they work on stays in memory. */
#pragma once
#ifdef __clang__
#define LR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LR_UNROLL _Pragma("GCC unroll 16")
#endif
#define LR_INLINE static inline __attribute__((always_inline))
