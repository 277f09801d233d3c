"""Vectors of sizes: what is known of them although the sizes are symbols.

Exporters compute shapes from shapes (Shape, Gather, Concat, ...). `elements` follows such a chain in terms of symbols.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ir import Dim, Node, Value

LIMIT = 256  # elements of a vector that is followed
DEPTH = 64

# an element: an int, a symbol (a size that is never negative), or None for what is not known
Elements = list[Any]


def elements(v: Value | None) -> Elements | None:
    """The elements of a vector or scalar of integers, as far as they are known; None when nothing is."""
    return Walk().get(v)


class Walk:
    """One walk from a vector to what it is made of: each value once, so that its time is linear, and not too deep."""

    def __init__(self) -> None:
        self.found: dict[Value, Elements | None] = {}
        self.depth = 0

    def get(self, v: Value | None) -> Elements | None:
        if v is None or v.rank > 1 or v.dtype not in ("i64", "i32", "bool"):
            return None
        if v.const is not None:
            return [int(x) for x in v.const.reshape(-1)] if v.const.size <= LIMIT else None
        if v not in self.found:
            self.depth += 1
            self.found[v] = self._follow(v) if self.depth <= DEPTH else None
            self.depth -= 1
        return self.found[v]

    def _follow(self, v: Value) -> Elements | None:
        n = v.shape[0] if v.rank else 1
        rule = RULES.get(v.node.op) if v.node else None
        if rule is None or v.node is None or not isinstance(n, int) or n > LIMIT:
            return None
        found = rule(v.node, self)
        return found if found is not None and len(found) == n else None


def _shape(n: Node, w: Walk) -> Elements | None:
    x = n.arg(0)
    start, end = n.attrs.get("start", 0), n.attrs.get("end", 2**31 - 1)
    return list(x.shape[slice(start, end)])


def _gather(n: Node, w: Walk) -> Elements | None:
    x, index = w.get(n.arg(0)), w.get(n.arg(1))
    if x is None or index is None or n.arg(0).rank != 1:
        return None
    if any(not isinstance(i, int) or not -len(x) <= i < len(x) for i in index):
        return None
    return [x[i] for i in index]


def _slice(n: Node, w: Walk) -> Elements | None:
    x = w.get(n.arg(0))
    given = (n.arg(1), n.arg(2), n.opt(4))
    start, end, step = (w.get(v) for v in given)
    step = [1] if n.opt(4) is None else step
    if x is None or not start or not end or not step or len(start) + len(end) + len(step) != 3:
        return None
    if not all(isinstance(e, int) for e in (*start, *end, *step)):
        return None
    return x[start[0]:end[0]:step[0]] if step[0] > 0 else None


def _concat(n: Node, w: Walk) -> Elements | None:
    parts = [w.get(v) for v in n.inputs]
    return [x for p in parts for x in p or ()] if all(p is not None for p in parts) else None


def _same(n: Node, w: Walk) -> Elements | None:
    return w.get(n.arg(0))


def _cast(n: Node, w: Walk) -> Elements | None:
    x = w.get(n.arg(0))
    bound = 2**31 if n.attrs["to"] == "i32" else 2**63
    if x is None or n.arg(0).dtype == "bool" or any(isinstance(e, int) and not -bound <= e < bound for e in x):
        return None
    return x


def _expand(n: Node, w: Walk) -> Elements | None:
    x, size = w.get(n.arg(0)), n.outputs[0].shape
    return x * size[0] if x is not None and len(x) == 1 and len(size) == 1 and isinstance(size[0], int) else None


def _reduce(n: Node, w: Walk) -> Elements | None:
    x = w.get(n.arg(0))
    if x is None or len(n.inputs) > 1 or not n.attrs.get("axes", 0) or not all(isinstance(e, int) for e in x):
        return None
    f: dict[str, Callable[[list[int]], int]] = {"sum": sum, "prod": lambda e: int(np.prod(e, dtype=object)), "max": max,
                                                "min": min}
    kind = n.attrs.get("kind", "sum")
    return [f[kind](x)] if kind in f and x else None


def _select(n: Node, w: Walk) -> Elements | None:
    parts = [w.get(v) for v in n.inputs]
    if any(p is None for p in parts):
        return None
    size = max(len(p) for p in parts if p is not None)
    c, a, b = (p * size if p is not None and len(p) == 1 else p or [] for p in parts)
    if any(len(p) != size for p in (c, a, b)):
        return None
    return [None if x is None else y if x else z for x, y, z in zip(c, a, b, strict=True)]


def _equal(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return int(a == b)
    if isinstance(a, str) and isinstance(b, str):
        return 1 if a == b else None
    number = a if isinstance(a, int) else b
    return 0 if isinstance(number, int) and number < 0 and None not in (a, b) else None  # a size is not negative


def _product(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return b if a == 1 else a if b == 1 else None


def _sum(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if a == 0 else a if b == 0 else None


def _quotient(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return None if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a if b == 1 else None


def _numbers(f: Callable[[int, int], int]) -> Callable[[Any, Any], Any]:
    return lambda a, b: f(a, b) if isinstance(a, int) and isinstance(b, int) else None


def _pairwise(f: Callable[[Any, Any], Any]) -> Callable[[Node, Walk], Elements | None]:
    def rule(n: Node, w: Walk) -> Elements | None:
        a, b = w.get(n.arg(0)), w.get(n.arg(1))
        if a is None or b is None:
            return None
        size = max(len(a), len(b))
        a, b = (p * size if len(p) == 1 else p for p in (a, b))
        if len(a) != len(b):
            return None
        found = [f(x, y) for x, y in zip(a, b, strict=True)]
        bound = 2**31 if n.outputs[0].dtype == "i32" else 2**63
        return [e if not isinstance(e, int) or -bound <= e < bound else None for e in found]
    return rule


RULES: dict[str, Callable[[Node, Walk], Elements | None]] = {
    "shape": _shape, "gather": _gather, "slice": _slice, "concat": _concat, "cast": _cast, "identity": _same,
    "squeeze": _same, "unsqueeze": _same, "reshape": _same, "flatten": _same, "expand": _expand, "reduce": _reduce,
    "select": _select, "equal": _pairwise(_equal), "mul": _pairwise(_product), "add": _pairwise(_sum),
    "sub": _pairwise(lambda a, b: _numbers(lambda x, y: x - y)(a, b) if b != 0 else a), "div": _pairwise(_quotient),
    "min": _pairwise(_numbers(min)), "max": _pairwise(_numbers(max)),
}


def refined(node: Node, axis: int) -> Dim:
    """What shape arithmetic says about a size of the output of a node whose shape is computed; None: nothing."""
    if node.op not in ("reshape", "expand", "resize"):
        return None
    x, vector = node.arg(0), node.opt(2 if node.op == "resize" else 1)
    wanted = elements(vector) if vector is not None and vector.dtype == "i64" else None
    if wanted is None or axis >= len(wanted):
        return None
    w = wanted[axis]
    if node.op == "expand":
        place = axis - (len(wanted) - x.rank)
        own = x.shape[place] if place >= 0 else 1
        return w if own == 1 or own == w else None
    return w if isinstance(w, str) or (isinstance(w, int) and w > 0) else None
