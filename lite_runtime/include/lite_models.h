/* Models that `lite-opt build --embed` linked into the library. */
#pragma once
#include <stddef.h>

#include "lite_runtime.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The bytes of a model for lr_model_open_memory, aligned to 64 and read-only; they stay where they are for as long as the
 * library is loaded. name: that of its file, without .lrm. NULL where no such model was linked in. */
LR_API const void *lr_embedded_model(const char *name, size_t *bytes);
/* The name of model i, in the order of the build; NULL behind the last one. */
LR_API const char *lr_embedded_name(int32_t i);

#ifdef __cplusplus
}
#endif
