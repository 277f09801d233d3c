/* The graph in memory: what model.c builds from the file after verifying it. Immutable but for the bound slots. */
#pragma once
#include "base.h"
#include "lr_ops.h" /* generated: enum lr_op_code, struct lr_<op>_attrs, enum lr_postop */

#define LR_MAX_INPUTS 1024 /* of one node */
#define LR_MAX_OUTPUTS 256

enum lr_lifetime {
  LR_LIFE_TEMP = 0,
  LR_LIFE_CONST = 1,
  LR_LIFE_INPUT = 2,
  LR_LIFE_OUTPUT = 3,
  LR_LIFE_STATE = 4
};

/* ---- post-op programs, decoded (spec/postops.py has the encoding) ---- */
enum {
  LR_SRC_NONE = 0,
  LR_SRC_REG0 = 1,
  LR_SRC_OPERAND0 = 16,
  LR_SRC_IMM = 255,
  LR_MAX_OPERANDS = 32,
  LR_REGISTERS = 4
};
struct lr_instr {
  uint8_t op;     /* enum lr_postop */
  uint8_t dtype;  /* type of the arithmetic */
  uint8_t dst;    /* register 0..3 */
  uint8_t src[3]; /* references, LR_SRC_* */
  uint32_t imm[3];
};
struct lr_program {
  int32_t n;
  struct lr_instr *instr;
};

/* ---- tensors ---- */
struct lr_encoding {
  uint32_t kind, version, nr, kr, block;
  const void *data; /* inside a section */
  uint64_t bytes;
  uint32_t section;
};
struct lr_quant {
  int32_t axis; /* -1: one scale for all */
  uint32_t block, n;
  const float *scale;
  const int32_t *zero;
};
struct lr_graph_tensor {
  const char *name;
  struct lr_type type; /* as declared: for temps a hint, for others binding */
  uint8_t lifetime;
  int32_t state_source; /* tensor index or -1 */
  const void *data; /* canonical encoding of a constant, in the file; lr_weights_dense checks its hashes */
  int32_t n_encodings;
  const struct lr_encoding *encodings;
  struct lr_quant quant;
};

/* ---- nodes ---- */
struct lr_blob {
  const char *vendor, *soc, *sdk;
  const void *data;
  uint64_t bytes;
};
struct lr_node {
  enum lr_op_code op;
  const char *name;    /* never NULL */
  int32_t n_in, n_out; /* n_in counts operands of the program too */
  int32_t n_own; /* inputs of the operator itself: in[n_own + k] is operand k; for variadic operators all */
  const int32_t *in, *out; /* tensor indices; in[] may be -1 */
  const void *attrs;       /* struct lr_<op>_attrs, complete with defaults */
  struct lr_program program;
  const char *custom_name;
  const void *custom_data;
  size_t custom_bytes;
  int32_t n_subgraphs;
  const uint32_t *subgraphs;
  int32_t n_blobs;
  const struct lr_blob *blobs;
};

struct lr_subgraph {
  const char *name;
  int32_t n_tensors, n_nodes, n_in, n_out, n_captures;
  struct lr_graph_tensor *tensors;
  struct lr_node *nodes;
  const int32_t *in, *out;
  const uint32_t *captures; /* pairs: outer, inner */
};

/* ---- the model ---- */
struct lr_weights;                         /* cache of packed weights, weights.c */
#define LR_CHUNK_BYTES ((uint64_t)1 << 20) /* of a section: each has its own hash */
struct lr_section {
  uint64_t offset, bytes; /* in the file */
  const uint8_t *hashes;  /* one u64 a chunk, of any alignment */
  uint8_t *checked;       /* atomic, one a chunk: its hash was right; NULL: nothing is left to check */
};
struct lr_model {
  lr_allocator alloc;
  uint32_t cpu; /* instruction sets that may be used */
  uint32_t verify;
  void (*log)(void *user, const char *message);
  void *log_user;
  const uint8_t *file; /* 64-byte aligned start */
  uint64_t bytes;
  int32_t n_subgraphs;
  struct lr_subgraph *subgraphs; /* subgraphs[0] is the main entry */
  int32_t n_symbols;
  const char **symbols;
  int32_t n_metadata;
  const char **metadata; /* key, value, key, value, ... */
  struct lr_weights *weights;
  struct lr_source *source; /* how the bytes are held, model.c */
  void *arena;              /* all the structs above */
  int32_t refs;             /* atomic */
  int32_t n_sections;
  struct lr_section *sections;
};

/* Adds a reference; lr_model_close drops one. */
void lr_model_retain(lr_model *m);
