/* max_pool_indices: where the results of max_pool come from. */
#include "order.h"
#include "window.h"

enum { PIECE = 64 };

lr_status lr_infer_max_pool_indices(struct lr_infer *c) {
  const struct lr_max_pool_indices_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_window w = LR_WINDOW(a);
  const int64_t kernel[2] = {a->kernel_h, a->kernel_w};
  if (!lr_order_has(x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s, which has no order here", lr_dtype_name(x->dtype));
  c->out[0] = *x;
  c->out[0].dtype = LR_I64;
  return lr_window_infer_pool(c, &w, kernel, a->ceil_mode, &c->out[0]);
}

struct job {
  const struct lr_max_pool_indices_attrs *a;
  const struct lr_view *x;
  struct lr_image image, y;
  struct lr_axis axis[2];
  int64_t *to;
};

/* Of `n` channels from c on: pixels of the window in order, a later one only when it is larger. */
static void window(const struct job *j, int64_t image, int64_t h, int64_t w, int64_t c, int64_t n,
                   int64_t *to) {
  const struct lr_axis *ah = &j->axis[0], *aw = &j->axis[1];
  int64_t h0, h1, w0, w1, size = (int64_t)lr_dtype_size(j->x->dtype);
  uint64_t best[PIECE] = {0}, keys[PIECE];
  lr_axis_taps(ah, h, &h0, &h1);
  lr_axis_taps(aw, w, &w0, &w1);
  for (int64_t i = 0; i < n; i++) to[i] = 0;
  for (int64_t i = h0; i < h1 && !lr_stopped(); i++)
    for (int64_t k = w0; k < w1; k++) {
      int64_t row = h * ah->stride - ah->begin + i * ah->dilation,
              col = w * aw->stride - aw->begin + k * aw->dilation;
      int64_t at = image * j->image.n_stride + row * j->image.h_stride + col * j->image.w_stride + c;
      int64_t place = j->a->column_major ? col * ah->in + row : row * aw->in + col;
      lr_order_keys(j->x->dtype, false, LR_NAN_ABOVE, n, (const char *)j->x->data + at * size, 1, keys);
      for (int64_t q = 0; q < n; q++)
        if ((i == h0 && k == w0) || keys[q] > best[q]) {
          best[q] = keys[q];
          to[q] = (image * j->image.c + c + q) * ah->in * aw->in + place;
        }
    }
}

static void body(void *context, int32_t row, int32_t thread) {
  const struct job *j = context;
  int64_t image = row / j->y.h, h = row % j->y.h, channels = j->y.c;
  for (int64_t w = 0; w < j->y.w && !lr_stopped(); w++)
    for (int64_t c = 0; c < channels; c += PIECE)
      window(j, image, h, w, c, channels - c < PIECE ? channels - c : PIECE,
             j->to + ((int64_t)row * j->y.w + w) * channels + c);
}

static lr_status run(struct lr_run *r) {
  const struct lr_max_pool_indices_attrs *a = r->node->attrs;
  struct lr_window w = LR_WINDOW(a);
  struct job j = {a, &r->in[0], lr_image_of(&r->in[0]), lr_image_of(&r->out[0]), .to = r->out[0].data};
  lr_window_pool_axes(&w, (const int64_t[]){a->kernel_h, a->kernel_w}, &r->in[0], &r->out[0], j.axis);
  if (j.y.n * j.y.h > INT32_MAX) return lr_run_fail(r, LR_ERR_UNSUPPORTED, "x is too large");
  lr_parallel(r->pool, (int32_t)(j.y.n * j.y.h), body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_max_pool_indices = {.run = run};
