/* non_max_suppression: ONNX's NonMaxSuppression, as onnxruntime does it: candidates come from a heap, best first, of equal ones
 * the first box. */
#include "move.h"
#include "order.h"

lr_status lr_infer_non_max_suppression(struct lr_infer *c) {
  const struct lr_type *boxes = &c->in[0], *scores = &c->in[1];
  struct lr_ints most;
  lr_dim four = 4, n = -1, batch = -1;
  if (boxes->dtype != LR_F32 || scores->dtype != LR_F32)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "boxes are %s and scores %s; both must be f32",
                         lr_dtype_name(boxes->dtype), lr_dtype_name(scores->dtype));
  bool fits = boxes->rank == 3 && scores->rank == 3 && lr_dim_unify(&four, boxes->dim[2]) &&
              lr_dim_unify(&batch, boxes->dim[0]) && lr_dim_unify(&batch, scores->dim[0]) &&
              lr_dim_unify(&n, boxes->dim[1]) && lr_dim_unify(&n, scores->dim[2]);
  if (!fits)
    return lr_infer_fail(c, LR_ERR_MODEL,
                         "boxes must be [B N 4] and scores [B C N]; they have ranks %d and %d", boxes->rank,
                         scores->rank);
  LR_TRY(lr_ints_infer(c, 2, "max_output", &most));
  if (most.n >= 0 && most.n != 1)
    return lr_infer_fail(c, LR_ERR_MODEL, "max_output has %lld elements, but must have one",
                         (long long)most.n);
  for (int32_t i = 3; i < 5; i++)
    if (lr_infer_has(c, i) && (c->in[i].dtype != LR_F32 || c->in[i].rank))
      return lr_infer_fail(c, LR_ERR_MODEL, "a threshold is not a f32 scalar");
  lr_dim each = n;
  if (lr_ints_known(&most)) {
    int64_t k = lr_ints_at(&most, 0);
    each = k <= 0 ? 0 : n < 0 ? -1 : k < n ? k : n;
  } else if (n) {
    each = -1;
  }
  const lr_dim all[] = {batch, scores->dim[1], each};
  c->out[0] = (struct lr_type){.dtype = LR_I64, .rank = 2, .dim = {lr_dim_product(all, 3), 3}};
  if (c->out[0].dim[0] < -1) c->out[0].dim[0] = -1;
  c->out[1] = (struct lr_type){.dtype = LR_I64, .rank = 1, .dim = {1}};
  return lr_move_output(c, 0);
}

struct corners {
  float y1, x1, y2, x2;
};

static struct corners corners_of(const float *b, bool center) {
  if (center) return (struct corners){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  return (struct corners){b[0] < b[2] ? b[0] : b[2], b[1] < b[3] ? b[1] : b[3], b[0] < b[2] ? b[2] : b[0],
                          b[1] < b[3] ? b[3] : b[1]};
}

/* Do two boxes overlap by more than `iou` of what they cover together? */
static bool overlap(struct corners a, struct corners b, float iou) {
  float y1 = a.y1 > b.y1 ? a.y1 : b.y1, y2 = a.y2 < b.y2 ? a.y2 : b.y2;
  float x1 = a.x1 > b.x1 ? a.x1 : b.x1, x2 = a.x2 < b.x2 ? a.x2 : b.x2;
  if (y2 <= y1 || x2 <= x1) return false;
  float both = (y2 - y1) * (x2 - x1);
  float area_a = (a.y2 - a.y1) * (a.x2 - a.x1), area_b = (b.y2 - b.y1) * (b.x2 - b.x1);
  if (area_a <= 0 || area_b <= 0) return false;
  float all = area_a + area_b - both;
  return all > 0 && both / all > iou;
}

struct job {
  const struct lr_run *r;
  bool center, any_score;
  float iou, score;
  int64_t n, most; /* boxes; room for results of one class */
  struct lr_entry *heaps;
  int64_t *found; /* of each batch and class */
};

/* A heap of the boxes that score enough; their number, 0 when the run is stopped. */
static int64_t candidates(const struct job *j, const float *scores, struct lr_entry *heap) {
  int64_t n = 0;
  for (int64_t i = 0; i < j->n; i++) {
    if (i % 16384 == 16383 && lr_stopped()) return 0;
    if (!(j->any_score || scores[i] > j->score)) continue;
    lr_order_keys(LR_F32, false, LR_NAN_ABOVE, 1, scores + i, 1, &heap[n].key);
    heap[n].key = ~heap[n].key; /* the heap has what comes last at its top: so turn the order round */
    heap[n++].index = -i;
  }
  return lr_heap_make(heap, n) ? n : 0;
}

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  int64_t classes = j->r->in[1].dim[1], batch = task / classes, left, found = 0;
  const float *boxes = (const float *)j->r->in[0].data + batch * j->n * 4;
  int64_t *y = (int64_t *)j->r->out[0].data + (int64_t)task * j->most * 3;
  struct lr_entry *heap = j->heaps + (int64_t)thread * j->n;
  left = candidates(j, (const float *)j->r->in[1].data + (int64_t)task * j->n, heap);
  while (left && found < j->most && !(left % 64 == 0 && lr_stopped())) {
    int64_t box = -heap[0].index;
    heap[0] = heap[--left];
    lr_heap_sink(heap, left, 0);
    struct corners c = corners_of(boxes + box * 4, j->center);
    bool free = true;
    for (int64_t k = 0; k < found && free; k++)
      free = !overlap(c, corners_of(boxes + y[k * 3 + 2] * 4, j->center), j->iou);
    if (!free) continue;
    y[found * 3] = batch;
    y[found * 3 + 1] = task % classes;
    y[found++ * 3 + 2] = box;
  }
  j->found[task] = found;
}

static lr_status prepare(struct lr_prepare *p) {
  uint64_t n = (uint64_t)p->in[0].dim[1],
           tasks = n ? (uint64_t)p->in[1].dim[0] * (uint64_t)p->in[1].dim[1] : 0;
  p->scratch = (uint64_t)p->threads * n * sizeof(struct lr_entry) + tasks * sizeof(int64_t);
  return LR_OK;
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *boxes = &r->in[0], *scores = &r->in[1], *y = &r->out[0];
  struct lr_ints most = lr_ints_view(r->in, r->n_in, 2, NULL);
  int64_t tasks = boxes->dim[1] ? scores->dim[0] * scores->dim[1] : 0, count = 0, *to = y->data;
  struct job j = {.r = r, .n = boxes->dim[1], .found = r->scratch};
  j.center = ((const struct lr_non_max_suppression_attrs *)r->node->attrs)->center;
  j.any_score = !r->in[4].data;
  if (r->in[3].data) memcpy(&j.iou, r->in[3].data, sizeof j.iou);
  if (r->in[4].data) memcpy(&j.score, r->in[4].data, sizeof j.score);
  int64_t k = most.n == 1 ? lr_ints_at(&most, 0) : 0;
  j.most = k < 0 ? 0 : k < j.n ? k : j.n;
  if (boxes->dim[2] != 4 || boxes->dim[0] != scores->dim[0] || scores->dim[2] != j.n ||
      tasks * j.most != y->dim[0] || tasks > INT32_MAX)
    return lr_run_fail(r, LR_ERR_VALUE, "boxes, scores and max_output %lld do not give the %lld rows of y",
                       (long long)k, (long long)y->dim[0]);
  j.heaps = (struct lr_entry *)(void *)(j.found + tasks);
  lr_parallel(r->pool, (int32_t)tasks, body, &j);
  for (int64_t t = 0; t < tasks && !lr_stopped(); t++) {
    memmove(to + count * 3, to + t * j.most * 3, (size_t)j.found[t] * 3 * sizeof *to);
    count += j.found[t];
  }
  lr_copy_bytes(to + count * 3, NULL, (size_t)(y->dim[0] - count) * 3 * sizeof *to);
  *(int64_t *)r->out[1].data = count;
  return LR_OK;
}

const struct lr_impl lr_cpu_non_max_suppression = {.prepare = prepare, .run = run};
