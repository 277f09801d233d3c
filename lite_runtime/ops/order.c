#include "order.h"

#include "op.h"

static inline uint64_t of_unsigned(uint64_t x) { return x; }
static inline uint64_t of_signed(int64_t x) { return (uint64_t)x ^ (uint64_t)1 << 63; }
/* Floats of the same sign are ordered as their bits, negative ones the other way round. */
static inline uint64_t of_bits(uint64_t x, int32_t bits) {
  uint64_t sign = (uint64_t)1 << (bits - 1), all = sign | (sign - 1);
  if (x == sign) x = 0;
  return x & sign ? ~x & all : x | sign;
}

#define EACH(type, key)                     \
  for (int64_t i = 0; i < n; i++) {         \
    type v = ((const type *)x)[i * stride]; \
    keys[i] = key;                          \
  }                                         \
  break

/* `inf`: the bits of infinity; numbers with larger ones (but for the sign) are NaN. */
#define EACH_FLOAT(type, bits, inf)                                         \
  for (int64_t i = 0; i < n; i++) {                                         \
    type v = ((const type *)x)[i * stride];                                 \
    uint64_t k = of_bits(v, bits);                                          \
    keys[i] = (v & ~((type)1 << (bits - 1))) > (inf) ? nan : down ? ~k : k; \
  }                                                                         \
  return

void lr_order_keys(int32_t dtype, bool down, uint64_t nan, int64_t n, const void *x, int64_t stride,
                   uint64_t *keys) {
  switch (dtype) {
    case LR_F32:
      EACH_FLOAT(uint32_t, 32, UINT32_C(0x7f800000));
    case LR_F64:
      EACH_FLOAT(uint64_t, 64, UINT64_C(0x7ff0000000000000));
    case LR_F16:
      EACH_FLOAT(uint16_t, 16, 0x7c00);
    case LR_I8:
      EACH(int8_t, of_signed(v));
    case LR_I16:
      EACH(int16_t, of_signed(v));
    case LR_I32:
      EACH(int32_t, of_signed(v));
    case LR_I64:
      EACH(int64_t, of_signed(v));
    case LR_U16:
      EACH(uint16_t, of_unsigned(v));
    case LR_U32:
      EACH(uint32_t, of_unsigned(v));
    case LR_U64:
      EACH(uint64_t, of_unsigned(v));
    default: /* u8, bool */
      EACH(uint8_t, of_unsigned(v));
  }
  for (int64_t i = 0; down && i < n; i++) keys[i] = ~keys[i];
}

void lr_heap_sink(struct lr_entry *heap, int64_t n, int64_t i) {
  struct lr_entry e = heap[i];
  for (int64_t child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && lr_before(heap[child], heap[child + 1])) child++;
    if (!lr_before(e, heap[child])) break;
    heap[i] = heap[child];
  }
  heap[i] = e;
}

bool lr_heap_make(struct lr_entry *heap, int64_t n) {
  for (int64_t i = n / 2; i-- > 0;) {
    if (i % 1024 == 1023 && lr_stopped()) return false;
    lr_heap_sink(heap, n, i);
  }
  return true;
}

void lr_heap_sort(struct lr_entry *heap, int64_t n) {
  while (n > 1) { /* the last of all goes to the end */
    struct lr_entry e = heap[0];
    heap[0] = heap[--n];
    heap[n] = e;
    lr_heap_sink(heap, n, 0);
    if (n % 1024 == 0 && lr_stopped()) return;
  }
}
