"""Rules of passes/compose.py: graph text before -> after, and what must not match."""
from __future__ import annotations

import math

import numpy as np
import pytest

from lite_runtime.converter.passes import compose, simplify

RULES = [[*compose.RULES, *simplify.RULES]]


def one(op, *args):
    return f"input x: f32[2,5]\n%0 = {op}({', '.join(['x', *args])})\nreturn y0=%0"


def clipped(g, x, high=6.0):
    return g.node("clip", g.node("add", x, g.c(3)), g.c(0), g.c(high))


def erf_1(g, x):
    return g.node("add", g.node("erf", g.node("div", x, g.c(math.sqrt(2)))), g.c(1))


def tanh_1(g, x, cubed):
    inner = g.node("mul", g.node("add", x, g.node("mul", cubed, g.c(0.044715))), g.c(math.sqrt(2 / math.pi)))
    return g.node("add", g.node("tanh", inner), g.c(1))


@pytest.mark.parametrize("op, build", [
    ("silu", lambda g, x: g.node("mul", x, g.node("sigmoid", x))),
    ("silu", lambda g, x: g.node("mul", g.node("sigmoid", x), x)),
    ("mish", lambda g, x: g.node("mul", x, g.node("tanh", g.node("softplus", x)))),
    ("hard_sigmoid", lambda g, x: g.node("div", clipped(g, x), g.c(6))),
    ("hard_sigmoid", lambda g, x: g.node("mul", clipped(g, x), g.c(1 / 6))),
    ("hard_swish", lambda g, x: g.node("div", g.node("mul", x, clipped(g, x)), g.c(6))),
    ("hard_swish", lambda g, x: g.node("mul", g.node("mul", clipped(g, x), x), g.c(1 / 6))),
    ("hard_swish", lambda g, x: g.node("mul", x, g.node("div", clipped(g, x), g.c(6)))),
    ("hard_swish", lambda g, x: g.node("mul", x, g.node("hard_sigmoid", x, g.c(1 / 6), g.c(0.5)))),
    ("gelu", lambda g, x: g.node("mul", g.node("mul", x, erf_1(g, x)), g.c(0.5))),
    ("gelu", lambda g, x: g.node("mul", g.node("mul", x, g.c(0.5)), erf_1(g, x))),
    ("gelu", lambda g, x: g.node("mul", x, g.node("mul", g.c(0.5), erf_1(g, x)))),
    ("gelu_tanh", lambda g, x: g.node("mul", g.node("mul", x, g.c(0.5)), tanh_1(g, x, g.node("pow", x, g.c(3))))),
    ("gelu_tanh", lambda g, x: g.node("mul", g.node("mul", x, tanh_1(g, x, g.node("pow", x, g.c(3)))), g.c(0.5))),
])
def test_activation(g, becomes, op, build):
    args = [repr(float(np.float32(1 / 6))), "0.5"] if op == "hard_sigmoid" else []
    becomes(g, RULES, one(op, *args), build(g, g.x(2, 5)))


@pytest.mark.parametrize("build", [
    lambda g, x: g.node("mul", g.node("relu", x), g.node("sigmoid", x)),
    lambda g, x: g.node("div", clipped(g, x, 5), g.c(6)),
    lambda g, x: g.node("div", clipped(g, x), g.c(5)),
    lambda g, x: g.node("mul", x, g.node("hard_sigmoid", x, g.c(0.2), g.c(0.5))),
    lambda g, x: g.node("mul", g.node("mul", x, erf_1(g, x)), g.c(0.25)),
    lambda g, x: g.node("mul", g.node("mul", g.node("relu", x), erf_1(g, x)), g.c(0.5)),
])
def test_nearly_an_activation(g, becomes, build):
    becomes(g, RULES, None, build(g, g.x(2, 5)))


def test_sigmoid_that_others_read(g, becomes):
    x = g.x(2, 5)
    s = g.node("sigmoid", x)
    becomes(g, RULES, None, g.node("mul", x, s), s)


def layer_norm(g, x, axes=2, how="div", power="pow"):
    d = g.node("sub", x, g.node("reduce", x, kind="mean", axes=axes))
    square = g.node("pow", d, g.c(2)) if power == "pow" else g.node("mul", d, d)
    root = g.node("sqrt", g.node("add", g.node("reduce", square, kind="mean", axes=axes), g.c(1e-5)))
    return g.node("div", d, root) if how == "div" else g.node("mul", d, g.node("reciprocal", root))


@pytest.mark.parametrize("how", ["div", "mul"])
@pytest.mark.parametrize("power", ["pow", "mul"])
def test_layer_norm(g, becomes, how, power):
    y = g.node("add", g.node("mul", layer_norm(g, g.x(3, 5), 2, how, power), g.weights(5)), g.weights(1, 5))
    becomes(g, RULES, """
        input x: f32[3,5]
        %0 = layer_norm(x, f32[5], f32[5], axis=1, epsilon=9.999999747378752e-06)
        return y0=%0""", y)


def test_layer_norm_over_two_axes(g, becomes):
    y = layer_norm(g, g.x(2, 3, 4), 6)
    becomes(g, RULES, """
        input x: f32[2,3,4]
        %0 = layer_norm(x, axis=1, epsilon=9.999999747378752e-06)
        return y0=%0""", y)


def test_normalisation_over_another_axis(g, becomes):
    becomes(g, [compose.RULES], None, layer_norm(g, g.x(3, 5), 1, power="mul"))


def test_scale_per_row_stays(g, becomes):
    y = g.node("mul", g.node("layer_norm", g.x(3, 5), axis=1), g.weights(3, 1))
    becomes(g, RULES, None, y)


def cube(g, x, how):
    square = g.node("mul", x, x)
    return g.node("mul", x, square) if how == "right" else g.node("mul", square, x)


@pytest.mark.parametrize("how", ["left", "right"])
@pytest.mark.parametrize("form", ["after", "x", "inner"])
def test_gelu_with_a_cube_of_products(g, becomes, how, form):
    x = g.x(2, 5)
    t = tanh_1(g, x, cube(g, x, how))
    y = {"after": lambda: g.node("mul", g.node("mul", x, t), g.c(0.5)),
         "x": lambda: g.node("mul", g.node("mul", x, g.c(0.5)), t),
         "inner": lambda: g.node("mul", x, g.node("mul", t, g.c(0.5)))}[form]()
    becomes(g, RULES, one("gelu_tanh"), y)


# ---- softmax ----
def softmax(g, x, largest=2, total=2, keep=1):
    e = g.node("exp", g.node("sub", x, g.node("reduce", x, kind="max", axes=largest)))
    return g.node("div", e, g.node("reduce", e, kind="sum", axes=total, keep_dims=keep))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(g, becomes, axis):
    becomes(g, RULES, f"""
        input x: f32[2,3,4]
        %0 = softmax(x{f', axis={axis}' if axis else ''})
        return y0=%0""", softmax(g, g.x(2, 3, 4), 1 << axis, 1 << axis))


@pytest.mark.parametrize("largest, total, keep", [(1, 2, 1), (6, 6, 1), (1, 1, 0)])
def test_nearly_a_softmax(g, becomes, largest, total, keep):
    becomes(g, RULES, None, softmax(g, g.x(3, 3, 3), largest, total, keep))


# ---- RMS norm ----
@pytest.mark.parametrize("how", ["div", "reciprocal", "inverse", "power", "root"])
@pytest.mark.parametrize("power", ["pow", "mul"])
def test_rms_norm(g, becomes, how, power):
    x = g.x(3, 5)
    square = g.node("pow", x, g.c(2)) if power == "pow" else g.node("mul", x, x)
    mean = g.node("add", g.node("reduce", square, kind="mean", axes=2), g.c(1e-6))
    root = g.node("sqrt", mean) if how in ("div", "reciprocal", "inverse") else None
    y = {"div": lambda: g.node("div", x, root), "reciprocal": lambda: g.node("mul", x, g.node("reciprocal", root)),
         "inverse": lambda: g.node("mul", x, g.node("div", g.c(1), root)),
         "power": lambda: g.node("mul", x, g.node("pow", mean, g.c(-0.5))),
         "root": lambda: g.node("div", x, g.node("pow", mean, g.c(0.5)))}[how]()
    becomes(g, [compose.RULES], """
        input x: f32[3,5]
        %0 = layer_norm(x, f32[5], axis=1, epsilon=9.999999974752427e-07, kind=rms)
        return y0=%0""", g.node("mul", g.weights(5), y))


def test_nearly_an_rms_norm(g, becomes):
    """Over the first axis; and of another tensor."""
    x, z = g.x(3, 5), g.x(3, 5, name="z")
    def norm(of, by, axes):
        mean = g.node("reduce", g.node("mul", of, of), kind="mean", axes=axes)
        return g.node("div", by, g.node("sqrt", g.node("add", mean, g.c(1e-6))))
    becomes(g, [compose.RULES], None, norm(x, x, 1), norm(x, z, 2))
