#pragma once
#include <time.h>

/* As the kernel fills it (of 32-bit ABIs: its stat64); a test compares it with the kernel's own headers. */
#if defined(__x86_64__)
struct stat {
  unsigned long st_dev, st_ino, st_nlink;
  unsigned int st_mode, st_uid, st_gid, lr_pad0;
  unsigned long st_rdev;
  long st_size, st_blksize, st_blocks;
  struct timespec st_atim, st_mtim, st_ctim;
  long lr_pad1[3];
};
#elif defined(__LP64__)
struct stat {
  unsigned long st_dev, st_ino;
  unsigned int st_mode, st_nlink, st_uid, st_gid;
  unsigned long st_rdev, lr_pad0;
  long st_size;
  int st_blksize, lr_pad1;
  long st_blocks;
  struct timespec st_atim, st_mtim, st_ctim;
  unsigned int lr_pad2[2];
};
#else
struct stat {
  unsigned long long st_dev;
  unsigned char lr_pad0[4];
  unsigned long lr_short_ino;
  unsigned int st_mode, st_nlink;
  unsigned long st_uid, st_gid;
  unsigned long long st_rdev;
  unsigned char lr_pad1[4];
  long long st_size;
  unsigned long st_blksize;
  unsigned long long st_blocks;
  struct timespec st_atim, st_mtim, st_ctim;
  unsigned long long st_ino;
};
#endif

#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_IFREG 0100000
#define S_ISDIR(mode) (((mode) & S_IFMT) == S_IFDIR)
#define S_ISREG(mode) (((mode) & S_IFMT) == S_IFREG)

int fstat(int, struct stat *);
int stat(const char *restrict, struct stat *restrict);
