"""Gathering and scattering by tensors of indices."""
from __future__ import annotations

from ..ir import Value
from .context import Context, Part, onnx_op
from .indices import positions


def _indices(c: Context, i: int = 1) -> Value:
    v = c.input(i)
    if v.dtype not in ("i32", "i64"):
        raise c.refuse(f"indices of dtype {v.dtype} are not supported", "use i32 or i64")
    return v


@onnx_op("GatherElements")
def gather_elements(c: Context) -> Value:
    x = c.input(0)
    return c.add("gather_elements", x, _indices(c), axis=c.axis(x.rank))


@onnx_op("GatherND")
def gather_nd(c: Context) -> Value:
    return c.add("gather_nd", c.input(0), _indices(c), batch_dims=c.attr("batch_dims", 0))


def _reduction(c: Context) -> str:
    kind = c.attr("reduction", "none")
    if kind not in ("none", "add", "mul", "min", "max"):
        raise c.refuse(f"reduction '{kind}' is not one of none, add, mul, min, max")
    return kind


@onnx_op("Scatter", "ScatterElements")
def scatter_elements(c: Context) -> Value:
    x = c.input(0)
    return c.add("scatter_elements", x, _indices(c), c.input(2), axis=c.axis(x.rank), reduction=_reduction(c))


@onnx_op("ScatterND")
def scatter_nd(c: Context) -> Value:
    return c.add("scatter_nd", c.input(0), _indices(c), c.input(2), reduction=_reduction(c))


@onnx_op("TensorScatter")
def tensor_scatter(c: Context) -> Value:
    """Writes update [B, ..., S, ...] into past [B, ..., L, ...] along an axis, for each batch from its own place on;
    circular:
    places are taken modulo L."""
    past, update = c.input(0), c.input(1)
    axis, mode = c.axis(past.rank, -2), c.attr("mode")
    if axis == 0 or update.rank != past.rank or mode not in ("linear", "circular"):
        raise c.refuse(f"axis {axis}, mode '{mode}' and an update of rank {update.rank} for rank {past.rank} are not "
                       "supported")
    place = c.unsqueeze(positions(c, update, axis), [0])  # [1, S]
    if c.opt(2) is not None:
        place = c.add("add", place, c.unsqueeze(c.cast(c.input(2), "i64"), [1]))
    if mode == "circular":
        place = c.add("mod", place, c.as_scalar(c.shape_vector(past, [Part(axis)]), "a size"))
    batch = c.add("add", c.unsqueeze(positions(c, past, 0), [1]), c.add("mul", place, c.scalar(0, "i64")))
    place = c.add("add", place, c.add("mul", batch, c.scalar(0, "i64")))
    index = c.add("concat", c.unsqueeze(batch, [2]), c.unsqueeze(place, [2]), axis=2)  # [B, S, 2]
    rest = [i for i in range(1, past.rank) if i != axis]
    front, back = (0, axis, *rest), [0] * past.rank
    for i, a in enumerate(front):
        back[a] = i
    moved = (c.add("transpose", v, perm=front) if axis != 1 else v for v in (past, update))
    y = c.add("scatter_nd", next(moved), index, next(moved))
    return c.add("transpose", y, perm=tuple(back)) if axis != 1 else y
