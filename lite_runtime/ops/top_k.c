/* top_k: the largest elements along an axis, by a heap of the k best found so far. */
#include "move.h"
#include "order.h"
#include "pool.h"

enum { PIECE = 256 };

lr_status lr_infer_top_k(struct lr_infer *c) {
  const struct lr_top_k_attrs *a = c->attrs;
  const struct lr_type *x = &c->in[0];
  struct lr_ints k;
  LR_TRY(lr_move_axis(c, a->axis, x->rank));
  if (!lr_order_has(x->dtype))
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s, which has no order here", lr_dtype_name(x->dtype));
  LR_TRY(lr_ints_infer(c, 1, "k", &k));
  if (!k.dtype || (k.n >= 0 && k.n != 1))
    return lr_infer_fail(c, LR_ERR_MODEL, "k has %lld elements, but must have one", (long long)k.n);
  c->out[0] = c->out[1] = *x;
  c->out[1].dtype = LR_I64;
  int64_t n = lr_ints_known(&k) ? lr_ints_at(&k, 0) : -1, size = x->dim[a->axis];
  if (lr_ints_known(&k) && n < 0)
    return lr_infer_fail(c, LR_ERR_VALUE, "k is %lld, but must not be negative", (long long)n);
  if (size >= 0 && n > size)
    return lr_infer_fail(c, LR_ERR_VALUE, "k is %lld, but axis %d of x has size %lld", (long long)n, a->axis,
                         (long long)size);
  c->out[0].dim[a->axis] = c->out[1].dim[a->axis] = n < 0 ? -1 : n;
  LR_TRY(lr_move_output(c, 0));
  return lr_move_output(c, 1);
}

struct job {
  const struct lr_view *x;
  const struct lr_view *values;
  int64_t *indices;
  struct lr_around at;
  int64_t k;
  struct lr_entry *heaps; /* k each: one a thread, or one a row when there are fewer rows */
  bool heap_a_row;
  bool down;
};

/* The k first of n elements, `inner` apart, in `heap`. False when the run is stopped. */
static bool select_row(const struct job *j, const char *x, struct lr_entry *heap) {
  int64_t size = (int64_t)lr_dtype_size(j->x->dtype), k = j->k;
  uint64_t keys[PIECE];
  for (int64_t at = 0, n; at < j->at.n; at += n) {
    if (at % (4 * PIECE) == 0 && lr_stopped()) return false;
    n = j->at.n - at < PIECE ? j->at.n - at : PIECE;
    lr_order_keys(j->x->dtype, j->down, j->down ? LR_NAN_BELOW : LR_NAN_ABOVE, n, x + at * j->at.inner * size,
                  j->at.inner, keys);
    for (int64_t i = 0; i < n; i++) {
      struct lr_entry e = {keys[i], at + i};
      if (e.index < k) {
        heap[e.index] = e;
        if (e.index == k - 1 && !lr_heap_make(heap, k)) return false;
      } else if (e.key > heap[0].key) { /* an equal one comes later: its index is larger */
        heap[0] = e;
        lr_heap_sink(heap, k, 0);
      }
    }
  }
  lr_heap_sort(heap, k);
  return true;
}

static void body(void *context, int64_t row, int64_t end, int32_t thread) {
  const struct job *j = context;
  size_t size = lr_dtype_size(j->x->dtype);
  for (; row < end; row++) {
    struct lr_entry *heap = j->heaps + (j->heap_a_row ? row : thread) * j->k;
    int64_t outer = row / j->at.inner, inner = row % j->at.inner;
    const char *x = (const char *)j->x->data + (size_t)(outer * j->at.n * j->at.inner + inner) * size;
    if (!select_row(j, x, heap)) return;
    for (int64_t i = 0; i < j->k && !(i % 16384 == 16383 && lr_stopped()); i++) {
      int64_t to = (outer * j->k + i) * j->at.inner + inner;
      memcpy((char *)j->values->data + (size_t)to * size, x + (size_t)(heap[i].index * j->at.inner) * size,
             size);
      j->indices[to] = heap[i].index;
    }
  }
}

static lr_status prepare(struct lr_prepare *p) {
  const struct lr_top_k_attrs *a = p->bind.node->attrs;
  struct lr_around at = lr_around_axis(&p->in[0], a->axis);
  int64_t rows = at.outer * at.inner, heaps = rows < p->threads ? rows : p->threads;
  p->scratch = (uint64_t)p->out[0].dim[a->axis] * (uint64_t)heaps * sizeof(struct lr_entry);
  return LR_OK;
}

static lr_status run(struct lr_run *r) {
  const struct lr_top_k_attrs *a = r->node->attrs;
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct lr_ints k = lr_ints_view(r->in, r->n_in, 1, NULL);
  struct job j = {.x = x, .values = y, .indices = r->out[1].data, .at = lr_around_axis(x, a->axis)};
  j.k = lr_ints_at(&k, 0);
  if (k.n != 1 || j.k != y->dim[a->axis] || j.k > j.at.n)
    return lr_run_fail(r, LR_ERR_VALUE, "k is %lld, but axis %d has size %lld in x and %lld in y",
                       (long long)j.k, a->axis, (long long)j.at.n, (long long)y->dim[a->axis]);
  j.heaps = r->scratch;
  j.down = a->smallest;
  int64_t rows = j.at.outer * j.at.inner;
  j.heap_a_row = rows < lr_pool_threads(r->pool);
  lr_move_rows(r->pool, rows, 4 * j.at.n, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_top_k = {.prepare = prepare, .run = run};
