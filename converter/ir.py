"""The converter's graph: a few dataclasses.

A graph is in static single assignment form: each Value has one producer (a Node, or none for inputs and constants).
Nodes stand in topological order. Operators are those of spec/ops.py plus every post-op of spec/postops.py as an
operator of its own name (`add`, `relu`, `cast`, ...), which is what patterns match; lowering makes `elementwise`
programs of these.

Shapes are tuples of int (a size), str (a symbol: equal names are equal sizes) or None (unknown).
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..spec.ops import OPS
from ..spec.postops import POSTOPS
from .dtypes import of_numpy, to_numpy

Dim = int | str | None
Shape = tuple[Dim, ...]
Infer = Callable[["Node"], list[tuple[str, Shape]]]


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

    @property
    def array(self) -> np.ndarray:
        """The value of what is known to be a constant."""
        assert self.const is not None
        return self.const


@dataclass(frozen=True)
class Post:
    """One step of a program: `op` of spec/postops.py; args in order: ACC (register 0), a Reg, a Value or a number; dst:
    the register that gets the result. Epilogues use the accumulator alone."""

    op: str
    args: tuple[Any, ...]
    dtype: str = "f32"
    dst: int = 0


@dataclass(frozen=True)
class Reg:
    """One of the registers 1 to 3 of a program."""

    index: int

    def __repr__(self) -> str:
        return f"r{self.index}"


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
    name: the source node's name (or "<op>_<output name>" where it has none); sources: names of all source nodes that it
    covers.
    post: the epilogue; or the program of an `elementwise` node, which has no inputs but the operands of its steps.
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
    bodies: list[Graph] = field(default_factory=list)  # of `delegate`, `if`, `loop`

    def arg(self, i: int) -> Value:
        """Input i, which is there."""
        v = self.inputs[i]
        assert v is not None
        return v

    def opt(self, i: int) -> Value | None:
        """Input i, None when it is absent."""
        return self.inputs[i] if i < len(self.inputs) else None


@dataclass(eq=False)
class State:
    """A state tensor: graph input `value` is kept by the session and becomes `source` after each run."""

    value: Value
    source: Value


class Graph:
    """Nodes in topological order, with inputs, outputs, states and metadata."""

    def __init__(self, infer: Infer) -> None:
        self.infer = infer  # (dtype, shape) of each output of a node; raises ConvertError
        self.nodes: list[Node] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.output_names: list[str] = []  # a value may be two outputs
        self.states: list[State] = []
        self.metadata: dict[str, str] = {}
        self.notes: list[str] = []  # what the user should know about the conversion, one sentence each

    # ---- building ----
    def input(self, name: str, dtype: str, shape: Shape) -> Value:
        """Adds a graph input."""
        v = Value(name, dtype, shape)
        self.inputs.append(v)
        return v

    def const(self, array: Any, name: str = "", dtype: str = "") -> Value:
        """A constant of `dtype`, else of numpy's dtype (bool, ints, float16/32/64)."""
        a = np.asarray(array, dtype=to_numpy(dtype) if dtype else None)
        a = np.ascontiguousarray(a).reshape(a.shape)  # ascontiguousarray makes rank 0 rank 1
        return Value(name, of_numpy(a.dtype), tuple(map(int, a.shape)), const=a)

    def output(self, value: Value, name: str) -> None:
        """Adds a graph output."""
        self.outputs.append(value)
        self.output_names.append(name)

    def add(self, op: str, *inputs: Value | None, name: str = "", sources: Iterable[str] = (), n_outputs: int = 1,
            outputs: Iterable[str] = (), before: Node | None = None, post: Iterable[Post] = (),
            types: list[tuple[str, Shape]] | None = None, bodies: Iterable[Graph] = (), **attrs: Any) -> Any:
        """Appends a node (or inserts it before another), infers its outputs' types and returns its output, or the list
        of outputs when n_outputs != 1. `outputs`: source tensor names of the outputs. `types`: of the outputs of a
        `custom` node, which only its user knows."""
        given = list(inputs)
        while given and given[-1] is None:  # one way to say that an optional input is absent
            given.pop()
        node = Node(op, given, [], attrs, name, tuple(sources), list(post), bodies=list(bodies))
        names = list(outputs) + [""] * n_outputs
        known = types or [("", ())] * n_outputs
        node.outputs = [Value(names[i], *known[i], node=node) for i in range(n_outputs)]
        self.update(node)
        for v in uses(node):
            v.users.append(node)
        self.nodes.insert(len(self.nodes) if before is None else self.nodes.index(before), node)
        return node.outputs[0] if n_outputs == 1 else node.outputs

    def update(self, node: Node) -> None:
        """Infers the types of a node's outputs again."""
        for v, (dtype, shape) in zip(node.outputs, self.infer(node), strict=True):
            v.dtype, v.shape = dtype, shape

    def refresh(self) -> None:
        """Infers the types of all nodes again, after constants became known."""
        for node in self.nodes:
            self.update(node)

    # ---- changing ----
    def set_input(self, node: Node, i: int, value: Value) -> None:
        """Gives a node another input."""
        old = node.inputs[i]
        if old is not None:
            _drop(old.users, node)
        node.inputs[i] = value
        value.users.append(node)

    def replace(self, old: Value, new: Value) -> None:
        """Makes every reader of `old` (nodes, epilogues, outputs, states) read `new`, which takes over its name if it
        has none: both stand for the same tensor of the source."""
        for user in dict.fromkeys(old.users):
            user.inputs = [new if v is old else v for v in user.inputs]
            user.post = [_swap(p, old, new) for p in user.post]
        new.users += old.users
        old.users = []
        self.outputs = [new if v is old else v for v in self.outputs]
        for s in self.states:
            s.source = new if s.source is old else s.source
        if not new.name and new.const is None and len(old.shape) == len(new.shape):
            new.name, new.perm = old.name, old.perm

    def is_output(self, value: Value) -> bool:
        """Whether a value leaves the graph: an output, or the next value of a state."""
        return any(v is value for v in self.outputs) or any(s.source is value for s in self.states)

    def is_dead(self, node: Node) -> bool:
        return not any(v.users or self.is_output(v) for v in node.outputs)

    def remove(self, node: Node) -> None:
        """Takes out a node whose outputs nobody reads."""
        for v in uses(node):
            _drop(v.users, node)
        _drop(self.nodes, node)

    def sweep(self) -> list[Node]:
        """Removes all nodes that no output depends on and returns them."""
        dead = []
        for node in reversed(self.nodes):
            if self.is_dead(node):
                for v in uses(node):
                    _drop(v.users, node)
                dead.append(node)
        gone = set(map(id, dead))
        self.nodes = [n for n in self.nodes if id(n) not in gone]
        return dead

    def nested(self) -> Iterator[Graph]:
        """The graphs of nodes, inner ones first, then this one."""
        for n in self.nodes:
            for body in n.bodies:
                yield from body.nested()
        yield self

    def copy(self) -> Graph:
        """A graph with its own nodes and values; constants' arrays are shared."""
        return _copy(self)

    def values(self) -> Iterator[Value]:
        """All values once: inputs, states, then constants and results in the order in which nodes read or make them."""
        seen: set[int] = set()
        produced = (v for n in self.nodes for v in (*uses(n), *n.outputs))
        for v in (*self.inputs, *(s.value for s in self.states), *produced, *self.outputs):
            if id(v) not in seen:
                seen.add(id(v))
                yield v

    # ---- looking ----
    def verify(self, where: str) -> None:
        """Checks that the graph is in order: operators known, values produced before use, users complete.

        Raises AssertionError: what it finds is a bug of ours, in the stage `where`.
        """
        known = {id(v) for v in (*self.inputs, *(s.value for s in self.states))}
        count: dict[int, int] = {}
        for n in self.nodes:
            for body in n.bodies:
                body.verify(f"{where}: {n.op} '{n.name}'")
            assert n.op in OPS or n.op in POSTOPS, f"{where}: operator {n.op} does not exist"
            for v in uses(n):
                assert v.const is not None or id(v) in known, f"{where}: {n.op} '{n.name}' reads '{v.name}' too early"
                count[id(v)] = count.get(id(v), 0) + 1
            for v in n.outputs:
                assert v.node is n and id(v) not in known, f"{where}: {n.op} '{n.name}' has an output of another node"
                known.add(id(v))
        for v in (*self.outputs, *(s.source for s in self.states)):
            assert v.const is not None or id(v) in known, f"{where}: output '{v.name}' is not computed"
        for v in self.values():
            assert len(v.users) == count.get(id(v), 0), f"{where}: '{v.name}' has the wrong list of users"
        assert len(self.outputs) == len(self.output_names), f"{where}: outputs and their names differ in number"

    def text(self, shapes: bool = True) -> str:
        """The graph as lines, the same for equal graphs whatever their nodes are called. For tests and --explain."""
        return _text(self, shapes)


def uses(node: Node) -> list[Value]:
    """All values a node reads, with repetition: inputs and operands of its epilogue."""
    args = [a for p in node.post for a in p.args if isinstance(a, Value)]
    return [v for v in node.inputs if v is not None] + args


def _swap(post: Post, old: Value, new: Value) -> Post:
    if not any(a is old for a in post.args):
        return post
    return replace(post, args=tuple(new if a is old else a for a in post.args))


def _drop(items: list[Any], item: Any) -> None:
    """Removes one occurrence; `in` and `remove` of lists compare by identity here, since our classes have no __eq__."""
    items.remove(item)


def _copy(g: Graph) -> Graph:
    new = Graph(g.infer)
    made: dict[int, Value] = {}

    def value(v: Value) -> Value:
        if id(v) not in made:
            made[id(v)] = Value(v.name, v.dtype, v.shape, v.const, perm=v.perm)
        return made[id(v)]

    def post(p: Post) -> Post:
        return replace(p, args=tuple(value(a) if isinstance(a, Value) else a for a in p.args))

    new.inputs = [value(v) for v in g.inputs]
    for n in g.nodes:
        m = replace(n, inputs=[None if v is None else value(v) for v in n.inputs], attrs=dict(n.attrs),
                    outputs=[value(v) for v in n.outputs], post=[post(p) for p in n.post],
                    bodies=[b.copy() for b in n.bodies])
        for v in m.outputs:
            v.node = m
        for v in uses(m):
            v.users.append(m)
        new.nodes.append(m)
    new.outputs = [value(v) for v in g.outputs]
    new.output_names = list(g.output_names)
    new.states = [State(value(s.value), value(s.source)) for s in g.states]
    new.metadata, new.notes = dict(g.metadata), list(g.notes)
    return new


def shape_text(shape: Shape) -> str:
    return "[" + ",".join("?" if d is None else str(d) for d in shape) + "]"


def _const_text(v: Value) -> str:
    a = v.const
    if a is None:
        return "?"
    if a.ndim == 0 or (a.ndim == 1 and a.size <= 8 and a.dtype.kind in "iub"):
        return str(a.tolist()).replace(" ", "")
    return f"{v.dtype}{shape_text(v.shape)}"


def _text(g: Graph, shapes: bool) -> str:
    names: dict[int, str] = {}

    def ref(a: Any) -> str:
        if isinstance(a, Value):
            return _const_text(a) if a.const is not None else names.get(id(a), "?")
        return "-" if a is None else "acc" if a is ACC else str(a)

    lines = []
    for kind, values in (("input", g.inputs), ("state", [s.value for s in g.states])):
        for v in values:
            if id(v) not in names:
                names[id(v)] = v.name
                lines.append(f"{kind} {v.name}: {v.dtype}{shape_text(v.shape)}")
    n_results = 0
    for n in g.nodes:
        for v in n.outputs:
            names[id(v)] = f"%{n_results}"
            n_results += 1
        left = ", ".join(names[id(v)] + (f": {v.dtype}{shape_text(v.shape)}" if shapes else "") for v in n.outputs)
        defaults = {a.name: a.values[0] if a.values else a.default for a in OPS[n.op].attrs} if n.op in OPS else {}
        attrs = [f"{k}={str(x).replace(' ', '')}" for k, x in n.attrs.items() if defaults.get(k) != x]
        right = f"{n.op}({', '.join([*map(ref, n.inputs), *attrs])})"
        right += "".join(f" | {f'r{p.dst}=' if p.dst else ''}{p.op}.{p.dtype}({', '.join(map(ref, p.args))})"
                         for p in n.post)
        lines.append(f"{left} = {right}")
        for b in n.bodies:
            lines += ["  " + line for line in _text(b, shapes).splitlines()]
    lines.append("return " + ", ".join(f"{n}={ref(v)}" for v, n in zip(g.outputs, g.output_names, strict=True)))
    lines += [f"keep {ref(s.value)} <- {ref(s.source)}" for s in g.states]
    return "\n".join(lines)
