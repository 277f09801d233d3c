/* libFuzzer's mutator for files: mostly values at their places with the hashes repaired, so that what changed is looked
 * at and not just refused; sometimes libFuzzer's own changes, which know nothing of the format. */
#include "../system.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
  struct rng r = {seed};
  uint64_t how = below(&r, 8);
  if (how == 0) return LLVMFuzzerMutate(data, size, max_size);
  struct layout l = walk(data, size);
  if (how == 1) {
    size = LLVMFuzzerMutate(data, size, max_size);
    repair(&l, data, size);
  } else {
    struct file f = damage_values(&l, data, size, &r);
    memcpy(data, f.data, size);
    aligned_delete(f.data);
  }
  free_layout(&l);
  return size;
}
