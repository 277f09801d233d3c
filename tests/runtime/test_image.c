/* Pictures to the input of a model, against the same steps one by one on whole pictures in double. */
#include <math.h>
#include <pthread.h>

#include "../system.h"
#include "f16.h"
#include "lite_image.h"
#include "support.h"

/* ---- memory that ends at an unreadable page ---- */
enum { MOST = 8 };
static struct {
  unsigned char *map;
  size_t size;
} maps[MOST];
static int n_maps;

static void *guarded(size_t bytes) {
  size_t page = page_bytes(), inside = (bytes + page) / page * page;
  unsigned char *p = n_maps < MOST ? pages_before_guard(inside) : NULL;
  if (!p) exit(1);
  memset(p, 0x5b, inside);
  maps[n_maps].map = p;
  maps[n_maps++].size = inside + page;
  return p + inside - bytes;
}

static void release(void) {
  while (n_maps--) pages_free(maps[n_maps].map, maps[n_maps].size);
  n_maps = 0;
}

static uint64_t state = 88172645463325252u; /* xorshift64, Marsaglia 2003 */
static int32_t between(int32_t a, int32_t b) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return a + (int32_t)((state >> 32) % (uint32_t)(b - a + 1));
}

/* ---- the reference: pictures of doubles, 3 channels of 0 to 255 (of grey the first one counts) ---- */
struct plain {
  int32_t w, h;
  double *x;
};

static struct plain plain_of(int32_t w, int32_t h) {
  return (struct plain){w, h, calloc((size_t)w * (size_t)h * 3, sizeof(double))};
}
static double *at(struct plain p, int32_t x, int32_t y) {
  return p.x + 3 * ((size_t)y * (size_t)p.w + (size_t)x);
}
static double clamp(double v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

static bool is_yuv(int32_t format) { return format <= LR_IMAGE_I420; }
static int32_t pixel_bytes(int32_t format) {
  static const int32_t bytes[] = {0, 1, 1, 1, 4, 4, 3, 3, 1};
  return bytes[format];
}

static void colour_of(const lr_image_options *o, const lr_image_planes *p, int32_t x, int32_t y,
                      double *rgb) {
  const uint8_t *s = p->plane[0] + (size_t)y * p->stride[0] + x * pixel_bytes(o->format);
  bool grey = o->target_format == LR_IMAGE_GREY,
       blue_first = o->format == LR_IMAGE_BGRA || o->format == LR_IMAGE_BGR;
  rgb[0] = rgb[1] = rgb[2] = s[0];
  if (is_yuv(o->format)) {
    bool full = o->range == LR_IMAGE_FULL, planar = o->format == LR_IMAGE_I420;
    const uint8_t *c = p->plane[1] + (size_t)(y / 2) * p->stride[1] + (planar ? x / 2 : x / 2 * 2);
    double u = planar || o->format == LR_IMAGE_NV12 ? c[0] : c[1];
    double v = planar                       ? p->plane[2][(size_t)(y / 2) * p->stride[2] + (size_t)x / 2]
               : o->format == LR_IMAGE_NV12 ? c[1]
                                            : c[0];
    double kr = o->matrix == LR_IMAGE_BT709 ? 0.2126 : 0.299,
           kb = o->matrix == LR_IMAGE_BT709 ? 0.0722 : 0.114;
    double l = full ? s[0] : (s[0] < 16 ? 0 : s[0] - 16) * 255.0 / 219;
    double pb = (u - 128) * (full ? 1 : 255.0 / 224), pr = (v - 128) * (full ? 1 : 255.0 / 224);
    double r = l + 2 * (1 - kr) * pr, b = l + 2 * (1 - kb) * pb;
    rgb[0] = clamp(grey ? l : r);
    rgb[1] = clamp((l - kr * r - kb * b) / (1 - kr - kb));
    rgb[2] = clamp(b);
  } else if (o->format != LR_IMAGE_GREY) {
    for (int c = 0; c < 3; c++) rgb[c] = s[blue_first ? 2 - c : c];
    if (grey) rgb[0] = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  }
}

static int32_t nearest_whole(double v) { return v < 1 ? 1 : (int32_t)floor(v + 0.5); }

/* The part of the source that is used, turned and mirrored. */
static struct plain prepared(const lr_image_options *o, const lr_image_planes *p) {
  bool all = !o->crop_width, turned = o->rotate == 90 || o->rotate == 270;
  int32_t x0 = o->crop_x, y0 = o->crop_y, w = all ? o->width : o->crop_width,
          h = all ? o->height : o->crop_height;
  if (o->fit == LR_IMAGE_CENTRE_CROP) {
    double tw = turned ? o->target_height : o->target_width, th = turned ? o->target_width : o->target_height;
    int32_t part_w = w * th > h * tw ? nearest_whole(h * tw / th) : w;
    int32_t part_h = w * th > h * tw ? h : nearest_whole(w * th / tw);
    x0 += (w - part_w) / 2, y0 += (h - part_h) / 2;
    w = part_w, h = part_h;
  }
  struct plain t = turned ? plain_of(h, w) : plain_of(w, h);
  for (int32_t y = 0; y < t.h; y++)
    for (int32_t x = 0; x < t.w; x++) {
      int32_t i = o->mirror ? t.w - 1 - x : x;
      int32_t sx = o->rotate == 0 ? i : o->rotate == 90 ? y : o->rotate == 180 ? w - 1 - i : w - 1 - y;
      int32_t sy = o->rotate == 0 ? y : o->rotate == 90 ? h - 1 - i : o->rotate == 180 ? h - 1 - y : i;
      colour_of(o, p, x0 + sx, y0 + sy, at(t, x, y));
    }
  return t;
}

/* Place i of n along `size` pixels: the pixel before it, the one behind it, and the weight of that. */
static void taps(int32_t i, int32_t n, int32_t size, bool nearest, int32_t *a, int32_t *b, double *w) {
  double x = (2.0 * i + 1) * size / (2.0 * n) - 0.5;
  *a = nearest ? (int32_t)((2 * (int64_t)i + 1) * size / (2 * (int64_t)n)) : (int32_t)floor(x);
  *w = nearest ? 0 : x - *a;
  *b = *a + 1 < size ? *a + 1 : size - 1;
  if (*a < 0) *a = 0;
}

/* x of every element of the target, interleaved; padding is pad. */
static struct plain reference(const lr_image_options *o, const lr_image_planes *p) {
  struct plain s = prepared(o, p), t = plain_of(o->target_width, o->target_height);
  int32_t w = t.w, h = t.h;
  if (o->fit == LR_IMAGE_LETTERBOX) {
    if ((double)s.w * t.h > (double)s.h * t.w)
      h = nearest_whole((double)s.h * t.w / s.w);
    else
      w = nearest_whole((double)s.w * t.h / s.h);
  }
  int32_t left = (t.w - w) / 2, top = (t.h - h) / 2, a, b, c, d;
  double u, v;
  for (int32_t y = 0; y < t.h; y++)
    for (int32_t x = 0; x < t.w; x++) {
      double *to = at(t, x, y);
      for (int k = 0; k < 3; k++)
        to[k] = o->pad ? (double)o->pad[o->target_format == LR_IMAGE_BGR ? 2 - k : k] : 0;
      if (x < left || x >= left + w || y < top || y >= top + h) continue;
      taps(x - left, w, s.w, o->filter == LR_IMAGE_NEAREST, &a, &b, &u);
      taps(y - top, h, s.h, o->filter == LR_IMAGE_NEAREST, &c, &d, &v);
      for (int k = 0; k < 3; k++)
        to[k] = (1 - v) * ((1 - u) * at(s, a, c)[k] + u * at(s, b, c)[k]) +
                v * ((1 - u) * at(s, a, d)[k] + u * at(s, b, d)[k]);
    }
  free(s.x);
  return t;
}

/* ---- cases ---- */
static int32_t plane_count(int32_t format) { return format == LR_IMAGE_I420 ? 3 : is_yuv(format) ? 2 : 1; }

/* Random bytes, many of them at the ends of the range; rows `more` bytes apart from each other. */
static lr_image_planes picture(const lr_image_options *o, size_t more) {
  lr_image_planes p = {0};
  for (int32_t i = 0; i < plane_count(o->format); i++) {
    size_t w = i ? (size_t)(o->width + 1) / 2 * (o->format == LR_IMAGE_I420 ? 1 : 2)
                 : (size_t)(o->width * pixel_bytes(o->format));
    size_t h = i ? (size_t)(o->height + 1) / 2 : (size_t)o->height, bytes = (w + more) * (h - 1) + w;
    uint8_t *x = guarded(bytes);
    for (size_t k = 0; k < bytes; k++)
      x[k] = (uint8_t)(between(0, 3) ? between(0, 255) : between(0, 1) * 255);
    p.plane[i] = x;
    p.stride[i] = w + more;
  }
  return p;
}

static int32_t channels_of(const lr_image_options *o) { return o->target_format == LR_IMAGE_GREY ? 1 : 3; }
static size_t element_of(const lr_image_options *o) {
  return o->dtype == LR_F16 ? 2 : o->dtype == LR_U8 ? 1 : 4;
}
static size_t bytes_of(const lr_image_options *o) {
  return (size_t)(o->target_width * o->target_height * channels_of(o)) * element_of(o);
}

static double element(const lr_image_options *o, const void *y, size_t i) {
  if (o->dtype == LR_U8) return ((const uint8_t *)y)[i];
  if (o->dtype == LR_F16) return (double)lr_f16_to_f32(((const uint16_t *)y)[i]);
  return (double)((const float *)y)[i];
}

static void compare(const lr_image_options *o, const lr_image_planes *p, const void *y) {
  struct plain want = reference(o, p);
  int32_t n = channels_of(o);
  bool rounds =
      is_yuv(o->format) || (n == 1 && o->format != LR_IMAGE_GREY); /* to 8 bits, before it resizes */
  for (int32_t i = 0; i < want.w * want.h * n; i++) {
    int32_t c = i % n, pixel = i / n, k = o->target_format == LR_IMAGE_BGR ? 2 - c : c;
    double std = o->std ? (double)o->std[c] : 1, x = want.x[3 * pixel + k];
    double v = (x - (o->mean ? (double)o->mean[c] : 0)) / std, tolerance = (rounds ? 0.75 : 0.03) / fabs(std);
    if (o->dtype == LR_U8) v = clamp(v), tolerance += 0.501;
    tolerance += fabs(v) * (o->dtype == LR_F16 ? 0x1p-11 : 0x1p-20) + 1e-6;
    size_t e = (size_t)(o->layout == LR_IMAGE_NCHW ? c * want.w * want.h + pixel : i);
    CHECK(fabs(element(o, y, e) - v) <= tolerance,
          "format %d, %d x %d, crop %d %d %d %d, rotate %d, mirror %d, fit %d, filter %d to %d x %d, format "
          "%d, dtype %d, "
          "layout %d: pixel %d, channel %d: %g, not %g",
          o->format, o->width, o->height, o->crop_x, o->crop_y, o->crop_width, o->crop_height, o->rotate,
          o->mirror, o->fit, o->filter, o->target_width, o->target_height, o->target_format, o->dtype,
          o->layout, pixel, c, element(o, y, e), v);
  }
  free(want.x);
}

static int32_t any_size(void) { return between(0, 4) ? between(1, 90) : between(1, 3); }

static const float some_mean[] = {123.7f, 0, 103.5f}, some_std[] = {58.4f, -3, 57.4f},
                   some_pad[] = {114, 255, 7};

static lr_image_options any_options(void) {
  static const int32_t dtypes[] = {LR_F32, LR_F16, LR_U8};
  lr_image_options o = {.size = sizeof o,
                        .format = between(1, 8),
                        .width = any_size(),
                        .height = any_size(),
                        .matrix = between(0, 1),
                        .range = between(0, 1),
                        .rotate = 90 * between(0, 3),
                        .mirror = between(0, 1),
                        .fit = between(0, 2),
                        .filter = between(0, 3) == 0,
                        .target_width = any_size(),
                        .target_height = any_size(),
                        .target_format = between(6, 8),
                        .dtype = dtypes[between(0, 2)],
                        .layout = between(0, 1)};
  if (between(0, 1)) {
    o.crop_width = between(1, o.width), o.crop_height = between(1, o.height);
    o.crop_x = between(0, o.width - o.crop_width), o.crop_y = between(0, o.height - o.crop_height);
  }
  if (between(0, 1)) o.mean = some_mean;
  if (between(0, 1)) o.std = some_std;
  if (between(0, 1)) o.pad = some_pad;
  return o;
}

/* The whole target at once, then by plain C and in pieces of rows: the same bytes. */
static void run_case(lr_image_options o) {
  lr_error error = {""};
  lr_image *image = NULL, *portable = NULL;
  lr_image_planes p = picture(&o, (size_t)between(0, 2) * 5);
  size_t bytes = bytes_of(&o);
  char *y = guarded(bytes), *z = guarded(bytes);
  OK(lr_image_open(&o, &image, &error));
  OK(lr_image_run(image, &p, y, bytes, 0, 0, &error));
  compare(&o, &p, y);
  o.cpu_mask = LR_CPU_PORTABLE;
  OK(lr_image_open(&o, &portable, &error));
  for (int32_t row = 0, rows; row < o.target_height; row += rows) {
    rows = between(1, o.target_height - row);
    OK(lr_image_run(portable, &p, z, bytes, row, rows, &error));
  }
  CHECK(!memcmp(y, z, bytes),
        "plain C in pieces of rows makes other bytes: format %d, rotate %d, fit %d, dtype %d", o.format,
        o.rotate, o.fit, o.dtype);
  lr_image_close(image);
  lr_image_close(portable);
  release();
}

TEST(any_picture_to_any_input) {
  for (int i = 0; i < 1500 && !test_failed; i++) run_case(any_options());
}

TEST(sizes_of_one) {
  for (int32_t format = LR_IMAGE_NV21; format <= LR_IMAGE_GREY; format++)
    for (int32_t i = 0; i < 64 && !test_failed; i++) {
      lr_image_options o = any_options();
      o.format = format;
      o.crop_x = o.crop_y = o.crop_width = o.crop_height = 0;
      o.width = i & 1 ? 1 : any_size(), o.height = i & 2 ? 1 : any_size();
      o.target_width = i & 4 ? 1 : any_size(), o.target_height = i & 8 ? 1 : any_size();
      run_case(o);
    }
}

TEST(long_rows) { /* several strips, and strips of single pixels */
  static const int32_t sizes[][4] = {{3001, 5, 640, 7}, {3001, 5, 20, 7}, {5, 2999, 7, 640},
                                     {640, 3, 3000, 4}, {32768, 1, 3, 1}, {1, 32768, 1, 5},
                                     {1, 3, 1200, 2}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    for (int32_t format = LR_IMAGE_NV21; format <= LR_IMAGE_GREY && !test_failed; format++) {
      lr_image_options o = any_options();
      o.format = format;
      o.crop_x = o.crop_y = o.crop_width = o.crop_height = 0;
      o.width = sizes[i][0], o.height = sizes[i][1];
      o.target_width = sizes[i][2], o.target_height = sizes[i][3];
      if (o.fit == LR_IMAGE_CENTRE_CROP) o.fit = LR_IMAGE_STRETCH;
      run_case(o);
    }
}

/* ---- mapping ---- */
static void apply(lr_image_affine m, double x, double y, double *to) {
  to[0] = m.xx * x + m.xy * y + m.x0;
  to[1] = m.yx * x + m.yy * y + m.y0;
}

/* Green of the source grows to the right, red downwards: so the target says where its pixels come from. */
TEST(mapping) {
  enum { W = 100, H = 80 };
  lr_error error = {""};
  static uint8_t rgb[H][W][3];
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) rgb[y][x][0] = (uint8_t)(3 * y), rgb[y][x][1] = (uint8_t)(2 * x);
  lr_image_planes p = {{&rgb[0][0][0]}, {sizeof rgb[0]}};
  for (int i = 0; i < 400; i++) {
    lr_image_options o = any_options();
    o.format = LR_IMAGE_RGB, o.width = W, o.height = H, o.target_format = LR_IMAGE_RGB, o.dtype = LR_F32;
    o.layout = LR_IMAGE_NHWC, o.mean = o.std = NULL, o.filter = LR_IMAGE_LINEAR;
    o.crop_x = between(0, 30), o.crop_width = 70, o.crop_y = between(0, 20), o.crop_height = 60;
    o.target_width = between(20, 90), o.target_height = between(20, 90);
    lr_image *image;
    lr_image_affine to_source, to_target;
    float *y = guarded(bytes_of(&o));
    OK(lr_image_open(&o, &image, &error));
    OK(lr_image_run(image, &p, y, bytes_of(&o), 0, 0, &error));
    lr_image_mapping(image, &to_source, &to_target);
    lr_image_mapping(image, NULL, NULL);
    double a[2], b[2], low[2], high[2];
    apply(to_source, 0, 0, a);
    apply(to_source, o.target_width, o.target_height, b);
    for (int k = 0; k < 2; k++) {
      double from = k ? o.crop_y : o.crop_x, to = from + (k ? o.crop_height : o.crop_width);
      low[k] = fmax(from, fmin(a[k], b[k]));
      high[k] = fmin(to, fmax(a[k], b[k]));
    }
    for (int32_t row = 0; row < o.target_height; row++)
      for (int32_t col = 0; col < o.target_width; col++) {
        double s[2], t[2];
        apply(to_source, col + 0.5, row + 0.5, s);
        apply(to_target, s[0], s[1], t);
        CHECK(fabs(t[0] - col - 0.5) + fabs(t[1] - row - 0.5) < 1e-9, "there and back: %g %g", t[0], t[1]);
        /* not where the border of the used part is repeated */
        if (s[0] < low[0] + 1.5 || s[0] > high[0] - 1.5 || s[1] < low[1] + 1.5 || s[1] > high[1] - 1.5)
          continue;
        const float *e = y + 3 * (row * o.target_width + col);
        CHECK(fabs((double)e[1] - 2 * (s[0] - 0.5)) < 0.05 && fabs((double)e[0] - 3 * (s[1] - 0.5)) < 0.05,
              "rotate %d, mirror %d, fit %d: (%d, %d) is said to come from (%g, %g), and comes from (%g, %g)",
              o.rotate, o.mirror, o.fit, col, row, s[0], s[1], (double)e[1] / 2 + 0.5,
              (double)e[0] / 3 + 0.5);
      }
    lr_image_close(image);
    release();
  }
}

/* ---- threads ---- */
struct job {
  const lr_image *image;
  const lr_image_planes *planes;
  void *target;
  size_t bytes;
  int32_t row, rows;
  lr_status status;
};

static void *work(void *arg) {
  struct job *j = arg;
  j->status = lr_image_run(j->image, j->planes, j->target, j->bytes, j->row, j->rows, NULL);
  return NULL;
}

TEST(threads_share_an_image) {
  enum { THREADS = 4, ROWS = 20 };
  lr_error error = {""};
  for (int32_t rotate = 0; rotate < 360; rotate += 90) {
    lr_image_options o = {.size = sizeof o,
                          .format = LR_IMAGE_NV21,
                          .width = 301,
                          .height = 201,
                          .rotate = rotate,
                          .target_width = 90,
                          .target_height = THREADS * ROWS,
                          .fit = LR_IMAGE_LETTERBOX};
    lr_image_planes p = picture(&o, 3);
    size_t bytes = bytes_of(&o);
    char *y = guarded(bytes), *z = guarded(bytes);
    lr_image *image;
    OK(lr_image_open(&o, &image, &error));
    OK(lr_image_run(image, &p, y, bytes, 0, 0, &error));
    pthread_t thread[THREADS];
    struct job job[THREADS];
    for (int32_t i = 0; i < THREADS; i++) {
      job[i] = (struct job){image, &p, z, bytes, i * ROWS, ROWS, LR_ERR_IO};
      CHECK(!pthread_create(&thread[i], NULL, work, &job[i]), "pthread_create");
    }
    for (int32_t i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    for (int32_t i = 0; i < THREADS; i++) CHECK(job[i].status == LR_OK, "status %d", (int)job[i].status);
    CHECK(!memcmp(y, z, bytes), "rotate %d: threads make other bytes", rotate);
    lr_image_close(image);
    release();
  }
}

/* ---- memory ---- */
struct count {
  int left, held; /* requests that succeed; blocks that are not freed */
};

static void *some_alloc(void *user, size_t bytes, size_t align) {
  struct count *c = user;
  void *p = c->left-- > 0 ? aligned_new(bytes, align) : NULL;
  c->held += p != NULL;
  return p;
}

static void some_free(void *user, void *p) {
  ((struct count *)user)->held--;
  aligned_delete(p);
}

/* ---- what is refused ---- */
#define BAD_OPTION(change, words)                                     \
  do {                                                                \
    lr_image_options o = good;                                        \
    lr_image *image = (lr_image *)&o;                                 \
    change;                                                           \
    FAILS(lr_image_open(&o, &image, &error), LR_ERR_ARGUMENT, words); \
    CHECK(!image, "image is not NULL after a failure");               \
  } while (0)

TEST(bad_options) {
  lr_error error = {""};
  const lr_image_options good = {.size = sizeof good,
                                 .format = LR_IMAGE_NV21,
                                 .width = 64,
                                 .height = 48,
                                 .target_width = 32,
                                 .target_height = 32};
  lr_image *none;
  float numbers[3] = {1, 1, 1};
  FAILS(lr_image_open(NULL, &none, &error), LR_ERR_ARGUMENT, "options is NULL");
  FAILS(lr_image_open(&good, NULL, &error), LR_ERR_ARGUMENT, "image is NULL");
  BAD_OPTION(o.size = 0, "set it to sizeof(lr_image_options)");
  BAD_OPTION(o.format = 0, "format is 0");
  BAD_OPTION(o.format = 9, "format is 9");
  BAD_OPTION(o.width = 0, "width is 0; give 1 to 32768 pixels");
  BAD_OPTION(o.height = -1, "height is -1");
  BAD_OPTION(o.target_width = 32769, "target_width is 32769");
  BAD_OPTION(o.target_height = INT32_MIN, "target_height is -2147483648");
  BAD_OPTION(o.matrix = 2, "matrix is 2");
  BAD_OPTION(o.range = -1, "range is -1");
  BAD_OPTION(o.rotate = 45, "give 0, 90, 180 or 270 degrees");
  BAD_OPTION(o.rotate = -90, "rotate is -90");
  BAD_OPTION(o.mirror = 2, "mirror is 2");
  BAD_OPTION(o.fit = 3, "fit is 3");
  BAD_OPTION(o.filter = 2, "filter is 2");
  BAD_OPTION(o.layout = 2, "layout is 2");
  BAD_OPTION(o.dtype = LR_I8, "give LR_F32, LR_F16 or LR_U8");
  BAD_OPTION(o.target_format = LR_IMAGE_RGBA, "target_format is 4");
  BAD_OPTION((o.crop_width = 65, o.crop_height = 1), "not inside of the source");
  BAD_OPTION((o.crop_x = INT32_MAX, o.crop_width = INT32_MAX, o.crop_height = 1), "not inside of the source");
  BAD_OPTION((o.crop_x = -1, o.crop_width = o.crop_height = 4), "not inside of the source");
  BAD_OPTION(o.crop_x = 1, "the crop is 0 x 0 pixels");
  BAD_OPTION((o.crop_width = 4, o.crop_height = -4), "the crop is 4 x -4 pixels");
  BAD_OPTION((numbers[1] = 0, o.std = numbers), "std[1] is 0");
  BAD_OPTION((numbers[1] = 1e-45f, o.std = numbers), "std[1]");
  BAD_OPTION((numbers[1] = NAN, o.std = numbers), "std[1]");
  BAD_OPTION((numbers[1] = INFINITY, o.std = numbers), "std[1]");
  BAD_OPTION((numbers[1] = NAN, o.mean = numbers), "mean[1]");
  BAD_OPTION((numbers[1] = -INFINITY, o.mean = numbers), "mean[1] is -inf");
  BAD_OPTION((numbers[1] = NAN, o.pad = numbers), "pad[1]");
  BAD_OPTION((numbers[1] = 256, o.pad = numbers), "pad[1] is 256");
  lr_allocator no_free = {some_alloc, NULL, NULL};
  BAD_OPTION(o.allocator = &no_free, "the allocator lacks alloc or free");
}

TEST(bad_runs) {
  lr_error error = {""};
  lr_image_options o = {.size = sizeof o,
                        .format = LR_IMAGE_I420,
                        .width = 5,
                        .height = 3,
                        .target_width = 4,
                        .target_height = 4};
  uint8_t bytes[64] = {0};
  const lr_image_planes good = {{bytes, bytes, bytes}, {5, 3, 3}};
  float y[4 * 4 * 3];
  lr_image *image;
  OK(lr_image_open(&o, &image, &error));
  OK(lr_image_run(image, &good, y, sizeof y, 0, 0, &error));
  FAILS(lr_image_run(NULL, &good, y, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "image is NULL");
  FAILS(lr_image_run(image, NULL, y, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "planes is NULL");
  FAILS(lr_image_run(image, &good, NULL, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "target is NULL");
  FAILS(lr_image_run(image, &good, y, sizeof y - 1, 0, 0, &error), LR_ERR_ARGUMENT, "4 x 4 pixels need 192");
  FAILS(lr_image_run(image, &good, (char *)y + 1, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "not aligned");
  FAILS(lr_image_run(image, &good, y, sizeof y, -1, 1, &error), LR_ERR_ARGUMENT, "from row -1 on");
  FAILS(lr_image_run(image, &good, y, sizeof y, 4, 0, &error), LR_ERR_ARGUMENT, "it has 4 rows");
  FAILS(lr_image_run(image, &good, y, sizeof y, 2, 3, &error), LR_ERR_ARGUMENT, "3 rows from row 2 on");
  FAILS(lr_image_run(image, &good, y, sizeof y, 2, INT32_MAX, &error), LR_ERR_ARGUMENT, "it has 4 rows");
  static const size_t too_small[] = {4, 2, 2};
  for (int i = 0; i < 3; i++) {
    lr_image_planes p = good;
    p.stride[i] = too_small[i];
    FAILS(lr_image_run(image, &p, y, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "the stride of plane");
    p.stride[i] = SIZE_MAX / 2;
    FAILS(lr_image_run(image, &p, y, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "the stride of plane");
    p = good;
    p.plane[i] = NULL;
    FAILS(lr_image_run(image, &p, y, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "this format has 3");
  }
  CHECK(lr_image_run(NULL, NULL, NULL, 0, 0, 0, NULL) == LR_ERR_ARGUMENT, "without an error");
  lr_image_close(image);
  o.target_width = o.target_height = 32768; /* 0 bytes, if they were counted in 32 bits */
  OK(lr_image_open(&o, &image, &error));
  FAILS(lr_image_run(image, &good, y, sizeof y, 0, 0, &error), LR_ERR_ARGUMENT, "need 12884901888");
  lr_image_close(image);
  lr_image_close(NULL);
}

TEST(memory_that_is_refused) {
  lr_error error = {""};
  lr_status status = LR_ERR_MEMORY;
  for (int requests = 0; status; requests++) {
    struct count c = {.left = requests};
    lr_allocator a = {some_alloc, some_free, &c};
    lr_image_options o = {.size = sizeof o,
                          .format = LR_IMAGE_RGB,
                          .width = 5,
                          .height = 3,
                          .target_width = 4,
                          .target_height = 4,
                          .allocator = &a};
    lr_image *image;
    status = lr_image_open(&o, &image, &error);
    CHECK(status == LR_OK || status == LR_ERR_MEMORY, "status %d", (int)status);
    CHECK(status || requests == 5, "%d requests", requests);
    lr_image_close(image);
    CHECK(!c.held, "%d blocks are left", c.held);
  }
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"any_picture_to_any_input", any_picture_to_any_input},
                                      {"sizes_of_one", sizes_of_one},
                                      {"long_rows", long_rows},
                                      {"mapping", mapping},
                                      {"threads_share_an_image", threads_share_an_image},
                                      {"bad_options", bad_options},
                                      {"bad_runs", bad_runs},
                                      {"memory_that_is_refused", memory_that_is_refused}};
  return run_tests(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
