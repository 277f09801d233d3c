"""Resize and Upsample."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Value
from .context import Context, Part, onnx_op

_MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}
_COORDINATES = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric",
                "tf_half_pixel_for_nn", "tf_crop_and_resize")
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@onnx_op("Upsample")
def upsample(c: Context) -> Value:
    x = c.input(0)
    if "height_scale" in c.schema.attributes:  # opset 1
        if x.rank != 4:
            raise c.refuse(f"an input of rank {x.rank} is not supported in opset 1, rank 4 is")
        scales = c.graph.const(np.array([1, 1, c.attr("height_scale"), c.attr("width_scale")], np.float32))
    elif c.opset < 9:
        scales = c.graph.const(np.array(c.attr("scales"), np.float32))
    else:
        scales = c.input(1)
    return _resize(c, x, scales, None, coordinates="asymmetric", nearest="floor")


@onnx_op("Resize")
def resize(c: Context) -> Value:
    x = c.input(0)
    if c.opset < 11:
        scales = c.input(1)
        # which pixel is nearest ONNX does not say: this is what onnxruntime does
        nearest = "floor" if scales.const is not None and np.all(scales.const >= 1) else "by_scale"
        return _resize(c, x, scales, None, coordinates="asymmetric", nearest=nearest)
    coordinates = _one_of(c, "coordinate_transformation_mode", _COORDINATES)
    nearest = _one_of(c, "nearest_mode", _NEAREST)
    scales, sizes = (None if v is None or v.shape == (0,) else v for v in (c.opt(2), c.opt(3)))
    axes = c.attr("axes")
    axes = list(range(x.rank)) if axes is None else c.resolve_axes(axes, x.rank)
    if (scales is None) == (sizes is None):
        raise c.refuse("exactly one of scales and sizes is needed")
    policy = c.attr("keep_aspect_ratio_policy", "stretch")
    if sizes is not None and policy != "stretch":
        scales, sizes = _aspect(c, x, c.cast(sizes, "i64"), axes, policy)
    scales, sizes = _all_axes(c, x, scales, sizes, axes)
    roi = _roi(c, x, axes) if coordinates == "tf_crop_and_resize" else None
    extra: dict[str, Any] = {}
    if roi is not None:
        extra["extrapolation"] = c.attr("extrapolation_value")
    if c.attr("antialias", 0):
        extra["antialias"] = 1
    if _MODES.get(c.attr("mode")) == "cubic":
        extra["cubic_a"] = c.attr("cubic_coeff_a")
    if c.attr("exclude_outside"):
        extra["exclude_outside"] = 1
    return _resize(c, x, scales, sizes, roi, coordinates=coordinates, nearest=nearest, **extra)


def _aspect(c: Context, x: Value, sizes: Value, axes: list[int], policy: str) -> tuple[Value, Value]:
    """Scales that are equal for all axes, so that none (not_larger) or all (not_smaller) sizes exceed those wanted, and
    the sizes that follow, rounded."""
    if policy not in ("not_larger", "not_smaller"):
        raise c.refuse(f"keep_aspect_ratio_policy '{policy}' is not one of stretch, not_larger, not_smaller")
    own = c.cast(c.shape_vector(x, [Part(a) for a in axes]), "f32")
    ratios = c.add("div", c.cast(sizes, "f32"), own)
    scale = c.add("reduce", ratios, kind="min" if policy == "not_larger" else "max", axes=1)  # [1]
    size = c.cast(c.add("floor", c.add("add", c.add("mul", own, scale), c.scalar(0.5, "f32"))), "i64")
    return c.add("expand", scale, c.ints_const([len(axes)])), size


def _roi(c: Context, x: Value, axes: list[int]) -> Value:
    """Starts and ends for all axes, 0 and 1 where none are given."""
    roi = c.cast(c.input(1), "f32")
    n = len(axes)
    if roi.shape != (2 * n,):
        raise c.refuse(f"roi has shape {list(roi.shape)}, {2 * n} numbers are needed")
    place = {axis: k for k, axis in enumerate(axes)}
    starts = [place.get(i, 2 * n) for i in range(x.rank)]
    ends = [n + place[i] if i in place else 2 * n + 1 for i in range(x.rank)]
    padded = c.add("concat", roi, c.graph.const(np.array([0, 1], np.float32)), axis=0)
    return c.add("gather", padded, c.ints_const(starts + ends), axis=0)


def _one_of(c: Context, name: str, known: tuple[str, ...]) -> str:
    value = c.attr(name)
    if value not in known:
        raise c.refuse(f"{name} '{value}' is not supported", f"use one of {', '.join(known)}")
    return value


def _all_axes(c: Context, x: Value, scales: Value | None, sizes: Value | None,
              axes: list[int]) -> tuple[Value | None, Value | None]:
    """Scales or sizes of some axes, completed for the others."""
    if any(v.rank != 1 or isinstance(v.shape[0], int) and v.shape[0] != len(axes)
           for v in (scales, sizes) if v is not None):
        raise c.refuse(f"{len(axes)} scales or sizes are needed, one for each of the axes {axes}")
    sizes = None if sizes is None else c.cast(sizes, "i64")
    if axes == list(range(x.rank)):
        return scales, sizes
    place = {axis: k for k, axis in enumerate(axes)}
    if scales is not None:
        order = c.ints_const([place.get(i, len(axes)) for i in range(x.rank)])
        scales = c.add("gather", c.add("concat", scales, c.graph.const(np.ones(1, np.float32)), axis=0), order, axis=0)
    if sizes is not None:
        order = c.ints_const([place.get(i, len(axes) + i) for i in range(x.rank)])
        own = c.shape_vector(x, [Part(i) for i in range(x.rank)])
        sizes = c.add("gather", c.add("concat", sizes, own, axis=0), order, axis=0)
    return scales, sizes


def _resize(c: Context, x: Value, scales: Value | None, sizes: Value | None, roi: Value | None = None,
            **attrs: object) -> Value:
    mode = _MODES.get(c.attr("mode"))
    if mode is None:
        raise c.refuse(f"mode '{c.attr('mode')}' is not one of nearest, linear, cubic")
    if scales is not None and scales.dtype != "f32":
        raise c.refuse(f"scales of dtype {scales.dtype} are not supported", "use f32")
    given = sizes if scales is None else scales
    if given.rank != 1 or isinstance(given.shape[0], int) and given.shape[0] != x.rank:
        raise c.refuse(f"its scales or sizes have shape {list(given.shape)}, rank {x.rank} needs [{x.rank}]")
    if scales is not None and scales.const is not None and not (np.isfinite(scales.const) & (scales.const > 0)).all():
        raise c.refuse(f"scales {scales.const.tolist()} are not positive numbers")
    return c.add("resize", x, scales, sizes, roi, mode=mode, **attrs)
