/* Runs that are timed, or marked for a counter of instructions. */
#include <stdlib.h>

#include "app.h"

#define WARM_PART 0.1 /* of the seconds */
#define PROFILE_PART 0.25
#define MIN_RUNS 5
#define MAX_RUNS 100000
#define MIN_PROFILES 3
#define MAX_PROFILES 100

static int add(struct times *t, uint64_t ns) {
  if (t->n == t->room) {
    int32_t room = t->room ? 2 * t->room : 16;
    uint64_t *grown = realloc(t->ns, (size_t)room * sizeof *grown);
    if (!grown) return fail("no memory");
    t->ns = grown;
    t->room = room;
  }
  t->ns[t->n++] = ns;
  return 0;
}

void measured_free(struct measured *m) {
  free(m->runs.ns);
  for (int32_t i = 0; m->steps && i < m->n_steps; i++) free(m->steps[i].ns);
  free(m->steps);
  free(m->marks);
}

/* One run; its time goes to `to` when that is not NULL. Marked runs have a marker before and after. */
static int run(lr_session *s, const struct options *o, struct times *to) {
  lr_run_options options = {.size = sizeof options, .timeout_ns = (uint64_t)(1e9 * o->timeout)};
  lr_error e;
  int marked = o->instructions && to;
  if (marked) mark();
  uint64_t start = clock_ns();
  if (lr_session_run(s, &options, &e)) return fail("%s", e.message);
  uint64_t ns = clock_ns() - start;
  if (marked) mark();
  return to ? add(to, ns) : 0;
}

/* Runs `n` times, or when n < 0 for as long as it takes, at least `least` times. */
static int repeat(lr_session *s, const struct options *o, int32_t n, double seconds, int32_t least,
                  struct times *to) {
  uint64_t end = clock_ns() + (uint64_t)(1e9 * seconds);
  for (int32_t i = 0; n >= 0 ? i < n : i < least || (i < MAX_RUNS && clock_ns() < end); i++)
    if (run(s, o, to)) return 1;
  return 0;
}

struct profile {
  struct measured *m;
  int bad, marked;
};

static void on_step(void *user, const lr_step *step) {
  struct profile *p = user;
  if (step->index >= p->m->n_steps) return;
  if (p->marked) {
    mark();
    p->m->marks[p->m->n_marks++] = step->index;
  }
  p->bad |= add(&p->m->steps[step->index], step->ns);
}

/* Times of each step. The profile of a marked run has one run, in which a marker follows each step. */
static int profile(lr_session *s, const struct options *o, struct measured *m) {
  lr_step step;
  while (lr_session_step(s, m->n_steps, &step)) m->n_steps++;
  m->steps = calloc((size_t)m->n_steps + 1, sizeof *m->steps);
  m->marks = calloc((size_t)m->n_steps + 1, sizeof *m->marks);
  if (!m->steps || !m->marks) return fail("no memory");
  struct profile p = {.m = m, .marked = o->instructions};
  lr_run_options options = {
      .size = sizeof options, .timeout_ns = (uint64_t)(1e9 * o->timeout), .on_step = on_step, .user = &p};
  lr_error e;
  int32_t least = o->instructions || !o->bench ? 1 : MIN_PROFILES, most = least == 1 ? 1 : MAX_PROFILES;
  uint64_t end = clock_ns() + (uint64_t)(1e9 * PROFILE_PART * o->seconds);
  for (int32_t i = 0; i < least || (i < most && clock_ns() < end); i++) {
    if (o->instructions) mark();
    if (lr_session_run(s, &options, &e)) return fail("%s", e.message);
    if (o->instructions) mark();
  }
  return p.bad;
}

int measure_runs(lr_session *s, const struct options *o, struct measured *m) {
  uint64_t start = clock_ns();
  if (!o->bench) { /* the first run counts, and is all there is unless there are --runs */
    lr_error e;
    if (lr_session_plan(s, &e)) return fail("%s", e.message);
    uint64_t planning = clock_ns() - start;
    if (repeat(s, o, o->runs < 0 ? 1 : o->runs, 0, 0, &m->runs)) return 1;
    m->first_ms = 1e-6 * (double)(planning + m->runs.ns[0]);
    return o->profile ? profile(s, o, m) : 0;
  }
  if (run(s, o, NULL)) return 1;
  m->first_ms = 1e-6 * (double)(clock_ns() - start);
  int32_t runs = o->runs < 0 && o->instructions ? 1 : o->runs, warmup = o->warmup;
  if (warmup < 0 && runs >= 0) warmup = 1;
  if (repeat(s, o, warmup, WARM_PART * o->seconds, 2, NULL)) return 1;
  if (repeat(s, o, runs, o->seconds, MIN_RUNS, &m->runs)) return 1;
  return o->profile ? profile(s, o, m) : 0;
}
