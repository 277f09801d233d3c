/* Tables and mapping of one kind of picture for one kind of input. */
#include "image.h"

#include <math.h>

#include "f16.h"

/* ---- where the source's part goes ---- */
/* part * to / from, to the nearest whole number, at least 1 */
static int32_t share(int32_t part, int32_t to, int32_t from) {
  int64_t n = ((int64_t)part * to * 2 + from) / (2 * (int64_t)from);
  return n > 0 ? (int32_t)n : 1;
}

static void place(lr_image *m, int32_t fit) {
  /* what goes along the target's columns, and along its rows */
  struct lr_image_axis *x = m->turned ? &m->down : &m->across, *y = m->turned ? &m->across : &m->down;
  int32_t w = x->size, h = y->size, tw = m->target_width, th = m->target_height;
  bool wider = (int64_t)w * th > (int64_t)h * tw; /* than the target is */
  x->n = tw;
  y->n = th;
  if (fit == LR_IMAGE_CENTRE_CROP) {
    if (wider)
      x->size = share(h, tw, th);
    else
      y->size = share(w, th, tw);
    x->start += (w - x->size) / 2;
    y->start += (h - y->size) / 2;
  } else if (fit == LR_IMAGE_LETTERBOX) {
    if (wider)
      y->n = share(h, tw, w);
    else
      x->n = share(w, th, h);
  }
  m->inner_width = x->n;
  m->inner_height = y->n;
  m->inner_x = (tw - x->n) / 2;
  m->inner_y = (th - y->n) / 2;
}

/* Pixels are seen at their centres: place i is at (i + 0.5) * size / n. */
static void fill_axis(struct lr_image_axis *a, int32_t filter) {
  double scale = (double)a->size / a->n;
  for (int32_t i = 0; i < a->n; i++) {
    if (filter == LR_IMAGE_NEAREST) {
      int32_t k = (int32_t)((2 * (int64_t)i + 1) * a->size / (2 * (int64_t)a->n));
      a->at[i] = a->start + (a->backwards ? a->size - 1 - k : k);
      continue;
    }
    double x = ((a->backwards ? a->n - 1 - i : i) + 0.5) * scale - 0.5;
    int32_t before = (int32_t)floor(x), weight = (int32_t)lrint((x - before) * 32768);
    if (weight == 32768) {
      weight = 0;
      before++;
    }
    if (before < 0 || before >= a->size - 1) { /* at the border: that pixel alone */
      before = before < 0 ? 0 : a->size - 1;
      weight = 0;
    }
    a->at[i] = a->start + before;
    a->weight[i] = (int16_t)weight;
  }
}

/* ---- numbers ---- */
/* Factors of the matrix in ITU-R BT.601 and BT.709: Kr and Kb are the shares of R and B in Y. BT.601 with limited range is
 * rounded as OpenCV has it. */
static struct lr_yuv yuv_of(int32_t matrix, int32_t range) {
  if (matrix == LR_IMAGE_BT601 && range == LR_IMAGE_LIMITED)
    return (struct lr_yuv){16, 1220542, 1673527, -409993, -852492, 2116026};
  double kr = matrix == LR_IMAGE_BT601 ? 0.299 : 0.2126, kb = matrix == LR_IMAGE_BT601 ? 0.114 : 0.0722;
  double kg = 1 - kr - kb, one = 1 << 20;
  double luma = range == LR_IMAGE_FULL ? one : one * 255 / 219,
         c = range == LR_IMAGE_FULL ? one : one * 255 / 224;
  return (struct lr_yuv){.black = range == LR_IMAGE_FULL ? 0 : 16,
                         .cy = (int32_t)lrint(luma),
                         .rv = (int32_t)lrint(c * 2 * (1 - kr)),
                         .gu = -(int32_t)lrint(c * 2 * (1 - kb) * kb / kg),
                         .gv = -(int32_t)lrint(c * 2 * (1 - kr) * kr / kg),
                         .bu = (int32_t)lrint(c * 2 * (1 - kb))};
}

/* As the kernels make it of a pixel of that colour. */
static void put_pad(lr_image *m, int32_t c, int32_t k, float pad) {
  float value = (pad * 128 - m->pixels.mean[k]) * m->pixels.scale[k];
  uint16_t half = lr_f16_from_f32(value);
  uint8_t byte = (uint8_t)lrintf(value < 0 ? 0 : value > 255 ? 255 : value);
  int32_t dtype = m->pixels.dtype;
  const void *p = dtype == LR_F32 ? (const void *)&value : dtype == LR_F16 ? (const void *)&half : &byte;
  memcpy(m->pad[c], p, m->element);
}

static bool has_blue_first(int32_t format) { return format == LR_IMAGE_BGR || format == LR_IMAGE_BGRA; }

static void fill_numbers(lr_image *m, const lr_image_options *o) {
  m->element = lr_dtype_size(o->dtype);
  m->yuv = yuv_of(o->matrix, o->range);
  for (int32_t y = 0; y < 256; y++) {
    int32_t l = (m->yuv.cy * (y > m->yuv.black ? y - m->yuv.black : 0) + (1 << 19)) >> 20;
    m->luma[y] = (uint8_t)(l < 255 ? l : 255);
  }
  struct lr_pixels *p = &m->pixels;
  p->dtype = o->dtype;
  p->channels = m->channels;
  p->swap = has_blue_first(o->format) != has_blue_first(o->target_format);
  p->plane =
      o->layout == LR_IMAGE_NCHW && m->channels == 3 ? (size_t)m->target_width * (size_t)m->target_height : 0;
  for (int32_t c = 0; c < m->channels; c++) {
    float mean = o->mean ? o->mean[c] : 0, std = o->std ? o->std[c] : 1;
    int32_t k = m->channels == 3 && p->swap ? 2 - c : c;
    p->mean[k] = mean * 128; /* kernels have x with 7 bits behind the point */
    p->scale[k] = 1 / (std * 128);
    put_pad(m, c, k, o->pad ? o->pad[c] : 0);
  }
}

static void find_kernels(lr_image *m, uint32_t cpu_mask) {
  uint32_t cpu = lr_cpu_allowed(cpu_mask);
  m->to_rgb = (lr_u8_yuv_fn *)lr_kernel_find(LR_SIG_u8_yuv, cpu)->fn;
  m->mix = (lr_u8_mix_fn *)lr_kernel_find(LR_SIG_u8_mix, cpu)->fn;
  m->pick = (lr_i16_pick_fn *)lr_kernel_find(LR_SIG_i16_pick, cpu)->fn;
  m->store = (lr_i16_store_fn *)lr_kernel_find(LR_SIG_i16_store, cpu)->fn;
}

/* ---- life ---- */
static bool alloc_axis(lr_image *m, struct lr_image_axis *a) {
  a->at = lr_alloc(&m->allocator, (size_t)a->n * sizeof *a->at, LR_ALIGN);
  a->weight = lr_alloc(&m->allocator, (size_t)a->n * sizeof *a->weight, LR_ALIGN);
  return a->at && a->weight;
}

static void fill_geometry(lr_image *m, const lr_image_options *o) {
  m->format = o->format;
  m->width = o->width;
  m->height = o->height;
  m->target_width = o->target_width;
  m->target_height = o->target_height;
  m->channels = o->target_format == LR_IMAGE_GREY ? 1 : 3;
  m->row_channels = m->channels == 1 ? 1 : lr_image_is_yuv(o->format) ? 4 : lr_image_pixel(o->format);
  m->turned = o->rotate == 90 || o->rotate == 270;
  /* a mirror turns the target's columns round, which go across the source or, turned, down it */
  m->across = (struct lr_image_axis){
      .start = o->crop_x,
      .size = o->crop_width,
      .backwards = m->turned ? o->rotate == 270 : (o->rotate == 180) != o->mirror,
  };
  m->down = (struct lr_image_axis){
      .start = o->crop_y,
      .size = o->crop_height,
      .backwards = m->turned ? (o->rotate == 90) != o->mirror : o->rotate == 180,
  };
  place(m, o->fit);
}

lr_status lr_image_open(const lr_image_options *options, lr_image **image, lr_error *error) {
  lr_image_options o;
  if (!image)
    return lr_fail(error, LR_ERR_ARGUMENT,
                   "image_open: image is NULL; give the address of an lr_image pointer");
  *image = NULL;
  LR_TRY(lr_image_check(options, &o, error));
  const lr_allocator *from = o.allocator ? o.allocator : &lr_malloc_allocator;
  lr_image *m = lr_alloc(from, sizeof *m, LR_ALIGN);
  if (!m) return lr_fail(error, LR_ERR_MEMORY, "image_open: no memory for tables");
  m->allocator = *from;
  fill_geometry(m, &o);
  fill_numbers(m, &o);
  find_kernels(m, o.cpu_mask);
  if (!alloc_axis(m, &m->across) || !alloc_axis(m, &m->down)) {
    lr_image_close(m);
    return lr_fail(error, LR_ERR_MEMORY, "image_open: no memory for tables");
  }
  fill_axis(&m->across, o.filter);
  fill_axis(&m->down, o.filter);
  *image = m;
  return LR_OK;
}

void lr_image_close(lr_image *m) {
  if (!m) return;
  lr_allocator a = m->allocator;
  struct lr_image_axis *axes[] = {&m->across, &m->down};
  for (int i = 0; i < 2; i++) {
    lr_free(&a, axes[i]->at);
    lr_free(&a, axes[i]->weight);
  }
  lr_free(&a, m);
}

/* ---- mapping ---- */
/* x' = scale * x + offset, from the target, where the axis begins at `inner`, to the source */
struct line {
  double scale, offset;
};

static struct line line_of(const struct lr_image_axis *a, double inner) {
  double scale = (double)a->size / a->n;
  return a->backwards ? (struct line){-scale, a->start + a->size + scale * inner}
                      : (struct line){scale, a->start - scale * inner};
}

static struct line inverse(struct line a) { return (struct line){1 / a.scale, -a.offset / a.scale}; }

void lr_image_mapping(const lr_image *m, lr_image_affine *to_source, lr_image_affine *to_target) {
  if (!m) return;
  struct line x = line_of(&m->across, m->turned ? m->inner_y : m->inner_x);
  struct line y = line_of(&m->down, m->turned ? m->inner_x : m->inner_y), u = inverse(x), v = inverse(y);
  if (to_source)
    *to_source = m->turned ? (lr_image_affine){0, x.scale, x.offset, y.scale, 0, y.offset}
                           : (lr_image_affine){x.scale, 0, x.offset, 0, y.scale, y.offset};
  if (to_target)
    *to_target = m->turned ? (lr_image_affine){0, v.scale, v.offset, u.scale, 0, u.offset}
                           : (lr_image_affine){u.scale, 0, u.offset, 0, v.scale, v.offset};
}
