/* lite_run: runs a model on the machine on which it is to run: on inputs from files or random ones, once or for a
 * benchmark. Uses the public API alone. Functions that return int give 0, or say what is wrong in one sentence on
 * stderr and give 1. */
#ifndef LITE_RUN_APP_H
#define LITE_RUN_APP_H
#include <stdint.h>
#include <stdio.h>

#include "lite_runtime.h"

/* The command line. Strings are those of argv. */
struct options {
  const char *model, *script, *output;
  const char *inputs[64], *shapes[64];
  int32_t n_inputs, n_shapes;
  int32_t threads; /* at least 1 */
  uint32_t cpu_mask;
  uint64_t seed;
  int32_t runs, warmup; /* -1: not given */
  double seconds, timeout;
  int32_t bench, profile, json, instructions;
  const char *of_bench; /* an option that was given and is for benchmarks alone */
  const char *of_runs;  /* one that no script takes */
};

/* Values of the inputs. Each is bound to the session, so it must live as long as that. */
struct feeds {
  lr_tensor *of; /* one for each input; data is malloc's, NULL: not set */
  int32_t n;
};

/* Times of runs in nanoseconds, in the order in which they were. */
struct times {
  uint64_t *ns;
  int32_t n, room;
};

/* What was measured. */
struct measured {
  double load_ms, first_ms; /* opening; the first run with planning and packing of weights */
  struct times runs;        /* of those that count */
  struct times *steps;      /* one for each step of the plan; NULL without --profile */
  int32_t n_steps;
  int32_t *marks, n_marks; /* with --instructions and --profile: the step before each marker */
};

/* main.c */
int fail(const char *format, ...);
void fail_at(const char *script, long line); /* what `fail` begins with from now on; NULL: nothing */

/* npy.c: numpy's files, versions 1 to 3, of little-endian numbers in C order. The caller frees t->data. */
struct dtype {
  int32_t code;
  const char *name, *npy; /* npy: as numpy writes it, "" where it has no such type */
  size_t bytes;
};
const struct dtype *dtype_of(int32_t code); /* never NULL */
int npy_read(const char *path, lr_tensor *t);
int npy_write(const char *path, const lr_tensor *t); /* written beside its place, then renamed */

/* feeds.c */
int feeds_open(struct feeds *f, const lr_model *m);
void feeds_close(struct feeds *f);
int feeds_file(struct feeds *f, lr_session *s, const lr_model *m, int32_t index, const char *path);
int feeds_gather(struct feeds *f, lr_session *s, const lr_model *m, const struct options *o);

/* measure.c */
int measure_runs(lr_session *s, const struct options *o, struct measured *m);
void measured_free(struct measured *m);

/* script.c */
int script_run(lr_session *s, const lr_model *m, const char *path, uint64_t timeout_ns);
int write_outputs(lr_session *s, const lr_model *m, const char *prefix);

/* report.c: sorts the times that it is given */
void report_json(lr_session *s, const lr_model *model, const struct options *o, struct measured *m);
void report_text(lr_session *s, const lr_model *model, struct measured *m);
void report_cpu(void);

/* system.c: text is UTF-8 on every system */
char **arguments(int *argc, char **argv); /* what main was given; NULL after a sentence. Never freed */
FILE *open_file(const char *path, const char *mode);
int rename_file(const char *from, const char *to); /* which it replaces at once; 0 when it could */
void remove_file(const char *path);
uint64_t clock_ns(void);
int32_t cores(void);        /* that this process may use */
uint64_t peak_memory(void); /* the most that this process had in memory, in bytes; 0: not known */
void mark(void); /* a system call that does nothing, for counters of instructions; none on Windows */
const char *system_name(void);
const char *machine_name(void);
#endif
