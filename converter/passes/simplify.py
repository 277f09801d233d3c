"""What needs no computation: nodes that do nothing, chains of moves, equal nodes."""
from __future__ import annotations

import hashlib
from collections.abc import Hashable

import numpy as np

from ..ir import Graph, Node, Value, uses
from ..rewrite import C, P, Rewrite, Rule, Trace, is_number, node_rule, rule
from .common import ints, is_shared, known, same_type, target
from .shapes import reshape_to

RESHAPES = ("reshape", "squeeze", "unsqueeze", "flatten")
INTERN = 1 << 16  # bytes of a constant up to which equal ones are found by value


@node_rule("identity", *RESHAPES, "expand", "cast")
def drop_same(r: Rewrite, n: Node) -> Value | None:
    """Nodes whose result has the type of their input and the same elements."""
    x = n.arg(0)
    if n.attrs.get("not_one"):  # it looks at sizes when the model runs
        return None
    return x if n.op == "identity" or same_type(x, n.outputs[0]) else None


@node_rule("transpose")
def drop_transpose(r: Rewrite, n: Node) -> Value | None:
    """A permutation that leaves all axes in place."""
    return n.inputs[0] if list(n.attrs["perm"]) == list(range(len(n.attrs["perm"]))) else None


@node_rule("concat", "split")
def drop_single(r: Rewrite, n: Node) -> Value | None:
    """A concat of one tensor, a split into one."""
    return n.inputs[0] if len(n.outputs) == 1 and (n.op == "split" or len(n.inputs) == 1) else None


@node_rule("slice")
def drop_slice(r: Rewrite, n: Node) -> Value | None:
    """A slice of everything."""
    steps = ints(n.opt(4)) if n.opt(4) is not None else []
    whole = steps is not None and all(s == 1 for s in steps) and same_type(n.arg(0), n.outputs[0])
    return n.arg(0) if whole else None


@node_rule("pad")
def drop_pad(r: Rewrite, n: Node) -> Value | None:
    """A pad by nothing."""
    pads = ints(n.inputs[1])
    return n.inputs[0] if pads is not None and not any(pads) else None


@node_rule("resize")
def drop_resize(r: Rewrite, n: Node) -> Value | None:
    """A resize to the same size; some coordinates move pixels even then."""
    scales = n.opt(1)
    same = scales is None or (scales.const is not None and bool(np.all(scales.const == 1)))
    moved = n.attrs.get("coordinates", "") in ("tf_half_pixel_for_nn", "tf_crop_and_resize")
    return n.inputs[0] if same and not moved and same_type(n.arg(0), n.outputs[0]) else None


@node_rule("reduce")
def drop_reduce(r: Rewrite, n: Node) -> Value | None:
    """A reduction over no axis."""
    plain = n.attrs.get("kind", "sum") in ("sum", "mean", "max", "min", "prod")
    return n.inputs[0] if plain and not n.attrs.get("axes", 0) and len(n.inputs) == 1 else None


@node_rule("mul", "div", "add", "sub", "pow")
def drop_neutral(r: Rewrite, n: Node) -> Value | None:
    """x * 1, x / 1, x + 0, x - 0, x ** 1 where this is exact: for floats, x + 0 is not (-0 + 0 = 0), x + -0 is."""
    places = (0, 1) if n.op in ("mul", "add") else (1,)
    for i in places:
        c, x = n.arg(i), n.arg(1 - i)
        if c.const is None or c.const.size == 0 or not same_type(x, n.outputs[0]):
            continue
        if n.op in ("mul", "div", "pow"):
            neutral = bool(np.all(c.const == 1))
        else:
            zero = c.const == 0
            signs = np.signbit(c.const) if c.const.dtype.kind == "f" else None
            neutral = bool(np.all(zero)) and (signs is None or bool(np.all(signs if n.op == "add" else ~signs)))
        if neutral:
            return x
    return None


@rule(lambda x, c: P.pow(x, C(c)))
def square(r: Rewrite, x: Value, c: Value) -> Value | None:
    """x ** 2 is x * x."""
    return r.add("mul", x, x) if is_number(c, 2) and x.dtype == c.dtype and x.rank >= c.rank else None


@node_rule("transpose")
def merge_transposes(r: Rewrite, n: Node) -> Value | None:
    """A transpose of a transpose is one."""
    x = n.arg(0)
    if x.node is None or x.node.op != "transpose":
        return None
    r.cover(x.node)
    inner = x.node.attrs["perm"]
    return r.add("transpose", x.node.inputs[0], like=n, perm=tuple(inner[p] for p in n.attrs["perm"]))


@node_rule(*RESHAPES)
def merge_reshapes(r: Rewrite, n: Node) -> Value | None:
    """A reshape of a reshape is one."""
    x = n.arg(0)
    if x.node is None or x.node.op not in RESHAPES or target(n.outputs[0].shape) is None:
        return None
    if n.attrs.get("not_one") or x.node.attrs.get("not_one"):
        return None
    r.cover(x.node)
    return reshape_to(r, x.node.arg(0), n.outputs[0].shape, n)


@node_rule("transpose", *RESHAPES)
def move_constant(r: Rewrite, n: Node) -> Value | None:
    """A constant is transposed and reshaped at once."""
    x, y = n.arg(0), n.outputs[0]
    if x.const is None or not known(y.shape) or (n.op == "transpose" and is_shared(x)):
        return None
    moved = x.const.transpose(n.attrs["perm"]) if n.op == "transpose" else x.const
    return r.const(moved.reshape(y.shape))


@rule(lambda x, a, b: P.clip(P.relu(x), C(a), C(b)))
def clip_relu(r: Rewrite, x: Value, a: Value, b: Value) -> Value | None:
    """relu before a clip from 0 or more does nothing."""
    return r.add("clip", x, a, b) if a.array.size and bool(np.all(a.array >= 0)) else None


@node_rule("select")
def known_select(r: Rewrite, n: Node) -> Value | None:
    """A choice that is the same everywhere."""
    c = n.arg(0)
    if c.const is None or c.const.size == 0 or bool(np.any(c.const)) != bool(np.all(c.const)):
        return None
    x = n.arg(1) if np.all(c.const) else n.arg(2)
    return x if same_type(x, n.outputs[0]) else None


RULES: list[Rule] = [drop_same, drop_transpose, drop_single, drop_slice, drop_pad, drop_resize, drop_reduce,
                     drop_neutral, square, merge_transposes, merge_reshapes, move_constant, clip_relu, known_select]


def same_nodes(g: Graph, trace: Trace) -> None:
    """Common subexpressions: of equal nodes (operator, attributes, inputs, epilogue) the first one stays."""
    first: dict[Hashable, Node] = {}
    for n in list(g.nodes):
        if trace.full:
            break
        if n.op in ("custom", "delegate", "if", "loop"):
            continue
        twin = first.setdefault(_key(n), n)
        if twin is not n:
            trace.record("same_nodes", (twin, n))
            for old, new in zip(n.outputs, twin.outputs, strict=True):
                g.replace(old, new)
            twin.sources = tuple(dict.fromkeys((*twin.sources, *n.sources)))
    g.sweep()


def _key(n: Node) -> Hashable:
    def ident(a: object) -> Hashable:
        if not isinstance(a, Value):
            return a
        if a.const is None or a.const.nbytes > INTERN:
            return "value", id(a)
        return a.dtype, a.shape, hashlib.sha256(a.const.tobytes()).digest()

    post = tuple((p.op, p.dtype, p.dst, *map(ident, p.args)) for p in n.post)
    attrs = tuple(sorted((k, str(v)) for k, v in n.attrs.items()))
    return n.op, attrs, tuple(map(ident, n.inputs)), post, len(n.outputs)


def dead_code(g: Graph, trace: Trace) -> None:
    """Nodes that no output depends on. Not counted: it cannot change a result."""
    g.sweep()


__all__ = ["RESHAPES", "RULES", "dead_code", "same_nodes", "uses"]
