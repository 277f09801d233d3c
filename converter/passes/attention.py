"""softmax(scale q k^T + mask) v as one operator, so that the scores are never in memory.

Runs before the layouts are chosen, while the graph is as exporters write it. Transposes of q, k and v stay in the
graph, as views: the operator reads any strides. That of the result is its `y_layout`.
"""
from __future__ import annotations

import numpy as np

from ..ir import Node, Value
from ..rewrite import Opt, P, Rewrite, Rule, node_rule, rule, vanishes_with
from .common import broadcasts_into


def _number(v: Value) -> float | None:
    """The value of a constant of one element."""
    return float(v.const.reshape(())) if v.const is not None and v.const.size == 1 else None


def _factor(v: Value) -> tuple[Value, float] | None:
    """(x, f) when v is x * f or x / f^-1 of v's shape."""
    n = v.node
    if n is None or n.op not in ("mul", "div") or n.post:
        return None
    pairs = [(n.arg(0), n.arg(1))] + ([(n.arg(1), n.arg(0))] if n.op == "mul" else [])
    for x, c in pairs:
        f = _number(c)
        if f is not None and f != 0 and x.rank == v.rank:
            return x, f if n.op == "mul" else 1 / f
    return None


def _without_factors(v: Value) -> tuple[Value, float]:
    """v without factors of one number, which may stand before its transpose, and their product."""
    total = 1.0
    while (found := _factor(v)) is not None:
        v, total = found[0], total * found[1]
    return v, total


def _keys(r: Rewrite, k: Value) -> tuple[Value, float]:
    """The keys [... T D] of k [... D T], and the product of the factors that stand before or behind their transpose."""
    k, scale = _without_factors(k)
    perm, t = list(range(k.rank)), k.node
    if t is not None and t.op == "transpose":
        perm = list(t.attrs["perm"])
        k, inner = _without_factors(t.arg(0))
        scale *= inner
    perm = [*perm[:-2], perm[-1], perm[-2]]
    return k if perm == sorted(perm) else r.add("transpose", k, perm=tuple(perm)), scale


def _inner(r: Rewrite, v: Value, user: Node, *ops: str) -> Node | None:
    """The node of one of `ops` that makes v for `user` alone."""
    n = v.node
    return n if n is not None and n.op in ops and not n.post and vanishes_with(r.graph, v, user) else None


Scores = tuple[Node, float, list[Node]]  # q k^T, what it is multiplied by, and all nodes of that


def _scores(r: Rewrite, v: Value, user: Node) -> Scores | None:
    """v, which only `user` reads, as a product times a number."""
    covered, scale = [], 1.0
    while (n := _inner(r, v, user, "mul", "div", "matmul")) is not None:
        covered.append(n)
        if n.op == "matmul":
            return n, scale, covered
        found = _factor(v)
        if found is None:
            return None
        v, scale, user = found[0], scale * found[1], n
    return None


def _masked(r: Rewrite, v: Value, user: Node) -> tuple[Scores, Value | None] | None:
    """The scores in v, and the mask that is added to them."""
    add = _inner(r, v, user, "add")
    if add is None:
        found = _scores(r, v, user)
        return (found, None) if found else None
    for i in (0, 1):
        found = _scores(r, add.arg(i), add)
        if found is not None:
            return (found[0], found[1], [*found[2], add]), add.arg(1 - i)
    return None


@node_rule("matmul")
def attention(r: Rewrite, n: Node) -> Value | None:
    """softmax(q k^T + mask) v; factors of one number on q, k and the scores are the operator's scale."""
    softmax = _inner(r, n.arg(0), n, "softmax")
    if softmax is None or softmax.attrs.get("axis", 0) != softmax.arg(0).rank - 1 or softmax.attrs.get("log", 0):
        return None
    found = _masked(r, softmax.arg(0), softmax)
    if found is None:
        return None
    (node, scale, covered), mask = found
    if any(m.post or m.opt(2) is not None or m.attrs.get("trans_a", 0) or m.attrs.get("trans_b", 0) for m in (n, node)):
        return None
    q, k, v, scores = node.arg(0), node.arg(1), n.arg(1), node.outputs[0]
    fits = mask is None or broadcasts_into(mask.shape[-2:], scores.shape[-2:])
    if not fits or min(q.rank, k.rank, v.rank) < 2 or any(x.dtype != "f32" for x in (q, k, v, mask or q)):
        return None
    r.cover(softmax, *covered)
    q, q_scale = _without_factors(q)
    k, k_scale = _keys(r, k)
    scale = np.float32(scale * q_scale * k_scale)
    return r.add("attention", q, k, v, mask, scale=float(scale)) if np.isfinite(scale) else None


@rule(lambda q, k, v, mask: P.transpose(P.attention(q, k, v, Opt(mask))))
def heads_last(r: Rewrite, transpose: Node, attention: Node, q: Value, k: Value, v: Value,
               mask: Value | None) -> Value | None:
    """A transpose of heads and rows after attention."""
    rank = len(transpose.attrs["perm"])
    if rank < 3 or tuple(transpose.attrs["perm"]) != (*range(rank - 3), rank - 2, rank - 3, rank - 1) or \
            attention.attrs.get("y_layout", "heads_first") != "heads_first":
        return None
    return r.add("attention", q, k, v, mask, like=attention, y_layout="heads_last")


RULES: list[Rule] = [attention, heads_last]
