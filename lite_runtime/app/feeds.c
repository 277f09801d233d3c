/* The inputs of a model: from files, or random. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

int feeds_open(struct feeds *f, const lr_model *m) {
  f->n = lr_model_count(m, LR_INPUT);
  f->of = calloc((size_t)f->n + 1, sizeof *f->of);
  return f->of ? 0 : fail("no memory");
}

void feeds_close(struct feeds *f) {
  for (int32_t i = 0; f->of && i < f->n; i++) free(f->of[i].data);
  free(f->of);
}

/* Gives input `index` these values, which become the feeds'. */
static int take(struct feeds *f, lr_session *s, int32_t index, lr_tensor *t) {
  lr_error e;
  if (lr_session_resize(s, index, t->rank, t->dims, &e) ||
      lr_session_bind(s, LR_INPUT, index, t->data, t->bytes, &e)) {
    free(t->data);
    return fail("%s", e.message);
  }
  free(f->of[index].data);
  f->of[index] = *t;
  return 0;
}

int feeds_file(struct feeds *f, lr_session *s, const lr_model *m, int32_t index, const char *path) {
  lr_tensor t;
  lr_tensor_info info;
  lr_error e;
  if (lr_model_info(m, LR_INPUT, index, &info, &e)) return fail("%s", e.message);
  if (npy_read(path, &t)) return 1;
  if (t.dtype == info.dtype) return take(f, s, index, &t);
  free(t.data);
  return fail("input '%s': is %s, %s holds %s", info.name, dtype_of(info.dtype)->name, path,
              dtype_of(t.dtype)->name);
}

/* The input of NAME=rest, and the rest; -1 when there is no such. Names may have a '=' themselves. */
static int32_t find(const lr_model *m, const char *text, const char **rest) {
  lr_tensor_info info;
  for (int32_t i = 0; i < lr_model_count(m, LR_INPUT); i++) {
    if (lr_model_info(m, LR_INPUT, i, &info, NULL)) continue;
    size_t n = strlen(info.name);
    if (strncmp(text, info.name, n) || text[n] != '=') continue;
    *rest = text + n + 1;
    return i;
  }
  return -1;
}

static int no_such(const lr_model *m, const char *option, const char *text) {
  char names[400] = "";
  lr_tensor_info info;
  for (int32_t i = 0; i < lr_model_count(m, LR_INPUT); i++)
    if (!lr_model_info(m, LR_INPUT, i, &info, NULL)) {
      size_t n = strlen(names);
      snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", info.name);
    }
  return fail("%s %s: is not NAME=VALUE of an input; the model has %s", option, text,
              *names ? names : "none");
}

static int given(const char *option, const char *text) {
  return fail("%s %s: the input is given already; give it one --input or one --shape", option, text);
}

static int parse_dims(const char *text, lr_tensor_info *info) {
  const char *p = text;
  info->rank = 0;
  while (*p) {
    char *end;
    long long n = strtoll(p, &end, 10);
    if (end == p || n < 0 || info->rank == LR_MAX_RANK || (*end && *end != ','))
      return fail("--shape %s: is not a shape like 1,3,64,64", text);
    info->dims[info->rank++] = n;
    p = *end ? end + 1 : end;
  }
  return 0;
}

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
static uint64_t next(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* One number for each element, from r's high bits: f32 and f64 in [-1, 1), f16 and bf16 of size 1/2 to 1 (a random
 * sign and mantissa), bytes of their whole range, other integers 0 to 9, bools true. */
static void fill(lr_tensor *t, uint64_t seed) {
  size_t size = dtype_of(t->dtype)->bytes, n = t->bytes / size;
  for (size_t i = 0; i < n; i++) {
    uint64_t r = next(&seed), bits = (r >> 32) % 10;
    float f = (float)((double)(r >> 40) / 8388608.0 - 1.0);
    double d = (double)(r >> 11) / 4503599627370496.0 - 1.0;
    if (t->dtype == LR_F32) memcpy(&bits, &f, sizeof f);
    if (t->dtype == LR_F64) memcpy(&bits, &d, sizeof d);
    if (t->dtype == LR_F16) bits = r >> 63 << 15 | 14u << 10 | (r >> 53 & 1023);
    if (t->dtype == LR_BF16) bits = r >> 63 << 15 | 126u << 7 | (r >> 56 & 127);
    if (t->dtype == LR_I8 || t->dtype == LR_U8) bits = r >> 56;
    if (t->dtype == LR_BOOL) bits = 1;
    memcpy((char *)t->data + i * size, &bits, size); /* little-endian, as the runtime is */
  }
}

static int random_input(struct feeds *f, lr_session *s, const lr_tensor_info *info, int32_t index,
                        uint64_t seed) {
  lr_tensor t = {.dtype = info->dtype, .rank = info->rank};
  uint64_t bytes = dtype_of(info->dtype)->bytes;
  for (int32_t i = 0; i < info->rank; i++) {
    t.dims[i] = info->dims[i];
    if (t.dims[i] < 0)
      return fail(
          "input '%s': the model leaves size %d of its %d open; give all with --shape NAME=1,3,64,64, or "
          "--input",
          info->name, (int)i + 1, (int)info->rank);
    if (t.dims[i] && bytes > (uint64_t)SIZE_MAX / 2 / (uint64_t)t.dims[i])
      return fail("input '%s': is too large", info->name);
    bytes *= (uint64_t)t.dims[i];
  }
  t.bytes = (size_t)bytes;
  if (!(t.data = malloc(t.bytes + 1))) return fail("input '%s': no memory", info->name);
  fill(&t, seed + (uint64_t)index);
  return take(f, s, index, &t);
}

int feeds_gather(struct feeds *f, lr_session *s, const lr_model *m, const struct options *o) {
  const char *rest;
  for (int32_t i = 0; i < o->n_inputs; i++) {
    int32_t index = find(m, o->inputs[i], &rest);
    if (index < 0) return no_such(m, "--input", o->inputs[i]);
    if (f->of[index].data) return given("--input", o->inputs[i]);
    if (feeds_file(f, s, m, index, rest)) return 1;
  }
  for (int32_t i = 0; i < o->n_shapes; i++) {
    int32_t index = find(m, o->shapes[i], &rest);
    if (index < 0) return no_such(m, "--shape", o->shapes[i]);
    if (f->of[index].data) return given("--shape", o->shapes[i]);
    lr_tensor_info info;
    if (lr_model_info(m, LR_INPUT, index, &info, NULL) || parse_dims(rest, &info)) return 1;
    if (random_input(f, s, &info, index, o->seed)) return 1;
  }
  for (int32_t i = 0; i < f->n; i++) {
    lr_tensor_info info;
    if (f->of[i].data || lr_model_info(m, LR_INPUT, i, &info, NULL)) continue;
    if (random_input(f, s, &info, i, o->seed)) return 1;
  }
  return 0;
}
