"""Operators that find, sort and count elements, and masks made of positions."""
from __future__ import annotations

from typing import Any

from ...spec.dtypes import DTYPES
from ..ir import Value
from .context import Context, Part, Result, onnx_op
from .tensors import dtype_of


@onnx_op("ArgMax", "ArgMin")
def arg_reduce(c: Context) -> Value:
    x = c.input(0)
    return c.add("arg_reduce", x, kind=c.op[3:].lower(), axis=c.axis(x.rank), keep_dims=int(bool(c.attr("keepdims"))),
                 last=int(bool(c.attr("select_last_index", 0))))


@onnx_op("CumSum", "CumProd")
def cumulative(c: Context) -> Value:
    x, axis = c.input(0), c.input(1)
    attrs: dict[str, Any] = {name: int(bool(c.attr(name))) for name in ("exclusive", "reverse")}
    attrs["kind"] = c.op[3:].lower()
    if axis.const is None:
        return c.add("cumulative", x, c.ints_value(1), **attrs)
    axes = c.resolve_axes(c.const_ints(1), x.rank)
    if len(axes) != 1:
        raise c.refuse(f"{len(axes)} axes are given, one is needed")
    return c.add("cumulative", x, axis=axes[0], **attrs)


@onnx_op("TopK")
def top_k(c: Context) -> Result:
    x = c.input(0)
    k = c.ints_const([c.attr("k")]) if "k" in c.schema.attributes else c.ints_value(1)
    return c.add("top_k", x, k, axis=c.axis(x.rank, -1), smallest=int(not c.attr("largest", 1)), n_outputs=2)


def first(c: Context, x: Value, count: Value, axis: int = 0) -> Value:
    """The first `count` (i64 [1], of the run) slices of x."""
    return c.add("slice", x, c.ints_const([0]), count, c.ints_const([axis]))


def true_indices(c: Context, x: Value) -> Value:
    """Coordinates [rank, n] of the n elements that are not zero."""
    return first(c, *c.add("non_zero", x, n_outputs=2), axis=1)


@onnx_op("NonZero")
def non_zero(c: Context) -> Value:
    """A scalar has one coordinate, as in onnxruntime."""
    x = c.input(0)
    return true_indices(c, x if x.rank else c.unsqueeze(x, [0]))


@onnx_op("Compress")
def compress(c: Context) -> Value:
    x, condition, axis = c.input(0), c.input(1), c.attr("axis")
    if condition.rank != 1 or condition.dtype != "bool":
        raise c.refuse(f"the condition has dtype {condition.dtype} and rank {condition.rank}, a bool vector is needed")
    if axis is None:
        x, axis = c.reshape(x, [-1]) if x.rank != 1 else x, 0
    index = c.add("squeeze", true_indices(c, condition), axes=1)
    return c.add("gather", x, index, axis=c.resolve_axis(axis, x.rank))


@onnx_op("Unique")
def unique(c: Context) -> Result:
    x, axis = c.input(0), c.attr("axis")
    if axis is None:
        x, axis = c.reshape(x, [-1]) if x.rank != 1 else x, 0
    axis = c.resolve_axis(axis, x.rank)
    y, indices, inverse, counts, count = c.add("unique", x, axis=axis, sorted=int(bool(c.attr("sorted"))), n_outputs=5)
    cut = [first(c, y, count, axis), first(c, indices, count), inverse, first(c, counts, count)]
    return [v if name else None for v, name in zip(cut, c.out_names, strict=False)]


# ---- positions ----
def positions(c: Context, of: Value, axis: int) -> Value:
    """0, 1, ... (i64) along an axis of a tensor."""
    size = c.as_scalar(c.shape_vector(of, [Part(axis)]), "a size")
    return c.add("range", c.scalar(0, "i64"), size, c.scalar(1, "i64"))


def diagonals(c: Context, x: Value) -> Value:
    """Column minus row of each element of the matrices x: i64 [M, N]."""
    return c.add("sub", positions(c, x, x.rank - 1), c.unsqueeze(positions(c, x, x.rank - 2), [1]))


@onnx_op("Trilu")
def trilu(c: Context) -> Value:
    x = c.input(0)
    if x.rank < 2:
        raise c.refuse(f"an input of rank {x.rank} is not supported; matrices are needed")
    k = c.scalar(0, "i64") if c.opt(1) is None else c.cast(c.as_scalar(c.input(1), "k"), "i64")
    kept = c.add("greater_equal" if c.attr("upper") else "less_equal", diagonals(c, x), k)
    return c.add("select", kept, x, c.scalar(0, x.dtype))


@onnx_op("EyeLike")
def eye_like(c: Context) -> Value:
    x, to = c.input(0), c.attr("dtype")
    if x.rank != 2:
        raise c.refuse(f"an input of rank {x.rank} is not supported; a matrix is needed")
    on = c.add("equal", diagonals(c, x), c.scalar(c.attr("k"), "i64"))
    return c.cast(on, x.dtype if to is None else dtype_of(to, "the dtype to make"))


def one_hot_mask(c: Context, indices: Value, depth: Value, axis: int) -> Value:
    """Whether the index (i64, negative ones count from the end) is the position along the new axis of size `depth`."""
    counted = c.add("select", c.add("less", indices, c.scalar(0, "i64")), c.add("add", indices, depth), indices)
    by = c.cast(c.add("less", c.scalar(-1, "i64"), depth), "i64")  # 0, which no range goes by, when depth is negative
    steps = c.add("range", c.scalar(0, "i64"), depth, by)
    return c.add("equal", c.unsqueeze(counted, [axis]), c.unsqueeze(steps, list(range(1, indices.rank + 1 - axis))))


@onnx_op("OneHot")
def one_hot(c: Context) -> Value:
    indices, values = c.input(0), c.input(2)
    if indices.dtype == "u64":  # the largest ones are not negative ones
        indices = c.add("min", indices, c.scalar(2**63 - 1, "u64"))
    indices = c.cast(indices, "i64")
    depth = c.cast(c.as_scalar(c.input(1), "the depth"), "i64")
    axis = c.resolve_axis(c.attr("axis"), indices.rank + 1)
    if values.shape not in ((2,), (None,)) and not isinstance(values.shape[0] if values.rank == 1 else 0, str):
        raise c.refuse(f"the values have shape {list(values.shape)}, two are needed")
    off, on = (c.add("gather", values, c.scalar(i, "i64"), axis=0) for i in (0, 1))
    return c.add("select", one_hot_mask(c, indices, depth, axis), on, off)


@onnx_op("Hardmax")
def hardmax(c: Context) -> Value:
    """1 at the first of the largest elements. Before opset 13 over all axes from `axis` on."""
    x = c.input(0)
    axis = c.axis(x.rank, -1)
    y = c.add("flatten", x, axis=axis) if c.opset < 13 and axis < x.rank - 1 else x
    along = 1 if y is not x else axis
    index = c.add("arg_reduce", y, kind="max", axis=along, keep_dims=0)
    depth = c.as_scalar(c.shape_vector(y, [Part(along)]), "a size")
    hot = c.cast(one_hot_mask(c, index, depth, along), x.dtype)
    return hot if y is x else c.reshape(hot, [Part(i) for i in range(x.rank)], of=x)


@onnx_op("ReverseSequence")
def reverse_sequence(c: Context) -> Value:
    """x[b, t] becomes x[b, length[b] - 1 - t] where t < length[b]."""
    x, lengths = c.input(0), c.cast(c.input(1), "i64")
    time, batch = (c.resolve_axis(c.attr(f"{name}_axis"), x.rank) for name in ("time", "batch"))
    if {time, batch} != {0, 1} or lengths.rank != 1:
        raise c.refuse(f"time_axis {time}, batch_axis {batch} and lengths of rank {lengths.rank} are not supported; "
                       "the axes must be 0 and 1 and the lengths a vector")
    swap = (1, 0, *range(2, x.rank))
    rows = c.add("transpose", x, perm=swap) if batch else x
    length, t = c.unsqueeze(lengths, [1]), positions(c, x, time)
    back = c.add("sub", c.add("sub", length, c.scalar(1, "i64")), t)
    index = c.add("select", c.add("less", t, length), back, t)
    y = c.add("gather_nd", rows, c.unsqueeze(index, [2]), batch_dims=1)
    return c.add("transpose", y, perm=swap) if batch else y


# ---- others ----
@onnx_op("BitCast")
def bit_cast(c: Context) -> Value:
    x, to = c.input(0), dtype_of(c.attr("to"), "the dtype to cast to")
    if to == "bool":  # every byte but 0 is true
        return c.cast(c.add("bit_cast", x, to=DTYPES["u8"].code) if x.dtype != "bool" else x, to)
    return c.add("bit_cast", x, to=DTYPES[to].code)


@onnx_op("Det")
def det(c: Context) -> Value:
    x = c.input(0)
    return c.cast(c.add("det", c.cast(x, "f32") if x.dtype == "f16" else x), x.dtype)
