/* What differs between systems. */
#include "app.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <psapi.h>
#include <shellapi.h>
#include <stdlib.h>

/* From malloc; NULL when there is none, or the text is no UTF-8. */
static wchar_t *wide(const char *text) {
  int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
  wchar_t *to = n > 0 ? malloc((size_t)n * sizeof *to) : NULL;
  if (to) MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, to, n);
  return to;
}

/* From malloc; NULL when there is none. Halves of letters become U+FFFD. */
static char *narrow(const wchar_t *text) {
  int n = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
  char *to = n > 0 ? malloc((size_t)n) : NULL;
  if (to) WideCharToMultiByte(CP_UTF8, 0, text, -1, to, n, NULL, NULL);
  return to;
}

static UINT code_page; /* of the console, which outlives this process */

static void give_back_code_page(void) { SetConsoleOutputCP(code_page); }

/* Those of main are of the code page, in which most letters are question marks. What we print is UTF-8, too,
 * which a console must be told. */
char **arguments(int *argc, char **argv) {
  if ((code_page = GetConsoleOutputCP()) && SetConsoleOutputCP(CP_UTF8)) atexit(give_back_code_page);
  wchar_t **given = CommandLineToArgvW(GetCommandLineW(), argc);
  if (!given) return fail("the command line cannot be read: Windows error %lu", GetLastError()), NULL;
  char **all = calloc((size_t)*argc + 1, sizeof *all);
  for (int i = 0; all && i < *argc; i++)
    if (!(all[i] = narrow(given[i]))) all = NULL;
  if (!all) fail("the command line: no memory");
  LocalFree(given);
  return all;
}

FILE *open_file(const char *path, const char *mode) {
  wchar_t *p = wide(path), *m = wide(mode);
  FILE *f = p && m ? _wfopen(p, m) : NULL;
  free(p);
  free(m);
  return f;
}

int rename_file(const char *from, const char *to) {
  wchar_t *f = wide(from), *t = wide(to);
  int done = f && t && MoveFileExW(f, t, MOVEFILE_REPLACE_EXISTING);
  free(f);
  free(t);
  return !done;
}

void remove_file(const char *path) {
  wchar_t *p = wide(path);
  if (p) _wremove(p);
  free(p);
}

uint64_t clock_ns(void) {
  LARGE_INTEGER now, per_second;
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&per_second);
  return (uint64_t)(1e9 * ((double)now.QuadPart / (double)per_second.QuadPart));
}

int32_t cores(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return (int32_t)info.dwNumberOfProcessors;
}

uint64_t peak_memory(void) {
  PROCESS_MEMORY_COUNTERS m;
  return K32GetProcessMemoryInfo(GetCurrentProcess(), &m, sizeof m) ? m.PeakWorkingSetSize : 0;
}

void mark(void) {}

#else
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

char **arguments(int *argc, char **argv) { return argv; }
FILE *open_file(const char *path, const char *mode) { return fopen(path, mode); }
int rename_file(const char *from, const char *to) { return rename(from, to); }
void remove_file(const char *path) { remove(path); }

uint64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int32_t cores(void) {
#if defined(__linux__)
  cpu_set_t set;
  long n = sched_getaffinity(0, sizeof set, &set) ? sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
#else
  long n = sysconf(_SC_NPROCESSORS_ONLN);
#endif
  return n < 1 ? 1 : n > 256 ? 256 : (int32_t)n;
}

uint64_t peak_memory(void) {
  struct rusage r;
  if (getrusage(RUSAGE_SELF, &r)) return 0;
#if defined(__APPLE__)
  return (uint64_t)r.ru_maxrss;
#else
  return (uint64_t)r.ru_maxrss * 1024; /* KB everywhere else */
#endif
}

/* Cheap, without effect, and never answered by the C library itself; nothing else here calls it. */
void mark(void) { (void)getppid(); }
#endif

const char *system_name(void) {
#if defined(_WIN32)
  return "windows";
#elif defined(__ANDROID__)
  return "android";
#elif defined(__APPLE__)
  return "darwin";
#elif defined(__linux__)
  return "linux";
#else
  return "unknown";
#endif
}

const char *machine_name(void) {
#if defined(__x86_64__) || defined(_M_X64)
  return "x86_64";
#elif defined(__aarch64__) || defined(_M_ARM64)
  return "aarch64";
#elif defined(__arm__)
  return "arm";
#elif defined(__riscv)
  return "riscv64";
#else
  return "unknown";
#endif
}
