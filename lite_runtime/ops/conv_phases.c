#include "conv_phases.h"

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a;
}

/* `phase` has room for `stride` of them, zeroed. */
static void find_phases(struct lr_phases *p, int64_t stride, int64_t dilation, int64_t kernel,
                        struct lr_phase *phase) {
  int64_t g = gcd(stride, dilation), before = 0;
  *p = (struct lr_phases){.stride = stride,
                          .dilation = dilation,
                          .kernel = kernel,
                          .tap_step = stride / g,
                          .in_step = dilation / g,
                          .phase = phase};
  for (int64_t k = 0; k < kernel && k < p->tap_step; k++) { /* each of these begins another phase */
    struct lr_phase *f = &phase[k * dilation % stride];
    f->tap = k;
    f->taps = (kernel - 1 - k) / p->tap_step + 1;
    if (f->taps > p->most) p->most = f->taps;
  }
  for (int64_t i = 0; i < stride; i++) {
    phase[i].before = before;
    before += phase[i].taps;
    phase[i].index = p->used;
    p->used += phase[i].taps > 0;
  }
}

/* All but packed and bias. `phase`: room for the phases of h, then those of w. */
void lr_phases_describe(struct lr_phased_weights *s, const struct lr_conv_transpose_attrs *a, int32_t rank,
                        const int64_t *dim, int32_t w_dtype, const struct lr_kernel *kernel,
                        struct lr_phase *phase) {
  bool image = rank == 4;
  int64_t stride_h = image ? a->stride_h : 1;
  *s = (struct lr_phased_weights){.kernel = kernel,
                                  .groups = a->groups,
                                  .cols = dim[0] / a->groups,
                                  .depth = dim[rank - 1],
                                  .nr = (uint32_t)kernel->nr,
                                  .kr = (uint32_t)kernel->kr,
                                  .type = lr_gemm_pack_type(w_dtype)};
  find_phases(&s->phases[0], stride_h, image ? a->dilation_h : 1, image ? dim[1] : 1, phase);
  find_phases(&s->phases[1], a->stride_w, a->dilation_w, dim[rank - 2], phase + stride_h);
  struct lr_pack tap = {.type = s->type,
                        .nr = s->nr,
                        .kr = s->kr,
                        .cols = (uint64_t)s->cols,
                        .taps_h = 0,
                        .taps_w = 0,
                        .depth = (uint64_t)s->depth};
  s->head_bytes = (int64_t)lr_pack_bytes(&tap);
  tap.taps_h = tap.taps_w = 1;
  s->tap_bytes = (int64_t)lr_pack_bytes(&tap) - s->head_bytes;
  int64_t pairs = s->phases[0].used * s->phases[1].used;
  s->group_bytes = s->phases[0].kernel * s->phases[1].kernel * s->tap_bytes + pairs * s->head_bytes;
  s->bias_bytes = (int64_t)(lr_pack_panels(&tap) * s->nr * 4);
  s->biases = 1 + (s->head_bytes ? pairs : 0);
}

uint64_t lr_phases_bytes(const struct lr_conv_transpose_attrs *a, int32_t rank) {
  return ((uint64_t)(rank == 4 ? a->stride_h : 1) + (uint64_t)a->stride_w) * sizeof(struct lr_phase);
}

/* Where the panels of a pair of phases are in a group. */
int64_t lr_phases_packed(const struct lr_phased_weights *s, const struct lr_phase *h,
                         const struct lr_phase *w) {
  int64_t taps = h->before * s->phases[1].kernel + h->taps * w->before;
  return taps * s->tap_bytes + (h->index * s->phases[1].used + w->index) * s->head_bytes;
}

int64_t lr_phases_bias(const struct lr_phased_weights *s, const struct lr_phase *h,
                       const struct lr_phase *w) {
  if (!s->head_bytes || !h->taps || !w->taps) return 0;
  return (1 + h->index * s->phases[1].used + w->index) * s->bias_bytes;
}

/* One pair of phases of a group as a matrix; *from: where it begins in the weights of the group, in elements.
 */
static struct lr_pack pair_pack(const struct lr_phased_weights *s, const struct lr_phase *h,
                                const struct lr_phase *w, int64_t *from) {
  int64_t kh = s->phases[0].kernel, kw = s->phases[1].kernel;
  *from = (h->tap * kw + w->tap) * s->depth;
  return (struct lr_pack){.type = s->type,
                          .nr = s->nr,
                          .kr = s->kr,
                          .cols = (uint64_t)s->cols,
                          .taps_h = (uint64_t)h->taps,
                          .taps_w = (uint64_t)w->taps,
                          .depth = (uint64_t)s->depth,
                          .col_stride = kh * kw * s->depth,
                          .h_stride = s->phases[0].tap_step * kw * s->depth,
                          .w_stride = s->phases[1].tap_step * s->depth,
                          .k_stride = 1};
}

static int64_t element_size(const struct lr_phased_weights *s) {
  return s->type == LR_PACK_F32 ? 4 : s->type == LR_PACK_F16 ? 2 : 1;
}

/* The statement behind it, for each pair of phases that has taps. */
#define EACH_PAIR(s, h, w)                                                                                \
  for (const struct lr_phase *h = (s)->phases[0].phase; h < (s)->phases[0].phase + (s)->phases[0].stride; \
       h++)                                                                                               \
    for (const struct lr_phase *w = (s)->phases[1].phase;                                                 \
         h->taps && w < (s)->phases[1].phase + (s)->phases[1].stride; w++)                                \
      if (w->taps)

/* pool: NULL packs on this thread alone. */
void lr_phases_pack(const struct lr_phased_weights *s, struct lr_pool *pool, const void *dense,
                    void *packed) {
  int64_t group = s->cols * s->phases[0].kernel * s->phases[1].kernel * s->depth * element_size(s), from;
  EACH_PAIR(s, h, w) {
    struct lr_pack k = pair_pack(s, h, w, &from);
    const char *src = (const char *)dense + from * element_size(s);
    char *dst = (char *)packed + lr_phases_packed(s, h, w);
    if (pool)
      lr_gemm_pack(pool, &k, s->groups, src, lr_gemm_pack_evenly, &group, dst, s->group_bytes);
    else
      for (int64_t g = 0; g < s->groups; g++)
        lr_pack_run(&k, src + g * group, dst + g * s->group_bytes, 0, lr_pack_panels(&k));
  }
}

void lr_phases_make_bias(const struct lr_phased_weights *s, const struct lr_conv_transpose_attrs *a,
                         const void *b, int32_t b_dtype, const char *packed, char *bias) {
  struct lr_pack none = {.type = LR_PACK_F32, .nr = s->nr, .kr = s->kr, .cols = (uint64_t)s->cols};
  int64_t step = s->biases * s->bias_bytes, b_step = b ? s->cols * (int64_t)lr_dtype_size(b_dtype) : 0, from;
  for (int64_t g = 0; g < s->groups; g++) {
    const void *of_group = b ? (const char *)b + g * b_step : NULL;
    if (!s->head_bytes) {
      lr_gemm_bias(bias + g * step, &none, of_group, b_dtype, NULL, 0, 0);
    } else {
      memset(bias + g * step, 0, (size_t)s->bias_bytes);
      if (of_group) memcpy(bias + g * step, of_group, (size_t)s->cols * 4);
    }
  }
  if (!s->head_bytes) return;
  EACH_PAIR(s, h, w) {
    struct lr_pack k = pair_pack(s, h, w, &from);
    for (int64_t g = 0; g < s->groups; g++)
      lr_gemm_bias(bias + g * step + lr_phases_bias(s, h, w), &k, b ? (const char *)b + g * b_step : NULL,
                   b_dtype, packed + g * s->group_bytes + lr_phases_packed(s, h, w), a->x_zero, a->w_zero);
  }
}
