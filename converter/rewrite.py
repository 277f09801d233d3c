"""The rule engine: a rule is a pattern and a builder in one notation.

    @rule(lambda x, w, b, c: P.add(P.conv(x, w, Opt(b)), C(c)))
    def conv_add(r, conv, x, w, b, c):
        ...                                    # returns the value that replaces the pattern's, or None: does not apply
        return r.add("conv", x, w, new_b, like=conv)

Parameters of the pattern bind values; `C(x)` binds a constant only, `Opt(x)` an input that may be absent (None), a
number matches a constant with this one element. A node of the pattern is handed to the builder under its operator's
name, or under `name=`. The same pattern object in two places is the same node. Nodes between the pattern's root and
its leaves vanish, so a rule applies only where nobody else reads them; nodes that carry an epilogue match only with
`post=True`.
`@node_rule("op", ...)` is for rules that no pattern says: the function gets the node and returns its replacement.

What a builder returns must have the dtype, the rank and the known sizes of what it replaces, else it counts as None.
Every application has a number, so a limit on their count finds the one that broke a model (LLVM's opt-bisect-limit).
"""
from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..spec.ops import OPS
from .errors import ConvertError
from .ir import Graph, Node, Post, Shape, Value, uses

COMMUTES = {"add", "mul", "min", "max", "equal", "and", "or", "xor"}


# ---- patterns ----
@dataclass(frozen=True)
class Var:
    """A leaf: any value. `kind`: "" any, "const", "optional"."""

    name: str
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Pat:
    """A node of the pattern. Attributes in `attrs` must have the given values."""

    op: str
    args: tuple[Any, ...]
    name: str
    post: bool
    attrs: dict[str, Any]


class _P:
    def __getattr__(self, op: str) -> Callable[..., Pat]:
        def make(*args: Any, name: str = "", post: bool = False, **attrs: Any) -> Pat:
            return Pat(op, args, name or op, post, attrs)
        return make


P = _P()


def C(var: Var) -> Var:
    """A constant."""
    return Var(var.name, "const")


def Opt(var: Var) -> Var:
    """An input that may be absent."""
    return Var(var.name, "optional")


Bindings = dict[Any, Any]


def match(pattern: Any, value: Value | None, found: Bindings) -> Iterator[Bindings]:
    """All ways to match; a Bindings maps names of variables and nodes (and patterns by id) to what they stand for."""
    if isinstance(pattern, Pat):
        yield from _match_node(pattern, value, found)
    elif isinstance(pattern, Var):
        absent = value is None and pattern.kind != "optional"
        if absent or (pattern.kind == "const" and value is not None and value.const is None):
            return
        if pattern.name not in found:
            yield {**found, pattern.name: value}
        elif found[pattern.name] is value:
            yield found
    elif pattern is None:
        if value is None:
            yield found
    elif value is not None and is_number(value, pattern):
        yield found


def _match_node(p: Pat, value: Value | None, found: Bindings) -> Iterator[Bindings]:
    node = value.node if value is not None else None
    if node is None or node.op != p.op or len(node.outputs) != 1 or (node.post and not p.post):
        return
    if ("pat", id(p)) in found:
        if found["pat", id(p)] is node:
            yield found
        return
    if any(node.attrs.get(k, _default(node.op, k)) != v for k, v in p.attrs.items()):
        return
    inputs = list(node.inputs) + [None] * (len(p.args) - len(node.inputs))
    if len(inputs) > len(p.args):
        if any(v is not None for v in inputs[len(p.args):]):
            return
        inputs = inputs[: len(p.args)]
    here = {**found, ("pat", id(p)): node, p.name: node}
    orders = [p.args, p.args[::-1]] if p.op in COMMUTES else [p.args]
    for args in orders:
        states: Iterable[Bindings] = [here]
        for q, v in zip(args, inputs, strict=True):
            states = [after for before in states for after in match(q, v, before)]
        yield from states


def _default(op: str, name: str) -> Any:
    for a in OPS[op].attrs if op in OPS else ():
        if a.name == name:
            return a.values[0] if a.values else a.default
    return None


def is_number(v: Value, number: float) -> bool:
    """Whether v is a constant of one element that is `number`, to the precision of its dtype."""
    if v.const is None or v.const.size != 1 or v.const.dtype.kind not in "fiu":
        return False
    x = float(v.const.reshape(()))
    eps = 4 * float(np.finfo(v.const.dtype).eps) if v.const.dtype.kind == "f" else 0.0
    return abs(x - number) <= max(eps, 1e-7 if eps else 0) * abs(number)


# ---- what happened ----
@dataclass(frozen=True)
class Application:
    """One application of a rule: `nodes` are the names of what it replaced."""

    index: int
    stage: str
    rule: str
    nodes: tuple[str, ...]
    sources: tuple[str, ...] = ()


@dataclass
class Trace:
    """What a run of the pipeline did. `limit`: no rule is applied any more after so many applications."""

    graph: Graph
    limit: int | None = None
    applications: list[Application] = field(default_factory=list)
    snapshots: list[tuple[str, Graph]] = field(default_factory=list)  # after each stage, when asked for
    stage: str = ""

    @property
    def full(self) -> bool:
        return self.limit is not None and len(self.applications) >= self.limit

    def record(self, rule: str, nodes: Sequence[Node]) -> None:
        """Counts an application of a rule to these nodes."""
        sources = tuple(dict.fromkeys(s for n in nodes for s in n.sources))
        names = tuple(n.name or n.op for n in nodes)
        self.applications.append(Application(len(self.applications), self.stage, rule, names, sources))

    def text(self, places: int = 3) -> str:
        """For --explain: each stage with its rules, how often they applied, and the first places."""
        groups: dict[tuple[str, str], list[Application]] = {}
        for a in self.applications:
            groups.setdefault((a.stage, a.rule), []).append(a)
        lines, stage = [], ""
        for (s, r), found in groups.items():
            lines += [s] if s != stage else []
            stage = s
            where = "; ".join(" + ".join(a.nodes) for a in found[:places])
            lines.append(f"  {r} x{len(found)}: {where}" + ("; ..." if len(found) > places else ""))
        return "\n".join(lines)


# ---- rules ----
@dataclass(frozen=True)
class Rule:
    """`ops`: operators of the root. apply(rewrite, root) returns the replacements of the root's outputs, or None."""

    name: str
    ops: tuple[str, ...]
    apply: Callable[[Rewrite, Node], list[Value] | None]
    doc: str = ""


def rule(pattern: Callable[..., Pat]) -> Callable[[Callable[..., Value | None]], Rule]:
    """Makes a rule of a pattern and the builder that it decorates."""
    p = pattern(*map(Var, inspect.signature(pattern).parameters))

    def make(build: Callable[..., Value | None]) -> Rule:
        wanted = list(inspect.signature(build).parameters)[1:]

        def apply(r: Rewrite, root: Node) -> list[Value] | None:
            for found in match(p, root.outputs[0], {}):
                inner = [n for k, n in found.items() if isinstance(k, tuple)]
                if not all(_vanishes(r.graph, n, inner) for n in inner if n is not root):
                    continue
                r.cover(*inner)
                new = build(r, **{k: found[k] for k in wanted})
                if new is not None:
                    return [new]
                r.rollback()
            return None

        return Rule(build.__name__, (p.op,), apply, inspect.getdoc(build) or "")

    return make


def node_rule(*ops: str) -> Callable[[Callable[[Rewrite, Node], Value | list[Value] | None]], Rule]:
    """Makes a rule of a function of (rewrite, node)."""
    def make(f: Callable[[Rewrite, Node], Value | list[Value] | None]) -> Rule:
        def apply(r: Rewrite, root: Node) -> list[Value] | None:
            new = f(r, root)
            return [new] if isinstance(new, Value) else new

        return Rule(f.__name__, ops, apply, inspect.getdoc(f) or "")

    return make


def _vanishes(g: Graph, node: Node, among: list[Node]) -> bool:
    """Whether nobody but the nodes `among` reads the node."""
    return not any(g.is_output(v) or any(not any(u is n for n in among) for u in v.users) for v in node.outputs)


def vanishes_with(g: Graph, value: Value, user: Node) -> bool:
    """Whether `value` is made by a node that only `user` reads, so that a rule may merge the two."""
    return value.node is not None and _vanishes(g, value.node, [user])


class Rewrite:
    """One attempt to apply a rule at `root`. New nodes go right before the root."""

    def __init__(self, graph: Graph, root: Node) -> None:
        self.graph, self.root = graph, root
        self.covered: list[Node] = [root]
        self.new: list[Node] = []

    def cover(self, *nodes: Node) -> None:
        """Says that these nodes are replaced too: new nodes name them as sources."""
        self.covered += [n for n in nodes if not any(n is c for c in self.covered)]

    def sources(self) -> tuple[str, ...]:
        if len(self.covered) > 1:
            place = {id(n): self.graph.nodes.index(n) for n in self.covered}
            self.covered.sort(key=lambda n: place[id(n)])
        return tuple(dict.fromkeys(s for n in self.covered for s in n.sources))

    def const(self, array: Any, dtype: str = "") -> Value:
        return self.graph.const(array, dtype=dtype)

    def add(self, op: str, *inputs: Value | None, like: Node | None = None, n_outputs: int = 1,
            post: Iterable[Post] | None = None, **attrs: Any) -> Any:
        """A new node; `like` gives it a name, attributes and an epilogue unless they are given."""
        named = like or next((n for n in self.covered if n.op == op), self.root)
        if like is not None:
            attrs = {**like.attrs, **attrs}
            post = like.post if post is None else post
        out = self.graph.add(op, *inputs, name=named.name, sources=self.sources(), n_outputs=n_outputs,
                             before=self.root, post=post or (), **attrs)
        self.new.append(out.node if n_outputs == 1 else out[0].node)
        return out

    def rollback(self) -> None:
        """Takes back what was added."""
        for n in reversed(self.new):
            self.graph.remove(n)
        self.covered, self.new = [self.root], []


def apply_rules(g: Graph, rules: Sequence[Rule], trace: Trace) -> int:
    """Applies rules until none applies any more (or the trace is full); returns how often one did."""
    by_op: dict[str, list[Rule]] = {}
    for r in rules:
        for op in r.ops:
            by_op.setdefault(op, []).append(r)
    total, ceiling = 0, 1000 + 100 * len(g.nodes)
    while True:
        work = _Work(n for n in g.nodes if n.op in by_op)
        count = 0
        while (node := work.pop()) is not None:
            for r in by_op.get(node.op, ()):
                if trace.full:
                    return total + count
                if _apply(g, r, node, trace, work):
                    count += 1
                    if total + count > ceiling:
                        raise ConvertError(f"rule '{r.name}' of stage '{trace.stage}' does not come to an end at node "
                                           f"'{node.name}'; please report this")
                    break
        total += count
        if not count:
            return total


class _Work:
    """Nodes to look at, each once, in order."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.queue = deque(nodes)
        self.waiting = {id(n) for n in self.queue}
        self.gone: dict[int, Node] = {}  # keeps removed nodes alive, so that ids stay theirs

    def push(self, node: Node | None) -> None:
        if node is not None and id(node) not in self.waiting and id(node) not in self.gone:
            self.queue.append(node)
            self.waiting.add(id(node))

    def pop(self) -> Node | None:
        while self.queue:
            node = self.queue.popleft()
            self.waiting.discard(id(node))
            if id(node) not in self.gone:
                return node
        return None


def fits(new: Value, old: Value) -> bool:
    """Whether one value may stand for the other: dtype, rank and known sizes agree."""
    return new.dtype == old.dtype and _fits(new.shape, old.shape)


def _fits(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(not (isinstance(x, int) and isinstance(y, int)) or x == y
                                    for x, y in zip(a, b, strict=True))


def _apply(g: Graph, rule: Rule, node: Node, trace: Trace, work: _Work) -> bool:
    r = Rewrite(g, node)
    try:
        with np.errstate(all="ignore"):  # what overflows is refused by the rule
            results = rule.apply(r, node)
    except ConvertError:  # a builder made a node that inference refuses
        results = None
    if results is None or not all(fits(n, o) for n, o in zip(results, node.outputs, strict=True)):
        r.rollback()
        return False
    r.sources()  # sorts what is covered
    trace.record(rule.name, r.covered)
    for old, new in zip(node.outputs, results, strict=True):
        g.replace(old, new)
    _remove_dead(g, [node, *r.new], work)
    for n in r.new:
        work.push(n)
    for v in results:
        work.push(v.node)
        for u in v.users:
            work.push(u)
    return True


def _remove_dead(g: Graph, nodes: list[Node], work: _Work) -> None:
    """Removes nodes that are dead now and what only they needed; others near them are to be looked at again."""
    stack = list(nodes)
    while stack:
        n = stack.pop()
        if id(n) in work.gone or not g.is_dead(n):
            continue
        read = uses(n)
        g.remove(n)
        work.gone[id(n)] = n
        for v in read:
            if v.node is not None:
                stack.append(v.node)
                work.push(v.node)
            for u in v.users:
                work.push(u)
