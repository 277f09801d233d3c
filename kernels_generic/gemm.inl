/* The plain C indirect GEMM and depthwise convolution, for one set of types. Before including:
 *   GEMM, DWCONV      the functions' names
 *   X, W, SUM         C types of elements, packed weights and accumulators
 *   VEC               vector of 4 values to multiply and add, half a row of a tile
 *   LOAD(x)           element -> scalar to multiply a VEC with
 *   WEIGHTS(v, w)     VEC v = the 4 weights at w
 *   ELEMENTS(u, x)    VEC u = the 4 elements at x, as LOAD makes them
 *   FLOATS            1: clamped with lo and hi; 0: each panel begins with NR sums
 * Vectors are those of gcc and clang, of 16 bytes as every CPU has them; written as loops over arrays, or
 * with longer vectors, gcc 12 keeps the accumulators in memory. */
#if FLOATS
#define CLAMP_ARGS , float lo, float hi
#define LIMIT(v) ((v) < lo ? lo : (v) > hi ? hi : (v))
#define HEADER 0
#else
#define CLAMP_ARGS
#define LIMIT(v) (v)
#define HEADER (NR * sizeof(int32_t))
#endif

void GEMM(size_t rows, size_t cols, size_t ks, size_t kc, const void *const *a, const void *panels,
          const SUM *bias, SUM *y, size_t y_stride CLAMP_ARGS) {
  const char *panel = panels;
  for (size_t col = 0; col < cols; col += NR) {
    VEC p, q, p0, p1, p2, p3, q0, q1, q2, q3;
    memcpy(&p0, bias + col, sizeof p0);
    memcpy(&q0, bias + col + 4, sizeof q0);
    p1 = p2 = p3 = p0;
    q1 = q2 = q3 = q0;
    const W *w = (const W *)(const void *)(panel + HEADER);
    for (size_t s = 0; s < ks; s++) {
      const X *a0 = a[s * MR], *a1 = a[s * MR + 1], *a2 = a[s * MR + 2], *a3 = a[s * MR + 3];
      for (size_t k = 0; k < kc;) {
        /* long sums are made of the sums of blocks, which loses fewer bits than one after the other */
        size_t end = kc - k < BLOCK ? kc : k + BLOCK;
        VEC o0 = p0, o1 = p1, o2 = p2, o3 = p3, r0 = q0, r1 = q1, r2 = q2, r3 = q3;
        if (kc >= BLOCK) p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = (VEC){0};
        for (; k < end; k++, w += NR) {
          WEIGHTS(p, w);
          WEIGHTS(q, w + 4);
          p0 += p * LOAD(a0[k]);
          q0 += q * LOAD(a0[k]);
          p1 += p * LOAD(a1[k]);
          q1 += q * LOAD(a1[k]);
          p2 += p * LOAD(a2[k]);
          q2 += q * LOAD(a2[k]);
          p3 += p * LOAD(a3[k]);
          q3 += q * LOAD(a3[k]);
        }
        if (kc < BLOCK) continue;
        p0 += o0, p1 += o1, p2 += o2, p3 += o3;
        q0 += r0, q1 += r1, q2 += r2, q3 += r3;
      }
    }
    VEC sums[MR][2] = {{p0, q0}, {p1, q1}, {p2, q2}, {p3, q3}};
    SUM sum[MR][NR];
    memcpy(sum, sums, sizeof sum);
    size_t n = cols - col < NR ? cols - col : NR;
    for (size_t r = 0; r < rows; r++)
      for (size_t j = 0; j < n; j++) y[r * y_stride + col + j] = LIMIT(sum[r][j]);
    panel = (const char *)w;
  }
}

void DWCONV(size_t rows, size_t cols, size_t ks, size_t first, size_t mult, const void *const *a,
            size_t a_step, size_t x_step, const void *panels, const SUM *bias, SUM *y,
            size_t y_stride CLAMP_ARGS) {
  const char *panel = panels;
  for (size_t col = 0; col < cols; col += NR) {
    size_t n = cols - col < NR ? cols - col : NR, from[NR];
    for (size_t j = 0; j < NR; j++) from[j] = (first + col + (j < n ? j : n - 1)) / mult;
    for (size_t r = 0; r < rows; r++) {
      const W *w = (const W *)(const void *)(panel + HEADER);
      VEC p, q, u, v, sums[2];
      memcpy(&p, bias + col, sizeof p);
      memcpy(&q, bias + col + 4, sizeof q);
      for (size_t s = 0; s < ks; s++, w += NR) {
        const X *x = (const X *)a[r * a_step + s] + r * x_step;
        X few[NR];
        if (mult == 1 && n == NR) {
          x += first + col;
        } else {
          for (int j = 0; j < NR; j++) few[j] = x[from[j]];
          x = few;
        }
        WEIGHTS(v, w);
        ELEMENTS(u, x);
        p += v * u;
        WEIGHTS(v, w + 4);
        ELEMENTS(u, x + 4);
        q += v * u;
      }
      sums[0] = p;
      sums[1] = q;
      SUM sum[NR];
      memcpy(sum, sums, sizeof sum);
      for (size_t j = 0; j < n; j++) y[r * y_stride + col + j] = LIMIT(sum[j]);
    }
    panel += HEADER + ks * NR * sizeof(W);
  }
}
#undef CLAMP_ARGS
#undef LIMIT
#undef HEADER
#undef GEMM
#undef DWCONV
#undef X
#undef LOAD
#undef ELEMENTS
