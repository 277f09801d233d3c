/* Recurrent layers with weights of 8 bits: in each step the states of the whole batch become u8 by their range, as ONNX's
 * DynamicQuantizeLinear does it, and products of integers are made real. As onnxruntime's DynamicQuantizeLSTM, which
 * with several threads takes the range of some rows of the batch at a time. */
#include "gemm.h"
#include "recurrent.h"

void lr_int8_quantise(lr_vquantize_fn *quantise, const float *h, int64_t n, struct lr_int8_state *s) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < n; i++) {
    low = h[i] < low ? h[i] : low;
    high = h[i] > high ? h[i] : high;
  }
  s->scale = low == high ? 1 : (high - low) / 255;
  float from_zero = -low;
  uint8_t none = 0;
  quantise(LR_U8, 1, &from_zero, 1, &s->scale, 0, &none, 0, &s->zero);
  quantise(LR_U8, (size_t)n, h, 1, &s->scale, 0, &s->zero, 0, s->q);
}

/* sum (q - s->zero) (w - zero[k]) = sum q w - s->zero sum w - zero[k] (sum q - depth s->zero); the packed weights of u8 are
 * 128 less. Sums wrap. */
void lr_int8_real(const struct lr_int8_weights *w, const struct lr_int8_state *s, int64_t row, int64_t gate,
                  int64_t col, int64_t n, float *acc) {
  const struct lr_pack *p = w->pack;
  int64_t depth = (int64_t)p->depth, nr = p->nr, panel_bytes = (int64_t)lr_pack_panel_bytes(p);
  uint32_t sum = 0u - (uint32_t)depth * s->zero, shift = p->type == LR_PACK_U8 ? 128 : 0;
  for (int64_t i = 0; i < depth; i++) sum += s->q[row * depth + i];
  const float *scale = w->scale + gate * depth + col, *bias = w->bias ? w->bias + gate * depth + col : NULL;
  const int32_t *zero = w->zero ? w->zero + gate * depth + col : NULL;
  for (int64_t k = 0; k < n; k++) {
    const int32_t *sums = (const int32_t *)(const void *)(w->panels + (col + k) / nr * panel_bytes);
    uint32_t bits, z = (zero ? (uint32_t)zero[k] : 0) - shift;
    memcpy(&bits, acc + k, sizeof bits);
    bits -= s->zero * (uint32_t)sums[(col + k) % nr] + z * sum;
    int32_t whole;
    memcpy(&whole, &bits, sizeof whole);
    acc[k] = (float)whole * (s->scale * scale[k]) + (bias ? bias[k] : 0);
  }
}
