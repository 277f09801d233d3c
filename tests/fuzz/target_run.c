/* libFuzzer: any bytes as a model; what opens gets inputs and runs. */
#include "../system.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct drive_options options = {
      .memory_limit = (uint64_t)64 << 20, .timeout_ns = 1000000000u, .threads = 1};
  static const struct inputs inputs[] = {{4, 0}, {8, 1}, {0, 5}};
  struct file f = new_file(size);
  memcpy(f.data, data, size);
  for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
    struct outcome o = drive(f.data, size, inputs[i], &options);
    if (!o.status != (o.stage == SAME) || (o.status && !o.error.message[0])) abort();
    if (o.stage != AT_PLAN) break; /* else other sizes may fit */
  }
  aligned_delete(f.data);
  return 0;
}
