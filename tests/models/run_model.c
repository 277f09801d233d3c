/* Runs a model on inputs from files, for comparing results on machines that have no Python (also under qemu).
 *
 * usage: run_model MODEL.lrm SCRIPT [THREADS [CPU_MASK]]
 *        run_model --cpu            prints the instruction sets of this CPU, one `NAME BIT` a line
 * CPU_MASK: those that may be used, as in lr_model_options.
 * Each line of SCRIPT is one of
 *   input INDEX FILE DIM...    gives the input a shape and the file's bytes as its value
 *   run PREFIX                 runs; writes output k to PREFIX.k and prints: PREFIX k DTYPE DIM...
 *   reset                      sets all states to zero */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lite_runtime.h"

static int fail(const char *what, const lr_error *e) {
  fprintf(stderr, "run_model: %s: %s\n", what, e ? e->message : "failed");
  return 1;
}

/* The whole file must be exactly `bytes` bytes. */
static int read_file(const char *path, void *to, size_t bytes) {
  FILE *f = fopen(path, "rb");
  if (!f) return 1;
  size_t n = fread(to, 1, bytes, f);
  int bad = n != bytes || fgetc(f) != EOF;
  fclose(f);
  return bad;
}

static int write_file(const char *path, const void *from, size_t bytes) {
  FILE *f = fopen(path, "wb");
  if (!f) return 1;
  size_t n = bytes ? fwrite(from, 1, bytes, f) : 0;
  return fclose(f) || n != bytes;
}

/* Values of the inputs are held until the run, because a resize of one input may move the memory of all. */
struct feed {
  char path[1024];
  int32_t set;
};

static int command_input(lr_session *s, struct feed *feeds, int32_t n_feeds, char *rest, lr_error *e) {
  char *word = strtok(rest, " \n");
  int32_t index = word ? (int32_t)strtol(word, NULL, 10) : -1;
  char *path = strtok(NULL, " \n");
  if (index < 0 || index >= n_feeds || !path) return fail("input: needs an index and a file", NULL);
  int64_t dims[LR_MAX_RANK];
  int32_t rank = 0;
  while ((word = strtok(NULL, " \n"))) {
    if (rank == LR_MAX_RANK) return fail("input: more than 8 dims", NULL);
    dims[rank++] = strtoll(word, NULL, 10);
  }
  snprintf(feeds[index].path, sizeof feeds[index].path, "%s", path);
  feeds[index].set = 1;
  return lr_session_resize(s, index, rank, dims, e) ? fail("input", e) : 0;
}

static int command_run(lr_session *s, const lr_model *m, const struct feed *feeds, char *rest, lr_error *e) {
  const char *prefix = strtok(rest, " \n");
  if (!prefix) return fail("run: needs a prefix", NULL);
  if (lr_session_plan(s, e)) return fail("plan", e);
  lr_tensor t;
  for (int32_t i = 0; i < lr_model_count(m, LR_INPUT); i++) {
    if (!feeds[i].set) return fail("run: an input has no value", NULL);
    if (lr_session_tensor(s, LR_INPUT, i, &t, e)) return fail("input", e);
    if (read_file(feeds[i].path, t.data, t.bytes)) return fail(feeds[i].path, NULL);
  }
  if (lr_session_run(s, NULL, e)) return fail("run", e);
  for (int32_t i = 0; i < lr_model_count(m, LR_OUTPUT); i++) {
    char path[1100];
    snprintf(path, sizeof path, "%s.%d", prefix, (int)i);
    if (lr_session_tensor(s, LR_OUTPUT, i, &t, e)) return fail("output", e);
    if (write_file(path, t.data, t.bytes)) return fail(path, NULL);
    printf("%s %d %d", prefix, (int)i, (int)t.dtype);
    for (int32_t d = 0; d < t.rank; d++) printf(" %lld", (long long)t.dims[d]);
    printf("\n");
  }
  return 0;
}

static int run_script(lr_session *s, const lr_model *m, FILE *script) {
  lr_error e;
  char line[4096];
  int32_t n = lr_model_count(m, LR_INPUT);
  struct feed *feeds = calloc((size_t)n + 1, sizeof *feeds);
  int bad = !feeds;
  while (!bad && fgets(line, sizeof line, script)) {
    if (!strncmp(line, "input ", 6))
      bad = command_input(s, feeds, n, line + 6, &e);
    else if (!strncmp(line, "run ", 4))
      bad = command_run(s, m, feeds, line + 4, &e);
    else if (!strncmp(line, "reset", 5))
      lr_session_reset_state(s);
    else
      bad = fail("a line of the script is none of input, run, reset", NULL);
  }
  free(feeds);
  return bad;
}

static int list_cpu(void) {
  for (uint32_t bit = 1; bit; bit <<= 1)
    if (lr_cpu_features() & bit) printf("%s %lu\n", lr_cpu_name(bit), (unsigned long)bit);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "--cpu")) return list_cpu();
  if (argc < 3 || argc > 5) {
    fprintf(stderr, "usage: run_model MODEL.lrm SCRIPT [THREADS [CPU_MASK]]\n");
    return 2;
  }
  lr_error e;
  lr_model *model = NULL;
  lr_session *session = NULL;
  lr_model_options of_model = {.size = sizeof of_model,
                               .cpu_mask = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 0) : 0};
  lr_session_options options = {.size = sizeof options,
                                .threads = argc > 3 ? (int32_t)strtol(argv[3], NULL, 10) : 1};
  FILE *script = fopen(argv[2], "r");
  int bad = 1;
  if (!script)
    fail(argv[2], NULL);
  else if (lr_model_open(argv[1], &of_model, &model, &e))
    fail("open", &e);
  else if (lr_session_open(model, &options, &session, &e))
    fail("session", &e);
  else
    bad = run_script(session, model, script);
  lr_session_close(session);
  lr_model_close(model);
  if (script) fclose(script);
  return bad;
}
