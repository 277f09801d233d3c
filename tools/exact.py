"""A model in double precision, by ONNX's reference evaluator: who is right when two runtimes differ. Slow."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE


def doubled(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose float32 tensors are all float64, with the same values."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _graph(copy.graph)
    return copy


def _tensor(t: onnx.TensorProto) -> None:
    if t.data_type == FLOAT:
        t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))


def _graph(graph: onnx.GraphProto) -> None:
    for t in graph.initializer:
        _tensor(t)
    for v in (*graph.input, *graph.output, *graph.value_info):
        if v.type.tensor_type.elem_type == FLOAT:
            v.type.tensor_type.elem_type = DOUBLE
    for node in graph.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                _tensor(a.t)
            elif a.type == onnx.AttributeProto.GRAPH:
                _graph(a.g)
            elif node.op_type == "Cast" and a.name == "to" and a.i == FLOAT:
                a.i = DOUBLE


def evaluator(path: Path) -> Callable[[list[str], dict[str, np.ndarray]], list[np.ndarray]]:
    """run(names, feeds) of the model in double: from float32 inputs to outputs that are rounded to float32."""
    model = ReferenceEvaluator(doubled(onnx.load(path)))

    def run(names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        wide = {n: a.astype(np.float64) if a.dtype == np.float32 else a for n, a in feeds.items()}
        return [a.astype(np.float32) if a.dtype == np.float64 else a for a in model.run(names, wide)]

    return run
