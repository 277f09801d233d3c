/* Complex Fourier transforms: passes of small radices over some signals at once, which are the lanes of vectors. A length with
 * a large prime factor is a convolution with a chirp, computed by longer transforms (Bluestein, "A linear filtering approach to
 * the computation of discrete Fourier transform", 1970). */
#include "fft.h"

#include <math.h>

enum { FINE = 1024, CHUNK = 64 * 1024 }; /* numbers between two questions whether to stop */
static const double pi = 3.14159265358979323846;

/* ---- tables, computed in double ---- */
/* e^(-2 pi i k / n): products of a fine and a coarse one, so that a long table takes few calls of libm. */
struct roots {
  int64_t n;
  double *fine, *coarse;
};

static bool make_roots(struct lr_prepare *p, int64_t n, struct roots *r) {
  int64_t fine = n < FINE ? n : FINE, coarse = (n + FINE - 1) / FINE;
  *r = (struct roots){.n = n};
  r->fine = lr_prepare_alloc(p, (uint64_t)(fine + coarse) * 2 * sizeof(double));
  if (!r->fine) return false;
  r->coarse = r->fine + 2 * fine;
  for (int64_t k = 0; k < fine + coarse; k++) {
    double angle = -2 * pi * (double)(k < fine ? k : (k - fine) * FINE) / (double)n;
    r->fine[2 * k] = cos(angle);
    r->fine[2 * k + 1] = sin(angle);
  }
  return true;
}

static void put(void *table, bool wide, int64_t i, double v) {
  if (wide)
    ((double *)table)[i] = v;
  else
    ((float *)table)[i] = (float)v;
}

/* Root k at place i of a table, its imaginary part `apart` behind it. */
static void put_root(void *table, bool wide, int64_t i, int64_t apart, const struct roots *r, int64_t k) {
  const double *a = r->fine + 2 * (k % FINE), *b = r->coarse + 2 * (k / FINE);
  put(table, wide, i, a[0] * b[0] - a[1] * b[1]);
  put(table, wide, i + apart, a[0] * b[1] + a[1] * b[0]);
}

static void *make_table(struct lr_prepare *p, bool wide, int64_t count) {
  return lr_prepare_alloc(p, (uint64_t)count * 2 * (wide ? sizeof(double) : sizeof(float)));
}

const void *lr_fft_turns(struct lr_prepare *p, bool wide, int64_t n, int64_t count) {
  struct roots r;
  void *t = make_table(p, wide, count);
  if (!t || !make_roots(p, n, &r)) return NULL;
  for (int64_t k = 0; k < count; k++) put_root(t, wide, k, count, &r, k);
  return t;
}

/* ---- lengths with small factors ---- */
/* Radices of n in the order of the passes, those first of which few columns are best; 0 when a factor is too large. */
static int32_t factors(int64_t n, int64_t *radix) {
  int32_t count = 0;
  for (; n % 4 == 0; n /= 4) radix[count++] = 4;
  for (int64_t f = 2; f <= LR_FFT_MAX_RADIX; f++)
    for (; n % f == 0; n /= f) radix[count++] = f;
  return n == 1 ? count : 0;
}

static bool make_passes(struct lr_prepare *p, struct lr_fft *f, const int64_t *radix) {
  struct roots r;
  if (!make_roots(p, f->n, &r)) return false;
  for (int64_t i = 0, s = 1, m = f->n; i < f->n_passes; s *= radix[i++]) {
    struct lr_fft_step *step = &f->step[i];
    m /= radix[i];
    void *w = make_table(p, f->wide, (radix[i] - 1) * m), *roots = NULL;
    if (!w) return false;
    for (int64_t k = 1; k < radix[i]; k++)
      for (int64_t j = 0; j < m; j++) put_root(w, f->wide, 2 * (k - 1) * m + j, m, &r, j * k * s);
    if (radix[i] > 5) {
      if (!(roots = make_table(p, f->wide, radix[i]))) return false;
      for (int64_t j = 0; j < radix[i]; j++) {
        put(roots, f->wide, j, cos(2 * pi * (double)j / (double)radix[i]));
        put(roots, f->wide, j + radix[i], sin(2 * pi * (double)j / (double)radix[i]));
      }
    }
    *step = (struct lr_fft_step){radix[i], w, roots};
  }
  return true;
}

/* ---- all others ---- */
/* The smallest product of 2, 3 and 5 that is at least n. */
static int64_t smooth(int64_t n) {
  int64_t best = INT64_MAX;
  for (int64_t five = 1; five < best; five *= 5)
    for (int64_t both = five; both < best; both *= 3) {
      int64_t all = both;
      while (all < n) all *= 2;
      if (all < best) best = all;
    }
  return best;
}

/* x[k] = c[k] * sum over j of (x[j] c[j]) / c[k - j], c[k] = e^(-pi i k^2 / n): a cyclic convolution once it has room. */
static bool make_chirp(struct lr_prepare *p, struct lr_fft *f) {
  struct roots r;
  int64_t room = smooth(2 * f->n - 1), n = f->n;
  void *chirp = make_table(p, f->wide, n),
       *b[2] = {make_table(p, f->wide, room), make_table(p, f->wide, room)};
  if (!chirp || !b[0] || !b[1] || !make_roots(p, 2 * n, &r)) return false;
  if (!(f->inner = lr_fft_make(p, f->wide, f->kernel, room))) return false;
  f->room = f->inner->room;
  for (int64_t k = 0; k < n; k++) {
    int64_t at = k * k % (2 * n);
    put_root(chirp, f->wide, k, n, &r, at);
    put_root(b[0], f->wide, k, room, &r, at ? 2 * n - at : 0);
    if (k) put_root(b[0], f->wide, room - k, room, &r, at ? 2 * n - at : 0);
  }
  size_t half = (size_t)room * (f->wide ? sizeof(double) : sizeof(float));
  void *all[] = {b[0], (char *)b[0] + half, b[1], (char *)b[1] + half};
  lr_fft_run(f->inner, 1, all);
  for (int64_t i = 0; i < 2 * room; i++) /* what the inverse transform is to be divided by */
    if (f->wide)
      ((double *)all[0])[i] /= (double)room;
    else
      ((float *)all[0])[i] /= (float)room;
  f->chirp = chirp;
  f->spectrum = all[0];
  return true;
}

const struct lr_fft *lr_fft_make(struct lr_prepare *p, bool wide, const struct lr_kernel *kernel, int64_t n) {
  int64_t radix[LR_FFT_PASSES];
  struct lr_fft *f = lr_prepare_alloc(p, sizeof *f);
  if (!f) return NULL;
  *f = (struct lr_fft){.n = n, .room = n, .wide = wide};
  f->kernel = kernel;
  f->n_passes = factors(n, radix);
  return (n == 1 || (f->n_passes ? make_passes(p, f, radix) : make_chirp(p, f))) ? f : NULL;
}

/* ---- run ---- */
/* All rows and columns of a pass, in pieces. */
static bool run_pass(const struct lr_fft *f, struct lr_fft_pass *a, size_t rows, size_t cols) {
  lr_fft_pass_fn *pass = (lr_fft_pass_fn *)f->kernel->fn;
  size_t most_cols = CHUNK / a->radix, most_rows = cols < most_cols ? most_cols / cols : 1;
  for (a->row = 0; a->row < rows; a->row += most_rows) {
    a->rows = rows - a->row < most_rows ? rows - a->row : most_rows;
    for (a->col = 0; a->col < cols; a->col += most_cols) {
      a->cols = cols - a->col < most_cols ? cols - a->col : most_cols;
      pass(a);
      if (lr_stopped()) return false;
    }
  }
  return true;
}

static bool multiply(const struct lr_fft *f, const void *w, int64_t n, int64_t lanes, void *b[4]) {
  struct lr_fft_pass a = {.radix = 1, .m = (size_t)n, .s = (size_t)lanes, .w = w};
  a.x_re = a.y_re = b[0];
  a.x_im = a.y_im = b[1];
  return run_pass(f, &a, (size_t)n, (size_t)lanes);
}

static bool clear(char *p, size_t bytes) {
  for (size_t at = 0; at < bytes; at += 4 * CHUNK) {
    if (lr_stopped()) return false;
    memset(p + at, 0, bytes - at < 4 * CHUNK ? bytes - at : 4 * CHUNK);
  }
  return true;
}

static bool run_chirp(const struct lr_fft *f, int64_t lanes, void *b[4]) {
  size_t size = (f->wide ? sizeof(double) : sizeof(float)) * (size_t)lanes, used = (size_t)f->n * size;
  size_t rest = (size_t)f->inner->n * size - used;
  if (!multiply(f, f->chirp, f->n, lanes, b)) return false;
  if (!clear((char *)b[0] + used, rest) || !clear((char *)b[1] + used, rest)) return false;
  if (!lr_fft_run(f->inner, lanes, b) || !multiply(f, f->spectrum, f->inner->n, lanes, b)) return false;
  /* with real and imaginary parts exchanged before and after it is the inverse transform */
  lr_fft_exchange(&b[0], &b[1]);
  bool done = lr_fft_run(f->inner, lanes, b);
  lr_fft_exchange(&b[0], &b[1]);
  return done && multiply(f, f->chirp, f->n, lanes, b);
}

bool lr_fft_run(const struct lr_fft *f, int64_t lanes, void *b[4]) {
  if (f->inner) return run_chirp(f, lanes, b);
  int64_t s = lanes, m = f->n;
  for (int32_t i = 0; i < f->n_passes; i++) {
    const struct lr_fft_step *step = &f->step[i];
    assert(step->radix > 1);
    m /= step->radix;
    struct lr_fft_pass a = {.radix = (size_t)step->radix, .m = (size_t)m, .s = (size_t)s, .w = step->w};
    a.roots = step->roots;
    a.x_re = b[0];
    a.x_im = b[1];
    a.y_re = b[2];
    a.y_im = b[3];
    if (!run_pass(f, &a, (size_t)m, (size_t)s)) return false;
    lr_fft_exchange(&b[0], &b[2]);
    lr_fft_exchange(&b[1], &b[3]);
    s *= step->radix;
  }
  return true;
}
