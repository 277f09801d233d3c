/* The weights of a transposed convolution, cut into phases. Along each axis the outputs with the same
 * (o + begin) % stride, a phase, are made of the same taps: those k with (o + begin - k dilation) divisible
 * by the stride. So a pair of phases, one along h and one along w, is a plain product with weights of its
 * own. */
#pragma once
#include "conv.h"

struct lr_phase {
  int64_t tap, taps; /* the first one and their number */
  int64_t before;    /* taps of the phases before */
  int64_t index;     /* among phases that have taps */
};
struct lr_phases { /* of one axis; from w and the attributes alone */
  int64_t stride, dilation, kernel;
  int64_t tap_step, in_step; /* between taps of a phase: in the kernel, and back in x */
  int64_t used, most;        /* phases with taps; taps of the largest */
  struct lr_phase *phase;    /* stride */
};

struct lr_phased_weights {
  const struct lr_kernel *kernel;
  struct lr_phases phases[2];
  int64_t groups, cols, depth; /* cols: of a group */
  uint32_t nr, kr;
  enum lr_pack_type type;
  int64_t tap_bytes, head_bytes;   /* packed: of one tap of all panels; of the panels' heads (integers) */
  int64_t group_bytes, bias_bytes; /* of one group; of one bias */
  int64_t biases; /* of one group: 1 (as if there were no taps), and for integers one a pair of phases */
  const void *packed, *bias; /* NULL: w, or w or b, is not constant */
};

/* Fills all but packed and bias, for weights of dims [O kh kw C/groups] or [O kw C/groups]. phase:
 * lr_phases_bytes of zeroed memory that lives as long as *s. */
void lr_phases_describe(struct lr_phased_weights *s, const struct lr_conv_transpose_attrs *a, int32_t rank,
                        const int64_t *dim, int32_t w_dtype, const struct lr_kernel *kernel,
                        struct lr_phase *phase);
uint64_t lr_phases_bytes(const struct lr_conv_transpose_attrs *a, int32_t rank);
/* Where the panels and the bias of a pair of phases are in those of a group, in bytes. */
int64_t lr_phases_packed(const struct lr_phased_weights *s, const struct lr_phase *h,
                         const struct lr_phase *w);
int64_t lr_phases_bias(const struct lr_phased_weights *s, const struct lr_phase *h, const struct lr_phase *w);
/* Packs all groups; pool NULL: on this thread alone. */
void lr_phases_pack(const struct lr_phased_weights *s, struct lr_pool *pool, const void *dense, void *packed);
/* Makes the biases of all groups from b (NULL: zeros) and the packed weights. */
void lr_phases_make_bias(const struct lr_phased_weights *s, const struct lr_conv_transpose_attrs *a,
                         const void *b, int32_t b_dtype, const char *packed, char *bias);
