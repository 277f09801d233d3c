/* A block of signals, for elements T: from x into lanes, through the transform, and into y. Before: T, NAME(name), PAIRS: 1
 * where pairs.h is for T. */

/* to[t * lanes + j] = sample t of signal j, for from <= t < given. */
static APART void NAME(fill)(const struct block *b, const T *x, int64_t step, int64_t from, int64_t given,
                             const T *window, int64_t w_step, T *to) {
  int64_t lanes = b->s->lanes;
  if (b->side_by_side) {
    for (int64_t t = from; t < given; t++) {
      T w = window ? window[t * w_step] : 1;
      for (int64_t j = 0; j < b->used; j++) to[t * lanes + j] = x[b->x[j] + t * step] * w;
    }
    return;
  }
  for (int64_t j = 0; j < b->used; j++)
    for (int64_t t = from; t < given; t++)
      to[t * lanes + j] = x[b->x[j] + t * step] * (window ? window[t * w_step] : 1);
}

/* Both numbers of the pairs p of x, for p.rows rows of re and im; all else is 0. */
static void NAME(fill_piece)(const struct block *b, const T *x, struct pairs p, const T *window, T *re,
                             T *im) {
  int64_t lanes = b->s->lanes, done = 0;
  int64_t first = b->used == lanes ? p.first : 0, second = b->used == lanes ? p.second : 0;
  bool halves = b->s->turns != NULL; /* of a real signal: each pair has a pair of the window */
  memset(re + first * lanes, 0, (size_t)((p.rows - first) * lanes) * sizeof *re);
  memset(im + second * lanes, 0, (size_t)((p.rows - second) * lanes) * sizeof *im);
  if (PAIRS && p.step == 2 && p.apart == 1 && (halves || !window))
    lr_pairs_in((const void *)x, b->x, (const void *)window, done = p.second, b->used, lanes, (void *)re,
                (void *)im);
  NAME(fill)(b, x, p.step, done, p.first, window, halves ? 2 : 1, re);
  NAME(fill)(b, x + p.apart, p.step, done, p.second, window ? window + halves : NULL, halves ? 2 : 1, im);
}

static void NAME(fill_pairs)(const struct block *b, const T *x, struct pairs p, const T *window, T *re,
                             T *im) {
  for (int64_t at = 0; at < p.rows && !lr_stopped(); at += PIECE) {
    struct pairs q = {p.step, p.apart, part(p.first, at), part(p.second, at), part(p.rows, at)};
    NAME(fill_piece)(b, x + at * p.step, q, window ? window + at * (b->s->turns ? 2 : 1) : NULL,
                     re + at * b->s->lanes, im + at * b->s->lanes);
  }
}

/* Number k of signal j = from[k * from_step + j] * scale, for k < rows. */
static APART void NAME(drain)(const struct block *b, const T *from, int64_t from_step, T scale, int64_t rows,
                              T *y, int64_t step) {
  if (b->side_by_side) {
    for (int64_t k = 0; k < rows; k++)
      for (int64_t j = 0; j < b->used; j++) y[b->y[j] + k * step] = from[k * from_step + j] * scale;
    return;
  }
  for (int64_t j = 0; j < b->used; j++)
    for (int64_t k = 0; k < rows; k++) y[b->y[j] + k * step] = from[k * from_step + j] * scale;
}

/* Pairs of re * r and im * i. */
static void NAME(drain_pairs)(const struct block *b, const T *re, const T *im, int64_t from_step, T r, T i,
                              struct pairs p, T *y) {
  for (int64_t at = 0; at < p.rows && !lr_stopped(); at += PIECE) {
    const T *a = re + at * from_step, *c = im + at * from_step;
    T *to = y + at * p.step;
    int64_t rows = part(p.rows, at);
    if (PAIRS && p.step == 2 && p.apart == 1) {
      lr_pairs_out((const void *)a, (const void *)c, from_step, (float)r, (float)i, rows, b->used, (void *)to,
                   b->y);
      continue;
    }
    NAME(drain)(b, a, from_step, r, rows, to, p.step);
    NAME(drain)(b, c, from_step, i, rows, to + p.apart, p.step);
  }
}

/* z[0 .. h-1] is the transform of even samples + i * odd samples of a real signal; becomes the first h + 1 numbers of the
 * signal's own. With E and O those of the even and odd samples: z = E + i O, and the spectrum is E + e^(-pi i k / h) O. */
static void NAME(split)(int64_t h, int64_t lanes, const T *turns, T *re, T *im) {
  int64_t count = h / 2 + 1;
  for (int64_t j = 0; j < lanes; j++) {
    T a = re[j], b = im[j];
    re[j] = a + b;
    re[h * lanes + j] = a - b;
    im[j] = im[h * lanes + j] = 0;
  }
  for (int64_t k = 1; k < count && (k % PIECE || !lr_stopped()); k++) {
    T c = turns[k], s = turns[count + k];
    T *ar = re + k * lanes, *ai = im + k * lanes, *br = re + (h - k) * lanes, *bi = im + (h - k) * lanes;
    LR_INDEPENDENT for (int64_t j = 0; j < lanes; j++) {
      T er = (ar[j] + br[j]) / 2, ei = (ai[j] - bi[j]) / 2, pr = (ai[j] + bi[j]) / 2,
        pi = (br[j] - ar[j]) / 2;
      T tr = pr * c - pi * s, ti = pr * s + pi * c;
      ar[j] = er + tr;
      ai[j] = ei + ti;
      br[j] = er - tr;
      bi[j] = ti - ei;
    }
  }
}

/* The other way round, times 2. The imaginary parts of the first and the last number count as 0. */
static void NAME(join)(int64_t h, int64_t lanes, const T *turns, T *re, T *im) {
  int64_t count = h / 2 + 1;
  for (int64_t j = 0; j < lanes; j++) {
    T a = re[j], b = re[h * lanes + j];
    re[j] = a + b;
    im[j] = a - b;
  }
  for (int64_t k = 1; k < count && (k % PIECE || !lr_stopped()); k++) {
    T c = turns[k], s = turns[count + k];
    T *ar = re + k * lanes, *ai = im + k * lanes, *br = re + (h - k) * lanes, *bi = im + (h - k) * lanes;
    LR_INDEPENDENT for (int64_t j = 0; j < lanes; j++) {
      T er = ar[j] + br[j], ei = ai[j] - bi[j], dr = ar[j] - br[j], di = ai[j] + bi[j];
      T gr = dr * c + di * s, gi = di * c - dr * s;
      ar[j] = er - gi;
      ai[j] = ei + gr;
      br[j] = er + gi;
      bi[j] = gr - ei;
    }
  }
}

/* Numbers n / 2 + 1 .. n - 1 of the spectrum of a real signal, from those before. */
static void NAME(mirror)(int64_t n, int64_t lanes, T *re, T *im) {
  for (int64_t k = n / 2 + 1; k < n && (k % PIECE || !lr_stopped()); k++)
    for (int64_t j = 0; j < lanes; j++) {
      re[k * lanes + j] = re[(n - k) * lanes + j];
      im[k * lanes + j] = -im[(n - k) * lanes + j];
    }
}

static void NAME(to_spectrum)(const struct block *b, const T *x, const T *window, T *y, void *buffer[4]) {
  const struct lr_signals *s = b->s;
  int64_t n = s->n, lanes = s->lanes, half = n / 2 + 1, given = s->given;
  bool real = s->form == LR_SIGNAL_REAL;
  struct pairs in = {s->x.step, 1, given, real ? 0 : given, n}, out = {s->y.step, 1, 0, 0, s->kept};
  if (s->turns) in = (struct pairs){2 * s->x.step, s->x.step, (given + 1) / 2, given / 2, n / 2};
  NAME(fill_pairs)(b, x, in, window, buffer[0], buffer[1]);
  bool swap = s->inverse && !real; /* inverse: real and imaginary parts are exchanged before and after */
  if (swap) lr_fft_exchange(&buffer[0], &buffer[1]);
  if (!lr_fft_run(s->fft, lanes, buffer)) return;
  if (swap) lr_fft_exchange(&buffer[0], &buffer[1]);
  const T *re = buffer[0], *im = buffer[1];
  if (s->turns) NAME(split)(n / 2, lanes, s->turns, buffer[0], buffer[1]);
  T scale = s->inverse ? (T)(1 / (double)n) : 1, i_scale = s->inverse && real ? -scale : scale;
  if (s->turns && out.rows > half) out.rows = half;
  NAME(drain_pairs)(b, re, im, lanes, scale, i_scale, out, y);
  if (out.rows == s->kept) return;
  y += half * s->y.step; /* the rest mirrors it */
  out.rows = s->kept - half;
  NAME(drain_pairs)(b, re + (n - half) * lanes, im + (n - half) * lanes, -lanes, scale, -i_scale, out, y);
}

static void NAME(to_signal)(const struct block *b, const T *x, T *y, void *buffer[4]) {
  const struct lr_signals *s = b->s;
  int64_t n = s->n, lanes = s->lanes, y_step = s->y.step;
  struct pairs in = {s->x.step, 1, s->given, s->given, n / 2 + 1}, out = {2 * y_step, y_step, 0, 0, n / 2};
  NAME(fill_pairs)(b, x, in, NULL, buffer[0], buffer[1]);
  if (s->turns) {
    NAME(join)(n / 2, lanes, s->turns, buffer[0], buffer[1]);
  } else {
    memset(buffer[1], 0, (size_t)lanes * sizeof(T));
    NAME(mirror)(n, lanes, buffer[0], buffer[1]);
  }
  lr_fft_exchange(&buffer[0], &buffer[1]);
  if (!lr_fft_run(s->fft, lanes, buffer)) return;
  T scale = (T)(1 / (double)n);
  if (s->turns)
    NAME(drain_pairs)(b, buffer[1], buffer[0], lanes, scale, scale, out, y);
  else
    NAME(drain)(b, buffer[1], lanes, scale, n, y, y_step);
}
