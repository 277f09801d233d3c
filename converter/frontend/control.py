"""Constants, branches and operators that do nothing at inference. Loops are in loops.py."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..ir import Graph, Value
from .context import Context, Part, Result, onnx_op
from .lists import TensorList
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
    x = c.any_input(0)
    if isinstance(x, TensorList):
        return x
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
    if any(b.lists for b in bodies):
        raise c.refuse("its branches give sequences of tensors", "let them give tensors")
    if any(len(b.graph.outputs) != n for b in bodies):
        raise c.refuse(f"its branches have {len(bodies[0].graph.outputs)} and {len(bodies[1].graph.outputs)} outputs, "
                       f"{n} are needed", "the model is damaged")
    for k, ends in enumerate(zip(*(b.graph.outputs for b in bodies), strict=True)):
        if differ_by_ones(*ends):
            for b, v in zip(bodies, ends, strict=True):
                b.graph.outputs[k] = reshaped(b.graph, v, max(end.rank for end in ends))
    captured = capture(bodies)
    found = c.add("if", cond, *captured, n_outputs=n, bodies=[b.graph for b in bodies])
    return [found] if n == 1 else found


def differ_by_ones(a: Value, b: Value) -> bool:
    """Are they one element, but of two ranks? Exporters take [] and [1] for the same; the larger rank is taken then."""
    return a.rank != b.rank and all(d == 1 for d in (*a.shape, *b.shape))


def reshaped(graph: Graph, v: Value, rank: int) -> Value:
    """A value of one element whose ranks may differ, at this rank."""
    return v if v.rank == rank else graph.add("reshape", v, graph.const(np.ones(rank, np.int64)))


def capture(bodies: Sequence[Body]) -> list[Value]:
    """Gives all subgraphs the same inputs for what any of them reads of the graph around them; the outer values."""
    outer = list(dict.fromkeys(v for b in bodies for v in b.captured))
    for b in bodies:
        b.graph.inputs += [b.captured.get(v) or Value(v.name, v.dtype, v.shape) for v in outer]
    return outer
