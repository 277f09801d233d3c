/* Fourier transforms. fft.c: complex ones of any length, of some signals at a time; dft.c: the operator; signals.c: what dft
 * and stft share, from the signals in a tensor to their spectra in another one and back. */
#pragma once
#include "kernels.h"
#include "op.h"

enum {
  LR_FFT_MAX = 1 << 22, /* length; a plan's tables are made without being stopped */
  LR_FFT_PASSES = 24,
  LR_FFT_LANES = 16
};

/* The transform of a length, e^(-2 pi i j k / n), unscaled. */
struct lr_fft {
  int64_t n;
  int64_t room; /* numbers of a lane in each of the four buffers */
  bool wide;    /* of f64, else of f32 */
  const struct lr_kernel *kernel;
  int32_t n_passes;
  struct lr_fft_step {
    int64_t radix;
    const void *w, *roots; /* as in lr_fft_pass */
  } step[LR_FFT_PASSES];
  const struct lr_fft *inner; /* Bluestein's algorithm, by transforms of this longer length; or NULL */
  const void *chirp, *spectrum;
};
static inline enum lr_signature lr_fft_signature(bool wide) {
  return wide ? LR_SIG_f64_fft_pass : LR_SIG_f32_fft_pass;
}
/* Of 1 to LR_FFT_MAX numbers, by a kernel of that signature. NULL: out of memory. */
const struct lr_fft *lr_fft_make(struct lr_prepare *p, bool wide, const struct lr_kernel *kernel, int64_t n);
/* e^(-2 pi i k / n), real parts of k < count, then imaginary parts. NULL: out of memory. */
const void *lr_fft_turns(struct lr_prepare *p, bool wide, int64_t n, int64_t count);
/* Number k of lane j is at b[0][k * lanes + j] and b[1]; so is the result, after the four buffers have changed places. False:
 * the run was stopped. */
bool lr_fft_run(const struct lr_fft *f, int64_t lanes, void *b[4]);

static inline void lr_fft_exchange(void **a, void **b) {
  void *t = *a;
  *a = *b;
  *b = t;
}

/* Where signal t lies in a tensor, in elements: (t / per) * outer + (t % per) * inner; its samples are `step` apart. */
struct lr_places {
  int64_t per, outer, inner, step;
};
/* Transforms of `count` signals. */
struct lr_signals {
  /* set by the operator */
  enum {
    LR_SIGNAL_REAL,
    LR_SIGNAL_COMPLEX,
    LR_SIGNAL_HALF
  } form; /* HALF: of a spectrum whose signal is real */
  bool wide, inverse;
  int64_t axis; /* dft's */
  int64_t n;    /* length of the transform, 1 to LR_FFT_MAX */
  int64_t
      given; /* samples of x, of which a transform takes at most n (HALF: n / 2 + 1); zeros follow where it is less */
  int64_t kept; /* numbers of y: n or n / 2 + 1 */
  int64_t count;
  struct lr_places x, y;
  /* by lr_signals_prepare */
  const struct lr_fft *fft;
  const void *turns; /* a real signal of even length is a complex one of half the length; or NULL */
  int64_t lanes, blocks;
  uint64_t buffer, thread_bytes;
};
lr_status lr_signals_prepare(struct lr_prepare *p, struct lr_signals *s);
/* window: n factors of the samples, or NULL. */
void lr_signals_run(const struct lr_run *r, const struct lr_signals *s, const void *window);
