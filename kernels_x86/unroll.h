/* Loops over registers must disappear, else what they work on stays in memory. */
#pragma once
#ifdef __clang__
#define LR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LR_UNROLL _Pragma("GCC unroll 32")
#endif
#define LR_INLINE static inline __attribute__((always_inline))
/* i from 0 to n - 1, where n <= most and both are literals. Written so, because clang 14 unrolls loops of one
 * turn too late. */
#define LR_EACH(i, n, most) LR_UNROLL for (int i = 0; i < most; i++) if (i < n)
