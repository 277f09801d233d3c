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
  int32_t *x = m->turned ? &m->crop_y : &m->crop_x, *y = m->turned ? &m->crop_x : &m->crop_y;
  int32_t *w = m->turned ? &m->crop_height : &m->crop_width,
          *h = m->turned ? &m->crop_width : &m->crop_height;
  int32_t tw = m->target_width, th = m->target_height;
  bool wider = (int64_t)*w * th > (int64_t)*h * tw; /* than the target is */
  m->inner_width = tw;
  m->inner_height = th;
  if (fit == LR_IMAGE_CENTRE_CROP) {
    int32_t part_w = wider ? share(*h, tw, th) : *w, part_h = wider ? *h : share(*w, th, tw);
    *x += (*w - part_w) / 2;
    *y += (*h - part_h) / 2;
    *w = part_w;
    *h = part_h;
  } else if (fit == LR_IMAGE_LETTERBOX) {
    if (wider)
      m->inner_height = share(*h, tw, *w);
    else
      m->inner_width = share(*w, th, *h);
  }
  m->inner_x = (tw - m->inner_width) / 2;
  m->inner_y = (th - m->inner_height) / 2;
}

/* n places over `size` pixels from `start` on, from the last one back when `backwards`. Pixels are seen at their centres: place i
 * is at (i + 0.5) * size / n. */
static void fill_axis(struct lr_image_axis *a, int32_t start, int32_t size, bool backwards, int32_t filter) {
  double scale = (double)size / a->n;
  a->last = start + size - 1;
  for (int32_t i = 0; i < a->n; i++) {
    if (filter == LR_IMAGE_NEAREST) {
      int32_t k = (int32_t)((2 * (int64_t)i + 1) * size / (2 * (int64_t)a->n));
      a->at[i] = backwards ? a->last - k : start + k;
      continue;
    }
    double x = ((backwards ? a->n - 1 - i : i) + 0.5) * scale - 0.5;
    int32_t before = (int32_t)floor(x), weight = (int32_t)lrint((x - before) * 32768);
    if (weight == 32768) {
      weight = 0;
      before++;
    }
    if (before < 0 || before >= size - 1) { /* at the border: that pixel alone */
      before = before < 0 ? 0 : size - 1;
      weight = 0;
    }
    a->at[i] = start + before;
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
  uint32_t mask = cpu_mask ? cpu_mask : ~LR_CPU_PORTABLE;
  uint32_t cpu = mask & LR_CPU_PORTABLE ? 0 : mask & lr_cpu_features();
  m->to_rgb = (lr_u8_yuv_fn *)lr_kernel_find(LR_SIG_u8_yuv, cpu)->fn;
  m->mix = (lr_u8_mix_fn *)lr_kernel_find(LR_SIG_u8_mix, cpu)->fn;
  m->pick = (lr_i16_pick_fn *)lr_kernel_find(LR_SIG_i16_pick, cpu)->fn;
  m->store = (lr_i16_store_fn *)lr_kernel_find(LR_SIG_i16_store, cpu)->fn;
}

/* ---- life ---- */
static bool alloc_axis(lr_image *m, struct lr_image_axis *a, int32_t n) {
  a->n = n;
  a->at = lr_alloc(&m->allocator, (size_t)n * sizeof *a->at, LR_ALIGN);
  a->weight = lr_alloc(&m->allocator, (size_t)n * sizeof *a->weight, LR_ALIGN);
  return a->at && a->weight;
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
  *m = (lr_image){.allocator = *from,
                  .format = o.format,
                  .width = o.width,
                  .height = o.height,
                  .crop_x = o.crop_x,
                  .crop_y = o.crop_y,
                  .crop_width = o.crop_width,
                  .crop_height = o.crop_height,
                  .rotate = o.rotate,
                  .mirror = o.mirror,
                  .target_width = o.target_width,
                  .target_height = o.target_height,
                  .channels = o.target_format == LR_IMAGE_GREY ? 1 : 3,
                  .turned = o.rotate == 90 || o.rotate == 270};
  m->row_channels = m->channels == 1 ? 1 : lr_image_is_yuv(o.format) ? 4 : lr_image_pixel(o.format);
  place(m, o.fit);
  fill_numbers(m, &o);
  find_kernels(m, o.cpu_mask);
  if (!alloc_axis(m, &m->across, m->turned ? m->inner_height : m->inner_width) ||
      !alloc_axis(m, &m->down, m->turned ? m->inner_width : m->inner_height)) {
    lr_image_close(m);
    return lr_fail(error, LR_ERR_MEMORY, "image_open: no memory for tables");
  }
  /* a mirror turns the target's columns round, which go across the source or, turned, down it */
  bool back_across = m->turned ? o.rotate == 270 : (o.rotate == 180) != o.mirror;
  bool back_down = m->turned ? (o.rotate == 90) != o.mirror : o.rotate == 180;
  fill_axis(&m->across, m->crop_x, m->crop_width, back_across, o.filter);
  fill_axis(&m->down, m->crop_y, m->crop_height, back_down, o.filter);
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
/* x' = scale * x + offset, of a place along the target to the source */
struct line {
  double scale, offset;
};

static struct line line_of(double inner, double n, double start, double size, bool backwards) {
  double scale = size / n;
  return backwards ? (struct line){-scale, start + size + scale * inner}
                   : (struct line){scale, start - scale * inner};
}

void lr_image_mapping(const lr_image *m, lr_image_affine *to_source, lr_image_affine *to_target) {
  if (!m) return;
  /* p: along the target's columns, q: along its rows */
  bool back_p = (m->rotate == 90 || m->rotate == 180) != m->mirror,
       back_q = m->rotate == 180 || m->rotate == 270;
  double x = m->crop_x, y = m->crop_y, w = m->crop_width, h = m->crop_height;
  struct line p = line_of(m->inner_x, m->inner_width, m->turned ? y : x, m->turned ? h : w, back_p);
  struct line q = line_of(m->inner_y, m->inner_height, m->turned ? x : y, m->turned ? w : h, back_q);
  lr_image_affine s = m->turned ? (lr_image_affine){0, q.scale, q.offset, p.scale, 0, p.offset}
                                : (lr_image_affine){p.scale, 0, p.offset, 0, q.scale, q.offset};
  if (to_source) *to_source = s;
  if (!to_target) return;
  *to_target =
      m->turned ? (lr_image_affine){0, 1 / p.scale, -p.offset / p.scale, 1 / q.scale, 0, -q.offset / q.scale}
                : (lr_image_affine){1 / p.scale, 0, -p.offset / p.scale, 0, 1 / q.scale, -q.offset / q.scale};
}
