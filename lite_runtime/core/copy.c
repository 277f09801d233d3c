#include "copy.h"

enum {
  TILE_BYTES = 64 * 1024, /* of rows: large enough to hide the cost of a task */
  TRANSPOSE_BYTES = 256,  /* of a transposed tile's side: both tiles stay in L1 */
  LINE = 64,              /* a transposed block reads and writes whole cache lines */
  PARALLEL_BYTES = 256 * 1024,
  MAX_TASKS = 256
};

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- making a plan ---- */
struct axis {
  int64_t dim, dst, src;
};

/* Dims other than 1, largest destination stride first, neighbours merged where both sides run on. Returns
 * their number. */
static int32_t collect(struct axis *a, const struct lr_view *dst, const struct lr_view *src, int64_t size) {
  int32_t n = 0;
  for (int32_t i = 0; i < dst->rank; i++) {
    if (dst->dim[i] == 1) continue;
    struct axis x = {dst->dim[i], dst->stride[i] * size, src->stride[i] * size};
    int32_t k = n++;
    for (; k > 0 && a[k - 1].dst < x.dst; k--) a[k] = a[k - 1];
    a[k] = x;
  }
  int32_t m = 0;
  for (int32_t i = 0; i < n; i++) {
    if (m && a[m - 1].dst == a[i].dst * a[i].dim && a[m - 1].src == a[i].src * a[i].dim)
      a[m - 1] = (struct axis){a[m - 1].dim * a[i].dim, a[i].dst, a[i].src};
    else
      a[m++] = a[i];
  }
  return m;
}

/* A short contiguous run of 2, 4, 8 or 16 bytes is one element: moving it is one load and one store. */
static int32_t widen(struct lr_copy *c, struct axis *a, int32_t n) {
  if (!n || a[n - 1].dst != c->size || a[n - 1].src != c->size || a[n - 1].dim > 16) return n;
  int64_t run = a[n - 1].dim * c->size;
  if (run > 16 || (run & (run - 1))) return n;
  c->size = (int32_t)run;
  return n - 1;
}

static void choose_tiles(struct lr_copy *c) {
  int64_t row = c->cols * c->size;
  if (c->kind == LR_COPY_TRANSPOSE) {
    c->tile_rows = c->tile_cols = TRANSPOSE_BYTES / c->size;
  } else {
    c->tile_cols = row > TILE_BYTES ? TILE_BYTES / c->size : c->cols;
    c->tile_rows = row > TILE_BYTES ? 1 : TILE_BYTES / row;
  }
  c->row_tiles = (c->rows + c->tile_rows - 1) / c->tile_rows;
  c->col_tiles = (c->cols + c->tile_cols - 1) / c->tile_cols;
  c->n_tiles = c->row_tiles * c->col_tiles;
  for (int32_t i = 0; i < c->rank; i++) c->n_tiles *= c->dim[i];
}

void lr_copy_init(struct lr_copy *c, const struct lr_view *dst, const struct lr_view *src) {
  *c = (struct lr_copy){
      .kind = LR_COPY_ROWS, .size = (int32_t)lr_dtype_size(dst->dtype), .rows = 1, .cols = 1};
  c->bytes = lr_view_count(dst) * c->size;
  if (!c->bytes) return;
  struct axis a[LR_MAX_RANK];
  int32_t n = widen(c, a, collect(a, dst, src, c->size)), row = n - 2;
  if (n) {
    c->cols = a[n - 1].dim;
    c->dst_col = a[n - 1].dst;
    c->src_col = a[n - 1].src;
    bool dense = c->dst_col == c->size;
    c->kind = dense && c->src_col == c->size ? LR_COPY_ROWS
              : dense && !c->src_col         ? LR_COPY_FILL
                                             : LR_COPY_STRIDED;
    for (int32_t i = 0; i < n - 1 && dense && c->kind == LR_COPY_STRIDED; i++)
      if (a[i].src == c->size) {
        c->kind = LR_COPY_TRANSPOSE;
        row = i;
      }
  }
  if (row >= 0) {
    c->rows = a[row].dim;
    c->dst_row = a[row].dst;
    c->src_row = a[row].src;
  }
  for (int32_t i = 0; i < n - 1; i++) {
    if (i == row) continue;
    c->dim[c->rank] = a[i].dim;
    c->dst[c->rank] = a[i].dst;
    c->src[c->rank++] = a[i].src;
  }
  choose_tiles(c);
}

/* ---- tiles, by element size. memcpy of a fixed size is one load or store, whatever the alignment ---- */
typedef struct {
  uint64_t lo, hi;
} u128;

#define TILES(T)                                                                                           \
  static void fill_##T(const struct lr_copy *c, char *restrict d, const char *restrict s, int64_t rows,    \
                       int64_t cols) {                                                                     \
    for (int64_t r = 0; r < rows; r++, d += c->dst_row, s += c->src_row) {                                 \
      T v;                                                                                                 \
      memcpy(&v, s, sizeof v);                                                                             \
      for (int64_t i = 0; i < cols; i++) memcpy(d + i * (int64_t)sizeof v, &v, sizeof v);                  \
    }                                                                                                      \
  }                                                                                                        \
  static void strided_##T(const struct lr_copy *c, char *restrict d, const char *restrict s, int64_t rows, \
                          int64_t cols) {                                                                  \
    for (int64_t r = 0; r < rows; r++, d += c->dst_row, s += c->src_row)                                   \
      for (int64_t i = 0; i < cols; i++) memcpy(d + i * c->dst_col, s + i * c->src_col, sizeof(T));        \
  }                                                                                                        \
  static void block_##T(const struct lr_copy *c, char *restrict d, const char *restrict s, int64_t rows,   \
                        int64_t cols) {                                                                    \
    for (int64_t r = 0; r < rows; r++)                                                                     \
      for (int64_t i = 0; i < cols; i++)                                                                   \
        memcpy(d + r * c->dst_row + i * (int64_t)sizeof(T), s + r * (int64_t)sizeof(T) + i * c->src_col,   \
               sizeof(T));                                                                                 \
  }                                                                                                        \
  /* planes of R, G and B to pixels: all constant, so that compilers interleave vectors */                 \
  static void three_##T(char *restrict d, const char *restrict s, int64_t rows, int64_t plane) {           \
    for (int64_t r = 0; r < rows; r++)                                                                     \
      for (int64_t i = 0; i < 3; i++)                                                                      \
        memcpy(d + (3 * r + i) * (int64_t)sizeof(T), s + r * (int64_t)sizeof(T) + i * plane, sizeof(T));   \
  }                                                                                                        \
  static void transpose_##T(const struct lr_copy *c, char *d, const char *s, int64_t rows, int64_t cols) { \
    if (cols == 3 && c->dst_row == 3 * (int64_t)sizeof(T)) {                                               \
      three_##T(d, s, rows, c->src_col);                                                                   \
      return;                                                                                              \
    }                                                                                                      \
    const int64_t n = LINE / (int64_t)sizeof(T);                                                           \
    for (int64_t r = 0; r < rows; r += n)                                                                  \
      for (int64_t i = 0; i < cols; i += n) {                                                              \
        char *to = d + r * c->dst_row + i * (int64_t)sizeof(T);                                            \
        const char *from = s + r * (int64_t)sizeof(T) + i * c->src_col;                                    \
        if (rows - r >= n && cols - i >= n)                                                                \
          block_##T(c, to, from, n, n); /* known sizes: unrolled */                                        \
        else                                                                                               \
          block_##T(c, to, from, min64(n, rows - r), min64(n, cols - i));                                  \
      }                                                                                                    \
  }
TILES(uint8_t)
TILES(uint16_t)
TILES(uint32_t)
TILES(uint64_t)
TILES(u128)

typedef void (*tile_fn)(const struct lr_copy *c, char *d, const char *s, int64_t rows, int64_t cols);

static void copy_rows(const struct lr_copy *c, char *d, const char *s, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; r++) memcpy(d + r * c->dst_row, s + r * c->src_row, (size_t)(cols * c->size));
}

static tile_fn choose(const struct lr_copy *c) {
#define BY_SIZE(f)               \
  (c->size == 1   ? f##_uint8_t  \
   : c->size == 2 ? f##_uint16_t \
   : c->size == 4 ? f##_uint32_t \
   : c->size == 8 ? f##_uint64_t \
                  : f##_u128)
  switch (c->kind) {
    case LR_COPY_ROWS:
      return copy_rows;
    case LR_COPY_FILL:
      return BY_SIZE(fill);
    case LR_COPY_TRANSPOSE:
      return BY_SIZE(transpose);
    case LR_COPY_STRIDED:
      break;
  }
  return BY_SIZE(strided);
#undef BY_SIZE
}

/* ---- running ---- */
void lr_copy_run(const struct lr_copy *c, void *dst, const void *src, int64_t first, int64_t last) {
  if (first >= last) return;
  tile_fn tile = choose(c);
  int64_t at[LR_MAX_RANK], t = first;
  int64_t ct = t % c->col_tiles, rt = t / c->col_tiles % c->row_tiles;
  t /= c->col_tiles * c->row_tiles;
  char *d = dst;
  const char *s = src;
  for (int32_t i = c->rank - 1; i >= 0; i--) {
    at[i] = t % c->dim[i];
    t /= c->dim[i];
    d += at[i] * c->dst[i];
    s += at[i] * c->src[i];
  }
  for (int64_t n = last - first;;) {
    int64_t r = rt * c->tile_rows, i = ct * c->tile_cols;
    tile(c, d + r * c->dst_row + i * c->dst_col, s + r * c->src_row + i * c->src_col,
         min64(c->tile_rows, c->rows - r), min64(c->tile_cols, c->cols - i));
    if (!--n || (n % 8 == 0 && lr_stopped())) return;
    if (++ct < c->col_tiles) continue;
    ct = 0;
    if (++rt < c->row_tiles) continue;
    rt = 0;
    for (int32_t k = c->rank - 1; k >= 0; k--) {
      d += c->dst[k];
      s += c->src[k];
      if (++at[k] < c->dim[k]) break;
      d -= at[k] * c->dst[k];
      s -= at[k] * c->src[k];
      at[k] = 0;
    }
  }
}

void lr_copy_bytes(void *to, const void *from, size_t bytes) {
  enum { PIECE = 256 * 1024 };
  for (size_t at = 0; at < bytes && !(at && lr_stopped()); at += PIECE) {
    size_t n = bytes - at < PIECE ? bytes - at : PIECE;
    if (from)
      memcpy((char *)to + at, (const char *)from + at, n);
    else
      memset((char *)to + at, 0, n);
  }
}

struct job {
  const struct lr_copy *copy;
  char *dst;
  const char *src;
  int64_t tasks;
};

static void body(void *context, int32_t i, int32_t thread) {
  (void)thread;
  const struct job *j = context;
  int64_t each = (j->copy->n_tiles + j->tasks - 1) / j->tasks;
  lr_copy_run(j->copy, j->dst, j->src, i * each, min64((i + 1) * each, j->copy->n_tiles));
}

void lr_copy_parallel(struct lr_pool *pool, const struct lr_view *dst, const struct lr_view *src) {
  if (dst->data == src->data) return; /* the planner put it there already */
  struct lr_copy c;
  lr_copy_init(&c, dst, src);
  struct job j = {&c, dst->data, src->data, min64(min64(c.n_tiles, c.bytes / TILE_BYTES + 1), MAX_TASKS)};
  if (c.bytes < PARALLEL_BYTES || j.tasks < 2)
    lr_copy_run(&c, dst->data, src->data, 0, c.n_tiles);
  else
    lr_parallel(pool, (int32_t)j.tasks, body, &j);
}
