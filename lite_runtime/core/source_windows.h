/* What source.c asks of POSIX, on Windows. Descriptors are those of the C library (UCRT), paths UTF-8. */
#pragma once
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <wchar.h>

#define close _close
typedef struct _stat64 file_stat;

/* Of the UCRT; mingw-w64's headers lack it. */
_CRTIMP _invalid_parameter_handler __cdecl _set_thread_local_invalid_parameter_handler(
    _invalid_parameter_handler h);

static inline void go_on(const wchar_t *e, const wchar_t *f, const wchar_t *file, unsigned l, uintptr_t r) {}

/* A descriptor that is not open is an error, for which the C library would end the process. */
static inline int stat_fd(int fd, file_stat *st) {
  _invalid_parameter_handler before = _set_thread_local_invalid_parameter_handler(go_on);
  int failed = _fstat64(fd, st);
  _set_thread_local_invalid_parameter_handler(before);
  return failed;
}

/* `path` as Windows wants it, from malloc; NULL and errno when there is none. */
static inline wchar_t *wide_path(const char *path) {
  int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
  wchar_t *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;
  if (wide)
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, n);
  else
    errno = n > 0 ? ENOMEM : EILSEQ;
  return wide;
}

static inline int stat_path(const char *path, file_stat *st) {
  wchar_t *wide = wide_path(path);
  int failed = wide ? _wstat64(wide, st) : -1;
  free(wide);
  return failed;
}

static inline int open_path(const char *path) {
  wchar_t *wide = wide_path(path);
  int fd = wide ? _wopen(wide, _O_RDONLY | _O_BINARY | _O_NOINHERIT) : -1;
  free(wide);
  return fd;
}

/* Moves the position of the descriptor, other than pread. */
static inline int64_t read_at(int fd, void *to, size_t n, uint64_t offset) {
  OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
  DWORD got = 0;
  if (ReadFile((HANDLE)_get_osfhandle(fd), to, (DWORD)n, &got, &at) || GetLastError() == ERROR_HANDLE_EOF)
    return got;
  errno = EIO;
  return -1;
}

/* At what an offset into a file must be a multiple of. */
static inline uint64_t map_granularity(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwAllocationGranularity;
}

/* Read-only, as long as the view is there; NULL when the file cannot be mapped. */
static inline void *map_file(int fd, uint64_t offset, size_t bytes) {
  HANDLE mapping = CreateFileMappingW((HANDLE)_get_osfhandle(fd), NULL, PAGE_READONLY, 0, 0, NULL);
  if (!mapping) return NULL;
  void *map = MapViewOfFile(mapping, FILE_MAP_READ, (DWORD)(offset >> 32), (DWORD)offset, bytes);
  CloseHandle(mapping);
  return map;
}

static inline void unmap_file(void *map, size_t bytes) { UnmapViewOfFile(map); }
