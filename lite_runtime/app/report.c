/* What lite_run prints: one JSON document, or a few lines for people. */
#include <stdio.h>
#include <stdlib.h>

#include "app.h"

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Of sorted times, in milliseconds; between two of them linearly, as numpy does. */
static double percentile(const struct times *t, double part) {
  if (!t->n) return 0;
  double at = part * (t->n - 1);
  int32_t low = (int32_t)at, high = low + 1 < t->n ? low + 1 : low;
  double a = (double)t->ns[low], b = (double)t->ns[high];
  return 1e-6 * (a + (at - low) * (b - a));
}

static void sort(struct times *t) {
  if (t->n) qsort(t->ns, (size_t)t->n, sizeof *t->ns, ascending);
}

static void print_string(const char *s) {
  putchar('"');
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\')
      printf("\\%c", c);
    else if (c < 0x20 || c == 0x7f)
      printf("\\u%04x", c);
    else
      putchar(c);
  }
  putchar('"');
}

static void field(const char *before, const char *key, const char *value) {
  printf("%s\"%s\": ", before, key);
  print_string(value);
}

static void print_tensor(const char *before, const char *name, const lr_tensor *t) {
  printf("%s", before);
  field("{", "name", name);
  field(", ", "dtype", dtype_of(t->dtype)->name);
  printf(", \"shape\": [");
  for (int32_t d = 0; d < t->rank; d++) printf("%s%lld", d ? ", " : "", (long long)t->dims[d]);
  printf("]}");
}

static void print_tensors(lr_session *s, const lr_model *m, lr_role role) {
  for (int32_t i = 0; i < lr_model_count(m, role); i++) {
    lr_tensor_info info;
    lr_tensor t;
    if (lr_model_info(m, role, i, &info, NULL) || lr_session_tensor(s, role, i, &t, NULL)) continue;
    print_tensor(i ? ", " : "", info.name, &t);
  }
}

static void print_steps(lr_session *s, struct measured *m) {
  lr_step step;
  printf(",\n \"steps\": [");
  for (int32_t i = 0; i < m->n_steps && lr_session_step(s, i, &step); i++) {
    sort(&m->steps[i]);
    printf("%s\n  {\"index\": %d", i ? "," : "", (int)i);
    field(", ", "node", step.node);
    field(", ", "op", step.op);
    field(", ", "device", step.device);
    field(", ", "kernel", step.kernel);
    field(", ", "reason", step.reason);
    printf(", \"ns\": %.0f, \"outputs\": [", 1e6 * percentile(&m->steps[i], 0.5));
    for (int32_t k = 0; k < step.n_outputs; k++)
      print_tensor(k ? ", " : "", step.output_names[k], &step.outputs[k]);
    printf("]}");
  }
  printf("]");
}

void report_json(lr_session *s, const lr_model *model, const struct options *o, struct measured *m) {
  field("{", "version", lr_version());
  field(", ", "system", system_name());
  field(", ", "machine", machine_name());
  printf(", \"features\": [");
  int first = 1;
  for (uint32_t bit = 1; bit; bit <<= 1)
    if (lr_cpu_features() & bit) {
      if (!first) printf(", ");
      print_string(lr_cpu_name(bit));
      first = 0;
    }
  printf(
      "],\n \"threads\": %d, \"load_ms\": %.3f, \"first_ms\": %.3f, \"memory\": %llu, \"peak_memory\": %llu",
      (int)o->threads, m->load_ms, m->first_ms, (unsigned long long)lr_session_memory(s),
      (unsigned long long)peak_memory());
  printf(",\n \"inputs\": [");
  print_tensors(s, model, LR_INPUT);
  printf("],\n \"outputs\": [");
  print_tensors(s, model, LR_OUTPUT);
  printf("]");
  if (!o->bench) { /* few, so that all are told, in their order */
    printf(",\n \"all_ms\": [");
    for (int32_t i = 0; i < m->runs.n; i++) printf("%s%.6f", i ? ", " : "", 1e-6 * (double)m->runs.ns[i]);
    printf("]");
  }
  sort(&m->runs);
  printf(",\n \"times\": {\"runs\": %d, \"best\": %.6f, \"p10\": %.6f, \"median\": %.6f, \"p90\": %.6f}",
         (int)m->runs.n, percentile(&m->runs, 0), percentile(&m->runs, 0.1), percentile(&m->runs, 0.5),
         percentile(&m->runs, 0.9));
  if (m->steps) print_steps(s, m);
  if (o->instructions) {
    printf(",\n \"marks\": [");
    for (int32_t i = 0; i < m->n_marks; i++) printf("%s%d", i ? ", " : "", (int)m->marks[i]);
    printf("]");
  }
  printf("}\n");
}

static void summarise(const char *name, const lr_tensor *t) {
  printf("%s %s [", name, dtype_of(t->dtype)->name);
  for (int32_t d = 0; d < t->rank; d++) printf("%s%lld", d ? " " : "", (long long)t->dims[d]);
  printf("]");
  size_t n = t->bytes / dtype_of(t->dtype)->bytes;
  const float *x = t->data;
  if (t->dtype == LR_F32 && n && x) {
    double low = x[0], high = x[0], sum = 0;
    for (size_t i = 0; i < n; i++) {
      low = x[i] < low ? x[i] : low;
      high = x[i] > high ? x[i] : high;
      sum += x[i];
    }
    printf(" min %.6g mean %.6g max %.6g", low, sum / (double)n, high);
  }
  printf("\n");
}

void report_text(lr_session *s, const lr_model *model, struct measured *m) {
  for (int32_t i = 0; i < lr_model_count(model, LR_OUTPUT); i++) {
    lr_tensor_info info;
    lr_tensor t;
    if (!lr_model_info(model, LR_OUTPUT, i, &info, NULL) && !lr_session_tensor(s, LR_OUTPUT, i, &t, NULL))
      summarise(info.name, &t);
  }
  lr_step step;
  for (int32_t i = 0; m->steps && i < m->n_steps && lr_session_step(s, i, &step); i++)
    printf("%4d %10.1f us  %s %s %s\n", (int)i, 1e3 * percentile(&m->steps[i], 0.5), step.op, step.kernel,
           step.node);
  sort(&m->runs);
  printf("%d run%s, best %.3f ms, median %.3f ms, memory %llu bytes\n", (int)m->runs.n,
         m->runs.n == 1 ? "" : "s", percentile(&m->runs, 0), percentile(&m->runs, 0.5),
         (unsigned long long)lr_session_memory(s));
}

void report_cpu(void) {
  for (uint32_t bit = 1; bit; bit <<= 1)
    if (lr_cpu_features() & bit) printf("%s %lu\n", lr_cpu_name(bit), (unsigned long)bit);
}
