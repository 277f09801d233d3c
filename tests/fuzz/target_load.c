/* libFuzzer: any bytes as a model, from memory and through a callback that may fail. */
#include "../system.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
  const uint8_t *data;
  uint64_t size, limit; /* reads past the limit fail */
};

static int read_at(void *user, uint64_t offset, void *to, size_t bytes) {
  const struct source *s = user;
  if (offset > s->limit || bytes > s->limit - offset) return 1;
  memcpy(to, s->data + offset, bytes);
  return 0;
}

static void look(lr_model *m) {
  const char *key, *value;
  for (int32_t role = LR_INPUT; role <= LR_STATE; role++)
    for (int32_t i = 0; i < lr_model_count(m, role); i++) {
      lr_tensor_info info;
      lr_error error;
      if (lr_model_info(m, role, i, &info, &error) || !info.name || info.rank < 0 || info.rank > LR_MAX_RANK)
        abort();
      for (int32_t d = 0; d < info.rank; d++)
        if (info.dims[d] < -1 && !lr_model_symbol(m, (int32_t)(-2 - info.dims[d]))) abort();
    }
  for (int32_t i = 0; lr_model_metadata(m, i, &key, &value); i++)
    if (!key || !value) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct file f = new_file(size);
  lr_model *m = NULL;
  lr_error error = {""};
  memcpy(f.data, data, size);
  lr_status status = lr_model_open_memory(f.data, size, NULL, &m, &error);
  if (!status != !!m || (status && !error.message[0])) abort();
  if (m) look(m);
  lr_model_close(m);
  /* the callback gives the same bytes, or fails somewhere */
  struct source s = {f.data, size, size % 3 ? size : size / 2};
  lr_status again = lr_model_open_reader(read_at, &s, size, NULL, &m, &error);
  if (s.limit == size && again != status) abort();
  if (!again) lr_model_close(m);
  aligned_delete(f.data);
  return 0;
}
