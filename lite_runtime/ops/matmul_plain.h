/* Products in types that have no GEMM kernel. */
#pragma once
#include "op.h"

bool lr_matmul_is_plain(int32_t dtype);
/* As matmul's own; strides of a, b and y may be any but for the last, which is 1. */
lr_status lr_matmul_plain_prepare(struct lr_prepare *p);
lr_status lr_matmul_plain_run(struct lr_run *r);
