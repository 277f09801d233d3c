#pragma once
#include <sys/types.h>

#define F_OK 0
#define W_OK 2
#define R_OK 4
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
/* bionic's own numbers, unlike those of glibc */
#define _SC_PAGESIZE 0x27
#define _SC_PAGE_SIZE 0x28
#define _SC_NPROCESSORS_CONF 0x60
#define _SC_NPROCESSORS_ONLN 0x61

int access(const char *, int);
int close(int);
int dup(int);
_Noreturn void _exit(int);
int ftruncate(int, off_t) LR_OFF64(ftruncate);
pid_t getpid(void);
pid_t gettid(void);
off_t lseek(int, off_t, int) LR_OFF64(lseek);
ssize_t pread(int, void *, size_t, off_t) LR_OFF64(pread);
ssize_t pwrite(int, const void *, size_t, off_t) LR_OFF64(pwrite);
ssize_t read(int, void *, size_t);
ssize_t write(int, const void *, size_t);
long sysconf(int);
int unlink(const char *);
int usleep(unsigned);
