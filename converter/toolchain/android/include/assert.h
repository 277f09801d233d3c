#include <sys/types.h>

#undef assert
#ifdef NDEBUG
#define assert(e) ((void)0)
#else
#define assert(e) ((e) ? (void)0 : __assert2(__FILE__, __LINE__, __func__, #e))
#endif

#ifndef LR_ANDROID_ASSERT_H
#define LR_ANDROID_ASSERT_H
#define static_assert _Static_assert
_Noreturn void __assert2(const char *file, int line, const char *function, const char *what);
#endif
