"""What the tests of the rules share: build a graph, apply rules, compare its text, and run it before and after."""
from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from lite_runtime import Session
from lite_runtime.converter.dtypes import to_numpy
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import Graph, Value
from lite_runtime.converter.lower.writer import write
from lite_runtime.converter.rewrite import Rule, Trace, apply_rules

Step = Sequence[Rule] | Callable[[Graph, Trace], None]
TOLERANCE = {"f32": 1e-5, "f16": 5e-3}


class Case(Graph):
    """A graph with short ways to build it."""

    def __init__(self) -> None:
        super().__init__(Infer())
        self.random = np.random.default_rng(1)

    def x(self, *shape: Any, dtype: str = "f32", name: str = "x") -> Value:
        return self.input(name, dtype, shape)

    def c(self, array: Any, dtype: str = "f32") -> Value:
        """A constant of these values."""
        return self.const(array, dtype=dtype)

    def weights(self, *shape: int, dtype: str = "f32") -> Value:
        """A constant of random values."""
        if dtype in ("i8", "u8"):
            low = -127 if dtype == "i8" else 0
            return self.const(self.random.integers(low, low + 255, shape), dtype=dtype)
        return self.const(self.random.normal(size=shape) / 4, dtype=dtype)

    def node(self, op: str, *inputs: Value | None, **attrs: Any) -> Any:
        n = len(self.nodes)
        return self.add(op, *inputs, name=f"{op}{n}", sources=(f"{op}{n}",), **attrs)

    def images(self, op: str, x: Value, *weights: Value | None, **attrs: Any) -> Value:
        """An operator on images [N C H W], as the frontend writes it."""
        last, first = (0, *range(2, x.rank), 1), (0, x.rank - 1, *range(1, x.rank - 1))
        y = self.node(op, self.node("transpose", x, perm=last), *weights, **attrs)
        return self.node("transpose", y, perm=first)


@pytest.fixture
def g() -> Case:
    return Case()


@pytest.fixture
def apply() -> Callable[..., Trace]:
    """apply(g, steps, outputs): applies the steps to g, whose outputs are given. The graph must compute the same before
    and after."""
    def run(g: Case, steps: Sequence[Step], *outputs: Value, tolerance: float = 0.0) -> Trace:
        for i, v in enumerate(outputs):
            g.output(v, f"y{i}")
        before = g.copy()
        trace = Trace(g, stage="test")
        for step in steps:
            if callable(step):
                step(g, trace)
            else:
                apply_rules(g, step, trace)
            g.sweep()
            g.refresh()
            g.verify("test")
        same(before, g, tolerance)
        return trace

    return run


@pytest.fixture
def becomes(apply: Callable[..., Trace]) -> Callable[..., Trace]:
    """becomes(g, steps, text, outputs): apply, and the graph's text is then `text`; None: nothing may change."""
    def check(g: Case, steps: Sequence[Step], text: str | None, *outputs: Value, tolerance: float = 0.0) -> Trace:
        nodes = list(g.nodes)
        trace = apply(g, steps, *outputs, tolerance=tolerance)
        if text is None:
            assert not trace.applications and g.nodes == nodes
        else:
            assert g.text(shapes=False) == textwrap.dedent(text).strip()
        return trace

    return check


def same(before: Graph, after: Graph, tolerance: float = 0.0) -> None:
    """Runs both graphs on the same values (open sizes become 5) and compares the outputs."""
    random = np.random.default_rng(2)
    feeds = {}
    for v in before.inputs:
        shape = [d if isinstance(d, int) else 5 for d in v.shape]
        dtype = to_numpy(v.dtype)
        feeds[v.name] = random.normal(size=shape).astype(dtype) if dtype.kind == "f" else \
            random.integers(0, 2 if dtype.kind == "b" else 100, shape).astype(dtype)
    results = []
    for graph in (before, after):
        with Session(write(graph), threads=1) as session:
            results.append(session.run(feeds))
    for name, a in results[0].items():
        b = results[1][name]
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.kind == "f":
            limit = tolerance or TOLERANCE["f16" if a.dtype == np.float16 else "f32"]
            np.testing.assert_allclose(b, a, rtol=limit, atol=limit)
        else:
            assert np.max(np.abs(a.astype(np.int64) - b.astype(np.int64)), initial=0) <= tolerance
