"""Reductions, indices of extremes, sums along an axis, sorting, counting."""
from __future__ import annotations

import numpy as np
from builder import Builder, Invalid, row

KINDS = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"


@row(*(f"Reduce{k}" for k in KINDS.split()))
def reduce(g: Builder) -> None:
    positive = {"low": 0.1, "high": 3} if g.op == "ReduceLogSum" else {}
    x = g.some(rank=(0, 6), **positive)
    axes = g.axes(x.rank) if x.rank and g.flag(80) else None
    keep = g.pick([None, 0, 1])
    if g.opset < (13 if g.op == "ReduceSum" else 18):
        g.node(x, axes=[a % x.rank for a in axes] if axes and g.opset < 11 else axes, keepdims=keep)
        return
    empty = axes is None and g.flag(40)
    g.node(x, g.given([] if empty else axes) if empty or axes else None, keepdims=keep,
           noop_with_empty_axes=g.pick([0, 1]) if empty else None)


@row("ArgMax", "ArgMin")
def arg(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    axis = g.axis(x.rank) if g.flag(80) else None
    if g.opset < 11 and axis is not None:
        axis %= x.rank
    g.node(x, axis=axis, keepdims=g.pick([None, 0, 1]),
           select_last_index=g.pick([None, 0, 1]) if g.opset >= 12 else None)


@row("CumSum", "CumProd")
def cumulative(g: Builder) -> None:
    x = g.some(rank=(1, 4))
    g.node(x, g.given(g.axis(x.rank), dtype=g.pick([np.int64, np.int32])), exclusive=g.pick([None, 0, 1]),
           reverse=g.pick([None, 0, 1]))


@row("TopK")
def top_k(g: Builder) -> None:
    x = g.some(rank=(1, 4))
    axis = g.axis(x.rank) if g.flag(80) else None
    n = x.shape[-1 if axis is None else axis]
    k = g.draw(0 if n == 0 else 1, n)
    if g.opset < 10:
        g.node(x, k=max(k, 1), axis=None if axis is None else axis % x.rank, outputs=2)
        return
    late = g.opset >= 11
    g.node(x, g.given([k]), axis=axis, largest=g.pick([None, 0, 1]) if late else None,
           sorted=g.pick([None, 1]) if late else None, outputs=2)


@row("NonZero")
def non_zero(g: Builder) -> None:
    g.node(g.some(rank=(1, 4), make=lambda: g.shape(1, 4)))


@row("Unique")
def unique(g: Builder) -> None:
    x = g.some(rank=(1, 3), fits=lambda s: 0 not in s, make=lambda: [max(d, 1) for d in g.shape(1, 3)])
    g.node(x, axis=g.axis(x.rank) if g.flag() else None, sorted=g.pick([None, 0, 1]), outputs=g.draw(1, 4))


@row("Det")
def det(g: Builder) -> None:
    n = g.pick([2, 1, 3, 4])
    g.node(g.some(fits=lambda s: len(s) >= 2 and s[-1] == s[-2] and s[-1] <= 5, make=lambda: [*g.shape(0, 2), n, n]))


@row("Hardmax", "Softmax", "LogSoftmax")
def softmax(g: Builder) -> None:
    x = g.some(rank=(1, 5))
    axis = g.axis(x.rank) if g.flag(80) else None
    if axis is not None and g.opset < 11:
        axis %= x.rank
    if axis is None and g.opset < 13 and x.rank < 2:
        raise Invalid
    g.node(x, axis=axis)
