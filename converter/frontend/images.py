"""Convolutions and pools: channels last inside, transposes around them. Volumes are computed from images: see
volumes.py."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ..ir import Value
from . import volumes
from .context import Context, Part, Result, onnx_op

MAX_PAD, MAX_STEP, MAX_KERNEL = 65536, 4096, 65536
_AUTO_PAD = {"NOTSET": "explicit", "": "explicit", "VALID": "explicit", "SAME_UPPER": "same_upper",
             "SAME_LOWER": "same_lower"}


def _image(c: Context) -> tuple[Value, int]:
    """Input 0 and its number of spatial axes."""
    x = c.input(0)
    if x.rank not in (3, 4, 5):
        raise c.refuse(f"an input of rank {x.rank} is not supported",
                       "ranks 3 [N C W], 4 [N C H W] and 5 [N C D H W] are")
    return x, x.rank - 2


def ints(c: Context, name: str, n: int, default: int, low: int, high: int) -> list[int]:
    """An attribute of n integers within low..high."""
    values = c.attr(name) or [default] * n
    if len(values) != n or not all(low <= v <= high for v in values):
        raise c.refuse(f"attribute '{name}' is {values}; {n} numbers from {low} to {high} are supported")
    return values


@dataclass(frozen=True)
class Window:
    """A window that slides over n spatial axes: per axis its size (None: unknown), stride, dilation, pads; auto_pad."""

    kernel: list[int | None]
    stride: list[int]
    dilation: list[int]
    begin: list[int]
    end: list[int]
    auto_pad: str = "explicit"
    output_pad: list[int] = field(default_factory=list)

    def part(self, axes: slice) -> Window:
        """The same along some of the axes."""
        cut = {f.name: getattr(self, f.name)[axes] for f in fields(self) if f.name != "auto_pad"}
        return Window(**cut, auto_pad=self.auto_pad)

    def attrs(self, kernel: bool = False) -> dict[str, Any]:
        """As attributes of the operators; rows (n = 1) have only _w. kernel: its sizes too."""
        n = len(self.stride)
        found: dict[str, Any] = {**_per_axis("kernel", self.kernel)} if kernel else {}
        found.update({**_per_axis("stride", self.stride), **_per_axis("dilation", self.dilation)})
        if self.auto_pad != "explicit":
            found["auto_pad"] = self.auto_pad
        names = (["pad_top", "pad_left"][-n:], ["pad_bottom", "pad_right"][-n:])
        found.update({k: v for k, v in zip(names[0] + names[1], [*self.begin, *self.end], strict=True) if v})
        return found | _per_axis("output_pad", self.output_pad)


def _per_axis(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Values for the spatial axes as attributes _h and _w; an image of rank 3 has only _w."""
    return dict(zip([f"{name}_h", f"{name}_w"][-len(values):], values, strict=True)) if values else {}


def _auto_pad(c: Context) -> str:
    mode = c.attr("auto_pad", "NOTSET")
    if mode not in _AUTO_PAD:
        raise c.refuse(f"auto_pad '{mode}' is not one of NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    return mode


def window(c: Context, n: int, kernel: Sequence[int | None]) -> Window:
    """The window that the attributes describe."""
    mode = _auto_pad(c)
    pads = ints(c, "pads", 2 * n, 0, 0, MAX_PAD) if mode in ("NOTSET", "") else [0] * 2 * n
    strides, dilations = (ints(c, name, n, 1, 1, MAX_STEP) for name in ("strides", "dilations"))
    return Window(list(kernel), strides, dilations, pads[:n], pads[n:], _AUTO_PAD[mode])


def kernel_of(c: Context, w: Value, n: int) -> list[int | None]:
    """The kernel's sizes, from the weights or the attribute, which must agree."""
    if w.rank != n + 2:
        raise c.refuse(f"the weights have rank {w.rank}, rank {n + 2} is needed")
    given = c.attr("kernel_shape") or [None] * n
    both = list(zip(w.shape[2:], given, strict=False))
    if len(given) != n or any(isinstance(a, int) and b is not None and a != b for a, b in both):
        raise c.refuse(f"kernel_shape is {given}, the weights have shape {list(w.shape)}")
    return [a if isinstance(a, int) else b for a, b in both]


@onnx_op("Conv")
def conv(c: Context) -> Value:
    return c.channels_first(convolution(c))


def convolution(c: Context) -> Value:
    """Of inputs 0 to 2 (x w b?) with ONNX's attributes; channels last."""
    x, n = _image(c)
    w = c.input(1)
    view = window(c, n, kernel_of(c, w, n))
    groups = c.attr_int("group", 1, 1)
    image, weights = c.channels_last(x), c.transpose(w, (0, *range(2, n + 2), 1))
    if n == 3:
        return volumes.conv(c, image, weights, c.opt(2), view, groups)
    return c.add("conv", image, weights, c.opt(2), groups=groups, **view.attrs())


@onnx_op("ConvTranspose")
def conv_transpose(c: Context) -> Value:
    x, n = _image(c)
    w = c.input(1)
    view = _transposed_window(c, x, kernel_of(c, w, n), n)
    groups = c.attr_int("group", 1, 1)
    image, weights = c.channels_last(x), _transposed_weights(c, w, groups)
    if n == 3:
        return c.channels_first(volumes.conv_transpose(c, image, weights, c.opt(2), view, groups))
    return c.channels_first(c.add("conv_transpose", image, weights, c.opt(2), groups=groups, **view.attrs()))


def _transposed_weights(c: Context, w: Value, groups: int) -> Value:
    """ONNX's [C, O / groups, k...] as [O k... C / groups]."""
    spatial = list(range(2, w.rank))
    if groups == 1:
        return c.transpose(w, (1, *spatial, 0))
    if not all(isinstance(d, int) for d in w.shape) or w.shape[0] % groups:
        raise c.refuse(f"weights of shape {list(w.shape)} cannot be split into {groups} groups")
    ci, co, *k = w.shape
    split, joined = (groups, ci // groups, co, *k), (groups * co, *k, ci // groups)
    perm = (0, 2, *(s + 1 for s in spatial), 1)
    if w.const is not None:
        return c.graph.const(np.transpose(w.const.reshape(split), perm).reshape(joined))
    grouped = c.add("transpose", c.add("reshape", w, c.ints_const(split)), perm=perm)
    return c.add("reshape", grouped, c.ints_const(joined))


def _transposed_window(c: Context, x: Value, kernel: Sequence[int | None], n: int) -> Window:
    """The window of a transposed convolution with explicit pads, by the formulas of ONNX's ConvTranspose."""
    mode, wanted = _auto_pad(c), c.attr("output_shape")
    strides, dilations = ints(c, "strides", n, 1, 1, MAX_STEP), ints(c, "dilations", n, 1, 1, MAX_STEP)
    extra = list(ints(c, "output_padding", n, 0, 0, MAX_STEP))
    if not wanted and mode in ("NOTSET", "", "VALID"):
        pads = [0] * 2 * n if mode == "VALID" else ints(c, "pads", 2 * n, 0, 0, MAX_PAD)
        return Window(list(kernel), strides, dilations, pads[:n], pads[n:], output_pad=extra)
    wanted = [None] * n if not wanted else wanted[2:] if len(wanted) == n + 2 else wanted
    if len(wanted) != n:
        raise c.refuse(f"output_shape is {wanted}, {n} sizes are needed")
    begin, end = [], []
    for i in range(n):
        size = x.shape[2 + i]
        if kernel[i] is None or wanted[i] is not None and not isinstance(size, int):
            raise c.refuse("output_shape needs an input of known size", "fix the input's size, or export explicit pads")
        total = extra[i] + (kernel[i] - 1) * dilations[i] + 1 - strides[i]  # for an output of size * stride
        if wanted[i] is not None:
            total += strides[i] * size - wanted[i]
        if not -MAX_STEP <= total <= MAX_PAD:
            raise c.refuse(f"the pads add up to {total}; {-MAX_STEP} to {MAX_PAD} are supported",
                           "export explicit pads")
        if total < 0:  # the wanted size is larger than what the kernel reaches
            extra[i], total = extra[i] - total, 0
        small, large = total // 2, total - total // 2
        begin.append(small if mode == "SAME_UPPER" else large)
        end.append(large if mode == "SAME_UPPER" else small)
    return Window(list(kernel), strides, dilations, begin, end, output_pad=extra)


def _pool(c: Context, op: str, x: Value, view: Window, **attrs: Any) -> Value:
    """A pool of x in the source's order."""
    if c.attr("ceil_mode", 0):
        attrs["ceil_mode"] = 1
    image = c.channels_last(x)
    if x.rank == 5:
        return volumes.pool(c, op, image, view, **attrs)
    return c.add(op, image, **view.attrs(kernel=True), **attrs)


def average_pool(c: Context, x: Value, n: int) -> Value:
    """Of x [N C ...] with n spatial axes; channels last."""
    view = window(c, n, ints(c, "kernel_shape", n, 1, 1, MAX_KERNEL))
    return _pool(c, "avg_pool", x, view, divisor="padded" if c.attr("count_include_pad", 0) else "inside")


@onnx_op("MaxPool", "AveragePool")
def pool(c: Context) -> Result:
    x, n = _image(c)
    if c.op == "AveragePool":
        return c.channels_first(average_pool(c, x, n))
    view = window(c, n, ints(c, "kernel_shape", n, 1, 1, MAX_KERNEL))
    y = c.channels_first(_pool(c, "max_pool", x, view))
    if len(c.out_names) < 2 or not c.out_names[1]:
        return y
    if n == 3:
        raise c.refuse("the indices of the pool of a volume are not supported", "pool images")
    indices = _pool(c, "max_pool_indices", x, view, column_major=int(bool(c.attr("storage_order", 0))))
    return [y, c.add("transpose", indices, perm=(0, n + 1, *range(1, n + 1)))]


@onnx_op("LpPool")
def lp_pool(c: Context) -> Value:
    """(sum of |x|^p)^(1/p)"""
    x, n = _image(c)
    p = float(c.attr("p", 2.0))
    view = window(c, n, ints(c, "kernel_shape", n, 1, 1, MAX_KERNEL))
    power = c.add("mul", x, x) if p == 2 else c.add("pow", c.add("abs", x), c.scalar(p, x.dtype))
    total = _pool(c, "avg_pool", power, view, divisor="one")
    total = c.add("transpose", total, perm=(0, n + 1, *range(1, n + 1)))
    return c.add("sqrt", total) if p == 2 else c.add("pow", total, c.scalar(1 / p, x.dtype))


@onnx_op("GlobalLpPool")
def global_lp_pool(c: Context) -> Value:
    x, p = c.input(0), float(c.attr("p", 2.0))
    axes = sum(1 << a for a in range(2, x.rank))
    power = c.add("pow", c.add("abs", x), c.scalar(p, x.dtype))
    total = c.add("reduce", power, kind="sum", axes=axes, keep_dims=1)
    return c.add("pow", total, c.scalar(1 / p, x.dtype))


@onnx_op("LRN")
def lrn(c: Context) -> Value:
    """x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta; the channels are the rows
    of a pool."""
    x, size = c.input(0), c.attr_int("size", 1, 1, MAX_KERNEL)
    if x.rank < 2:
        raise c.refuse(f"an input of rank {x.rank} is not supported")
    alpha, beta, bias = (c.attr(name) for name in ("alpha", "beta", "bias"))
    squares = c.add("mul", x, x)
    flat = c.reshape(squares, [Part(0), Part(1), -1]) if x.rank > 3 else c.unsqueeze(squares, list(range(x.rank, 3)))
    before = (size - 1) // 2
    mean = c.add("avg_pool", flat, kernel_w=size, pad_left=before, pad_right=size - 1 - before, divisor="one")
    mean = mean if x.rank == 3 else c.reshape(mean, [Part(i) for i in range(x.rank)], of=x)
    scale = c.add("add", c.add("mul", mean, c.scalar(alpha / size, x.dtype)), c.scalar(bias, x.dtype))
    return c.add("div", x, c.add("pow", scale, c.scalar(beta, x.dtype)))


@onnx_op("MaxUnpool")
def max_unpool(c: Context) -> Value:
    """Zeros, and each x at its index in the whole result."""
    x, indices = c.input(0), c.input(1)
    n = x.rank - 2
    if n < 1 or indices.dtype != "i64":
        raise c.refuse(f"an input of rank {x.rank} and indices of {indices.dtype} are not supported")
    kernel = ints(c, "kernel_shape", n, 1, 1, MAX_KERNEL)
    view = window(c, n, kernel)
    more = [k - s - b - e for k, s, b, e in zip(kernel, view.stride, view.begin, view.end, strict=True)]
    pooled = c.shape_vector(x, [Part(2 + i) for i in range(n)])
    sizes = c.add("add", c.add("mul", pooled, c.ints_const(view.stride)), c.ints_const(more))
    whole = c.add("concat", c.shape_vector(x, [Part(0), Part(1)]), sizes, axis=0)
    count = c.add("reduce", whole, kind="prod", axes=1)
    zeros = c.add("expand", c.scalar(0, x.dtype), count)
    flat = c.add("scatter_elements", zeros, c.reshape(indices, [-1]), c.reshape(x, [-1]), axis=0)
    y = c.add("reshape", flat, whole)
    if c.opt(2) is None:
        return y
    pads = c.add("sub", c.ints_value(2), whole)
    return c.add("pad", y, c.add("concat", c.ints_const([0] * x.rank), pads, axis=0))


@onnx_op("GlobalAveragePool", "GlobalMaxPool")
def global_pool(c: Context) -> Value:
    x = c.input(0)
    if x.rank < 2:
        raise c.refuse(f"an input of rank {x.rank} is not supported")
    kind = "mean" if c.op == "GlobalAveragePool" else "max"
    return c.add("reduce", x, kind=kind, axes=sum(1 << a for a in range(2, x.rank)), keep_dims=1)


@onnx_op("DepthToSpace", "SpaceToDepth")
def shuffle(c: Context) -> Value:
    x, b = c.input(0), c.attr_int("blocksize", 1, 1, 4096)
    mode = c.attr("mode", "DCR")
    if x.rank != 4 or mode not in ("DCR", "CRD"):
        raise c.refuse(f"rank {x.rank} and mode '{mode}' are not supported; rank 4 and DCR or CRD are")
    n, h, w = Part(0), Part(2), Part(3)
    if c.op == "DepthToSpace":
        channels = Part(1, 1, b * b)
        if mode == "DCR":
            split, perm = [n, b, b, channels, h, w], (0, 3, 4, 1, 5, 2)
        else:
            split, perm = [n, channels, b, b, h, w], (0, 1, 4, 2, 5, 3)
        result = [n, channels, Part(2, b), Part(3, b)]
    else:
        split = [n, Part(1), Part(2, 1, b), b, Part(3, 1, b), b]
        perm = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
        result = [n, Part(1, b * b), Part(2, 1, b), Part(3, 1, b)]
    return c.reshape(c.add("transpose", c.reshape(x, split), perm=perm), result, of=x)
