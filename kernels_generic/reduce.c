/* Reductions in f32 and f64. */
#include "kernels.h"
#include "lr_ops.h"
#include "simd.h"
#include "vmath.h"

#define TYPE f32
#define T float
#define IS_NAN(a) ((a) != (a))
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define ABS(a) fabsf(a)
#define EXP(a) vf_exp(a)
#include "reduce.inl"

#define TYPE f64
#define T double
#define IS_NAN(a) ((a) != (a))
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define ABS(a) fabs(a)
#define EXP(a) exp(a)
#include "reduce.inl"
