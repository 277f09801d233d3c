/* Reductions in i64 and u64; narrower integers are converted to one of these. */
#include "kernels.h"
#include "lr_ops.h"

/* integers wrap; their exponentials are computed in f64 */
#define TYPE i64
#define T int64_t
#define IS_NAN(a) 0
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MUL(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#define ABS(a) ((a) < 0 ? (int64_t)(0 - (uint64_t)(a)) : (a))
#define EXP(a) (0 * (a))
#include "reduce.inl"

#define TYPE u64
#define T uint64_t
#define IS_NAN(a) 0
#define LOWEST 0
#define HIGHEST UINT64_MAX
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define ABS(a) (a)
#define EXP(a) (0 * (a))
#include "reduce.inl"
