"""Constant folding. Values are computed by our own plain C kernels and nothing else, so a file has the same bytes
whatever machine wrote it: the foldable nodes are written as a small model and run."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ... import CPU_PORTABLE, Error, Session
from ..dtypes import DTYPES
from ..ir import Graph, Node, Value
from ..rewrite import Trace
from .common import is_shared, known

LARGEST = 64 << 20  # bytes of a folded value
GROWTH = 1 << 20  # bytes that a value may be larger than what it is made of
NEVER = ("custom", "delegate", "if", "loop")

Skip = Callable[[Graph, Node], bool]


def fold(g: Graph, trace: Trace) -> None:
    """Replaces what depends on constants alone by its value. Quantised weights stay as they are: see `fold_all`."""
    quantised = any(n.op == "quantize" or (_dequantizes(n) and n.arg(0).const is None) for n in g.nodes)
    _fold(g, trace, lambda g, n: quantised and _dequantizes(n))


def fold_all(g: Graph, trace: Trace) -> None:
    """As `fold`, for quantised weights too, after those that integer kernels take have been found."""
    _fold(g, trace, lambda g, n: False)


def _dequantizes(n: Node) -> bool:
    """The first node of a dequantised tensor."""
    x = n.opt(0)
    return n.op == "cast" and x is not None and n.attrs["to"] in ("f32", "f16") and \
        x.dtype in (("i8", "u8") if x.const is None else ("i8", "u8", "i32")) and (x.const is None or x.const.size > 1)


def _fold(g: Graph, trace: Trace, skip: Skip) -> None:
    refused: set[int] = set()
    while not trace.full:
        found = _foldable(g, skip, refused)
        if trace.limit is not None:
            found = found[: trace.limit - len(trace.applications)]
        if not found:
            return
        values = _compute(g, found, refused)
        for n in found:
            if id(n) not in refused:
                trace.record("fold", (n,))
        for old, array in values:
            g.replace(old, g.const(array, dtype=old.dtype))
        g.sweep()
        g.refresh()


def _foldable(g: Graph, skip: Skip, refused: set[int]) -> list[Node]:
    """Nodes whose inputs are constants or outputs of such nodes, in order."""
    ready: set[int] = set()
    found = []
    for n in g.nodes:
        inputs = [v for v in n.inputs if v is not None]
        if n.op in NEVER or n.post or id(n) in refused or skip(g, n):
            continue
        if any(v.const is not None and is_shared(v) and _size(v) <= sum(map(_size, n.outputs)) for v in inputs):
            continue  # a second copy of large weights
        if not all(v.const is not None or id(v) in ready for v in inputs) or not all(known(v.shape) for v in n.outputs):
            continue
        have = sum(_size(v) for v in inputs)
        if any(_size(v) > min(LARGEST, have + GROWTH) for v in n.outputs):
            continue
        ready.update(id(v) for v in n.outputs)
        found.append(n)
    return found


def _size(v: Value) -> int:
    n = max(1, DTYPES[v.dtype].bits // 8)
    for d in v.shape:
        n *= d if isinstance(d, int) else 1
    return n


def _compute(g: Graph, nodes: list[Node], refused: set[int]) -> list[tuple[Value, np.ndarray]]:
    """Values of the outputs of `nodes` that others read. A node that cannot be computed is added to `refused`."""
    inside = {id(n) for n in nodes}
    wanted = [v for n in nodes for v in n.outputs if g.is_output(v) or any(id(u) not in inside for u in v.users)]
    if not wanted:
        refused.update(inside)
        return []
    try:
        return list(zip(wanted, evaluate(g, nodes, wanted), strict=True))
    except Error:
        if len(nodes) == 1:
            refused.update(inside)  # it fails at run time, with a sentence, or is never reached
            return []
    done: list[tuple[Value, np.ndarray]] = []
    for n in nodes:  # one at a time, to find the one that fails; those that depend on another wait for the next round
        if all(v is None or v.const is not None for v in n.inputs):
            done += _compute(g, [n], refused)
        else:
            refused.add(id(n))
    return done


def evaluate(g: Graph, nodes: list[Node], wanted: list[Value]) -> list[np.ndarray]:
    """Runs nodes that depend on constants alone; arrays of the values `wanted`, in order."""
    from ..lower.writer import write

    small = Graph(g.infer)
    made: dict[int, Value] = {}

    def of(v: Value | None) -> Value | None:
        if v is None or v.const is not None:
            return v and Value("", v.dtype, v.shape, v.const)
        return made[id(v)]

    for n in nodes:
        out = small.add(n.op, *map(of, n.inputs), name=n.name, n_outputs=len(n.outputs), **n.attrs)
        made.update({id(old): new for old, new in zip(n.outputs, [out] if len(n.outputs) == 1 else out, strict=True)})
    for i, v in enumerate(wanted):
        small.output(made[id(v)], str(i))
    with Session(write(small), threads=1, cpu_mask=CPU_PORTABLE) as session:
        results = session.run({})
    return [np.ascontiguousarray(results[str(i)]).reshape(v.shape) for i, v in enumerate(wanted)]
