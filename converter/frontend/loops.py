"""Loops: Loop and Scan become `loop`, whose body is a subgraph."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import Value
from .context import Context, Result, onnx_op
from .control import capture, differ_by_ones, reshaped
from .lists import TensorList, tensor_list
from .sequences import stacked

if TYPE_CHECKING:
    from .importer import Body


@onnx_op("Loop")
def loop(c: Context) -> Result:
    trip, cond = c.opt(0), c.opt(1)
    carried = [v if isinstance(v := c.any_input(i), TensorList) else c.input(i) for i in range(2, len(c.inputs))]
    trip = None if trip is None else c.as_scalar(trip, "the number of iterations")
    cond = None if cond is None or cond.const is not None and cond.const.all() else c.as_scalar(cond, "the condition")
    runs = cond is None and (trip is None or trip.const is not None and trip.const > 0)
    lists = {k: v for k, v in enumerate(carried) if isinstance(v, TensorList)}
    carried = [v for v in carried if not isinstance(v, TensorList)]
    while True:
        types: list[Any] = [(v.dtype, v.shape) for v in carried]
        for k in lists:
            types.insert(k, tensor_list([], open=k))
        types = [("i64", ()), ("bool", ()), *types]
        body = c.importer.subgraph(c.attr("body"), c, types, drop=1)
        ends = body.graph.outputs[1:] if body.complete else []
        before, carried = carried, [_start(c, body, k, v, ends[k], runs) if k < len(ends) else v
                                    for k, v in enumerate(carried)]
        if carried == before:
            break
    for k, end in enumerate(ends[:len(carried)]):
        if differ_by_ones(carried[k], end):
            body.graph.outputs[1 + k] = reshaped(body.graph, end, carried[k].rank)
    if not _whole(c, body):
        return [None] * len(c.node.output)
    grown = _grown(c, body, lists)
    found = _loop(c, body, trip, cond, carried, [])
    more = dict(zip(grown, found[len(found) - len(grown):], strict=True))
    results = found[:len(found) - len(grown)]
    for k, before in lists.items():
        results.insert(k, _appended(c, before, more[k]) if k in more else before)
    return results


def _grown(c: Context, body: Body, lists: dict[int, TensorList]) -> list[int]:
    """Which of the carried sequences grow; what an iteration appends to them becomes an output of its graph, to be
    stacked."""
    grown = []
    for k, before in lists.items():
        after = body.lists.pop(1 + k, None)
        if after is None or after.open != k or len(after.items) > 1 or before.stacked is not None:
            raise c.refuse(f"carried value {k} is a sequence, and an iteration does more with it than to append a "
                           "tensor", "carry a tensor instead")
        if after.items:
            grown.append(k)
            body.graph.output(after.items[0], c.node.output[k])
    if body.lists:
        raise c.refuse("it stacks sequences of tensors", "let its graph give tensors")
    return grown


def _appended(c: Context, before: TensorList, more: Value) -> Value:
    """The sequence with the slices of `more` at its end."""
    return tensor_list([], c.add("concat", stacked(c, before), more, axis=0) if before.items else more)


def _whole(c: Context, body: Body) -> bool:
    """Whether a body could be imported; NotSupported when it has not as many results as the node."""
    has, needed = len(body.graph.outputs) + len(body.lists), len(c.node.output) + (c.op == "Loop")
    if body.complete and has != needed:
        raise c.refuse(f"its graph has {has} outputs, {needed} are needed", "the model is damaged")
    return body.complete


@onnx_op("Scan")
def scan(c: Context) -> Result:
    """A loop over slices; other axes are made the first by a transposition, backwards is a slice with step -1."""
    if c.opset < 9:
        raise c.refuse("Scan with a batch axis is not supported", "export with opset 9 or newer")
    n, m = len(c.inputs), c.attr("num_scan_inputs")
    if not 1 <= m <= n:
        raise c.refuse(f"num_scan_inputs is {m}, there are {n} inputs", "the model is damaged")
    carried, given = [c.input(i) for i in range(n - m)], [c.input(i) for i in range(n - m, n)]
    scanned = [_from_axis(c, _turned(c, v, back, axis), axis) for v, axis, back in zip(
        given, c.attr("scan_input_axes") or [0] * m, c.attr("scan_input_directions") or [0] * m, strict=True)]
    types = [*((v.dtype, v.shape) for v in carried), *((v.dtype, v.shape[1:]) for v in scanned)]
    body = c.importer.subgraph(c.attr("body"), c, types)
    if not _whole(c, body):
        return [None] * len(c.node.output)
    if body.lists:
        raise c.refuse("its graph gives sequences of tensors", "let it give tensors")
    body.graph.inputs.insert(0, Value("iteration", "i64", ()))
    body.graph.outputs.insert(0, body.graph.const(np.array(True)))
    body.graph.output_names.insert(0, "condition")
    found = _loop(c, body, None, None, carried, scanned)
    k = len(found) - len(carried)
    ends = zip(found[len(carried):], c.attr("scan_output_axes") or [0] * k, c.attr("scan_output_directions") or [0] * k,
               strict=True)
    return found[:len(carried)] + [_turned(c, _to_axis(c, v, axis), back, axis) for v, axis, back in ends]


def _start(c: Context, body: Body, k: int, first: Value, end: Value, runs: bool) -> Value:
    """What carried value k starts from: one of the rank that iterations make, where that changes nothing."""
    if differ_by_ones(first, end) and first.rank < end.rank:
        return reshaped(c.graph, first, end.rank)
    unread = all(body.graph.inputs[1 + k] not in n.inputs for n in body.graph.nodes)
    if first.rank != end.rank and runs and unread and first.dtype == end.dtype:  # the first iteration replaces it
        shape = np.array([d if isinstance(d, int) else 1 for d in end.shape], np.int64)
        return c.add("expand", c.scalar(0, first.dtype), c.graph.const(shape))
    return first


def _from_axis(c: Context, v: Value, axis: int) -> Value:
    axis = c.resolve_axis(axis, v.rank)
    return v if axis == 0 else c.add("transpose", v, perm=(axis, *(i for i in range(v.rank) if i != axis)))


def _to_axis(c: Context, v: Value, axis: int) -> Value:
    axis = c.resolve_axis(axis, v.rank)
    return v if axis == 0 else c.add("transpose", v, perm=(*range(1, axis + 1), 0, *range(axis + 1, v.rank)))


def _turned(c: Context, v: Value, backwards: int, axis: int) -> Value:
    """v, in the opposite order along an axis if need be."""
    if not backwards:
        return v
    ends = (c.ints_const([k]) for k in (-1, -(2**62), c.resolve_axis(axis, v.rank), -1))
    return c.add("slice", v, *ends)


def _loop(c: Context, body: Body, trip: Value | None, cond: Value | None, carried: list[Value],
          scanned: list[Value]) -> list[Value]:
    n = len(body.graph.outputs) - 1
    first = [v for v in (trip, cond) if v is not None]
    found = c.add("loop", *first, *carried, *scanned, *capture([body]), n_outputs=n, bodies=[body.graph],
                  carried=len(carried), scanned=len(scanned), has_trip=int(trip is not None),
                  has_condition=int(cond is not None))
    return [found] if n == 1 else found
