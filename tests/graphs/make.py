"""Random ONNX graphs of a few operators, drawn by hypothesis, with ONNX's own results.

TABLE says for each operator how to make a valid node. An entry gets a Maker and returns the node's inputs and
attributes; it draws all that may vary: shapes, dtypes, attributes, whether a parameter is a constant or an input.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OPSET = 21
FLOATS = ("float32", "float32", "float32", "float64", "float16")
INTS = ("int64", "int32", "uint8", "int8")
NUMBERS = FLOATS + INTS
SIZES = (1, 2, 3, 4, 5, 7)


def element_type(a: np.ndarray) -> int:
    return helper.np_dtype_to_tensor_dtype(a.dtype)


@dataclass
class Maker:
    """A graph that grows: all tensors with their values, which of them are inputs and which constants."""

    draw: Callable[[Any], Any]
    values: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    # drawing
    def pick(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def shape(self, low: int = 0, high: int = 4) -> tuple[int, ...]:
        """Sizes, now and then 0."""
        rank = self.number(low, high)
        return tuple(0 if self.number(0, 40) == 0 else self.pick(*SIZES) for _ in range(rank))

    def axis(self, rank: int) -> int:
        return self.number(-rank, rank - 1)

    # tensors
    def name(self) -> str:
        return f"t{len(self.values)}"

    def tensor(self, shape: Sequence[int], dtype: str = "float32", low: float = -3, high: float = 3,
               const: bool | None = None) -> str:
        """A new input, or a constant."""
        rng = np.random.default_rng(self.number(0, 2**16))
        d = np.dtype(dtype)
        if d.kind == "b":
            a = rng.integers(0, 2, shape).astype(bool)
        elif d.kind in "iu":
            a = rng.integers(max(int(low), 0) if d.kind == "u" else int(low), int(high) + 1, shape).astype(d)
        else:
            a = rng.uniform(low, high, shape).astype(d)
        return self.given(a, const)

    def given(self, a: Any, const: bool | None = None) -> str:
        """A tensor of these values; a constant of the model or an input."""
        name = self.name()
        self.values[name] = np.asarray(a)
        const = self.number(0, 3) > 0 if const is None else const
        (self.constants if const else self.inputs).append(name)
        return name

    def ints(self, *values: int, const: bool | None = None) -> str:
        return self.given(np.array(values, np.int64), const)

    def x(self, low: int = 0, high: int = 4, dtypes: Sequence[str] = FLOATS) -> str:
        """A tensor that there is already, if one fits, else a new input."""
        fit = [n for n, v in self.values.items()
               if v.dtype.name in dtypes and low <= v.ndim <= high and n not in self.constants]
        if fit and self.number(0, 4) > 0:
            return fit[-1] if self.flag() else self.pick(*fit)
        return self.tensor(self.shape(low, high), self.pick(*dtypes), const=False)

    def like(self, name: str, **more: Any) -> str:
        """A tensor that broadcasts with another one."""
        v = self.values[name]
        keep = self.number(0, v.ndim)
        shape = tuple(1 if self.number(0, 3) == 0 else d for d in v.shape[v.ndim - keep:])
        return self.tensor(shape, v.dtype.name, **more)

    def rank(self, name: str) -> int:
        return self.values[name].ndim

    def size(self, name: str, axis: int) -> int:
        return self.values[name].shape[axis]

    # nodes
    def add(self, op: str, inputs: Sequence[str], outputs: int = 1, **attrs: Any) -> bool:
        """Adds a node and computes it; False when ONNX's evaluator cannot."""
        names = [f"t{len(self.values) + i}" for i in range(outputs)]
        node = helper.make_node(op, list(inputs), names, **{k: v for k, v in attrs.items() if v is not None})
        used = [n for n in dict.fromkeys(inputs) if n]
        infos = [helper.make_tensor_value_info(n, element_type(self.values[n]), None) for n in used]
        ends = [helper.make_empty_tensor_value_info(n) for n in names]
        graph = helper.make_graph([node], "g", infos, ends)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                results = ReferenceEvaluator(model).run(None, {n: self.values[n] for n in used})
        except Exception:  # whatever the evaluator raises on what it does not do
            return False
        if any(not isinstance(r, np.ndarray) or r.size > 20000 or r.ndim > 7 for r in map(np.asarray, results)):
            return False
        self.nodes.append(node)
        self.values.update(zip(names, map(np.asarray, results), strict=True))
        return True

    def model(self, symbolic: bool) -> tuple[onnx.ModelProto, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The model, its inputs and what all its outputs (every result that no node reads) should be."""
        read = {n for node in self.nodes for n in node.input}
        ends = [n for node in self.nodes for n in node.output if n not in read]
        used = [n for n in self.inputs if n in read]

        def info(n: str, open_sizes: bool) -> onnx.ValueInfoProto:
            v = self.values[n]
            shape = [f"{n}_{i}" for i in range(v.ndim)] if open_sizes else v.shape
            return helper.make_tensor_value_info(n, element_type(v), shape)

        # vectors stay as long as they are: axes and shapes decide ranks
        starts = [info(n, symbolic and self.values[n].ndim > 1) for n in used]
        results = [helper.make_tensor_value_info(n, element_type(self.values[n]), [None] * self.values[n].ndim)
                   for n in ends]
        tensors = [numpy_helper.from_array(self.values[n], n) for n in self.constants if n in read]
        graph = helper.make_graph(self.nodes, "random", starts, results, tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        return model, {n: self.values[n] for n in used}, {n: self.values[n] for n in ends}


@st.composite
def graphs(draw: Any) -> Maker:
    """A graph of 1 to 6 operators."""
    from table import TABLE  # noqa: PLC0415 (the table needs Maker)

    m = Maker(draw)
    for _ in range(m.number(1, 6)):
        op = m.pick(*sorted(TABLE))
        made = TABLE[op](m)
        if made is not None:
            inputs, attrs = made
            m.add(op, inputs, **attrs)
    return m
