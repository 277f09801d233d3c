"""Operators that take parts of a tensor or add to it."""
from __future__ import annotations

import numpy as np

from ..ir import Value
from .context import Context, onnx_op


@onnx_op("Slice")
def slice_(c: Context) -> Value:
    x = c.input(0)
    if c.opset < 10:
        starts, ends, axes = c.attr("starts"), c.attr("ends"), c.attr("axes")
        if len(starts) != len(ends) or axes is not None and len(axes) != len(starts):
            raise c.refuse(f"starts {starts}, ends {ends} and axes {axes} have different lengths")
        axes = list(range(len(starts))) if axes is None else axes
        bounds, steps = [c.ints_const(starts), c.ints_const(ends)], None
    else:
        bounds = [c.ints_value(1), c.ints_value(2)]
        steps = c.ints_value(4) if c.opt(4) is not None else None
        if c.opt(3) is not None and c.opt(3).const is None:
            return c.add("slice", x, *bounds, c.ints_value(3), steps)
        axes = c.const_ints(3)
    if axes is None and steps is not None:
        n = bounds[0].shape[0]
        axes = list(range(n)) if isinstance(n, int) and n <= x.rank else None
    at = None if axes is None else c.ints_const(c.resolve_axes(axes, x.rank))
    return c.add("slice", x, *bounds, *(v for v in (at, steps) if v is not None))


@onnx_op("Gather")
def gather(c: Context) -> Value:
    x, indices = c.input(0), c.input(1)
    if indices.dtype not in ("i32", "i64"):
        raise c.refuse(f"indices of dtype {indices.dtype} are not supported", "use i32 or i64")
    return c.add("gather", x, indices, axis=c.axis(x.rank))


@onnx_op("Split")
def split(c: Context) -> list[Value | None]:
    x, n = c.input(0), len(c.node.output)
    axis, size = c.axis(x.rank), None
    if "split" not in c.schema.attributes and c.opt(1) is not None:
        sizes = c.ints_value(1)
    elif c.attr("split") is not None:
        sizes = c.ints_const(c.attr("split"))
    else:
        size = x.shape[axis]
        part = -(-size // n) if isinstance(size, int) else 0  # the last part may be smaller
        sizes = c.ints_const([min(part, max(size - i * part, 0)) for i in range(n)]) if part else None
    count = c.attr("num_outputs", n)
    if count != n or sizes is not None and isinstance(sizes.shape[0], int) and sizes.shape[0] != n:
        raise c.refuse(f"it has {n} outputs, num_outputs is {count} and there are "
                       f"{'no' if sizes is None else sizes.shape[0]} sizes; they must agree")
    if size is not None and isinstance(size, int) and c.opset < 18 and size % n:
        raise c.refuse(f"size {size} of axis {axis} cannot be split into {n} equal parts")
    outputs = c.add("split", x, sizes, axis=axis, n_outputs=n)
    return outputs if n > 1 else [outputs]


@onnx_op("Pad")
def pad(c: Context) -> Value:
    x, mode = c.input(0), c.attr("mode")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise c.refuse(f"mode '{mode}' is not one of constant, reflect, edge, wrap")
    if c.opset < 11:
        pads, axes = c.ints_const(c.attr("paddings" if c.opset < 2 else "pads")), None
        value = c.scalar(c.attr("value"), x.dtype)
    else:
        (pads, axes), value = _pads(c, x.rank), c.opt(2)
        if value is not None:
            value = c.as_scalar(value, "the value")
    n = pads.shape[0]
    if axes is None and isinstance(n, int) and n != 2 * x.rank:
        raise c.refuse(f"it has {n} pads, an input of rank {x.rank} needs {2 * x.rank}")
    return c.add("pad", x, pads, value if mode == "constant" else None, axes, mode=mode)


def _pads(c: Context, rank: int) -> tuple[Value, Value | None]:
    """Pads, and the axes that they are of (None: all); constant ones become pads of all axes."""
    given, axes = c.opt(1), c.opt(3)
    if axes is None or given is None or given.const is None or axes.const is None:
        return c.ints_value(1), None if axes is None else c.ints_value(3)
    given, axes = c.const_ints(1), c.resolve_axes(c.const_ints(3), rank)
    if len(given) != 2 * len(axes):
        raise c.refuse(f"it has {len(given)} pads for {len(axes)} axes, {2 * len(axes)} are needed")
    pads = np.zeros(2 * rank, np.int64)
    for k, axis in enumerate(axes):
        pads[axis], pads[rank + axis] = given[k], given[len(axes) + k]
    return c.graph.const(pads), None
