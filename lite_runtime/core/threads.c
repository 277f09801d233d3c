#include "threads.h"

#ifdef _WIN32
#include <process.h>

bool lr_lock_open(lr_lock *l) {
  InitializeCriticalSection(l);
  return true;
}

bool lr_thread_start(lr_thread *t, size_t stack, lr_thread_fn fn, void *arg) {
  /* not CreateThread, which does not tell the C library of the thread */
  uintptr_t handle = _beginthreadex(NULL, (unsigned)stack, fn, arg, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
  *t = (HANDLE)handle;
  return handle != 0;
}

void lr_thread_join(lr_thread t) {
  WaitForSingleObject(t, INFINITE);
  CloseHandle(t);
}

int32_t lr_thread_cpus(void) {
  DWORD_PTR mine, all;
  if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all) && mine) return __builtin_popcountll(mine);
  SYSTEM_INFO info; /* a process in several groups of processors has no mask */
  GetSystemInfo(&info);
  return (int32_t)info.dwNumberOfProcessors;
}
#else
#include <sched.h>
#include <signal.h>
#include <unistd.h>

bool lr_lock_open(lr_lock *l) {
  pthread_mutexattr_t recursive;
  if (pthread_mutexattr_init(&recursive)) return false;
  bool ok =
      !pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE) && !pthread_mutex_init(l, &recursive);
  pthread_mutexattr_destroy(&recursive);
  return ok;
}

bool lr_thread_start(lr_thread *t, size_t stack, lr_thread_fn fn, void *arg) {
  pthread_attr_t attr;
  if (pthread_attr_init(&attr)) return false;
  pthread_attr_setstacksize(&attr, stack); /* some C libraries give much less */
  sigset_t all, old;                       /* signals are the app's business */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int failed = pthread_create(t, &attr, fn, arg);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attr);
  return !failed;
}

void lr_thread_join(lr_thread t) { pthread_join(t, NULL); }

int32_t lr_thread_cpus(void) {
#ifdef __linux__
  cpu_set_t set; /* what this process may use, not what the machine has */
  if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
#endif
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : (int32_t)n;
}
#endif
