/* Calls of the session API: one at a time, until when, and the end of the session. */
#include "session.h"

lr_status lr_session_enter(lr_session *s, const char *what, lr_error *error) {
  if (!(atomic_fetch_or(&s->use, LR_IN_USE) & LR_IN_USE)) return LR_OK;
  return lr_fail(
      error, LR_ERR_ARGUMENT,
      "%s: the session is in use; callbacks must not call into it, and it serves one thread at a time", what);
}

lr_status lr_session_leave(lr_session *s, lr_status status, lr_error *error) {
  int use = LR_IN_USE;
  if (atomic_compare_exchange_strong(&s->use, &use, 0)) return status;
  lr_session_destroy(s);
  return lr_fail(error, LR_ERR_CANCELLED, "session: it was closed while it was in use");
}

void lr_session_close(lr_session *s) {
  if (!s) return;
  atomic_store(&s->stop.cancelled, true); /* first: once it is closing, the call under way may free it */
  int before = atomic_fetch_or(&s->use, LR_IN_USE | LR_CLOSING);
  if (!before) lr_session_destroy(s);
}

/* ---- stopping ---- */
void lr_session_start(lr_session *s, uint64_t timeout_ns) {
  s->stop.deadline = 0;
  if (timeout_ns && __builtin_add_overflow(lr_now_ns(), timeout_ns, &s->stop.deadline))
    s->stop.deadline = UINT64_MAX;
  atomic_store(&s->stop.cancelled, false);
}

lr_status lr_session_go_on(const lr_session *s, const char *what, int32_t step, lr_error *error) {
  if (!lr_stop_now(s->watch)) return LR_OK;
  const char *why = atomic_load(&s->watch->cancelled) ? "cancelled" : "the time limit passed";
  if (step >= s->plan.n_steps) return lr_fail(error, LR_ERR_CANCELLED, "%s: %s at its end", what, why);
  return lr_fail(error, LR_ERR_CANCELLED, "%s: %s at step %d '%s'", what, why, step,
                 s->plan.step[step].node->name);
}

void lr_session_cancel(lr_session *s) {
  if (s) atomic_store(&s->stop.cancelled, true);
}
