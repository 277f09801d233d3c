/* Every kernel: its type, its declaration, how it is found. Kernels know pointers, sizes, strides and a params struct: no
 * allocation, no globals, no threads, no errors. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum lr_cpu_bit {
#define LR_ISA(name, bit, arch) LR_CPU_##name = 1 << bit,
#include "isa.inc"
#undef LR_ISA
};

/* ---- signatures ---- */
/* (helpers add function types here, each with a comment that gives shapes, strides in elements, and what may alias) */

/* ---- all kernels ---- */
#define LR_KERNEL(signature, function, arch, isa, mr, nr, kr) lr_##signature##_fn function;
#include "kernels.inc"
#undef LR_KERNEL

/* The best kernel of one signature that `cpu` (a mask of LR_CPU_*) allows; fn is NULL when it is not for this architecture. */
struct lr_kernel {
  const char *name;
  void (*fn)(void); /* cast to the signature's type */
  uint32_t isa;
  int32_t mr, nr, kr;
};
enum lr_signature {
  LR_SIG_NONE,
};
const struct lr_kernel *lr_kernel_find(enum lr_signature s, uint32_t cpu);
