"""A 1x1 convolution, a depthwise one and a 1x1 one become one operator, which the runtime computes without keeping the
expanded tensor where that is faster."""
from __future__ import annotations

from typing import Any

from ..ir import ACC, Node, Value
from ..rewrite import Rewrite, Rule, node_rule, vanishes_with

ACTS = ("relu", "clip", "hard_swish", "silu")  # what the operator does between its stages


def _activation(n: Node, stage: str) -> dict[str, Any] | None:
    """The epilogue of an inner stage as attributes, None when it is more than one activation."""
    if not n.post:
        return {}
    p = n.post[0]
    if len(n.post) > 1 or p.op not in ACTS or p.dtype != "f32" or p.args[0] is not ACC:
        return None
    if any(isinstance(a, Value) for a in p.args):
        return None
    numbers = dict(zip((f"{stage}_lo", f"{stage}_hi"), p.args[1:], strict=False))
    return {f"{stage}_act": p.op, **numbers}


def _is_point(n: Node) -> bool:
    """Whether a convolution is 1x1 and visits each pixel once."""
    w, plain = n.arg(1), ("stride_h", "stride_w", "groups")
    return w.const is not None and all(d == 1 for d in w.shape[1:-1]) and \
        all(n.attrs.get(k, 1) == 1 for k in plain) and not any(v for k, v in n.attrs.items() if k.startswith("pad_"))


def _is_depthwise(n: Node) -> bool:
    w = n.arg(1)
    return w.const is not None and w.shape[0] == n.attrs.get("groups", 1) > 1 and w.shape[-1] == 1


def _before(r: Rewrite, n: Node) -> Node | None:
    """The convolution in f32 whose result n alone reads."""
    x = n.arg(0)
    p = x.node
    if p is None or p.op != "conv" or not vanishes_with(r.graph, x, n):
        return None
    return p if p.arg(0).dtype == x.dtype == "f32" else None


@node_rule("conv")
def inverted_residual(r: Rewrite, n: Node) -> Value | None:
    """1x1, depthwise, 1x1 with nothing between them but an activation each, and more channels between than
    outside."""
    depthwise = _before(r, n) if _is_point(n) else None
    expand = _before(r, depthwise) if depthwise is not None and _is_depthwise(depthwise) else None
    if depthwise is None or expand is None or not _is_point(expand):
        return None
    narrow, wide = expand.arg(1).shape[-1], depthwise.arg(1).shape[0]
    if wide <= narrow or wide <= n.arg(1).shape[0]:  # then what is between is not what takes the memory
        return None
    acts = (_activation(expand, "expand"), _activation(depthwise, "depthwise"))
    if acts[0] is None or acts[1] is None:
        return None
    window = {k: v for k, v in depthwise.attrs.items() if k not in ("groups", "x_zero", "w_zero")}
    r.cover(expand, depthwise)
    inputs = [v for c in (expand, depthwise, n) for v in (c.arg(1), c.opt(2))]
    return r.add("inverted_residual", expand.arg(0), *inputs, post=n.post, **window, **acts[0], **acts[1])


RULES: list[Rule] = [inverted_residual]
