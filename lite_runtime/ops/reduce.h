/* What needs.c shares with reduce.c. */
#pragma once
#include "kernels.h"

enum { LR_REDUCE_KERNELS = 4 };
/* s: columns, rows, columns in f64, cast; of an x and a kind (enum lr_reduce_kind) that infer lets through. */
void lr_reduce_signatures(int32_t x_dtype, uint32_t kind, enum lr_signature *s);
