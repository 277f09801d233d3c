/* tile: x repeated along each axis. */
#include "move.h"

enum { TASK_BYTES = 64 * 1024, MAX_TASKS = 256, BLOCK_BYTES = 64 * 1024 };

lr_status lr_infer_tile(struct lr_infer *c) {
  const struct lr_type *x = &c->in[0];
  struct lr_type *y = &c->out[0];
  struct lr_ints repeats;
  LR_TRY(lr_move_input(c, 0));
  LR_TRY(lr_ints_infer(c, 1, "repeats", &repeats));
  if (repeats.n >= 0 && repeats.n != x->rank)
    return lr_infer_fail(c, LR_ERR_MODEL, "repeats has %lld elements, but x has rank %d",
                         (long long)repeats.n, x->rank);
  *y = (struct lr_type){.dtype = x->dtype, .rank = x->rank};
  for (int32_t i = 0; i < x->rank; i++) {
    int64_t k = lr_ints_known(&repeats) ? lr_ints_at(&repeats, i) : -1;
    if (lr_ints_known(&repeats) && (k < 0 || k > (int64_t)LR_MAX_BYTES))
      return lr_infer_fail(c, LR_ERR_VALUE, "repeats[%d] is %lld, but must be 0 to 2^40", i, (long long)k);
    uint64_t size = 0;
    if (k == 0 || x->dim[i] == 0)
      y->dim[i] = 0;
    else if (k == 1)
      y->dim[i] = x->dim[i];
    else if (k < 0 || x->dim[i] < 0)
      y->dim[i] = -1;
    else
      y->dim[i] = lr_mul_overflows((uint64_t)k, (uint64_t)x->dim[i], &size) || size > LR_MAX_BYTES
                      ? INT64_MAX
                      : (lr_dim)size;
  }
  return lr_move_output(c, 0);
}

/* y is rows along the last repeated axis. A row is one piece of x, `repeat` times. */
struct job {
  const char *x;
  char *y;
  int32_t rank; /* axes in front of the row's */
  int64_t x_dim[LR_MAX_RANK], y_dim[LR_MAX_RANK];
  size_t piece; /* bytes */
  int64_t repeat, rows, tasks;
};

/* Writes n pieces to y, most of them in copies of what is there already. Returns their end. */
static char *repeat(char *y, const char *x, size_t piece, int64_t n) {
  size_t whole = piece * (size_t)n, done = piece;
  lr_copy_bytes(y, x, piece);
  while (done < whole) {
    size_t most = done < BLOCK_BYTES ? done : piece < BLOCK_BYTES ? BLOCK_BYTES / piece * piece : piece;
    if (most > whole - done) most = whole - done;
    lr_copy_bytes(y + done, y, most);
    done += most;
    if (most > BLOCK_BYTES / 2 && lr_stopped()) break;
  }
  return y + whole;
}

static void body(void *context, int32_t task, int32_t thread) {
  const struct job *j = context;
  int64_t each = (j->rows + j->tasks - 1) / j->tasks, row = task * each;
  int64_t end = row + each < j->rows ? row + each : j->rows;
  for (char *y = j->y + (size_t)row * j->piece * (size_t)j->repeat; row < end && !lr_stopped(); row++) {
    size_t at = 0, step = 1; /* of the piece in x, in pieces */
    for (int64_t i = j->rank - 1, t = row; i >= 0; i--) {
      assert(j->y_dim[i] > 0 && j->x_dim[i] > 0); /* y has elements */
      at += (size_t)(t % j->y_dim[i] % j->x_dim[i]) * step;
      step *= (size_t)j->x_dim[i];
      t /= j->y_dim[i];
    }
    y = repeat(y, j->x + at * j->piece, j->piece, j->repeat);
  }
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct lr_ints repeats = lr_ints_view(r->in, r->n_in, 1, NULL);
  struct job j = {.x = x->data, .y = y->data, .piece = lr_dtype_size(x->dtype), .repeat = 1, .rows = 1};
  if (repeats.n != x->rank)
    return lr_run_fail(r, LR_ERR_VALUE, "repeats has %lld elements, but x has rank %d", (long long)repeats.n,
                       x->rank);
  for (int32_t i = 0; i < x->rank; i++) {
    int64_t k = lr_ints_at(&repeats, i);
    if (k < 0 || (x->dim[i] ? y->dim[i] / x->dim[i] != k || y->dim[i] % x->dim[i] : y->dim[i]))
      return lr_run_fail(r, LR_ERR_VALUE, "repeats[%d] is %lld, but x has size %lld and y has %lld", i,
                         (long long)k, (long long)x->dim[i], (long long)y->dim[i]);
  }
  j.rank = x->rank;
  while (j.rank && x->dim[j.rank - 1] == y->dim[j.rank - 1]) j.piece *= (size_t)x->dim[--j.rank];
  if (j.rank) {
    j.rank--;
    j.repeat = y->dim[j.rank] / x->dim[j.rank];
    j.piece *= (size_t)x->dim[j.rank];
  }
  for (int32_t i = 0; i < j.rank; i++) {
    j.x_dim[i] = x->dim[i];
    j.rows *= j.y_dim[i] = y->dim[i];
  }
  int64_t tasks = lr_view_count(y) * (int64_t)lr_dtype_size(y->dtype) / TASK_BYTES + 1;
  j.tasks = tasks < MAX_TASKS ? tasks : MAX_TASKS;
  if (j.tasks > j.rows) j.tasks = j.rows;
  lr_parallel(r->pool, (int32_t)j.tasks, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_tile = {.run = run};
