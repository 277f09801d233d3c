/* What tests ask of the system where Windows differs from POSIX; threads are pthreads everywhere (winpthreads there). */
#pragma once
#include <stddef.h>
#include <stdlib.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <io.h>
#include <malloc.h>
#include <process.h>

static inline size_t page_bytes(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

/* `bytes`, which are whole pages, and a page behind them that nobody may touch; NULL when there is no memory. */
static inline void *pages_before_guard(size_t bytes) {
  DWORD before;
  char *p = VirtualAlloc(NULL, bytes + page_bytes(), MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  return p && VirtualProtect(p + bytes, page_bytes(), PAGE_NOACCESS, &before) ? p : NULL;
}

/* `bytes` counts the page behind. */
static inline void pages_free(void *p, size_t bytes) { VirtualFree(p, 0, MEM_RELEASE); }

/* Zeroed memory that a child process writes to, too, where there are any; freed by pages_free. */
static inline void *pages_shared(size_t bytes) {
  return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

/* For aligned_delete alone; NULL when there is no memory. */
static inline void *aligned_new(size_t bytes, size_t align) { return _aligned_malloc(bytes, align); }
static inline void aligned_delete(void *p) { _aligned_free(p); }
#else
#include <sys/mman.h>
#include <unistd.h>

static inline size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static inline void *pages_before_guard(size_t bytes) {
  size_t page = page_bytes();
  char *p = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p != MAP_FAILED && !mprotect(p + bytes, page, PROT_NONE) ? p : NULL;
}

static inline void pages_free(void *p, size_t bytes) { munmap(p, bytes); }

static inline void *pages_shared(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

static inline void *aligned_new(size_t bytes, size_t align) {
  void *p = NULL;
  return posix_memalign(&p, align < sizeof p ? sizeof p : align, bytes) ? NULL : p;
}
static inline void aligned_delete(void *p) { free(p); }
#endif
