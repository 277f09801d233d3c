/* Pools of f32 for one vector length: the result stays in registers while all taps pass by. Before including:
 *   NAME(name)     the name of a kernel for this ISA
 *   VEC, V(name)   a vector of WIDTH floats, its functions */
#include <stdbool.h>

enum { CHUNK = 4 }; /* vectors at once */

/* Results of `vectors` (a literal) whole vectors, or of n < WIDTH elements when it is 1, from element `at`
 * on. */
LR_INLINE void pool(size_t ks, const void *const *a, size_t at, const int vectors, size_t n, bool mean,
                    VEC divisor, float *y) {
  VEC sum[CHUNK], x;
  for (size_t s = 0; s < (ks > 1 ? ks : 1); s++) {
    const float *p = (const float *)a[s] + at;
    LR_EACH(v, vectors, CHUNK) {
      x = n < WIDTH ? V(load_some)(p, n) : V(load)(p + v * WIDTH);
      sum[v] = s == 0 ? x : mean ? V(add)(sum[v], x) : V(max)(sum[v], x);
    }
  }
  LR_EACH(v, vectors, CHUNK) {
    if (mean) sum[v] = V(div)(sum[v], divisor);
    if (n < WIDTH)
      V(store_some)(y + at, sum[v], n);
    else
      V(store)(y + at + v * WIDTH, sum[v]);
  }
}

LR_INLINE void pool_all(size_t n, size_t ks, const void *const *a, bool mean, float divisor, float *y) {
  VEC d = V(set)(divisor);
  size_t at = 0;
  for (; at + CHUNK * WIDTH <= n; at += CHUNK * WIDTH) pool(ks, a, at, CHUNK, WIDTH, mean, d, y);
  for (; at + WIDTH <= n; at += WIDTH) pool(ks, a, at, 1, WIDTH, mean, d, y);
  if (at < n) pool(ks, a, at, 1, n - at, mean, d, y);
}

void NAME(lr_f32_maxpool)(size_t n, size_t ks, const void *const *a, void *y) {
  pool_all(n, ks, a, false, 1, y);
}
void NAME(lr_f32_avgpool)(size_t n, size_t ks, const void *const *a, float divisor, void *y) {
  pool_all(n, ks, a, true, divisor, y);
}
