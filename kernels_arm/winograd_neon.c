/* Winograd's transforms with NEON, 4 channels at a time; the mathematics is in kernels_generic/winograd.c.
 * Values stand for themselves and each row is done before the next one is read, so that they are in
 * registers: all but a few of the 36 of F(4x4, 3x3). */
#include <stdbool.h>
#include <string.h>

#include "kernels.h"
#include "neon.h"

typedef struct {
  v4 x0, x1;
} two;
typedef struct {
  v4 x0, x1, x2, x3;
} four;
typedef struct {
  v4 x0, x1, x2, x3, x4, x5;
} six;

/* value k of each row */
#define COLUMN4(k) \
  (four) { r0.x##k, r1.x##k, r2.x##k, r3.x##k }
#define COLUMN6(k) \
  (six) { r0.x##k, r1.x##k, r2.x##k, r3.x##k, r4.x##k, r5.x##k }

/* The factors, in the lanes of one register; compilers take a register for each, or make them again and
 * again. */
enum { BY_2, BY_4, BY_8, BY_5 };
LR_INLINE v4 factors(void) {
  v4 f = {2, 4, 8, 5};
  LR_IN_REGISTER(f);
  return f;
}

/* Multiples of a distance, each in a register: no load or store has to add. */
struct steps {
  size_t x1, x2, x3, x4, x5;
};
LR_INLINE struct steps steps_of(size_t step) {
  struct steps s = {step, 2 * step, 3 * step, 4 * step, 5 * step};
  LR_OPAQUE(s.x1);
  LR_OPAQUE(s.x2);
  LR_OPAQUE(s.x3);
  LR_OPAQUE(s.x4);
  LR_OPAQUE(s.x5);
  return s;
}
LR_INLINE four load4(const float *v, const struct steps *s) {
  return (four){vld1q_f32(v), vld1q_f32(v + s->x1), vld1q_f32(v + s->x2), vld1q_f32(v + s->x3)};
}
LR_INLINE six load6(const float *v, const struct steps *s) {
  return (six){vld1q_f32(v),         vld1q_f32(v + s->x1), vld1q_f32(v + s->x2),
               vld1q_f32(v + s->x3), vld1q_f32(v + s->x4), vld1q_f32(v + s->x5)};
}

enum { POINTS = 36 };

/* ---- in ---- */
/* B^T x */
LR_INLINE four in_2(four x) {
  return (four){vsubq_f32(x.x0, x.x2), vaddq_f32(x.x1, x.x2), vsubq_f32(x.x2, x.x1), vsubq_f32(x.x1, x.x3)};
}
LR_INLINE six in_4(six x, v4 f) {
  v4 far_even = vsubq_f32(x.x4, x.x2), far_odd = vsubq_f32(x.x3, x.x1);
  v4 first = v4_fma_lane(v4_fms_lane(x.x4, x.x2, f, BY_5), x.x0, f, BY_4);
  v4 last = v4_fms_lane(vsubq_f32(x.x5, x.x3), far_odd, f, BY_4);
  v4 even = v4_fms_lane(x.x4, x.x2, f, BY_4), odd = v4_fms_lane(x.x3, x.x1, f, BY_4);
  return (six){first,
               vaddq_f32(even, odd),
               vsubq_f32(even, odd),
               v4_fma_lane(far_even, far_odd, f, BY_2),
               v4_fms_lane(far_even, far_odd, f, BY_2),
               last};
}

LR_INLINE four pixels4(const float *const *x, size_t at) {
  return (four){vld1q_f32(x[0] + at), vld1q_f32(x[1] + at), vld1q_f32(x[2] + at), vld1q_f32(x[3] + at)};
}
LR_INLINE six pixels6(const float *const *x, size_t at) {
  return (six){vld1q_f32(x[0] + at), vld1q_f32(x[1] + at), vld1q_f32(x[2] + at),
               vld1q_f32(x[3] + at), vld1q_f32(x[4] + at), vld1q_f32(x[5] + at)};
}
LR_INLINE void store4(float *v, const struct steps *s, four y) {
  vst1q_f32(v, y.x0), vst1q_f32(v + s->x1, y.x1), vst1q_f32(v + s->x2, y.x2), vst1q_f32(v + s->x3, y.x3);
}
LR_INLINE void store6(float *v, const struct steps *s, six y) {
  vst1q_f32(v, y.x0), vst1q_f32(v + s->x1, y.x1), vst1q_f32(v + s->x2, y.x2);
  vst1q_f32(v + s->x3, y.x3), vst1q_f32(v + s->x4, y.x4), vst1q_f32(v + s->x5, y.x5);
}

/* Channels at..at + 3; step: of v, row: steps of its rows. */
LR_INLINE void in_tile_2(size_t at, const float *const *x, float *v, size_t step, const struct steps *row,
                         v4 f) {
  four r0 = in_2(pixels4(x, at)), r1 = in_2(pixels4(x + 4, at)), r2 = in_2(pixels4(x + 8, at)),
       r3 = in_2(pixels4(x + 12, at));
  store4(v, row, in_2(COLUMN4(0)));
  store4(v + step, row, in_2(COLUMN4(1)));
  store4(v + 2 * step, row, in_2(COLUMN4(2)));
  store4(v + 3 * step, row, in_2(COLUMN4(3)));
}
LR_INLINE void in_tile_4(size_t at, const float *const *x, float *v, size_t step, const struct steps *row,
                         v4 f) {
#define ROW(i)                                  \
  six r##i = in_4(pixels6(x + 6 * i, at), f);   \
  LR_READY(r##i.x0, r##i.x1, r##i.x2, r##i.x3); \
  LR_READY(r##i.x4, r##i.x5, r##i.x0, r##i.x1)
#define COLUMN(j)                      \
  LR_OPAQUE(v);                        \
  store6(v, row, in_4(COLUMN6(j), f)); \
  v += step
  ROW(0);
  ROW(1);
  ROW(2);
  ROW(3);
  ROW(4);
  ROW(5);
  COLUMN(0);
  COLUMN(1);
  COLUMN(2);
  COLUMN(3);
  COLUMN(4);
  COLUMN(5);
#undef ROW
#undef COLUMN
}

/* n >= 4; where it is no whole number of vectors, some channels are done twice. */
#define IN(M)                                                                            \
  static void in_all_##M(size_t n, const float *const *x, float *v, size_t step) {       \
    const struct steps row = steps_of((M + 2) * step);                                   \
    v4 f = factors();                                                                    \
    for (size_t at = 0; at + 4 <= n; at += 4) in_tile_##M(at, x, v + at, step, &row, f); \
    if (n % 4) in_tile_##M(n - 4, x, v + n - 4, step, &row, f);                          \
  }
IN(2)
IN(4)

void LR_NEON(lr_f32_winograd_in)(size_t m, size_t n, const float *const *x, float *v, size_t v_stride) {
  void (*const all)(size_t, const float *const *, float *, size_t) = m == 4 ? in_all_4 : in_all_2;
  if (n >= 4) {
    all(n, x, v, v_stride);
    return;
  }
  float few[POINTS][4] = {{0}}, y[POINTS][4];
  const float *p[POINTS] = {NULL};
  for (size_t i = 0; i < (m + 2) * (m + 2); i++) p[i] = memcpy(few[i], x[i], n * sizeof(float));
  all(4, p, y[0], 4);
  for (size_t i = 0; i < (m + 2) * (m + 2); i++) memcpy(v + i * v_stride, y[i], n * sizeof(float));
}

/* ---- out ---- */
/* A^T x */
LR_INLINE two out_2(four x) {
  return (two){vaddq_f32(vaddq_f32(x.x0, x.x1), x.x2), vsubq_f32(vsubq_f32(x.x1, x.x2), x.x3)};
}
LR_INLINE four out_4(six x, v4 f) {
  v4 sum = vaddq_f32(x.x1, x.x2), difference = vsubq_f32(x.x1, x.x2);
  v4 far_sum = vaddq_f32(x.x3, x.x4), far_difference = vsubq_f32(x.x3, x.x4);
  return (four){vaddq_f32(vaddq_f32(x.x0, sum), far_sum), v4_fma_lane(difference, far_difference, f, BY_2),
                v4_fma_lane(sum, far_sum, f, BY_4),
                vaddq_f32(v4_fma_lane(difference, far_difference, f, BY_8), x.x5)};
}

/* What is the same for all channels of a tile. */
struct out {
  struct lr_winograd_out o;
  struct steps point, row, add_row; /* of v, y and add */
  v4 lo, hi, f;
};

LR_INLINE void finish(float *y, const struct out *c, const bool adds, const float *add, v4 v) {
  if (adds) v = vaddq_f32(v, vld1q_f32(add));
  vst1q_f32(y, v4_clamp(v, c->lo, c->hi));
}

/* Channels at..at + 3 of rows x cols outputs; adds: c->o.add is there. Point 1 goes into all outputs as it
 * is, in rows and in columns: there the bias is added. */
LR_INLINE void out_tile_2(const struct out *c, size_t rows, size_t cols, const bool adds, size_t at) {
  const size_t step = 4 * c->o.v_stride;
  const float *v = c->o.v + at;
  four p1 = load4(v + step, &c->point);
  p1.x1 = vaddq_f32(p1.x1, vld1q_f32(c->o.bias + at));
  two r0 = out_2(load4(v, &c->point)), r1 = out_2(p1), r2 = out_2(load4(v + 2 * step, &c->point)),
      r3 = out_2(load4(v + 3 * step, &c->point)), left = out_2(COLUMN4(0)), right = out_2(COLUMN4(1));
  const float *add = adds ? c->o.add + at : NULL;
  float *y = c->o.y + at;
  finish(y, c, adds, add, left.x0);
  if (rows > 1) finish(y + c->row.x1, c, adds, adds ? add + c->add_row.x1 : NULL, left.x1);
  if (cols == 1) return;
  y += c->o.col_stride;
  add = adds ? add + c->o.add_col_stride : NULL;
  finish(y, c, adds, add, right.x0);
  if (rows > 1) finish(y + c->row.x1, c, adds, adds ? add + c->add_row.x1 : NULL, right.x1);
}
/* `rows` outputs of a column */
LR_INLINE void finish_4(float *y, const struct out *c, size_t rows, const bool adds, const float *add,
                        four v) {
  finish(y, c, adds, add, v.x0);
  if (rows > 1) finish(y + c->row.x1, c, adds, adds ? add + c->add_row.x1 : NULL, v.x1);
  if (rows > 2) finish(y + c->row.x2, c, adds, adds ? add + c->add_row.x2 : NULL, v.x2);
  if (rows > 3) finish(y + c->row.x3, c, adds, adds ? add + c->add_row.x3 : NULL, v.x3);
}
LR_INLINE void out_tile_4(const struct out *c, size_t rows, size_t cols, const bool adds, size_t at) {
  const float *v = c->o.v + at, *add = adds ? c->o.add + at : NULL;
  float *y = c->o.y + at;
#define ROW(i)                                                         \
  LR_OPAQUE(v);                                                        \
  six p##i = load6(v, &c->point);                                      \
  if (i == 1) p##i.x1 = vaddq_f32(p##i.x1, vld1q_f32(c->o.bias + at)); \
  four r##i = out_4(p##i, c->f);                                       \
  LR_READY(r##i.x0, r##i.x1, r##i.x2, r##i.x3);                        \
  v += 6 * c->o.v_stride
#define COLUMN(j)                                                         \
  LR_OPAQUE(y);                                                           \
  if (adds) LR_OPAQUE(add);                                               \
  if (cols > j) finish_4(y, c, rows, adds, add, out_4(COLUMN6(j), c->f)); \
  y += c->o.col_stride;                                                   \
  add = adds ? add + c->o.add_col_stride : NULL
  ROW(0);
  ROW(1);
  ROW(2);
  ROW(3);
  ROW(4);
  ROW(5);
  COLUMN(0);
  COLUMN(1);
  COLUMN(2);
  COLUMN(3);
#undef ROW
#undef COLUMN
}

/* n >= 4. Whole tiles, the most by far, have no branches. */
#define OUT(NAME, M, ROWS, COLS, ADDS)                                                \
  static void NAME(size_t n, const struct lr_winograd_out *o) {                       \
    const struct out c = {*o,                                                         \
                          steps_of(o->v_stride),                                      \
                          steps_of(o->row_stride),                                    \
                          steps_of(o->add_row_stride),                                \
                          vdupq_n_f32(o->lo),                                         \
                          vdupq_n_f32(o->hi),                                         \
                          factors()};                                                 \
    for (size_t at = 0; at + 4 <= n; at += 4) out_tile_##M(&c, ROWS, COLS, ADDS, at); \
    if (n % 4) out_tile_##M(&c, ROWS, COLS, ADDS, n - 4);                             \
  }
OUT(whole_2, 2, 2, 2, false)
OUT(whole_2_add, 2, 2, 2, true)
OUT(part_2, 2, o->rows, o->cols, o->add != NULL)
OUT(whole_4, 4, 4, 4, false)
OUT(whole_4_add, 4, 4, 4, true)
OUT(part_4, 4, o->rows, o->cols, o->add != NULL)

void LR_NEON(lr_f32_winograd_out)(size_t m, size_t n, const struct lr_winograd_out *o) {
  static void (*const by_kind[2][3])(size_t, const struct lr_winograd_out *) = {
      {whole_2, whole_2_add, part_2}, {whole_4, whole_4_add, part_4}};
  void (*const all)(size_t, const struct lr_winograd_out *) = by_kind[m == 4][o->rows < m || o->cols < m ? 2
                                                                              : o->add                   ? 1
                                                                                                         : 0];
  if (n >= 4) {
    all(n, o);
    return;
  }
  float few[POINTS][4] = {{0}}, bias[4] = {0}, add[16][4] = {{0}}, y[16][4];
  for (size_t i = 0; i < (m + 2) * (m + 2); i++) memcpy(few[i], o->v + i * o->v_stride, n * sizeof(float));
  memcpy(bias, o->bias, n * sizeof(float));
  for (size_t i = 0; o->add && i < o->rows * o->cols; i++)
    memcpy(add[i], o->add + i / o->cols * o->add_row_stride + i % o->cols * o->add_col_stride,
           n * sizeof(float));
  all(4, &(struct lr_winograd_out){few[0], bias, add[0], 4, o->rows, o->cols, 4 * o->cols, 4, 4 * o->cols, 4,
                                   y[0], o->lo, o->hi});
  for (size_t i = 0; i < o->rows * o->cols; i++)
    memcpy(o->y + i / o->cols * o->row_stride + i % o->cols * o->col_stride, y[i], n * sizeof(float));
}
