/* max_pool and avg_pool: the taps inside of the image are found for each output pixel, the kernel works along
 * the channels. */
#include "needs.h"
#include "gemm.h"
#include "window.h"

/* Attributes of both, as far as they are the same. */
struct pool_attrs {
  int64_t kernel[2];
  struct lr_window window;
  bool ceil_mode;
  uint32_t divisor; /* of a mean: enum lr_avg_pool_divisor */
};
struct step {
  const struct lr_kernel *kernel;
  struct lr_image x, y;
  struct lr_axis axis[2];
  int32_t dtype;
  bool mean;
  uint32_t divisor;
  int64_t row_tiles;     /* tiles of a row of y */
  uint64_t thread_bytes; /* pointers of one thread */
};
enum { TILE = 64 };

static struct pool_attrs read_attrs(const void *attrs, bool mean) {
  if (mean) {
    const struct lr_avg_pool_attrs *a = attrs;
    return (struct pool_attrs){{a->kernel_h, a->kernel_w}, LR_WINDOW(a), a->ceil_mode != 0, a->divisor};
  }
  const struct lr_max_pool_attrs *a = attrs;
  return (struct pool_attrs){{a->kernel_h, a->kernel_w}, LR_WINDOW(a), a->ceil_mode != 0, 0};
}

enum lr_signature lr_pool_signature(int32_t dtype, bool mean) {
  switch (dtype) {
    case LR_F32:
      return mean ? LR_SIG_f32_avgpool : LR_SIG_f32_maxpool;
    case LR_F16:
      return mean ? LR_SIG_f16_avgpool : LR_SIG_f16_maxpool;
    case LR_I8:
      return mean ? LR_SIG_NONE : LR_SIG_s8_maxpool;
    case LR_U8:
      return mean ? LR_SIG_NONE : LR_SIG_u8_maxpool;
    default:
      return LR_SIG_NONE;
  }
}

/* ---- infer ---- */
static lr_status infer(const struct lr_infer *c, bool mean) {
  struct pool_attrs a = read_attrs(c->attrs, mean);
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  if (!lr_pool_signature(x->dtype, mean))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; %s are possible", lr_dtype_name(x->dtype),
                         mean ? "f32 and f16" : "f32, f16, i8 and u8");
  if (a.divisor >= LR_AVG_POOL_DIVISOR_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "divisor is %u, but must be below %d", a.divisor,
                         LR_AVG_POOL_DIVISOR_LIMIT);
  *y = *x;
  return lr_window_infer_pool(c, &a.window, a.kernel, a.ceil_mode, y);
}

lr_status lr_infer_max_pool(struct lr_infer *c) { return infer(c, false); }
lr_status lr_infer_avg_pool(struct lr_infer *c) { return infer(c, true); }

/* ---- prepare ---- */
static lr_status prepare(struct lr_prepare *p, bool mean) {
  struct pool_attrs a = read_attrs(p->bind.node->attrs, mean);
  struct step *c = p->params = lr_prepare_alloc(p, sizeof *c);
  if (!c) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  c->dtype = p->in[0].dtype;
  LR_TRY(lr_find_kernel(&p->bind, lr_pool_signature(c->dtype, mean), &c->kernel));
  c->x = lr_image_of(&p->in[0]);
  c->y = lr_image_of(&p->out[0]);
  c->mean = mean;
  c->divisor = a.divisor;
  lr_window_pool_axes(&a.window, a.kernel, &p->in[0], &p->out[0], c->axis);
  c->row_tiles = (c->y.w + TILE - 1) / TILE;
  uint64_t taps = 1;
  for (int32_t i = 0; i < 2; i++) /* only taps in the image get a pointer, however large the window is */
    taps *= (uint64_t)(c->axis[i].kernel < c->axis[i].in ? c->axis[i].kernel : c->axis[i].in);
  c->thread_bytes = lr_align_up(taps * sizeof(void *), LR_ALIGN);
  p->scratch = (uint64_t)p->threads * c->thread_bytes;
  p->kernel = c->kernel->name;
  return LR_OK;
}

static lr_status prepare_max(struct lr_prepare *p) { return prepare(p, false); }
static lr_status prepare_avg(struct lr_prepare *p) { return prepare(p, true); }

/* ---- run ---- */
struct job {
  const struct step *c;
  const struct lr_run *r;
  int64_t first;
};

/* Taps of a window that lie in the image or its padding; windows of ceil_mode may reach further. */
static int64_t padded_taps(const struct lr_axis *a, int64_t o) {
  int64_t at = o * a->stride - a->begin, room = a->in + a->end - at;
  int64_t n = room <= 0 ? 0 : (room + a->dilation - 1) / a->dilation;
  return n < a->kernel ? n : a->kernel;
}

/* A window without any pixel: the least value, or a mean of 0. */
static void fill_empty(const struct step *c, void *y) {
  const float least = -__builtin_inff();
  const uint16_t least_f16 = 0xfc00;
  for (int64_t j = 0; j < c->y.c; j++) {
    if (c->mean)
      memset((char *)y + j * (int64_t)lr_dtype_size(c->dtype), 0, lr_dtype_size(c->dtype));
    else if (c->dtype == LR_F32)
      memcpy((char *)y + j * 4, &least, 4);
    else if (c->dtype == LR_F16)
      memcpy((char *)y + j * 2, &least_f16, 2);
    else
      ((uint8_t *)y)[j] = c->dtype == LR_I8 ? 0x80 : 0;
  }
}

static float divisor(const struct step *c, int64_t inside, int64_t h, int64_t w) {
  switch (c->divisor) {
    case LR_AVG_POOL_DIVISOR_INSIDE:
      return (float)inside;
    case LR_AVG_POOL_DIVISOR_PADDED:
      return (float)(padded_taps(&c->axis[0], h) * padded_taps(&c->axis[1], w));
    default:
      return 1;
  }
}

static void pixel(const struct step *c, const char *image, int64_t h, int64_t w, const void **a, void *y) {
  const struct lr_axis *ah = &c->axis[0], *aw = &c->axis[1];
  int64_t h0, h1, w0, w1, n = 0, size = (int64_t)lr_dtype_size(c->dtype);
  lr_axis_taps(ah, h, &h0, &h1);
  lr_axis_taps(aw, w, &w0, &w1);
  for (int64_t i = h0; i < h1; i++) {
    const char *row = image + (h * ah->stride - ah->begin + i * ah->dilation) * c->x.h_stride * size;
    for (int64_t j = w0; j < w1; j++)
      a[n++] = row + (w * aw->stride - aw->begin + j * aw->dilation) * c->x.w_stride * size;
  }
  if (!n)
    fill_empty(c, y);
  else if (c->mean)
    ((lr_f32_avgpool_fn *)c->kernel->fn)((size_t)c->y.c, (size_t)n, a, divisor(c, n, h, w), y);
  else
    ((lr_f32_maxpool_fn *)c->kernel->fn)((size_t)c->y.c, (size_t)n, a, y);
}

static void tile(void *context, int32_t i, int32_t thread) {
  const struct job *b = context;
  const struct step *c = b->c;
  int64_t size = (int64_t)lr_dtype_size(c->dtype), at = b->first + i, row = at / c->row_tiles;
  int64_t n = row / c->y.h, h = row % c->y.h, w = at % c->row_tiles * TILE;
  int64_t end = w + TILE < c->y.w ? w + TILE : c->y.w;
  const void **a = (const void **)(void *)((char *)b->r->scratch + (size_t)thread * c->thread_bytes);
  const char *image = (const char *)b->r->in[0].data + n * c->x.n_stride * size;
  for (; w < end && !(w % 8 == 0 && lr_stopped()); w++) /* windows may be large */
    pixel(c, image, h, w, a,
          (char *)b->r->out[0].data + (n * c->y.n_stride + h * c->y.h_stride + w * c->y.w_stride) * size);
}

static lr_status run(struct lr_run *r) {
  struct job b = {r->params, r, 0};
  lr_parallel_wide(r->pool, b.c->y.n * b.c->y.h * b.c->row_tiles, &b.first, tile, &b);
  return LR_OK;
}

enum { FLAGS = LR_IMPL_STRIDED_IN | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT };
const struct lr_impl lr_cpu_max_pool = {.flags = FLAGS, .prepare = prepare_max, .run = run};
const struct lr_impl lr_cpu_avg_pool = {.flags = FLAGS, .prepare = prepare_avg, .run = run};
