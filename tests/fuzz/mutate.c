/* lr_fuzz FILE... [--count N] [--seed S] [--only I] [--save DIR] [--threads N] [--cpu MASK] [--memory MB] [--verbose]
 *
 * Each FILE is a good model. Case I damages file I / 2 modulo their number: even ones any bytes, odd ones
 * values at their places with the hashes repaired, so that they get past the first checks. A crash, a hang, a
 * leak, or byte damage that changes the answer without an error is a failure; `--seed S --only I` repeats one
 * case. Meant to run under sanitizers. Cases run in child processes, so that one crash does not end the
 * count; on Windows in this process, where the first one does, and without the watch for hangs. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <sys/wait.h>
#endif

#include "../system.h"
#include "fuzz.h"

/* Undefined behaviour ends the case like a crash does. */
__attribute__((visibility("default"))) const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "halt_on_error=1:print_stacktrace=1"; }

enum { BATCH = 250, WATCHDOG_SECONDS = 10, HANG_EXIT = 86, MAX_REPORTS = 20 };

struct seed {
  const char *path;
  struct file file;
  struct layout layout;
  struct inputs in;
  uint64_t answer;
};
struct options {
  int64_t count, only;
  uint64_t seed;
  const char *save;
  bool verbose;
  struct drive_options drive;
};
/* Shared with the child that runs cases. */
struct shared {
  int64_t current, different;
  bool finished;
  int64_t count[2][STAGES][LR_ERR_CANCELLED + 1];
};

/* For the whole program; here also because the leak checker in a child looks for what is in use. */
static struct seed *seeds;
static int n_seeds, failures;
static struct options o = {.count = 1000, .only = -1, .drive = {(uint64_t)256 << 20, 2000000000u, 1, 0}};
static struct shared *shared;

static struct file make_case(int64_t i, const struct seed **from) {
  const struct seed *s = *from = &seeds[i / 2 % n_seeds];
  struct rng mix = {o.seed * 0x2545F4914F6CDD1Du + (uint64_t)i};
  struct rng r = {next(&mix)};
  return i % 2 ? damage_values(&s->layout, s->file.data, s->file.bytes, &r)
               : damage_bytes(s->file.data, s->file.bytes, &r);
}

#ifdef _WIN32
static void watch(unsigned seconds) { (void)seconds; }
#else
static void watch(unsigned seconds) { alarm(seconds); }

static void on_alarm(int signal) {
  (void)signal;
  _exit(HANG_EXIT);
}
#endif

static void run_case(int64_t i) {
  const struct seed *s;
  struct file f = make_case(i, &s);
  watch(WATCHDOG_SECONDS);
  struct outcome out = drive(f.data, f.bytes, s->in, &o.drive);
  watch(0);
  aligned_delete(f.data);
  if (out.stage == SAME && out.answer != s->answer) out.stage = DIFFERENT;
  if (o.verbose)
    printf("%lld %s: stage %d, status %d %s\n", (long long)i, s->path, out.stage, out.status,
           out.error.message);
  shared->count[i % 2][out.stage][out.status]++;
  if (i % 2 == 0 && out.stage == DIFFERENT) shared->different = i;
}

static void run_cases(int64_t first, int64_t last) {
  for (int64_t i = first; i < last && shared->different < 0; i++) {
    shared->current = i;
    run_case(i);
  }
  shared->finished = true;
}

static void report(const char *what, int64_t i) {
  const struct seed *s;
  struct file f = make_case(i, &s);
  if (++failures <= MAX_REPORTS)
    printf("%s: %s --seed %llu --only %lld\n", what, s->path, (unsigned long long)o.seed, (long long)i);
  if (o.save) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%llu-%lld.lrm", o.save, (unsigned long long)o.seed, (long long)i);
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(f.data, 1, (size_t)f.bytes, out) != f.bytes)
      fprintf(stderr, "lr_fuzz: cannot write %s\n", path);
    if (out) fclose(out);
  }
  aligned_delete(f.data);
}

/* Runs cases first..last-1 and returns the one to go on with. */
#ifdef _WIN32
static LONG WINAPI on_crash(EXCEPTION_POINTERS *why) {
  report("crash", shared->current);
  fflush(NULL);
  _exit(1);
}

static int64_t batch(int64_t first, int64_t last) {
  SetUnhandledExceptionFilter(on_crash);
  shared->different = -1;
  run_cases(first, last);
  if (shared->different < 0) return last;
  report("another answer without an error", shared->different);
  return shared->different + 1;
}
#else
static int64_t batch(int64_t first, int64_t last) {
  shared->finished = false;
  shared->different = -1;
  shared->current = first;
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) {
    perror("lr_fuzz: fork");
    exit(2);
  }
  if (!pid) {
    signal(SIGALRM, on_alarm);
    run_cases(first, last);
    exit(0); /* not _exit: the leak checker runs at exit */
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) exit(2);
  if (shared->different >= 0) {
    report("another answer without an error", shared->different);
    return shared->different + 1;
  }
  if (WIFEXITED(status) && !WEXITSTATUS(status)) return last;
  if (WIFEXITED(status) && WEXITSTATUS(status) == HANG_EXIT)
    report("hang", shared->current);
  else if (!shared->finished)
    report("crash", shared->current);
  else {
    ++failures;
    printf("leak: in cases %lld to %lld of --seed %llu\n", (long long)first, (long long)last - 1,
           (unsigned long long)o.seed);
    return last;
  }
  return shared->current + 1;
}

#endif

/* ---- the report ---- */
static void print_counts(void) {
  static const char *const stages[] = {"refused at load", "refused at plan", "refused at run",
                                       "ran, same answer", "ran, another answer"};
  int64_t total[2] = {0, 0}, ran = 0;
  printf("%-44s %12s %12s\n", "", "bytes", "repaired");
  for (int stage = 0; stage < STAGES; stage++)
    for (int status = 0; status <= LR_ERR_CANCELLED; status++) {
      const int64_t a = shared->count[0][stage][status], b = shared->count[1][stage][status];
      if (!a && !b) continue;
      char line[100];
      snprintf(line, sizeof line, "%s%s%s", stages[stage], status ? ": " : "",
               status ? lr_status_string((lr_status)status) : "");
      printf("%-44s %12lld %12lld\n", line, (long long)a, (long long)b);
      total[0] += a;
      total[1] += b;
      if (stage >= AT_RUN) ran += b;
    }
  printf("%-44s %12lld %12lld\n", "all", (long long)total[0], (long long)total[1]);
  printf("%.1f %% of the repaired files reached run; %d failure%s\n",
         total[1] ? 100.0 * (double)ran / (double)total[1] : 0.0, failures, failures == 1 ? "" : "s");
}

/* ---- the start ---- */
static struct seed load_seed(const char *path) {
  struct seed s = {.path = path};
  FILE *f = fopen(path, "rb");
  long n = -1;
  if (f && !fseek(f, 0, SEEK_END)) n = ftell(f);
  if (n < 0) {
    perror(path);
    exit(2);
  }
  rewind(f);
  s.file = new_file((uint64_t)n);
  if (fread(s.file.data, 1, (size_t)n, f) != (size_t)n) exit(2);
  fclose(f);
  lr_error error = {""};
  if (!find_inputs(s.file.data, s.file.bytes, &o.drive, &s.in, &s.answer, &error)) {
    fprintf(stderr, "lr_fuzz: %s does not run undamaged: %s\n", path, error.message);
    exit(2);
  }
  s.layout = walk(s.file.data, s.file.bytes);
  return s;
}

static int usage(const char *why) {
  fprintf(stderr,
          "lr_fuzz: %s\nusage: lr_fuzz FILE... [--count N] [--seed S] [--only I] [--save DIR] [--threads N] "
          "[--cpu MASK] [--memory MB] [--verbose]\n",
          why);
  return 2;
}

static bool set_option(const char *name, const char *value) {
  if (!strcmp(name, "--count"))
    o.count = atoll(value);
  else if (!strcmp(name, "--seed"))
    o.seed = strtoull(value, NULL, 10);
  else if (!strcmp(name, "--only"))
    o.only = atoll(value);
  else if (!strcmp(name, "--save"))
    o.save = value;
  else if (!strcmp(name, "--threads"))
    o.drive.threads = atoi(value);
  else if (!strcmp(name, "--cpu"))
    o.drive.cpu_mask = (uint32_t)strtoul(value, NULL, 0);
  else if (!strcmp(name, "--memory"))
    o.drive.memory_limit = strtoull(value, NULL, 10) << 20;
  else
    return false;
  return true;
}

static void close_all(void) {
  for (int i = 0; i < n_seeds; i++) {
    free_layout(&seeds[i].layout);
    aligned_delete(seeds[i].file.data);
  }
  free(seeds);
  pages_free(shared, sizeof *shared);
}

int main(int argc, char **argv) {
  const char **paths = calloc((size_t)argc, sizeof *paths);
  seeds = calloc((size_t)argc, sizeof *seeds);
  shared = pages_shared(sizeof *shared);
  if (!paths || !seeds || !shared) return usage("out of memory");
  int n = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--verbose"))
      o.verbose = true;
    else if (argv[i][0] != '-')
      paths[n++] = argv[i];
    else if (i + 1 == argc || !set_option(argv[i], argv[i + 1]))
      return usage(argv[i]);
    else
      i++;
  }
  if (!n) return usage("give at least one .lrm file");
  for (int i = 0; i < n; i++) {
    seeds[i] = load_seed(paths[i]);
    n_seeds++;
  }
  free(paths);
  if (o.only >= 0) o.verbose = true;
  int64_t i = o.only >= 0 ? o.only : 0, end = o.only >= 0 ? i + 1 : o.count;
  while (i < end) i = batch(i, i + BATCH < end ? i + BATCH : end);
  print_counts();
  close_all();
  return failures != 0;
}
