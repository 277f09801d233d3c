/* One pass of a Fourier transform for elements ELEM, over the vectors of LR_SIMD or simd_f64.h. Before: TYPE (f32), ISA.
 * Stockham's algorithm, decimation in frequency (Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992,
 * section 1.7): a pass takes what is far apart and leaves it side by side, so nothing is ever put in order. */
#include "kernels.h"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define LOAD CAT(vf_load_, TYPE)
#define STORE CAT(vf_store_, TYPE)
#define INLINE static inline __attribute__((always_inline))
enum { MAX_RADIX = LR_FFT_MAX_RADIX };

/* ---- transforms of a few numbers, in place: x[k] = sum over j of x[j] e^(-2 pi i j k / R) ---- */
INLINE void small_1(vf *re, vf *im) {}

INLINE void small_2(vf *re, vf *im) {
  vf a = re[1], b = im[1];
  re[1] = vf_sub(re[0], a);
  im[1] = vf_sub(im[0], b);
  re[0] = vf_add(re[0], a);
  im[0] = vf_add(im[0], b);
}

/* re[k], im[k] become the sum and re[l], im[l] the difference of (ar, ai) and -i (br, bi) */
#define TURN(k, l, ar, ai, br, bi) \
  re[k] = vf_add(ar, bi);          \
  im[k] = vf_sub(ai, br);          \
  re[l] = vf_sub(ar, bi);          \
  im[l] = vf_add(ai, br)

INLINE void small_3(vf *re, vf *im) {
  vf ar = vf_add(re[1], re[2]), ai = vf_add(im[1], im[2]);
  vf sine = vf_set(0.86602540378443864676), half = vf_set(-0.5);
  vf br = vf_mul(sine, vf_sub(re[1], re[2])), bi = vf_mul(sine, vf_sub(im[1], im[2]));
  vf cr = vf_mla(half, ar, re[0]), ci = vf_mla(half, ai, im[0]);
  re[0] = vf_add(re[0], ar);
  im[0] = vf_add(im[0], ai);
  TURN(1, 2, cr, ci, br, bi);
}

INLINE void small_4(vf *re, vf *im) {
  vf ar = vf_add(re[0], re[2]), ai = vf_add(im[0], im[2]), br = vf_sub(re[0], re[2]),
     bi = vf_sub(im[0], im[2]);
  vf cr = vf_add(re[1], re[3]), ci = vf_add(im[1], im[3]), dr = vf_sub(re[1], re[3]),
     di = vf_sub(im[1], im[3]);
  re[0] = vf_add(ar, cr);
  im[0] = vf_add(ai, ci);
  re[2] = vf_sub(ar, cr);
  im[2] = vf_sub(ai, ci);
  TURN(1, 3, br, bi, dr, di);
}

INLINE void small_5(vf *re, vf *im) {
  vf ar = vf_add(re[1], re[4]), ai = vf_add(im[1], im[4]), br = vf_sub(re[1], re[4]),
     bi = vf_sub(im[1], im[4]);
  vf cr = vf_add(re[2], re[3]), ci = vf_add(im[2], im[3]), dr = vf_sub(re[2], re[3]),
     di = vf_sub(im[2], im[3]);
  vf cos1 = vf_set(0.30901699437494742410), cos2 = vf_set(-0.80901699437494742410);
  vf sin1 = vf_set(0.95105651629515357212), sin2 = vf_set(0.58778525229247312917);
  vf er = vf_mla(cos2, cr, vf_mla(cos1, ar, re[0])), ei = vf_mla(cos2, ci, vf_mla(cos1, ai, im[0]));
  vf fr = vf_mla(cos1, cr, vf_mla(cos2, ar, re[0])), fi = vf_mla(cos1, ci, vf_mla(cos2, ai, im[0]));
  vf gr = vf_mla(sin2, dr, vf_mul(sin1, br)), gi = vf_mla(sin2, di, vf_mul(sin1, bi));
  vf hr = vf_sub(vf_mul(sin2, br), vf_mul(sin1, dr)), hi = vf_sub(vf_mul(sin2, bi), vf_mul(sin1, di));
  re[0] = vf_add(re[0], vf_add(ar, cr));
  im[0] = vf_add(im[0], vf_add(ai, ci));
  TURN(1, 4, er, ei, gr, gi);
  TURN(2, 3, fr, fi, hr, hi);
}

/* Any odd n; roots: cos(2 pi j / n), then sin(2 pi j / n). */
INLINE void small_odd(size_t n, const ELEM *roots, vf *re, vf *im) {
  vf zr = re[0], zi = im[0], sr = zr, si = zi, xr[MAX_RADIX], xi[MAX_RADIX];
  for (size_t j = 1; j < n - j; j++) {
    xr[j] = vf_add(re[j], re[n - j]);
    xi[j] = vf_add(im[j], im[n - j]);
    xr[n - j] = vf_sub(re[j], re[n - j]);
    xi[n - j] = vf_sub(im[j], im[n - j]);
    sr = vf_add(sr, xr[j]);
    si = vf_add(si, xi[j]);
  }
  for (size_t k = 1; k < n - k; k++) {
    vf ar = zr, ai = zi, br = vf_set(0), bi = br;
    for (size_t j = 1, at = 0; j < n - j; j++) {
      at = at + k < n ? at + k : at + k - n; /* j k modulo n */
      vf c = vf_set((double)roots[at]), s = vf_set((double)roots[n + at]);
      ar = vf_mla(c, xr[j], ar);
      ai = vf_mla(c, xi[j], ai);
      br = vf_mla(s, xr[n - j], br);
      bi = vf_mla(s, xi[n - j], bi);
    }
    TURN(k, n - k, ar, ai, br, bi);
  }
  re[0] = sr;
  im[0] = si;
}

/* ---- a pass ---- */
INLINE void times(vf *re, vf *im, ELEM c, ELEM s) {
  vf x = *re, y = *im, wr = vf_set((double)c), wi = vf_set((double)s);
  *re = vf_mla(vf_neg(y), wi, vf_mul(x, wr));
  *im = vf_mla(y, wr, vf_mul(x, wi));
}

/* The vector at column q of row p; c, d: cosines and sines of the factors of its last `turned` results. */
#define VECTOR(R, small, c, d, step)                               \
  vf re[R ? R : MAX_RADIX], im[R ? R : MAX_RADIX];                 \
  re[0] = LOAD(xr + p * s + q);                                    \
  im[0] = LOAD(xi + p * s + q);                                    \
  for (size_t j = 1; j < radix; j++) {                             \
    re[j] = LOAD(xr + (p + j * m) * s + q);                        \
    im[j] = LOAD(xi + (p + j * m) * s + q);                        \
  }                                                                \
  small(re, im);                                                   \
  for (size_t k = 0, to = radix - turned; k < turned; k++)         \
    times(&re[to + k], &im[to + k], (c)[k * step], (d)[k * step]); \
  for (size_t k = 0; k < radix; k++) {                             \
    STORE(yr + (p * radix + k) * s + q, re[k]);                    \
    STORE(yi + (p * radix + k) * s + q, im[k]);                    \
  }

/* Columns up to `end`. Of a single column in plain C the rows are what vectors are made of, in the radix that a length has first. */
#define PASS(name, R, small)                                                                              \
  static void name(const struct lr_fft_pass *a, size_t end) {                                             \
    const ELEM *xr = a->x_re, *xi = a->x_im, *w = a->w, *roots = a->roots;                                \
    ELEM *yr = a->y_re, *yi = a->y_im;                                                                    \
    size_t m = a->m, s = a->s, radix = R ? R : a->radix, turned = R == 1 ? 1 : radix - 1;                 \
    size_t q = a->col, last = a->row + a->rows;                                                           \
    (void)roots;                                                                                          \
    if (VF_LANES == 1 && R == 4 && a->cols == 1) {                                                        \
      LR_INDEPENDENT for (size_t p = a->row; p < last; p++) { VECTOR(R, small, w + p, w + m + p, 2 * m) } \
      return;                                                                                             \
    }                                                                                                     \
    for (size_t p = a->row; p < last; p++) {                                                              \
      ELEM c[R ? R : MAX_RADIX], d[R ? R : MAX_RADIX];                                                    \
      for (size_t k = 0; k < turned; k++) {                                                               \
        c[k] = w[2 * k * m + p];                                                                          \
        d[k] = w[(2 * k + 1) * m + p];                                                                    \
      }                                                                                                   \
      LR_INDEPENDENT for (q = a->col; q < end; q += VF_LANES) { VECTOR(R, small, c, d, 1) }               \
    }                                                                                                     \
  }
#define SMALL_ODD(re, im) small_odd(radix, roots, re, im)
PASS(pass_1, 1, small_1)
PASS(pass_2, 2, small_2)
PASS(pass_3, 3, small_3)
PASS(pass_4, 4, small_4)
PASS(pass_5, 5, small_5)
PASS(pass_odd, 0, SMALL_ODD)

void CAT(CAT(lr_, TYPE), CAT(_fft_pass__, ISA))(const struct lr_fft_pass *a) {
  size_t rest = a->cols % VF_LANES, end = a->col + a->cols - rest;
  if (end > a->col) switch (a->radix) {
      case 1:
        pass_1(a, end);
        break;
      case 2:
        pass_2(a, end);
        break;
      case 3:
        pass_3(a, end);
        break;
      case 4:
        pass_4(a, end);
        break;
      case 5:
        pass_5(a, end);
        break;
      default:
        pass_odd(a, end);
    }
  if (!rest) return;
  struct lr_fft_pass part = *a; /* too few for a vector */
  part.col = end;
  part.cols = rest;
  CAT(CAT(lr_, TYPE), _fft_pass__c)(&part);
}
