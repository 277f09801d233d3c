#pragma once
#include <sys/types.h>

typedef unsigned long sigset_t; /* on 32-bit ABIs it has no room for real-time signals */

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SIGABRT 6
#define SIGBUS 7
#define SIGSEGV 11

int pthread_sigmask(int, const sigset_t *, sigset_t *);
int raise(int);
int sigaddset(sigset_t *, int);
int sigemptyset(sigset_t *);
int sigfillset(sigset_t *);
