"""Operators that change a tensor's shape but not its values, and those that read shapes."""
from __future__ import annotations

import math

from ..ir import Value
from .context import Context, Part, onnx_op
from .tensors import sizes


@onnx_op("Reshape")
def reshape(c: Context) -> Value:
    attrs = {"allow_zero": 1} if c.attr("allowzero", 0) else {}
    return c.add("reshape", c.input(0), c.ints_value(1), **attrs)


@onnx_op("Flatten")
def flatten(c: Context) -> Value:
    x = c.input(0)
    return c.add("flatten", x, axis=c.axis(x.rank, 1, end=True))


@onnx_op("Transpose")
def transpose(c: Context) -> Value:
    x = c.input(0)
    perm = c.attr("perm")
    perm = list(range(x.rank))[::-1] if perm is None else perm
    if sorted(perm) != list(range(x.rank)):
        raise c.refuse(f"perm {perm} is not a permutation of {x.rank} axes")
    return c.add("transpose", x, perm=tuple(perm))


def _axes(c: Context) -> list[int] | None:
    """Axes from the attribute (before opset 13) or from input 1."""
    return c.attr("axes") if "axes" in c.schema.attributes else c.const_ints(1)


@onnx_op("Squeeze")
def squeeze(c: Context) -> Value:
    x, axes = c.input(0), _axes(c)
    if axes is None:
        if not all(isinstance(d, int) for d in x.shape):
            raise c.refuse(f"which axes to drop is not known from the shape {sizes(x.shape)}", "export it with axes")
        axes = [i for i, d in enumerate(x.shape) if d == 1]
    mask = sum(1 << a for a in c.resolve_axes(axes, x.rank))
    return c.add("squeeze", x, axes=mask) if mask else c.add("identity", x)


@onnx_op("Unsqueeze")
def unsqueeze(c: Context) -> Value:
    x, axes = c.input(0), _axes(c)
    if axes is None:
        raise c.refuse("axes are missing")
    mask = sum(1 << a for a in c.resolve_axes(axes, x.rank + len(axes)))
    return c.add("unsqueeze", x, axes=mask) if mask else c.add("identity", x)


@onnx_op("Concat")
def concat(c: Context) -> Value:
    xs = [c.input(i) for i in range(len(c.inputs))]
    return c.add("concat", *xs, axis=c.axis(xs[0].rank))


@onnx_op("Expand")
def expand(c: Context) -> Value:
    return c.add("expand", c.input(0), c.ints_value(1))


@onnx_op("Tile")
def tile(c: Context) -> Value:
    """Each repeated axis gets an axis before it, along which it is broadcast; both are joined again."""
    x, repeats = c.input(0), c.const_ints(1)
    if repeats is None or len(repeats) != x.rank or min(repeats, default=0) < 0:
        raise c.refuse(f"repeats {repeats} do not fit an input of rank {x.rank}")
    y, parts = x, [Part(i, r) for i, r in enumerate(repeats)]
    axes = [i for i, r in enumerate(repeats) if r != 1]
    if not axes:
        return c.add("identity", x)
    y = c.unsqueeze(x, [a + k for k, a in enumerate(axes)])
    shape = [r for i, r in enumerate(repeats) for r in ([r, 1] if i in axes else [1])]
    return c.reshape(c.add("expand", y, c.ints_const(shape)), parts, of=x)


@onnx_op("Shape")
def shape(c: Context) -> Value:
    x = c.input(0)
    start, end = (_clamp(c.attr(name, default), x.rank) for name, default in (("start", 0), ("end", x.rank)))
    return c.add("shape", x, start=start, end=max(start, end))


def _clamp(axis: int, rank: int) -> int:
    return min(max(axis + rank if axis < 0 else axis, 0), rank)


@onnx_op("Size")
def size(c: Context) -> Value:
    x = c.input(0)
    if all(isinstance(d, int) for d in x.shape):
        return c.scalar(math.prod(x.shape), "i64")
    return c.add("reduce", c.add("shape", x), kind="prod", axes=1, keep_dims=0)
