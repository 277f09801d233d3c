#include "move.h"

lr_status lr_move_input(const struct lr_infer *c, int32_t i) {
  int32_t t = c->in[i].dtype;
  if (!lr_dtype_size(t) || t == LR_I4 || t == LR_U4)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "input %d has dtype %s; use one with whole bytes", i,
                         lr_dtype_name(t));
  return LR_OK;
}

lr_status lr_move_axis(const struct lr_infer *c, int32_t axis, int32_t limit) {
  if (axis >= 0 && axis < limit) return LR_OK;
  return lr_infer_fail(c, LR_ERR_MODEL, "axis is %d, but must be in [0, %d)", axis, limit);
}

lr_status lr_move_output(const struct lr_infer *c, int32_t k) {
  char text[200];
  if (lr_type_check(&c->out[k])) return LR_OK;
  return lr_infer_fail(c, LR_ERR_MEMORY, "output %d would be %s, which is too large", k,
                       lr_dims_text(c->out[k].rank, c->out[k].dim, text, sizeof text));
}

bool lr_dim_unify(lr_dim *a, lr_dim b) {
  if (*a >= 0 && b >= 0) return *a == b;
  if (b >= 0 || *a == -1) *a = b;
  return true;
}

lr_dim lr_dim_product(const lr_dim *dim, int32_t n) {
  uint64_t known = 1;
  lr_dim unknown = 0;
  int32_t n_unknown = 0;
  bool large = false;
  for (int32_t i = 0; i < n; i++) {
    if (dim[i] == 0) return 0;
    if (dim[i] < 0) {
      unknown = dim[i];
      n_unknown++;
    } else {
      large |= lr_mul_overflows(known, (uint64_t)dim[i], &known) || known > LR_MAX_BYTES;
    }
  }
  if (large) return n_unknown ? -1 : INT64_MAX; /* refused by lr_type_check */
  if (!n_unknown) return (lr_dim)known;
  return n_unknown == 1 && known == 1 ? unknown : -1;
}

lr_status lr_ints_infer(const struct lr_infer *c, int32_t i, const char *name, struct lr_ints *v) {
  *v = (struct lr_ints){0};
  if (!lr_infer_has(c, i)) return LR_OK;
  const struct lr_type *t = &c->in[i];
  char text[240];
  if (t->rank != 1 || (t->dtype != LR_I64 && t->dtype != LR_I32))
    return lr_infer_fail(c, LR_ERR_MODEL, "%s is %s, but must be an i64 vector", name,
                         lr_type_text(t, text, sizeof text));
  bool sized = t->dim[0] >= 0;
  *v = (struct lr_ints){sized ? c->value[i] : NULL, t->dtype, sized ? t->dim[0] : -1, 1};
  return LR_OK;
}

struct lr_ints lr_ints_view(const struct lr_view *in, int32_t n, int32_t i, const void *data) {
  if (i >= n || !in[i].dtype) return (struct lr_ints){0};
  /* known values are dense, whatever strides the tensor has in the plan */
  return (struct lr_ints){data ? data : in[i].data, in[i].dtype, in[i].rank ? in[i].dim[0] : 1,
                          data || !in[i].rank ? 1 : in[i].stride[0]};
}

int64_t lr_ints_at(const struct lr_ints *v, int64_t i) {
  if (v->dtype == LR_I32) {
    int32_t x; /* memcpy: a value may lie unaligned in a file */
    memcpy(&x, (const char *)v->data + i * v->stride * 4, sizeof x);
    return x;
  }
  int64_t x;
  memcpy(&x, (const char *)v->data + i * v->stride * 8, sizeof x);
  return x;
}

/* Index of the first axis that is out of range or there twice, else -1. */
static int64_t axes_mask(const struct lr_ints *v, int32_t rank, uint32_t *mask) {
  *mask = 0;
  for (int64_t i = 0; i < v->n; i++) {
    int64_t a = lr_ints_at(v, i);
    if (a < 0) a += rank;
    if (a < 0 || a >= rank || (*mask >> a & 1)) return i;
    *mask |= 1u << a;
  }
  return -1;
}

#define BAD_AXIS "axes[%lld] is %lld, which is out of range or there twice; the rank is %d"

lr_status lr_axes_infer(const struct lr_infer *c, int32_t i, int32_t rank, struct lr_ints *v,
                        uint32_t *mask) {
  *mask = 0;
  LR_TRY(lr_ints_infer(c, i, "axes", v));
  if (!v->data) return LR_OK;
  int64_t bad = axes_mask(v, rank, mask);
  return bad < 0
             ? LR_OK
             : lr_infer_fail(c, LR_ERR_VALUE, BAD_AXIS, (long long)bad, (long long)lr_ints_at(v, bad), rank);
}

lr_status lr_axes_run(const struct lr_run *r, int32_t i, int32_t rank, uint32_t *mask) {
  struct lr_ints v = lr_ints_view(r->in, r->n_in, i, NULL);
  *mask = 0;
  if (!v.dtype) return LR_OK;
  int64_t bad = axes_mask(&v, rank, mask);
  return bad < 0
             ? LR_OK
             : lr_run_fail(r, LR_ERR_VALUE, BAD_AXIS, (long long)bad, (long long)lr_ints_at(&v, bad), rank);
}

/* ---- rows in parallel ---- */
enum { BLOCK_COST = 64 * 1024 };

struct rows_job {
  void (*body)(void *context, int64_t first, int64_t last, int32_t thread);
  void *context;
  int64_t rows, each, blocks; /* rows of a block, blocks of a task */
};

static void rows_task(void *context, int32_t task, int32_t thread) {
  const struct rows_job *j = context;
  int64_t row = task * j->each * j->blocks;
  for (int64_t i = 0; i < j->blocks && row < j->rows && !(i && lr_stopped()); i++, row += j->each)
    j->body(j->context, row, j->rows - row < j->each ? j->rows : row + j->each, thread);
}

void lr_move_rows(struct lr_pool *pool, int64_t rows, int64_t cost,
                  void (*body)(void *context, int64_t first, int64_t last, int32_t thread), void *context) {
  if (rows <= 0) return;
  struct rows_job j = {body, context, rows, BLOCK_COST / (cost > 0 ? cost : 1) + 1, 1};
  j.blocks = rows / j.each / (1 << 30) + 1; /* so that an int32_t counts the tasks */
  lr_parallel(pool, (int32_t)((rows - 1) / (j.each * j.blocks) + 1), rows_task, &j);
}

struct slices_job {
  char *y;
  const char *x;
  size_t block, unit, piece;
  int64_t pieces; /* of a row */
  void (*from)(const void *context, int64_t row, int64_t n, int64_t *at);
  const void *context;
};

/* A few rows. */
static void slices(void *context, int64_t first, int64_t last, int32_t thread) {
  enum { FEW = 128 };
  const struct slices_job *j = context;
  int64_t at[FEW];
  size_t b = j->block;
  for (int64_t n; first < last; first += n) {
    n = last - first < FEW ? last - first : FEW;
    j->from(j->context, first, n, at);
    char *y = j->y + (size_t)first * b;
    if (b == 4 && j->unit == 4)
      for (int64_t i = 0; i < n; i++) memcpy(y + i * 4, j->x + at[i] * 4, 4);
    else if (b == 8 && j->unit == 8)
      for (int64_t i = 0; i < n; i++) memcpy(y + i * 8, j->x + at[i] * 8, 8);
    else if (b == 1 && j->unit == 1)
      for (int64_t i = 0; i < n; i++) y[i] = j->x[at[i]];
    else
      for (int64_t i = 0; i < n; i++, y += b) memcpy(y, j->x + (size_t)at[i] * j->unit, b);
  }
}

/* Pieces of long rows. */
static void slice_pieces(void *context, int64_t first, int64_t last, int32_t thread) {
  const struct slices_job *j = context;
  for (; first < last; first++) {
    int64_t row = first / j->pieces, at;
    size_t begin = (size_t)(first % j->pieces) * j->piece;
    j->from(j->context, row, 1, &at);
    memcpy(j->y + (size_t)row * j->block + begin, j->x + (size_t)at * j->unit + begin,
           j->block - begin < j->piece ? j->block - begin : j->piece);
  }
}

void lr_move_slices(struct lr_pool *pool, void *y, const void *x, int64_t rows, size_t block, size_t unit,
                    void (*from)(const void *context, int64_t row, int64_t n, int64_t *at),
                    const void *context) {
  if (!block) return; /* then any number of rows is no memory */
  struct slices_job j = {y,    x,      block, unit, BLOCK_COST, (int64_t)((block - 1) / BLOCK_COST) + 1,
                         from, context};
  if (j.pieces == 1)
    lr_move_rows(pool, rows, (int64_t)block + 8, slices, &j);
  else
    lr_move_rows(pool, rows * j.pieces, BLOCK_COST, slice_pieces, &j);
}

/* ---- strides ---- */
void lr_view_strides(struct lr_view *v) {
  int64_t n = 1;
  for (int32_t i = v->rank - 1; i >= 0; i--) {
    v->stride[i] = n;
    n *= v->dim[i] > 0 ? v->dim[i] : 1;
  }
}

bool lr_view_reshape(const struct lr_view *x, struct lr_view *y) {
  lr_view_strides(y);
  if (lr_view_dense(x)) return true;
  int64_t dim[LR_MAX_RANK], stride[LR_MAX_RANK];
  int32_t n = 0;
  for (int32_t i = 0; i < x->rank; i++) {
    if (x->dim[i] == 1) continue;
    dim[n] = x->dim[i];
    stride[n++] = x->stride[i];
  }
  /* match the shortest groups of dims that have the same product; within a group x must run on without a gap
   */
  for (int32_t i = 0, j = 0; i < n;) {
    int32_t i0 = i, j0 = j;
    int64_t nx = dim[i++], ny = 1;
    while (nx != ny) {
      if (ny < nx && j < y->rank)
        ny *= y->dim[j++];
      else if (ny > nx && i < n)
        nx *= dim[i++];
      else
        return false;
    }
    for (int32_t k = i0; k < i - 1; k++)
      if (stride[k] != stride[k + 1] * dim[k + 1]) return false;
    int64_t s = stride[i - 1];
    for (int32_t k = j - 1; k >= j0; k--) {
      y->stride[k] = s;
      s *= y->dim[k];
    }
  }
  return true;
}
