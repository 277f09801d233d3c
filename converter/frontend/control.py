"""Constants, branches and operators that do nothing at inference."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..ir import Graph, Value
from .context import Context, Part, Result, onnx_op
from .tensors import array_of

if TYPE_CHECKING:
    from .importer import Body


@onnx_op("Constant")
def constant(c: Context) -> Value:
    if len(c.attrs) != 1:
        raise c.refuse(f"it has {len(c.attrs)} values, one is needed", "the model is damaged")
    (kind,) = c.attrs
    where = f"node '{c.name}'"
    if kind == "value":
        return c.graph.const(array_of(c.attr("value"), where))
    if kind in ("value_int", "value_ints"):
        return c.graph.const(np.array(c.attr(kind), np.int64))
    if kind in ("value_float", "value_floats"):
        a = c.attrs[kind]  # read directly: a constant may be NaN
        return c.graph.const(np.array(a.f if kind == "value_float" else list(a.floats), np.float32))
    raise c.refuse(f"a constant of kind {kind} is not supported", "export it as a dense tensor")


@onnx_op("ConstantOfShape")
def constant_of_shape(c: Context) -> Value:
    tensor = c.attr("value")
    value = np.zeros(1, np.float32) if tensor is None else array_of(tensor, f"node '{c.name}'")
    if value.size != 1:
        raise c.refuse(f"its value has {value.size} elements, one is needed")
    return c.add("expand", c.graph.const(value.reshape(())), c.ints_value(0))


@onnx_op("Range")
def range_(c: Context) -> Value:
    scalars = [c.as_scalar(c.input(i), name) for i, name in enumerate(("start", "limit", "delta"))]
    if scalars[0].dtype != "f16":
        return c.add("range", *scalars)
    return c.cast(c.add("range", *(c.cast(v, "f32") for v in scalars)), "f16")


@onnx_op("Identity")
def identity(c: Context) -> Value:
    x = c.input(0)
    # a constant stays one: exporters share weights this way, and importers look at them
    return c.graph.const(x.const) if x.const is not None else c.add("identity", x)


@onnx_op("Dropout")
def dropout(c: Context) -> list[Value | None]:
    x, mode = c.input(0), c.const(2)
    if mode is not None and mode.any():
        raise c.refuse("it is in training mode", "export the model for inference")
    mask = None
    if len(c.out_names) > 1 and c.out_names[1]:
        ones = c.scalar(1, "bool" if c.opset >= 10 else x.dtype)
        mask = c.add("expand", ones, c.shape_vector(x, [Part(i) for i in range(x.rank)])) if x.rank else ones
    return [c.add("identity", x), mask][:len(c.out_names)]


@onnx_op("If")
def if_(c: Context) -> Result:
    """A branch in place of the node where it is known which; else both, as subgraphs."""
    cond = c.input(0)
    if cond.dtype != "bool" or any(isinstance(d, int) and d != 1 for d in cond.shape):
        raise c.refuse(f"its condition has dtype {cond.dtype} and shape {list(cond.shape)}, one bool is needed")
    if cond.const is not None:
        return c.importer.inline_graph(c.attr("then_branch" if cond.const.all() else "else_branch"), c)
    bodies = [c.importer.subgraph(c.attr(f"{name}_branch"), c, []) for name in ("then", "else")]
    n = len(c.node.output)
    if not all(b.complete for b in bodies):
        return [None] * n
    if any(len(b.graph.outputs) != n for b in bodies):
        raise c.refuse(f"its branches have {len(bodies[0].graph.outputs)} and {len(bodies[1].graph.outputs)} outputs, "
                       f"{n} are needed", "the model is damaged")
    for k, ends in enumerate(zip(*(b.graph.outputs for b in bodies), strict=True)):
        if _differ_by_ones(*ends):
            for b, v in zip(bodies, ends, strict=True):
                b.graph.outputs[k] = _reshaped(b.graph, v, max(end.rank for end in ends))
    captured = _capture(bodies)
    found = c.add("if", cond, *captured, n_outputs=n, bodies=[b.graph for b in bodies])
    return [found] if n == 1 else found


def _differ_by_ones(a: Value, b: Value) -> bool:
    """Are they one element, but of two ranks? Exporters take [] and [1] for the same; the larger rank is taken then."""
    return a.rank != b.rank and all(d == 1 for d in (*a.shape, *b.shape))


def _reshaped(graph: Graph, v: Value, rank: int) -> Value:
    """A value of one element whose ranks may differ, at this rank."""
    return v if v.rank == rank else graph.add("reshape", v, graph.const(np.ones(rank, np.int64)))


def _capture(bodies: Sequence[Body]) -> list[Value]:
    """Gives all subgraphs the same inputs for what any of them reads of the graph around them; the outer values."""
    outer = list(dict.fromkeys(v for b in bodies for v in b.captured))
    for b in bodies:
        b.graph.inputs += [b.captured.get(v) or Value(v.name, v.dtype, v.shape) for v in outer]
    return outer


@onnx_op("Loop")
def loop(c: Context) -> Result:
    trip, cond, carried = c.opt(0), c.opt(1), [c.input(i) for i in range(2, len(c.inputs))]
    trip = None if trip is None else c.as_scalar(trip, "the number of iterations")
    cond = None if cond is None or cond.const is not None and cond.const.all() else c.as_scalar(cond, "the condition")
    runs = cond is None and (trip is None or trip.const is not None and trip.const > 0)
    while True:
        types = [("i64", ()), ("bool", ()), *((v.dtype, v.shape) for v in carried)]
        body = c.importer.subgraph(c.attr("body"), c, types, drop=1)
        ends = body.graph.outputs[1:] if body.complete else []
        before, carried = carried, [_start(c, body, k, v, ends[k], runs) if k < len(ends) else v
                                    for k, v in enumerate(carried)]
        if carried == before:
            break
    for k, end in enumerate(ends[:len(carried)]):
        if _differ_by_ones(carried[k], end):
            body.graph.outputs[1 + k] = _reshaped(body.graph, end, carried[k].rank)
    return _loop(c, body, trip, cond, carried, [])


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
    body.graph.inputs.insert(0, Value("iteration", "i64", ()))
    if body.complete:
        body.graph.outputs.insert(0, body.graph.const(np.array(True)))
        body.graph.output_names.insert(0, "condition")
    found = _loop(c, body, None, None, carried, scanned)
    k = len(found) - len(carried)
    ends = zip(found[len(carried):], c.attr("scan_output_axes") or [0] * k, c.attr("scan_output_directions") or [0] * k,
               strict=True)
    return found[:len(carried)] + [None if v is None else _turned(c, _to_axis(c, v, axis), back, axis)
                                   for v, axis, back in ends]


def _start(c: Context, body: Body, k: int, first: Value, end: Value, runs: bool) -> Value:
    """What carried value k starts from: one of the rank that iterations make, where that changes nothing."""
    if _differ_by_ones(first, end) and first.rank < end.rank:
        return _reshaped(c.graph, first, end.rank)
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
          scanned: list[Value]) -> list[Value | None]:
    n = len(c.node.output)
    if not body.complete:
        return [None] * n
    if len(body.graph.outputs) != n + 1:
        raise c.refuse(f"its graph has {len(body.graph.outputs)} outputs, {n + 1} are needed", "the model is damaged")
    first = [v for v in (trip, cond) if v is not None]
    found = c.add("loop", *first, *carried, *scanned, *_capture([body]), n_outputs=n, bodies=[body.graph],
                  carried=len(carried), scanned=len(scanned), has_trip=int(trip is not None),
                  has_condition=int(cond is not None))
    return [found] if n == 1 else found
