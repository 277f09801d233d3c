/* matmul in types that have no GEMM kernel: f64, and integers that wrap. Up to COLUMNS elements of a row of y at a time. */
#include "matmul_plain.h"

#include "gemm.h"

enum { COLUMNS = 4096 };

struct step {
  const struct lr_rows *epilogue;
  uint64_t thread_bytes; /* COLUMNS accumulators, then what the epilogue needs */
};

bool lr_matmul_is_plain(int32_t dtype) {
  return dtype == LR_F64 || dtype == LR_I32 || dtype == LR_U32 || dtype == LR_I64 || dtype == LR_U64;
}

lr_status lr_matmul_plain_prepare(struct lr_prepare *p) {
  struct step *s = p->params = lr_prepare_alloc(p, sizeof *s);
  if (!s) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  LR_TRY(lr_epilogue_prepare(p, p->in[0].dtype, &s->epilogue));
  s->thread_bytes = COLUMNS * lr_dtype_size(p->in[0].dtype) + LR_EPILOGUE_TMP;
  p->scratch = (uint64_t)p->threads * s->thread_bytes;
  return LR_OK;
}

struct job {
  const struct lr_run *r;
  const struct step *s;
  int64_t first, k, blocks;      /* the first tile; terms of a sum; tiles of a row */
  int64_t a_step, b_step, b_col; /* strides in elements: along k in a and b, and of b's columns */
};

/* acc[j] = bias[j] + sum over i of a[i] b[i, j] */
#define PRODUCT(type)                                                                         \
  {                                                                                           \
    const type *x = (const type *)from_a, *w = (const type *)from_b, *c = (const type *)bias; \
    type *acc = (type *)to;                                                                   \
    for (int64_t i = 0; i < n; i++) acc[i] = c ? c[col + i] : 0;                              \
    for (int64_t k = 0; k < j->k && !(k % 64 == 63 && lr_stopped()); k++) {                   \
      type v = x[k * j->a_step];                                                              \
      for (int64_t i = 0; i < n; i++) acc[i] += v * w[k * j->b_step + i * j->b_col];          \
    }                                                                                         \
  }

/* Offset in elements of the batch that row `batch` of y belongs to. */
static int64_t batch_at(const struct lr_view *v, const struct lr_view *y, int64_t batch) {
  int64_t at = 0;
  for (int32_t i = y->rank - 3; i >= 0; i--) {
    int32_t k = i - (y->rank - v->rank);
    if (k >= 0 && v->dim[k] != 1) at += batch % y->dim[i] * v->stride[k];
    batch /= y->dim[i];
  }
  return at;
}

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  const struct lr_matmul_attrs *m = j->r->node->attrs;
  const struct lr_view *a = &j->r->in[0], *b = &j->r->in[1], *y = &j->r->out[0];
  int64_t row = (j->first + task) / j->blocks, col = (j->first + task) % j->blocks * COLUMNS;
  int64_t rows = y->dim[y->rank - 2], batch = row / rows, n = y->dim[y->rank - 1] - col;
  if (n > COLUMNS) n = COLUMNS;
  size_t size = lr_dtype_size(a->dtype);
  char *to = (char *)j->r->scratch + (size_t)thread * j->s->thread_bytes;
  int64_t a_row = a->stride[a->rank - (m->trans_a ? 1 : 2)];
  const char *from_a = (const char *)a->data + (size_t)(batch_at(a, y, batch) + row % rows * a_row) * size;
  const char *from_b = (const char *)b->data + (size_t)(batch_at(b, y, batch) + col * j->b_col) * size;
  const char *bias = j->r->in[2].data;
  switch (a->dtype) {
    case LR_F64:
      PRODUCT(double) break;
    case LR_I32:
    case LR_U32:
      PRODUCT(uint32_t) break;
    default:
      PRODUCT(uint64_t)
  }
  lr_epilogue(j->s->epilogue, j->r->in + j->r->node->n_own, to, n, y, row, 1, col, n,
              to + j->s->thread_bytes - LR_EPILOGUE_TMP);
}

lr_status lr_matmul_plain_run(struct lr_run *r) {
  const struct lr_matmul_attrs *m = r->node->attrs;
  const struct lr_view *a = &r->in[0], *b = &r->in[1], *y = &r->out[0];
  int64_t n = y->dim[y->rank - 1];
  struct job j = {.r = r, .s = r->params, .blocks = (n + COLUMNS - 1) / COLUMNS};
  j.k = a->dim[a->rank - (m->trans_a ? 2 : 1)];
  j.a_step = a->stride[a->rank - (m->trans_a ? 2 : 1)];
  j.b_step = b->stride[b->rank - (m->trans_b ? 1 : 2)];
  j.b_col = b->stride[b->rank - (m->trans_b ? 2 : 1)];
  lr_parallel_wide(r->pool, lr_view_count(y) / n * j.blocks, &j.first, body, &j);
  return LR_OK;
}
