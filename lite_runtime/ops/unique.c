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
  for (int64_t i = 0; i < s->m; i++)
    if (p[i] != q[i]) return p[i] < q[i] ? -1 : 1;
  return 0;
}

/* Merge sort of s->order, which keeps equal slices in the order of their indices. False when the run is stopped. */
static bool sort(struct slices *s) {
  int64_t done = 0;
  for (int64_t i = 0; i < s->n; i++) s->order[i] = i;
  for (int64_t width = 1; width < s->n; width *= 2) {
    for (int64_t lo = 0; lo < s->n; lo += 2 * width) {
      int64_t mid = lo + width < s->n ? lo + width : s->n, hi = lo + 2 * width < s->n ? lo + 2 * width : s->n;
      for (int64_t i = lo, j = mid, k = lo; k < hi; k++) {
        if ((done += s->m + 1) > ASK) {
          if (lr_stopped()) return false;
          done = 0;
        }
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

static void make_keys(const struct slices *s, const struct lr_view *x, struct lr_around at) {
  size_t size = lr_dtype_size(x->dtype);
  for (int64_t i = 0; i < s->n; i++)
    for (int64_t o = 0; o < at.outer; o++)
      lr_order_keys(x->dtype, false, LR_NAN_ABOVE, at.inner,
                    (const char *)x->data + (size_t)((o * at.n + i) * at.inner) * size, 1,
                    s->keys + i * s->m + o * at.inner);
}

/* Numbers the different slices: `indices` has where each comes first, inverse and counts are theirs. In sorted order, or
 * (`first` order) by where they come first. */
static int64_t number(struct slices *s, bool sorted, int64_t *indices, int64_t *inverse, int64_t *counts) {
  int64_t *first = s->spare, found = 0; /* of each slice, the first that equals it */
  for (int64_t i = 0; i < s->n; i++) {
    int64_t me = s->order[i];
    first[me] = i && !compare(s, s->order[i - 1], me) ? first[s->order[i - 1]] : me;
  }
  for (int64_t i = 0; i < s->n; i++) {
    int64_t me = sorted ? s->order[i] : i;
    if (first[me] == me) {
      indices[found] = me;
      counts[found] = 0;
      inverse[me] = found++;
    }
  }
  for (int64_t i = 0; i < s->n; i++) {
    inverse[i] = inverse[first[i]];
    counts[inverse[i]]++;
  }
  return found;
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_unique_attrs *a = p->bind.node->attrs;
  p->scratch = ((size_t)lr_view_count(&p->in[0]) + 2 * (size_t)p->in[0].dim[a->axis]) * sizeof(uint64_t);
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
  make_keys(&s, x, at);
  if (!sort(&s)) return LR_OK;
  int64_t found = number(&s, a->sorted, indices, inverse, counts);
  size_t block = (size_t)at.inner * lr_dtype_size(x->dtype);
  for (int64_t o = 0; o < at.outer; o++)
    for (int64_t i = 0; i < at.n; i++) {
      char *to = (char *)r->out[0].data + (size_t)(o * at.n + i) * block;
      if (i < found)
        memcpy(to, (const char *)x->data + (size_t)(o * at.n + indices[i]) * block, block);
      else
        memset(to, 0, block);
    }
  memset(indices + found, 0, (size_t)(at.n - found) * sizeof *indices);
  memset(counts + found, 0, (size_t)(at.n - found) * sizeof *counts);
  *(int64_t *)r->out[4].data = found;
  return LR_OK;
}

const struct lr_impl lr_cpu_unique = {.prepare = prepare, .run = run};
