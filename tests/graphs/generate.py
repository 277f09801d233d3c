"""Random graphs of 1 to 6 operators of ONNX, as a strategy of hypothesis."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import onnx
from builder import NEWEST, Builder, Draw, Invalid, Tensor, info, load_rows, model_of, values
from hypothesis import strategies as st
from worker import Died, Worker

from lite_runtime.converter.frontend import OPS
from lite_runtime.converter.frontend.structure import has_body

MOST = 6  # operators of a graph
# since opset 24 not all operators are in onnxruntime
OPSETS = [17, 13, 21, 18, 11, 20, 23, 12, 14, 15, 16, 19, 22, 10, 9, 24, 8, 7, *range(25, NEWEST + 1)]
Feeds = dict[str, np.ndarray]
REFUSED = {"Loop", "Scan"}  # known, to be refused in a sentence of their own


def imported() -> set[str]:
    """ONNX's operators that the converter has an importer for."""
    return set(OPS) - REFUSED


def convertible() -> list[str]:
    """Those, and the operators that ONNX defines by others; of both what has a row."""
    return sorted(op for op in load_rows() if op in imported() or exists(op, NEWEST) and
                  has_body(onnx.defs.get_schema(op, NEWEST, "")))


@cache
def exists(op: str, opset: int) -> bool:
    try:
        return not onnx.defs.get_schema(op, opset, "").deprecated
    except onnx.defs.SchemaError:
        return False


@dataclass
class Case:
    """A model and what to feed it: values for its declared sizes, then for other sizes of its symbols."""

    model: onnx.ModelProto
    feeds: list[Feeds]
    ops: list[str] = field(default_factory=list)
    opset: int = 0


def build(draw: Draw, worker: Worker, ops: Sequence[str], most: int = MOST, opset: int | None = None) -> Case | None:
    """A graph of 1 to `most` of these operators; None when no node could be made."""
    def evaluate(model: onnx.ModelProto, feeds: Feeds) -> list[np.ndarray] | None:
        try:
            found = worker.ask("either", model.SerializeToString(), [feeds])[0]
        except Died:
            return None
        return None if isinstance(found, str) else found

    if opset is None:
        known = [v for v in OPSETS if any(exists(op, v) for op in ops)] or OPSETS
        opset = known[draw(0, len(known) - 1)]
    rows, g = load_rows(), Builder(draw, evaluate, opset)
    usable = [op for op in ops if exists(op, opset)]
    if not usable:
        return None
    made, wanted = [], draw(1, most)
    for _ in range(3 * wanted):
        if len(made) < wanted:
            g.start(g.pick(usable))
            try:
                rows[g.op](g)
                made.append(g.op)
            except Invalid:
                pass
    return finish(g, made) if made else None


def finish(g: Builder, ops: list[str]) -> Case:
    """The model: outputs are what nobody uses, and some of the rest; some sizes of inputs become symbols."""
    used = {n for node in g.nodes for n in node.input} | \
        {n for node in g.nodes for a in node.attribute for inner in a.g.node for n in inner.input}
    outputs = [t for t in g.tensors if t.kind == "node" and (t.name not in used or g.flag(15))]
    leaves = [t for t in g.tensors if t.kind != "node"]
    symbols = declare(g, leaves)
    model = model_of(g.nodes, leaves, outputs, g.opset)
    if g.flag(25):
        model.graph.value_info.extend(info(t.name, t.dtype, t.shape if not symbols else [None] * t.rank)
                                      for t in g.tensors if t.kind == "node" and t not in outputs)
    feeds = [{t.name: t.value for t in leaves if t.kind == "input"}]
    if symbols:
        feeds.append(resized(g, leaves, symbols))
    return Case(model, feeds, ops, g.opset)


def declare(g: Builder, leaves: Iterable[Tensor]) -> dict[str, int]:
    """Makes some sizes symbolic: one name for equal sizes, one of its own, or none; the names with other sizes."""
    if not g.flag(45):
        return {}
    style = g.pick(["shared", "own", "anonymous", "mixed"])
    symbols: dict[str, int] = {}
    for t in leaves:
        if t.kind == "input" and t.recipe is not None:
            for axis, d in enumerate(t.shape):
                how = g.pick(["shared", "own", "anonymous", "fixed"]) if style == "mixed" else style
                name = {"shared": f"s{d}", "own": f"{t.name}_{axis}", "anonymous": None}.get(how, d)
                t.sizes.append(name if not g.flag(30) else d)
    for name in sorted({d for t in leaves for d in t.sizes if isinstance(d, str)}):
        symbols[name] = g.size()
    return symbols


def resized(g: Builder, leaves: Iterable[Tensor], symbols: dict[str, int]) -> Feeds:
    """Values for other sizes; where symbols have names of their own these may not fit, and the references say so."""
    some = {d for t in leaves for d in t.sizes if isinstance(d, str) and g.flag(60)}
    feeds = {}
    for t in leaves:
        if t.kind == "input":
            shape = [symbols[d] if d in some else n for d, n in zip(t.sizes or t.shape, t.shape, strict=True)]
            recipe = t.recipe and {**t.recipe, "flavour": "plain"}  # rows look at the first values only
            feeds[t.name] = t.value if recipe is None else values(g.rng, t.dtype, shape, **recipe)
    return feeds


def cases(worker: Worker, ops: Iterable[str] | None = None) -> st.SearchStrategy[Case | None]:
    """Graphs of the operators that the converter has."""
    chosen = convertible() if ops is None else sorted(ops)

    @st.composite
    def graph(draw: st.DrawFn) -> Case | None:
        # not st.integers for each number: hypothesis would mix these among each other, and most graphs would be alike
        return build(draw(st.randoms(use_true_random=False)).randint, worker, chosen)
    return graph()

