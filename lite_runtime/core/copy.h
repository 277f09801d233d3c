/* Strided copies: what all data movement comes down to. */
#pragma once
#include "op.h"

enum lr_copy_kind {
  LR_COPY_ROWS,      /* both sides contiguous along a row: memcpy */
  LR_COPY_FILL,      /* one element all along a row */
  LR_COPY_TRANSPOSE, /* the source is contiguous along another dim than the destination */
  LR_COPY_STRIDED
};

/* A copy without addresses, cut into tiles that may be done in any order. Strides in bytes. */
struct lr_copy {
  enum lr_copy_kind kind;
  int32_t size; /* of an element; several may be taken as one */
  int32_t rank; /* of the dims around rows and cols */
  int64_t dim[LR_MAX_RANK], dst[LR_MAX_RANK], src[LR_MAX_RANK];
  int64_t rows, dst_row, src_row;
  int64_t cols, dst_col, src_col;
  int64_t tile_rows, tile_cols, row_tiles, col_tiles;
  int64_t n_tiles; /* 0: nothing to copy */
  int64_t bytes;
};

/* Dims, dtype and strides of both views; dst and src have the same dims and dtype. Their data is not used. */
void lr_copy_init(struct lr_copy *c, const struct lr_view *dst, const struct lr_view *src);
/* Copies tiles first..last-1; the memories do not overlap. */
void lr_copy_run(const struct lr_copy *c, void *dst, const void *src, int64_t first, int64_t last);
/* memcpy (from NULL: memset to 0) that leaves early when the run is stopped. */
void lr_copy_bytes(void *to, const void *from, size_t bytes);
/* lr_view_copy with the pool's threads when it is large. Does nothing when src is dst. */
void lr_copy_parallel(struct lr_pool *pool, const struct lr_view *dst, const struct lr_view *src);
