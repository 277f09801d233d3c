"""Convolution, pooling, resizing and what else looks at neighbours."""
from __future__ import annotations

from typing import Any

import numpy as np
from builder import Builder, Invalid, Tensor, row


def image(g: Builder, of: int = 0, dims: tuple[int, int] = (1, 3), channels: int | None = None) -> Tensor:
    """[N, C, spatial...]."""
    def make() -> list[int]:
        n = g.pick([d for d in (2, 2, 1, 3) if dims[0] <= d <= dims[1]])
        side = [5, 7, 8, 3, 4, 1]
        return [g.pick([1, 2, 1, 3, 0] if g.flag(10) else [1, 2]), channels or g.pick([3, 1, 2, 4, 6, 8, 17]),
                *(g.pick(side) for _ in range(n))]
    return g.some(of, fits=lambda s: dims[0] + 2 <= len(s) <= dims[1] + 2 and 0 not in s[1:] and
                  (channels is None or s[1] == channels), make=make)


def finite(x: Tensor) -> Tensor:
    """x without NaN and infinities: these meet weights of zero, and who multiplies by zero is nobody's."""
    if x.dtype.kind == "f" and not np.isfinite(x.value).all():
        raise Invalid
    return x


def window(g: Builder, x: Tensor, kernel: list[int], dilate: bool = True, half: bool = False) -> dict[str, Any]:
    """strides, pads or auto_pad, dilations."""
    n = len(kernel)
    attrs: dict[str, Any] = {"strides": [g.pick([1, 2, 1, 3]) for _ in kernel] if g.flag() else None}
    step = [g.pick([1, 2, 1]) for _ in kernel] if dilate and g.flag(30) else None
    attrs["dilations"] = step
    mode = g.pick(["pads", "pads", None, "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
    if mode in ("pads", "NOTSET"):
        most = [k - 1 if half else k // 2 for k in kernel]
        attrs["pads"] = [g.draw(0, m) for _ in range(2) for m in most]
    if mode not in ("pads", None):
        attrs["auto_pad"] = mode
    if mode in (None, "VALID"):
        reach = [(k - 1) * (step[i] if step else 1) + 1 for i, k in enumerate(kernel)]
        if any(r > d for r, d in zip(reach, x.shape[2:], strict=True)):
            raise Invalid
    if n > 3:
        raise Invalid
    return attrs


@row("Conv")
def conv(g: Builder) -> None:
    x = image(g)
    groups = g.pick([d for d in range(1, x.shape[1] + 1) if x.shape[1] % d == 0]) if g.flag(40) else 1
    out = groups * g.pick([1, 2, 3, 4])
    kernel = [g.pick([3, 1, 2, 5]) for _ in x.shape[2:]]
    w = g.new(x.dtype, [out, x.shape[1] // groups, *kernel], const=85, flavour="plain")  # no infinity: it meets padding
    b = g.new(x.dtype, [out], const=85) if g.flag() else None
    g.node(x, w, b, group=groups if groups > 1 else None, kernel_shape=kernel if g.flag() else None,
           **window(g, x, kernel))


@row("ConvTranspose")
def conv_transpose(g: Builder) -> None:
    x = image(g)
    groups = g.pick([d for d in range(1, x.shape[1] + 1) if x.shape[1] % d == 0]) if g.flag(30) else 1
    out = g.pick([1, 2, 3])
    kernel = [g.pick([3, 1, 2, 4]) for _ in x.shape[2:]]
    w = g.new(x.dtype, [x.shape[1], out, *kernel], const=85, flavour="plain")
    b = g.new(x.dtype, [out * groups], const=85) if g.flag() else None
    attrs = window(g, x, kernel)
    strides = attrs["strides"] or [1] * len(kernel)
    extra = [g.draw(0, s - 1) for s in strides] if g.flag(30) else None
    if g.flag(10):
        attrs.pop("pads", None)
        attrs["output_shape"] = [d * s + g.draw(0, 1) for d, s in zip(x.shape[2:], strides, strict=True)]
    g.node(x, w, b, group=groups if groups > 1 else None, kernel_shape=kernel if g.flag() else None,
           output_padding=extra, **attrs)


@row("MaxPool", "AveragePool", "LpPool")
def pool(g: Builder) -> None:
    x = image(g) if g.op == "AveragePool" else finite(image(g))  # NaN stays NaN with us; the references drop it
    kernel = [g.pick([2, 3, 1]) for _ in x.shape[2:]]
    late = {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[g.op]
    attrs = window(g, x, kernel, dilate=g.opset >= late)
    if g.opset >= (18 if g.op == "LpPool" else 10) and attrs.get("auto_pad", "NOTSET") == "NOTSET":
        attrs["ceil_mode"] = g.pick([None, 0, 1])
    if g.op == "AveragePool":
        attrs["count_include_pad"] = g.pick([None, 0, 1])
    if g.op == "LpPool":
        attrs["p"] = g.pick([None, 1, 2, 3])
    outputs = 2 if g.op == "MaxPool" and g.opset >= 8 and g.flag(25) else 1
    if outputs == 2:
        attrs["storage_order"] = g.pick([None, 0, 1])
    g.node(x, kernel_shape=kernel, outputs=outputs, **attrs)


@row("GlobalAveragePool", "GlobalMaxPool")
def global_pool(g: Builder) -> None:
    g.node(finite(image(g)))


@row("GlobalLpPool")
def global_lp_pool(g: Builder) -> None:
    g.node(image(g), p=g.pick([None, 1, 2, 3]))


@row("MaxUnpool")
def max_unpool(g: Builder) -> None:
    x = image(g, dims=(1, 3))
    dims = x.rank - 2
    kernel, n = [g.pick([2, 3]) for _ in range(dims)], int(np.prod(x.shape[2:]))
    size = [d * k for d, k in zip(x.shape[2:], kernel, strict=True)]
    pads = [g.draw(0, 1) if d > 1 else 0 for d in x.shape[2:]] * 2 if g.flag(30) else None
    if pads is not None:
        size = [d - 2 * p for d, p in zip(size, pads, strict=False)]
    if int(np.prod(size)) < n:
        raise Invalid
    where = np.stack([g.rng.permutation(int(np.prod(size)))[:n] for _ in range(x.shape[0] * x.shape[1])] or [[]])
    shape = g.given([*x.shape[:2], *size], const=100) if g.flag(30) and pads is None else None
    g.node(x, g.given(where.reshape(x.shape), const=30), shape, kernel_shape=kernel, strides=kernel, pads=pads)


@row("LRN")
def lrn(g: Builder) -> None:
    g.node(image(g, dims=(1, 3)), size=g.pick([3, 1, 5, 2]), alpha=g.pick([None, 0.01, 1.0]), beta=g.pick([None, 0.5]),
           bias=g.pick([None, 2.0]))


@row("Upsample")
def upsample(g: Builder) -> None:
    x = image(g, dims=(2, 2))
    scales = [1, 1, g.pick([2, 1.5, 3]), g.pick([2, 1, 2.5])]
    mode = g.pick([None, "nearest", "linear"])
    if g.opset < 9:
        g.node(x, scales=[float(s) for s in scales], mode=mode)
    else:
        g.node(x, g.given(scales, dtype=np.float32), mode=mode)


@row("Resize")
def resize(g: Builder) -> None:
    mode = g.pick(["nearest", "linear", "cubic"] if g.opset >= 11 else ["nearest", "linear"])
    x = finite(image(g, dims=(2, 2) if mode == "cubic" else (1, 3)))
    n = x.rank - 2
    scales = [1, 1, *(g.pick([2, 1.5, 0.5, 0.75, 3, 1]) for _ in range(n))]
    if g.opset < 11:
        g.node(x, g.given(scales, dtype=np.float32), mode=mode)
        return
    places = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"] + \
        (["half_pixel_symmetric"] if g.opset >= 19 else [])
    attrs: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": g.pick([None, *places])}
    if mode == "nearest":
        attrs["nearest_mode"] = g.pick([None, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        attrs |= {"cubic_coeff_a": g.pick([None, -0.5]), "exclude_outside": g.pick([None, 0, 1])}
    if g.opset >= 18:
        attrs["antialias"] = g.pick([None, None, 0, 1]) if mode != "nearest" else None
        if g.flag(30):
            attrs["axes"] = [a - x.rank if g.flag(20) else a for a in range(2, x.rank)]
            scales = scales[2:]
    if g.opset >= 13 and g.flag(8):
        attrs["coordinate_transformation_mode"] = "tf_crop_and_resize"
        attrs["extrapolation_value"] = g.pick([None, 1.5])
        roi = g.given([0.1] * len(scales) + [0.9] * len(scales), dtype=np.float32)
        g.node(x, roi, g.given(scales, dtype=np.float32), **attrs)
        return
    roi = None if g.opset >= 13 else g.given(np.zeros(0), dtype=np.float32, const=100)
    if g.flag():
        g.node(x, roi, g.given(scales, dtype=np.float32), **attrs)
        return
    chosen = x.shape[2:] if "axes" in attrs else x.shape
    sizes = [max(int(d * s), 1) for d, s in zip(chosen, scales, strict=True)]
    if g.opset >= 18 and g.flag(30):
        attrs["keep_aspect_ratio_policy"] = g.pick(["stretch", "not_larger", "not_smaller"])
    none = None if g.opset >= 13 else g.given(np.zeros(0), dtype=np.float32, const=100)
    g.node(x, roi, none, g.given(sizes), **attrs)


@row("GridSample")
def grid_sample(g: Builder) -> None:
    n = 2 if g.opset < 20 else g.pick([2, 2, 3])
    x = finite(image(g, dims=(n, n)))
    mode = g.pick(["linear", "nearest", "cubic"] if g.opset >= 20 else ["bilinear", "nearest", "bicubic"])
    if n == 3 and mode == "cubic":
        mode = "linear"
    grid = g.new(g.type(1), [x.shape[0], *(g.pick([2, 3, 1]) for _ in range(n)), n], low=-1.2, high=1.2)
    g.node(x, grid, mode=mode, padding_mode=g.pick([None, "zeros", "border", "reflection"]),
           align_corners=g.pick([None, 0, 1]))


@row("AffineGrid")
def affine_grid(g: Builder) -> None:
    n = g.pick([2, 3])
    t = g.type(0)
    theta = g.new(t, [2, n, n + 1])
    g.node(theta, g.given([2, 3, *(g.pick([3, 2, 4]) for _ in range(n))]), align_corners=g.pick([None, 0, 1]))


@row("RoiAlign")
def roi_align(g: Builder) -> None:
    x = finite(image(g, dims=(2, 2)))
    if x.shape[0] == 0:
        raise Invalid
    k = g.draw(1, 3)
    start = g.rng.uniform(0, 3, (k, 2))
    rois = g.given(np.concatenate([start, start + g.rng.uniform(0.5, 4, (k, 2))], 1), dtype=x.dtype, const=20)
    modes = {"mode": g.pick([None, "avg", "max"]), "output_height": g.pick([None, 2, 3]),
             "output_width": g.pick([None, 2, 3]), "sampling_ratio": g.pick([None, 0, 1, 2]),
             "spatial_scale": g.pick([None, 1.0, 0.5])}
    if g.opset >= 16:
        modes["coordinate_transformation_mode"] = g.pick([None, "half_pixel", "output_half_pixel"])
    g.node(x, rois, g.new(np.dtype("int64"), [k], low=0, high=x.shape[0] - 1), **modes)


@row("NonMaxSuppression")
def non_max_suppression(g: Builder) -> None:
    b, c, n = g.draw(1, 2), g.draw(1, 3), g.draw(1, 8)
    start = g.rng.uniform(0, 5, (b, n, 2))
    center = g.flag(30)
    boxes = np.concatenate([start, g.rng.uniform(0.5, 3, (b, n, 2)) + (0 if center else start)], 2)
    f = np.float32
    parts = [g.given(g.draw(0, n), const=70), g.given(g.pick([0.5, 0.1, 0.9]), dtype=f), g.given(0.3, dtype=f)]
    g.node(g.given(boxes, dtype=f, const=10), g.new(np.dtype(f), [b, c, n], low=0, high=1),
           *parts[:g.draw(1, 3)], center_point_box=1 if center else None)


@row("Col2Im")
def col2im(g: Builder) -> None:
    n = g.pick([2, 1, 3])
    size, block = [g.pick([4, 5, 6]) for _ in range(n)], [g.pick([2, 1, 3]) for _ in range(n)]
    strides, pads = [g.pick([1, 2]) for _ in range(n)], [g.draw(0, 1) for _ in range(2 * n)]
    step = [g.pick([1, 2]) for _ in range(n)] if g.flag(30) else [1] * n
    reach = [(k - 1) * d + 1 for k, d in zip(block, step, strict=True)]
    places = [(size[i] + pads[i] + pads[n + i] - reach[i]) // strides[i] + 1 for i in range(n)]
    if min(places) < 1:
        raise Invalid
    x = g.new(g.type(0), [g.pick([1, 2]), g.pick([1, 3]) * int(np.prod(block)), int(np.prod(places))])
    g.node(x, g.given(size), g.given(block), strides=strides, pads=pads,
           dilations=step if step != [1] * n or g.flag(20) else None)


@row("DeformConv")
def deform_conv(g: Builder) -> None:
    x = finite(image(g, dims=(2, 2)))
    n, c, h, w = x.shape
    k = [g.pick([2, 1, 3]), g.pick([2, 3, 1])]
    step, dilate, pads = ([g.pick([1, 2]) for _ in k] if g.flag(30) else [1, 1], g.pick([[1, 1], [1, 1], [1, 2]]),
                          [g.draw(0, 1) for _ in range(4)])
    out_h, out_w = ((d + pads[i] + pads[i + 2] - (k[i] - 1) * dilate[i] - 1) // step[i] + 1
                    for i, d in enumerate((h, w)))
    if min(out_h, out_w) < 1:
        raise Invalid
    groups = g.pick([d for d in (1, 2) if c % d == 0])
    weights = g.new(x.dtype, [2 * groups, c // groups, *k])
    taps = groups * k[0] * k[1]
    offset = g.new(x.dtype, [n, 2 * taps, out_h, out_w], low=-1, high=1)
    bias = g.new(x.dtype, [2 * groups]) if g.flag() else None
    mask = g.new(x.dtype, [n, taps, out_h, out_w], low=0, high=1) if g.flag() else None
    g.node(x, weights, offset, bias, mask, group=groups, offset_group=groups, kernel_shape=k, pads=pads,
           strides=step if step != [1, 1] else None, dilations=dilate if dilate != [1, 1] else None)
