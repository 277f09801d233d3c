/* Shapes and static checks of matmul. */
#include "gemm.h"
#include "matmul_plain.h"

static lr_status check_dtypes(const struct lr_infer *c, const struct lr_matmul_attrs *m) {
  int32_t a = c->in[0].dtype, b = c->in[1].dtype, bias = c->in[2].dtype;
  if (!lr_gemm_signature(a, false) && !lr_matmul_is_plain(a))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED,
                         "a is %s; products are computed in f32, f16, f64, i8, u8, i32, u32, i64 and u64",
                         lr_dtype_name(a));
  bool ints = lr_is_int8(a);
  bool halves = a == LR_F32 && b == LR_F16; /* stored in half the bytes; they become f32 when packed */
  if (ints ? !lr_is_int8(b) : a != b && !halves)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "a is %s and b is %s; %s", lr_dtype_name(a), lr_dtype_name(b),
                         ints ? "with integers both must be i8 or u8" : "they must be equal");
  if (bias && bias != (ints ? LR_I32 : a))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "c is %s; with a of %s it must be %s", lr_dtype_name(bias),
                         lr_dtype_name(a), lr_dtype_name(ints ? LR_I32 : a));
  const int32_t zero[2] = {m->a_zero, m->b_zero};
  for (int32_t i = 0; ints && i < 2; i++) {
    int32_t low = c->in[i].dtype == LR_U8 ? 0 : -128;
    if (zero[i] < low || zero[i] > low + 255)
      return lr_infer_fail(c, LR_ERR_MODEL, "%s_zero is %d, which %s cannot hold", i ? "b" : "a", zero[i],
                           lr_dtype_name(c->in[i].dtype));
  }
  return LR_OK;
}

lr_status lr_infer_matmul(struct lr_infer *c) {
  const struct lr_matmul_attrs *m = c->attrs;
  const struct lr_type *a = &c->in[0], *b = &c->in[1], *bias = &c->in[2];
  char ta[96], tb[96];
  LR_TRY(check_dtypes(c, m));
  if (m->trans_a > 1 || m->trans_b > 1)
    return lr_infer_fail(c, LR_ERR_MODEL, "trans_a is %u and trans_b is %u; they must be 0 or 1",
                         (unsigned)m->trans_a, (unsigned)m->trans_b);
  if (a->rank < 2 || b->rank < 2)
    return lr_infer_fail(c, LR_ERR_MODEL, "a is %s and b is %s; both must have rank 2 or more",
                         lr_type_text(a, ta, sizeof ta), lr_type_text(b, tb, sizeof tb));
  int32_t am = a->rank - (m->trans_a ? 1 : 2), ak = a->rank - (m->trans_a ? 2 : 1);
  int32_t bn = b->rank - (m->trans_b ? 2 : 1), bk = b->rank - (m->trans_b ? 1 : 2);
  if (a->dim[ak] >= 0 && b->dim[bk] >= 0 && a->dim[ak] != b->dim[bk])
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "a is %s with %lld columns and b is %s with %lld rows; they must be equal",
                         lr_type_text(a, ta, sizeof ta), (long long)a->dim[ak],
                         lr_type_text(b, tb, sizeof tb), (long long)b->dim[bk]);
  lr_dim n = b->dim[bn];
  if (bias->dtype && (bias->rank != 1 || (n >= 0 && bias->dim[0] >= 0 && bias->dim[0] != n)))
    return lr_infer_fail(c, LR_ERR_MODEL, "c is %s; b has %lld columns", lr_type_text(bias, ta, sizeof ta),
                         (long long)n);
  struct lr_type y = {.dtype = a->dtype, .rank = a->rank - 2},
                 batch = {.dtype = b->dtype, .rank = b->rank - 2};
  memcpy(y.dim, a->dim, (size_t)y.rank * sizeof y.dim[0]);
  memcpy(batch.dim, b->dim, (size_t)batch.rank * sizeof batch.dim[0]);
  if (!lr_broadcast(&y, &batch))
    return lr_infer_fail(c, LR_ERR_MODEL, "the leading dims of a %s and b %s do not broadcast",
                         lr_type_text(a, ta, sizeof ta), lr_type_text(b, tb, sizeof tb));
  y.dim[y.rank++] = a->dim[am];
  y.dim[y.rank++] = n;
  c->out[0] = y;
  LR_TRY(lr_program_infer(c, lr_gemm_acc_dtype(a->dtype), &c->out[0]));
  return lr_type_check(&c->out[0]) ? LR_OK : lr_infer_fail(c, LR_ERR_MODEL, "its output is too large");
}
