"""Convolutions and products of integers with zero points:

    sum (x - zx) (w - zw) = sum x w - zx sum w - zw sum x + n zx zw

The operators know zero points that are constant and one for a tensor; the others are put in by these sums, in i32 that
wraps, as everything here does. Requantisation is ONNX's and onnxruntime's: saturate(round_half_even(sum * f) + zy) with
f = sx sw / sy, factor and product in f32.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...spec.dtypes import DTYPES
from ..ir import Value
from .context import Context, Part, onnx_op
from .images import Window, kernel_of, window

BYTE = ("i8", "u8")


def _constant_zero(z: Value | None) -> int | None:
    """The one number of a constant zero point (0 when there is none), None when it is not constant or not one."""
    if z is None:
        return 0
    if z.const is None or not z.const.size or (z.const != z.const.flat[0]).any():
        return None
    return int(z.const.flat[0])


def _check(c: Context, x: Value, w: Value, *zeros: tuple[Value | None, Value]) -> None:
    if x.dtype not in BYTE or w.dtype not in BYTE:
        raise c.refuse(f"products of {x.dtype} and {w.dtype} are not supported", "i8 and u8 are")
    for z, v in zeros:
        if z is not None and z.dtype != v.dtype:
            raise c.refuse(f"a zero point has dtype {z.dtype}, its tensor {v.dtype}; they must agree")


def _minus(c: Context, y: Value, a: Value, b: Value) -> Value:
    """y - a * b"""
    return c.add("sub", y, c.add("mul", a, b))


# ---- products ----
def product(c: Context, a: Value, b: Value, za: Value | None, zb: Value | None) -> Value:
    """i32 [... M N]; za is one number or one per row (M), zb one number or one per column (N)."""
    _check(c, a, b, (za, a), (zb, b))
    if a.rank < 2 or b.rank < 2:
        raise c.refuse(f"inputs of ranks {a.rank} and {b.rank} are not supported; matrices are")
    known = _constant_zero(za), _constant_zero(zb)
    if None not in known:
        return c.add("matmul", a, b, None, a_zero=known[0], b_zero=known[1])
    y = c.add("matmul", a, b, None)
    rows, columns = (None if z is None or k == 0 else _vector(c, z, at)
                     for z, k, at in zip((za, zb), known, (0, 1), strict=True))
    if rows is not None:
        y = _minus(c, y, rows, _sum(c, b, [b.rank - 2], 1))
    if columns is not None:
        y = _minus(c, y, columns, _sum(c, a, [a.rank - 1], 1))
    if rows is not None and columns is not None:
        depth = c.cast(c.as_scalar(c.shape_vector(a, [Part(a.rank - 1)]), "a size"), "i32")
        y = c.add("add", y, c.add("mul", c.add("mul", rows, columns), depth))
    return y


def _sum(c: Context, v: Value, axes: Sequence[int], keep: int) -> Value:
    """Sums in i32, of a constant at once: it stays in bytes, so that no pass makes them."""
    if v.const is not None:
        total = v.const.astype(np.int64).sum(axis=tuple(axes), keepdims=bool(keep))
        return c.graph.const(np.asarray(total.astype(np.int32)))
    return c.add("reduce", c.cast(v, "i32"), kind="sum", axes=sum(1 << a for a in axes), keep_dims=keep)


def _vector(c: Context, z: Value, column: int) -> Value:
    """A zero point as i32 that broadcasts to [... M N]: one number, one per row or per column, or with batch dims as
    given."""
    z = c.cast(z, "i32")
    if z.rank == 1 and z.shape[0] != 1 and not column:
        return c.unsqueeze(z, [1])
    return z


@onnx_op("MatMulInteger")
def matmul_integer(c: Context) -> Value:
    return product(c, c.input(0), c.input(1), c.opt(2), c.opt(3))


# ---- convolutions ----
def convolution(c: Context, x: Value, w: Value, zx: Value | None, zw: Value | None, bias: Value | None) -> Value:
    """i32 [N ... O], channels last, of the source's x [N C ...] and w [O C ...]."""
    _check(c, x, w, (zx, x), (zw, w))
    n = x.rank - 2
    if n not in (1, 2):
        raise c.refuse(f"an input of rank {x.rank} is not supported", "ranks 3 [N C W] and 4 [N C H W] are")
    view, groups = window(c, n, kernel_of(c, w, n)), c.attr_int("group", 1, 1)
    image, weights = c.channels_last(x), c.transpose(w, (0, *range(2, n + 2), 1))
    known_x, known_w = _constant_zero(zx), _constant_zero(zw)
    weights, shift = _signed(c, weights)
    zero_x, zero_w, taps = known_x or 0, (known_w or 0) - shift, weights.shape[1:]
    if not all(isinstance(d, int) for d in taps):
        raise c.refuse(f"weights of open shape {list(w.shape)} are not supported", "export them with a fixed shape")
    moving = None
    if known_x is None:  # what lies outside is a zero of the source, so it has the value of the zero point
        moving = c.as_scalar(zx, "the zero point of x")
        image, view = _padded(c, image, view, moving)
        moving = c.cast(moving, "i32")
    y = c.add("conv", image, weights, bias, groups=groups, x_zero=zero_x, w_zero=zero_w, **view.attrs())
    if moving is not None:
        size = _sum(c, weights, range(1, n + 2), 0)
        y = _minus(c, y, moving, c.add("sub", size, c.scalar(zero_w * math.prod(taps), "i32")))
    if known_w is not None:
        return y
    ones = 1 if groups == 1 else w.shape[0]  # filters of ones: a window's sum for all channels, or for each its group's
    if not isinstance(ones, int):
        raise c.refuse(f"weights of open shape {list(w.shape)} are not supported", "export them with a fixed shape")
    total = c.add("conv", image, c.graph.const(np.ones((ones, *taps), np.int8)), None, groups=groups, x_zero=zero_x,
                  **view.attrs())
    if moving is not None:
        total = c.add("sub", total, c.add("mul", moving, c.scalar(math.prod(taps), "i32")))
    return _minus(c, y, total, c.cast(zw, "i32"))


def _padded(c: Context, image: Value, view: Window, value: Value) -> tuple[Value, Window]:
    """The image with explicit padding of that value, and the window without pads."""
    n = len(view.stride)
    if view.auto_pad != "explicit":
        raise c.refuse("auto_pad with a computed zero point is not supported", "export explicit pads")
    if not any(view.begin + view.end):
        return image, view
    pads = [0, *view.begin, 0, 0, *view.end, 0]
    bare = Window(view.kernel, view.stride, view.dilation, [0] * n, [0] * n)
    return c.add("pad", image, c.ints_const(pads), value), bare


def _signed(c: Context, w: Value) -> tuple[Value, int]:
    """Weights as i8, and what was taken from them."""
    if w.dtype == "i8":
        return w, 0
    if w.const is not None:
        return c.graph.const((w.const.astype(np.int16) - 128).astype(np.int8)), 128
    return c.add("bit_cast", c.add("bit_xor", w, c.scalar(128, "u8")), to=DTYPES["i8"].code), 128


@onnx_op("ConvInteger")
def conv_integer(c: Context) -> Value:
    y = convolution(c, c.input(0), c.input(1), c.opt(2), c.opt(3), None)
    return c.add("transpose", y, perm=(0, y.rank - 1, *range(1, y.rank - 1)))


# ---- quantisation whose range is that of the values ----
@onnx_op("DynamicQuantizeLinear")
def dynamic_quantize(c: Context) -> list[Value]:
    return dynamically_quantized(c, c.input(0))


def dynamically_quantized(c: Context, x: Value, some: Value | None = None) -> list[Value]:
    """x in u8, its scale and its zero point, for the range of all of x or of `some`. Values that are all 0 have the
    scale 1, as in onnxruntime; the function in ONNX's schema divides by 0 there."""
    some, zero = x if some is None else some, c.scalar(0.0, "f32")
    axes = (1 << some.rank) - 1
    low, high = (c.add(k, c.add("reduce", some, kind=k, axes=axes, keep_dims=0) if axes else some, zero)
                 for k in ("min", "max"))
    scale = c.add("div", c.add("sub", high, low), c.scalar(255.0, "f32"))
    scale = c.add("select", c.add("equal", high, low), c.scalar(1.0, "f32"), scale)
    point = c.add("quantize", c.add("neg", low), scale, c.scalar(0, "u8"))
    return [c.add("quantize", x, scale, point), scale, point]


# ---- requantisation ----
def _requantized(c: Context, y: Value, scales: list[Value], zero: Value) -> Value:
    """scales: of both factors and of the result."""
    for s in scales:
        if s.const is not None and not (np.isfinite(s.const.astype(np.float64)) & (s.const > 0)).all():
            raise c.refuse("a scale is not a positive number", "the model is damaged")
    a, b, to = (c.cast(s, "f32") for s in scales)
    factor = c.add("div", c.add("mul", a, b), to)
    if zero.dtype not in BYTE:
        raise c.refuse(f"results of {zero.dtype} are not supported", "i8 and u8 are")
    return c.add("quantize", c.add("mul", c.cast(y, "f32"), factor), c.scalar(1.0, "f32"), zero)


@onnx_op("QLinearConv")
def qlinear_conv(c: Context) -> Value:
    x, sx, zx, w, sw, zw, sy, zy = (c.input(i) for i in range(8))
    bias = c.opt(8)
    if bias is not None and bias.dtype != "i32":
        raise c.refuse(f"the bias has dtype {bias.dtype}, i32 is needed")
    y = convolution(c, x, w, c.as_scalar(zx, "a zero point"), zw, bias)
    sx, sy = (c.as_scalar(s, "a scale") for s in (sx, sy))
    return c.channels_first(_requantized(c, y, [sx, sw, sy], c.as_scalar(zy, "a zero point")))


@onnx_op("QLinearMatMul")
def qlinear_matmul(c: Context) -> Value:
    a, sa, za, b, sb, zb, sy, zy = (c.input(i) for i in range(8))
    y = product(c, a, b, za, zb)
    sa = c.unsqueeze(sa, [1]) if sa.rank == 1 and sa.shape[0] != 1 else sa
    return _requantized(c, y, [sa, sb, c.as_scalar(sy, "a scale")], c.as_scalar(zy, "a zero point"))
