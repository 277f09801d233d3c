"""The converter's graph: a few dataclasses.

A graph is in static single assignment form: each Value has one producer (a Node, or none for inputs and constants). Nodes
stand in topological order. Operators are those of spec/ops.py plus every post-op of spec/postops.py as an operator of its
own name (`add`, `relu`, `cast`, ...), which is what patterns match; lowering turns these into `elementwise` programs.

Shapes are tuples of int (a size), str (a symbol: equal names are equal sizes) or None (unknown).
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Dim = int | str | None
Shape = tuple[Dim, ...]


@dataclass(eq=False)
class Value:
    """A tensor. `name` is the source model's tensor name, or "" for one that only we have.

    `perm`: axis i of this value is axis perm[i] of the source tensor `name` (None: the same order).
    `const`: the value of a constant, never changed in place (f16 as float16; bf16, i4, u4 do not occur yet).
    """

    name: str
    dtype: str  # a name of spec/dtypes.py
    shape: Shape
    const: np.ndarray | None = None
    node: Node | None = None  # producer
    perm: tuple[int, ...] | None = None
    users: list[Node] = field(default_factory=list)  # one entry per use

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(frozen=True)
class Post:
    """One step of an epilogue on the accumulator: `op` of spec/postops.py, `args` in order: ACC, a Value, or a number."""

    op: str
    args: tuple[Any, ...]
    dtype: str = "f32"


class _Acc:
    def __repr__(self) -> str:
        return "ACC"


ACC = _Acc()


@dataclass(eq=False)
class Node:
    """One operation.

    attrs: names and values as in spec/ops.py (enums as strings, axes lists as bit masks, perm as a tuple of ints); for
    post-ops used as operators `dtype` (of the arithmetic) is taken from the inputs, `cast` has attr `to`, numbers are
    scalar constants.
    name: the source node's name (or "<op>_<output name>" where it has none); sources: names of all source nodes it covers.
    """

    op: str
    inputs: list[Value | None]
    outputs: list[Value]
    attrs: dict[str, Any]
    name: str = ""
    sources: tuple[str, ...] = ()
    post: list[Post] = field(default_factory=list)
    custom_name: str = ""
    custom_data: bytes = b""
    body: Graph | None = None  # of a `delegate`


@dataclass(eq=False)
class State:
    """A state tensor: graph input `value` is kept by the session and becomes `source` after each run."""

    value: Value
    source: Value


class Graph:
    """Nodes in topological order, with inputs, outputs, states and metadata."""

    def __init__(self, infer: Callable[[Node], list[tuple[str, Shape]]]) -> None:
        self.infer = infer  # (dtype, shape) of each output of a node; raises ConvertError
        self.nodes: list[Node] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.output_names: list[str] = []  # a value may be two outputs
        self.states: list[State] = []
        self.metadata: dict[str, str] = {}

    def input(self, name: str, dtype: str, shape: Shape) -> Value:
        """Adds a graph input."""
        v = Value(name, dtype, shape)
        self.inputs.append(v)
        return v

    def const(self, array: np.ndarray, name: str = "") -> Value:
        """A constant of numpy's dtype (bool, ints, float16/32/64)."""
        from .dtypes import of_numpy

        a = np.asarray(array)
        return Value(name, of_numpy(a.dtype), tuple(int(d) for d in a.shape), const=a)

    def add(self, op: str, *inputs: Value | None, name: str = "", sources: Iterable[str] = (), n_outputs: int = 1,
            outputs: Iterable[str] = (), before: Node | None = None, post: Iterable[Post] = (), **attrs: Any) -> Any:
        """Appends a node (or inserts it before another), infers its outputs' types and returns its output, or the list
        of outputs when n_outputs != 1. `outputs`: source tensor names of the outputs."""
        node = Node(op, list(inputs), [], attrs, name, tuple(sources), list(post))
        names = list(outputs) + [""] * n_outputs
        node.outputs = [Value(names[i], "", (), node=node) for i in range(n_outputs)]
        self.update(node)
        for v in uses(node):
            v.users.append(node)
        self.nodes.insert(len(self.nodes) if before is None else self.nodes.index(before), node)
        return node.outputs[0] if n_outputs == 1 else node.outputs

    def update(self, node: Node) -> None:
        """Infers the types of a node's outputs again."""
        for v, (dtype, shape) in zip(node.outputs, self.infer(node), strict=True):
            v.dtype, v.shape = dtype, shape


def uses(node: Node) -> list[Value]:
    """All values a node reads, with repetition: inputs and operands of its epilogue."""
    args = [a for p in node.post for a in p.args if isinstance(a, Value)]
    return [v for v in node.inputs if v is not None] + args
