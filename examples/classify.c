/* Which way up is a page? Classifies a picture: reads it, makes it as large as the model wants, runs, prints the scores.
 *
 * usage: classify MODEL.lrm PICTURE.ppm      a model whose input is u8 [1 H W 3], and a binary PPM
 * The picture is scaled until its shorter side is 8/7 of the model's, then cut from its middle. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lite_runtime.h>

struct picture {
  int width, height;
  unsigned char *rgb;
};

static int fail(const char *what, const char *why) {
  fprintf(stderr, "classify: %s: %s\n", what, why);
  return 1;
}

/* The next number of a PPM's header, or -1; comments go from # to the end of the line. */
static int header_number(FILE *f) {
  int c = fgetc(f), n = -1;
  while (c == '#' || c == ' ' || c == '\n' || c == '\r' || c == '\t') {
    if (c == '#')
      while (c != '\n' && c != EOF) c = fgetc(f);
    c = fgetc(f);
  }
  for (; c >= '0' && c <= '9' && n < 100000; c = fgetc(f)) n = (n < 0 ? 0 : n) * 10 + c - '0';
  return n; /* one character after the number is read, too */
}

static int read_ppm(const char *path, struct picture *p) {
  FILE *f = fopen(path, "rb");
  if (!f) return fail(path, "cannot be opened");
  int good = fgetc(f) == 'P' && fgetc(f) == '6';
  p->width = header_number(f);
  p->height = header_number(f);
  good = header_number(f) == 255 && good && p->width > 0 && p->height > 0 && p->width < 32768 &&
         p->height < 32768;
  if (good) {
    size_t bytes = (size_t)p->width * (size_t)p->height * 3;
    p->rgb = malloc(bytes);
    good = p->rgb && fread(p->rgb, 1, bytes, f) == bytes;
  }
  fclose(f);
  return good ? 0 : fail(path, "is not a whole binary PPM (P6) of 8 bits");
}

/* Pixel `at` of a scaled line of n pixels lies between two of the source: the first of them, and how near the second is. */
static double between(int at, double scale, int n, int *first, int *second) {
  double x = (at + 0.5) / scale - 0.5;
  x = x < 0 ? 0 : x > n - 1 ? n - 1 : x;
  *first = (int)x;
  *second = *first + 1 < n ? *first + 1 : *first;
  return x - *first;
}

/* The middle of the picture, height x width pixels, linearly interpolated. */
static void scale_and_cut(const struct picture *p, int height, int width, unsigned char *to) {
  int shorter = p->width < p->height ? p->width : p->height;
  double scale = (height < width ? width : height) * 8.0 / 7.0 / shorter;
  int top = ((int)lround(p->height * scale) - height) / 2, left = ((int)lround(p->width * scale) - width) / 2;
  for (int y = 0; y < height; y++) {
    int y0, y1;
    double fy = between(top + y, scale, p->height, &y0, &y1);
    for (int x = 0; x < width; x++) {
      int x0, x1;
      double fx = between(left + x, scale, p->width, &x0, &x1);
      for (int c = 0; c < 3; c++) {
        const unsigned char *a = p->rgb + (size_t)y0 * p->width * 3 + c,
                            *b = p->rgb + (size_t)y1 * p->width * 3 + c;
        double above = a[3 * x0] * (1 - fx) + a[3 * x1] * fx, below = b[3 * x0] * (1 - fx) + b[3 * x1] * fx;
        *to++ = (unsigned char)lround(above * (1 - fy) + below * fy);
      }
    }
  }
}

/* The names of the classes, one a line in the model's metadata; prints a number where there are none. */
static void print_name(const lr_model *model, int i) {
  const char *key, *value, *line = NULL;
  for (int k = 0; lr_model_metadata(model, k, &key, &value); k++)
    if (!strcmp(key, "character")) line = value;
  for (int k = 0; line && k < i; k++) line = (line = strchr(line, '\n')) ? line + 1 : NULL;
  if (line)
    printf("%.*s", (int)strcspn(line, "\n"), line);
  else
    printf("class %d", i);
}

static int classify(lr_model *model, lr_session *session, const char *path) {
  lr_error e;
  lr_tensor x, y;
  struct picture picture = {0};
  if (lr_session_plan(session, &e) || lr_session_tensor(session, LR_INPUT, 0, &x, &e))
    return fail("model", e.message);
  if (x.dtype != LR_U8 || x.rank != 4 || x.dims[0] != 1 || x.dims[3] != 3)
    return fail("model",
                "its input is not u8 [1 H W 3]; convert it with --input x=u8,nhwc,... and --dim ...=1");
  int bad = read_ppm(path, &picture);
  if (!bad) {
    scale_and_cut(&picture, (int)x.dims[1], (int)x.dims[2], x.data);
    if (lr_session_run(session, NULL, &e) || lr_session_tensor(session, LR_OUTPUT, 0, &y, &e))
      bad = fail("run", e.message);
    else if (y.dtype != LR_F32)
      bad = fail("model", "its output is not f32");
  }
  for (size_t i = 0; !bad && i < y.bytes / sizeof(float); i++) {
    print_name(model, (int)i);
    printf(" %.4f\n", ((const float *)y.data)[i]);
  }
  free(picture.rgb);
  return bad;
}

int main(int argc, char **argv) {
  if (argc != 3) return fail("usage", "classify MODEL.lrm PICTURE.ppm"), 2;
  lr_error e;
  lr_model *model = NULL;
  lr_session *session = NULL;
  int bad = lr_model_open(argv[1], NULL, &model, &e) || lr_session_open(model, NULL, &session, &e)
                ? fail(argv[1], e.message)
                : classify(model, session, argv[2]);
  lr_session_close(session);
  lr_model_close(model);
  return bad;
}
