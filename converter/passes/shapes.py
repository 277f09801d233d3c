"""Shape arithmetic: vectors of sizes that are known although the whole shape is not."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import to_numpy
from ..ir import Node, Shape, Value
from ..rewrite import Rewrite, Rule, node_rule
from .common import ints, target

LIMIT = 256  # elements of a vector that is followed
DEPTH = 64
INT64_MAX = 2**63 - 1

# an element: an int, a symbol (a size that is never negative), or None for what is not known
Elements = list[Any]


def elements(v: Value | None, depth: int = 0) -> Elements | None:
    """The elements of a vector or scalar of integers, as far as they are known; None when nothing is."""
    if v is None or v.rank > 1 or v.dtype not in ("i64", "i32", "bool"):
        return None
    if v.const is not None:
        return [int(x) for x in v.const.reshape(-1)] if v.const.size <= LIMIT else None
    n = v.shape[0] if v.rank else 1
    rule = _RULES.get(v.node.op) if v.node else None
    if rule is None or v.node is None or depth > DEPTH or not isinstance(n, int) or n > LIMIT:
        return None
    found = rule(v.node, depth + 1)
    return found if found is not None and len(found) == n else None


def _shape(n: Node, depth: int) -> Elements | None:
    x = _in(n, 0)
    start, end = n.attrs.get("start", 0), n.attrs.get("end", 2**31 - 1)
    return list(x.shape[slice(start, end)])


def _gather(n: Node, depth: int) -> Elements | None:
    x, index = elements(_in(n, 0), depth), ints(_in(n, 1))
    if x is None or index is None or _in(n, 0).rank != 1 or any(not -len(x) <= i < len(x) for i in index):
        return None
    return [x[i] for i in index]


def _slice(n: Node, depth: int) -> Elements | None:
    x = elements(_in(n, 0), depth)
    start, end, step = (elements(v, depth) for v in (_in(n, 1), _in(n, 2), n.inputs[4] if len(n.inputs) > 4 else None))
    step = step or [1]
    if x is None or not all(p is not None and len(p) == 1 and isinstance(p[0], int) for p in (start, end, step)):
        return None
    assert start and end
    return x[start[0]:end[0]:step[0]] if step[0] > 0 else None


def _concat(n: Node, depth: int) -> Elements | None:
    parts = [elements(v, depth) for v in n.inputs]
    return [x for p in parts for x in p or ()] if all(p is not None for p in parts) else None


def _same(n: Node, depth: int) -> Elements | None:
    return elements(_in(n, 0), depth)


def _cast(n: Node, depth: int) -> Elements | None:
    x = elements(_in(n, 0), depth)
    bound = 2**31 if n.attrs["to"] == "i32" else 2**63
    if x is None or _in(n, 0).dtype == "bool" or any(isinstance(e, int) and not -bound <= e < bound for e in x):
        return None
    return x


def _expand(n: Node, depth: int) -> Elements | None:
    x, size = elements(_in(n, 0), depth), n.outputs[0].shape
    return x * size[0] if x is not None and len(x) == 1 and len(size) == 1 and isinstance(size[0], int) else None


def _reduce(n: Node, depth: int) -> Elements | None:
    x = elements(_in(n, 0), depth)
    if x is None or not n.attrs.get("axes", 0) or not all(isinstance(e, int) for e in x):
        return None
    f: dict[str, Callable[[list[int]], int]] = {"sum": sum, "prod": lambda e: int(np.prod(e, dtype=object)), "max": max,
                                                "min": min}
    kind = n.attrs.get("kind", "sum")
    return [f[kind](x)] if kind in f and x else None


def _select(n: Node, depth: int) -> Elements | None:
    parts = [elements(v, depth) for v in n.inputs]
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


def _pairwise(f: Callable[[Any, Any], Any]) -> Callable[[Node, int], Elements | None]:
    def rule(n: Node, depth: int) -> Elements | None:
        a, b = elements(_in(n, 0), depth), elements(_in(n, 1), depth)
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


def _in(n: Node, i: int) -> Value:
    v = n.inputs[i]
    assert v is not None
    return v


_RULES: dict[str, Callable[[Node, int], Elements | None]] = {
    "shape": _shape, "gather": _gather, "slice": _slice, "concat": _concat, "cast": _cast, "identity": _same,
    "squeeze": _same, "unsqueeze": _same, "reshape": _same, "flatten": _same, "expand": _expand, "reduce": _reduce,
    "select": _select, "equal": _pairwise(_equal), "mul": _pairwise(_product), "add": _pairwise(_sum),
    "sub": _pairwise(lambda a, b: _numbers(lambda x, y: x - y)(a, b) if b != 0 else a), "div": _pairwise(_quotient),
    "min": _pairwise(_numbers(min)), "max": _pairwise(_numbers(max)),
}


@node_rule(*_RULES)
def known_value(r: Rewrite, n: Node) -> Value | None:
    """A vector of sizes whose elements are all known becomes a constant."""
    y = n.outputs[0]
    found = elements(y) if len(n.outputs) == 1 else None
    if found is None or not all(isinstance(e, int) for e in found):
        return None
    return r.const(np.array(found, to_numpy(y.dtype)).reshape(y.shape))


@node_rule("reshape")
def known_reshape(r: Rewrite, n: Node) -> Value | None:
    """A reshape whose sizes are known but for one, or are copied from its input, gets a constant shape."""
    x, shape = _in(n, 0), _in(n, 1)
    wanted = elements(shape)
    if shape.const is not None or wanted is None:
        return None
    if n.attrs.get("allow_zero", 0) == 0:
        wanted = [x.shape[i] if e == 0 and i < x.rank else e for i, e in enumerate(wanted)]
    found = [0 if isinstance(e, str) and i < x.rank and x.shape[i] == e else e for i, e in enumerate(wanted)]
    if 0 in wanted:  # a size of zero, not a copied one
        return None
    open_places = [i for i, e in enumerate(found) if not isinstance(e, int)]
    if len(open_places) > 1 or (open_places and -1 in found):
        return None
    for i in open_places:
        found[i] = -1
    return r.add("reshape", x, r.const(np.array(found, np.int64)), like=n, allow_zero=0)


@node_rule("expand")
def known_expand(r: Rewrite, n: Node) -> Value | None:
    """An expand to sizes that its input has already: these need not be known."""
    x, shape = _in(n, 0), _in(n, 1)
    wanted = elements(shape)
    if shape.const is not None or wanted is None:
        return None
    lead = len(wanted) - x.rank
    own = [x.shape[i - lead] if i >= lead else None for i in range(len(wanted))]
    found = [1 if isinstance(e, str) and e == d else e for e, d in zip(wanted, own, strict=True)]
    if not all(isinstance(e, int) for e in found):
        return None
    return r.add("expand", x, r.const(np.array(found, np.int64)), like=n)


@node_rule("slice")
def known_slice(r: Rewrite, n: Node) -> Value | None:
    """A slice up to the size that its input has ends at infinity: the size need not be known."""
    x, ends = _in(n, 0), elements(_in(n, 2))
    along = ints(n.inputs[3]) if len(n.inputs) > 3 and n.inputs[3] is not None else list(range(len(ends or ())))
    if _in(n, 2).const is not None or ends is None or along is None or len(along) != len(ends):
        return None
    if any(not -x.rank <= a < x.rank for a in along):
        return None
    found = [INT64_MAX if isinstance(e, str) and e == x.shape[a] else e for e, a in zip(ends, along, strict=True)]
    steps = ints(n.inputs[4]) if len(n.inputs) > 4 and n.inputs[4] is not None else [1]
    if not all(isinstance(e, int) for e in found) or steps is None or any(s <= 0 for s in steps):
        return None
    return r.add("slice", x, n.inputs[1], r.const(np.array(found, to_numpy(_in(n, 2).dtype))), *n.inputs[3:], like=n) \
        if _in(n, 2).dtype == "i64" else None


def reshape_to(r: Rewrite, x: Value, shape: Shape, like: Node) -> Value | None:
    """x reshaped to `shape`, when at most one size is open."""
    found = target(shape)
    if found is None:
        return None
    return r.add("reshape", x, r.const(np.array(found[0], np.int64)), like=None if like.op != "reshape" else like,
                 allow_zero=found[1])


RULES: list[Rule] = [known_value, known_reshape, known_expand, known_slice]
