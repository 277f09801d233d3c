/* unique: the different slices along an axis, found by sorting their indices. */
#include "move.h"
#include "order.h"

enum { ASK = 16384 }; /* elements compared between two looks at whether to stop */

lr_status lr_infer_unique(struct lr_infer *c) {
  const struct lr_unique_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  LR_TRY(lr_move_axis(c, a->axis, x->rank));
  if (!lr_order_has(x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s, which has no order here", lr_dtype_name(x->dtype));
  c->out[0] = *x;
  for (int32_t i = 1; i < 4; i++)
    c->out[i] = (struct lr_type){.dtype = LR_I64, .rank = 1, .dim = {x->dim[a->axis]}};
  c->out[4] = (struct lr_type){.dtype = LR_I64, .rank = 1, .dim = {1}};
  return lr_move_output(c, 1);
}

/* n slices of m elements each; keys of slice i from i * m on. */
struct slices {
  uint64_t *keys;
  int64_t *order, *spare;
  int64_t n, m;
};

static int compare(const struct slices *s, int64_t a, int64_t b) {
  const uint64_t *p = s->keys + a * s->m, *q = s->keys + b * s->m;
  for (int64_t i = 0; i < s->m; i++) {
    if (p[i] != q[i]) return p[i] < q[i] ? -1 : 1;
    if (i % ASK == ASK - 1 && lr_stopped()) return 0;
  }
  return 0;
}

/* Counts elements that are compared; true when it is time to stop. */
static bool enough(const struct slices *s, int64_t *done) {
  *done += s->m + 1;
  if (*done <= ASK) return false;
  *done = 0;
  return lr_stopped();
}

/* Merge sort of s->order, which keeps equal slices in the order of their indices. False when the run is stopped. */
static bool sort(struct slices *s) {
  int64_t done = 0;
  for (int64_t i = 0; i < s->n; i++) s->order[i] = i;
  for (int64_t width = 1; width < s->n; width *= 2) {
    for (int64_t lo = 0; lo < s->n; lo += 2 * width) {
      int64_t mid = lo + width < s->n ? lo + width : s->n, hi = lo + 2 * width < s->n ? lo + 2 * width : s->n;
      for (int64_t i = lo, j = mid, k = lo; k < hi; k++) {
        if (enough(s, &done)) return false;
        bool left = i < mid && (j >= hi || compare(s, s->order[i], s->order[j]) <= 0);
        s->spare[k] = s->order[left ? i++ : j++];
      }
    }
    int64_t *t = s->order;
    s->order = s->spare;
    s->spare = t;
  }
  return true;
}

struct keys_job {
  const struct slices *s;
  const struct lr_view *x;
  struct lr_around at;
  int64_t pieces; /* of what lies behind the axis */
};

static void some_keys(void *context, int64_t piece, int64_t end, int32_t thread) {
  const struct keys_job *j = context;
  int64_t size = (int64_t)lr_dtype_size(j->x->dtype), inner = j->at.inner;
  for (; piece < end; piece++) {
    int64_t row = piece / j->pieces, o = row / j->at.n, i = row % j->at.n, from = piece % j->pieces * ASK;
    lr_order_keys(j->x->dtype, false, LR_NAN_ABOVE, inner - from < ASK ? inner - from : ASK,
                  (const char *)j->x->data + (row * inner + from) * size, 1,
                  j->s->keys + i * j->s->m + o * inner + from);
  }
}

static void make_keys(struct lr_pool *pool, const struct slices *s, const struct lr_view *x,
                      struct lr_around at) {
  struct keys_job j = {s, x, at, (at.inner + ASK - 1) / ASK};
  lr_move_rows(pool, at.outer * at.n * j.pieces, 16 * (at.inner < ASK ? at.inner : ASK), some_keys, &j);
}

/* Numbers the different slices: `indices` has where each comes first, inverse and counts are theirs. In sorted order, or
 * (`first` order) by where they come first. Returns their number, -1 when the run is stopped. */
static int64_t number(struct slices *s, bool sorted, int64_t *indices, int64_t *inverse, int64_t *counts) {
  int64_t *first = s->spare, found = 0, done = 0; /* first: of each slice, the first that equals it */
  for (int64_t i = 0; i < s->n; i++) {
    int64_t me = s->order[i];
    if (enough(s, &done)) return -1;
    first[me] = i && !compare(s, s->order[i - 1], me) ? first[s->order[i - 1]] : me;
  }
  for (int64_t i = 0; i < s->n; i++) {
    int64_t me = sorted ? s->order[i] : i;
    if (i % ASK == ASK - 1 && lr_stopped()) return -1;
    if (first[me] == me) {
      indices[found] = me;
      counts[found] = 0;
      inverse[me] = found++;
    }
  }
  for (int64_t i = 0; i < s->n; i++) {
    if (i % ASK == ASK - 1 && lr_stopped()) return -1;
    inverse[i] = inverse[first[i]];
    counts[inverse[i]]++;
  }
  return found;
}

struct output {
  char *y;
  const char *x;
  const int64_t *indices;
  int64_t n, found;
  size_t block;
};

/* Slices of y: the different ones, then zeros. */
static void write(void *context, int64_t row, int64_t end, int32_t thread) {
  const struct output *j = context;
  for (; row < end; row++) {
    int64_t i = row % j->n;
    const char *from = i < j->found ? j->x + (size_t)(row - i + j->indices[i]) * j->block : NULL;
    lr_copy_bytes(j->y + (size_t)row * j->block, from, j->block);
  }
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_unique_attrs *a = p->bind.node->attrs;
  p->scratch = ((uint64_t)lr_view_count(&p->in[0]) + 2 * (uint64_t)p->in[0].dim[a->axis]) * sizeof(uint64_t);
  return LR_OK;
}

static lr_status run(struct lr_run *r) {
  const struct lr_unique_attrs *a = r->node->attrs;
  const struct lr_view *x = &r->in[0];
  struct lr_around at = lr_around_axis(x, a->axis);
  int64_t *indices = r->out[1].data, *inverse = r->out[2].data, *counts = r->out[3].data;
  if (r->out[1].dim[0] != at.n)
    return lr_run_fail(r, LR_ERR_VALUE, "y has room for %lld slices, but x has %lld",
                       (long long)r->out[1].dim[0], (long long)at.n);
  struct slices s = {.keys = r->scratch, .n = at.n, .m = at.outer * at.inner};
  s.order = (int64_t *)s.keys + s.n * s.m;
  s.spare = s.order + s.n;
  make_keys(r->pool, &s, x, at);
  if (!sort(&s)) return LR_OK;
  int64_t found = number(&s, a->sorted, indices, inverse, counts);
  if (found < 0) return LR_OK;
  struct output y = {r->out[0].data, x->data, indices,
                     at.n,           found,   (size_t)at.inner * lr_dtype_size(x->dtype)};
  lr_move_rows(r->pool, at.outer * at.n, (int64_t)y.block + 8, write, &y);
  lr_copy_bytes(indices + found, NULL, (size_t)(at.n - found) * sizeof *indices);
  lr_copy_bytes(counts + found, NULL, (size_t)(at.n - found) * sizeof *counts);
  *(int64_t *)r->out[4].data = found;
  return LR_OK;
}

const struct lr_impl lr_cpu_unique = {.prepare = prepare, .run = run};
