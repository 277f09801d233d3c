"""Where tensors are kept channels last.

The frontend puts transposes around every image operator. A tensor [N C ...] that is written by one operator and read by
others can be kept as it is or as [N ... C]; most operators in between can work on either. Each place where the two
forms meet costs the bytes of a transposed copy. `choose` finds the cheapest choice for the whole graph as a minimum
cut, `channels_last` turns the operators that it names, each on its own (transposes around it), and the rules of
simplify.py cancel the transposes that meet.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...spec.postops import POSTOPS
from ..ir import Graph, Node, Value
from ..rewrite import Rewrite, Rule, Trace, node_rule
from .common import axes, ints, mask_of, n_bytes, same_shape, target
from .mincut import INFINITE, MinCut

STEP = 256  # what a transpose costs besides its bytes


def last(rank: int) -> tuple[int, ...]:
    """The permutation that moves axis 1 to the end."""
    return (0, *range(2, rank), 1) if rank >= 3 else tuple(range(rank))


def first(rank: int) -> tuple[int, ...]:
    """Its inverse."""
    return (0, rank - 1, *range(1, rank - 1)) if rank >= 3 else tuple(range(rank))


# ---- turning one node ----
Turned = tuple[list[Value | None], dict]  # inputs and changed attributes of the turned node
Turn = Callable[["Put", Node], Turned | None]


class Put:
    """Makes the turned inputs. With a graph it adds transposes before `node`; without, it only says what would turn."""

    def __init__(self, graph: Graph | None, node: Node) -> None:
        self.graph, self.node = graph, node
        self.turned: list[Value] = []

    def x(self, v: Value | None) -> Value:
        """v [N C ...] as [N ... C]."""
        assert v is not None
        self.turned.append(v)
        if self.graph is None or v.rank < 3:
            return v
        if v.const is not None:
            return self.graph.const(v.const.transpose(last(v.rank)))
        return self.graph.add("transpose", v, name=self.node.name, sources=self.node.sources, before=self.node,
                              perm=last(v.rank))

    def vector(self, v: Value | None, order: list[int]) -> Value | None:
        """A vector with an element for each axis (or two: begins, ends) in a new order."""
        if v is None or self.graph is None:
            return v
        if v.const is not None:
            return self.graph.const(v.const[order])
        return self.graph.add("gather", v, self.graph.const(np.array(order, np.int64)), name=self.node.name,
                              sources=self.node.sources, before=self.node, axis=0)

    def const(self, array: np.ndarray) -> Value | None:
        return self.graph.const(array) if self.graph else None


def _elementwise(put: Put, n: Node) -> Turned | None:
    rank = n.outputs[0].rank
    inputs: list[Value | None] = []
    for v in n.inputs:
        assert v is not None
        if v.const is not None and v.rank and any(d != 1 for d in v.shape):
            c = v.const.reshape((1,) * (rank - v.rank) + v.shape)
            inputs.append(put.const(c.transpose(last(rank))))
        elif v.rank == rank and v.const is None:
            inputs.append(put.x(v))
        elif all(d == 1 for d in v.shape):
            inputs.append(v)
        else:
            return None
    return inputs, {}


def _axis(put: Put, n: Node) -> Turned | None:
    """concat, split, softmax: one axis."""
    x = n.arg(0)
    own = n.inputs if n.op == "concat" else n.inputs[:1]
    return [*map(put.x, own), *n.inputs[len(own):]], {"axis": last(x.rank).index(n.attrs.get("axis", 0))}


def _gather(put: Put, n: Node) -> Turned | None:
    x, index = n.arg(0), n.arg(1)
    return None if index.rank != 1 else ([put.x(x), index], {"axis": last(x.rank).index(n.attrs.get("axis", 0))})


def _reduce(put: Put, n: Node) -> Turned | None:
    if len(n.inputs) > 1:  # axes that come at run time
        return None
    x = n.arg(0)
    order = last(x.rank)
    gone = axes(n.attrs.get("axes", 0), x.rank)
    if not n.attrs.get("keep_dims", 1):
        stay = [a for a in order if a not in gone]
        # what stays must be in its own order, or have channels to be last
        if stay != sorted(stay) and stay != [sorted(stay)[i] for i in last(len(stay))]:
            return None
    return [put.x(x)], {"axes": mask_of([order.index(a) for a in gone])}


def _slice(put: Put, n: Node) -> Turned | None:
    x, along, count = n.arg(0), n.opt(3), n.arg(1).shape[0]
    found = ints(along) if along is not None else list(range(count)) if isinstance(count, int) else None
    if found is None or any(not -x.rank <= a < x.rank for a in found):
        return None
    moved = np.array([last(x.rank).index(a % x.rank) for a in found], np.int64)
    return [put.x(x), n.inputs[1], n.inputs[2], put.const(moved), *n.inputs[4:]], {}


def _pad(put: Put, n: Node) -> Turned | None:
    if n.opt(3) is not None:  # axes that come at run time
        return None
    x = n.arg(0)
    order = list(last(x.rank))
    return [put.x(x), put.vector(n.inputs[1], order + [a + x.rank for a in order]), *n.inputs[2:]], {}


def _resize(put: Put, n: Node) -> Turned | None:
    x = n.arg(0)
    order = list(last(x.rank))
    both = order + [a + x.rank for a in order]
    return [put.x(x), *(put.vector(v, both if i == 3 else order) for i, v in enumerate(n.inputs[1:], 1))], {}


def _expand(put: Put, n: Node) -> Turned | None:
    x, shape = n.arg(0), n.arg(1)
    if x.rank != n.outputs[0].rank or shape.shape != (x.rank,):
        return None
    return [put.x(x), put.vector(shape, list(last(x.rank)))], {}


def _tile(put: Put, n: Node) -> Turned | None:
    x = n.arg(0)
    return [put.x(x), put.vector(n.inputs[1], list(last(x.rank)))], {}


def _squeeze(put: Put, n: Node) -> Turned | None:
    """squeeze and unsqueeze of other axes than the first two, which stay what they are."""
    if len(n.inputs) > 1 or n.attrs.get("not_one", 0):
        return None
    x = n.arg(0)
    whole = x.rank if n.op == "squeeze" else n.outputs[0].rank
    found = axes(n.attrs.get("axes", 0), whole)
    if not found or found[0] < 2 or n.outputs[0].rank < 2:
        return None
    return [put.x(x)], {"axes": mask_of([last(whole).index(a) for a in found])}


def _reshape(put: Put, n: Node) -> Turned | None:
    """A reshape of the axes after the first two."""
    x, y = n.arg(0), n.outputs[0]
    if x.rank < 2 or y.rank < 2 or not same_shape(x.shape[:2], y.shape[:2]) or not isinstance(x.shape[1], int):
        return None
    wanted = [y.shape[a] for a in last(y.rank)]
    found = target([1, *wanted[1:]])  # the first axis is copied
    if found is None or 0 in found[0]:
        return None
    vector = [wanted[0] if isinstance(wanted[0], int) and wanted[0] else 0, *found[0][1:]]
    return [put.x(x), put.const(np.array(vector, np.int64))], {"allow_zero": 0}


TURNS: dict[str, Turn] = {
    **dict.fromkeys(POSTOPS, _elementwise), "concat": _axis, "split": _axis, "softmax": _axis, "gather": _gather,
    "reduce": _reduce, "slice": _slice, "pad": _pad, "resize": _resize, "expand": _expand, "tile": _tile,
    "squeeze": _squeeze, "unsqueeze": _squeeze, "reshape": _reshape,
}


def can_turn(n: Node) -> list[Value] | None:
    """The inputs that turn with a node, None when it has to stay."""
    if n.op not in TURNS or max((v.rank for v in (*n.inputs, *n.outputs) if v is not None), default=0) < 3 or n.post:
        return None
    put = Put(None, n)
    return put.turned if TURNS[n.op](put, n) is not None else None


def turn(g: Graph, n: Node) -> None:
    """Replaces a node that can turn by the same one on channels-last tensors, with transposes around it."""
    found = TURNS[n.op](Put(g, n), n)
    assert found is not None
    inputs, attrs = found
    out = g.add(n.op, *inputs, name=n.name, sources=n.sources, n_outputs=len(n.outputs), before=n,
                **{**n.attrs, **attrs})
    for old, new in zip(n.outputs, [out] if len(n.outputs) == 1 else out, strict=True):
        if _keeps_order(n, old):
            g.replace(old, new)
            continue
        if old.name:
            own = old.perm or tuple(range(old.rank))
            new.name, new.perm = old.name, tuple(own[a] for a in last(old.rank))
        g.replace(old, g.add("transpose", new, name=n.name, sources=n.sources, before=n, perm=first(old.rank)))
    g.remove(n)


def _keeps_order(n: Node, y: Value) -> bool:
    """Whether an output of a turned node is in its own order: rank below 3, or a reduction that took the channels."""
    if y.rank < 3:
        return True
    if n.op != "reduce" or n.attrs.get("keep_dims", 1):
        return False
    x = n.arg(0)
    stay = [a for a in last(x.rank) if a not in axes(n.attrs.get("axes", 0), x.rank)]
    return stay == sorted(stay)


# ---- choosing which nodes turn ----
def choose(g: Graph) -> list[Node]:
    """The nodes to turn, so that the fewest bytes are transposed."""
    cut = MinCut()  # the source's side is "channels last"
    variable: dict[int, int] = {}
    turning: dict[int, set[int]] = {}
    for n in g.nodes:
        moved = can_turn(n)
        if moved is not None:
            variable[id(n)] = cut.node()
            turning[id(n)] = {id(v) for v in moved}
    if not variable:
        return []
    for v in g.values():
        if v.rank >= 3 and v.const is None:
            _value(cut, g, v, variable, turning)
    side = cut.source_side()
    return [n for n in g.nodes if variable.get(id(n), 1) in side]


def _value(cut: MinCut, g: Graph, v: Value, variable: dict[int, int], turning: dict[int, set[int]]) -> None:
    """Adds the cost of a value that is written in one form and read in another, once for any number of readers."""
    maker, readers = _maker(v, variable), []
    for u in dict.fromkeys(v.users):
        if u.op == "transpose" and tuple(u.attrs["perm"]) == last(v.rank):
            readers.append(0)
        elif id(u) in variable and id(v) in turning[id(u)]:
            readers.append(variable[id(u)])
        else:
            readers.append(1)
    if g.is_output(v):
        readers.append(1)
    if all(r == maker for r in readers):
        return
    spatial = [d for d in v.shape[1:] if d != 1]
    cost = STEP // 8 if len(spatial) <= 1 else n_bytes(v) + STEP  # nothing moves but sizes of 1: a reshape
    if len(readers) == 1:
        cut.edge(maker, readers[0], cost)
        cut.edge(readers[0], maker, cost)
        return
    needs_first, needs_last = cut.node(), cut.node()
    for r in readers:
        cut.edge(needs_first, r, INFINITE)  # on the source's side only when all readers are
        cut.edge(r, needs_last, INFINITE)  # on the sink's side only when all readers are
    cut.edge(maker, needs_first, cost)
    cut.edge(needs_last, maker, cost)


def _maker(v: Value, variable: dict[int, int]) -> int:
    n = v.node
    if n is None:
        return 1
    if n.op == "transpose":
        return 0 if tuple(n.attrs["perm"]) == first(v.rank) else 1
    return variable.get(id(n), 1) if not _keeps_order(n, v) else 1


def channels_last(g: Graph, trace: Trace) -> None:
    """Turns the operators for which it pays to keep tensors channels last."""
    for n in choose(g):
        if trace.full:
            return
        if can_turn(n) is not None:  # turning others may have given open sizes other symbols
            trace.record("channels_last", (n,))
            turn(g, n)


# ---- at the end ----
@node_rule("transpose")
def transpose_of_ones(r: Rewrite, n: Node) -> Value | None:
    """A transpose that moves only axes of size 1 is a reshape."""
    x, y = n.arg(0), n.outputs[0]
    moved = [a for a in n.attrs["perm"] if x.shape[a] != 1]
    found = target(y.shape)
    if moved != sorted(moved) or found is None:
        return None
    return r.add("reshape", x, r.const(np.array(found[0], np.int64)), allow_zero=found[1])


FINAL_RULES: list[Rule] = [transpose_of_ones]
