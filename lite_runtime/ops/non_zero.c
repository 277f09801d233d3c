/* non_zero: coordinates of the elements that are not 0. */
#include "move.h"
#include "order.h"

enum { PIECE = 256 };

lr_status lr_infer_non_zero(struct lr_infer *c) {
  const struct lr_type *x = &c->in[0];
  if (!lr_order_has(x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s, which cannot be compared with 0",
                         lr_dtype_name(x->dtype));
  if (!x->rank) return lr_infer_fail(c, LR_ERR_MODEL, "x is a scalar, which has no coordinates");
  c->out[0] = (struct lr_type){.dtype = LR_I64, .rank = 2, .dim = {x->rank, lr_dim_product(x->dim, x->rank)}};
  c->out[1] = (struct lr_type){.dtype = LR_I64, .rank = 1, .dim = {1}};
  return lr_move_output(c, 0);
}

static void write(const struct lr_view *x, int64_t element, int64_t *to, int64_t stride) {
  for (int32_t d = x->rank - 1; d >= 0; d--) {
    assert(x->dim[d] > 0); /* it has this element */
    to[d * stride] = element % x->dim[d];
    element /= x->dim[d];
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  int64_t n = lr_view_count(x), found = 0, size = (int64_t)lr_dtype_size(x->dtype), *to = y->data;
  uint64_t keys[PIECE], zero;
  const uint64_t nothing = 0;
  lr_order_keys(x->dtype, false, LR_NAN_ABOVE, 1, &nothing, 1, &zero);
  if (y->dim[1] != n)
    return lr_run_fail(r, LR_ERR_VALUE, "y has room for %lld elements, but x has %lld", (long long)y->dim[1],
                       (long long)n);
  for (int64_t at = 0, k; at < n; at += k) {
    if (at % (64 * PIECE) == 0 && lr_stopped()) return LR_OK;
    k = n - at < PIECE ? n - at : PIECE;
    lr_order_keys(x->dtype, false, LR_NAN_ABOVE, k, (const char *)x->data + at * size, 1, keys);
    for (int64_t i = 0; i < k; i++)
      if (keys[i] != zero) write(x, at + i, to + found++, n);
  }
  for (int32_t d = 0; d < x->rank; d++)
    lr_copy_bytes(to + d * n + found, NULL, (size_t)(n - found) * sizeof *to);
  *(int64_t *)r->out[1].data = found;
  return LR_OK;
}

const struct lr_impl lr_cpu_non_zero = {.run = run};
