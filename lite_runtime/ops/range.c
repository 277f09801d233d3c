/* range: ONNX's Range. The size follows from the values, so it is known when they are. */
#include <math.h>
#include <stdio.h>

#include "move.h"

enum { CHUNK = 16384 };

/* start, limit, delta as integers or as doubles, which hold every f32 exactly. */
struct numbers {
  int64_t i[3];
  double d[3];
};

static int64_t integer_at(const void *data, int32_t dtype) {
  int64_t wide = 0;
  int32_t word = 0;
  int16_t half = 0;
  switch (dtype) {
    case LR_I64:
      memcpy(&wide, data, sizeof wide);
      return wide;
    case LR_I32:
      memcpy(&word, data, sizeof word);
      return word;
    default:
      memcpy(&half, data, sizeof half);
      return half;
  }
}

static void read(struct numbers *n, int32_t k, const void *data, int32_t dtype) {
  float f = 0;
  if (dtype == LR_F32) {
    memcpy(&f, data, sizeof f);
    n->d[k] = (double)f;
  } else if (dtype == LR_F64) {
    memcpy(&n->d[k], data, sizeof n->d[k]);
  } else {
    n->i[k] = integer_at(data, dtype);
  }
}

/* Number of elements: max(ceil((limit - start) / delta), 0); -1 when there is none, -2 when it is too large. */
static int64_t count(const struct numbers *n, int32_t dtype) {
  if (dtype == LR_F32 || dtype == LR_F64) {
    double steps = ceil((n->d[1] - n->d[0]) / n->d[2]);
    if (n->d[2] == 0 || !isfinite(n->d[0]) || !isfinite(n->d[1]) || !isfinite(n->d[2])) return -1;
    return steps >= (double)LR_MAX_BYTES ? -2 : steps > 0 ? (int64_t)steps : 0;
  }
  int64_t start = n->i[0], limit = n->i[1], delta = n->i[2];
  if (!delta) return -1;
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  uint64_t way = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
  uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta, steps = (way - 1) / step + 1;
  return steps > LR_MAX_BYTES ? -2 : (int64_t)steps;
}

static void text(const struct numbers *n, int32_t dtype, char *to, size_t size) {
  if (dtype == LR_F32 || dtype == LR_F64)
    snprintf(to, size, "a range from %g to %g by %g", n->d[0], n->d[1], n->d[2]);
  else
    snprintf(to, size, "a range from %lld to %lld by %lld", (long long)n->i[0], (long long)n->i[1],
             (long long)n->i[2]);
}

lr_status lr_infer_range(struct lr_infer *c) {
  static const char *const names[] = {"start", "limit", "delta"};
  const struct lr_type *x = c->in;
  struct numbers n = {{0}, {0}};
  int32_t t = x[0].dtype;
  bool known = true;
  char words[160];
  if (t != LR_F32 && t != LR_F64 && t != LR_I16 && t != LR_I32 && t != LR_I64)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "start is %s; use f32, f64, i16, i32 or i64",
                         lr_dtype_name(t));
  for (int32_t i = 0; i < 3; i++) {
    if (x[i].dtype != t || x[i].rank)
      return lr_infer_fail(c, LR_ERR_MODEL, "%s is %s, but must be a scalar %s", names[i],
                           lr_type_text(&x[i], words, sizeof words), lr_dtype_name(t));
    known &= c->value[i] != NULL;
    if (c->value[i]) read(&n, i, c->value[i], t);
  }
  c->out[0] = (struct lr_type){.dtype = t, .rank = 1, .dim = {-1}};
  if (!known) return LR_OK;
  c->out[0].dim[0] = count(&n, t);
  if (c->out[0].dim[0] >= 0) return lr_move_output(c, 0);
  text(&n, t, words, sizeof words);
  return lr_infer_fail(c, LR_ERR_VALUE, "%s is not possible", words);
}

struct job {
  struct numbers n;
  int32_t dtype;
  int64_t count;
  void *y;
};

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  int64_t from = (int64_t)task * CHUNK, to = from + CHUNK < j->count ? from + CHUNK : j->count;
  uint64_t start = (uint64_t)j->n.i[0], delta = (uint64_t)j->n.i[2];
  float f0 = (float)j->n.d[0], f2 = (float)j->n.d[2];
  for (int64_t i = from; i < to; i++) switch (j->dtype) {
      case LR_F32:
        ((float *)j->y)[i] = f0 + (float)i * f2;
        break;
      case LR_F64:
        ((double *)j->y)[i] = j->n.d[0] + (double)i * j->n.d[2];
        break;
      case LR_I64:
        ((uint64_t *)j->y)[i] = start + (uint64_t)i * delta;
        break;
      case LR_I32:
        ((uint32_t *)j->y)[i] = (uint32_t)(start + (uint64_t)i * delta);
        break;
      default:
        ((uint16_t *)j->y)[i] = (uint16_t)(start + (uint64_t)i * delta);
    }
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *y = &r->out[0];
  struct job j = {.dtype = y->dtype, .count = y->dim[0], .y = y->data};
  for (int32_t i = 0; i < 3; i++) read(&j.n, i, r->in[i].data, y->dtype);
  if (count(&j.n, j.dtype) != j.count) {
    char words[160];
    text(&j.n, j.dtype, words, sizeof words);
    return lr_run_fail(r, LR_ERR_VALUE, "%s does not have the %lld elements of y", words, (long long)j.count);
  }
  lr_parallel(r->pool, (int32_t)((j.count + CHUNK - 1) / CHUNK), body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_range = {.run = run};
