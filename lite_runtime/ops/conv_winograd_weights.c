/* Winograd: weights U = G W G^T (Lavin and Gray 2015), in double until they are stored. Each panel's columns
 * are computed side by side. */
#include "conv_winograd.h"

/* u[i * step] = (G g)_i for a column g of 3, of each of n lanes */
static void filter(int64_t m, int64_t n, double g[3][LR_WINOGRAD_LANES], double (*u)[LR_WINOGRAD_LANES],
                   int64_t step) {
  for (int64_t l = 0; l < n; l++) {
    double a = g[0][l], b = g[1][l], c = g[2][l];
    if (m == 2) {
      u[0][l] = a;
      u[step][l] = (a + c + b) / 2;
      u[2 * step][l] = (a + c - b) / 2;
      u[3 * step][l] = c;
    } else {
      u[0][l] = a / 4;
      u[step][l] = -(a + c + b) / 6;
      u[2 * step][l] = -(a + c - b) / 6;
      u[3 * step][l] = a / 24 + b / 12 + c / 6;
      u[4 * step][l] = a / 24 - b / 12 + c / 6;
      u[5 * step][l] = c;
    }
  }
}

void lr_winograd_pack(const void *user, const void *dense, void *packed) {
  const struct lr_winograd_weights *s = user;
  int64_t side = s->m + 2, point = lr_winograd_point(s);
  double g[3][LR_WINOGRAD_LANES], half[6 * 3][LR_WINOGRAD_LANES], u[LR_WINOGRAD_POINTS][LR_WINOGRAD_LANES];
  memset(packed, 0, (size_t)(side * side * point) * sizeof(float));
  for (int64_t col = 0; col < s->cols; col += s->nr) {
    int64_t n = s->nr < s->cols - col ? s->nr : s->cols - col;
    float *panel = (float *)packed + col / s->nr * lr_winograd_panel(s);
    for (int64_t k = 0; k < s->depth; k++) {
      const float *w = (const float *)dense + col * 9 * s->depth + k;
      for (int64_t j = 0; j < 3; j++) { /* half: [side][3] */
        for (int64_t i = 0; i < 3; i++)
          for (int64_t l = 0; l < n; l++) g[i][l] = w[(l * 9 + i * 3 + j) * s->depth];
        filter(s->m, n, g, half + j, 3);
      }
      for (int64_t i = 0; i < side; i++) filter(s->m, n, half + i * 3, u + i * side, 1);
      float *to = panel + k / s->kr * s->nr * s->kr + k % s->kr;
      for (int64_t i = 0; i < side * side; i++)
        for (int64_t l = 0; l < n; l++) to[i * point + l * s->kr] = (float)u[i][l];
    }
  }
}
