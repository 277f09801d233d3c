/* Convolution: what its files share. conv.c decides, conv_gemm.c and conv_dw.c compute. */
#pragma once
#include "gemm.h"
#include "window.h"

/* The node's slot: what could be made of constants. Float and integer panels alike. */
struct lr_conv_weights {
  const struct lr_kernel *kernel;
  const void *packed; /* groups * group_bytes; NULL: w is not constant */
  const void *bias;   /* of each group, rounded up to nr; NULL: w or b is not constant */
};

/* A step, made in prepare. */
struct lr_conv {
  /* depthwise: only kernel, x_dtype, w_zero, epilogue, narrow, lo, hi, row_block, col_block, ... */
  struct lr_gemm gemm;
  struct lr_pack pack; /* one group (depthwise: all of it) */
  struct lr_image x, y;
  struct lr_axis axis[2];
  int64_t groups;       /* matrices that are packed: 1 when depthwise */
  int64_t mult;         /* depthwise: output channels of each input channel */
  int64_t rows_at_once; /* depthwise: of y in one kernel call */
  /* depthwise: row i of x or y lies at i % ring in memory; INT64_MAX: all rows are there */
  int64_t x_ring, y_ring;
  int64_t taps_w; /* of the product: 1 when the taps of a row are taken as one long one */
  /* then, in a thread's scratch: copies of what windows across the left or right border see */
  uint64_t edge_at;
  int32_t x_zero;
  int64_t from_bytes, group_bytes, bias_bytes; /* of one group: source, packed, bias */
  const void *outside;                         /* a pixel of padding */
  const void *packed, *bias;                   /* from the slot, or NULL */
  uint64_t packed_at, bias_at, threads_at,
      shared_at;                      /* in the scratch; the last: behind that of the threads */
  const struct lr_winograd *winograd; /* when it computes so: conv_winograd.c */
};

/* Shared by the two ways. */
bool lr_conv_depthwise(int64_t groups, int64_t group_channels);
/* How weights w [O kh kw C/groups] are packed. */
struct lr_pack lr_conv_pack(const int64_t *w_dim, int32_t rank, int32_t w_dtype, int64_t groups,
                            const struct lr_kernel *kernel);

/* A convolution that is a node, or a stage of one (inverted_residual.c). bind: the weights are input `input` of the
 * node and the bias follows them; NULL in *weights when they are not constant. prepare, run: the node's inputs are
 * x, w, b and its program's operands, its attributes are conv's, *p->bind.slot has the weights. */
lr_status lr_conv_bind(struct lr_bind *b, const struct lr_conv_attrs *a, int32_t input,
                       struct lr_conv_weights **weights);
lr_status lr_conv_prepare(struct lr_prepare *p);
lr_status lr_conv_run(struct lr_run *r);
/* The packed weights and bias of a run: those of the model, else made now. */
void lr_conv_weights_now(const struct lr_conv *c, struct lr_run *r, const void **packed, const void **bias);

lr_status lr_conv_gemm_prepare(struct lr_conv *c, struct lr_prepare *p);
void lr_conv_gemm_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias);
lr_status lr_conv_dw_prepare(struct lr_conv *c, struct lr_prepare *p);
void lr_conv_dw_run(const struct lr_conv *c, struct lr_run *r, const void *packed, const void *bias);
/* Rows row..end - 1 of y on this thread; scratch: c->gemm.thread_bytes. */
void lr_conv_dw_rows(const struct lr_conv *c, const struct lr_run *r, const void *packed, const void *bias,
                     int64_t row, int64_t end, char *scratch);

/* Checks that conv and conv_transpose share: dtypes, ranks, bias, groups, zero points. out_dim, in_dim: w's
 * numbers of output channels and of input channels in a group. */
lr_status lr_conv_check(const struct lr_infer *c, const struct lr_window *w, int32_t groups, int32_t x_zero,
                        int32_t w_zero);
/* Sets y = [N out[0] out[1] O], its dtype by the program, and checks its size. */
lr_status lr_conv_finish(const struct lr_infer *c, const lr_dim *out);
/* A padding pixel of `channels` elements, from the plan's memory. */
const void *lr_conv_outside(struct lr_prepare *p, int32_t x_dtype, int64_t channels, int32_t x_zero);
