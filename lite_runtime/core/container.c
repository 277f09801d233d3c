#include "hash.h"
#include "loader.h"

enum { FORMAT_VERSION = 0, MIN_BYTES = 16 };
static const uint64_t KNOWN_FEATURES = 0;
static const uint64_t VERIFY_AT_LOAD = (uint64_t)256 << 20; /* larger files: at first use, weights.c */

static unsigned long long ull(uint64_t n) { return n; }

/* ---- is it ours? ---- */
/* What the bytes look like, for people who give the wrong file. */
static const char *guess(const uint8_t *p, uint64_t n) {
  static const uint8_t zip[4] = {'P', 'K', 3, 4};
  if (n >= 4 && !memcmp(p, zip, 4))
    return "it looks like a ZIP archive (perhaps a PyTorch file); export it to ONNX first";
  if (n >= 8 && !memcmp(p + 4, "TFL3", 4))
    return "it looks like a TFLite model; convert the ONNX model instead";
  if (n >= 20 && !memcmp(p, "version https://git-", 20)) return "it is a git-lfs pointer; run git lfs pull";
  if (n >= 1 && p[0] == '<') return "it looks like a web page; download the model again";
  /* ModelProto: field 1 (ir_version), then one of fields 2 to 8 or 14 with a length */
  if (n >= 4 && p[0] == 0x08 && p[1] >= 1 && p[1] < 64 && (p[2] & 7) <= 2 && p[2] >= 0x12 && p[2] <= 0x72)
    return "it looks like an ONNX model; convert it with lite-opt convert";
  for (uint64_t i = 0; i < n; i++)
    if (p[i]) return "give the output of lite-opt convert";
  return "it holds zeros only; copy it again";
}

static lr_status check_magic(struct lr_loader *l) {
  const uint8_t *p = l->model->file;
  uint64_t n = l->model->bytes;
  bool ours = n >= 8 && !memcmp(p + 4, LR_FB_IDENTIFIER, 3);
  if (ours && p[7] > (uint8_t)LR_FB_IDENTIFIER[3] && p[7] <= '9')
    return lr_fail(l->error, LR_ERR_VERSION,
                   "%s: the file is of format %c, this library reads %c; use a newer lite_runtime", l->where,
                   p[7], LR_FB_IDENTIFIER[3]);
  if (!ours || p[7] != LR_FB_IDENTIFIER[3])
    return lr_fail(l->error, LR_ERR_MODEL, "%s: not a .lrm model; %s", l->where,
                   guess(p, n < 4096 ? n : 4096));
  if (n < MIN_BYTES)
    return lr_fail(l->error, LR_ERR_MODEL, "%s: truncated: only %llu bytes are there; copy it again",
                   l->where, ull(n));
  return LR_OK;
}

lr_status lr_loader_bad(struct lr_loader *l) {
  return lr_fail(l->error, LR_ERR_MODEL,
                 "%s: damaged: the graph points outside of itself; copy or convert the model again",
                 l->where);
}

/* ---- is it whole? ---- */
static lr_status check_graph_hash(struct lr_loader *l, uint64_t at, uint64_t graph_bytes) {
  static const uint8_t zero[8];
  uint64_t stored;
  memcpy(&stored, l->model->file + at, sizeof stored);
  struct lr_hash h;
  lr_hash_start(&h);
  lr_hash_add(&h, l->model->file, (size_t)at);
  lr_hash_add(&h, zero, sizeof zero);
  lr_hash_add(&h, l->model->file + at + 8, (size_t)(graph_bytes - at - 8));
  if (lr_hash_end(&h) == stored) return LR_OK;
  return lr_fail(l->error, LR_ERR_MODEL,
                 "%s: damaged: the hash of the graph is wrong; copy or convert the model again", l->where);
}

static lr_status check_integrity(struct lr_loader *l) {
  struct fb *f = &l->fb;
  uint32_t version = fb_get_u32(f, l->root, LR_FB_MODEL_VERSION, 0);
  uint64_t features = fb_get_u64(f, l->root, LR_FB_MODEL_REQUIRED_FEATURES, 0);
  uint64_t at = fb_field(f, l->root, LR_FB_MODEL_INTEGRITY), bytes = l->model->bytes;
  if (f->bad)
    return lr_fail(l->error, LR_ERR_MODEL,
                   "%s: truncated or damaged: its head points past its %llu bytes; copy it again", l->where,
                   ull(bytes));
  if (version > FORMAT_VERSION)
    return lr_fail(l->error, LR_ERR_VERSION,
                   "%s: the file is of version %u, this library reads up to %d; use a newer lite_runtime",
                   l->where, version, FORMAT_VERSION);
  if (features & ~KNOWN_FEATURES)
    return lr_fail(l->error, LR_ERR_VERSION,
                   "%s: the file needs features 0x%llx that this library does not have; use a newer "
                   "lite_runtime",
                   l->where, ull(features & ~KNOWN_FEATURES));
  uint64_t graph_bytes = fb_u64(f, at), file_bytes = fb_u64(f, at + 8);
  if (f->bad || !at || !fb_in(f, at, 24)) return lr_loader_bad(l);
  if (file_bytes != bytes)
    return lr_fail(l->error, LR_ERR_MODEL,
                   "%s: %s: the file has %llu bytes, it should have %llu; copy it again", l->where,
                   bytes < file_bytes ? "truncated" : "damaged", ull(bytes), ull(file_bytes));
  if (graph_bytes > bytes || graph_bytes > INT32_MAX || at + 24 > graph_bytes) return lr_loader_bad(l);
  LR_TRY(check_graph_hash(l, at + 16, graph_bytes));
  f->size = graph_bytes;
  f->budget = 32 * graph_bytes + (1 << 16);
  return LR_OK;
}

/* ---- sections ---- */
static lr_status section_fail(struct lr_loader *l, uint32_t i, const char *what) {
  return lr_fail(l->error, LR_ERR_MODEL, "%s: damaged: section %u %s; convert the model again", l->where, i,
                 what);
}

static lr_status load_sections(struct lr_loader *l) {
  struct fb *f = &l->fb;
  uint32_t n, n_hashes;
  uint64_t v = fb_vector(f, l->root, LR_FB_MODEL_SECTIONS, 4, &n), end = f->size;
  lr_status status = LR_OK;
  struct lr_section *s = l->model->sections = lr_loader_alloc(l, n, sizeof *s, &status);
  if (!s) return status;
  for (uint32_t i = 0; i < n; i++, s++) {
    uint64_t t = fb_table(f, v, i);
    s->offset = fb_get_u64(f, t, LR_FB_SECTION_OFFSET, 0);
    s->bytes = fb_get_u64(f, t, LR_FB_SECTION_SIZE, 0);
    uint64_t hashes = fb_vector(f, t, LR_FB_SECTION_HASHES, 8, &n_hashes);
    if (f->bad) return lr_loader_bad(l);
    if (s->offset % LR_ALIGN) return section_fail(l, i, "does not start at a multiple of 64");
    /* in order and apart, so that checking their hashes reads each byte once */
    if (s->offset < end) return section_fail(l, i, "overlaps what is before it");
    if (s->offset > l->model->bytes || s->bytes > l->model->bytes - s->offset)
      return section_fail(l, i, "ends past the file");
    if (n_hashes != s->bytes / LR_CHUNK_BYTES + (s->bytes % LR_CHUNK_BYTES != 0))
      return section_fail(l, i, "has the wrong number of hashes");
    end = s->offset + s->bytes;
    s->hashes = f->p + hashes;
    if (l->model->verify == LR_VERIFY_NONE || !n_hashes) continue;
    if (!(s->checked = lr_loader_alloc(l, n_hashes, 1, &status))) return status;
  }
  l->model->n_sections = (int32_t)n;
  return LR_OK;
}

lr_status lr_section_check(lr_model *m, int32_t i, uint64_t offset, uint64_t bytes, lr_error *error) {
  const struct lr_section *s = &m->sections[i];
  if (!s->checked || !bytes) return LR_OK;
  for (uint64_t c = offset / LR_CHUNK_BYTES; c <= (offset + bytes - 1) / LR_CHUNK_BYTES; c++) {
    if (__atomic_load_n(&s->checked[c], __ATOMIC_RELAXED))
      continue; /* threads may check the same chunk twice */
    uint64_t from = c * LR_CHUNK_BYTES,
             n = s->bytes - from < LR_CHUNK_BYTES ? s->bytes - from : LR_CHUNK_BYTES, stored;
    memcpy(&stored, s->hashes + 8 * c, sizeof stored);
    if (lr_hash64(m->file + s->offset + from, (size_t)n) != stored)
      return lr_fail(
          error, LR_ERR_MODEL,
          "%s: damaged: the hash of bytes %llu to %llu (weights) is wrong; copy or convert the model "
          "again",
          m->source->name, ull(s->offset + from), ull(s->offset + from + n - 1));
    __atomic_store_n(&s->checked[c], 1, __ATOMIC_RELAXED);
  }
  return LR_OK;
}

lr_status lr_container_open(struct lr_loader *l) {
  lr_model *m = l->model;
  LR_TRY(check_magic(l));
  l->fb = (struct fb){.p = m->file, .size = m->bytes, .budget = 1 << 16};
  l->root = fb_u32(&l->fb, 0); /* the only reference at position 0, which fb_ref takes for absent */
  if (!l->root) return lr_loader_bad(l);
  LR_TRY(check_integrity(l));
  LR_TRY(load_sections(l));
  if (m->bytes > VERIFY_AT_LOAD) return LR_OK;
  for (int32_t i = 0; i < m->n_sections; i++)
    LR_TRY(lr_section_check(m, i, 0, m->sections[i].bytes, l->error));
  return LR_OK;
}
