"""Weights stored in f16 and computed with in f32: half the bytes on disk, packed into f32 panels at load."""
from __future__ import annotations

import numpy as np

from ..errors import ConvertError
from ..ir import Graph, Node, Value
from ..rewrite import Trace

F16_MAX = 65504.0
PLACES = {"conv": (1,), "conv_transpose": (1,), "matmul": (1,), "recurrent": (1,), "gather": (0,),
          "inverted_residual": (1, 3, 5)}  # which inputs are weights
MIN_TABLE = 1 << 12  # bytes of a table below which a cast after its gather costs more than it saves


def half_weights(g: Graph, trace: Trace) -> None:
    """Weights of convolutions and products, and tables, become f16 where nothing else reads them. Refuses what f16
    cannot hold."""
    made: dict[int, Value] = {}
    for n in list(g.nodes):
        if trace.full:
            return
        found = [(i, w) for i in PLACES.get(n.op, ()) if (w := _weight(n, i)) is not None]
        found = [(i, w) for i, w in found if all(_is_weight(u, w) for u in w.users) and not g.is_output(w)]
        for i, w in found:
            if id(w) not in made:
                made[id(w)] = _half(g, n, w)
            if n.op == "gather":
                _gather(g, n, made[id(w)])
            else:
                g.set_input(n, i, made[id(w)])
        if found:
            trace.record("half_weights", (n,))


def _is_weight(n: Node, w: Value) -> bool:
    return any(_weight(n, i) is w for i in PLACES.get(n.op, ()))


def _weight(n: Node, place: int) -> Value | None:
    """The f32 constant that a node may have in f16 too. The other operand of a product of constants is none."""
    w = n.opt(place)
    if w is None or w.const is None or w.dtype != "f32" or sum(v is w for v in n.inputs) > 1 or \
            any(a is w for p in n.post for a in p.args):
        return None
    if n.op == "gather":
        return w if w.const.nbytes >= MIN_TABLE else None
    return w if n.arg(0).dtype == "f32" else None


def _half(g: Graph, n: Node, w: Value) -> Value:
    largest = float(np.max(np.abs(w.array), initial=0))
    if largest > F16_MAX:  # NaN stays NaN
        name = f"weight '{w.name}'" if w.name else "its weight"
        raise ConvertError(f"{n.op} '{n.name}': {name} holds {largest:g}, and f16 ends at {F16_MAX:g}; convert with "
                           f"weights f32")
    return g.const(w.array.astype(np.float16), name=w.name)


def _gather(g: Graph, n: Node, table: Value) -> None:
    """gather of the f16 table, then a cast."""
    y = g.add("gather", table, *n.inputs[1:], name=n.name, sources=n.sources, before=n, **n.attrs)
    g.replace(n.outputs[0], g.add("cast", y, name=n.name, sources=n.sources, before=n, to="f32"))
    g.remove(n)
