"""Normalisation and attention."""
from __future__ import annotations

from typing import Any

import numpy as np
from builder import Builder, Invalid, row


@row("BatchNormalization")
def batch_norm(g: Builder) -> None:
    x = g.some(rank=(2, 5), fits=lambda s: len(s) >= 2 and 0 not in s[1:])
    if 0 in x.shape[1:]:
        raise Invalid
    c = [x.shape[1]]
    kinds = [x.dtype] * 4
    if g.opset >= 14 and g.flag(20):
        kinds[2:] = [g.type("U" if g.opset < 15 else "T2")] * 2
    parts = [g.new(t, c, const=90) for t in kinds[:3]]
    g.node(x, *parts, g.new(kinds[3], c, const=90, low=0.2, high=2), epsilon=g.pick([None, 1e-3]),
           momentum=g.pick([None, 0.5]), training_mode=g.pick([None, 0]) if g.opset >= 14 else None)


@row("InstanceNormalization")
def instance_norm(g: Builder) -> None:
    x = g.some(rank=(3, 5), fits=lambda s: 0 not in s[1:] and len(s) in (3, 4, 5))
    g.node(x, *(g.new(x.dtype, [x.shape[1]], const=90) for _ in range(2)), epsilon=g.pick([None, 1e-3]))


@row("GroupNormalization")
def group_norm(g: Builder) -> None:
    x = g.some(rank=(3, 5), fits=lambda s: len(s) in (3, 4, 5) and 0 not in s[1:])
    c = x.shape[1]
    if c < 1:
        raise Invalid
    groups = g.pick([d for d in range(1, c + 1) if c % d == 0])
    stash = {"stash_type": g.pick([None, 1])} if g.opset >= 21 else {}
    n = groups if g.opset < 21 else c
    g.node(x, *(g.new(x.dtype, [n], const=90) for _ in range(2)), num_groups=groups, epsilon=g.pick([None, 1e-3]),
           **stash)


@row("LayerNormalization", "RMSNormalization")
def layer_norm(g: Builder) -> None:
    x = g.some(rank=(1, 5), fits=lambda s: len(s) > 0 and 0 not in s)
    axis = g.axis(x.rank) if g.flag() else None
    shape = x.shape[-1 if axis is None else axis:]
    attrs: dict[str, Any] = {"axis": axis, "epsilon": g.pick([None, 1e-3]), "stash_type": g.pick([None, 1])}
    bias = g.new(x.dtype, shape, const=85) if g.op[0] == "L" and g.flag() else None
    g.node(x, g.new(x.dtype, shape, const=85), bias, outputs=g.draw(1, 3) if g.op[0] == "L" and g.flag(20) else 1,
           **attrs)


@row("LpNormalization")
def lp_norm(g: Builder) -> None:
    x = g.some(rank=(1, 4))
    g.node(x, axis=g.axis(x.rank) if g.flag() else None, p=g.pick([None, 1, 2]))


@row("MeanVarianceNormalization")
def mean_variance(g: Builder) -> None:
    x = g.some(rank=(4, 4))
    g.node(x, axes=g.pick([None, [0, 2, 3], [2, 3], [1]]))


@row("RotaryEmbedding")
def rotary(g: Builder) -> None:
    b, h, s, d = g.draw(1, 2), g.draw(1, 3), g.draw(1, 4), g.pick([4, 2, 8])
    part = d // 2 if g.flag(30) and d > 2 else 0
    half = (part or d) // 2
    t = g.type(0)
    flat = g.flag(40)
    x = g.some(t, shape=[b, s, h * d] if flat else [b, h, s, d])
    ids = g.new(np.dtype("int64"), [b, s], low=0, high=6) if g.flag() else None
    shape = [7, half] if ids is not None else [b, s, half]
    g.node(x, g.new(t, shape, low=-1, high=1), g.new(t, shape, low=-1, high=1), ids, interleaved=g.pick([None, 0, 1]),
           num_heads=h if flat or part else None, rotary_embedding_dim=part or None)


@row("Attention")
def attention(g: Builder) -> None:
    b, kv, s, total, d, dv = g.draw(1, 2), g.draw(1, 2), g.draw(1, 5), g.draw(1, 6), g.pick([4, 2, 8]), g.pick([4, 3])
    h = kv * g.draw(1, 2)
    t = g.type(0)
    flat = g.flag(30)
    shapes = [[b, s, h * d], [b, total, kv * d], [b, total, kv * dv]] if flat else \
        [[b, h, s, d], [b, kv, total, d], [b, kv, total, dv]]
    q, k, v = (g.some(t, shape=x) for x in shapes)
    past = g.draw(1, 3) if g.flag(25) else 0
    pads = g.opset >= 24 and not past and g.flag(15)
    mask = None
    if g.flag(40):
        n = past + total
        mask = g.new(g.pick([t, np.dtype(bool)]), g.pick([[s, n], [1, 1, s, n], [b, h, s, n]]))
    before = [g.new(t, [b, kv, past, x]) for x in (d, dv)] if past else [None, None]
    lengths = g.new(np.dtype("int64"), [b], low=1, high=total) if pads else None
    attrs: dict[str, Any] = {"q_num_heads": h, "kv_num_heads": kv} if flat else {}
    for name, choices in (("qk_matmul_output_mode", [0, 1, 2, 3]), ("softmax_precision", [1]),
                          ("left_window_size", [0, 1, 2]), ("right_window_size", [0, 1, 2])):
        if name in g.schema.attributes and g.flag(15):
            attrs[name] = g.pick(choices)
    outputs = 4 if "qk_matmul_output_mode" in attrs else 3 if past else 1
    g.node(q, k, v, mask, *before, lengths, outputs=outputs, is_causal=g.pick([None, 0, 1]),
           scale=g.pick([None, 0.5]), softcap=g.pick([None, None, 2.0]), **attrs)
