"""Sequences of tensors: taken apart, put together, and appended to by loops (see control.py)."""
from __future__ import annotations

import numpy as np

from ..ir import Value
from .context import Context, Part, onnx_op
from .lists import TensorList, tensor_list

MAX_ITEMS = 1024


def _list(c: Context) -> TensorList:
    """Input 0, whose tensors are known."""
    v = c.any_input(0)
    if not isinstance(v, TensorList):
        raise c.refuse("its input is a tensor and no sequence", "the model is damaged")
    if v.open >= 0 and c.op != "SequenceInsert":
        raise c.refuse("it looks at a sequence that the loop around it appends to",
                       "append to a tensor (Concat) instead")
    return v


def _made(c: Context, items: list[Value]) -> TensorList:
    if len(items) > MAX_ITEMS:
        raise c.refuse(f"a sequence of {len(items)} tensors is not supported; the most are {MAX_ITEMS}")
    return tensor_list(items)


def _position(c: Context, i: int, n: int, end: bool = False) -> int:
    """Input i, an index into n tensors, the last one when it is absent; with `end` the place behind them is one too."""
    a = c.const(i)
    if a is not None and a.size != 1:
        raise c.refuse(f"the position has shape {list(a.shape)}, it must be a scalar")
    k = n - 1 + end if a is None else int(a.reshape(()))
    if not -n <= k < n + end:
        raise c.refuse(f"position {k} is out of range for a sequence of {n} tensors")
    return k + n if k < 0 else k


def stacked(c: Context, v: TensorList) -> Value:
    """Its tensors along a new axis 0."""
    if v.stacked is not None:
        return v.stacked
    if not v.items:
        raise c.refuse("the sequence is empty, so that its tensors have no size", "give it a tensor first")
    if len({(t.dtype, t.shape) for t in v.items}) > 1 or len(v.items) > 1 and None in v.items[0].shape:
        raise c.refuse("its tensors may differ in dtype or size, which must be the same where the position is computed",
                       "make the position constant, or fix the sizes (--dim NAME=SIZE)")
    return c.add("concat", *(c.unsqueeze(t, [0]) for t in v.items), axis=0)


@onnx_op("SequenceEmpty")
def sequence_empty(c: Context) -> Value:
    return tensor_list([])


@onnx_op("SequenceConstruct")
def sequence_construct(c: Context) -> Value:
    return _made(c, [c.input(i) for i in range(len(c.inputs))])


@onnx_op("SequenceInsert")
def sequence_insert(c: Context) -> Value:
    v, x = _list(c), c.input(1)
    if v.stacked is not None:
        raise c.refuse("it inserts into a sequence whose length is not known", "append to a tensor (Concat) instead")
    if v.open >= 0 and c.opt(2) is not None:
        raise c.refuse("in a loop it can append only, without a position")
    items = list(v.items)
    items.insert(_position(c, 2, len(items), end=True), x)
    return tensor_list(_made(c, items).items, open=v.open)


@onnx_op("SequenceErase")
def sequence_erase(c: Context) -> Value:
    v = _list(c)
    if v.stacked is not None:
        raise c.refuse("it erases from a sequence whose length is not known")
    k = _position(c, 1, len(v.items))
    return tensor_list(v.items[:k] + v.items[k + 1:])


@onnx_op("SequenceLength")
def sequence_length(c: Context) -> Value:
    v = _list(c)
    if v.stacked is None:
        return c.graph.const(np.array(len(v.items), np.int64))
    return c.add("gather", c.add("shape", v.stacked), c.scalar(0, "i64"), axis=0)


@onnx_op("SequenceAt")
def sequence_at(c: Context) -> Value:
    v, k = _list(c), c.input(1)
    if v.stacked is None and k.const is not None:
        x = v.items[_position(c, 1, len(v.items))]
        return c.graph.const(x.const) if x.const is not None else c.add("identity", x)
    return c.add("gather", stacked(c, v), c.as_scalar(k, "the position"), axis=0)


@onnx_op("ConcatFromSequence")
def concat_from_sequence(c: Context) -> Value:
    v, new = _list(c), c.attr_int("new_axis", 0, 0, 1)
    if v.stacked is None:
        if not v.items:
            raise c.refuse("the sequence is empty", "the model is damaged")
        axis = c.resolve_axis(c.attr("axis"), v.items[0].rank + new)
        return c.add("concat", *(c.unsqueeze(t, [axis]) if new else t for t in v.items), axis=axis)
    rank = v.stacked.rank - 1
    axis = c.resolve_axis(c.attr("axis"), rank + new)
    moved = v.stacked if axis == 0 else c.add("transpose", v.stacked, perm=(
        *range(1, axis + 1), 0, *range(axis + 1, rank + 1)))
    return moved if new else c.reshape(moved, [-1 if i == axis else Part(i + (i > axis)) for i in range(rank)])


@onnx_op("SplitToSequence")
def split_to_sequence(c: Context) -> Value:
    x, sizes = c.input(0), c.const(1)
    axis = c.resolve_axis(c.attr("axis"), x.rank)
    if sizes is None:
        first = x if axis == 0 else c.add("transpose", x, perm=(axis, *(i for i in range(x.rank) if i != axis)))
        return tensor_list([], c.unsqueeze(first, [axis + 1]) if c.attr("keepdims") else first)
    n, sizes = x.shape[axis], sizes.astype(np.int64)
    if not isinstance(n, int) or (sizes < (sizes.ndim == 0)).any():
        raise c.refuse(f"it splits an axis of size {'?' if n is None else n} by {sizes.tolist()}",
                       "give the size (--dim) and positive numbers")
    ends = [min(k + int(sizes), n) for k in range(0, n, int(sizes))] if sizes.ndim == 0 else np.cumsum(sizes).tolist()
    if (ends or [0])[-1] != n:
        raise c.refuse(f"it splits an axis of size {n} into parts of {sizes.tolist()}", "the model is damaged")
    return _made(c, [c.add("slice", x, *(c.ints_const([i]) for i in (start, end, axis)))
                     for start, end in zip([0, *ends], ends, strict=False)])
