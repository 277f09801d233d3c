"""What rows cannot say of onnxruntime's operators: sentences, caches that are not full, what onnxruntime's shape
inference refuses or takes the process down with, models of its own tools."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import microsoft_refused
import numpy as np
import onnx
import pytest
from cases import microsoft, microsoft_attention, microsoft_quant
from onnx import TensorProto, helper
from op_frame import Const, Row, compare, model, rand, reference

import lite_runtime
from lite_runtime.converter.cli.check import problems
from lite_runtime.converter.errors import UnsupportedError
from lite_runtime.converter.frontend.foreign import FOREIGN, MICROSOFT


def empty(r: Row) -> list[np.ndarray]:
    """Stand-ins for outputs, since no reference takes the node."""
    return [np.zeros((1,), np.float32)] * r.outputs


@pytest.mark.parametrize(("r", "why"), microsoft_refused.ROWS, ids=lambda v: v.title() if isinstance(v, Row) else "")
def test_refusals(r: Row, why: str) -> None:
    """One sentence, the same from check and convert."""
    m = model(r, False, empty(r))
    (found,) = problems(m)
    assert found.op == f"{MICROSOFT}.{r.op}" and why in found.why, found.why
    with pytest.raises(UnsupportedError) as e:
        lite_runtime.convert(m, verify=False)
    line = f"  {found.op} 'node': {found.why}" + (f"; {found.fix}" if found.fix else "")
    assert str(e.value).splitlines()[1:] == [line]


def test_every_operator_has_a_row() -> None:
    from op_frame import rows
    made = {r.op for r in rows()}
    assert not {op for _, op in FOREIGN} - made


@pytest.mark.parametrize("op", ["", "ai.onnx"])
def test_an_operator_of_onnx_goes_first(op: str) -> None:
    """LayerNormalization is ONNX's own from opset 17 on, SimplifiedLayerNormalization never."""
    for name, opset in (("LayerNormalization", 17), ("LayerNormalization", 12), ("SimplifiedLayerNormalization", 17)):
        r = microsoft.any_row(name, rand(3, 8), Const(rand(8)), opset=opset)
        m = model(r, False, [np.zeros((3, 8), np.float32)])
        m.graph.node[0].domain = op
        with lite_runtime.Session(lite_runtime.convert(m, verify=False)) as session:
            compare(session.run(r.feeds())["y0"], reference(r)[0], None)


# ---- quantised tensors ----
def quantised(op: str, zeros: bool, **attrs: Any) -> dict[str, np.ndarray]:
    """The results of an operator whose zero points are 0, given or absent; the last one was given to onnxruntime."""
    q, rng = np.uint8, np.random.default_rng(5)
    zero = Const(np.array(0, q)) if zeros else None
    tensors = [rng.integers(0, 256, (40, 7)).astype(q) for _ in range(2 if op in ("QLinearAdd", "QLinearMul") else 1)]
    inputs = [v for x in tensors for v in (x, microsoft_quant.SA, zero)] + [microsoft_quant.SC, zero]
    r = Row(op, tuple(inputs), attrs, domain=MICROSOFT)
    want = [np.zeros((1, 1), q)]
    with lite_runtime.Session(lite_runtime.convert(model(r, False, want), verify=False)) as session:
        return session.run(r.feeds()) if not zeros else {"y0": reference(r)[0]}


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu"])
def test_absent_zero_points_are_zero(op: str) -> None:
    """onnxruntime refuses some nodes without a zero point, and ends the process for others."""
    compare(quantised(op, False)["y0"], quantised(op, True)["y0"], None, 1e-3)


# ---- caches ----
@pytest.mark.parametrize(("past", "lengths"), [(5, [6, 4]), (9, [4, 4]), (9, [2, 10]), (7, [1, 1])])
def test_caches_that_are_not_full(past: int, lengths: list[int]) -> None:
    """What is behind the tokens of a cache is undefined; onnxruntime needs its outputs to be there."""
    r = microsoft_attention.cached(s=1, past=past, lengths=lengths, turn=True)
    want = reference(r)
    for symbolic in (False, True):
        with lite_runtime.Session(lite_runtime.convert(model(r, symbolic, want), verify=False)) as session:
            got = session.run(r.feeds())
        compare(got["y0"], want[0], 2e-5)
        for k in (1, 2):
            assert got[f"y{k}"].shape == want[k].shape
            for b, n in enumerate(lengths):
                compare(got[f"y{k}"][b, :, :n], want[k][b, :, :n], 2e-5)


# ---- models of onnxruntime's tools ----
def network(folder: Path) -> Path:
    """A network of which onnxruntime's quantiser has an operator of its own for nearly every node."""
    rng = np.random.default_rng(11)

    def weight(name: str, *shape: int) -> TensorProto:
        return onnx.numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)
    node = helper.make_node
    nodes = [node("Conv", ["x", "w1", "b1"], ["a"], name="conv1", pads=[1, 1, 1, 1]),
             node("Sigmoid", ["a"], ["s"], name="sigmoid"), node("Mul", ["a", "s"], ["m"], name="mul"),
             node("Conv", ["m", "w2"], ["c"], name="conv2"), node("LeakyRelu", ["c"], ["l"], name="leaky", alpha=0.1),
             node("Add", ["l", "m"], ["d"], name="add"), node("Concat", ["d", "m"], ["e"], name="concat", axis=1),
             node("AveragePool", ["e"], ["f"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
             node("GlobalAveragePool", ["f"], ["g"], name="global"), node("Flatten", ["g"], ["h"], name="flatten"),
             node("Gemm", ["h", "w3", "b3"], ["i"], name="gemm"), node("Softmax", ["i"], ["y"], name="softmax")]
    tensors = [weight("w1", 8, 3, 3, 3), weight("b1", 8), weight("w2", 8, 8, 1, 1), weight("w3", 16, 10),
               weight("b3", 10)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, [1, 3, 12, 12])],
                              [helper.make_tensor_value_info("y", 1, [1, 10])], tensors)
    path = folder / "network.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def lstm(folder: Path) -> Path:
    rng = np.random.default_rng(12)
    tensors = [onnx.numpy_helper.from_array(rng.normal(0, 0.3, s).astype(np.float32), n)
               for n, s in (("w", (2, 64, 10)), ("r", (2, 64, 16)), ("b", (2, 128)), ("m", (16, 5)))]
    nodes = [helper.make_node("LSTM", ["x", "w", "r", "b"], ["a"], name="lstm", hidden_size=16,
                              direction="bidirectional"),
             helper.make_node("MatMul", ["a", "m"], ["y"], name="matmul")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["steps", 1, 10])],
                              [helper.make_tensor_value_info("y", 1, ["steps", 2, 1, 5])], tensors)
    path = folder / "lstm.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def transformer(folder: Path) -> Path:
    """Two matmuls with a bias, a gelu and layer normalisations, which onnxruntime fuses."""
    rng = np.random.default_rng(13)
    tensors = [onnx.numpy_helper.from_array(rng.normal(0, 0.3, s).astype(np.float32), n) for n, s in (
        ("w1", (16, 32)), ("b1", (32,)), ("w2", (32, 16)), ("b2", (16,)), ("s1", (16,)), ("t1", (16,)))]
    tensors += [onnx.numpy_helper.from_array(np.float32(v), n) for n, v in
                (("root", 2**0.5), ("one", 1), ("half", 0.5))]
    node = helper.make_node
    nodes = [node("MatMul", ["x", "w1"], ["a"]), node("Add", ["a", "b1"], ["b"]), node("Div", ["b", "root"], ["c"]),
             node("Erf", ["c"], ["d"]), node("Add", ["d", "one"], ["e"]), node("Mul", ["b", "e"], ["f"]),
             node("Mul", ["f", "half"], ["g"]), node("MatMul", ["g", "w2"], ["h"]), node("Add", ["h", "b2"], ["i"]),
             node("Add", ["i", "x"], ["j"]), node("LayerNormalization", ["j", "s1", "t1"], ["k"], axis=-1),
             node("Transpose", ["k"], ["l"], perm=[0, 2, 1]), node("MatMul", ["k", "l"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["b", "s", 16])],
                              [helper.make_tensor_value_info("y", 1, ["b", "s", "s"])], tensors)
    path = folder / "transformer.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def operators(path: Path) -> set[str]:
    return {n.op_type for n in onnx.load(str(path)).graph.node if n.domain == MICROSOFT}


def statically(source: Path, to: Path, **options: Any) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            rng = np.random.default_rng(1)
            self.feeds = iter([{"x": rng.normal(size=(1, 3, 12, 12)).astype(np.float32)} for _ in range(4)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.feeds, None)
    quantize_static(str(source), str(to), Reader(), quant_format=QuantFormat.QOperator, **options)


def fused(source: Path, to: Path) -> None:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(to)
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def dynamically(source: Path, to: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic
    quantize_dynamic(str(source), str(to))


@pytest.mark.parametrize(("make", "tool", "expected"), [
    (network, statically, {"QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearConcat", "QLinearLeakyRelu",
                           "QLinearGlobalAveragePool", "QLinearAveragePool", "QGemm", "QLinearSoftmax"}),
    (network, lambda a, b: statically(a, b, per_channel=True), {"QLinearAdd", "QGemm"}),
    (network, fused, {"FusedConv"}),
    (lstm, dynamically, {"DynamicQuantizeLSTM"}),
    (transformer, fused, {"BiasGelu", "FusedMatMul", "SkipLayerNormalization"}),
], ids=["static", "per channel", "fused", "lstm", "transformer"])
def test_models_of_its_tools(make: Callable[[Path], Path], tool: Callable[[Path, Path], None], expected: set[str],
                             tmp_path: Path) -> None:
    """Each is converted with proof."""
    source, to = make(tmp_path), tmp_path / "to.onnx"
    tool(source, to)
    assert expected <= operators(to)
    data = lite_runtime.convert(to)
    with lite_runtime.Session(data) as session:
        assert session.outputs[0].name == "y"
