"""Random quantised graphs against onnxruntime without optimisations: convolutions and products run on integers, and no
result is more than 1 off, in at most 0.1 % of the elements."""
from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lite_runtime import Session
from lite_runtime.converter.api import convert_model

GRAPHS = 60


class Random:
    """One operator between DequantizeLinear and QuantizeLinear; the result is its integers."""

    def __init__(self, seed: int) -> None:
        self.r = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, a: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(a, name))
        return name

    def node(self, op: str, *inputs: str, **attrs: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [f"v{len(self.nodes)}"], **attrs))
        return self.nodes[-1].output[0]

    def integers(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return self.r.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)

    def dequantized(self, name: str, scale: object, zero: np.ndarray, **attrs: object) -> str:
        return self.node("DequantizeLinear", name, self.constant(np.asarray(scale, np.float32)), self.constant(zero),
                         **attrs)

    def model(self) -> tuple[onnx.ModelProto, np.ndarray]:
        r, dtype = self.r, (np.uint8, np.int8)[self.r.integers(2)]
        conv, channels, out = r.random() < 0.6, int(r.integers(1, 9)), int(r.integers(1, 20))
        x = self.integers((2, channels, 7, 6) if conv else (5, channels), dtype)
        groups = channels if conv and r.random() < 0.3 else 1
        out *= groups
        w = self.integers((out, channels // groups, 3, 3) if conv else (channels, out), np.int8)
        axis, per_channel = (0 if conv else 1), r.random() < 0.6
        sx, sw = np.float32(0.03), r.uniform(0.01, 0.03, out if per_channel else ()).astype(np.float32)
        a = self.dequantized("x", sx, self.integers((), dtype))
        b = self.dequantized(self.constant(w), sw, np.zeros(sw.shape, np.int8), axis=axis)
        bias = r.integers(-2000, 2000, out).astype(np.int32)
        c = self.dequantized(self.constant(bias), np.broadcast_to(sx * sw, out), np.zeros(out, np.int32), axis=0)
        if conv:
            y = self.node("Conv", a, b, c, group=groups, pads=[int(p) for p in r.integers(0, 2, 4)])
        else:
            y = self.node("Gemm", a, b, c)
        if r.random() < 0.5:
            y = self.node("Relu", y)
        y = self.node("QuantizeLinear", y, self.constant(np.float32(r.uniform(0.02, 0.3))),
                      self.constant(self.integers((), dtype)))
        graph = helper.make_graph(self.nodes, "random", [helper.make_tensor_value_info(
            "x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)], [helper.make_tensor_value_info(
                y, TensorProto.UINT8 if dtype is np.uint8 else TensorProto.INT8, None)], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), x


def test_random_qdq_graphs():
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    off = total = 0
    for seed in range(GRAPHS):
        m, x = Random(seed).model()
        want, = ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(
            None, {"x": x})
        made = convert_model(m, verify=False)
        kernels = [n for n in made.trace.graph.nodes if n.op in ("conv", "matmul")]
        assert len(kernels) == 1 and kernels[0].inputs[0].dtype == str(x.dtype).replace("uint", "u").replace("int", "i")
        with Session(made.data) as s:
            got, = s.run({"x": x}).values()
        d = np.abs(got.astype(np.int32) - want.astype(np.int32))
        assert got.dtype == want.dtype and d.max() <= 1, f"graph {seed}: {d.max()} off"
        off, total = off + int((d > 0).sum()), total + d.size
    assert off <= total // 1000, f"{off} of {total} elements are off"
