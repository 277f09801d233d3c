/* One picture: strips of the source's columns are taken down the source; of each pair of rows the pixels become colours
 * where they are YUV, the rows become one, pixels are picked from it, and stored. All between is on the stack. */
#include "image.h"

enum {
  SPAN = 768,  /* most pixels of the source in a strip */
  SPARSE = 32, /* with so many of them from one pixel of the target to the next, a strip for each */
  TILE = 3072, /* elements */
  GROUP = 16,  /* columns of the target that a quarter turn makes at a time */
  ROOM = 2 * LR_IMAGE_ROOM
};

struct strip {
  const lr_image *m;
  const lr_image_planes *planes;
  int32_t first, n;  /* its columns in the source */
  int32_t row_in[2]; /* which rows of the source are in `rows`, by their lowest bit */
  uint8_t rows[2][4 * (SPAN + ROOM)];
  int16_t mixed[4 * (SPAN + ROOM)];
  int16_t tile[TILE + 4];
};

/* ---- rows of the source ---- */
/* As OpenCV's cvtColor: 2^-15 of R, G and B. */
static void grey_of(size_t n, size_t pixel, bool blue_first, const uint8_t *x, uint8_t *y) {
  const uint8_t *r = blue_first ? x + 2 : x, *b = blue_first ? x : x + 2;
  for (size_t i = 0; i < n; i++)
    y[i] = (uint8_t)((9798u * r[i * pixel] + 19235u * x[i * pixel + 1] + 3735u * b[i * pixel] + 16384) >> 15);
}

static void convert(const struct strip *s, int32_t row, const uint8_t *x, uint8_t *to) {
  const lr_image *m = s->m;
  size_t n = (size_t)s->n;
  if (!lr_image_is_yuv(m->format)) {
    grey_of(n, (size_t)lr_image_pixel(m->format), m->format == LR_IMAGE_BGR || m->format == LR_IMAGE_BGRA, x,
            to);
  } else if (m->channels == 1) {
    for (size_t i = 0; i < n; i++) to[i] = m->luma[x[i]];
  } else {
    const lr_image_planes *p = s->planes;
    size_t pair = (size_t)s->first / 2, line = (size_t)row / 2;
    if (m->format == LR_IMAGE_I420) {
      m->to_rgb(n, x, p->plane[1] + line * p->stride[1] + pair, p->plane[2] + line * p->stride[2] + pair, 1,
                &m->yuv, to);
    } else {
      const uint8_t *c = p->plane[1] + line * p->stride[1] + 2 * pair;
      bool v_first = m->format == LR_IMAGE_NV21;
      m->to_rgb(n, x, c + v_first, c + !v_first, 2, &m->yuv, to);
    }
  }
}

/* The strip's part of a row, as the other kernels want it. */
static const uint8_t *row_of(struct strip *s, int32_t row) {
  const lr_image *m = s->m;
  const uint8_t *x = s->planes->plane[0] + (size_t)row * s->planes->stride[0] +
                     (size_t)s->first * (size_t)lr_image_pixel(m->format);
  bool ready = lr_image_is_yuv(m->format) ? m->channels == 1 && m->yuv.black == 0
                                          : m->row_channels == lr_image_pixel(m->format);
  if (ready) return x;
  int32_t slot = row & 1;
  if (s->row_in[slot] != row) convert(s, row, x, s->rows[slot]);
  s->row_in[slot] = row;
  return s->rows[slot];
}

/* Place d down the source: s->mixed has its row, and behind it the last pixel again. */
static void mix_rows(struct strip *s, int32_t d) {
  const struct lr_image_axis *down = &s->m->down;
  int32_t row = down->at[d], w = down->weight[d];
  size_t channels = (size_t)s->m->row_channels, n = (size_t)s->n * channels;
  const uint8_t *a = row_of(s, row), *b = w ? row_of(s, row + 1) : a;
  s->m->mix(n, a, b, w, s->mixed);
  for (size_t k = 0; k < channels; k++) s->mixed[n + k] = s->mixed[n - channels + k];
}

/* ---- the target ---- */
/* Where the pixel of the target is that has this row and column without the padding. */
static uint8_t *place_of(const lr_image *m, uint8_t *target, int32_t row, int32_t col) {
  size_t pixel = (size_t)(m->inner_y + row) * (size_t)m->target_width + (size_t)(m->inner_x + col);
  return target + pixel * m->element * (m->pixels.plane ? 1 : (size_t)m->channels);
}

static void fill(uint8_t *to, size_t n, size_t step, const uint8_t *element, size_t size) {
  if (size == 1) {
    for (size_t i = 0; i < n; i++) to[i * step] = element[0];
  } else if (size == 2) {
    for (size_t i = 0; i < n; i++) memcpy(to + 2 * i * step, element, 2);
  } else {
    for (size_t i = 0; i < n; i++) memcpy(to + 4 * i * step, element, 4);
  }
}

/* n pixels of padding; row and col as in place_of: the padding's are negative, or behind the inner part's. */
static void pad_run(const lr_image *m, uint8_t *target, int32_t row, int32_t col, int32_t n) {
  if (n == 0) return;
  size_t plane = m->pixels.plane, step = plane ? 1 : (size_t)m->channels;
  uint8_t *to = place_of(m, target, row, col);
  for (int32_t c = 0; c < m->channels; c++)
    fill(to + (size_t)c * (plane ? plane : 1) * m->element, (size_t)n, step, m->pad[c], m->element);
}

static void pad_row(const lr_image *m, uint8_t *target, int32_t row) {
  int32_t left = m->inner_x, right = m->target_width - m->inner_width - left;
  if (row < 0 || row >= m->inner_height) {
    pad_run(m, target, row, -left, m->target_width);
  } else {
    pad_run(m, target, row, -left, left);
    pad_run(m, target, row, m->inner_width, right);
  }
}

/* ---- strips ---- */
struct part { /* of the tables: places c0 to c1 across the source, d0 to d1 down it */
  int32_t c0, c1, d0, d1;
};

/* The first and the last pixel of the source that places c0 to c1 - 1 need. */
static void columns_of(const lr_image *m, int32_t c0, int32_t c1, int32_t *first, int32_t *last) {
  int32_t a = m->across.at[c0], b = m->across.at[c1 - 1];
  *first = a < b ? a : b;
  *last = (a < b ? b : a) + 1;
  if (*last >= m->across.start + m->across.size) *last = m->across.start + m->across.size - 1;
  /* chroma begins with an even pixel */
  if (lr_image_is_yuv(m->format)) *first &= ~1;
}

static int32_t strip_end(const lr_image *m, int32_t c0, int32_t end) {
  int32_t most = m->turned ? TILE / (4 * GROUP) : TILE / 4, first, last, c1 = c0 + 1;
  if (m->across.size / SPARSE >= m->across.n) most = 1;
  for (; c1 < end && c1 - c0 < most; c1++) {
    columns_of(m, c0, c1 + 1, &first, &last);
    if (last - first >= SPAN) break;
  }
  return c1;
}

static void run_strip(struct strip *s, const struct part *p, uint8_t *target) {
  const lr_image *m = s->m;
  int32_t last, columns = p->c1 - p->c0;
  columns_of(m, p->c0, p->c1, &s->first, &last);
  s->n = last - s->first + 1;
  s->row_in[0] = s->row_in[1] = -1;
  size_t pixel = m->channels == 1 ? 1 : 4, group = m->turned ? GROUP : 1;
  for (int32_t d = p->d0; d < p->d1; d += (int32_t)group) {
    int32_t n = p->d1 - d < (int32_t)group ? p->d1 - d : (int32_t)group;
    for (int32_t i = 0; i < n; i++) {
      mix_rows(s, d + i);
      m->pick((size_t)columns, (size_t)m->row_channels, s->mixed, m->across.at + p->c0, s->first,
              m->across.weight + p->c0, pixel, s->tile + (size_t)i * pixel, group * pixel);
    }
    if (!m->turned) m->store((size_t)columns, s->tile, &m->pixels, place_of(m, target, d, p->c0));
    for (int32_t c = 0; c < columns && m->turned; c++)
      m->store((size_t)n, s->tile + (size_t)c * group * pixel, &m->pixels, place_of(m, target, p->c0 + c, d));
  }
}

/* ---- arguments ---- */
static lr_status check_plane(const lr_image *m, const lr_image_planes *p, int32_t i, lr_error *e) {
  size_t pairs = i && m->format != LR_IMAGE_I420;
  size_t width = i ? (size_t)(m->width + 1) / 2 : (size_t)m->width,
         rows = i ? (size_t)(m->height + 1) / 2 : (size_t)m->height;
  size_t row = width * (i ? 1 + pairs : (size_t)lr_image_pixel(m->format));
  if (!p->plane[i])
    return lr_fail(e, LR_ERR_ARGUMENT, "image_run: plane %d is NULL; this format has %d", i,
                   lr_image_planes_of(m->format));
  if (p->stride[i] < row || p->stride[i] > (size_t)PTRDIFF_MAX / rows)
    return lr_fail(
        e, LR_ERR_ARGUMENT,
        "image_run: the stride of plane %d is %zu; give the bytes from one row to the next, at least %zu", i,
        p->stride[i], row);
  return LR_OK;
}

static lr_status check_target(const lr_image *m, const void *target, size_t bytes, int32_t first,
                              int32_t rows, lr_error *e) {
  uint64_t need = (uint64_t)m->target_width * (uint64_t)m->target_height * (uint64_t)m->channels * m->element;
  if (!target) return lr_fail(e, LR_ERR_ARGUMENT, "image_run: target is NULL; give the input's memory");
  if (bytes < need)
    return lr_fail(e, LR_ERR_ARGUMENT, "image_run: the target has %zu bytes; %d x %d pixels need %llu", bytes,
                   m->target_width, m->target_height, (unsigned long long)need);
  if ((uintptr_t)target % m->element)
    return lr_fail(e, LR_ERR_ARGUMENT,
                   "image_run: the target is not aligned to its elements, which have %zu bytes; move it",
                   m->element);
  if (first < 0 || first >= m->target_height || rows < 0 || rows > m->target_height - first)
    return lr_fail(e, LR_ERR_ARGUMENT,
                   "image_run: %d rows from row %d on are not all in the target; it has %d rows", rows, first,
                   m->target_height);
  return LR_OK;
}

lr_status lr_image_run(const lr_image *m, const lr_image_planes *planes, void *target, size_t bytes,
                       int32_t first_row, int32_t rows, lr_error *error) {
  if (!m) return lr_fail(error, LR_ERR_ARGUMENT, "image_run: image is NULL; make one with lr_image_open");
  if (!planes) return lr_fail(error, LR_ERR_ARGUMENT, "image_run: planes is NULL; say where the picture is");
  for (int32_t i = 0; i < lr_image_planes_of(m->format); i++) LR_TRY(check_plane(m, planes, i, error));
  LR_TRY(check_target(m, target, bytes, first_row, rows, error));
  int32_t low = first_row - m->inner_y, high = rows ? low + rows : m->target_height - m->inner_y;
  for (int32_t row = low; row < high; row++) pad_row(m, target, row);
  if (low < 0) low = 0;
  if (high > m->inner_height) high = m->inner_height;
  struct strip s;
  s.m = m;
  s.planes = planes;
  struct part p = {.d1 = m->inner_width}, all = {.c1 = m->inner_width};
  if (m->turned) all.c0 = low, all.c1 = high;
  if (!m->turned) p.d0 = low, p.d1 = high;
  if (low >= high) return LR_OK;
  for (p.c0 = all.c0; p.c0 < all.c1; p.c0 = p.c1) {
    p.c1 = strip_end(m, p.c0, all.c1);
    run_strip(&s, &p, target);
  }
  return LR_OK;
}
