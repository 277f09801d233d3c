/* Damages .lrm files and looks at what the runtime makes of them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lite_runtime.h"
#include "lite_runtime_tools.h"

/* ---- random numbers: splitmix64 (S. Vigna, public domain) ---- */
struct rng {
  uint64_t state;
};
static inline uint64_t next(struct rng *r) {
  uint64_t z = r->state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}
static inline uint64_t below(struct rng *r, uint64_t n) { return n ? next(r) % n : 0; }

/* ---- walk.c: what a file is made of ---- */
enum target_kind { SCALAR, REAL, ELEMENT, LENGTH, OFFSET, VTABLE, TEXT, WEIGHT, TARGET_KINDS };
struct target {
  enum target_kind kind;
  uint8_t size;       /* bytes of the value */
  uint16_t field;     /* table * 64 + field: values of one field may be swapped */
  uint64_t at, count; /* count > 1: so many values of `size` bytes (WEIGHT: one constant) */
};
struct layout {
  struct target *target;
  size_t n, max;
  size_t first[TARGET_KINDS + 1]; /* targets are sorted by kind */
  uint64_t hash_at, graph_bytes;
  struct section {
    uint64_t offset, bytes, hashes_at;
  } *section;
  size_t n_sections;
};
/* Any bytes; of a file that the runtime accepts all of it. */
struct layout walk(const uint8_t *file, uint64_t bytes);
void free_layout(struct layout *l);
/* Makes all hashes right again, as far as they are in the file. */
void repair(const struct layout *l, uint8_t *file, uint64_t bytes);

/* ---- change.c: damage ---- */
struct file {
  uint8_t *data; /* 64-byte aligned */
  uint64_t bytes;
};
struct file new_file(uint64_t bytes);
/* Any bytes; never the same file. */
struct file damage_bytes(const uint8_t *file, uint64_t bytes, struct rng *r);
/* Values at their places, with right hashes. */
struct file damage_values(const struct layout *l, const uint8_t *file, uint64_t bytes, struct rng *r);

/* ---- custom.c ---- */
extern const lr_custom fuzz_custom;

/* ---- drive.c: load, plan, run ---- */
enum stage { AT_LOAD, AT_PLAN, AT_RUN, SAME, DIFFERENT, STAGES };
struct inputs {
  int32_t size;    /* of open dims; 0: any, by pattern */
  int32_t pattern; /* of integers */
};
struct outcome {
  enum stage stage;
  lr_status status;
  uint64_t answer; /* hash of all outputs */
  lr_error error;
};
struct drive_options {
  uint64_t memory_limit, timeout_ns;
  int32_t threads;
  uint32_t cpu_mask; /* as in lr_model_options */
};
/* stage is SAME when it ran: the caller compares `answer`. */
struct outcome drive(const uint8_t *file, uint64_t bytes, struct inputs in, const struct drive_options *o);
/* Finds inputs that the seed runs with; false, with the last sentence in *error, when there are none. */
bool find_inputs(const uint8_t *file, uint64_t bytes, const struct drive_options *o, struct inputs *in,
                 uint64_t *answer, lr_error *error);
