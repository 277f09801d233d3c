"""Functions that exporters write as many small operators, put together again."""
from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..ir import Node, Value
from ..rewrite import C, Opt, P, Pat, Rewrite, Rule, Var, is_number, rule
from .common import FLOATS, axes, same_shape

SQRT_2 = math.sqrt(2)


@rule(lambda x: P.mul(x, P.sigmoid(x)))
def silu(r: Rewrite, x: Value) -> Value | None:
    """x * sigmoid(x)"""
    return r.add("silu", x)


@rule(lambda x: P.mul(x, P.tanh(P.softplus(x))))
def mish(r: Rewrite, x: Value) -> Value | None:
    """x * tanh(softplus(x))"""
    return r.add("mish", x)


def _hard_sigmoid(r: Rewrite, x: Value) -> Value:
    return r.add("hard_sigmoid", x, r.const(1 / 6, x.dtype), r.const(0.5, x.dtype))


@rule(lambda x: P.div(P.clip(P.add(x, 3.0), 0.0, 6.0), 6.0))
def hard_sigmoid_div(r: Rewrite, x: Value) -> Value | None:
    """clip(x + 3, 0, 6) / 6"""
    return _hard_sigmoid(r, x) if x.dtype in FLOATS else None


@rule(lambda x: P.mul(P.clip(P.add(x, 3.0), 0.0, 6.0), 1 / 6))
def hard_sigmoid_mul(r: Rewrite, x: Value) -> Value | None:
    """clip(x + 3, 0, 6) * (1 / 6)"""
    return _hard_sigmoid(r, x) if x.dtype in FLOATS else None


@rule(lambda x, a, b: P.mul(x, P.hard_sigmoid(x, C(a), C(b))))
def hard_swish(r: Rewrite, x: Value, a: Value, b: Value) -> Value | None:
    """x * hard_sigmoid(x) with slope 1/6 and offset 1/2"""
    return r.add("hard_swish", x) if is_number(a, 1 / 6) and is_number(b, 0.5) else None


@rule(lambda x: P.div(P.mul(x, P.clip(P.add(x, 3.0), 0.0, 6.0)), 6.0))
def hard_swish_div(r: Rewrite, x: Value) -> Value | None:
    """x * clip(x + 3, 0, 6) / 6"""
    return r.add("hard_swish", x) if x.dtype in FLOATS else None


@rule(lambda x: P.mul(P.mul(x, P.clip(P.add(x, 3.0), 0.0, 6.0)), 1 / 6))
def hard_swish_mul(r: Rewrite, x: Value) -> Value | None:
    """x * clip(x + 3, 0, 6) * (1 / 6)"""
    return r.add("hard_swish", x) if x.dtype in FLOATS else None


def _erf_1(x: Var) -> tuple[Pat, Pat]:
    """1 + erf(x / sqrt 2) in two spellings."""
    return P.add(P.erf(P.div(x, SQRT_2)), 1.0), P.add(P.erf(P.mul(x, 1 / SQRT_2)), 1.0)


def _tanh_1(x: Var) -> tuple[Pat, Pat, Pat]:
    """1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)) with three spellings of the cube."""
    def with_cube(cube: Pat) -> Pat:
        return P.add(P.tanh(P.mul(P.add(x, P.mul(cube, 0.044715)), math.sqrt(2 / math.pi))), 1.0)

    return with_cube(P.pow(x, 3.0)), with_cube(P.mul(x, P.mul(x, x))), with_cube(P.mul(P.pow(x, 2.0), x))


def _gelu(op: str, name: str, inner: Callable[[Var], tuple[Pat, ...]], which: int, form: int) -> Rule:
    """x * inner(x) / 2 in three spellings."""
    def pattern(x: Var) -> Pat:
        e = inner(x)[which]
        return (P.mul(P.mul(x, e), 0.5), P.mul(P.mul(x, 0.5), e), P.mul(x, P.mul(e, 0.5)))[form]

    def build(r: Rewrite, x: Value) -> Value | None:
        return r.add(op, x)

    build.__name__, build.__doc__ = name, f"{op}, written as x * (1 + ...) / 2"
    return rule(pattern)(build)


FORMS = ("after", "x", "inner")
GELU = [_gelu("gelu", f"gelu_{a}_{b}", _erf_1, i, j) for i, a in enumerate(("div", "mul")) for j, b in enumerate(FORMS)]
GELU += [_gelu("gelu_tanh", f"gelu_tanh_{a}_{b}", _tanh_1, i, j) for i, a in enumerate(("pow", "mul", "square"))
         for j, b in enumerate(FORMS)]


# ---- softmax: exp(x - max x) / sum exp(x - max x) ----
def _exp(x: Var) -> Pat:
    return P.exp(P.sub(x, P.reduce(x, name="largest", kind="max")), name="exp")


def _softmax_pattern(x: Var) -> Pat:
    e = _exp(x)
    return P.div(e, P.reduce(e, name="total", kind="sum"))


@rule(_softmax_pattern)
def softmax(r: Rewrite, x: Value, largest: Node, total: Node) -> Value | None:
    """exp(x - max) / sum over one axis; in f16 each step is rounded, which the operator would not do"""
    found = axes(total.attrs.get("axes", 0), x.rank)
    same = found == axes(largest.attrs.get("axes", 0), x.rank) and len(found) == 1
    kept = all(n.attrs.get("keep_dims", 1) for n in (largest, total))
    return r.add("softmax", x, like=None, axis=found[0]) if same and kept and x.dtype in ("f32", "f64") else None


# ---- layer normalisation: (x - mean x) / sqrt(mean((x - mean x)^2) + eps) ----
def _deviation(x: Var) -> Pat:
    return P.sub(x, P.reduce(x, name="mean", kind="mean"), name="deviation")


def _norm(d: Pat, eps: Var, root: str = "root") -> Pat:
    square = P.mul(d, d, name="square")
    return P.sqrt(P.add(P.reduce(square, name="variance", kind="mean"), C(eps)), name=root)


def _last_axes(n: Node) -> int | None:
    """First of the reduced axes when these are the last ones and are kept with size 1."""
    x = n.arg(0)
    found = axes(n.attrs.get("axes", 0), x.rank)
    if not found or found != list(range(found[0], x.rank)) or not n.attrs.get("keep_dims", 1):
        return None
    return found[0]


def _layer_norm(r: Rewrite, x: Value, mean: Node, variance: Node, eps: Value) -> Value | None:
    axis = _last_axes(mean)
    if axis is None or axis != _last_axes(variance) or x.dtype not in FLOATS or eps.array.size != 1:
        return None
    value = float(eps.array.reshape(()))
    return r.add("layer_norm", x, like=None, axis=axis, epsilon=float(np.float32(value))) if value >= 0 else None


def _shared(pattern: str) -> Rule:
    """The two spellings d / root and d * (1 / root)."""
    def make(x: Var, eps: Var) -> Pat:
        d = _deviation(x)
        return P.div(d, _norm(d, eps)) if pattern == "div" else P.mul(d, P.reciprocal(_norm(d, eps)))

    def build(r: Rewrite, x: Value, mean: Node, variance: Node, eps: Value) -> Value | None:
        """(x - mean) / sqrt(variance + eps) over the last axes"""
        return _layer_norm(r, x, mean, variance, eps)

    build.__name__ = f"layer_norm_{pattern}"
    return rule(make)(build)


LAYER_NORM = [_shared("div"), _shared("mul")]


def _rms_norm(name: str, which: int, square: str) -> Rule:
    """x / sqrt(mean x^2 + eps) in five spellings, with x^2 in two."""
    def pattern(x: Var, eps: Var) -> Pat:
        squared = P.mul(x, x, name="square") if square == "mul" else P.pow(x, 2.0, name="square")
        mean = P.add(P.reduce(squared, name="mean", kind="mean"), C(eps))
        root = P.sqrt(mean)
        return (P.div(x, root), P.mul(x, P.reciprocal(root)), P.mul(x, P.div(1.0, root)), P.mul(x, P.pow(mean, -0.5)),
                P.div(x, P.pow(mean, 0.5)))[which]

    def build(r: Rewrite, x: Value, mean: Node, eps: Value) -> Value | None:
        """x / sqrt(mean x^2 + eps) over the last axes"""
        axis = _last_axes(mean)
        if axis is None or x.dtype not in FLOATS or eps.array.size != 1:
            return None
        value = float(np.float32(eps.array.reshape(())))
        return r.add("layer_norm", x, like=None, axis=axis, epsilon=value, kind="rms") if value >= 0 else None

    build.__name__ = f"rms_norm_{name}_{square}"
    return rule(pattern)(build)


RMS_NORM = [_rms_norm(name, i, square) for i, name in enumerate(("div", "reciprocal", "inverse", "power", "root"))
            for square in ("mul", "pow")]


def _normalised(n: Node, c: Value) -> Value | None:
    """The constant c when it has the shape of the normalised axes of a layer_norm (leading 1s aside)."""
    x = n.arg(0)
    tail = x.shape[n.attrs.get("axis", 0):]
    extra = c.rank - len(tail)
    if extra < 0 or c.rank > x.rank or any(d != 1 for d in c.shape[:extra]) or not same_shape(c.shape[extra:], tail):
        return None
    return c


@rule(lambda x, s: P.mul(P.layer_norm(x), C(s)))
def layer_norm_scale(r: Rewrite, layer_norm: Node, x: Value, s: Value) -> Value | None:
    """A factor after a normalisation that has none."""
    if _normalised(layer_norm, s) is None:
        return None
    tail = x.rank - layer_norm.attrs.get("axis", 0)
    return r.add("layer_norm", x, r.const(s.array.reshape(s.shape[s.rank - tail:])), like=layer_norm)


@rule(lambda x, s, b: P.add(P.layer_norm(x, Opt(s)), C(b)))
def layer_norm_bias(r: Rewrite, layer_norm: Node, x: Value, s: Value | None, b: Value) -> Value | None:
    """A summand after a normalisation that has none."""
    if _normalised(layer_norm, b) is None:
        return None
    tail = x.rank - layer_norm.attrs.get("axis", 0)
    return r.add("layer_norm", x, s, r.const(b.array.reshape(b.shape[b.rank - tail:])), like=layer_norm)


RULES: list[Rule] = [silu, mish, hard_sigmoid_div, hard_sigmoid_mul, hard_swish, hard_swish_div, hard_swish_mul, *GELU,
                     softmax, *LAYER_NORM, *RMS_NORM, layer_norm_scale, layer_norm_bias]
