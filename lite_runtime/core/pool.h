/* Worker threads. */
#pragma once
#include "base.h"

int32_t lr_pool_threads(const lr_pool *pool); /* >= 1 */
void lr_pool_retain(lr_pool *pool);
