/* What any node must satisfy before its operator's own `infer` looks at it, whoever describes it: a file
 * (load.c) or the converter (tools.c). Messages are `<op> '<name>': <what is wrong>`. */
#pragma once
#include "op.h"

/* lr_fail with the node in front; a long name is cut. */
lr_status lr_node_fail(lr_error *error, lr_status s, int32_t op, const char *name, const char *format, ...)
    LR_PRINTF(5, 6);
lr_status lr_node_failv(lr_error *error, lr_status s, const char *op, const char *name, const char *format,
                        va_list args);
/* VERSION when this library does not know the code. All below is for operators in this build (lr_ops[op]). */
lr_status lr_node_op(int32_t op, const char *name, lr_error *error);
/* Fills struct lr_<op>_attrs (4 n_attrs bytes) from `n` words of any alignment, the rest from the defaults:
 * enums are in range, floats finite. Ranges of numbers are the operator's to check. */
lr_status lr_node_attrs(int32_t op, const char *name, const void *words, uint32_t n, void *attrs,
                        lr_error *error);
/* Inputs with those that are left out at the end: at least the operator's own. */
int32_t lr_node_inputs(int32_t op, int32_t n_in);
/* Numbers of inputs and outputs, and that required ones are there. in: lr_node_inputs(op, ...) entries,
 * negative is absent. */
lr_status lr_node_ports(int32_t op, const char *name, const int32_t *in, int32_t n_in, int32_t n_out,
                        bool program, lr_error *error);
/* The operator's own inputs of a node with n_in inputs: lr_node.n_own. */
int32_t lr_node_own(int32_t op, int32_t n_in);
