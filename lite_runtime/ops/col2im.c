/* col2im: blocks of an image, summed where they overlap. */
#include "move.h"

enum { MAX_AXES = LR_MAX_RANK - 2, MAX_STEP = 65536 };

struct params {
  int32_t n;
  int64_t image[MAX_AXES], block[MAX_AXES], stride[MAX_AXES], dilation[MAX_AXES], begin[MAX_AXES],
      places[MAX_AXES];
  int64_t blocks, all_places, pixels;
};

/* NULL, or what is wrong with the five vectors. */
static const char *read(const struct lr_ints v[5], struct params *p) {
  int64_t n = v[0].n;
  if (n < 1 || n > MAX_AXES) return "image must have 1 to 6 sizes";
  for (int32_t i = 1; i < 5; i++)
    if (v[i].n != (i == 4 ? 2 * n : n)) return "image, block, strides, dilations and pads differ in length";
  *p = (struct params){.n = (int32_t)n, .blocks = 1, .all_places = 1, .pixels = 1};
  for (int32_t i = 0; i < n; i++) {
    int64_t size = p->image[i] = lr_ints_at(&v[0], i), k = p->block[i] = lr_ints_at(&v[1], i);
    int64_t s = p->stride[i] = lr_ints_at(&v[2], i), d = p->dilation[i] = lr_ints_at(&v[3], i);
    int64_t begin = p->begin[i] = lr_ints_at(&v[4], i), end = lr_ints_at(&v[4], n + i);
    if (size < 0 || size > INT32_MAX || k < 1 || k > MAX_STEP || s < 1 || s > MAX_STEP || d < 1 ||
        d > MAX_STEP || begin < 0 || begin > MAX_STEP || end < 0 || end > MAX_STEP)
      return "a size, stride, dilation or pad is out of range";
    int64_t room = size + begin + end - ((k - 1) * d + 1);
    if (room < 0) return "a block is larger than the padded image";
    p->places[i] = room / s + 1;
    p->blocks *= k;
    p->pixels *= size;
    p->all_places *= p->places[i];
    if (p->blocks > INT32_MAX || p->pixels > INT32_MAX || p->all_places > INT32_MAX)
      return "the image is too large";
  }
  return NULL;
}

lr_status lr_infer_col2im(struct lr_infer *c) {
  static const char *const names[] = {"image", "block", "strides", "dilations", "pads"};
  const struct lr_type *x = &c->in[0];
  struct lr_ints v[5];
  struct params p;
  bool known = true;
  if (x->dtype != LR_F32)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "x is %s; it must be f32", lr_dtype_name(x->dtype));
  if (x->rank != 3)
    return lr_infer_fail(c, LR_ERR_MODEL, "x has rank %d, but must be [N C*block L]", x->rank);
  for (int32_t i = 0; i < 5; i++) {
    LR_TRY(lr_ints_infer(c, 1 + i, names[i], &v[i]));
    known &= lr_ints_known(&v[i]);
  }
  if (v[0].n < 0 || v[0].n > MAX_AXES)
    return lr_infer_fail(c, LR_ERR_UNSUPPORTED, "the number of the image's axes is not known or more than %d",
                         MAX_AXES);
  c->out[0] = (struct lr_type){.dtype = x->dtype, .rank = 2 + (int32_t)v[0].n, .dim = {x->dim[0], -1}};
  for (int32_t i = 0; i < v[0].n; i++) c->out[0].dim[2 + i] = -1;
  if (!known) return LR_OK;
  const char *wrong = read(v, &p);
  lr_dim places = p.all_places;
  if (!wrong && (!lr_dim_unify(&places, x->dim[2]) || (x->dim[1] >= 0 && x->dim[1] % p.blocks)))
    wrong = "x has another number of blocks or of their elements than the image needs";
  if (wrong) return lr_infer_fail(c, LR_ERR_VALUE, "%s", wrong);
  if (x->dim[1] >= 0) c->out[0].dim[1] = x->dim[1] / p.blocks;
  for (int32_t i = 0; i < p.n; i++) c->out[0].dim[2 + i] = p.image[i];
  return lr_move_output(c, 0);
}

struct job {
  struct params p;
  const float *x;
  float *y;
};

/* Adds element k of all blocks to one channel's image. */
static void add(const struct params *p, const float *x, int64_t k, float *y) {
  int64_t offset[MAX_AXES], at[MAX_AXES] = {0};
  for (int32_t i = p->n - 1; i >= 0; i--) {
    offset[i] = k % p->block[i] * p->dilation[i] - p->begin[i];
    k /= p->block[i];
  }
  for (int64_t l = 0; l < p->all_places && !(l % 65536 == 65535 && lr_stopped()); l++) {
    int64_t to = 0;
    bool inside = true;
    for (int32_t i = 0; i < p->n; i++) {
      int64_t v = at[i] * p->stride[i] + offset[i];
      inside &= v >= 0 && v < p->image[i];
      to = to * p->image[i] + v;
    }
    if (inside) y[to] += x[l];
    for (int32_t i = p->n - 1; i >= 0 && ++at[i] == p->places[i]; i--) at[i] = 0;
  }
}

static void body(void *context, int32_t channel, int32_t thread) {
  const struct job *j = context;
  float *y = j->y + channel * j->p.pixels;
  lr_copy_bytes(y, NULL, (size_t)j->p.pixels * sizeof *y);
  for (int64_t k = 0; k < j->p.blocks && !lr_stopped(); k++)
    add(&j->p, j->x + (channel * j->p.blocks + k) * j->p.all_places, k, y);
}

static lr_status run(struct lr_run *r) {
  const struct lr_view *x = &r->in[0], *y = &r->out[0];
  struct job j = {.x = x->data, .y = y->data};
  struct lr_ints v[5];
  for (int32_t i = 0; i < 5; i++) v[i] = lr_ints_view(r->in, r->n_in, 1 + i, NULL);
  const char *wrong = read(v, &j.p);
  int64_t channels = y->dim[0] * y->dim[1];
  bool fits = !wrong && x->dim[1] == y->dim[1] * j.p.blocks && x->dim[2] == j.p.all_places &&
              channels <= INT32_MAX && lr_view_count(y) == channels * j.p.pixels;
  if (!fits) return lr_run_fail(r, LR_ERR_VALUE, "%s", wrong ? wrong : "x and the image do not fit y");
  lr_parallel(r->pool, (int32_t)channels, body, &j);
  return LR_OK;
}

const struct lr_impl lr_cpu_col2im = {.run = run};
