"""Convolutions and products between DequantizeLinear and QuantizeLinear, in integers.

The frontend writes DequantizeLinear as mul(sub(cast(q), zero), scale), without the sub when zero is 0, and
QuantizeLinear as `quantize`, which the epilogue has taken by now. With x = sx (qx - zx) and w = sw (qw - zw),

    sum x w + b = sx sw (sum (qx - zx) (qw - zw) + b / (sx sw))

where the inner sum is what the integer kernels compute, and the factor is the first step of the epilogue
(Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018).
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import ACC, Node, Post, Value
from ..rewrite import Rewrite, Rule, node_rule, vanishes_with
from .common import known

MAX_DEPTH = 65536  # products of 8-bit numbers that an i32 surely holds


@dataclass
class Quantized:
    """value = transpose(scale * (q - zero), perm). scale and zero: f64 arrays that broadcast to q."""

    q: Value
    scale: np.ndarray
    zero: np.ndarray
    perm: tuple[int, ...]
    nodes: list[Node]


def dequantized(v: Value | None) -> Quantized | None:
    """How v is made of quantised numbers, None when it is not."""
    if v is None or v.dtype != "f32":
        return None
    nodes: list[Node] = []
    perm = tuple(range(v.rank))
    scale, zero = np.ones(()), np.zeros(())
    order = ("transpose", "mul", "sub", "cast")
    at = 0
    while v.node is not None and v.node.op in order[at:]:
        n = v.node
        at = order.index(n.op) + (n.op != "transpose")
        nodes.append(n)
        a, b = n.arg(0), n.opt(1)
        if n.op == "transpose":
            perm = tuple(n.attrs["perm"][p] for p in perm)
        elif n.op == "cast":
            return Quantized(a, scale, zero, perm, nodes) if a.dtype in ("i8", "u8", "i32") else None
        else:
            if b is not None and n.op == "mul" and _constant(b) is None:
                a, b = b, a
            c = _constant(b)
            if c is None or c.ndim > a.rank:
                return None
            scale, zero = (c, zero) if n.op == "mul" else (scale, c)
        v = a
    return None


def _constant(v: Value | None) -> np.ndarray | None:
    """The value of a constant, or of a constant's cast."""
    if v is not None and v.const is None and v.node is not None and v.node.op == "cast":
        v = v.node.inputs[0]
    return v.const.astype(np.float64) if v is not None and v.const is not None else None


def _scalar(a: np.ndarray) -> float | None:
    """The one number of an array, None when there are several."""
    return float(a.reshape(-1)[0]) if a.size and np.all(a == a.reshape(-1)[0]) else None


def _moved(a: np.ndarray, like: Quantized) -> np.ndarray:
    """A broadcastable array in the order of the dequantised value."""
    rank = len(like.perm)
    return a.reshape((1,) * (rank - a.ndim) + a.shape).transpose(like.perm)


def _along(a: np.ndarray, axis: int) -> np.ndarray | None:
    """A broadcastable array that differs along one axis only, as a vector."""
    return a.reshape(-1) if all(d == 1 for i, d in enumerate(a.shape) if i != axis % a.ndim) else None


@node_rule("conv", "conv_transpose", "matmul")
def integer_kernel(r: Rewrite, n: Node) -> Value | None:
    """A convolution or product of dequantised tensors works on the integers."""
    if n.inputs[0] is None or n.inputs[0].dtype != "f32" or n.outputs[0].node is not n:
        return None
    x, w = dequantized(n.inputs[0]), dequantized(n.inputs[1])
    if x is None or w is None or x.q.dtype not in ("i8", "u8") or w.q.dtype not in ("i8", "u8") or x.q is w.q:
        return None
    weights = _weights(r, n, w)
    sx, zx = _scalar(x.scale), _scalar(x.zero)
    if weights is None or sx is None or zx is None or sx <= 0 or zx != int(zx):
        return None
    data, sw, zw = weights
    r.cover(*x.nodes, *w.nodes)
    q = x.q
    if list(x.perm) != sorted(x.perm):
        q = r.add("transpose", q, perm=x.perm)
    factor = sx * sw
    bias, more = _bias(r, n.opt(2), factor)
    posts = [Post("cast", (ACC,), "f32"), Post("mul", (ACC, _operand(r, factor)), "f32"), *more, *n.post]
    zeros = {"a_zero": int(zx), "b_zero": zw} if n.op == "matmul" else {"x_zero": int(zx), "w_zero": zw}
    return r.add(n.op, q, data, bias, like=n, post=posts, **zeros)


def _weights(r: Rewrite, n: Node, w: Quantized) -> tuple[Value, np.ndarray, int] | None:
    """(i8 weights, their scale: a scalar or one per output channel, their zero point)"""
    channel = 0 if n.op != "matmul" else -2 if n.attrs.get("trans_b", 0) else -1
    zero = _scalar(w.zero)
    scale = _along(_moved(w.scale, w), channel)
    if zero is None or zero != int(zero) or scale is None or not np.all(scale > 0):
        return None
    if w.q.const is None:
        if n.op != "matmul" or scale.size != 1 or list(w.perm) != sorted(w.perm):
            return None
        return w.q, scale[0], int(zero)
    a = w.q.const.transpose(w.perm)
    depth = a.size // a.shape[channel] if a.size else 0
    if depth > MAX_DEPTH or not known(w.q.shape) or (n.op == "matmul" and a.ndim > 2 and scale.size > 1):
        return None
    if a.dtype == np.uint8:
        a, zero = (a.astype(np.int16) - 128).astype(np.int8), zero - 128
    return r.const(a), scale if scale.size > 1 else scale[0], int(zero)


def _bias(r: Rewrite, b: Value | None, factor: np.ndarray) -> tuple[Value | None, list[Post]]:
    """The bias in i32 when it is a whole number of `factor` (to the precision of f32), else a step of the epilogue."""
    if b is None:
        return None, []
    value, quantised = b.const, dequantized(b)
    if quantised is not None and quantised.q.const is not None:
        r.cover(*quantised.nodes)
        value = (quantised.q.const.astype(np.float64) - quantised.zero) * quantised.scale
    if value is not None:
        whole = np.rint(value.astype(np.float64) / factor)
        if np.all(np.abs(whole) < 2**30) and np.allclose(whole * factor, value, rtol=4e-7, atol=0):
            return r.const(whole, "i32"), []
    return None, [Post("add", (ACC, b), "f32")]


def _operand(r: Rewrite, factor: np.ndarray) -> object:
    narrow = np.asarray(factor, np.float32)
    return r.const(narrow) if narrow.size > 1 else float(narrow.reshape(()))


MOVES = ("max_pool", "transpose", "reshape", "squeeze", "unsqueeze", "flatten", "slice", "gather", "expand")


@node_rule("quantize")
def move_integers(r: Rewrite, n: Node) -> Value | None:
    """What only moves or compares numbers between equal scales works on the integers."""
    x, scale, zero = n.arg(0), n.arg(1), n.arg(2)
    if x.node is None or scale.const is None or zero.const is None or scale.const.size != 1 or zero.const.size != 1:
        return None
    move = x.node if x.node.op in MOVES and vanishes_with(r.graph, x, n) else None
    q = dequantized(move.inputs[0] if move else x)
    if q is None or q.q.dtype != n.outputs[0].dtype or list(q.perm) != sorted(q.perm):
        return None
    if _scalar(q.scale) != float(scale.const.reshape(())) or _scalar(q.zero) != float(zero.const.reshape(())):
        return None
    r.cover(*q.nodes, *([move] if move else []))
    return r.add(move.op, q.q, *move.inputs[1:], like=move) if move else q.q


RULES: list[Rule] = [integer_kernel, move_integers]
