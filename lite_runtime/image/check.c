/* What lr_image_open and lr_image_run refuse. */
#include <math.h>

#include "image.h"

static lr_status fail_field(lr_error *e, const char *field, long long value, const char *hint) {
  return lr_fail(e, LR_ERR_ARGUMENT, "image_open: %s is %lld; %s", field, value, hint);
}

static bool within(int32_t v, int32_t low, int32_t high) { return v >= low && v <= high; }

static lr_status check_sizes(const lr_image_options *o, lr_error *e) {
  const struct {
    const char *name;
    int32_t value;
  } sizes[] = {{"width", o->width},
               {"height", o->height},
               {"target_width", o->target_width},
               {"target_height", o->target_height}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    if (!within(sizes[i].value, 1, LR_IMAGE_LARGEST))
      return fail_field(e, sizes[i].name, sizes[i].value, "give 1 to 32768 pixels");
  return LR_OK;
}

static lr_status check_choices(const lr_image_options *o, lr_error *e) {
  if (!within(o->format, LR_IMAGE_NV21, LR_IMAGE_GREY))
    return fail_field(e, "format", o->format, "give one of lr_image_format");
  if (!within(o->target_format, LR_IMAGE_RGB, LR_IMAGE_GREY))
    return fail_field(e, "target_format", o->target_format,
                      "give LR_IMAGE_RGB, LR_IMAGE_BGR or LR_IMAGE_GREY");
  if (!within(o->matrix, LR_IMAGE_BT601, LR_IMAGE_BT709))
    return fail_field(e, "matrix", o->matrix, "give LR_IMAGE_BT601 or LR_IMAGE_BT709");
  if (!within(o->range, LR_IMAGE_LIMITED, LR_IMAGE_FULL))
    return fail_field(e, "range", o->range, "give LR_IMAGE_LIMITED or LR_IMAGE_FULL");
  if (o->rotate != 0 && o->rotate != 90 && o->rotate != 180 && o->rotate != 270)
    return fail_field(e, "rotate", o->rotate, "give 0, 90, 180 or 270 degrees, clockwise");
  if (!within(o->mirror, 0, 1)) return fail_field(e, "mirror", o->mirror, "give 0 or 1");
  if (!within(o->fit, LR_IMAGE_STRETCH, LR_IMAGE_LETTERBOX))
    return fail_field(e, "fit", o->fit, "give LR_IMAGE_STRETCH, LR_IMAGE_CENTRE_CROP or LR_IMAGE_LETTERBOX");
  if (!within(o->filter, LR_IMAGE_LINEAR, LR_IMAGE_NEAREST))
    return fail_field(e, "filter", o->filter, "give LR_IMAGE_LINEAR or LR_IMAGE_NEAREST");
  if (!within(o->layout, LR_IMAGE_NHWC, LR_IMAGE_NCHW))
    return fail_field(e, "layout", o->layout, "give LR_IMAGE_NHWC or LR_IMAGE_NCHW");
  if (o->dtype != LR_F32 && o->dtype != LR_F16 && o->dtype != LR_U8)
    return fail_field(e, "dtype", o->dtype, "give LR_F32, LR_F16 or LR_U8");
  return LR_OK;
}

static lr_status check_crop(const lr_image_options *o, lr_error *e) {
  if (o->crop_width < 1 || o->crop_height < 1)
    return lr_fail(e, LR_ERR_ARGUMENT,
                   "image_open: the crop is %d x %d pixels; give 1 or more of each, or 0 in all four fields",
                   o->crop_width, o->crop_height);
  if (o->crop_x < 0 || o->crop_y < 0 || (int64_t)o->crop_x + o->crop_width > o->width ||
      (int64_t)o->crop_y + o->crop_height > o->height)
    return lr_fail(
        e, LR_ERR_ARGUMENT,
        "image_open: the crop of %d x %d pixels at (%d, %d) is not inside of the source, which has %d x "
        "%d; cut it off at the border",
        o->crop_width, o->crop_height, o->crop_x, o->crop_y, o->width, o->height);
  return LR_OK;
}

static lr_status check_numbers(const lr_image_options *o, lr_error *e) {
  int32_t channels = o->target_format == LR_IMAGE_GREY ? 1 : 3;
  for (int32_t c = 0; c < channels; c++) {
    float mean = o->mean ? o->mean[c] : 0, std = o->std ? o->std[c] : 1, pad = o->pad ? o->pad[c] : 0;
    if (!isfinite(mean * 128))
      return lr_fail(e, LR_ERR_ARGUMENT, "image_open: mean[%d] is %g; give a number in the units of 0 to 255",
                     c, (double)mean);
    if (!(isfinite(std) && isfinite(1 / (std * 128))))
      return lr_fail(
          e, LR_ERR_ARGUMENT,
          "image_open: std[%d] is %g, which nothing can be divided by; give a number in the units of 0 to "
          "255, or 1",
          c, (double)std);
    if (!(pad >= 0 && pad <= 255))
      return lr_fail(e, LR_ERR_ARGUMENT,
                     "image_open: pad[%d] is %g; give a colour of 0 to 255, before mean and std are applied",
                     c, (double)pad);
  }
  return LR_OK;
}

lr_status lr_image_check(const lr_image_options *options, lr_image_options *o, lr_error *e) {
  if (!options)
    return lr_fail(e, LR_ERR_ARGUMENT, "image_open: options is NULL; give the sizes and formats at least");
  if (options->size < offsetof(lr_image_options, format) + sizeof(int32_t) || options->size > 65536)
    return lr_fail(e, LR_ERR_ARGUMENT, "image_open: options.size is %zu; set it to sizeof(lr_image_options)",
                   options->size);
  memset(o, 0, sizeof *o);
  memcpy(o, options, options->size < sizeof *o ? options->size : sizeof *o);
  if (!o->target_format) o->target_format = LR_IMAGE_RGB;
  if (!o->dtype) o->dtype = LR_F32;
  LR_TRY(check_sizes(o, e));
  LR_TRY(check_choices(o, e));
  if (!o->crop_x && !o->crop_y && !o->crop_width && !o->crop_height) {
    o->crop_width = o->width;
    o->crop_height = o->height;
  }
  LR_TRY(check_crop(o, e));
  LR_TRY(check_numbers(o, e));
  return o->allocator ? lr_allocator_check(o->allocator, "image_open", e) : LR_OK;
}
