/* What needs.c shares with reduce.c. */
#pragma once
#include <stdbool.h>

#include "kernels.h"

enum { LR_REDUCE_KERNELS = 4 };
/* Do the kernels of a reduction of that kind do this one (both enum lr_reduce_kind)? */
bool lr_reduce_runs(uint32_t kind, int32_t one);
/* Returns the accumulator's dtype. s: columns, rows, columns in f64, cast; of an x and a kind (enum lr_reduce_kind) that infer lets through. */
int32_t lr_reduce_signatures(int32_t x_dtype, uint32_t kind, enum lr_signature *s);
