/* The sources of templates over simd.h are compiled once for plain C and again for each ISA, whose build file
 * defines LR_SIMD_ISA (the end of the kernels' names) and LR_SIMD (the header with the vectors). */
#pragma once
#ifndef LR_SIMD_ISA
#define LR_SIMD_ISA c
#define LR_SIMD "simd.h"
#endif
#define LR_SIMD_NAME__(name, isa) name##__##isa
#define LR_SIMD_NAME_(name, isa) LR_SIMD_NAME__(name, isa)
#define LR_SIMD_NAME(name) LR_SIMD_NAME_(name, LR_SIMD_ISA)
