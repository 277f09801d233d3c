"""Convolutions and pools: channels last inside, transposes around them."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Value
from .context import Context, Part, onnx_op
from .tensors import sizes

MAX_PAD, MAX_STEP, MAX_KERNEL = 65536, 4096, 65536
_AUTO_PAD = {"NOTSET": "explicit", "": "explicit", "VALID": "explicit", "SAME_UPPER": "same_upper",
             "SAME_LOWER": "same_lower"}


def _image(c: Context) -> tuple[Value, int]:
    """Input 0 and its number of spatial axes."""
    x = c.input(0)
    if x.rank not in (3, 4):
        raise c.refuse(f"an input of rank {x.rank} is not supported", "ranks 3 [N C W] and 4 [N C H W] are")
    return x, x.rank - 2


def _ints(c: Context, name: str, n: int, default: int, low: int, high: int) -> list[int]:
    """An attribute of n integers within low..high."""
    values = c.attr(name) or [default] * n
    if len(values) != n or not all(low <= v <= high for v in values):
        raise c.refuse(f"attribute '{name}' is {values}; {n} numbers from {low} to {high} are supported")
    return values


def _per_axis(name: str, values: Sequence[int]) -> dict[str, int]:
    """Values for the spatial axes as attributes _h and _w; an image of rank 3 has only _w."""
    return dict(zip([f"{name}_h", f"{name}_w"][-len(values):], values, strict=True))


def _auto_pad(c: Context) -> str:
    mode = c.attr("auto_pad", "NOTSET")
    if mode not in _AUTO_PAD:
        raise c.refuse(f"auto_pad '{mode}' is not one of NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    return mode


def _pads(n: int, begin: Sequence[int], end: Sequence[int]) -> dict[str, int]:
    names = (["pad_top", "pad_left"][-n:], ["pad_bottom", "pad_right"][-n:])
    return {k: v for k, v in zip(names[0] + names[1], [*begin, *end], strict=True) if v}


def _window(c: Context, n: int) -> dict[str, Any]:
    """Attributes of a window that slides over n axes."""
    mode = _auto_pad(c)
    attrs: dict[str, Any] = {
        **_per_axis("stride", _ints(c, "strides", n, 1, 1, MAX_STEP)),
        **_per_axis("dilation", _ints(c, "dilations", n, 1, 1, MAX_STEP)),
    }
    if _AUTO_PAD[mode] != "explicit":
        attrs["auto_pad"] = _AUTO_PAD[mode]
    elif mode != "VALID":
        pads = _ints(c, "pads", 2 * n, 0, 0, MAX_PAD)
        attrs.update(_pads(n, pads[:n], pads[n:]))
    return attrs


def _kernel(c: Context, w: Value, n: int) -> list[int | None]:
    """The kernel's sizes, from the weights or the attribute, which must agree."""
    if w.rank != n + 2:
        raise c.refuse(f"the weights have rank {w.rank}, rank {n + 2} is needed")
    given = c.attr("kernel_shape") or [None] * n
    both = list(zip(w.shape[2:], given, strict=False))
    if len(given) != n or any(isinstance(a, int) and b is not None and a != b for a, b in both):
        raise c.refuse(f"kernel_shape is {given}, the weights have shape {sizes(w.shape)}")
    return [a if isinstance(a, int) else b for a, b in both]


@onnx_op("Conv")
def conv(c: Context) -> Value:
    x, n = _image(c)
    w = c.input(1)
    _kernel(c, w, n)
    attrs = _window(c, n)
    groups = c.attr_int("group", 1, 1)
    y = c.add("conv", c.channels_last(x), c.transpose(w, (0, *range(2, n + 2), 1)), c.opt(2), groups=groups, **attrs)
    return c.channels_first(y)


@onnx_op("ConvTranspose")
def conv_transpose(c: Context) -> Value:
    x, n = _image(c)
    w = c.input(1)
    kernel = _kernel(c, w, n)
    groups = c.attr_int("group", 1, 1)
    attrs = {
        **_per_axis("stride", _ints(c, "strides", n, 1, 1, MAX_STEP)),
        **_per_axis("dilation", _ints(c, "dilations", n, 1, 1, MAX_STEP)),
        **_per_axis("output_pad", _ints(c, "output_padding", n, 0, 0, MAX_STEP)),
        **_transposed_pads(c, x, kernel, n),
    }
    y = c.add("conv_transpose", c.channels_last(x), _transposed_weights(c, w, groups), c.opt(2), groups=groups, **attrs)
    return c.channels_first(y)


def _transposed_weights(c: Context, w: Value, groups: int) -> Value:
    """ONNX's [C, O / groups, k...] as [O k... C / groups]."""
    spatial = list(range(2, w.rank))
    if groups == 1:
        return c.transpose(w, (1, *spatial, 0))
    if not all(isinstance(d, int) for d in w.shape) or w.shape[0] % groups:
        raise c.refuse(f"weights of shape {sizes(w.shape)} cannot be split into {groups} groups")
    ci, co, *k = w.shape
    split, joined = (groups, ci // groups, co, *k), (groups * co, *k, ci // groups)
    perm = (0, 2, *(s + 1 for s in spatial), 1)
    if w.const is not None:
        return c.graph.const(np.transpose(w.const.reshape(split), perm).reshape(joined))
    grouped = c.add("transpose", c.add("reshape", w, c.ints_const(split)), perm=perm)
    return c.add("reshape", grouped, c.ints_const(joined))


def _transposed_pads(c: Context, x: Value, kernel: Sequence[int | None], n: int) -> dict[str, int]:
    """Explicit pads of a transposed convolution, with the formulas of ONNX's ConvTranspose."""
    mode, wanted = _auto_pad(c), c.attr("output_shape")
    if mode in ("NOTSET", "") and not wanted:
        pads = _ints(c, "pads", 2 * n, 0, 0, MAX_PAD)
        return _pads(n, pads[:n], pads[n:])
    if mode == "VALID" and not wanted:
        return {}
    strides, dilations = _ints(c, "strides", n, 1, 1, MAX_STEP), _ints(c, "dilations", n, 1, 1, MAX_STEP)
    extra = _ints(c, "output_padding", n, 0, 0, MAX_STEP)
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
    return {**_pads(n, begin, end), **_per_axis("output_pad", extra)}


@onnx_op("MaxPool", "AveragePool")
def pool(c: Context) -> Value:
    x, n = _image(c)
    kernel = _ints(c, "kernel_shape", n, 1, 1, MAX_KERNEL)
    attrs = {**_per_axis("kernel", kernel), **_window(c, n)}
    if c.attr("ceil_mode", 0):
        attrs["ceil_mode"] = 1
    if c.attr("count_include_pad", 0):
        attrs["count_include_pad"] = 1
    if len(c.out_names) > 1 and c.out_names[1]:
        raise c.refuse("its second output (indices) is not supported")
    y = c.add("max_pool" if c.op == "MaxPool" else "avg_pool", c.channels_last(x), **attrs)
    return c.channels_first(y)


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
