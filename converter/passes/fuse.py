"""Into convolutions and matrix products: constants per channel into weights and bias, transposes into flags, pads into
windows, and what follows element by element into the epilogue."""
from __future__ import annotations

import numpy as np

from ...spec.postops import FLOAT, MAX_OPERANDS, POSTOPS
from ..dtypes import to_numpy
from ..ir import ACC, Node, Post, Value
from ..lower.encode import accumulator, arithmetic, immediate, result_dtype, source_dtypes
from ..rewrite import C, Opt, P, Rewrite, Rule, node_rule, rule, vanishes_with
from .common import FLOATS, broadcasts_into, channel_vector, ints, is_shared, same_shape

LINEAR = ("conv", "conv_transpose", "matmul")
MAX_POSTS = 24


# ---- constants per channel ----
def _linear(r: Rewrite, n: Node, v: Value | None) -> Node | None:
    """The float operator without epilogue that makes v for n alone."""
    if v is None or v.node is None or v.node.op not in LINEAR or v.node.post or v.dtype not in FLOATS:
        return None
    return v.node if vanishes_with(r.graph, v, n) and v.node.arg(0).dtype == v.dtype else None


def _parts(n: Node) -> tuple[Value, Value, Value | None]:
    return n.arg(0), n.arg(1), n.opt(2)


def _sides(n: Node) -> list[tuple[Value, Value]]:
    """(data, constant) for each order of the inputs that the operator allows."""
    a, b = n.arg(0), n.arg(1)
    orders = [(a, b), (b, a)] if n.op in ("mul", "add") else [(a, b)]
    return [(x, c) for x, c in orders if c.const is not None]


def _scaled_weights(p: Node, w: Value, s: np.ndarray) -> np.ndarray | None:
    """w * s along output channels, in double precision."""
    if w.const is None or is_shared(w):
        return None
    wide = w.const.astype(np.float64)
    if p.op != "matmul":
        return wide * s.reshape((-1,) + (1,) * (w.rank - 1))
    if w.rank != 2:
        return None
    return wide * (s[:, None] if p.attrs.get("trans_b", 0) else s)


def _fits(a: np.ndarray, dtype: str) -> bool:
    """Whether values stay finite in dtype."""
    with np.errstate(over="ignore"):
        return bool(np.all(np.isfinite(a.astype(to_numpy(dtype)))))


@node_rule("mul", "div")
def scale_into_weights(r: Rewrite, n: Node) -> Value | None:
    """A factor per channel after a convolution or product goes into its weights and bias."""
    for y, c in _sides(n):
        p = _linear(r, n, y)
        s = channel_vector(c.array.astype(np.float64), y.shape) if p else None
        if p is None or s is None or (n.op == "div" and not np.all(s)):
            continue
        s = 1 / s if n.op == "div" else s
        x, w, b = _parts(p)
        scaled = _scaled_weights(p, w, s)
        if scaled is None or (b is not None and b.const is None) or not _fits(scaled, w.dtype):
            continue
        r.cover(p)
        bias = r.const(b.array.astype(np.float64) * s, b.dtype) if b is not None else None
        return r.add(p.op, x, r.const(scaled, w.dtype), bias, like=p)
    return None


@node_rule("add", "sub")
def shift_into_bias(r: Rewrite, n: Node) -> Value | None:
    """A summand per channel after a convolution or product goes into its bias."""
    for y, c in _sides(n):
        p = _linear(r, n, y)
        v = channel_vector(c.array.astype(np.float64), y.shape) if p else None
        if p is None or v is None:
            continue
        x, w, b = _parts(p)
        if b is not None and b.const is None:
            continue
        v = (-v if n.op == "sub" else v) + (b.array.astype(np.float64) if b is not None else 0)
        r.cover(p)
        return r.add(p.op, x, w, r.const(v, y.dtype), like=p)
    return None


@rule(lambda a, b, v: P.add(P.matmul(a, b), v))
def value_into_bias(r: Rewrite, matmul: Node, a: Value, b: Value, v: Value) -> Value | None:
    """A computed vector [N] added to a product is its bias."""
    y = matmul.outputs[0]
    fits = v.const is None and v.rank == 1 and same_shape(v.shape, y.shape[-1:]) and v.dtype == y.dtype == a.dtype
    return r.add("matmul", a, b, v, like=matmul) if fits and v.dtype in FLOATS else None


@rule(lambda x, s, w, b: P.conv(P.mul(x, C(s)), C(w), Opt(b)))
def scale_before_conv(r: Rewrite, conv: Node, x: Value, s: Value, w: Value, b: Value | None) -> Value | None:
    """A factor per channel before a convolution goes into its weights (padding is zero either way)."""
    c = channel_vector(s.array.astype(np.float64), x.shape)
    if c is None or conv.attrs.get("groups", 1) != 1 or w.dtype not in FLOATS or x.dtype != w.dtype or is_shared(w):
        return None
    scaled = w.array.astype(np.float64) * c
    return r.add("conv", x, r.const(scaled, w.dtype), b, like=conv) if _fits(scaled, w.dtype) else None


@rule(lambda x, pads, value, w, b: P.conv(P.pad(x, C(pads), Opt(value)), w, Opt(b)))
def pad_into_conv(r: Rewrite, pad: Node, conv: Node, x: Value, pads: Value, value: Value | None, w: Value,
                  b: Value | None) -> Value | None:
    """Zeros around an image are the convolution's own padding."""
    wide = _window_pads(pad, conv) if value is None or _is_all(value, 0) else None
    return r.add("conv", x, w, b, like=conv, **wide) if wide else None


def _is_all(v: Value, number: float) -> bool:
    return v.const is not None and bool(np.all(v.const == number))


def _window_pads(pad: Node, n: Node) -> dict[str, int] | None:
    """The pads of a convolution or pooling that takes over those of a constant `pad` before it."""
    p, rank = ints(pad.arg(1)), pad.arg(0).rank
    if p is None or pad.attrs.get("mode", "constant") != "constant" or min(p, default=0) < 0 or \
            n.attrs.get("auto_pad", "explicit") != "explicit" or rank not in (3, 4) or \
            pad.arg(0).dtype not in FLOATS or p[0] or p[rank - 1] or p[rank] or p[2 * rank - 1]:
        return None
    sides = ("pad_top", "pad_left", "pad_bottom", "pad_right") if rank == 4 else ("pad_left", "pad_right")
    more = [*p[1 : rank - 1], *p[rank + 1 : 2 * rank - 1]]
    wide = {k: n.attrs.get(k, 0) + v for k, v in zip(sides, more, strict=True)}
    return wide if max(wide.values()) <= 65536 else None


@rule(lambda x, pads, value: P.avg_pool(P.pad(x, C(pads), Opt(value))))
def pad_into_avg_pool(r: Rewrite, pad: Node, avg_pool: Node, x: Value, pads: Value,
                      value: Value | None) -> Value | None:
    """Zeros around an image are the padding of a mean that counts it. A window of a rounded-up size that reaches over
    the padding is divided by less, so these stay."""
    a = avg_pool.attrs
    counts = a.get("divisor", "inside") != "inside" or not any(v for k, v in a.items() if k.startswith("pad_"))
    if a.get("ceil_mode", 0) or not counts or (value is not None and not _is_all(value, 0)):
        return None
    wide = _window_pads(pad, avg_pool)
    divisor = "one" if a.get("divisor") == "one" else "padded"
    return r.add("avg_pool", x, like=avg_pool, **wide, divisor=divisor) if wide else None


@rule(lambda x, pads, value: P.max_pool(P.pad(x, C(pads), Opt(value))))
def pad_into_max_pool(r: Rewrite, pad: Node, max_pool: Node, x: Value, pads: Value,
                      value: Value | None) -> Value | None:
    """-inf around an image is the padding of a maximum; so are zeros around what is never negative, when no window lies
    in the padding alone."""
    zero = value is None or _is_all(value, 0)
    wide = _window_pads(pad, max_pool) if zero or _is_all(value, -np.inf) else None
    if wide is None or max_pool.attrs.get("ceil_mode", 0):
        return None
    a = max_pool.attrs
    small = all(v < a.get("kernel_h" if k in ("pad_top", "pad_bottom") else "kernel_w", 1) for k, v in wide.items())
    plain = a.get("dilation_h", 1) == a.get("dilation_w", 1) == 1
    own = any(v for k, v in a.items() if k.startswith("pad_"))  # -inf outside of the zeros, which may win there
    if not small or not plain or (zero and (own or not _never_negative(x))):
        return None
    return r.add("max_pool", x, like=max_pool, **wide)


def _never_negative(v: Value) -> bool:
    n = v.node
    if n is None or n.post:
        return n is not None and bool(n.post) and n.post[-1].op in ("relu", "sigmoid")
    return n.op in ("relu", "sigmoid", "hard_sigmoid") or (
        n.op == "clip" and n.arg(1).const is not None and bool(np.all(n.arg(1).array >= 0)))


# ---- transposes of matrices ----
@node_rule("matmul")
def transpose_into_matmul(r: Rewrite, n: Node) -> Value | None:
    """A transpose of the last two axes becomes a flag; one that moves the last axis leaves it in place that way."""
    for i, flag in ((0, "trans_a"), (1, "trans_b")):
        v = n.arg(i)
        t = v.node
        if t is None or t.op != "transpose" or v.rank < 2:
            continue
        perm = list(t.attrs["perm"])
        swapped = [*perm[:-2], perm[-1], perm[-2]]
        source = t.inputs[0]
        if swapped != sorted(swapped):
            if perm[-1] == v.rank - 1 or swapped[-1] != v.rank - 1 or not vanishes_with(r.graph, v, n):
                continue
        r.cover(t)
        if swapped != sorted(swapped):
            source = r.add("transpose", source, like=t, perm=tuple(swapped))
        inputs = [*n.inputs[:i], source, *n.inputs[i + 1 :]]
        return r.add("matmul", *inputs, like=n, **{flag: 1 - n.attrs.get(flag, 0)})
    return None


# ---- epilogues ----
STEPS = [p.name for p in POSTOPS.values() if p.result != "bool" and p.name not in ("copy", "select")]


@node_rule(*STEPS)
def into_epilogue(r: Rewrite, n: Node) -> Value | None:
    """What follows a convolution or product element by element runs in its epilogue. Quantised results stay quantised:
    the next operator may take them as they are."""
    return None if any(v is not None and v.dtype in ("i8", "u8") for v in n.inputs[:1]) else _into_epilogue(r, n)


@node_rule(*STEPS)
def late_into_epilogue(r: Rewrite, n: Node) -> Value | None:
    """As into_epilogue, when nothing takes quantised results any more."""
    return _into_epilogue(r, n)


def _into_epilogue(r: Rewrite, n: Node) -> Value | None:
    candidates = [v for v in n.inputs if v is not None and v.node is not None and v.node.op in LINEAR]
    if len(candidates) > 1:  # the one that is computed last: the other operand is there by then
        candidates.sort(key=lambda v: r.graph.nodes.index(v.node) if v.node else -1, reverse=True)
    for y in candidates:
        p = y.node
        if p is None or not vanishes_with(r.graph, y, n) or len(p.post) >= MAX_POSTS:
            continue
        if not same_shape(y.shape, n.outputs[0].shape):
            continue
        posts = _extended(p, y, n)
        if posts is not None:
            r.cover(p)
            return r.add(p.op, *p.inputs, like=p, post=posts)
    return None


def _extended(p: Node, y: Value, n: Node) -> list[Post] | None:
    """The epilogue of p with n after it, None when n does not fit in."""
    posts, dtype = list(p.post), arithmetic(n)
    now = result_dtype(posts[-1]) if posts else accumulator(p)
    if now != y.dtype or (n.op not in ("cast", "quantize") and dtype not in FLOAT):
        return None
    step = _post(n, y, dtype)
    return [*posts, step] if step and _operands(posts) + _operands([step]) <= MAX_OPERANDS else None


def _operands(posts: list[Post]) -> int:
    return len({id(a) for p in posts for a in p.args if isinstance(a, Value)})


def _post(n: Node, y: Value, dtype: str) -> Post | None:
    """n as a step on the accumulator y."""
    wanted = source_dtypes(n.op, dtype)
    args: list[object] = []
    for v, want in zip(n.inputs, wanted, strict=False):
        if v is None:
            return None
        if v is y:
            args.append(ACC)
            continue
        number = v.const.reshape(()).item() if v.const is not None and v.const.size == 1 else None
        if number is not None and v.rank <= y.rank and immediate(number, want) is not None:
            args.append(number)
        elif broadcasts_into(v.shape, y.shape):
            args.append(v)
        else:
            return None
    return Post(n.op, tuple(args), dtype)


AFFINE: list[Rule] = [scale_into_weights, shift_into_bias, value_into_bias, scale_before_conv, pad_into_conv,
                      pad_into_avg_pool, pad_into_max_pool, transpose_into_matmul]
EPILOGUE: list[Rule] = [into_epilogue]
LATE_EPILOGUE: list[Rule] = [late_into_epilogue]
