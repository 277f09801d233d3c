/* reduce: over any axes. Each output is computed by one thread in an order that follows from the shape alone.
 */
#include <math.h>

#include "move.h"
#include "needs.h"
#include "program.h"
#include "reduce.h"

static uint32_t mask(int32_t dtype) { return 1u << dtype; }

/* The axes, n of them (-1: even that is not known), come at run time. */
static lr_status infer_unknown(const struct lr_infer *c, int64_t n) {
  const struct lr_reduce_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  if (n > x->rank)
    return lr_infer_fail(c, LR_ERR_VALUE, "it has %lld axes, but x has rank %d", (long long)n, x->rank);
  if (!a->keep_dims && n < 0)
    return lr_infer_fail(
        c, LR_ERR_UNSUPPORTED,
        "the number of axes is not known, so the rank of y is not; keep the dims or give axes "
        "a fixed length");
  y->rank = a->keep_dims ? x->rank : x->rank - (int32_t)n;
  for (int32_t i = 0; i < y->rank; i++) y->dim[i] = a->keep_dims && x->dim[i] == 1 ? 1 : -1;
  return LR_OK;
}

lr_status lr_infer_reduce(struct lr_infer *c) {
  const struct lr_reduce_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  uint32_t ints = mask(LR_I8) | mask(LR_U8) | mask(LR_I16) | mask(LR_U16) | mask(LR_I32) | mask(LR_U32) |
                  mask(LR_I64) | mask(LR_U64);
  uint32_t all = ints | mask(LR_F32) | mask(LR_F16) | mask(LR_F64);
  bool order = a->kind == LR_REDUCE_KIND_MAX || a->kind == LR_REDUCE_KIND_MIN;
  if (!((all | (order ? mask(LR_BOOL) : 0)) & mask(x->dtype)))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "it cannot reduce %s in this way", lr_dtype_name(x->dtype));
  if (a->kind >= LR_REDUCE_KIND_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "it has the unknown kind %u", a->kind);
  if (a->axes >> x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "its axes (mask 0x%x) go beyond the rank %d of x", a->axes,
                         x->rank);
  struct lr_ints given;
  uint32_t axes;
  LR_TRY(lr_axes_infer(c, 1, x->rank, &given, &axes));
  y->dtype = x->dtype;
  y->rank = 0;
  if (!lr_ints_known(&given)) return infer_unknown(c, given.n);
  if (!given.n) axes = a->axes;
  for (int32_t i = 0; i < x->rank; i++) {
    bool reduced = axes >> i & 1;
    if (!reduced)
      y->dim[y->rank++] = x->dim[i];
    else if (a->keep_dims)
      y->dim[y->rank++] = 1;
  }
  return LR_OK;
}

/* ---- prepare ---- */
enum {
  COLUMNS = 256, /* outputs side by side */
  ROW = 1024,    /* elements of a row at once */
  FLUSH = 64     /* f32 sums before f64 */
};

/* What a kind does: which kernel operation, on which accumulator. */
struct params {
  int32_t op;    /* of the kernels */
  int32_t dtype; /* of the accumulator: f32 (its totals are f64), f64, i64, u64 */
  int32_t rank;  /* collapsed dims but for the last */
  int64_t dim[LR_MAX_RANK], stride[LR_MAX_RANK]; /* elements */
  uint8_t reduced[LR_MAX_RANK];
  bool row; /* the last dim is a reduced one */
  int64_t last, last_stride;
  int64_t outputs;     /* rows of outputs: all kept dims, but for the last one when it is not reduced */
  int64_t inner;       /* combinations of the outer reduced dims */
  int64_t count;       /* elements that make one output */
  int64_t tile, tiles; /* outputs of a tile: rows of outputs (row), else columns of one row */
  int64_t row_tiles;
  lr_vcast_fn *cast;
  void (*vreduce)(void), (*hreduce)(void);
  lr_f64_vreduce_fn *flush;
};

static int32_t accumulator(int32_t dtype, uint32_t kind) {
  bool root =
      kind == LR_REDUCE_KIND_L2 || kind == LR_REDUCE_KIND_LOG_SUM || kind == LR_REDUCE_KIND_LOG_SUM_EXP;
  switch (dtype) {
    case LR_F32:
    case LR_F16:
      return kind == LR_REDUCE_KIND_PROD ? LR_F64 : LR_F32; /* partial products over- and underflow */
    case LR_F64:
      return LR_F64;
    case LR_U8:
    case LR_U16:
    case LR_U32:
    case LR_U64:
    case LR_BOOL:
      return root ? LR_F64 : LR_U64;
    default:
      return root ? LR_F64 : LR_I64;
  }
}

int32_t lr_reduce_signatures(int32_t x_dtype, uint32_t kind, enum lr_signature *s) {
  static const uint8_t by_dtype[][2] = {[LR_F32] = {LR_SIG_f32_vreduce, LR_SIG_f32_hreduce},
                                        [LR_F64] = {LR_SIG_f64_vreduce, LR_SIG_f64_hreduce},
                                        [LR_I64] = {LR_SIG_i64_vreduce, LR_SIG_i64_hreduce},
                                        [LR_U64] = {LR_SIG_u64_vreduce, LR_SIG_u64_hreduce}};
  int32_t acc = accumulator(x_dtype, kind);
  const uint8_t *own = by_dtype[acc];
  s[0] = (enum lr_signature)own[0];
  s[1] = (enum lr_signature)own[1];
  s[2] = LR_SIG_f64_vreduce;
  s[3] = LR_SIG_vcast;
  return acc;
}

static int32_t kernel_op(uint32_t kind) {
  switch (kind) {
    case LR_REDUCE_KIND_MEAN:
    case LR_REDUCE_KIND_LOG_SUM:
      return LR_REDUCE_KIND_SUM;
    case LR_REDUCE_KIND_L2:
      return LR_REDUCE_KIND_SUM_SQUARE;
    default:
      return (int32_t)kind;
  }
}

/* What kernels do with the partial results of an operation. */
static int32_t later_op(int32_t op) {
  bool sum = op == LR_REDUCE_KIND_SUM_SQUARE || op == LR_REDUCE_KIND_L1 || op == LR_REDUCE_KIND_LOG_SUM_EXP;
  return sum ? LR_REDUCE_KIND_SUM : op;
}

bool lr_reduce_runs(uint32_t kind, int32_t one) {
  int32_t op = kernel_op(kind);
  return one == op || one == later_op(op) || (op == LR_REDUCE_KIND_LOG_SUM_EXP && one == LR_REDUCE_KIND_MAX);
}

static void set_geometry(struct params *q, const struct lr_view *x, uint32_t axes) {
  int64_t dim[LR_MAX_RANK], stride[1][LR_MAX_RANK];
  uint8_t reduced[LR_MAX_RANK];
  memcpy(dim, x->dim, sizeof dim);
  memcpy(stride[0], x->stride, sizeof stride[0]);
  for (int32_t i = 0; i < x->rank; i++) reduced[i] = axes >> i & 1;
  int32_t rank = lr_collapse(x->rank, dim, reduced, 1, stride);
  q->row = rank == 0 || reduced[rank - 1];
  q->last = rank ? dim[rank - 1] : 1;
  q->last_stride = rank ? stride[0][rank - 1] : 1;
  q->outputs = q->inner = 1;
  for (int32_t i = 0; i < rank - 1; i++) {
    q->dim[i] = dim[i];
    q->stride[i] = stride[0][i];
    q->reduced[i] = reduced[i];
    *(reduced[i] ? &q->inner : &q->outputs) *= dim[i];
  }
  q->rank = rank ? rank - 1 : 0;
  q->count = q->row ? q->inner * q->last : q->inner;
}

static void set_tiles(struct params *q) {
  enum { GRAIN = 16384 };
  if (q->row) {
    q->tile = q->count < GRAIN ? GRAIN / (q->count + 8) + 1 : 1;
    q->row_tiles = 1;
    q->tiles = (q->outputs + q->tile - 1) / q->tile;
    return;
  }
  /* columns: as many as fit, fewer when that leaves threads idle; where the cut is does not change a result
   */
  q->tile = COLUMNS;
  while (q->tile > 16 && q->outputs * (q->last / q->tile) < 16 && q->tile / 2 * q->inner > GRAIN / 4)
    q->tile /= 2;
  q->row_tiles = (q->last + q->tile - 1) / q->tile;
  q->tiles = q->outputs * q->row_tiles;
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_reduce_attrs *a = p->bind.node->attrs;
  struct params *q = p->params = lr_prepare_alloc(p, sizeof *q);
  if (!q) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory for its parameters");
  q->op = kernel_op(a->kind);
  q->dtype = accumulator(p->in[0].dtype, a->kind);
  set_geometry(q, &p->in[0], a->axes);
  set_tiles(q);
  if (q->tiles > INT32_MAX) return lr_prepare_fail(p, LR_ERR_UNSUPPORTED, "x is too large for one reduction");
  enum lr_signature s[LR_REDUCE_KERNELS];
  const struct lr_kernel *k[LR_REDUCE_KERNELS];
  lr_reduce_signatures(p->in[0].dtype, a->kind, s);
  for (int32_t i = 0; i < LR_REDUCE_KERNELS; i++) LR_TRY(lr_find_kernel(&p->bind, s[i], &k[i]));
  for (int32_t i = 0; i < LR_REDUCE_KIND_LIMIT; i++)
    if (lr_reduce_runs(a->kind, i)) LR_TRY(lr_find_case(&p->bind, LR_CASE_REDUCE + i));
  const int32_t cast[] = {p->in[0].dtype, p->out[0].dtype, q->dtype, q->dtype == LR_F32 ? LR_F64 : q->dtype};
  for (int32_t i = 0; i < 4; i++) LR_TRY(lr_find_case(&p->bind, LR_CASE_CAST + cast[i]));
  q->vreduce = k[0]->fn;
  q->hreduce = k[1]->fn;
  q->flush = (lr_f64_vreduce_fn *)k[2]->fn;
  q->cast = (lr_vcast_fn *)k[3]->fn;
  p->kernel = q->row ? k[1]->name : k[0]->name;
  return LR_OK;
}

/* ---- run ---- */
union number {
  double d;
  int64_t i;
  uint64_t u;
};

/* Accumulators of up to COLUMNS outputs. `total` is what they come to; f32 sums run in `part` and go there
 * now and then. */
struct sums {
  union number total[COLUMNS];
  union {
    float f[COLUMNS];
    union number n[COLUMNS];
  } shift; /* of log_sum_exp, in the accumulator's type */
  float part[COLUMNS];
  int64_t pending; /* in part, elements of each */
  uint32_t flushes;
  bool stopped; /* asked now and then: one output may be made of all of x */
  union {
    char bytes[ROW * 8];
    double align;
  } gathered, converted;
};

/* The value that changes nothing; for max and min of integers the dtype's lowest and highest, for an empty
 * reduction. */
static union number identity(int32_t op, int32_t acc, int32_t x_dtype) {
  bool max = op == LR_REDUCE_KIND_MAX, ordered = max || op == LR_REDUCE_KIND_MIN;
  int32_t bits = x_dtype == LR_BOOL ? 1 : 8 * (int32_t)lr_dtype_size(x_dtype);
  union number y;
  switch (acc) {
    case LR_I64:
      y.i = op == LR_REDUCE_KIND_PROD;
      if (ordered)
        y.i = max ? (int64_t)(0 - ((uint64_t)1 << (bits - 1))) : (int64_t)(((uint64_t)1 << (bits - 1)) - 1);
      break;
    case LR_U64:
      y.u = op == LR_REDUCE_KIND_PROD;
      if (ordered) y.u = max ? 0 : UINT64_MAX >> (64 - bits);
      break;
    default:
      y.d = op == LR_REDUCE_KIND_PROD;
      if (ordered) y.d = max ? -INFINITY : INFINITY;
  }
  return y;
}

static void start(struct sums *s, const struct params *q, int32_t op, int32_t x_dtype, int64_t n) {
  union number id = identity(op, q->dtype, x_dtype);
  for (int64_t i = 0; i < n; i++) {
    s->total[i] = id;
    s->part[i] = (float)id.d;
  }
  s->pending = 0;
  s->flushes = 0;
  s->stopped = false;
}

static void flush(struct sums *s, const struct params *q, int32_t op, int64_t n) {
  bool any = s->pending > 0;
  s->pending = 0;
  if (++s->flushes % 64 == 0) s->stopped = lr_stopped();
  if (q->dtype != LR_F32 || !any) return;
  op = later_op(op);
  double part[COLUMNS];
  float id = (float)identity(op, LR_F64, LR_F32).d;
  for (int64_t i = 0; i < n; i++) {
    part[i] = s->part[i];
    s->part[i] = id;
  }
  q->flush(op, (size_t)n, 1, part, 0, NULL, &s->total[0].d);
}

/* n elements at p as the accumulator's type, in a row. */
static const void *fetch(struct sums *s, const struct params *q, int32_t dtype, const char *p, int64_t n) {
  size_t size = lr_dtype_size(dtype);
  const void *x = p;
  if (q->last_stride != 1 && n > 1) {
    lr_gather(size, 1, n, p, 0, q->last_stride, s->gathered.bytes);
    x = s->gathered.bytes;
  }
  if (dtype == q->dtype) return x;
  q->cast(dtype, q->dtype, (size_t)n, x, 1, s->converted.bytes);
  return s->converted.bytes;
}

static void columns_kernel(struct sums *s, const struct params *q, int32_t op, int64_t n, int64_t rows,
                           const void *x, int64_t stride) {
  size_t m = (size_t)n, r = (size_t)rows, step = (size_t)stride;
  const void *shift = &s->shift;
  switch (q->dtype) {
    case LR_F32:
      ((lr_f32_vreduce_fn *)q->vreduce)(op, m, r, x, step, shift, s->part);
      break;
    case LR_F64:
      ((lr_f64_vreduce_fn *)q->vreduce)(op, m, r, x, step, shift, &s->total[0].d);
      break;
    case LR_I64:
      ((lr_i64_vreduce_fn *)q->vreduce)(op, m, r, x, step, shift, &s->total[0].i);
      break;
    default:
      ((lr_u64_vreduce_fn *)q->vreduce)(op, m, r, x, step, shift, &s->total[0].u);
  }
}

static void row_kernel(struct sums *s, const struct params *q, int32_t op, int64_t n, const void *x) {
  const void *shift = &s->shift;
  switch (q->dtype) {
    case LR_F32:
      ((lr_f32_hreduce_fn *)q->hreduce)(op, (size_t)n, x, shift, s->part);
      break;
    case LR_F64:
      ((lr_f64_hreduce_fn *)q->hreduce)(op, (size_t)n, x, shift, &s->total[0].d);
      break;
    case LR_I64:
      ((lr_i64_hreduce_fn *)q->hreduce)(op, (size_t)n, x, shift, &s->total[0].i);
      break;
    default:
      ((lr_u64_hreduce_fn *)q->hreduce)(op, (size_t)n, x, shift, &s->total[0].u);
  }
}

/* Rows of n columns, `step` bytes apart: as they lie in x when the kernel can read them there, else one by
 * one. */
static void add_columns(struct sums *s, const struct params *q, int32_t op, int32_t dtype, const char *p,
                        int64_t n, int64_t rows, int64_t step) {
  int64_t size = (int64_t)lr_dtype_size(dtype);
  bool direct = dtype == q->dtype && (q->last_stride == 1 || n == 1) && step >= 0;
  for (int64_t k; rows && !s->stopped; rows -= k, p += k * step) {
    k = direct ? FLUSH - s->pending : 1;
    if (k > rows) k = rows;
    columns_kernel(s, q, op, n, k, direct ? p : fetch(s, q, dtype, p, n), step / size);
    s->pending += k;
    if (s->pending == FLUSH) flush(s, q, op, n);
  }
}

/* Rows of n elements, which all come to one output. */
static void add_rows(struct sums *s, const struct params *q, int32_t op, int32_t dtype, const char *p,
                     int64_t n, int64_t rows, int64_t step) {
  int64_t size = (int64_t)lr_dtype_size(dtype);
  for (; rows && !s->stopped; rows--, p += step)
    for (int64_t at = 0, m; at < n && !s->stopped; at += m) {
      m = n - at < ROW ? n - at : ROW;
      row_kernel(s, q, op, m, fetch(s, q, dtype, p + at * q->last_stride * size, m));
      s->pending += m;
      if (s->pending >= ROW) flush(s, q, op, 1);
    }
}

/* Goes over all combinations of the outer reduced dims; `base` is where the kept dims say, n columns (or one
 * row) each. */
static void walk(struct sums *s, const struct params *q, int32_t op, int32_t dtype, const char *base,
                 int64_t n) {
  int64_t index[LR_MAX_RANK] = {0}, size = (int64_t)lr_dtype_size(dtype), outputs = q->row ? 1 : n;
  int32_t rank = q->rank;
  while (rank && !q->reduced[rank - 1]) rank--; /* the innermost reduced dim is a loop of rows */
  int64_t rows = rank ? q->dim[rank - 1] : 1, step = rank ? q->stride[rank - 1] * size : 0;
  start(s, q, op, dtype, outputs);
  for (int64_t k = 0; k < q->inner && n && !s->stopped; k += rows) {
    if (q->row)
      add_rows(s, q, op, dtype, base, n, rows, step);
    else
      add_columns(s, q, op, dtype, base, n, rows, step);
    for (int32_t i = rank - 2; i >= 0; i--) {
      if (!q->reduced[i]) continue;
      base += q->stride[i] * size;
      if (++index[i] < q->dim[i]) break;
      base -= q->dim[i] * q->stride[i] * size;
      index[i] = 0;
    }
  }
  flush(s, q, op, outputs);
}

/* log_sum_exp: the maxima, which the second pass takes away. Infinite ones are left in place: Inf - Inf is
 * not a number. */
static void find_shift(struct sums *s, const struct params *q, int32_t dtype, const char *base, int64_t n) {
  walk(s, q, LR_REDUCE_KIND_MAX, dtype, base, n);
  for (int64_t i = 0; i < (q->row ? 1 : n); i++) {
    double m = s->total[i].d;
    if (!isfinite(m)) m = 0;
    if (q->dtype == LR_F32)
      s->shift.f[i] = (float)m;
    else
      s->shift.n[i].d = m;
  }
}

static void finish(struct sums *s, const struct params *q, uint32_t kind, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    union number *t = &s->total[i];
    if (kind == LR_REDUCE_KIND_LOG_SUM_EXP)
      t->d = log(t->d) + (q->dtype == LR_F32 ? s->shift.f[i] : s->shift.n[i].d);
    else if (kind == LR_REDUCE_KIND_L2)
      t->d = sqrt(t->d);
    else if (kind == LR_REDUCE_KIND_LOG_SUM)
      t->d = log(t->d);
    else if (kind != LR_REDUCE_KIND_MEAN)
      continue;
    else if (q->dtype == LR_I64)
      t->i = q->count ? t->i / q->count : 0;
    else if (q->dtype == LR_U64)
      t->u = q->count ? t->u / (uint64_t)q->count : 0;
    else
      t->d /= (double)q->count;
  }
}

struct job {
  const struct lr_run *r;
  const struct params *q;
  uint32_t kind;
};

/* One row of outputs, or the columns of it from `col` on. */
static void reduce_row(const struct job *j, struct sums *s, int64_t row, int64_t col, int64_t n) {
  const struct params *q = j->q;
  const struct lr_view *x = &j->r->in[0], *y = &j->r->out[0];
  int64_t size = (int64_t)lr_dtype_size(x->dtype), outputs = q->row ? 1 : n, at = row;
  const char *base = (const char *)x->data + col * q->last_stride * size;
  for (int32_t i = q->rank - 1; i >= 0; i--)
    if (!q->reduced[i]) {
      base += at % q->dim[i] * q->stride[i] * size;
      at /= q->dim[i];
    }
  if (j->kind == LR_REDUCE_KIND_LOG_SUM_EXP) find_shift(s, q, x->dtype, base, n);
  walk(s, q, q->op, x->dtype, base, n);
  finish(s, q, j->kind, outputs);
  char *to = (char *)y->data + (q->row ? row : row * q->last + col) * size;
  q->cast(q->dtype == LR_F32 ? LR_F64 : q->dtype, y->dtype, (size_t)outputs, s->total, 1, to);
}

static void run_tile(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  const struct params *q = j->q;
  struct sums s;
  if (!q->row) {
    int64_t col = i % q->row_tiles * q->tile, n = q->last - col;
    reduce_row(j, &s, i / q->row_tiles, col, n < q->tile ? n : q->tile);
    return;
  }
  int64_t from = i * q->tile, to = from + q->tile < q->outputs ? from + q->tile : q->outputs;
  for (int64_t row = from; row < to; row++) reduce_row(j, &s, row, 0, q->last);
}

/* Axes that are an input are looked at now: the plan may not have known them. */
static lr_status read_axes(struct lr_run *r, struct params *q) {
  const struct lr_reduce_attrs *a = r->node->attrs;
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  uint32_t axes;
  LR_TRY(lr_axes_run(r, 1, x->rank, &axes));
  if (!r->in[1].dim[0]) axes = a->axes;
  set_geometry(q, x, axes);
  set_tiles(q);
  int64_t outputs = q->outputs * (q->row ? 1 : q->last);
  if (outputs != lr_view_count(y) || q->tiles > INT32_MAX)
    return lr_run_fail(r, LR_ERR_VALUE, "its axes give %lld elements, but y has %lld", (long long)outputs,
                       (long long)lr_view_count(y));
  return LR_OK;
}

static lr_status run(struct lr_run *r) {
  const struct lr_reduce_attrs *a = r->node->attrs;
  struct params q = *(const struct params *)r->params;
  struct job j = {.r = r, .q = &q, .kind = a->kind};
  if (r->in[1].data) LR_TRY(read_axes(r, &q));
  lr_parallel(r->pool, (int32_t)q.tiles, run_tile, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_reduce = {.flags = LR_IMPL_STRIDED_IN, .prepare = prepare, .run = run};
