/* The driver around the GEMM kernels that conv, conv_transpose and matmul share: one or more products
 * ("problems"), cut into tiles of rows x columns over the pool. A's rows are found through pointers, so
 * nothing is copied (indirect GEMM, Dukhan 2019); B is packed (packing.h); what the kernel cannot do in
 * registers runs on the tile through the node's program.
 *
 * Integers: sum (a - x_zero)(w - w_zero) = sum a w - x_zero sum w - w_zero sum a + K x_zero w_zero, where
 * pixels outside of the image have the value x_zero. The second and fourth terms are in the packed bias; the
 * third is subtracted from the tile when w_zero is not 0. */
#pragma once
#include "kernels.h"
#include "op.h"
#include "packing.h"

/* One product, or with lr_gemm.step > 1 one phase of it; the operator fills all but the first two. */
struct lr_gemm_problem {
  int64_t index; /* counts from 0 */
  int64_t row;   /* first row that is to be computed */
  int64_t rows, ks;
  const void *w;    /* its panels */
  const void *bias; /* its columns rounded up to nr */
  int64_t col;      /* its first column in y */
  int64_t own[4];   /* the operator's */
};

/* Made in prepare. The caller sets the first part, lr_gemm_prepare the second. */
struct lr_gemm {
  const struct lr_kernel *kernel;
  int32_t x_dtype, w_zero;
  int64_t problems, rows, cols, ks, kc; /* rows and ks: of the largest problem */
  int64_t step;   /* rows i and i + step share their weights; 1 unless w differs by row */
  bool even_rows; /* neighbouring rows of a problem are y_stride apart in y */
  int64_t y_stride;

  int64_t row_block, row_blocks, col_block, col_blocks; /* of rows and columns */
  const struct lr_rows *epilogue;                       /* NULL: the kernel stores into y */
  bool narrow;                                          /* accumulators become f16 before the program */
  float lo, hi;
  uint64_t sums_at, acc_at, tmp_at, thread_bytes; /* scratch of one thread; pointers come first */
};

struct lr_gemm_run {
  const struct lr_gemm *gemm;
  const struct lr_run *run;
  char *threads; /* scratch: thread_bytes for each thread */
  const void *user;
  void (*problem)(const struct lr_gemm_run *g, struct lr_gemm_problem *p);
  /* a[(i / mr * ks + s) * mr + i % mr] = row `p->row + i * step` of tap s, for i < n */
  void (*point)(const struct lr_gemm_run *g, const struct lr_gemm_problem *p, int64_t n, const void **a);
  /* place of a row of the problem when y's dims before the last are counted row-major */
  int64_t (*y_row)(const struct lr_gemm_run *g, const struct lr_gemm_problem *p, int64_t row);
  int64_t first; /* tile, when there are more than 2^31 */
};

/* Signature of the kernels for x's dtype, LR_SIG_NONE when there are none. */
enum lr_signature lr_gemm_signature(int32_t x_dtype, bool depthwise);
static inline bool lr_is_int8(int32_t dtype) { return dtype == LR_I8 || dtype == LR_U8; }
/* dtype that a program's register 0 starts with: f16 results are rounded before the program. */
static inline int32_t lr_gemm_acc_dtype(int32_t x_dtype) { return lr_is_int8(x_dtype) ? LR_I32 : x_dtype; }
/* How weights of this dtype are packed. */
static inline enum lr_pack_type lr_gemm_pack_type(int32_t w_dtype) {
  return w_dtype == LR_I8    ? LR_PACK_I8
         : w_dtype == LR_U8  ? LR_PACK_U8
         : w_dtype == LR_F16 ? LR_PACK_F16
                             : LR_PACK_F32;
}

/* Chooses blocks, makes the epilogue. The step needs threads * thread_bytes of scratch for it. */
lr_status lr_gemm_prepare(struct lr_gemm *g, struct lr_prepare *p);
void lr_gemm_execute(struct lr_gemm_run *g);
/* Rows row..row + rows - 1 of problem 0 on this thread; step is 1, scratch: gemm->thread_bytes. */
void lr_gemm_rows(const struct lr_gemm_run *g, int64_t row, int64_t rows, char *scratch);

/* The node's epilogue, or NULL in *e and [*lo, *hi] when the kernel does all of it. */
lr_status lr_gemm_epilogue(struct lr_prepare *p, int32_t x_dtype, const struct lr_rows **e, bool *narrow,
                           float *lo, float *hi);
/* Makes f16 of a tile of f32, in place. */
void lr_gemm_narrow(void *acc, int64_t n);

/* Bias of one packed matrix: `cols` rounded up to nr elements of f32 or i32. b: f32, f16 or i32 by b_dtype,
 * or NULL; panels: integers only. */
void lr_gemm_bias(void *bias, const struct lr_pack *k, const void *b, int32_t b_dtype, const void *panels,
                  int32_t x_zero, int32_t w_zero);
/* body(context, i, thread) for i < n of any size; i is g->first + the int32_t that body gets. */
void lr_parallel_wide(struct lr_pool *pool, int64_t n, int64_t *first, void (*body)(void *, int32_t, int32_t),
                      void *context);
/* Packs n matrices at run time on the pool: matrix m starts at(user, m) bytes behind `from` and goes to to +
 * m * to_step. */
void lr_gemm_pack(struct lr_pool *pool, const struct lr_pack *k, int64_t n, const void *from,
                  int64_t (*at)(const void *user, int64_t m), const void *user, void *to, int64_t to_step);
/* An `at`: m * *(const int64_t *)user. */
int64_t lr_gemm_pack_evenly(const void *user, int64_t m);
/* Offset in elements of the row-major row `row` of the dims before the last. */
int64_t lr_view_row(const struct lr_view *v, int64_t row);
