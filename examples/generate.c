/* Writes on where a few tokens end: a decoder whose cache of keys and values is a state of the session, so that each run
 * takes one token and gives the scores of the next one.
 *
 * usage: generate MODEL.lrm COUNT TOKEN ...      inputs tokens i64 [1 1] and place i64 [1], output scores f32 [1 1 N]
 * Always the best token is taken. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lite_runtime.h>

struct decoder {
  lr_session *session;
  int64_t *token, *place; /* inputs of the next run */
  const float *scores;    /* output of the last one */
  int64_t words, longest, used;
};

static int fail(const char *what, const char *why) {
  fprintf(stderr, "generate: %s: %s\n", what, why);
  return 1;
}

/* Memory of the input or output `name` of this type, which must have no open sizes, or NULL. */
static void *tensor(lr_model *m, lr_session *s, lr_role role, const char *name, lr_dtype dtype,
                    lr_tensor *t) {
  lr_tensor_info info;
  for (int i = 0; i < lr_model_count(m, role); i++)
    if (!lr_model_info(m, role, i, &info, NULL) && !strcmp(info.name, name) && info.dtype == (int32_t)dtype &&
        !lr_session_tensor(s, role, i, t, NULL))
      return t->data;
  return NULL;
}

static int prepare(lr_model *m, struct decoder *d) {
  lr_error e;
  lr_tensor t;
  if (lr_session_plan(d->session, &e)) return fail("model", e.message);
  d->token = tensor(m, d->session, LR_INPUT, "tokens", LR_I64, &t);
  d->place = tensor(m, d->session, LR_INPUT, "place", LR_I64, &t);
  d->scores = tensor(m, d->session, LR_OUTPUT, "scores", LR_F32, &t);
  if (!d->token || !d->place || !d->scores || !lr_model_count(m, LR_STATE))
    return fail("model", "lacks tokens, place, scores or a state; convert it with --state new_keys=keys ...");
  d->words = t.dims[t.rank - 1];
  if (lr_session_tensor(d->session, LR_STATE, 0, &t, &e)) return fail("model", e.message);
  if (t.rank != 5) return fail("model", "its state is not [layers 1 heads places size]");
  d->longest = t.dims[3];
  return 0;
}

/* Gives the model one more token; the token that is the best after it, or -1 after a message. */
static int64_t next(struct decoder *d, int64_t token) {
  lr_error e;
  if (token < 0 || token >= d->words) return fail("token", "is not one of the model's"), -1;
  if (d->used == d->longest) return fail("text", "is as long as the model's cache; ask for fewer tokens"), -1;
  *d->token = token;
  *d->place = d->used++;
  if (lr_session_run(d->session, NULL, &e)) return fail("run", e.message), -1;
  int64_t best = 0;
  for (int64_t i = 1; i < d->words; i++)
    if (d->scores[i] > d->scores[best]) best = i;
  return best;
}

static int generate(lr_model *m, struct decoder *d, int count, int n, char **prompt) {
  if (prepare(m, d)) return 1;
  int64_t token = 0;
  for (int i = 0; i < n; i++)
    if ((token = next(d, strtoll(prompt[i], NULL, 10))) < 0) return 1;
  for (int i = 0; i < count; i++) {
    if (i && (token = next(d, token)) < 0) return 1;
    printf("%s%lld", i ? " " : "", (long long)token);
    fflush(stdout); /* each as soon as it is known */
  }
  printf("\n");
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 4) return fail("usage", "generate MODEL.lrm COUNT TOKEN ..."), 2;
  lr_error e;
  lr_model *model = NULL;
  struct decoder d = {0};
  int bad = lr_model_open(argv[1], NULL, &model, &e) || lr_session_open(model, NULL, &d.session, &e)
                ? fail(argv[1], e.message)
                : generate(model, &d, atoi(argv[2]), argc - 3, argv + 3);
  lr_session_close(d.session);
  lr_model_close(model);
  return bad;
}
