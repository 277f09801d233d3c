/* matmul: y[... M N] = a[... M K] b[... K N] + c[N], leading dims broadcast. b is packed once when it is
 * constant, else in each run; a is read in place, or transposed into the scratch first when trans_a says so.
 */
#include "needs.h"
#include "copy.h"
#include "gemm.h"
#include "matmul_plain.h"

struct weights { /* the slot: b is constant */
  const struct lr_kernel *kernel;
  const void *packed;
  const void *bias; /* NULL: c is not constant */
};

struct step {
  struct lr_gemm gemm;
  struct lr_pack pack;
  int64_t b_matrices;
  int64_t matrix_bytes, bias_bytes, biases; /* packed: one matrix, one bias, number of biases */
  int32_t rank;                             /* of the batch dims */
  /* a in elements, b in matrices; 0 broadcasts */
  int64_t dim[LR_MAX_RANK], a_stride[LR_MAX_RANK], b_step[LR_MAX_RANK];
  int64_t a_row;    /* stride of a's rows in elements */
  int64_t a_matrix; /* trans_a: elements of one transposed matrix, else 0 */
  int64_t a_matrices;
  const void *packed, *bias;
  uint64_t a_at, packed_at, bias_at, threads_at;
};

/* ---- bind ---- */
/* One matrix of b with these last two dims; its rows are `stride` apart. */
static struct lr_pack pack_of(int64_t rows, int64_t cols, int64_t stride, bool trans, int32_t dtype,
                              const struct lr_kernel *kernel) {
  return (struct lr_pack){.type = lr_gemm_pack_type(dtype),
                          .nr = (uint32_t)kernel->nr,
                          .kr = (uint32_t)kernel->kr,
                          .cols = (uint64_t)(trans ? rows : cols),
                          .taps_h = 1,
                          .taps_w = 1,
                          .depth = (uint64_t)(trans ? cols : rows),
                          .col_stride = trans ? stride : 1,
                          .k_stride = trans ? 1 : stride};
}

/* Weights of u8 are packed as i8, 128 less. */
static int32_t packed_zero(int32_t b_dtype, int32_t b_zero) {
  return b_dtype == LR_U8 ? b_zero - 128 : b_dtype == LR_I8 ? b_zero : 0;
}

struct pack_user {
  struct lr_pack pack;
  int64_t n, from_bytes, to_bytes;
};

static void pack_bound(const void *user, const void *dense, void *packed) {
  const struct pack_user *u = user;
  for (int64_t i = 0; i < u->n; i++)
    lr_pack_run(&u->pack, (const char *)dense + i * u->from_bytes, (char *)packed + i * u->to_bytes, 0,
                lr_pack_panels(&u->pack));
}

static lr_status no_memory(const struct lr_bind *b) {
  return lr_fail(b->error, LR_ERR_MEMORY, "matmul '%.150s': out of memory for its weights", b->node->name);
}

static lr_status bind(struct lr_bind *b) {
  const struct lr_matmul_attrs *m = b->node->attrs;
  const struct lr_type *at = &b->graph->tensors[b->node->in[0]].type;
  const struct lr_graph_tensor *w = &b->graph->tensors[b->node->in[1]];
  const struct lr_type *t = &w->type;
  if (w->lifetime != LR_LIFE_CONST || lr_matmul_is_plain(at->dtype)) return LR_OK;
  struct weights *s = lr_bind_alloc(b, sizeof *s);
  if (!s) return no_memory(b);
  LR_TRY(lr_find_kernel(b, lr_gemm_signature(at->dtype, false), &s->kernel));
  struct pack_user u = {.n = 1};
  for (int32_t i = 0; i < t->rank - 2; i++) u.n *= t->dim[i];
  u.pack =
      pack_of(t->dim[t->rank - 2], t->dim[t->rank - 1], t->dim[t->rank - 1], m->trans_b, t->dtype, s->kernel);
  u.from_bytes = t->dim[t->rank - 2] * t->dim[t->rank - 1] * (int64_t)lr_dtype_size(t->dtype);
  u.to_bytes = (int64_t)lr_pack_bytes(&u.pack);
  /* a transposed matrix is a tensor [N K], rows of which are columns: kind 1 */
  struct lr_packing how = {m->trans_b ? 1 : 2, 1, u.pack.nr, u.pack.kr, m->trans_b ? 1 : 0};
  LR_TRY(lr_weights_get(b, 1, &how, (uint64_t)(u.n * u.to_bytes), pack_bound, &u, &s->packed));
  int32_t c_index = b->node->in[2];
  if (c_index < 0 || b->graph->tensors[c_index].lifetime == LR_LIFE_CONST) {
    lr_status status = LR_OK;
    const void *from = c_index >= 0 ? lr_bind_const(b, 2, &status) : NULL;
    if (status) return status;
    int64_t n = lr_is_int8(at->dtype) ? u.n : 1;
    uint64_t step = lr_pack_panels(&u.pack) * u.pack.nr * 4;
    char *bias = lr_bind_alloc(b, (uint64_t)n * step);
    if (!bias) return no_memory(b);
    for (int64_t i = 0; i < n; i++)
      lr_gemm_bias(bias + (uint64_t)i * step, &u.pack, from,
                   c_index >= 0 ? b->graph->tensors[c_index].type.dtype : LR_F32,
                   (const char *)s->packed + i * u.to_bytes, m->a_zero, packed_zero(t->dtype, m->b_zero));
    s->bias = bias;
  }
  *b->slot = s;
  return LR_OK;
}

/* ---- prepare ---- */
static void set_batches(struct step *c, const struct lr_view *a, const struct lr_view *b,
                        const struct lr_view *y) {
  int64_t matrices = 1;
  c->rank = y->rank - 2;
  c->b_matrices = c->a_matrices = 1;
  for (int32_t i = c->rank - 1; i >= 0; i--) {
    int32_t ia = i - (y->rank - a->rank), ib = i - (y->rank - b->rank);
    int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
    c->dim[i] = y->dim[i];
    c->a_stride[i] = da == 1 ? 0 : c->a_matrix ? c->a_matrices * c->a_matrix : a->stride[ia];
    c->b_step[i] = db == 1 ? 0 : matrices;
    c->a_matrices *= da;
    matrices *= db;
  }
  c->b_matrices = matrices;
}

static void set_gemm(struct step *c, const struct lr_view *a, const struct lr_view *y, bool trans_a) {
  struct lr_gemm *g = &c->gemm;
  g->x_dtype = a->dtype;
  g->problems = 1;
  for (int32_t i = 0; i < c->rank; i++) g->problems *= c->dim[i];
  g->rows = y->dim[y->rank - 2];
  g->cols = y->dim[y->rank - 1];
  g->kc = a->dim[a->rank - (trans_a ? 2 : 1)];
  g->ks = 1;
  g->step = 1;
  g->even_rows = true;
  g->y_stride = y->stride[y->rank - 2];
}

/* Inner batch dims that share b's matrix become rows, when both a and y go on evenly: one large product for
 * many small ones. */
static void fold_batches(struct step *c, const struct lr_view *y) {
  struct lr_gemm *g = &c->gemm;
  for (; c->rank > 0; c->rank--) {
    int32_t i = c->rank - 1;
    bool even = c->a_stride[i] == g->rows * c->a_row && y->stride[i] == g->rows * g->y_stride;
    if (c->dim[i] != 1 && (c->b_step[i] || !even)) break;
    g->rows *= c->dim[i];
    g->problems /= c->dim[i] ? c->dim[i] : 1;
  }
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_matmul_attrs *m = p->bind.node->attrs;
  const struct weights *s = *p->bind.slot;
  const struct lr_view *a = &p->in[0], *b = &p->in[1], *y = &p->out[0];
  if (lr_matmul_is_plain(a->dtype)) return lr_matmul_plain_prepare(p);
  struct step *c = p->params = lr_prepare_alloc(p, sizeof *c);
  if (!c) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  LR_TRY(lr_find_kernel(&p->bind, lr_gemm_signature(a->dtype, false), &c->gemm.kernel));
  if (s && s->kernel != c->gemm.kernel)
    return lr_prepare_fail(p, LR_ERR_MODEL, "a is %s, which its declaration does not say",
                           lr_dtype_name(a->dtype));
  c->gemm.w_zero = packed_zero(b->dtype, m->b_zero);
  c->pack = pack_of(b->dim[b->rank - 2], b->dim[b->rank - 1], b->stride[b->rank - 2], m->trans_b, b->dtype,
                    c->gemm.kernel);
  c->matrix_bytes = (int64_t)lr_pack_bytes(&c->pack);
  c->bias_bytes = (int64_t)(lr_pack_panels(&c->pack) * c->pack.nr * 4);
  c->a_matrix = m->trans_a ? a->dim[a->rank - 2] * a->dim[a->rank - 1] : 0;
  c->a_row = m->trans_a ? a->dim[a->rank - 2] : a->stride[a->rank - 2];
  set_batches(c, a, b, y);
  set_gemm(c, a, y, m->trans_a);
  fold_batches(c, y);
  c->biases = lr_is_int8(a->dtype) ? c->b_matrices : 1;
  c->packed = s ? s->packed : NULL;
  c->bias = s ? s->bias : NULL;
  LR_TRY(lr_gemm_prepare(&c->gemm, p));
  c->packed_at = lr_align_up((uint64_t)(c->a_matrices * c->a_matrix) * lr_dtype_size(a->dtype), LR_ALIGN);
  c->bias_at =
      c->packed_at + (c->packed ? 0 : lr_align_up((uint64_t)(c->b_matrices * c->matrix_bytes), LR_ALIGN));
  c->threads_at = c->bias_at + (c->bias ? 0 : lr_align_up((uint64_t)(c->biases * c->bias_bytes), LR_ALIGN));
  p->scratch = c->threads_at + (uint64_t)p->threads * c->gemm.thread_bytes;
  return LR_OK;
}

/* ---- run ---- */
struct user {
  const struct step *c;
  const char *a, *packed, *bias;
};

/* Place of batch `index` in an operand with these steps. */
static int64_t batch_at(const struct step *c, const int64_t *step, int64_t index) {
  int64_t at = 0;
  for (int32_t i = c->rank - 1; i >= 0; i--) {
    at += index % c->dim[i] * step[i];
    index /= c->dim[i];
  }
  return at;
}

static void problem(const struct lr_gemm_run *r, struct lr_gemm_problem *p) {
  const struct user *u = r->user;
  const struct step *c = u->c;
  int64_t b = batch_at(c, c->b_step, p->index);
  p->rows = c->gemm.rows;
  p->ks = 1;
  p->w = u->packed + b * c->matrix_bytes;
  p->bias = u->bias + (c->biases > 1 ? b * c->bias_bytes : 0);
  p->col = 0;
}

static void point(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t n, const void **a) {
  const struct user *u = r->user;
  const struct step *c = u->c;
  int64_t size = (int64_t)lr_dtype_size(c->gemm.x_dtype);
  const char *from = u->a + (batch_at(c, c->a_stride, p->index) + p->row * c->a_row) * size;
  for (int64_t i = 0; i < n; i++)
    a[i] = from + i * c->a_row * size; /* one tap: groups lie one behind the other */
}

static int64_t y_row(const struct lr_gemm_run *r, const struct lr_gemm_problem *p, int64_t row) {
  return p->index * r->gemm->rows + row;
}

/* Bytes from b's start to matrix m. */
static int64_t matrix_at(const void *user, int64_t m) {
  const struct lr_view *b = user;
  int64_t at = 0;
  for (int32_t i = b->rank - 3; i >= 0; i--) {
    at += m % b->dim[i] * b->stride[i];
    m /= b->dim[i];
  }
  return at * (int64_t)lr_dtype_size(b->dtype);
}

/* Copies a [... K M] to the scratch as [... M K]. */
static const char *transpose_a(const struct step *c, struct lr_run *r) {
  const struct lr_view *a = &r->in[0];
  struct lr_view to = *a;
  int64_t step = c->a_matrix;
  to.data = (char *)r->scratch + c->a_at;
  to.stride[a->rank - 2] = 1;
  to.stride[a->rank - 1] = c->a_row;
  for (int32_t i = a->rank - 3; i >= 0; i--) {
    to.stride[i] = step;
    step *= a->dim[i];
  }
  lr_copy_parallel(r->pool, &to, a);
  return to.data;
}

static lr_status run(struct lr_run *r) {
  const struct lr_matmul_attrs *m = r->node->attrs;
  const struct step *c = r->params;
  const struct lr_view *b = &r->in[1], *bias = &r->in[2];
  if (lr_matmul_is_plain(r->in[0].dtype)) return lr_matmul_plain_run(r);
  struct user u = {c, c->a_matrix ? transpose_a(c, r) : r->in[0].data, c->packed, c->bias};
  if (!u.packed) {
    char *to = (char *)r->scratch + c->packed_at;
    lr_gemm_pack(r->pool, &c->pack, c->b_matrices, b->data, matrix_at, b, to, c->matrix_bytes);
    u.packed = to;
  }
  if (!u.bias) {
    char *to = (char *)r->scratch + c->bias_at;
    for (int64_t i = 0; i < c->biases; i++)
      lr_gemm_bias(to + i * c->bias_bytes, &c->pack, bias->data, bias->dtype, u.packed + i * c->matrix_bytes,
                   m->a_zero, c->gemm.w_zero);
    u.bias = to;
  }
  struct lr_gemm_run g = {.gemm = &c->gemm,
                          .run = r,
                          .threads = (char *)r->scratch + c->threads_at,
                          .user = &u,
                          .problem = problem,
                          .point = point,
                          .y_row = y_row};
  lr_gemm_execute(&g);
  return LR_OK;
}

const struct lr_impl lr_cpu_matmul = {.flags = LR_IMPL_STRIDED_IN | LR_IMPL_LAST_DENSE | LR_IMPL_STRIDED_OUT,
                                      .bind = bind,
                                      .prepare = prepare,
                                      .run = run};
