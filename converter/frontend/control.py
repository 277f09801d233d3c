"""Constants, branches and operators that do nothing at inference."""
from __future__ import annotations

import numpy as np

from ..ir import Value
from .context import Context, Part, Result, onnx_op
from .tensors import array_of


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
    cond = c.input(0)
    if cond.const is None:
        raise c.refuse("its condition is not constant",
                       "set the input that it depends on with --set, or export the model with one branch")
    if cond.dtype != "bool" or cond.const.size != 1:
        raise c.refuse(f"its condition has dtype {cond.dtype} and shape {list(cond.shape)}, one bool is needed")
    return c.importer.inline_graph(c.attr("then_branch" if cond.const.all() else "else_branch"), c)


@onnx_op("Loop", "Scan")
def loop(c: Context) -> Result:
    raise c.refuse("loops are not supported", "export the model with the loop unrolled")
