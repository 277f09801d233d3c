/* LR_INDEPENDENT: before a loop whose iterations are independent though its output may be the memory of an
 * input. */
#pragma once
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* loops with calls stay scalar */
#define LR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define LR_INDEPENDENT _Pragma("GCC ivdep")
#else
#define LR_INDEPENDENT
#endif
