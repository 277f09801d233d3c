"""Channel shuffles: [N g*c ...] -> [N g c ...] -> [N c g ...] -> [N c*g ...].

Taken apart, the steps mix channels with batch and space, so no tensor near them could be channels last. While layouts
are chosen a shuffle is a gather of channels, which works along any axis; then it becomes two views and one copy again.
"""
from __future__ import annotations

import numpy as np

from ..ir import Node, Value
from ..rewrite import Rewrite, Rule, node_rule, vanishes_with
from .common import ints, same_shape


@node_rule("reshape")
def shuffle_to_gather(r: Rewrite, n: Node) -> Value | None:
    """reshape, transpose, reshape that shuffle axis 1 are a gather."""
    y, t = n.outputs[0], n.arg(0).node
    if t is None or t.op != "transpose" or not vanishes_with(r.graph, n.arg(0), n):
        return None
    apart = t.arg(0)
    split = apart.node
    if split is None or split.op != "reshape" or not vanishes_with(r.graph, apart, t):
        return None
    x = split.arg(0)
    if x.rank < 3 or apart.rank != x.rank + 1 or tuple(t.attrs["perm"]) != (0, 2, 1, *range(3, apart.rank)) or \
            not same_shape(x.shape, y.shape) or \
            not same_shape((x.shape[0], *x.shape[2:]), (apart.shape[0], *apart.shape[3:])):
        return None
    groups, size = apart.shape[1:3]
    if not isinstance(groups, int) or not isinstance(size, int) or groups * size != x.shape[1]:
        return None
    r.cover(t, split)
    order = np.arange(groups * size).reshape(groups, size).T.reshape(-1)
    return r.add("gather", x, r.const(order, "i64"), axis=1)


@node_rule("gather")
def gather_to_shuffle(r: Rewrite, n: Node) -> Value | None:
    """A gather that transposes the groups of an axis is a transpose between two views."""
    x, axis, order = n.arg(0), n.attrs.get("axis", 0), ints(n.arg(1))
    whole = x.shape[axis]
    if x.const is not None or n.arg(1).rank != 1 or not order or len(order) < 4 or len(order) != whole or x.rank > 7:
        return None
    groups = order.index(1) if 1 in order else 0  # where the second element goes
    if groups < 2 or whole % groups or groups == whole:
        return None
    inner = whole // groups
    if order != np.arange(whole).reshape(groups, inner).T.reshape(-1).tolist():
        return None
    behind = x.shape[axis + 1 :]
    if sum(not isinstance(d, int) for d in behind) > 1 or 0 in x.shape:
        return None
    lead, tail = [0] * axis, [d if isinstance(d, int) else -1 for d in behind]  # 0 copies the size
    apart = r.add("reshape", x, r.const([*lead, groups, inner, *tail], "i64"))
    perm = (*range(axis), axis + 1, axis, *range(axis + 2, apart.rank))
    turned = r.add("transpose", apart, perm=perm)
    return r.add("reshape", turned, r.const([*lead, whole, *tail], "i64"))


BEFORE_LAYOUT: list[Rule] = [shuffle_to_gather]
AFTER_LAYOUT: list[Rule] = [gather_to_shuffle]
