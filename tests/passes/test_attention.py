"""Rules of passes/attention.py: graph text before -> after, and what must not match."""
from __future__ import annotations

import numpy as np
import pytest

from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.passes import attention, simplify

RULES = [attention.RULES, simplify.RULES]
INPUTS = "input q: f32[2,3,5,8]\ninput k: f32[2,3,7,8]\ninput v: f32[2,3,7,4]\n"


def inputs(g, k=(2, 3, 7, 8)):
    return g.x(2, 3, 5, 8, name="q"), g.x(*k, name="k"), g.x(2, 3, 7, 4, name="v")


def product(g, q, k, v, scores=lambda s: s, axis=3, **attrs):
    """softmax(scores(q k^T)) v"""
    s = scores(g.node("matmul", q, g.node("transpose", k, perm=(0, 1, 3, 2))))
    return g.node("matmul", g.node("softmax", s, axis=axis, **attrs), v)


def test_plain(g, becomes):
    becomes(g, RULES, INPUTS + "%0 = attention(q, k, v)\nreturn y0=%0", product(g, *inputs(g)))


@pytest.mark.parametrize("build", [
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("mul", s, g.c(0.25))),
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("mul", g.c(0.25), s)),
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("div", s, g.c(4.0))),
    lambda g, q, k, v: product(g, g.node("mul", q, g.c(0.25)), k, v),
    lambda g, q, k, v: product(g, g.node("div", q, g.c([4.0])), k, v),
    lambda g, q, k, v: product(g, q, g.node("mul", k, g.c(0.25)), v),
    lambda g, q, k, v: product(g, g.node("mul", q, g.c(0.5)), g.node("mul", k, g.c(0.5)), v),
    lambda g, q, k, v: product(g, g.node("mul", q, g.c(0.5)), k, v, lambda s: g.node("mul", s, g.c(0.5))),
])
def test_scale(g, becomes, build):
    becomes(g, RULES, INPUTS + "%0 = attention(q, k, v, scale=0.25)\nreturn y0=%0", build(g, *inputs(g)))


def test_scale_behind_the_transpose_of_k(g, becomes):
    """As torch writes scaled_dot_product_attention: the root of the scale on both."""
    q, k, v = inputs(g)
    kt = g.node("mul", g.node("transpose", k, perm=(0, 1, 3, 2)), g.c(0.5))
    s = g.node("add", g.node("matmul", g.node("mul", q, g.c(0.5)), kt), g.x(2, 1, 5, 7, name="mask"))
    y = g.node("matmul", g.node("softmax", s, axis=3), v)
    becomes(g, RULES, INPUTS + "input mask: f32[2,1,5,7]\n%0 = attention(q, k, v, mask, scale=0.25)\nreturn y0=%0", y)


@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (7,), (5, 1), (1, 1, 1, 7), ()])
def test_mask(g, becomes, shape):
    q, k, v = inputs(g)
    mask = g.x(*shape, name="mask")
    y = product(g, q, k, v, lambda s: g.node("add", g.node("mul", s, g.c(0.25)), mask))
    text = f"input mask: f32[{','.join(map(str, shape))}]\n%0 = attention(q, k, v, mask, scale=0.25)\nreturn y0=%0"
    becomes(g, RULES, INPUTS + text, y)


def test_mask_of_more_batches(g, becomes):
    """And one that looks like scores."""
    q, k, v = g.x(5, 8, name="q"), g.x(7, 8, name="k"), g.x(7, 4, name="v")
    mask = g.x(2, 5, 7, name="mask")
    s = g.node("matmul", q, g.node("transpose", k, perm=(1, 0)))
    y = g.node("matmul", g.node("softmax", g.node("add", g.node("mul", mask, g.c(-2.0)), s), axis=2), v)
    becomes(g, RULES, """
        input q: f32[5,8]
        input k: f32[7,8]
        input v: f32[7,4]
        input mask: f32[2,5,7]
        %0 = mul(mask, -2.0)
        %1 = attention(q, k, v, %0)
        return y0=%1""", y)


def test_mask_first(g, becomes):
    q, k, v = inputs(g)
    mask = g.x(5, 7, name="mask")
    becomes(g, RULES, INPUTS + "input mask: f32[5,7]\n%0 = attention(q, k, v, mask)\nreturn y0=%0",
            product(g, q, k, v, lambda s: g.node("add", mask, s)))


def test_heads(g, becomes):
    """[B S H D] in and out, k by one transpose."""
    q, k, v = (g.x("B", "S", 3, 8, name=n) for n in "qkv")
    s = g.node("matmul", g.node("transpose", q, perm=(0, 2, 1, 3)), g.node("transpose", k, perm=(0, 2, 3, 1)))
    p = g.node("softmax", g.node("mul", s, g.c(0.5)), axis=3)
    y = g.node("transpose", g.node("matmul", p, g.node("transpose", v, perm=(0, 2, 1, 3))), perm=(0, 2, 1, 3))
    becomes(g, RULES, """
        input q: f32[B,S,3,8]
        input k: f32[B,S,3,8]
        input v: f32[B,S,3,8]
        %0 = transpose(q, perm=(0,2,1,3))
        %1 = transpose(v, perm=(0,2,1,3))
        %2 = transpose(k, perm=(0,2,1,3))
        %3 = attention(%0, %2, %1, scale=0.5, y_layout=heads_last)
        return y0=%3""", y)


def test_keys_that_come_transposed(g, becomes):
    q, k, v = inputs(g, k=(2, 3, 8, 7))
    y = g.node("matmul", g.node("softmax", g.node("matmul", q, k), axis=3), v)
    becomes(g, RULES, """
        input q: f32[2,3,5,8]
        input k: f32[2,3,8,7]
        input v: f32[2,3,7,4]
        %0 = transpose(k, perm=(0,1,3,2))
        %1 = attention(q, %0, v)
        return y0=%1""", y)


def test_factor_that_others_read(g, becomes):
    """It stays for them."""
    q, k, v = inputs(g)
    half = g.node("mul", q, g.c(0.5))
    becomes(g, RULES, INPUTS + "%0 = mul(q, 0.5)\n%1 = attention(q, k, v, scale=0.5)\nreturn y0=%1, y1=%0",
            product(g, half, k, v), half)


@pytest.mark.parametrize("build", [
    lambda g, q, k, v: product(g, q, k, v, axis=2),
    lambda g, q, k, v: product(g, q, k, v, log=1),
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("mul", s, g.weights(7))),
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("div", g.c(4.0), s)),
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("mul", s, g.c(0.0))),
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("sub", s, g.weights(5, 7))),
    lambda g, q, k, v: product(g, q, k, v, lambda s: g.node("add", g.node("relu", s), g.weights(5, 7))),
    lambda g, q, k, v: product(g, g.node("mul", q, g.c(1e30)), k, v, lambda s: g.node("mul", s, g.c(1e30))),
])
def test_nearly_attention(g, becomes, build):
    becomes(g, RULES, None, build(g, *inputs(g)))


@pytest.mark.parametrize("which", ["scores", "softmax"])
def test_what_others_read_stays(g, becomes, which):
    q, k, v = inputs(g)
    y = product(g, q, k, v)
    p = y.node.arg(0)
    becomes(g, RULES, None, y, p if which == "softmax" else p.node.arg(0))


def test_sizes_that_may_differ(g, becomes):
    """A mask that could make the scores larger: T is 1, or W is."""
    q, k, v = g.x("S", 8, name="q"), g.x("T", 8, name="k"), g.x("T", 4, name="v")
    s = g.node("add", g.node("matmul", q, g.node("transpose", k, perm=(1, 0))), g.x("W", name="mask"))
    becomes(g, RULES, None, g.node("matmul", g.node("softmax", s, axis=1), v))


def test_other_dtypes(g, becomes):
    q, k, v = (g.x(2, 5, 8, dtype="f16", name=n) for n in "qkv")
    s = g.node("matmul", q, g.node("transpose", k, perm=(0, 2, 1)))
    becomes(g, RULES, None, g.node("matmul", g.node("softmax", s, axis=2), v))


@pytest.mark.parametrize("shapes, attrs, message", [
    ([(5, 8), (7, 9), (7, 4)], {}, "last dims of q and k"),
    ([(5, 8), (7, 8), (6, 4)], {}, "last but one of k and v"),
    ([("S", 8), ("T", 9), ("T", 4)], {}, "last dims of q and k"),
    ([(8,), (7, 8), (7, 4)], {}, "q has rank 1"),
    ([(2, 5, 8), (3, 7, 8), (7, 4)], {}, "do not broadcast"),
    ([(2, 5, 8), (7, 8), (3, 7, 4)], {}, "do not broadcast"),
    ([(5, 8), (7, 8), (7, 4), (5, 6)], {}, "mask is f32 [5 6]"),
    ([(1, 8), (7, 8), (7, 4), (5, 7)], {}, "mask is f32 [5 7]"),
    ([(5, 8), (1, 8), (1, 4), (5, 7)], {}, "mask is f32 [5 7]"),
    ([(5, 8), ("T", 8), (7, 4), (5, 6)], {}, "mask is f32 [5 6]"),
    ([(2, 5, 8), (7, 8), (7, 4), (3, 5, 7)], {}, "do not broadcast"),
    ([(5, 8), (7, 8), (7, 4)], {"y_layout": "heads_last"}, "must have heads"),
    ([(1 << 30, 1), (2, 1), (2, 1 << 30)], {}, "too large"),
])
def test_refused(g, shapes, attrs, message):
    with pytest.raises(ConvertError, match=message.replace("[", r"\[").replace("]", r"\]")):
        g.node("attention", *(g.x(*s, name=f"x{i}") for i, s in enumerate(shapes)), **attrs)


def test_refused_dtype(g):
    with pytest.raises(ConvertError, match="mask is f16; it must be f32"):
        g.node("attention", g.x(5, 8), g.x(7, 8), g.x(7, 4), g.c(np.zeros((5, 7)), dtype="f16"))
