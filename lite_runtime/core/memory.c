/* Where tensors live: views instead of copies, in-place steps, outputs written straight into concatenations, and an arena
 * in which memory is used again when a tensor is dead. */
#include "session.h"

/* Above this many buffers the quadratic search for gaps would take seconds; then no memory is used twice. */
enum { MAX_GAP_SEARCH = 20000 };

static struct lr_plan_tensor *root_of(struct lr_plan *p, int32_t t) { return &p->tensor[p->tensor[t].root]; }

/* ---- who reads what ---- */
struct readers { /* steps that read tensor t: list[start[t] .. start[t + 1] - 1] */
  int32_t *start, *list;
};

static lr_status find_readers(lr_session *s, struct readers *r, lr_error *error) {
  struct lr_plan *p = &s->plan;
  size_t uses = 0;
  for (int32_t i = 0; i < lr_steps(p); i++) uses += (size_t)p->step[i].n_in;
  r->start = lr_arena_alloc(&p->arena, ((size_t)p->n_tensors + 2) * sizeof *r->start);
  r->list = lr_arena_alloc(&p->arena, (uses + 1) * sizeof *r->list);
  if (!r->start || !r->list || uses > INT32_MAX) return lr_fail(error, LR_ERR_MEMORY, "plan: out of memory");
  int32_t *count = r->start + 1; /* filled one place to the right, so that it ends as start */
  for (int32_t i = 0; i < lr_steps(p); i++)
    for (int32_t k = 0; k < p->step[i].n_in; k++)
      if (p->step[i].in[k] >= 0) count[p->step[i].in[k] + 1]++;
  for (int32_t t = 0; t < p->n_tensors; t++) count[t + 1] += count[t];
  for (int32_t i = 0; i < lr_steps(p); i++)
    for (int32_t k = 0; k < p->step[i].n_in; k++)
      if (p->step[i].in[k] >= 0) r->list[count[p->step[i].in[k]]++] = i;
  return LR_OK;
}

static void find_lives(lr_session *s) {
  struct lr_plan *p = &s->plan;
  for (int32_t i = 0; i < lr_steps(p); i++) {
    struct lr_plan_step *st = &p->step[i];
    for (int32_t k = 0; k < st->n_in + st->n_out; k++) {
      if (st->in[k] < 0) continue;
      struct lr_plan_tensor *t = &p->tensor[st->in[k]];
      if (t->first > i) t->first = i;
      if (t->last < i) t->last = i;
      if (k >= st->n_in) t->producer = i;
    }
  }
  for (int32_t i = 0; i < p->n_tensors; i++) lr_dense_strides(&p->tensor[i].type, p->tensor[i].stride);
  /* what is read after the last step lives to the end */
  for (int32_t i = 0; i < s->n_io[LR_OUTPUT]; i++) p->tensor[s->io[LR_OUTPUT][i].tensor].last = p->n_steps;
  for (int32_t i = 0; i < s->n_io[LR_STATE]; i++)
    if (s->io[LR_STATE][i].def->state_source >= 0) {
      struct lr_plan_tensor *t = &p->tensor[s->io[LR_STATE][i].def->state_source];
      t->last = p->n_steps;
      t->apart = true;
    }
}

/* ---- views ---- */
static struct lr_view view_of(const struct lr_plan_tensor *t) {
  struct lr_view v = {.dtype = t->type.dtype, .rank = t->type.rank};
  memcpy(v.dim, t->type.dim, sizeof v.dim);
  memcpy(v.stride, t->stride, sizeof v.stride);
  return v;
}

/* Can every reader of t work on these strides? */
static bool readers_accept(const struct lr_plan *p, const struct readers *r, int32_t t,
                           const struct lr_view *v) {
  if (lr_view_dense(v)) return true;
  int32_t last = v->rank - 1;
  bool last_dense = v->dim[last] == 1 || v->stride[last] == 1;
  if (!last_dense && v->stride[last] != 0) return false; /* allowed, but slower than a copy */
  for (int32_t i = r->start[t]; i < r->start[t + 1]; i++) {
    const struct lr_plan_step *st = &p->step[r->list[i]];
    if (st->device || st->dynamic || !(st->impl->flags & LR_IMPL_STRIDED_IN)) return false;
    if ((st->impl->flags & LR_IMPL_LAST_DENSE) && !last_dense) return false;
    for (int32_t k = 1; (st->impl->flags & LR_IMPL_FIRST_ONLY) && k < st->node->n_own; k++)
      if (st->in[k] == t) return false;
  }
  return true;
}

static void extend_life(struct lr_plan_tensor *root, const struct lr_plan_tensor *t) {
  if (root->first > t->first) root->first = t->first;
  if (root->last < t->last) root->last = t->last;
}

/* Makes t a part of another tensor's memory. */
static void put_into(struct lr_plan *p, int32_t t, int32_t in, int64_t offset, const struct lr_view *v) {
  struct lr_plan_tensor *x = &p->tensor[t], *host = &p->tensor[in];
  x->root = host->root;
  x->offset = host->offset + offset;
  memcpy(x->stride, v->stride, sizeof x->stride);
  p->tensor[x->root].viewed = true;
  host->viewed = true;
  extend_life(&p->tensor[x->root], x);
}

static void try_views(struct lr_plan *p, const struct readers *r, int32_t step) {
  struct lr_plan_step *st = &p->step[step];
  if (st->dynamic || st->device || !(st->impl->flags & LR_IMPL_VIEW) || st->in[0] < 0) return;
  const struct lr_plan_tensor *x = &p->tensor[st->in[0]];
  if (x->place == LR_AT_DYNAMIC) return;
  const void *value[LR_MAX_INPUTS];
  if (st->n_in > LR_MAX_INPUTS) return;
  for (int32_t k = 0; k < st->n_in; k++) {
    value[k] = st->in[k] < 0 ? NULL : p->tensor[st->in[k]].value;
    st->view[k] = st->in[k] < 0 ? (struct lr_view){0} : view_of(&p->tensor[st->in[k]]);
  }
  bool all = true;
  for (int32_t k = 0; k < st->n_out; k++) {
    struct lr_view out = view_of(&p->tensor[st->out[k]]);
    bool temp = p->tensor[st->out[k]].place == LR_AT_ARENA && !p->tensor[st->out[k]].apart;
    int64_t offset = temp ? st->impl->view(st->node, st->view, value, k, &out) : -1;
    if (offset >= 0 && readers_accept(p, r, st->out[k], &out))
      put_into(p, st->out[k], st->in[0], offset, &out);
    else
      all = false;
  }
  st->nothing = all;
}

/* ---- concat: its inputs are made where they are needed ---- */
static bool may_move(const struct lr_plan *p, int32_t t) {
  const struct lr_plan_tensor *x = &p->tensor[t];
  if (x->place != LR_AT_ARENA || x->apart || x->root != t || x->viewed || x->producer < 0) return false;
  const struct lr_plan_step *st = &p->step[x->producer];
  return !st->dynamic && !st->device && (st->impl->flags & LR_IMPL_STRIDED_OUT);
}

static void try_concat(struct lr_plan *p, const struct readers *r, int32_t step) {
  struct lr_plan_step *st = &p->step[step];
  if (st->dynamic || st->device || st->node->op != LR_OP_CONCAT) return;
  const struct lr_plan_tensor *y = &p->tensor[st->out[0]];
  int32_t axis = ((const struct lr_concat_attrs *)st->node->attrs)->axis;
  int64_t offset = 0;
  bool all = true;
  for (int32_t k = 0; k < st->n_in; k++) {
    struct lr_plan_tensor *x = &p->tensor[st->in[k]];
    struct lr_view v = view_of(x);
    memcpy(v.stride, y->stride, sizeof v.stride);
    bool once = true;
    for (int32_t i = 0; i < k; i++) once &= st->in[i] != st->in[k];
    if (once && may_move(p, st->in[k]) && readers_accept(p, r, st->in[k], &v))
      put_into(p, st->in[k], st->out[0], offset * y->stride[axis], &v);
    else
      all = false;
    offset += x->type.dim[axis];
  }
  st->nothing = all;
}

/* ---- in place ---- */
static bool same_layout(const struct lr_plan_tensor *a, const struct lr_plan_tensor *b) {
  if (a->type.dtype != b->type.dtype || a->type.rank != b->type.rank) return false;
  for (int32_t i = 0; i < a->type.rank; i++)
    if (a->type.dim[i] != b->type.dim[i] || (a->type.dim[i] > 1 && a->stride[i] != b->stride[i]))
      return false;
  return true;
}

static void try_in_place(struct lr_plan *p, int32_t step) {
  struct lr_plan_step *st = &p->step[step];
  if (st->dynamic || st->device || st->nothing || !(st->impl->flags & LR_IMPL_INPLACE)) return;
  struct lr_plan_tensor *y = &p->tensor[st->out[0]];
  if (y->place != LR_AT_ARENA || y->root != st->out[0] || y->viewed) return;
  for (int32_t k = 0; k < st->n_in; k++) {
    if (st->in[k] < 0) continue;
    struct lr_plan_tensor *x = &p->tensor[st->in[k]], *root = root_of(p, st->in[k]);
    /* the whole memory that x lies in must be dead after this step, and x must be all that this step reads of it */
    if (root->place != LR_AT_ARENA || root->last != step || !same_layout(x, y)) continue;
    bool alone = true;
    for (int32_t i = 0; i < st->n_in; i++)
      if (i != k && st->in[i] >= 0 && p->tensor[st->in[i]].root == x->root && st->in[i] != st->in[k])
        alone = false;
    if (!alone) continue;
    struct lr_view v = view_of(x);
    if (y->apart && !lr_view_dense(&v)) continue;
    put_into(p, st->out[0], st->in[k], 0, &v);
    return;
  }
}

lr_status lr_memory_plan(lr_session *s, lr_error *error) {
  struct lr_plan *p = &s->plan;
  struct readers r;
  find_lives(s);
  if (!LR_HAS_ANY || s->keep_all) return LR_OK; /* each tensor dense and in its own memory */
  LR_TRY(find_readers(s, &r, error));
  for (int32_t i = 0; i < lr_steps(p); i++) try_views(p, &r, i);
  for (int32_t i = lr_steps(p) - 1; LR_HAS_CONCAT && i >= 0; i--) try_concat(p, &r, i);
  for (int32_t i = 0; i < lr_steps(p); i++) try_in_place(p, i);
  return LR_OK;
}

/* ---- the arena ---- */
struct buffer {
  size_t bytes;
  size_t *offset; /* where the result goes */
  int32_t first, last;
};

/* Does x come before y: the larger, then the earlier one. */
static bool before(const struct buffer *x, const struct buffer *y) {
  if (x->bytes != y->bytes) return x->bytes > y->bytes;
  return x->first != y->first ? x->first < y->first : x->offset < y->offset;
}

/* Heap sort: a C library's qsort may ask malloc for memory, and ours comes from the session's allocator. */
static void sort(struct buffer *b, int32_t n) {
  for (int32_t start = n / 2, end = n; end > 1;) {
    struct buffer x;
    if (start > 0) {
      x = b[--start]; /* makes the heap, of which the top comes last */
    } else {
      x = b[--end];
      b[end] = b[0];
    }
    int32_t at = start;
    for (int32_t k; (k = 2 * at + 1) < end; at = k) {
      if (k + 1 < end && before(&b[k], &b[k + 1])) k++;
      if (!before(&x, &b[k])) break;
      b[at] = b[k];
    }
    b[at] = x;
  }
}

/* Greedy by size: the largest first, each at the lowest gap among those that live at the same time. */
static size_t assign_gaps(struct buffer *b, int32_t n) {
  size_t total = 0;
  int32_t placed = 0; /* b[0..placed-1] are sorted by offset */
  for (int32_t i = 0; i < n; i++) {
    struct buffer x = b[i];
    size_t at = 0;
    int32_t k;
    for (k = 0; k < placed; k++) {
      if (b[k].last < x.first || b[k].first > x.last) continue;
      if (*b[k].offset >= at + x.bytes) break;
      size_t end = *b[k].offset + b[k].bytes;
      if (end > at) at = end;
    }
    *x.offset = at;
    if (at + x.bytes > total) total = at + x.bytes;
    for (k = placed++; k > 0 && *b[k - 1].offset > at; k--) b[k] = b[k - 1];
    b[k] = x;
  }
  return total;
}

static size_t assign_apart(struct buffer *b, int32_t n) {
  size_t total = 0;
  for (int32_t i = 0; i < n; i++) {
    *b[i].offset = total;
    total += b[i].bytes;
  }
  return total;
}

/* Bytes of a root: its own, which no part of it exceeds. */
static size_t root_bytes(const struct lr_plan_tensor *t) {
  return (size_t)lr_align_up(lr_type_bytes(&t->type), LR_ALIGN);
}

lr_status lr_memory_assign(lr_session *s, lr_error *error) {
  struct lr_plan *p = &s->plan;
  if (!LR_HAS_ANY) return LR_OK; /* nothing makes a tensor */
  size_t max = (size_t)p->n_tensors + (size_t)p->n_steps + 1, sum = 0;
  struct buffer *b = lr_alloc(&s->alloc, max * sizeof *b, LR_ALIGN);
  if (!b) return lr_fail(error, LR_ERR_MEMORY, "plan: out of memory");
  int32_t n = 0;
  for (int32_t i = 0; i < p->n_tensors; i++) {
    struct lr_plan_tensor *t = &p->tensor[i];
    if (t->place != LR_AT_ARENA || t->root != i) continue;
    if (s->keep_all) t->first = 0, t->last = p->n_steps;
    b[n++] = (struct buffer){root_bytes(t), &t->arena_offset, t->first, t->last};
  }
  for (int32_t i = 0; i < lr_steps(p); i++)
    if (!p->step[i].dynamic && p->step[i].scratch_bytes)
      b[n++] = (struct buffer){p->step[i].scratch_bytes, &p->step[i].scratch_offset, i, i};
  for (int32_t i = 0; i < n; i++) /* one tensor is at most LR_MAX_BYTES, but there are many */
    if (__builtin_add_overflow(sum, b[i].bytes, &sum)) {
      lr_free(&s->alloc, b);
      return lr_fail(error, LR_ERR_MEMORY, "plan: the tensors are too large together");
    }
  if (n <= MAX_GAP_SEARCH) sort(b, n);
  size_t bytes = n <= MAX_GAP_SEARCH ? assign_gaps(b, n) : assign_apart(b, n);
  lr_free(&s->alloc, b);
  if (!bytes) return LR_OK;
  LR_TRY(lr_session_alloc(s, bytes, "activations and scratch", &p->memory, error));
  p->bytes = bytes;
  return LR_OK;
}
