/* Loads a file, gives it inputs, runs it twice (states change in between) and hashes what comes out. */
#include "fuzz.h"

#include <math.h>
#include <string.h>

static struct rng stream(int32_t pattern, int32_t index) {
  return (struct rng){(uint64_t)pattern * 1000003u + (uint64_t)index * 10007u + 1};
}

static void fill_int(lr_tensor *t, struct rng r, int32_t pattern, size_t size) {
  static const int64_t values[] = {1, 0, 2, 3, -1, 5};
  bool constant = pattern && next(&r) & 1;
  int64_t first = pattern ? values[below(&r, 6)] : 1;
  for (size_t i = 0; i < t->bytes / size; i++) {
    int64_t v = constant ? first : (int64_t)(i * 5 + (uint64_t)first) % 4;
    if (t->dtype == LR_BOOL) v &= 1;
    memcpy((char *)t->data + i * size, &v, size);
  }
}

static void fill(lr_tensor *t, int32_t pattern, int32_t index) {
  for (size_t i = 0; t->dtype == LR_F32 && i < t->bytes / 4; i++)
    ((float *)t->data)[i] = (float)((int)(i * 37 + 11) % 23 - 11) / 8;
  for (size_t i = 0; t->dtype == LR_F64 && i < t->bytes / 8; i++)
    ((double *)t->data)[i] = (double)((int)(i * 37 + 11) % 23 - 11) / 8;
  for (size_t i = 0; (t->dtype == LR_F16 || t->dtype == LR_BF16) && i < t->bytes / 2; i++)
    ((uint16_t *)t->data)[i] = (uint16_t)(0x3c00 + i * 37 % 512 + (i % 3 == 0) * 0x8000);
  static const uint8_t sizes[] = {[LR_I8] = 1,  [LR_U8] = 1,  [LR_I16] = 2, [LR_U16] = 2, [LR_I32] = 4,
                                  [LR_U32] = 4, [LR_I64] = 8, [LR_U64] = 8, [LR_BOOL] = 1};
  if ((size_t)t->dtype < sizeof sizes && sizes[t->dtype])
    fill_int(t, stream(pattern, index), pattern, sizes[t->dtype]);
}

/* Size of a dim that the model leaves open; equal symbols are equal. */
static int64_t open_size(struct inputs in, int32_t input, int32_t axis, int64_t symbol) {
  if (in.size) return axis ? in.size : 1 + (in.pattern & 1);
  struct rng r = stream(in.pattern, symbol < -1 ? (int32_t)symbol : 16 * input + axis);
  return 1 + (int64_t)below(&r, next(&r) % 4 ? 6 : 24);
}

static lr_status give_inputs(lr_model *m, lr_session *s, struct inputs in, lr_error *error) {
  for (int32_t i = 0; i < lr_model_count(m, LR_INPUT); i++) {
    lr_tensor_info info;
    lr_status status = lr_model_info(m, LR_INPUT, i, &info, error);
    for (int32_t d = 0; !status && d < info.rank; d++)
      if (info.dims[d] < 0) info.dims[d] = open_size(in, i, d, info.dims[d]);
    if (!status) status = lr_session_resize(s, i, info.rank, info.dims, error);
    if (status) return status;
  }
  lr_status status = lr_session_plan(s, error);
  for (int32_t i = 0; !status && i < lr_model_count(m, LR_INPUT); i++) {
    lr_tensor t;
    status = lr_session_tensor(s, LR_INPUT, i, &t, error);
    if (!status && t.data) fill(&t, in.pattern, i);
  }
  return status;
}

static lr_status hash_outputs(lr_model *m, lr_session *s, uint64_t *answer, lr_error *error) {
  for (int32_t i = 0; i < lr_model_count(m, LR_OUTPUT); i++) {
    lr_tensor t;
    lr_status status = lr_session_tensor(s, LR_OUTPUT, i, &t, error);
    if (status) return status;
    uint64_t parts[4] = {*answer, (uint64_t)t.dtype << 32 | (uint32_t)t.rank,
                         lr_tool_hash(t.dims, sizeof(int64_t) * (size_t)t.rank),
                         t.data ? lr_tool_hash(t.data, t.bytes) : 0};
    *answer = lr_tool_hash(parts, sizeof parts);
  }
  return LR_OK;
}

static enum stage run(lr_model *m, lr_session *s, struct outcome *o, struct inputs in,
                      const struct drive_options *d) {
  if ((o->status = give_inputs(m, s, in, &o->error))) return AT_PLAN;
  lr_run_options r = {.size = sizeof r, .timeout_ns = d->timeout_ns};
  for (int i = 0; i < 2; i++) {
    if ((o->status = lr_session_run(s, &r, &o->error))) return AT_RUN;
    if ((o->status = hash_outputs(m, s, &o->answer, &o->error))) return AT_RUN;
  }
  return SAME;
}

struct outcome drive(const uint8_t *file, uint64_t bytes, struct inputs in, const struct drive_options *d) {
  struct outcome o = {.stage = AT_LOAD};
  lr_model *m = NULL;
  lr_session *s = NULL;
  lr_model_options mo = {.size = sizeof mo, .cpu_mask = d->cpu_mask};
  if ((o.status = lr_model_open_memory(file, (size_t)bytes, &mo, &m, &o.error))) return o;
  lr_session_options so = {.size = sizeof so,
                           .threads = d->threads,
                           .memory_limit = d->memory_limit,
                           .customs = &fuzz_custom,
                           .n_customs = 1};
  o.stage = AT_PLAN;
  if (!(o.status = lr_session_open(m, &so, &s, &o.error))) o.stage = run(m, s, &o, in, d);
  lr_session_close(s);
  lr_model_close(m);
  return o;
}

bool find_inputs(const uint8_t *file, uint64_t bytes, const struct drive_options *d, struct inputs *in,
                 uint64_t *answer, lr_error *error) {
  static const int32_t sizes[] = {4, 8, 2, 5, 1, 16, 32, 48, 64};
  enum { SIZES = sizeof sizes / sizeof sizes[0], TRIES = 20000 };
  for (int32_t i = 0; i < TRIES; i++) { /* first the same size for all, then any */
    *in = (struct inputs){i < 8 * SIZES ? sizes[i % SIZES] : 0, i < 8 * SIZES ? i / SIZES : i};
    struct outcome o = drive(file, bytes, *in, d);
    *error = o.error;
    *answer = o.answer;
    if (o.stage == SAME) return true;
    if (o.stage == AT_LOAD) return false;
  }
  return false;
}
