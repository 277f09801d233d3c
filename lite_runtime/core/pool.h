/* Worker threads. */
#pragma once
#include <stdatomic.h>

#include "base.h"

int32_t lr_pool_threads(const lr_pool *pool); /* >= 1 */
void lr_pool_retain(lr_pool *pool);
/* Around what a session does on its caller's thread. For each session more than one between them a worker of a shared pool
 * stands back, from its next tile on: together they keep no more cores busy than the pool has threads. NULL is allowed. */
void lr_pool_enter(lr_pool *pool);
void lr_pool_leave(lr_pool *pool);

/* When to stop: set by anyone, asked by all who work for one run. */
struct lr_stop {
  atomic_bool cancelled;
  uint64_t deadline; /* lr_now_ns; 0: none. Not changed while somebody watches */
};
bool lr_stop_now(const struct lr_stop *stop); /* NULL: never */
/* From now on this thread, and those that help it in lr_parallel, work for `stop`: lr_stopped asks it. NULL: for
 * nobody. Returns what it was, which the caller puts back. */
const struct lr_stop *lr_stop_watch(const struct lr_stop *stop);
