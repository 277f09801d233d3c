/* Worker threads. */
#pragma once
#include "base.h"

int32_t lr_pool_threads(const lr_pool *pool); /* >= 1 */
void lr_pool_retain(lr_pool *pool);
/* Around what a session does on its caller's thread. For each session more than one between them a worker of a shared pool
 * stands back, from its next tile on: together they keep no more cores busy than the pool has threads. NULL is allowed. */
void lr_pool_enter(lr_pool *pool);
void lr_pool_leave(lr_pool *pool);
