/* lite_image: pictures of cameras and decoders to the input of a model, in one pass: crop, resize, quarter turns, mirror,
 * colours, normalisation and layout. There is no whole picture between source and target.
 *
 * An lr_image is what one kind of picture and one kind of input have in common: tables, made once by lr_image_open.
 * lr_image_run allocates nothing and changes nothing in it, so any number of threads may use one lr_image at a time, for
 * different pictures or for different rows of one target. It starts no threads.
 *
 * Coordinates are in pixels, from the upper left corner of a picture; the centre of pixel (0, 0) is at (0.5, 0.5).
 * Errors and option structs are as in lite_runtime.h: `size` first, zero in any other field means its default.
 */
#ifndef LITE_IMAGE_H
#define LITE_IMAGE_H
#include "lite_runtime.h"
#ifdef __cplusplus
extern "C" {
#endif

/* begin image (this part is also what the Python binding is made of) */
/* Formats of 8 bits a sample. NV21, NV12 and I420 have one U and one V for 2x2 pixels; where a size is odd the last ones are
 * for fewer. Their planes of chroma have (width + 1) / 2 columns and (height + 1) / 2 rows. */
typedef enum lr_image_format {
  LR_IMAGE_NV21 = 1, /* planes: Y; V and U alternately (Android's cameras) */
  LR_IMAGE_NV12 = 2, /* planes: Y; U and V alternately */
  LR_IMAGE_I420 = 3, /* planes: Y; U; V */
  LR_IMAGE_RGBA = 4, /* alpha is ignored */
  LR_IMAGE_BGRA = 5,
  LR_IMAGE_RGB = 6,
  LR_IMAGE_BGR = 7,
  LR_IMAGE_GREY = 8
} lr_image_format;

/* How Y, U and V become R, G and B. LIMITED: Y is 16 to 235, U and V are 16 to 240. FULL: 0 to 255, as in JPEG. */
typedef enum lr_image_matrix { LR_IMAGE_BT601 = 0, LR_IMAGE_BT709 = 1 } lr_image_matrix;
typedef enum lr_image_range { LR_IMAGE_LIMITED = 0, LR_IMAGE_FULL = 1 } lr_image_range;

/* How the source, or the part of it that is used, gets into the target.
 * STRETCH: all of it into all of the target, whatever their shapes.
 * CENTRE_CROP: its largest part in the middle that has the target's shape, to the nearest whole pixel.
 * LETTERBOX: all of it into the middle of the target, in its own shape to the nearest whole pixel, with `pad` around it. */
typedef enum lr_image_fit {
  LR_IMAGE_STRETCH = 0,
  LR_IMAGE_CENTRE_CROP = 1,
  LR_IMAGE_LETTERBOX = 2
} lr_image_fit;

/* What a pixel of the target is, whose centre lies somewhere in the source.
 * LINEAR: between the 2x2 pixels around it, those at the border repeated, as OpenCV's INTER_LINEAR: when a picture becomes much
 * smaller, most of its pixels are not seen.
 * NEAREST: the pixel that it lies in, between two the later one. */
typedef enum lr_image_filter { LR_IMAGE_LINEAR = 0, LR_IMAGE_NEAREST = 1 } lr_image_filter;

typedef enum lr_image_layout { LR_IMAGE_NHWC = 0, LR_IMAGE_NCHW = 1 } lr_image_layout;

typedef struct lr_image_options {
  size_t size;
  /* the source; widths and heights are 1 to 32768 */
  int32_t format; /* lr_image_format */
  int32_t width, height;
  int32_t matrix, range; /* of YUV: lr_image_matrix, lr_image_range */
  /* the part of it that is used; all 0: all of it */
  int32_t crop_x, crop_y, crop_width, crop_height;
  /* then, in this order */
  int32_t rotate; /* degrees clockwise: 0, 90, 180 or 270 */
  int32_t mirror; /* 1: left and right change places */
  int32_t fit;    /* lr_image_fit */
  int32_t filter; /* lr_image_filter */
  /* the target: (x - mean[c]) / std[c] of x in 0 to 255; grey is 0.299 R + 0.587 G + 0.114 B, of YUV it is Y, which a
   * limited range is stretched from */
  int32_t target_width, target_height;
  int32_t target_format; /* LR_IMAGE_RGB (0, too), LR_IMAGE_BGR: 3 channels; LR_IMAGE_GREY: 1 */
  int32_t dtype;         /* LR_F32 (0, too), LR_F16; LR_U8: rounded to even, and saturated */
  int32_t layout;        /* lr_image_layout */
  /* one number for each channel of the target, in its order; read by lr_image_open only */
  const float *mean;             /* NULL: 0 */
  const float *std;              /* NULL: 1 */
  const float *pad;              /* x of the padding; NULL: 0 */
  uint32_t cpu_mask;             /* as in lr_model_options */
  const lr_allocator *allocator; /* copied; NULL: malloc */
} lr_image_options;

typedef struct lr_image lr_image;
LR_API lr_status lr_image_open(const lr_image_options *options, lr_image **image, lr_error *error);
LR_API void lr_image_close(lr_image *image); /* NULL is allowed */

/* A picture in the caller's memory: the planes of its format, each with the bytes from one row to the next, at least as many
 * as a row has. Nothing behind the last pixel of the last row is read. */
typedef struct lr_image_planes {
  const uint8_t *plane[3];
  size_t stride[3];
} lr_image_planes;

/* Fills rows [first_row, first_row + rows) of the target (rows 0: all from first_row on). target: the whole input's memory
 * (lr_session_tensor, or what is bound), aligned to its elements, of which `bytes` are there: at least
 * target_width * target_height * channels elements. It must not lie over the picture. */
LR_API lr_status lr_image_run(const lr_image *image, const lr_image_planes *planes, void *target,
                              size_t bytes, int32_t first_row, int32_t rows, lr_error *error);

/* x' = xx * x + xy * y + x0; y' = yx * x + yy * y + y0 */
typedef struct lr_image_affine {
  double xx, xy, x0, yx, yy, y0;
} lr_image_affine;
/* From the target's coordinates to the source's, and back. Padding lies outside of the source. Either may be NULL. */
LR_API void lr_image_mapping(const lr_image *image, lr_image_affine *to_source, lr_image_affine *to_target);
/* end image */

#ifdef __cplusplus
}
#endif
#endif
