/* A program bound to kernels: what rows_prepare.c makes and rows_run.c runs. */
#pragma once
#include "kernels.h"
#include "program.h"

enum { LR_MAX_OUTER = LR_MAX_RANK };

struct source {
  uint8_t ref;  /* LR_SRC_* */
  uint8_t size; /* bytes of an element */
  uint64_t imm; /* the immediate as an element */
};
struct row_instr {
  void (*fn)(void);
  uint8_t op, dtype, dst, dst_size;
  uint8_t from; /* cast: dtype of the source */
  bool divides;
  struct source src[3];
};
struct row_operand {
  int64_t outer[LR_MAX_OUTER]; /* bytes */
  int64_t step;                /* elements along the row: 0, 1, or else it is gathered */
  int32_t repeat; /* 1 or 2: where it may be repeated along the row, see row_state.period; else 0 */
  bool jumps;     /* after each e->period elements along the row it goes on `jump` bytes further on */
  int64_t jump;
  int32_t size;
};
struct lr_rows {
  int32_t n, n_operands, rank;
  struct row_instr *instr;
  struct row_operand *operand;
  int64_t dim[LR_MAX_OUTER], y_outer[LR_MAX_OUTER]; /* y: bytes */
  int64_t count, length, y_step;
  int32_t y_size, acc_size;
  int64_t period; /* columns at which a run may begin and end a chunk; 1 unless short rows were joined */
  bool y_jumps;   /* as in row_operand */
  int64_t y_jump;
  bool direct; /* one instruction, nothing to gather: rows may be of any length */
  const char *kernel;
};
