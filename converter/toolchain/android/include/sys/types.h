/* The types that bionic (Android's C library) shares with the kernel. Only what a C runtime uses; own text, sizes as in the ABI. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#if !defined(__ANDROID__) || __ANDROID_API__ < 24
#error "these headers describe Android's C library from API level 24 on"
#endif

/* On 32-bit ABIs off_t has 32 bits, unless 64 are asked for; then the calls that take one have another name. */
typedef int64_t off64_t;
#if defined(__LP64__)
typedef long ssize_t;
typedef int64_t off_t;
#define LR_OFF64(name)
#else
typedef int ssize_t;
#if defined(_FILE_OFFSET_BITS) && _FILE_OFFSET_BITS == 64
typedef int64_t off_t;
#define LR_OFF64(name) __asm__(#name "64")
#else
typedef long off_t;
#define LR_OFF64(name)
#endif
#endif

typedef int pid_t;
typedef int clockid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
#if defined(__LP64__)
typedef unsigned int mode_t;
typedef uint64_t dev_t;
#else
typedef unsigned short mode_t;
typedef uint32_t dev_t;
#endif
typedef long time_t;
