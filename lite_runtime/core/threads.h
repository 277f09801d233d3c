/* Threads and locks: POSIX's, or Windows' own, so that no library of threads has to be shipped beside ours. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

typedef CRITICAL_SECTION lr_lock;
typedef CONDITION_VARIABLE lr_wakeup;
typedef HANDLE lr_thread;
/* The head of a function that a thread runs; it ends with `return 0`. */
#define LR_THREAD_MAIN(name, arg) unsigned __stdcall name(void *arg)
typedef unsigned(__stdcall *lr_thread_fn)(void *arg);

static inline void lr_lock_take(lr_lock *l) { EnterCriticalSection(l); }
static inline void lr_lock_give(lr_lock *l) { LeaveCriticalSection(l); }
static inline void lr_lock_close(lr_lock *l) { DeleteCriticalSection(l); }
static inline bool lr_wakeup_open(lr_wakeup *w) {
  InitializeConditionVariable(w);
  return true;
}
static inline void lr_wakeup_one(lr_wakeup *w) { WakeConditionVariable(w); }
static inline void lr_wakeup_all(lr_wakeup *w) { WakeAllConditionVariable(w); }
static inline void lr_wakeup_wait(lr_wakeup *w, lr_lock *l) { SleepConditionVariableCS(w, l, INFINITE); }
static inline void lr_wakeup_close(lr_wakeup *w) { (void)w; }
#else
#include <pthread.h>

typedef pthread_mutex_t lr_lock;
typedef pthread_cond_t lr_wakeup;
typedef pthread_t lr_thread;
#define LR_THREAD_MAIN(name, arg) void *name(void *arg)
typedef void *(*lr_thread_fn)(void *arg);

static inline void lr_lock_take(lr_lock *l) { pthread_mutex_lock(l); }
static inline void lr_lock_give(lr_lock *l) { pthread_mutex_unlock(l); }
static inline void lr_lock_close(lr_lock *l) { pthread_mutex_destroy(l); }
static inline bool lr_wakeup_open(lr_wakeup *w) { return !pthread_cond_init(w, NULL); }
static inline void lr_wakeup_one(lr_wakeup *w) { pthread_cond_signal(w); }
static inline void lr_wakeup_all(lr_wakeup *w) { pthread_cond_broadcast(w); }
static inline void lr_wakeup_wait(lr_wakeup *w, lr_lock *l) { pthread_cond_wait(w, l); }
static inline void lr_wakeup_close(lr_wakeup *w) { pthread_cond_destroy(w); }
#endif

/* Every lock is recursive; who waits for a wakeup holds its lock once. False: the system has no more of them. */
bool lr_lock_open(lr_lock *l);
/* A thread with `stack` bytes of stack, to which no signal is delivered. Each that started is joined. */
bool lr_thread_start(lr_thread *t, size_t stack, lr_thread_fn fn, void *arg);
void lr_thread_join(lr_thread t);
/* CPUs that this process may use, at least 1. */
int32_t lr_thread_cpus(void);
