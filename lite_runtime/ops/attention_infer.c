/* Shapes and static checks of attention. */
#include "op.h"

static lr_status check_dtypes(const struct lr_infer *c) {
  static const char name[][5] = {"q", "k", "v", "mask"};
  for (int32_t i = 0; i < c->n_in; i++) {
    const struct lr_type *t = &c->in[i];
    if (t->dtype && t->dtype != LR_F32)
      return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "%s is %s; it must be f32", name[i],
                           lr_dtype_name(t->dtype));
    if (t->dtype && i < 3 && t->rank < 2)
      return lr_infer_fail(c, LR_ERR_MODEL, "%s has rank %d; it must have rank 2 or more", name[i], t->rank);
  }
  return LR_OK;
}

static bool differ(lr_dim a, lr_dim b) { return a >= 0 && b >= 0 && a != b; }

/* Broadcasts the dims of t before the last two into y's. */
static bool add_batch(struct lr_type *y, const struct lr_type *t) {
  struct lr_type batch = *t;
  batch.rank = t->rank > 2 ? t->rank - 2 : 0;
  return lr_broadcast(y, &batch);
}

/* A mask's dim that may be 1. */
static bool mask_fits(const struct lr_type *mask, int32_t from_end, lr_dim n) {
  return mask->rank < from_end || mask->dim[mask->rank - from_end] == 1 ||
         !differ(mask->dim[mask->rank - from_end], n);
}

lr_status lr_infer_attention(struct lr_infer *c) {
  const struct lr_attention_attrs *a = c->attrs;
  LR_TRY(check_dtypes(c));
  if (a->y_layout >= LR_ATTENTION_Y_LAYOUT_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "it has the unknown y_layout %u", (unsigned)a->y_layout);
  const struct lr_type *q = &c->in[0], *k = &c->in[1], *v = &c->in[2];
  const struct lr_type none = {0}, *mask = lr_infer_has(c, 3) ? &c->in[3] : &none;
  char tq[96], tk[96], tv[96];
  lr_dim s = q->dim[q->rank - 2], t = k->dim[k->rank - 2];
  if (differ(q->dim[q->rank - 1], k->dim[k->rank - 1]) || differ(t, v->dim[v->rank - 2]))
    return lr_infer_fail(
        c, LR_ERR_MODEL,
        "q is %s, k %s and v %s; the last dims of q and k must be equal, and the last but one of k and v",
        lr_type_text(q, tq, sizeof tq), lr_type_text(k, tk, sizeof tk), lr_type_text(v, tv, sizeof tv));
  if (t < 0) t = v->dim[v->rank - 2];
  if (!mask_fits(mask, 1, t) || !mask_fits(mask, 2, s))
    return lr_infer_fail(
        c, LR_ERR_MODEL, "mask is %s, q %s and k %s; its last two dims must be those of q k^T or 1",
        lr_type_text(mask, tv, sizeof tv), lr_type_text(q, tq, sizeof tq), lr_type_text(k, tk, sizeof tk));
  struct lr_type y = {.dtype = LR_F32};
  if (!add_batch(&y, q) || !add_batch(&y, k) || !add_batch(&y, v) || !add_batch(&y, mask))
    return lr_infer_fail(
        c, LR_ERR_MODEL, "the leading dims of q %s, k %s, v %s and the mask do not broadcast",
        lr_type_text(q, tq, sizeof tq), lr_type_text(k, tk, sizeof tk), lr_type_text(v, tv, sizeof tv));
  int32_t heads = y.rank - 1;
  y.dim[y.rank++] = s;
  y.dim[y.rank++] = v->dim[v->rank - 1];
  if (a->y_layout == LR_ATTENTION_Y_LAYOUT_HEADS_LAST) {
    if (heads < 0)
      return lr_infer_fail(c, LR_ERR_MODEL, "q is %s; for y_layout heads_last it must have heads",
                           lr_type_text(q, tq, sizeof tq));
    y.dim[heads + 1] = y.dim[heads];
    y.dim[heads] = s;
  }
  c->out[0] = y;
  return lr_type_check(&y) ? LR_OK : lr_infer_fail(c, LR_ERR_MODEL, "its output is too large");
}
