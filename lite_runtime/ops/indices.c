#include "indices.h"

#include <stdatomic.h>

#define BAD_INDEX "indices[%lld] is %lld, but axis %d of x has size %lld; indices must be in [-%lld, %lld)"

lr_status lr_indices_infer(const struct lr_infer *c, int32_t i) {
  if (c->in[i].dtype == LR_I64 || c->in[i].dtype == LR_I32) return LR_OK;
  return lr_infer_fail(c, LR_ERR_MODEL, "indices are %s, but must be i64 or i32",
                       lr_dtype_name(c->in[i].dtype));
}

/* Place of the first index from `i` on and before `end` that is out of range, else `end`; every step-th is looked at. */
static int64_t first_bad(const struct lr_view *v, int64_t i, int64_t end, int64_t step, int64_t size) {
  for (; i < end; i += step) {
    int64_t k = lr_index(v, i);
    if (k < -size || k >= size) return i;
  }
  return end;
}

lr_status lr_indices_known(const struct lr_infer *c, int32_t i, int64_t n, int32_t axis, int64_t size) {
  enum { MOST = 64 * 1024 }; /* infer is not asked whether the run is stopped */
  const struct lr_view v = {.data = (void *)(uintptr_t)c->value[i], .dtype = c->in[i].dtype};
  int64_t bad = n > MOST ? n : first_bad(&v, 0, n, 1, size);
  long long s = (long long)size;
  return bad == n ? LR_OK
                  : lr_infer_fail(c, LR_ERR_VALUE, BAD_INDEX, (long long)bad, (long long)lr_index(&v, bad),
                                  axis, s, s, s);
}

struct job {
  const struct lr_view *v;
  int32_t n;
  const int64_t *size;
  _Atomic int64_t bad; /* the smallest place so far */
};

static void look(void *context, int64_t first, int64_t last, int32_t thread) {
  struct job *j = context;
  int64_t end = last * j->n, bad = end;
  for (int32_t k = 0; k < j->n; k++) {
    int64_t at = first_bad(j->v, first * j->n + k, end, j->n, j->size[k]);
    if (at < bad) bad = at;
  }
  int64_t known = atomic_load(&j->bad);
  while (bad < end && bad < known && !atomic_compare_exchange_weak(&j->bad, &known, bad)) continue;
}

lr_status lr_indices_check(const struct lr_run *r, const struct lr_view *v, int32_t axis, int32_t n,
                           const int64_t *size) {
  struct job j = {.v = v, .n = n, .size = size, .bad = INT64_MAX};
  if (!n) return LR_OK; /* rows without indices: any number of them is no memory */
  lr_move_rows(r->pool, lr_view_count(v) / n, 8 * (int64_t)n, look, &j);
  int64_t bad = atomic_load(&j.bad);
  if (bad == INT64_MAX) return LR_OK;
  long long s = (long long)size[bad % n];
  return lr_run_fail(r, LR_ERR_VALUE, BAD_INDEX, (long long)bad, (long long)lr_index(v, bad),
                     axis + (int32_t)(bad % n), s, s, s);
}
