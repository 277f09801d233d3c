#pragma once
#include <sys/types.h>

#if defined(__LP64__)
#define CPU_SETSIZE 1024
#else
#define CPU_SETSIZE 32
#endif
typedef struct {
  unsigned long lr_bits[CPU_SETSIZE / (8 * sizeof(long))];
} cpu_set_t;

#define CPU_ZERO(set) __builtin_memset((set), 0, sizeof(cpu_set_t))
#define LR_CPU_WORD(cpu, set) ((set)->lr_bits[(cpu) / (8 * sizeof(long))])
#define LR_CPU_BIT(cpu) (1ul << ((cpu) % (8 * sizeof(long))))
#define CPU_SET(cpu, set) ((void)(LR_CPU_WORD(cpu, set) |= LR_CPU_BIT(cpu)))
#define CPU_ISSET(cpu, set) ((LR_CPU_WORD(cpu, set) & LR_CPU_BIT(cpu)) != 0)
#define CPU_COUNT(set) __sched_cpucount(sizeof(cpu_set_t), (set))

int __sched_cpucount(size_t, const cpu_set_t *);
int sched_getaffinity(pid_t, size_t, cpu_set_t *);
int sched_setaffinity(pid_t, size_t, const cpu_set_t *);
int sched_getcpu(void);
int sched_yield(void);
