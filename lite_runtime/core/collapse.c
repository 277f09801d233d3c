/* Fewer and longer dims: the same elements with less to count. */
#include "program.h"

/* Whether dim i can be taken together with dim j behind it in all stride sets. */
static bool joins(const int64_t *dim, const uint8_t *kind, int32_t n, int64_t (*stride)[LR_MAX_RANK],
                  int32_t i, int32_t j) {
  if (kind && kind[i] != kind[j]) return false;
  for (int32_t k = 0; k < n; k++)
    if (stride[k][i] != stride[k][j] * dim[j]) return false;
  return true;
}

int32_t lr_collapse(int32_t rank, int64_t *dim, uint8_t *kind, int32_t n, int64_t (*stride)[LR_MAX_RANK]) {
  int32_t to = 0; /* dims 0..to-1 are done; the last of them may still grow */
  for (int32_t i = 0; i < rank; i++) {
    if (dim[i] == 1) continue;
    bool join = to > 0 && joins(dim, kind, n, stride, to - 1, i);
    int32_t at = join ? to - 1 : to++;
    dim[at] = join ? dim[at] * dim[i] : dim[i];
    if (kind) kind[at] = kind[i];
    for (int32_t k = 0; k < n; k++) stride[k][at] = stride[k][i];
  }
  return to;
}

void lr_gather(size_t size, int64_t rows, int64_t n, const void *from, int64_t row_bytes, int64_t stride,
               void *to) {
  const char *p = from;
  int64_t step = stride * (int64_t)size;
  switch (size) {
#define COPY(type)                                                        \
  for (type *t = to; rows > 0; rows--, p += row_bytes)                    \
    for (int64_t i = 0; i < n; i++) *t++ = *(const type *)(p + i * step); \
  break;
    case 1:
      COPY(uint8_t)
    case 2:
      COPY(uint16_t)
    case 4:
      COPY(uint32_t)
    default:
      COPY(uint64_t)
#undef COPY
  }
}

void lr_scatter(size_t size, int64_t rows, int64_t n, const void *from, void *to, int64_t row_bytes,
                int64_t stride) {
  char *p = to;
  int64_t step = stride * (int64_t)size;
  switch (size) {
#define COPY(type)                                                  \
  for (const type *t = from; rows > 0; rows--, p += row_bytes)      \
    for (int64_t i = 0; i < n; i++) *(type *)(p + i * step) = *t++; \
  break;
    case 1:
      COPY(uint8_t)
    case 2:
      COPY(uint16_t)
    case 4:
      COPY(uint32_t)
    default:
      COPY(uint64_t)
#undef COPY
  }
}
