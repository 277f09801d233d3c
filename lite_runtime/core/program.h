/* Post-op programs: reading them from a file, their types, and running them over rows. */
#pragma once
#include "op.h"

#define LR_MAX_INSTRS 1024 /* of one program */

/* Decodes the words of Node.post into `out` (room for `max`; NULL: only counts) and sets *n to the number of
 * instructions. Checks all that does not depend on operands: opcodes, dtypes, references, immediates. The
 * message begins with `program:`. */
lr_status lr_program_decode(const uint32_t *words, int32_t n_words, struct lr_instr *out, int32_t max,
                            int32_t *n, lr_error *error);

/* Facts of one opcode; no dtypes where there is no such opcode. */
struct lr_postop_info {
  uint16_t dtypes; /* 1 << lr_dtype */
  uint8_t arity;
  bool is_bool; /* the result is bool whatever the dtype */
};
struct lr_postop_info lr_postop_info(int32_t op);

/* dtype that source k of an instruction must have; 0: any (cast). */
int32_t lr_instr_src_dtype(const struct lr_instr *in, int32_t k);
/* dtype of an instruction's result. */
int32_t lr_instr_dst_dtype(const struct lr_instr *in);
/* Integer div, mod, fmod: the divisor must not be zero. */
bool lr_instr_divides(const struct lr_instr *in);

/* ---- rows: what lr_epilogue and `elementwise` are made of ---- */
/* Binds the node's program; operands are inputs first_operand... and acc_dtype is 0 when there is no
 * accumulator. keep_last: the last dim stays as it is, so that the caller may cut it into columns; else
 * jointly contiguous dims become one. */
lr_status lr_rows_prepare(struct lr_prepare *p, int32_t acc_dtype, int32_t first_operand, bool keep_last,
                          const struct lr_rows **e);
/* As lr_epilogue (acc NULL without an accumulator), but rows and columns count the collapsed dims, `col` is a
 * multiple of the period and tmp has LR_EPILOGUE_TMP bytes. False: an integer was to be divided by zero; y is
 * then not complete. */
bool lr_rows_run(const struct lr_rows *e, const struct lr_view *operands, const void *acc, int64_t acc_stride,
                 const struct lr_view *y, int64_t row, int64_t rows, int64_t col, int64_t n, void *tmp);
/* Number of rows, their length and their period; whether lr_rows_run does without tmp. */
int64_t lr_rows_count(const struct lr_rows *e);
int64_t lr_rows_length(const struct lr_rows *e);
int64_t lr_rows_period(const struct lr_rows *e);
bool lr_rows_direct(const struct lr_rows *e);
const char *lr_rows_kernel(const struct lr_rows *e); /* name of the first instruction's kernel */

/* Takes dims of 1 out and merges neighbours that are contiguous in all n stride sets and of the same kind
 * (NULL: all are). Works in place; returns the new rank. */
int32_t lr_collapse(int32_t rank, int64_t *dim, uint8_t *kind, int32_t n, int64_t (*stride)[LR_MAX_RANK]);
/* Rows of n elements of `size` bytes, one each `stride` elements, a row each `row_bytes`, to or from a dense buffer. */
void lr_gather(size_t size, int64_t rows, int64_t n, const void *from, int64_t row_bytes, int64_t stride,
               void *to);
void lr_scatter(size_t size, int64_t rows, int64_t n, const void *from, void *to, int64_t row_bytes,
                int64_t stride);
