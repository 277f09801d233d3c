/* lite_run MODEL [options]: see USAGE below. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#ifdef LITE_RUN_MODELS /* of a build that has models linked in; MODEL is then the name of one */
#include "lite_models.h"
#endif

static const char USAGE[] =
    "usage: lite_run MODEL [option ...]     runs a .lrm file and says what the outputs are\n"
    "       lite_run --cpu                  the instruction sets of this CPU, a NAME and BIT each\n"
    "       lite_run --version\n"
    "  --input NAME=FILE.npy   value of an input; others are random (SplitMix64: floats in [-1, 1), bytes of "
    "any\n"
    "                          value, other integers 0 to 9, true)\n"
    "  --shape NAME=1,3,64,64  sizes of a random input\n"
    "  --seed N                of random inputs (0)\n"
    "  --output PREFIX         write output k to PREFIX.k.npy\n"
    "  --script FILE           several runs: lines `input INDEX FILE.npy`, `run PREFIX`, `reset`\n"
    "  --bench                 measure: warm up, run again and again, print one JSON document, times in ms\n"
    "  --seconds S             of a benchmark (2)\n"
    "  --runs N                number of runs that count, instead of seconds; without --bench 1\n"
    "  --warmup N              runs before them (a tenth of the seconds; with --runs 1)\n"
    "  --profile               the time of each step too\n"
    "  --threads N             0: one for each core, the default\n"
    "  --timeout S             seconds that a run may take; 0: any, the default\n"
    "  --cpu-mask N            instruction sets that may be used, bits that --cpu prints; 0: all\n"
    "  --json                  print the document without --bench too\n"
    "  --instructions          a getppid() call before and after each run that counts, and after each step "
    "of the\n"
    "                          profile, for a program that counts instructions; not on Windows\n";

static const char *at_script; /* NULL: no line of a script is being run */
static long at_line;

void fail_at(const char *script, long line) {
  at_script = script;
  at_line = line;
}

int fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "lite_run: ");
  if (at_script) fprintf(stderr, "%s:%ld: ", at_script, at_line);
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  return 1;
}

static int number(const char *option, const char *text, double least, double most, double *value) {
  char *end;
  *value = strtod(text, &end);
  if (end != text && !*end && *value >= least && *value <= most) return 0;
  fail("%s %s: is not a number from %.0f to %.0f", option, text, least, most);
  return 2;
}

static int whole(const char *option, const char *text, double least, double most, double *value) {
  int bad = number(option, text, least, most, value);
  if (bad || *value == (double)(int64_t)*value) return bad;
  fail("%s %s: is not a whole number", option, text);
  return 2;
}

static int add_text(const char *option, const char *text, const char **list, int32_t *n) {
  if (*n == 64) {
    fail("%s: is given more than 64 times", option);
    return 2;
  }
  list[(*n)++] = text;
  return 0;
}

static int set_flag(struct options *o, const char *option) {
  struct flag {
    const char *name;
    int32_t *value;
  } flags[] = {{"--bench", &o->bench},
               {"--profile", &o->profile},
               {"--json", &o->json},
               {"--instructions", &o->instructions}};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
    if (!strcmp(option, flags[i].name)) return *flags[i].value = 1;
  return 0;
}

/* An option that has a value; 0, or 2 after a sentence. */
static int set_value(struct options *o, const char *option, const char *text) {
  double x = 0;
  int bad = 0;
  if (!strcmp(option, "--input")) return add_text(option, text, o->inputs, &o->n_inputs);
  if (!strcmp(option, "--shape")) return add_text(option, text, o->shapes, &o->n_shapes);
  if (!strcmp(option, "--output")) {
    o->output = text;
  } else if (!strcmp(option, "--script")) {
    o->script = text;
  } else if (!strcmp(option, "--seconds")) {
    bad = number(option, text, 0, 86400, &o->seconds);
  } else if (!strcmp(option, "--timeout")) {
    bad = number(option, text, 0, 1e6, &o->timeout);
  } else if (!strcmp(option, "--seed")) {
    bad = whole(option, text, 0, 4294967295.0, &x);
    o->seed = (uint64_t)x;
  } else if (!strcmp(option, "--cpu-mask")) {
    bad = whole(option, text, 0, 4294967295.0, &x);
    o->cpu_mask = (uint32_t)x;
  } else if (!strcmp(option, "--threads")) {
    bad = whole(option, text, 0, 256, &x);
    o->threads = x >= 1 ? (int32_t)x : cores();
  } else if (!strcmp(option, "--runs")) {
    bad = whole(option, text, 1, 1e6, &x);
    o->runs = (int32_t)x;
  } else if (!strcmp(option, "--warmup")) {
    bad = whole(option, text, 0, 1e6, &x);
    o->warmup = (int32_t)x;
  } else {
    fail("%s: unknown option; see: lite_run --help", option);
    bad = 2;
  }
  return bad;
}

static int among(const char *option, const char *const *list) {
  while (*list && strcmp(option, *list)) list++;
  return *list != NULL;
}

static void note(struct options *o, const char *option) {
  static const char *const of_scripts[] = {"--script", "--threads", "--timeout", "--cpu-mask", NULL};
  static const char *const of_bench[] = {"--seconds", "--warmup", NULL};
  if (!among(option, of_scripts)) o->of_runs = option;
  if (among(option, of_bench)) o->of_bench = option;
}

/* 0, or 2 after a sentence: nothing that is given is ignored. */
static int check(const struct options *o) {
  if (!o->model) return fail("no model is given; see: lite_run --help"), 2;
  if (o->script && o->of_runs)
    return fail("%s: has no meaning with --script, which says what runs; leave one of them out", o->of_runs),
           2;
  if (o->of_bench && !o->bench) return fail("%s: is for a benchmark; add --bench", o->of_bench), 2;
  if (o->instructions && o->threads != 1)
    return fail("--instructions: is for one thread; add --threads 1"), 2;
  if (o->instructions && !strcmp(system_name(), "windows"))
    return fail("--instructions: is not there on Windows"), 2;
  return 0;
}

static int parse(int argc, char **argv, struct options *o) {
  *o = (struct options){.threads = cores(), .runs = -1, .warmup = -1, .seconds = 2};
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] != '-') {
      if (o->model) return fail("%s: more than one model is given", argv[i]), 2;
      o->model = argv[i];
      continue;
    }
    note(o, argv[i]);
    if (!set_flag(o, argv[i])) {
      if (i + 1 == argc) return fail("%s: is unknown, or needs a value; see: lite_run --help", argv[i]), 2;
      int bad = set_value(o, argv[i], argv[i + 1]);
      if (bad) return bad;
      i++;
    }
  }
  return check(o);
}

/* A file, or one of the models that are linked in. */
static lr_status open_model(const char *name, const lr_model_options *options, lr_model **model,
                            lr_error *e) {
#ifdef LITE_RUN_MODELS
  size_t bytes = 0;
  const void *data = lr_embedded_model(name, &bytes);
  if (data) return lr_model_open_memory(data, bytes, options, model, e);
#endif
  return lr_model_open(name, options, model, e);
}

static int run_once(lr_session *s, const lr_model *model, const struct options *o, struct measured *m) {
  struct feeds feeds = {0};
  int bad = feeds_open(&feeds, model) || feeds_gather(&feeds, s, model, o) || measure_runs(s, o, m) ||
            (o->output && write_outputs(s, model, o->output));
  if (!bad) o->bench || o->json ? report_json(s, model, o, m) : report_text(s, model, m);
  /* what is bound must not outlive its memory */
  for (int32_t i = 0; i < feeds.n; i++) lr_session_bind(s, LR_INPUT, i, NULL, 0, NULL);
  feeds_close(&feeds);
  return bad;
}

static int run(const struct options *o) {
  lr_error e;
  lr_model *model = NULL;
  lr_session *session = NULL;
  lr_model_options of_model = {.size = sizeof of_model, .cpu_mask = o->cpu_mask};
  lr_session_options of_session = {.size = sizeof of_session, .threads = o->threads};
  struct measured m = {0};
  uint64_t start = clock_ns();
  int bad = open_model(o->model, &of_model, &model, &e) ? fail("%s", e.message) : 0;
  m.load_ms = 1e-6 * (double)(clock_ns() - start);
  if (!bad && lr_session_open(model, &of_session, &session, &e)) bad = fail("%s", e.message);
  if (!bad && o->script)
    bad = script_run(session, model, o->script, (uint64_t)(1e9 * o->timeout));
  else if (!bad)
    bad = run_once(session, model, o, &m);
  measured_free(&m);
  lr_session_close(session);
  lr_model_close(model);
  return bad;
}

/* What is printed instead of a run, wherever it stands among the arguments; 0: nothing is. */
static int print_instead(const char *const *given) {
  if (among("--help", given) || among("-h", given))
    fputs(USAGE, stdout);
  else if (among("--version", given))
    puts(lr_version());
  else if (among("--cpu", given))
    report_cpu();
  else
    return 0;
  return 1;
}

int main(int argc, char **argv) {
  if (!(argv = arguments(&argc, argv))) return 1;
  if (argc < 2) {
    fputs(USAGE, stderr);
    return 2;
  }
  struct options o;
  int bad = 0;
  if (!print_instead((const char *const *)argv + 1)) {
    bad = parse(argc, argv, &o);
    if (!bad) bad = run(&o);
  }
  if (fflush(stdout) && !bad) bad = fail("standard output: cannot be written");
  return bad;
}
