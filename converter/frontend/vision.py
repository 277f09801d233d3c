"""Detection and sampling."""
from __future__ import annotations

from ..ir import Value
from .context import Context, Part, Result, onnx_op
from .images import MAX_KERNEL, ints, window
from .indices import first


def _floats(c: Context, v: Value, what: str) -> Value:
    """v as f32, which these operators compute in; f16 is widened, f64 would lose digits."""
    if v.dtype not in ("f32", "f16"):
        raise c.refuse(f"{what} of dtype {v.dtype} is not supported", "use f32 or f16")
    return c.cast(v, "f32")


@onnx_op("NonMaxSuppression")
def non_max_suppression(c: Context) -> Value:
    most = c.ints_value(2) if c.opt(2) is not None else c.ints_const([0])
    limits = [None if c.opt(i) is None else c.as_scalar(c.input(i), "a threshold") for i in (3, 4)]
    center = int(bool(c.attr("center_point_box")))
    found = c.add("non_max_suppression", c.input(0), c.input(1), most, *limits, center=center, n_outputs=2)
    return first(c, *found)


@onnx_op("RoiAlign")
def roi_align(c: Context) -> Value:
    x, rois, batch = c.input(0), c.input(1), c.input(2)
    mode, coordinates = c.attr("mode"), c.attr("coordinate_transformation_mode", "output_half_pixel")
    if mode not in ("avg", "max") or coordinates not in ("half_pixel", "output_half_pixel"):
        raise c.refuse(f"mode '{mode}' with '{coordinates}' is not supported",
                       "avg and max, half_pixel and output_half_pixel are")
    if x.rank != 4:
        raise c.refuse(f"an input of rank {x.rank} is not supported; rank 4 is")
    image, boxes = c.channels_last(_floats(c, x, "an input")), _floats(c, rois, "rois")
    y = c.add("roi_align", image, boxes, c.cast(batch, "i64"), mode=mode, half_pixel=int(coordinates == "half_pixel"),
              height=c.attr_int("output_height", 1, 1, 4096), width=c.attr_int("output_width", 1, 1, 4096),
              sampling=c.attr_int("sampling_ratio", 0, 0, 4096), scale=c.attr("spatial_scale"))
    return _back(c, y, x.dtype)


def _back(c: Context, y: Value, dtype: str) -> Value:
    """[N ... C] as [N C ...], of the source's dtype."""
    return c.cast(c.add("transpose", y, perm=(0, y.rank - 1, *range(1, y.rank - 1))), dtype)


@onnx_op("GridSample")
def grid_sample(c: Context) -> Value:
    x, grid = c.input(0), c.input(1)
    mode, padding = c.attr("mode").removeprefix("bi"), c.attr("padding_mode")
    if mode not in ("linear", "nearest", "cubic") or padding not in ("zeros", "border", "reflection"):
        raise c.refuse(f"mode '{c.attr('mode')}' with padding '{padding}' is not supported",
                       "linear, nearest and cubic, zeros, border and reflection are")
    image, points = c.channels_last(_floats(c, x, "an input")), _floats(c, grid, "a grid")
    corners = int(bool(c.attr("align_corners")))
    y = c.add("grid_sample", image, points, mode=mode, padding=padding, align_corners=corners)
    return _back(c, y, x.dtype)


@onnx_op("Col2Im")
def col2im(c: Context) -> Value:
    x, image, block = c.input(0), c.ints_value(1), c.ints_value(2)
    n = image.shape[0]
    if not isinstance(n, int):
        raise c.refuse("the number of axes of the image is not known", "export image_shape with a fixed length")
    vectors = (ints(c, "strides", n, 1, 1, MAX_KERNEL), ints(c, "dilations", n, 1, 1, MAX_KERNEL),
               ints(c, "pads", 2 * n, 0, 0, MAX_KERNEL))
    y = c.add("col2im", _floats(c, x, "an input"), image, block, *map(c.ints_const, vectors))
    return c.cast(y, x.dtype)


@onnx_op("DeformConv")
def deform_conv(c: Context) -> Value:
    """Its inputs at the moved taps, then a 1x1 convolution."""
    x, w, offset, bias, mask = c.input(0), c.input(1), c.input(2), c.opt(3), c.opt(4)
    if x.rank != 4 or w.rank != 4 or not all(isinstance(d, int) for d in w.shape):
        raise c.refuse("inputs of rank 4 and weights of known shape are needed")
    o, per_group, *kernel = w.shape
    view, groups = window(c, 2, kernel), c.attr_int("group", 1, 1)
    if (c.attr("kernel_shape") or kernel) != kernel or max(kernel) > MAX_KERNEL:
        raise c.refuse(f"kernel_shape is {c.attr('kernel_shape')}, the weights have shape {list(w.shape)}")
    images = [None if v is None else c.channels_last(_floats(c, v, "an input")) for v in (x, offset, mask)]
    columns = c.add("deform_columns", *images, groups=groups, offset_groups=c.attr_int("offset_group", 1, 1),
                    **view.attrs(kernel=True))
    flat = c.transpose(_floats(c, w, "weights"), (0, 2, 3, 1))
    flat = c.reshape_const(flat, [o, 1, 1, per_group * kernel[0] * kernel[1]]) if flat.const is not None else \
        c.reshape(flat, [o, 1, 1, per_group * kernel[0] * kernel[1]])
    y = c.add("conv", columns, flat, None if bias is None else _floats(c, bias, "a bias"), groups=groups)
    return _back(c, y, x.dtype)


@onnx_op("CenterCropPad")
def center_crop_pad(c: Context) -> Result:
    """Each axis is cut or padded with zeros on both sides to its wanted size; odd differences: one less in front."""
    x, wanted = c.input(0), c.ints_value(1)
    axes = c.attr("axes")
    axes = list(range(x.rank)) if axes is None else c.resolve_axes(axes, x.rank)
    if wanted.shape != (len(axes),):
        raise c.refuse(f"it has {len(axes)} axes and a shape of {wanted.shape[0]} sizes; they must agree")
    size = c.shape_vector(x, [Part(a) for a in axes])
    more = c.add("sub", wanted, size)  # negative: cut
    zero = c.scalar(0, "i64")
    grow, cut = c.add("max", more, zero), c.add("max", c.add("neg", more), zero)
    two = c.scalar(2, "i64")
    # where the crop starts and the padding begins, as ONNX's function body has it
    start = c.add("div", cut, two)
    end = c.add("add", start, c.add("min", wanted, size))
    at = c.ints_const(axes)
    y = c.add("slice", x, start, end, at)
    before = c.add("div", grow, two)
    pads = c.add("concat", before, c.add("sub", grow, before), axis=0)
    return c.add("pad", y, pads, None, at)
