/* Plans for shapes that came before, so that a caller who goes back and forth does not pay for planning again. Only their tables
 * and what prepare made are kept; activations belong to the plan in use. */
#include "session.h"

/* Is this the plan for the shapes that the inputs have now? */
static bool fits(const lr_session *s, const struct lr_plan *p) {
  for (int32_t i = 0; i < s->n_io[LR_INPUT]; i++)
    if (memcmp(p->input[i].dim, s->io[LR_INPUT][i].type.dim, (size_t)p->input[i].rank * sizeof(lr_dim)))
      return false;
  return true;
}

/* The plan in use becomes the first in the list, which has room for one more than are kept. */
static void park(lr_session *s) {
  if (!s->plan.made) return;
  lr_plan_free_memory(s, &s->plan);
  memmove(s->kept + 1, s->kept, (size_t)s->n_kept++ * sizeof *s->kept);
  s->kept[0] = s->plan;
  s->plan = (struct lr_plan){0};
}

static lr_status unpark(lr_session *s, int32_t k, lr_error *error) {
  struct lr_plan *p = &s->plan;
  *p = s->kept[k];
  memmove(s->kept + k, s->kept + k + 1, (size_t)(--s->n_kept - k) * sizeof *s->kept);
  p->resolved = false;
  for (int32_t i = 0; i < s->n_io[LR_OUTPUT]; i++) {
    struct lr_io *io = &s->io[LR_OUTPUT][i];
    io->type = p->output[i];
    io->copied = p->tensor[io->tensor].place != LR_AT_OUTPUT;
  }
  lr_status status = LR_OK;
  if (p->bytes) status = lr_session_alloc(s, p->bytes, "activations and scratch", &p->memory, error);
  p->ready = !status;
  return status;
}

lr_status lr_plans_switch(lr_session *s, lr_error *error) {
  int32_t k = 0;
  park(s);
  while (k < s->n_kept && !fits(s, &s->kept[k])) k++;
  if (k < s->n_kept) return unpark(s, k, error);
  while (s->n_kept > s->max_kept) lr_plan_clear(s, &s->kept[--s->n_kept]);
  return lr_plan_make(s, error);
}

void lr_plans_clear(lr_session *s) {
  lr_plan_clear(s, &s->plan);
  while (s->n_kept) lr_plan_clear(s, &s->kept[--s->n_kept]);
  lr_free(&s->alloc, s->kept);
}
