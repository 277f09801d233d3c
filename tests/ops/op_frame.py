"""Rows of the operator tests, and what computes them: a model of one ONNX node (or a chain that becomes one operator),
a reference that is not ours."""
from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RTOL = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3}


@dataclass(frozen=True)
class Const:
    """An input that is a constant of the model."""

    array: np.ndarray


@dataclass(frozen=True)
class Row:
    """One case: an ONNX node, or `nodes` called `op`.

    inputs: arrays, Const, or None (absent). dynamic: also run with all dims symbolic, or with these axes of inputs.
    """

    op: str
    inputs: tuple[np.ndarray | Const | None, ...]
    attrs: dict[str, Any]
    outputs: int = 1
    opset: int = 17
    dynamic: bool | dict[int, tuple[int, ...]] = True
    rtol: float | None = None
    domain: str = ""
    off: float = 0  # share of integers that may be one step off
    evaluator: bool = False  # take ONNX's own evaluator as the reference, where onnxruntime is not right
    nodes: Callable[[list[str]], list[onnx.NodeProto]] | None = None  # of the inputs' names; they make y0

    def title(self) -> str:
        def short(x: np.ndarray | Const | None) -> str:
            if x is None:
                return "none"
            a = x.array if isinstance(x, Const) else x
            return ("c" if isinstance(x, Const) else "") + f"{a.dtype}[{','.join(map(str, a.shape))}]"

        attrs = [f"{k}={v}" for k, v in self.attrs.items() if not isinstance(v, (np.ndarray, onnx.TensorProto))]
        return "-".join([self.op, *map(short, self.inputs), *attrs, f"v{self.opset}"]).replace(" ", "")

    def feeds(self) -> dict[str, np.ndarray]:
        return {f"x{i}": x for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray)}


def first(r: Row) -> np.ndarray:
    """The first tensor that is no scalar: of quantised operators, not a scale."""
    arrays = [x.array if isinstance(x, Const) else x for x in r.inputs if x is not None]
    return next((a for a in arrays if a.ndim), arrays[0])


def as_floats(r: Row, dtype: np.dtype) -> Row:
    """The row with another dtype for its floats."""
    def cast(x: np.ndarray | Const | None) -> np.ndarray | Const | None:
        a = x.array if isinstance(x, Const) else x
        if a is None or a.dtype.kind != "f":
            return x
        with np.errstate(over="ignore"):
            y = a.astype(dtype)
        return Const(y) if isinstance(x, Const) else y

    return replace(r, inputs=tuple(cast(x) for x in r.inputs))


def row(op: str, *inputs: Any, outputs: int = 1, opset: int = 17,
        dynamic: bool | dict[int, tuple[int, ...]] = True, rtol: float | None = None,
        domain: str = "", off: float = 0, evaluator: bool = False, **attrs: Any) -> Row:
    """A Row; lists and numbers among the inputs become int64 constants."""
    made = tuple(Const(np.array(x, np.int64)) if isinstance(x, (list, int)) else x for x in inputs)
    return Row(op, made, attrs, outputs, opset, dynamic, rtol, domain, off, evaluator)


_RNG = np.random.default_rng(2024)


def rand(*shape: int, dtype: str = "float32", low: float = -3, high: float = 3) -> np.ndarray:
    """Seeded values of any dtype, spread over low to high."""
    d = np.dtype(dtype)
    if d.kind == "b":
        return _RNG.integers(0, 2, shape).astype(bool)
    if d.kind in "iu":
        return _RNG.integers(max(int(low), 0) if d.kind == "u" else int(low), int(high) + 1, shape).astype(d)
    return _RNG.uniform(low, high, shape).astype(d)


def model(r: Row, symbolic: bool, outputs: list[np.ndarray] | None = None) -> onnx.ModelProto:
    """The row as a model. outputs: reference results, which give the outputs their types."""
    infos, constants, names = [], [], []
    for i, x in enumerate(r.inputs):
        if x is None:
            names.append("")
            continue
        names.append(f"x{i}")
        if isinstance(x, Const):
            constants.append(numpy_helper.from_array(x.array, f"x{i}"))
        else:
            axes = () if not symbolic else range(x.ndim) if r.dynamic is True else r.dynamic.get(i, ())
            shape = [f"s{i}_{k}" if k in axes else n for k, n in enumerate(x.shape)]
            infos.append(helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(x.dtype), shape))
    results = [f"y{k}" for k in range(r.outputs)]
    if outputs is None:
        ends = [helper.make_empty_tensor_value_info(n) for n in results]
    else:
        ends = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(y.dtype), [None] * y.ndim)
                for n, y in zip(results, outputs, strict=True)]
    nodes = r.nodes(names) if r.nodes else [
        helper.make_node(r.op, names, results, name="node", domain=r.domain, **r.attrs)]
    graph = helper.make_graph(nodes, "case", infos, ends, constants)
    spaces = [helper.make_opsetid("", r.opset), *([helper.make_opsetid(r.domain, 1)] if r.domain else [])]
    return helper.make_model(graph, opset_imports=spaces,
                             ir_version=8 if r.opset < 19 else 10)


def reference(r: Row, threads: int = 0) -> list[np.ndarray]:
    """onnxruntime's results, or those of ONNX's own evaluator for what onnxruntime lacks."""
    import onnxruntime as ort
    from onnx.reference import ReferenceEvaluator

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    m = model(r, symbolic=False)
    try:
        if r.evaluator:
            raise NotImplementedError
        session = ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [np.asarray(y) for y in session.run(None, r.feeds())]
    except Exception:  # whatever onnxruntime raises on a node that it cannot take
        if r.domain:
            raise  # which the evaluator does not know
        return [np.asarray(y) for y in ReferenceEvaluator(m).run(None, r.feeds())]


def compare(got: np.ndarray, want: np.ndarray, rtol: float | None, off: float = 0) -> None:
    """Equal for integers and bools, but for a share `off` of integers that are one step off; floats to rtol of the
    largest value, NaN and Inf in the same places."""
    assert got.dtype == want.dtype and got.shape == want.shape, f"{got.dtype}{got.shape}, want {want.dtype}{want.shape}"
    if off and want.size:
        steps = np.abs(got.astype(np.int64) - want)
        assert steps.max() <= 1 and steps.mean() <= off, f"{steps.max()} steps, {steps.mean()} of all"
        return
    if want.dtype.kind != "f" or not want.size:
        np.testing.assert_array_equal(got, want)
        return
    r = RTOL[want.dtype.name] if rtol is None else rtol
    finite = want[np.isfinite(want)]
    scale = float(np.abs(finite.astype(np.float64)).max()) if finite.size else 0.0
    np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=r, atol=r * scale, equal_nan=True)


def rows() -> list[Row]:
    """All rows of cases/*.py, in a fixed order."""
    files = sorted((Path(__file__).parent / "cases").glob("*.py"))
    return [r for f in files for r in importlib.import_module(f"cases.{f.stem}").ROWS]


TENSOR = TensorProto  # for `to=` attributes in the tables
