/* From the signals in a tensor to their spectra in another one, and back. A block of signals is transformed at once: number k
 * of all of them, side by side, is a row of the buffers. */
#include "needs.h"
#include "fft.h"

#include "gemm.h"
#include "independent.h"
#include "pairs.h"

#define BLOCK_BYTES ((size_t)512 * 1024) /* of the buffers of a block of more than one signal */

struct block {
  const struct lr_signals *s;
  int64_t used;      /* lanes that are a signal */
  bool side_by_side; /* in memory too: then rows are read and written one after another, else lanes */
  int64_t x[LR_FFT_LANES], y[LR_FFT_LANES]; /* first elements of the signals */
};

/* Two numbers each, `apart` in memory, `step` behind those before. */
struct pairs {
  int64_t step, apart;
  int64_t first, second; /* reading: how many there are of each number */
  int64_t rows;
};

enum { PIECE = 16 * 1024 }; /* rows between two questions whether to stop */

/* Of `all` rows those that are in the piece from row `at` on. */
static int64_t part(int64_t all, int64_t at) { return all - at > PIECE ? PIECE : all > at ? all - at : 0; }

#define APART __attribute__((noinline)) /* called from several places, and long */

#define T float
#define NAME(name) name##_f32
#define PAIRS 1
#include "signals.inl"
#undef T
#undef NAME
#undef PAIRS
#define T double
#define NAME(name) name##_f64
#define PAIRS 0
#include "signals.inl"

lr_status lr_signals_prepare(struct lr_prepare *p, struct lr_signals *s) {
  bool half = s->form != LR_SIGNAL_COMPLEX && s->n % 2 == 0;
  const struct lr_kernel *kernel;
  LR_TRY(lr_find_kernel(&p->bind, lr_fft_signature(s->wide), &kernel));
  if (half) s->turns = lr_fft_turns(p, s->wide, s->n, s->n / 4 + 1);
  s->fft = lr_fft_make(p, s->wide, kernel, half ? s->n / 2 : s->n);
  if (!s->fft || (half && !s->turns)) return lr_prepare_fail(p, LR_ERR_MEMORY, "out of memory");
  size_t size = s->wide ? sizeof(double) : sizeof(float);
  uint64_t rows = (uint64_t)(s->fft->room > s->n / 2 + 1 ? s->fft->room : s->n / 2 + 1);
  int64_t most = (int64_t)(BLOCK_BYTES / (4 * rows * size));
  most = most >= LR_FFT_LANES ? LR_FFT_LANES : most >= 8 ? 8 : most >= 4 ? 4 : 1;
  s->blocks = (s->count + most - 1) / most;
  s->lanes = s->blocks ? (s->count + s->blocks - 1) / s->blocks : 1;
  if (s->lanes > 4) s->lanes = (s->lanes + 7) / 8 * 8; /* whole vectors */
  s->blocks = (s->count + s->lanes - 1) / s->lanes;
  s->buffer = lr_align_up(rows * (uint64_t)s->lanes * size, LR_ALIGN);
  s->thread_bytes = 4 * s->buffer;
  p->scratch = (uint64_t)p->threads * s->thread_bytes;
  p->kernel = s->fft->kernel->name;
  return LR_OK;
}

struct job {
  const struct lr_signals *s;
  const void *x, *window;
  void *y;
  char *scratch;
  int64_t first; /* of lr_parallel_wide */
};

static int64_t place(const struct lr_places *p, int64_t t) {
  return t / p->per * p->outer + t % p->per * p->inner;
}

static void body(void *context, int32_t i, int32_t thread) {
  const struct job *j = context;
  const struct lr_signals *s = j->s;
  int64_t first = (j->first + i) * s->lanes;
  struct block b = {.s = s, .used = s->count - first < s->lanes ? s->count - first : s->lanes};
  b.side_by_side = s->x.inner < s->x.step;
  void *buffer[4];
  for (int k = 0; k < 4; k++)
    buffer[k] = j->scratch + (size_t)thread * s->thread_bytes + (size_t)k * s->buffer;
  for (int64_t k = 0; k < b.used; k++) {
    b.x[k] = place(&s->x, first + k);
    b.y[k] = place(&s->y, first + k);
  }
  bool back = s->form == LR_SIGNAL_HALF;
  if (s->wide && back)
    to_signal_f64(&b, j->x, j->y, buffer);
  else if (s->wide)
    to_spectrum_f64(&b, j->x, j->window, j->y, buffer);
  else if (back)
    to_signal_f32(&b, j->x, j->y, buffer);
  else
    to_spectrum_f32(&b, j->x, j->window, j->y, buffer);
}

void lr_signals_run(const struct lr_run *r, const struct lr_signals *s, const void *window) {
  struct job j = {.s = s, .x = r->in[0].data, .window = window, .y = r->out[0].data, .scratch = r->scratch};
  lr_parallel_wide(r->pool, s->blocks, &j.first, body, &j);
}
