/* LR_INDEPENDENT: before a loop whose iterations are independent though its output may be the memory of an
 * input. Nothing in code that is built for size, of which clang would say that it was not vectorised. */
#pragma once
#if defined(__OPTIMIZE_SIZE__)
#define LR_INDEPENDENT
#elif defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* loops with calls stay scalar */
#define LR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define LR_INDEPENDENT _Pragma("GCC ivdep")
#else
#define LR_INDEPENDENT
#endif
