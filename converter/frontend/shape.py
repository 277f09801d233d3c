"""Operators that change a tensor's shape but not its values, and those that read shapes."""
from __future__ import annotations

import math

from ..ir import Value
from .context import Context, onnx_op


@onnx_op("Reshape")
def reshape(c: Context) -> Value:
    attrs = {"allow_zero": 1} if c.attr("allowzero", 0) else {}
    shape = c.ints_const(c.attr("shape") or []) if "shape" in c.schema.attributes else c.ints_value(1)
    return c.add("reshape", c.input(0), shape, **attrs)


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


def _axes(c: Context) -> list[int] | Value | None:
    """Axes from the attribute (before opset 13) or from input 1, which may be computed."""
    if "axes" in c.schema.attributes:
        return c.attr("axes")
    given = c.opt(1)
    return c.const_ints(1) if given is None or given.const is not None else c.ints_value(1)


@onnx_op("Squeeze")
def squeeze(c: Context) -> Value:
    """Without axes those of size 1 go. An open size is taken for another one; the runtime refuses inputs where it is 1,
    since then the result would have another rank."""
    x, axes, not_one = c.input(0), _axes(c), 0
    if isinstance(axes, Value):
        return c.add("squeeze", x, axes)
    if axes is None:
        axes = [i for i, d in enumerate(x.shape) if d == 1]
        not_one = sum(1 << i for i, d in enumerate(x.shape) if not isinstance(d, int))
    mask = sum(1 << a for a in c.resolve_axes(axes, x.rank))
    return c.add("squeeze", x, axes=mask, not_one=not_one) if mask or not_one else c.add("identity", x)


@onnx_op("Unsqueeze")
def unsqueeze(c: Context) -> Value:
    x, axes = c.input(0), _axes(c)
    if isinstance(axes, Value):
        return c.add("unsqueeze", x, axes)
    if axes is None:
        raise c.refuse("axes are missing")
    mask = sum(1 << a for a in c.resolve_axes(axes, x.rank + len(axes)))
    return c.add("unsqueeze", x, axes=mask) if mask else c.add("identity", x)


@onnx_op("Concat")
def concat(c: Context) -> Value:
    xs = [c.input(i) for i in range(len(c.inputs))]
    return c.add("concat", *xs, axis=c.axis(xs[0].rank, 1))  # the default is opset 1's; later ones demand it


@onnx_op("Expand")
def expand(c: Context) -> Value:
    return c.add("expand", c.input(0), c.ints_value(1))


@onnx_op("Tile")
def tile(c: Context) -> Value:
    """Before opset 6 one axis is repeated, inputs 1 and 2 are the number and the axis."""
    x = c.input(0)
    if len(c.schema.inputs) < 3:
        return c.add("tile", x, c.ints_value(1))
    (times,), (axis,) = c.const_ints(1), c.resolve_axes(c.const_ints(2), x.rank)
    return c.add("tile", x, c.ints_const([times if i == axis else 1 for i in range(x.rank)]))


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
