#pragma once
#include <stdint.h>

#if defined(__LP64__)
#define LR_PRI64 "l"
#define LR_PRIPTR "l"
#else
#define LR_PRI64 "ll"
#define LR_PRIPTR ""
#endif
#define PRId32 "d"
#define PRIu32 "u"
#define PRIx32 "x"
#define PRId64 LR_PRI64 "d"
#define PRIu64 LR_PRI64 "u"
#define PRIx64 LR_PRI64 "x"
#define PRIdPTR LR_PRIPTR "d"
#define PRIuPTR LR_PRIPTR "u"
#define PRIxPTR LR_PRIPTR "x"
