/* The sources of templates over simd.h are compiled once for plain C and again for each ISA, whose build file
 * defines LR_SIMD_ISA (the end of the kernels' names) and LR_SIMD (the header with the vectors). */
#pragma once
#ifndef LR_SIMD_ISA
#define LR_SIMD_ISA c
#define LR_SIMD "simd.h"
#endif
