/* What differs between systems. */
#include "app.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <psapi.h>

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
