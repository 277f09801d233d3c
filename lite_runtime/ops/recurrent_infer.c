/* recurrent: shapes, dtypes and static checks. */
#include "gemm.h"
#include "move.h"
#include "recurrent.h"

static lr_status check_dtypes(const struct lr_infer *c) {
  static const char name[INPUTS][8] = {"x", "r", "b", "lengths", "h", "c", "p", "r_scale", "r_zero"};
  for (int32_t i = 0; i < INPUTS && i < c->n_in; i++) {
    int32_t dtype = c->in[i].dtype, want = i == LENGTHS || i == R_ZERO ? LR_I32 : LR_F32;
    if (dtype && dtype != want && !(i == R && (dtype == LR_F16 || lr_is_int8(dtype))))
      return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "%s is %s; it must be %s", name[i], lr_dtype_name(dtype),
                           lr_dtype_name(want));
  }
  bool lstm = ((const struct lr_recurrent_attrs *)c->attrs)->cell == LR_RECURRENT_CELL_LSTM;
  bool int8 = lr_is_int8(c->in[R].dtype);
  if (int8 != lr_infer_has(c, R_SCALE) || (!int8 && lr_infer_has(c, R_ZERO)) || (int8 && !lstm))
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "r is %s with%s r_scale; an r of i8 or u8, for lstm alone, has one and no other has",
                         lr_dtype_name(c->in[R].dtype), lr_infer_has(c, R_SCALE) ? "" : "out");
  return LR_OK;
}

static lr_status check_attrs(const struct lr_infer *c) {
  const struct lr_recurrent_attrs *a = c->attrs;
  uint32_t limit = LR_RECURRENT_F_LIMIT;
  if (a->cell >= LR_RECURRENT_CELL_LIMIT || a->f >= limit || a->g >= limit || a->h >= limit || a->clip < 0)
    return lr_infer_fail(c, LR_ERR_MODEL, "cell is %u, its activations are %u, %u, %u and clip %g", a->cell,
                         a->f, a->g, a->h, (double)a->clip);
  if (a->cell != LR_RECURRENT_CELL_LSTM && (lr_infer_has(c, C0) || lr_infer_has(c, P)))
    return lr_infer_fail(c, LR_ERR_MODEL, "it has the inputs c or p, which only lstm has");
  return LR_OK;
}

/* Input i, when it is there, must be [first], or [first second] with second not 0. */
static bool fits(const struct lr_infer *c, int32_t i, lr_dim *first, lr_dim second) {
  if (!lr_infer_has(c, i)) return true;
  const struct lr_type *t = &c->in[i];
  return t->rank == (second ? 2 : 1) && lr_dim_unify(first, t->dim[0]) &&
         (!second || lr_dim_unify(&second, t->dim[1]));
}

lr_status lr_infer_recurrent(struct lr_infer *c) {
  const struct lr_recurrent_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[X], *r = &c->in[R];
  LR_TRY(check_dtypes(c));
  LR_TRY(check_attrs(c));
  int64_t g = lr_gates_of(a->cell);
  if (x->rank != 3 || r->rank != 2)
    return lr_infer_fail(c, LR_ERR_MODEL, "x has rank %d and r %d; they must have 3 and 2", x->rank, r->rank);
  lr_dim h = r->dim[1];
  if (h < 1)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                         "the size of the state, r's last dim, must be known and not 0");
  lr_dim batch = x->dim[1], gh = g * h, three = 3 * h;
  char tx[96], tr[96];
  if (!lr_dim_unify(&gh, r->dim[0]) || !lr_dim_unify(&gh, x->dim[2]))
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "x is %s and r %s; for %d gates they must be [S B %lld] and [%lld %lld]",
                         lr_type_text(x, tx, sizeof tx), lr_type_text(r, tr, sizeof tr), (int)g,
                         (long long)(g * h), (long long)(g * h), (long long)h);
  if (!fits(c, B, &gh, 0) || !fits(c, LENGTHS, &batch, 0) || !fits(c, H0, &batch, h) ||
      !fits(c, C0, &batch, h) || !fits(c, P, &three, 0) || !fits(c, R_SCALE, &gh, 0) ||
      !fits(c, R_ZERO, &gh, 0))
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "its batch is that of x %s and its state has size %lld; b, r_scale and r_zero must "
                         "be [%lld], lengths "
                         "[B], h and c [B %lld], p [%lld]",
                         lr_type_text(x, tx, sizeof tx), (long long)h, (long long)(g * h), (long long)h,
                         (long long)(3 * h));
  bool lstm = a->cell == LR_RECURRENT_CELL_LSTM;
  c->out[0] = (struct lr_type){.dtype = LR_F32, .rank = 3, .dim = {x->dim[0], batch, h}};
  c->out[1] = (struct lr_type){.dtype = LR_F32, .rank = 2, .dim = {batch, h}};
  c->out[2] = (struct lr_type){.dtype = LR_F32, .rank = 2, .dim = {lstm ? batch : 0, h}};
  for (int32_t k = 0; k < 3; k++) LR_TRY(lr_move_output(c, k));
  return LR_OK;
}
