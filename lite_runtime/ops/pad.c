/* pad: more elements around a tensor, or fewer (negative pads crop, before anything else happens). */
#include "move.h"

enum { PIECE_BYTES = 64 * 1024 };

/* One axis: `keep` elements from `crop` on, `before` new ones in front, `after` behind. */
struct pad_axis {
  int64_t crop, keep, before, after;
};

/* NULL, or what is wrong with the pads (begin, end) of an axis of that size. */
static const char *make_axis(uint32_t mode, int64_t size, int64_t begin, int64_t end, struct pad_axis *a) {
  const int64_t limit = (int64_t)LR_MAX_BYTES;
  if (begin > limit || begin < -limit || end > limit || end < -limit) return "is out of range";
  int64_t crop_end = end < 0 ? -end : 0;
  *a = (struct pad_axis){
      .crop = begin < 0 ? -begin : 0, .before = begin > 0 ? begin : 0, .after = end > 0 ? end : 0};
  a->keep = size - a->crop - crop_end;
  if (a->keep < 0) return "crops more than there is";
  int64_t longest = a->before > a->after ? a->before : a->after;
  if (mode == LR_PAD_MODE_REFLECT && longest && longest >= a->keep)
    return "is not smaller than the size, which reflect needs";
  if (mode != LR_PAD_MODE_CONSTANT && longest && !a->keep) return "has nothing to repeat";
  return NULL;
}

static int64_t axis_size(const struct pad_axis *a) { return a->before + a->keep + a->after; }

/* Element of x that element i of y is made from, -1: the value. */
static int64_t source(uint32_t mode, const struct pad_axis *a, int64_t i) {
  int64_t k = i - a->before;
  if (k < 0 || k >= a->keep) {
    switch (mode) {
      case LR_PAD_MODE_REFLECT:
        k = k < 0 ? -k : 2 * (a->keep - 1) - k;
        break;
      case LR_PAD_MODE_EDGE:
        k = k < 0 ? 0 : a->keep - 1;
        break;
      case LR_PAD_MODE_WRAP:
        assert(a->keep > 0);
        k = (k % a->keep + a->keep) % a->keep;
        break;
      default:
        return -1;
    }
  }
  return a->crop + k;
}

/* The pads of axis i; given: the axes that they are of. */
static void pads_of(const struct lr_ints *pads, const struct lr_ints *given, int32_t rank, int32_t i,
                    int64_t *begin, int64_t *end) {
  int64_t k = i, n = rank;
  if (given->dtype)
    for (k = 0, n = given->n; k < n; k++) {
      int64_t a = lr_ints_at(given, k);
      if ((a < 0 ? a + rank : a) == i) break;
    }
  *begin = k < n ? lr_ints_at(pads, k) : 0;
  *end = k < n ? lr_ints_at(pads, k + n) : 0;
}

static lr_status check_inputs(const struct lr_infer *c, const struct lr_ints *pads,
                              const struct lr_ints *given) {
  const struct lr_type *x = &c->in[0];
  uint32_t mode = ((const struct lr_pad_attrs *)c->attrs)->mode;
  char text[240];
  if (mode >= LR_PAD_MODE_LIMIT)
    return lr_infer_fail(c, LR_ERR_MODEL, "mode is %u, but must be below %d", mode, LR_PAD_MODE_LIMIT);
  int64_t axes = given->dtype ? given->n : x->rank;
  if (pads->n >= 0 && axes >= 0 && pads->n != 2 * axes)
    return lr_infer_fail(c, LR_ERR_MODEL, "pads has %lld elements, but %lld axes need %lld",
                         (long long)pads->n, (long long)axes, (long long)(2 * axes));
  if (!lr_infer_has(c, 2)) return LR_OK;
  const struct lr_type *v = &c->in[2];
  if (v->dtype != x->dtype || v->rank > 1 || (v->rank == 1 && v->dim[0] >= 0 && v->dim[0] != 1))
    return lr_infer_fail(c, LR_ERR_MODEL, "value is %s, but must be one %s",
                         lr_type_text(v, text, sizeof text), lr_dtype_name(x->dtype));
  return LR_OK;
}

lr_status lr_infer_pad(struct lr_infer *c) {
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct lr_ints pads, given;
  uint32_t mode = ((const struct lr_pad_attrs *)c->attrs)->mode, mask;
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_ints_infer(c, 1, "pads", &pads));
  LR_TRY(lr_axes_infer(c, 3, x->rank, &given, &mask));
  LR_TRY(check_inputs(c, &pads, &given));
  bool known = lr_ints_known(&pads) && lr_ints_known(&given);
  *y = (struct lr_type){.dtype = x->dtype, .rank = x->rank};
  for (int32_t i = 0; i < x->rank; i++) {
    y->dim[i] = -1;
    if (lr_ints_known(&given) && given.dtype && !(mask >> i & 1)) y->dim[i] = x->dim[i];
    if (!known) continue;
    int64_t begin, end;
    pads_of(&pads, &given, x->rank, i, &begin, &end);
    if (begin == 0 && end == 0)
      y->dim[i] = x->dim[i];
    else if (x->dim[i] >= 0) {
      struct pad_axis a;
      const char *wrong = make_axis(mode, x->dim[i], begin, end, &a);
      if (wrong)
        return lr_infer_fail(c, LR_ERR_VALUE, "the pad (%lld, %lld) of axis %d, of size %lld, %s",
                             (long long)begin, (long long)end, i, (long long)x->dim[i], wrong);
      y->dim[i] = axis_size(&a);
    }
  }
  return lr_move_output(c, 0);
}

/* ---- run: y is rows; a row runs along the last padded axis, whose elements are blocks of the axes behind it
 * ---- */
struct job {
  const char *x;
  char *y;
  uint32_t mode;
  int32_t rows_rank; /* axes in front of the row's */
  struct pad_axis axis[LR_MAX_RANK];
  int64_t x_stride[LR_MAX_RANK]; /* bytes */
  int64_t dim[LR_MAX_RANK];      /* y's */
  size_t size, block;            /* bytes of an element, of a block */
  unsigned char value[8];
  int64_t each, pieces; /* elements of a piece of a row, pieces of a row */
};

static void fill(const struct job *j, char *to, size_t bytes) {
  enum { PIECE = 256 * 1024 }; /* of elements of 1, 2, 4 or 8 bytes */
  if (j->mode != LR_PAD_MODE_CONSTANT) return;
  for (; bytes > PIECE; to += PIECE, bytes -= PIECE) {
    fill(j, to, PIECE);
    if (lr_stopped()) return;
  }
  switch (j->size) {
    case 1:
      memset(to, j->value[0], bytes);
      break;
    case 2:
      for (size_t i = 0; i < bytes; i += 2) memcpy(to + i, j->value, 2);
      break;
    case 4:
      for (size_t i = 0; i < bytes; i += 4) memcpy(to + i, j->value, 4);
      break;
    default:
      for (size_t i = 0; i < bytes; i += 8) memcpy(to + i, j->value, 8);
  }
}

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Elements first..last-1 of a row that are outside x. */
static void border(const struct job *j, char *y, const char *x, int64_t first, int64_t last) {
  const struct pad_axis *a = &j->axis[j->rows_rank];
  if (first >= last) return;
  if (j->mode == LR_PAD_MODE_CONSTANT)
    fill(j, y + (size_t)first * j->block, (size_t)(last - first) * j->block);
  else
    for (int64_t i = first; i < last; i++) {
      const char *from = x + (size_t)source(j->mode, a, i) * j->block;
      if (j->block <= PIECE_BYTES)
        memcpy(y + (size_t)i * j->block, from, j->block);
      else
        lr_copy_bytes(y + (size_t)i * j->block, from, j->block);
    }
}

/* Elements first..last-1 of a row of y, which starts at y and is made from the row at x (NULL: from the value). */
static void piece(const struct job *j, char *y, const char *x, int64_t first, int64_t last) {
  const struct pad_axis *a = &j->axis[j->rows_rank];
  int64_t from = max64(first, a->before), to = min64(last, a->before + a->keep);
  if (!x) {
    fill(j, y + (size_t)first * j->block, (size_t)(last - first) * j->block);
    return;
  }
  border(j, y, x, first, min64(last, a->before));
  if (from < to)
    lr_copy_bytes(y + (size_t)from * j->block, x + (size_t)(a->crop + from - a->before) * j->block,
                  (size_t)(to - from) * j->block);
  border(j, y, x, max64(first, a->before + a->keep), last);
}

static void body(void *context, int64_t at, int64_t end, int32_t thread) {
  const struct job *j = context;
  int64_t size = axis_size(&j->axis[j->rows_rank]);
  for (; at < end; at++) {
    int64_t row = at / j->pieces, first = at % j->pieces * j->each;
    const char *x = j->x;
    for (int64_t i = j->rows_rank - 1, t = row; i >= 0; i--) {
      assert(j->dim[i] > 0); /* y has elements */
      int64_t k = source(j->mode, &j->axis[i], t % j->dim[i]);
      t /= j->dim[i];
      x = k < 0 || !x ? NULL : x + k * j->x_stride[i];
    }
    piece(j, j->y + (size_t)(row * size) * j->block, x, first, min64(first + j->each, size));
  }
}

/* Reads the pads, which may be values that the plan did not know. */
static lr_status read_pads(struct lr_run *r, struct job *j) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct lr_ints pads = lr_ints_view(r->in, r->n_in, 1, NULL), given = lr_ints_view(r->in, r->n_in, 3, NULL);
  int64_t axes = given.dtype ? given.n : x->rank;
  uint32_t mask;
  if (pads.n != 2 * axes || !lr_ints_known(&pads))
    return lr_run_fail(r, LR_ERR_VALUE, "pads has %lld elements, but %lld axes need %lld", (long long)pads.n,
                       (long long)axes, (long long)(2 * axes));
  LR_TRY(lr_axes_run(r, 3, x->rank, &mask));
  for (int32_t i = 0; i < x->rank; i++) {
    int64_t begin, end;
    pads_of(&pads, &given, x->rank, i, &begin, &end);
    const char *wrong = make_axis(j->mode, x->dim[i], begin, end, &j->axis[i]);
    if (wrong || axis_size(&j->axis[i]) != y->dim[i])
      return lr_run_fail(r, LR_ERR_VALUE, "the pad (%lld, %lld) of axis %d, of size %lld, %s",
                         (long long)begin, (long long)end, i, (long long)x->dim[i],
                         wrong ? wrong : "does not give y's size");
    j->dim[i] = y->dim[i];
  }
  return LR_OK;
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct job j = {.x = x->data,
                  .y = y->data,
                  .mode = ((const struct lr_pad_attrs *)r->node->attrs)->mode,
                  .size = lr_dtype_size(x->dtype)};
  LR_TRY(read_pads(r, &j));
  if (r->in[2].data) memcpy(j.value, r->in[2].data, j.size);
  int32_t last = x->rank - 1;
  j.block = j.size;
  for (; last > 0 && j.axis[last].keep == x->dim[last] && y->dim[last] == x->dim[last]; last--)
    j.block *= (size_t)x->dim[last]; /* an axis without pads */
  if (x->rank == 0) {                /* a scalar is one block without an axis */
    memcpy(j.y, j.x, j.block);
    return LR_OK;
  }
  j.rows_rank = last;
  for (int32_t i = last - 1, k = last; i >= 0; k = i--)
    j.x_stride[i] = k == last ? x->dim[last] * (int64_t)j.block : j.x_stride[k] * x->dim[k];
  int64_t size = axis_size(&j.axis[last]);
  assert(size > 0 && j.block > 0); /* y has elements */
  int64_t rows = lr_view_count(y) * (int64_t)j.size / size / (int64_t)j.block;
  j.each = min64(size, PIECE_BYTES / (int64_t)j.block + 1);
  j.pieces = (size + j.each - 1) / j.each;
  lr_move_rows(r->pool, rows * j.pieces, j.each * (int64_t)j.block + 64, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_pad = {.run = run};
