/* Tensors: types, quantisation, and where the bytes of constants are. */
#include "load.h"

const uint8_t *lr_loader_section(const struct lr_loader *l, uint32_t section, uint64_t offset,
                                 uint64_t bytes) {
  if (section >= (uint32_t)l->model->n_sections) return NULL;
  const struct lr_section *s = &l->model->sections[section];
  return offset <= s->bytes && bytes <= s->bytes - offset ? l->model->file + s->offset + offset : NULL;
}

static lr_status load_type(struct lr_loader *l, uint64_t t, uint32_t i, struct lr_graph_tensor *x) {
  struct fb *f = &l->fb;
  uint32_t rank;
  uint64_t v = fb_vector(f, t, LR_FB_TENSOR_DIMS, 4, &rank);
  x->type.dtype = fb_get_u8(f, t, LR_FB_TENSOR_DTYPE, 0);
  if (!lr_dtype_size(x->type.dtype))
    return lr_load_fail(l, LR_ERR_VERSION, "tensor", i, x->name,
                        "its dtype %d is not known; use a newer lite_runtime", x->type.dtype);
  if (x->type.dtype == LR_I4 ||
      x->type.dtype == LR_U4) /* their bytes hold two elements: no operator may walk over them */
    return lr_load_fail(l, LR_ERR_UNSUPPORTED, "tensor", i, x->name, "dtype %s is not supported yet",
                        lr_dtype_name(x->type.dtype));
  if (rank > LR_MAX_RANK)
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "its rank is %u, at most %d is possible", rank,
                        LR_MAX_RANK);
  x->type.rank = (int32_t)rank;
  for (uint32_t d = 0; d < rank; d++) {
    int64_t n = x->type.dim[d] = fb_i32(f, v + 4 * d);
    if (-2 - n >= l->model->n_symbols)
      return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "dim %u is symbol %lld, but there are %d", d,
                          (long long)(-2 - n), l->model->n_symbols);
  }
  if (!lr_type_check(&x->type))
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "its size is too large");
  return LR_OK;
}

static lr_status load_perm(struct lr_loader *l, uint64_t t, uint32_t i, const struct lr_graph_tensor *x) {
  uint32_t n, seen = 0;
  uint64_t v = fb_vector(&l->fb, t, LR_FB_TENSOR_SOURCE_PERM, 1, &n);
  for (uint32_t d = 0; d < n && n <= LR_MAX_RANK; d++) {
    uint8_t axis = fb_u8(&l->fb, v + d);
    if (axis < n) seen |= 1u << axis;
  }
  if (!n || (n == (uint32_t)x->type.rank && seen == (1u << n) - 1)) return LR_OK;
  return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name,
                      "its source_perm is not a permutation of its %d axes", x->type.rank);
}

/* Scales that the schema asks for; 0: cannot be known because dims are not. */
static uint64_t count_scales(const struct lr_type *t, int32_t axis, uint32_t block) {
  if (axis < 0) return 1;
  if (t->dim[axis] < 0 || (block && !lr_type_known(t))) return 0;
  uint64_t n = (uint64_t)t->dim[axis];
  if (!block) return n;
  uint64_t rest =
      n ? (uint64_t)lr_type_count(t) / n : 0; /* one run of blocks for each index of the other axes */
  return rest * (n / block + (n % block != 0));
}

static lr_status load_quant(struct lr_loader *l, uint64_t t, uint32_t i, struct lr_graph_tensor *x) {
  struct fb *f = &l->fb;
  uint64_t q = fb_ref(f, fb_field(f, t, LR_FB_TENSOR_QUANTIZATION));
  x->quant.axis = -1;
  if (!q) return LR_OK;
  uint32_t n, n_zero;
  if (fb_get_u8(f, q, LR_FB_QUANTIZATION_SCHEME, 0))
    return lr_load_fail(l, LR_ERR_VERSION, "tensor", i, x->name,
                        "its quantisation scheme is not known; use a newer lite_runtime");
  x->quant.axis = fb_get_i32(f, q, LR_FB_QUANTIZATION_AXIS, -1);
  x->quant.block = fb_get_u32(f, q, LR_FB_QUANTIZATION_BLOCK, 0);
  uint64_t scales = fb_vector(f, q, LR_FB_QUANTIZATION_SCALES, 4, &n);
  uint64_t zeros = fb_vector(f, q, LR_FB_QUANTIZATION_ZERO_POINTS, 4, &n_zero);
  if (x->quant.axis < -1 || x->quant.axis >= x->type.rank)
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "its quantisation axis is %d, its rank %d",
                        x->quant.axis, x->type.rank);
  uint64_t want = count_scales(&x->type, x->quant.axis, x->quant.block);
  if ((want && n != want) || (n_zero && n_zero != n))
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name,
                        "it has %u scales and %u zero points, it needs %llu", n, n_zero,
                        (unsigned long long)want);
  lr_status status;
  float *scale = lr_loader_alloc(l, n, sizeof *scale, &status);
  int32_t *zero = scale ? lr_loader_alloc(l, n, sizeof *zero, &status) : NULL;
  if (!zero) return status;
  if (n) memcpy(scale, f->p + scales, n * sizeof *scale);
  if (n_zero) memcpy(zero, f->p + zeros, n * sizeof *zero);
  for (uint32_t k = 0; k < n; k++)
    if (!(scale[k] > 0 && scale[k] <= 3.4e38f))
      return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "scale %u is not a positive finite number",
                          k);
  x->quant.n = n;
  x->quant.scale = scale;
  x->quant.zero = zero;
  return LR_OK;
}

static lr_status load_encoding(struct lr_loader *l, uint64_t t, uint32_t i, const struct lr_graph_tensor *x,
                               struct lr_encoding *e) {
  struct fb *f = &l->fb;
  uint64_t offset = fb_get_u64(f, t, LR_FB_ENCODING_OFFSET, 0);
  e->kind = fb_get_u16(f, t, LR_FB_ENCODING_KIND, 0);
  e->version = fb_get_u16(f, t, LR_FB_ENCODING_VERSION, 0);
  e->nr = fb_get_u32(f, t, LR_FB_ENCODING_NR, 0);
  e->kr = fb_get_u32(f, t, LR_FB_ENCODING_KR, 0);
  e->block = fb_get_u32(f, t, LR_FB_ENCODING_BLOCK, 0);
  e->section = fb_get_u32(f, t, LR_FB_ENCODING_SECTION, 0);
  e->bytes = fb_get_u64(f, t, LR_FB_ENCODING_SIZE, 0);
  if (f->bad) return lr_loader_bad(l);
  e->data = lr_loader_section(l, e->section, offset, e->bytes);
  if (!e->data)
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name,
                        "its %llu bytes at %llu of section %u lie outside of it",
                        (unsigned long long)e->bytes, (unsigned long long)offset, e->section);
  /* kernels read constants in place, element by element, and packed ones in whole vectors */
  if (offset % (e->kind ? LR_ALIGN : lr_dtype_size(x->type.dtype)))
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "its bytes are not aligned");
  return LR_OK;
}

/* A constant must have a canonical encoding: no packed form is unpacked yet. */
static lr_status load_encodings(struct lr_loader *l, uint64_t t, uint32_t i, struct lr_graph_tensor *x) {
  uint32_t n;
  uint64_t v = fb_vector(&l->fb, t, LR_FB_TENSOR_ENCODINGS, 4, &n);
  bool constant = x->lifetime == LR_LIFE_CONST;
  if (n && !constant)
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "it has data but is not a constant");
  if (!constant) return LR_OK;
  if (!lr_type_known(&x->type))
    return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name, "it is a constant of unknown size");
  lr_status status;
  struct lr_encoding *e = lr_loader_alloc(l, n, sizeof *e, &status);
  if (!e) return status;
  x->encodings = e;
  x->n_encodings = (int32_t)n;
  for (uint32_t k = 0; k < n; k++) {
    LR_TRY(load_encoding(l, fb_table(&l->fb, v, k), i, x, &e[k]));
    if (e[k].kind || x->data) continue;
    if (e[k].version || e[k].nr || e[k].kr || e[k].block)
      return lr_load_fail(l, LR_ERR_VERSION, "tensor", i, x->name,
                          "its encoding is not known; use a newer lite_runtime");
    if (e[k].bytes != lr_type_bytes(&x->type))
      return lr_load_fail(l, LR_ERR_MODEL, "tensor", i, x->name,
                          "it has %llu bytes of data, its type needs %zu", (unsigned long long)e[k].bytes,
                          lr_type_bytes(&x->type));
    x->data = e[k].data;
  }
  if (!x->data && lr_type_bytes(&x->type))
    return lr_load_fail(l, LR_ERR_UNSUPPORTED, "tensor", i, x->name,
                        "it has no canonical encoding; convert the model so that the "
                        "dense weights are in the file too");
  if (!x->data) x->data = l->model->file;
  return LR_OK;
}

lr_status lr_load_tensor(struct lr_loader *l, uint64_t t, uint32_t i, struct lr_graph_tensor *x) {
  struct fb *f = &l->fb;
  LR_TRY(lr_loader_string(l, t, LR_FB_TENSOR_NAME, &x->name));
  x->lifetime = fb_get_u8(f, t, LR_FB_TENSOR_LIFETIME, 0);
  x->state_source = fb_get_i32(f, t, LR_FB_TENSOR_STATE_SOURCE, -1);
  if (x->lifetime > LR_LIFE_STATE || fb_get_u8(f, t, LR_FB_TENSOR_LAYOUT, 0))
    return lr_load_fail(l, LR_ERR_VERSION, "tensor", i, x->name,
                        "its lifetime or layout is not known; use a newer lite_runtime");
  LR_TRY(load_type(l, t, i, x));
  LR_TRY(load_perm(l, t, i, x));
  LR_TRY(load_quant(l, t, i, x));
  LR_TRY(load_encodings(l, t, i, x));
  return f->bad ? lr_loader_bad(l) : LR_OK;
}
