"""Elementwise nodes whose last dim is short and lies apart in memory, as in the heads of detectors."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, checker, helper

import lite_runtime

ONNX = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "float16": TensorProto.FLOAT16}


def model(dtype, dims, parts, operand):
    """y = (part 0 of x, part by part along the last axis) + c * part 0, part 1 joined to it."""
    kind = ONNX[dtype]
    nodes = [helper.make_node("Split", ["x", "sizes"], [f"p{i}" for i in range(len(parts))], axis=-1),
             helper.make_node("Mul", ["p0", "c"], ["m"]), helper.make_node("Add", ["m", "p0"], ["s"]),
             helper.make_node("Sub", ["s", "c"], ["t"]), helper.make_node("Concat", ["t", "p1"], ["y"], axis=-1)]
    values = [helper.make_tensor("sizes", TensorProto.INT64, [len(parts)], parts),
              helper.make_tensor("c", kind, operand.shape, operand.ravel())]
    rank = [None] * len(dims)
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, dims)],
                              [helper.make_tensor_value_info("y", kind, rank),
                               helper.make_tensor_value_info("s", kind, rank)], values)
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(m)
    return m


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", list(ONNX))
@pytest.mark.parametrize("length", [2, 3, 16, 17])
@pytest.mark.parametrize("operand", [(), (0,), (1, 0), (7, 1), (7, 0), (3, 1, 1, 0)], ids=str)
def test_short_rows(dtype, length, operand, threads):
    """operand: dims of the constant, 0 where it has the rows' length."""
    r = np.random.default_rng(length)
    dims = [3, 90, 7, length + 2 + 5]
    c = np.asarray(r.integers(-5, 6, [d or length for d in operand])).astype(dtype)
    x = r.integers(-5, 6, dims).astype(dtype)
    m = model(dtype, dims, [length, 2, 5], c)
    want = ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    with lite_runtime.Session(lite_runtime.convert(m, verify=False), threads=threads) as session:
        got = session.run({"x": x})
    for name, y in zip(("y", "s"), want, strict=True):
        np.testing.assert_array_equal(got[name], y)
