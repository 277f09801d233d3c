"""Gather and scatter by indices in tensors."""
from __future__ import annotations

from typing import Any

import numpy as np
from builder import Builder, Tensor, row


def indices(g: Builder, of: int, shape: list[int], n: int) -> Tensor:
    return g.new(g.pick(g.types(of)), shape, low=-n if g.opset >= 11 else 0, high=n - 1)


def full(g: Builder, low: int, high: int, of: int = 0) -> Tensor:
    return g.some(of, rank=(low, high), fits=lambda s: 0 not in s, make=lambda: [max(d, 1) for d in g.shape(low, high)])


@row("GatherElements")
def gather_elements(g: Builder) -> None:
    x = full(g, 1, 4)
    axis = g.axis(x.rank)
    shape = [g.draw(1, d) if g.flag(40) else d for d in x.shape]
    shape[axis] = g.size()
    g.node(x, indices(g, 1, shape, x.shape[axis]), axis=axis)


@row("GatherND")
def gather_nd(g: Builder) -> None:
    x = full(g, 1, 4)
    batch = g.draw(0, x.rank - 1) if g.opset >= 12 and g.flag(30) else 0
    k = g.draw(1, x.rank - batch)
    shape = [*x.shape[:batch], *g.shape(0, 2), k]
    limits = np.array(x.shape[batch:batch + k])
    drawn = g.rng.integers(0, 2**31, shape) % (limits if g.opset < 11 or g.flag() else limits)
    g.node(x, g.given(drawn, const=30), batch_dims=batch or None)


@row("ScatterElements", "Scatter")
def scatter_elements(g: Builder) -> None:
    x = full(g, 1, 4)
    axis = g.axis(x.rank)
    if g.opset < 11:
        axis %= x.rank
    modes = ["none", *(["add", "mul"] if g.opset >= 16 else []), *(["max", "min"] if g.opset >= 18 else [])]
    mode = g.pick(modes) if g.op == "ScatterElements" else "none"
    shape = [g.draw(1, d) for d in x.shape]
    order = np.argsort(g.rng.random([*shape[:axis % x.rank], x.shape[axis], *shape[axis % x.rank + 1:]]), axis)
    chosen = np.take(order, np.arange(shape[axis]), axis)  # without duplicates: their order is nobody's
    if mode != "none":
        chosen = g.rng.integers(0, x.shape[axis], shape)
    how: dict[str, Any] = {"reduction": mode} if mode != "none" else {}
    g.node(x, g.given(chosen, const=30, dtype=g.pick(g.types(1))), g.new(x.dtype, shape), axis=axis, **how)


@row("ScatterND")
def scatter_nd(g: Builder) -> None:
    x = full(g, 1, 4)
    k = g.draw(1, x.rank)
    modes = ["none", *(["add", "mul"] if g.opset >= 16 else []), *(["max", "min"] if g.opset >= 18 else [])]
    mode = g.pick(modes)
    count = int(np.prod(x.shape[:k]))
    n = g.draw(1, min(count, 6))
    flat = g.rng.permutation(count)[:n] if mode == "none" else g.rng.integers(0, count, n)
    where = np.stack(np.unravel_index(flat, x.shape[:k]), -1)
    how: dict[str, Any] = {"reduction": mode} if mode != "none" else {}
    g.node(x, g.given(where, const=30), g.new(x.dtype, [n, *x.shape[k:]]), **how)


@row("TensorScatter")
def tensor_scatter(g: Builder) -> None:
    b, most, n = g.draw(1, 3), g.draw(2, 6), 0
    n = g.draw(1, most)
    circular = g.flag(40)
    before, after = [g.draw(1, 2)] if g.flag() else [], [g.draw(1, 4)]
    t = g.type(0)
    axis = -2 if g.flag(60) else 1 + len(before)
    written = g.new(np.dtype("int64"), [b], low=0, high=most - 1 if circular else most - n) if g.flag(75) else None
    g.node(g.new(t, [b, *before, most, *after]), g.new(t, [b, *before, n, *after]), written,
           axis=axis if axis != -2 or g.flag() else None, mode="circular" if circular else g.pick([None, "linear"]))
