/* Several runs in one process, and what is written of each. Each line of a script is one of
 *   input INDEX FILE.npy    the file's shape and values are those of the input; the path goes to the line's end
 *   run PREFIX              runs; writes output k to PREFIX.k.npy
 *   reset                   sets all states to zero
 * What is wrong with a line begins with its place: SCRIPT:3: ... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

int write_outputs(lr_session *s, const lr_model *m, const char *prefix) {
  lr_error e;
  for (int32_t i = 0; i < lr_model_count(m, LR_OUTPUT); i++) {
    char path[1024];
    lr_tensor t;
    if (snprintf(path, sizeof path, "%s.%d.npy", prefix, (int)i) >= (int)sizeof path)
      return fail("%s: is too long a path", prefix);
    if (lr_session_tensor(s, LR_OUTPUT, i, &t, &e)) return fail("%s", e.message);
    if (npy_write(path, &t)) return 1;
  }
  return 0;
}

static int line_of_script(lr_session *s, const lr_model *m, struct feeds *f, char *line,
                          uint64_t timeout_ns) {
  lr_run_options options = {.size = sizeof options, .timeout_ns = timeout_ns};
  lr_error e;
  if (!strcmp(line, "reset")) {
    lr_session_reset_state(s);
    return 0;
  }
  if (!strncmp(line, "run ", 4)) {
    for (int32_t i = 0; i < f->n; i++)
      if (!f->of[i].data)
        return fail("run: input %d has no value; give it one with `input %d FILE`", (int)i, (int)i);
    return lr_session_run(s, &options, &e) ? fail("%s", e.message) : write_outputs(s, m, line + 4);
  }
  if (!strncmp(line, "input ", 6)) {
    char *path;
    long index = strtol(line + 6, &path, 10);
    if (index >= 0 && index < f->n && *path == ' ') return feeds_file(f, s, m, (int32_t)index, path + 1);
    return fail("%s: needs the number of an input, below %d, and a file", line, (int)f->n);
  }
  return fail("%s: is none of input, run and reset", line);
}

int script_run(lr_session *s, const lr_model *m, const char *path, uint64_t timeout_ns) {
  FILE *script = open_file(path, "r");
  if (!script) return fail("%s: cannot be opened", path);
  struct feeds feeds = {0};
  char line[4096];
  int bad = feeds_open(&feeds, m);
  for (long n = 1; !bad && fgets(line, sizeof line, script); n++) {
    fail_at(path, n);
    if (strlen(line) == sizeof line - 1 && line[sizeof line - 2] != '\n') /* its rest is still to be read */
      bad = fail("the line is longer than %d bytes", (int)sizeof line - 2);
    line[strcspn(line, "\r\n")] = 0;
    bad = bad || (*line && line_of_script(s, m, &feeds, line, timeout_ns));
  }
  fail_at(NULL, 0);
  if (!bad && ferror(script)) bad = fail("%s: cannot be read", path);
  fclose(script);
  for (int32_t i = 0; i < feeds.n; i++) lr_session_bind(s, LR_INPUT, i, NULL, 0, NULL);
  feeds_close(&feeds);
  return bad;
}
