/* The loops of resize: rows of the last dim, on the pool. Neighbouring dims that both sides hold contiguously
 * are taken as one. */
#include "resize.h"

#include "f16.h"
#include "gemm.h"

enum { ROWS_BYTES = 16 * 1024, CHUNK = 256 };

struct job {
  const char *x;
  char *y;
  int32_t rank, x_dtype, y_dtype;
  size_t size;                                      /* nearest: bytes of an element */
  int64_t dim[LR_MAX_RANK], stride[2][LR_MAX_RANK]; /* of y; elements of y and x; without the last */
  uint8_t kind[LR_MAX_RANK + 1];                    /* 0, or 1 + the index of its taps */
  int64_t length, step[2];                          /* the last dim; strides along it */
  uint8_t last_kind;
  const struct lr_taps *taps; /* nearest: by dim; weighted: by axis */
  lr_f32_wsum_fn *wsum;
  int32_t axes;                           /* weighted: how many */
  int64_t axis_stride[LR_RESIZE_AT_ONCE]; /* x's along them */
  int64_t rows, rows_a_tile, cols_a_tile, col_tiles, first;
};

/* Tiles of some rows, or of a part of one row. `taps`: of an output. */
static void set_tiles(struct job *j, int64_t taps) {
  int64_t most = ROWS_BYTES / 4 / ((taps + 3) / 4) / CHUNK * CHUNK;
  if (most < CHUNK) most = CHUNK;
  j->cols_a_tile = j->length < most ? j->length : most;
  j->col_tiles = j->length ? (j->length + j->cols_a_tile - 1) / j->cols_a_tile : 1;
  j->rows_a_tile = j->col_tiles > 1 || !j->length ? 1 : most / j->length;
}

static void set_up(struct job *j, const struct lr_view *x, const struct lr_view *y, const uint8_t *kind,
                   int64_t taps) {
  int64_t dim[LR_MAX_RANK], stride[2][LR_MAX_RANK];
  memcpy(dim, y->dim, sizeof dim);
  memcpy(stride[0], y->stride, sizeof stride[0]);
  memcpy(stride[1], x->stride, sizeof stride[1]);
  memcpy(j->kind, kind, (size_t)y->rank);
  int32_t rank = 0;
  for (int32_t i = 0; i < y->rank; i++) { /* an axis that is resized stays, also when y has just one of it */
    if (y->dim[i] == 1 && !kind[i]) continue;
    bool join = rank > 0 && !kind[i] && !j->kind[rank - 1] &&
                stride[0][rank - 1] == y->dim[i] * y->stride[i] &&
                stride[1][rank - 1] == y->dim[i] * x->stride[i];
    int32_t at = join ? rank - 1 : rank++;
    dim[at] = join ? dim[at] * y->dim[i] : y->dim[i];
    stride[0][at] = y->stride[i];
    stride[1][at] = x->stride[i];
    j->kind[at] = kind[i];
  }
  j->length = 1;
  j->step[0] = j->step[1] = 1;
  j->last_kind = 0;
  if (rank) {
    rank--;
    j->length = dim[rank];
    j->step[0] = stride[0][rank];
    j->step[1] = stride[1][rank];
    j->last_kind = j->kind[rank];
  }
  j->rank = rank;
  j->rows = 1;
  for (int32_t i = 0; i < rank; i++) {
    j->dim[i] = dim[i];
    j->stride[0][i] = stride[0][i];
    j->stride[1][i] = stride[1][i];
    j->rows *= dim[i];
  }
  set_tiles(j, taps);
}

static int64_t n_tiles(const struct job *j) {
  return (j->rows + j->rows_a_tile - 1) / j->rows_a_tile * j->col_tiles;
}

struct tile { /* rows row..end-1, columns col..col+n-1 */
  int64_t row, end, col, n;
};
static struct tile tile_at(const struct job *j, int64_t i) {
  int64_t row = i / j->col_tiles * j->rows_a_tile, col = i % j->col_tiles * j->cols_a_tile;
  return (struct tile){row, row + j->rows_a_tile < j->rows ? row + j->rows_a_tile : j->rows, col,
                       j->length - col < j->cols_a_tile ? j->length - col : j->cols_a_tile};
}

/* ---- nearest ---- */
static void copy_element(char *to, const char *from, size_t size) {
  switch (size) {
    case 1:
      *to = *from;
      break;
    case 2:
      memcpy(to, from, 2);
      break;
    case 4:
      memcpy(to, from, 4);
      break;
    default:
      memcpy(to, from, 8);
      break;
  }
}

static void nearest_row(const struct job *j, int64_t row, int64_t col, int64_t n) {
  int64_t x = 0, y = 0;
  for (int32_t i = j->rank - 1; i >= 0; i--) {
    int64_t o = row % j->dim[i];
    row /= j->dim[i];
    y += o * j->stride[0][i];
    x += (j->kind[i] ? j->taps[j->kind[i] - 1].from[o] : o) * j->stride[1][i];
  }
  int64_t size = (int64_t)j->size;
  char *to = j->y + y * size;
  const char *from = j->x + x * size;
  const int64_t *map = j->last_kind ? j->taps[j->last_kind - 1].from : NULL;
  if (!map && (j->length == 1 || (j->step[0] == 1 && j->step[1] == 1)))
    memcpy(to + col * size, from + col * size, (size_t)n * j->size);
  else
    for (int64_t k = col; k < col + n; k++)
      copy_element(to + k * j->step[0] * size, from + (map ? map[k] : k) * j->step[1] * size, j->size);
}

static void nearest_tile(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  struct tile t = tile_at(j, j->first + i);
  for (; t.row < t.end; t.row++) nearest_row(j, t.row, t.col, t.n);
}

void lr_resize_nearest(struct lr_pool *pool, const struct lr_view *x, const struct lr_view *y,
                       const struct lr_taps *taps) {
  struct job j = {.x = x->data, .y = y->data, .size = lr_dtype_size(x->dtype), .taps = taps};
  uint8_t kind[LR_MAX_RANK];
  for (int32_t i = 0; i < x->rank; i++) kind[i] = taps[i].n ? (uint8_t)(i + 1) : 0;
  set_up(&j, x, y, kind, 1);
  lr_parallel_wide(pool, n_tiles(&j), &j.first, nearest_tile, &j);
}

/* ---- weighted ---- */
static float load(const char *p, int32_t dtype, int64_t i) {
  return dtype == LR_F32 ? ((const float *)(const void *)p)[i]
                         : lr_f16_to_f32(((const uint16_t *)(const void *)p)[i]);
}

static void store(char *p, int32_t dtype, int64_t i, float f) {
  if (dtype == LR_F32)
    ((float *)(void *)p)[i] = f;
  else
    ((uint16_t *)(void *)p)[i] = lr_f16_from_f32(f);
}

/* What one output, or one row of them, is a sum of: n elements at `at` times `stride`. */
struct sum {
  int32_t n;
  int64_t stride;
  const int64_t *at;
  const float *w;
  int64_t own_at[LR_RESIZE_MAX_TAPS];
  float own_w[LR_RESIZE_MAX_TAPS];
};

/* The taps of the outputs at o[] along the first `axes` axes; those of a single one as they stand in its table. Of more,
 * weights are multiplied from the last axis on and sums go in the order of memory, as in onnxruntime. */
static void take_taps(const struct job *j, int32_t axes, const int64_t *o, struct sum *s) {
  if (axes == 1) {
    s->n = j->taps->n;
    s->stride = j->axis_stride[0];
    s->at = j->taps->from + *o * s->n;
    s->w = j->taps->weight + *o * s->n;
    return;
  }
  s->n = 1;
  s->stride = 1;
  s->at = s->own_at;
  s->w = s->own_w;
  s->own_at[0] = 0;
  s->own_w[0] = 1;
  for (int32_t k = axes - 1; k >= 0; k--, s->n *= 2) {
    const int64_t *at = j->taps[k].from + 2 * o[k];
    const float *w = j->taps[k].weight + 2 * o[k];
    for (int32_t t = 0; t < s->n; t++)
      for (int32_t u = 1; u >= 0; u--) { /* the first half last, since both are made of it */
        s->own_at[u * s->n + t] = s->own_at[t] + at[u] * j->axis_stride[k];
        s->own_w[u * s->n + t] = s->own_w[t] * w[u];
      }
  }
}

/* The last dim is no axis: sums of n rows of `length` elements at `from`. */
static void sum_rows(const struct job *j, const struct sum *s, const char *from, char *to, int64_t length) {
  int64_t x_size = j->x_dtype == LR_F32 ? 4 : 2;
  if (j->x_dtype == LR_F32 && j->y_dtype == LR_F32 && j->step[0] == 1 && j->step[1] == 1 &&
      s->n <= LR_RESIZE_MAX_TAPS) {
    const float *a[LR_RESIZE_MAX_TAPS] = {0};
    for (int32_t t = 0; t < s->n; t++) a[t] = (const float *)(const void *)from + s->at[t] * s->stride;
    j->wsum((size_t)length, (size_t)s->n, a, s->w, (float *)(void *)to);
    return;
  }
  float chunk[LR_RESIZE_MAX_TAPS + 1][CHUNK], weight[LR_RESIZE_MAX_TAPS + 1];
  const float *a[LR_RESIZE_MAX_TAPS + 1];
  for (int32_t t = 0; t <= LR_RESIZE_MAX_TAPS; t++) a[t] = chunk[t];
  for (int64_t k = 0; k < length; k += CHUNK) {
    int64_t n = length - k < CHUNK ? length - k : CHUNK;
    for (int32_t done = 0, now; done < s->n; done += now) { /* the sum so far is one more summand */
      int32_t first = done > 0;
      now = s->n - done < LR_RESIZE_MAX_TAPS ? s->n - done : LR_RESIZE_MAX_TAPS;
      weight[0] = 1;
      for (int32_t t = 0; t < now; t++) {
        weight[first + t] = s->w[done + t];
        for (int64_t i = 0; i < n; i++)
          chunk[first + t][i] =
              load(from + s->at[done + t] * s->stride * x_size, j->x_dtype, (k + i) * j->step[1]);
      }
      j->wsum((size_t)n, (size_t)(first + now), a, weight, chunk[0]);
    }
    for (int64_t i = 0; i < n; i++) store(to, j->y_dtype, (k + i) * j->step[0], chunk[0][i]);
  }
}

/* The last dim is the last axis: sums element by element, `first` to end - 1. s: those of the other axes. */
static inline void sum_each(const struct job *j, const struct sum *s, const char *from, char *to,
                            int64_t first, int64_t end, int32_t n, int32_t n_last, int32_t x_dtype,
                            int32_t y_dtype) {
  const struct lr_taps *last = &j->taps[j->axes - 1];
  const int64_t *at = last->from + first * n_last, step = j->axis_stride[j->axes - 1];
  const float *w = last->weight + first * n_last;
  for (int64_t k = first; k < end; k++, at += n_last, w += n_last) {
    float sum = 0;
    for (int32_t t = 0; t < n; t++)
      for (int32_t u = 0; u < n_last; u++)
        sum += w[u] * s->w[t] * load(from, x_dtype, s->at[t] * s->stride + at[u] * step);
    store(to, y_dtype, k * j->step[0], sum);
  }
}

static void sum_elements(const struct job *j, const struct sum *s, const char *from, char *to, int64_t first,
                         int64_t end) {
  int32_t n_last = j->taps[j->axes - 1].n;
  if (j->x_dtype != LR_F32 || j->y_dtype != LR_F32)
    sum_each(j, s, from, to, first, end, s->n, n_last, j->x_dtype, j->y_dtype);
  else if (s->n == 2 && n_last == 2) /* what is common has loops that compilers unroll */
    sum_each(j, s, from, to, first, end, 2, 2, LR_F32, LR_F32);
  else if (s->n == 4 && n_last == 2)
    sum_each(j, s, from, to, first, end, 4, 2, LR_F32, LR_F32);
  else
    sum_each(j, s, from, to, first, end, s->n, n_last, LR_F32, LR_F32);
}

static void weighted_tile(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  struct tile t = tile_at(j, j->first + i);
  int64_t x_size = j->x_dtype == LR_F32 ? 4 : 2, y_size = j->y_dtype == LR_F32 ? 4 : 2;
  for (; t.row < t.end; t.row++) {
    int64_t x = 0, y = 0, o[LR_RESIZE_AT_ONCE] = {0}, left = t.row;
    for (int32_t k = j->rank - 1; k >= 0; k--) {
      int64_t at = left % j->dim[k];
      left /= j->dim[k];
      y += at * j->stride[0][k];
      if (j->kind[k])
        o[j->kind[k] - 1] = at;
      else
        x += at * j->stride[1][k];
    }
    const char *from = j->x + x * x_size;
    char *to = j->y + y * y_size;
    struct sum s;
    take_taps(j, j->last_kind ? j->axes - 1 : j->axes, o, &s);
    if (j->last_kind)
      sum_elements(j, &s, from, to, t.col, t.col + t.n);
    else
      sum_rows(j, &s, from + t.col * j->step[1] * x_size, to + t.col * j->step[0] * y_size, t.n);
  }
}

void lr_resize_weighted(struct lr_pool *pool, const struct lr_view *x, const struct lr_view *y, int32_t axes,
                        const int32_t *axis, const struct lr_taps *taps, void (*wsum)(void)) {
  struct job j = {.x = x->data,
                  .y = y->data,
                  .x_dtype = x->dtype,
                  .y_dtype = y->dtype,
                  .taps = taps,
                  .wsum = (lr_f32_wsum_fn *)wsum,
                  .axes = axes};
  uint8_t kind[LR_MAX_RANK] = {0};
  for (int32_t k = 0; k < axes; k++) {
    assert(taps[k].n > 0 && (axes == 1 || taps[k].n == 2) && (!k || axis[k] > axis[k - 1]));
    kind[axis[k]] = (uint8_t)(k + 1);
    j.axis_stride[k] = x->stride[axis[k]];
  }
  set_up(&j, x, y, kind, axes == 1 ? taps->n : (int64_t)1 << axes);
  lr_parallel_wide(pool, n_tiles(&j), &j.first, weighted_tile, &j);
}
