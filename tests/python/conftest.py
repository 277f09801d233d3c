"""Small ONNX models, and lite-opt on them."""
from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lite_runtime.converter.cli.app import run

FLOAT = TensorProto.FLOAT


def make_model(nodes: Sequence[onnx.NodeProto], inputs: dict[str, Any], outputs: dict[str, Any],
               constants: dict[str, np.ndarray] | None = None, opset: int = 17) -> onnx.ModelProto:
    """inputs and outputs: name to shape, or to (elem_type, shape)."""

    def infos(of: dict[str, Any]) -> list[onnx.ValueInfoProto]:
        pairs = {n: t if isinstance(t, tuple) and len(t) == 2 and isinstance(t[1], (list, tuple)) else (FLOAT, t)
                 for n, t in of.items()}
        return [helper.make_tensor_value_info(n, t, s) for n, (t, s) in pairs.items()]

    constants = {n: numpy_helper.from_array(a, n) for n, a in (constants or {}).items()}
    graph = helper.make_graph(list(nodes), "g", infos(inputs), infos(outputs), list(constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="session")
def model_of() -> Callable[..., onnx.ModelProto]:
    return make_model


@pytest.fixture(scope="session")
def add_model() -> onnx.ModelProto:
    """y = a + b, of open size."""
    return make_model([helper.make_node("Add", ["a", "b"], ["y"], name="the_add")],
                      {"a": ["n", 3], "b": ["n", 3]}, {"y": ["n", 3]})


@pytest.fixture(scope="session")
def counter_model() -> onnx.ModelProto:
    """A state: y = s + x, which becomes s; z = -y."""
    nodes = [helper.make_node("Add", ["s", "x"], ["y"], name="sum"),
             helper.make_node("Neg", ["y"], ["z"], name="negate")]
    return make_model(nodes, {"x": [2], "s": [2]}, {"y": [2], "z": [2]})


@pytest.fixture(scope="session")
def cnn_model() -> onnx.ModelProto:
    """A few layers of a small network: two convolutions with batch normalisation, a residual, pooling and a matmul."""
    rng = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)

    def channels(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, 8).astype(np.float32)

    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"], name="bn1"),
        node("Relu", ["n1"], ["r1"], name="relu1"),
        node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv2", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Add", ["c2", "r1"], ["s1"], name="residual"),
        node("Sigmoid", ["s1"], ["g1"], name="gate"),
        node("Mul", ["s1", "g1"], ["m1"], name="swish"),
        node("GlobalAveragePool", ["m1"], ["p1"], name="pool"),
        node("Flatten", ["p1"], ["f1"], name="flatten"),
        node("MatMul", ["f1", "w3"], ["y"], name="classify"),
    ]
    constants = {
        "w1": weights(8, 3, 3, 3), "b1": channels(-1, 1), "w2": weights(8, 8, 3, 3), "b2": channels(-1, 1),
        "w3": weights(8, 5), "scale": channels(0.5, 1.5), "shift": channels(-1, 1), "mean": channels(-1, 1),
        "var": channels(0.5, 1.5),
    }
    return make_model(nodes, {"x": [1, 3, "h", "w"]}, {"y": [1, 5]}, constants)


class Ran:
    """A run of the command line in this process, which is quicker."""

    def __init__(self, capsys: pytest.CaptureFixture[str], args: Sequence[object]) -> None:
        self.code = run([*map(str, args)])
        self.out, self.err = capsys.readouterr()


@pytest.fixture
def lite_opt(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    return lambda *args: Ran(capsys, args)


@pytest.fixture
def fails(lite_opt: Callable[..., Ran]) -> Callable[..., None]:
    """lite-opt run says these words in one line, and nothing else."""

    def check(*args: object, words: str, code: int = 1) -> None:
        r = lite_opt("run", *args)
        assert r.code == code and r.out == "" and words in r.err and r.err.count("\n") == 1, r.err

    return check


@pytest.fixture
def browser() -> Iterator[Callable[..., Any]]:
    """Makes headless browsers (tools/browser.py), whose consoles must stay empty."""
    path = Path(__file__).parents[2] / "tools" / "browser.py"
    spec = importlib.util.spec_from_file_location("browser", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not module.program():
        pytest.skip("missing: Chromium")
    made = []

    def make(*args: Any) -> Any:
        made.append(module.Browser(*args))
        return made[-1]

    yield make
    for b in made:
        b.close()
    for b in made:
        assert b.messages == []
