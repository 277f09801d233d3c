"""passes/qdq.py: dequantised convolutions and products become integer kernels."""
from __future__ import annotations

import numpy as np
import pytest

from lite_runtime.converter.passes import fuse, layout, qdq, simplify
from lite_runtime.converter.passes.fold import fold, fold_all
from lite_runtime.converter.rewrite import Trace, apply_rules

STEPS = [fold, layout.channels_last, simplify.RULES, fuse.AFFINE, fuse.EPILOGUE, qdq.RULES]


def dequantize(g, q, scale, zero=0):
    y = g.node("cast", q, to="f32")
    if np.any(zero):
        y = g.node("sub", y, g.c(zero))
    return g.node("mul", y, g.c(scale))


def qdq_conv(g, x_dtype="u8", x_zero=7, w_dtype="i8", w_zero=0, per_channel=True, bias="i32", tail="u8", groups=1):
    """x [1 4 6 6] -> DQ -> conv with DQ weights -> relu -> Q, in the source's order."""
    x = g.x(1, 4, 6, 6, dtype=x_dtype)
    out, sx = 4, 0.05
    sw = g.random.uniform(0.01, 0.02, (out, 1, 1, 1)).astype(np.float32) if per_channel else np.float32(0.015)
    w = dequantize(g, g.weights(out, 4 // groups, 3, 3, dtype=w_dtype), sw, w_zero)
    b = None
    if bias == "i32":
        b = dequantize(g, g.c([100, -200, 300, 0], "i32"), np.float32(sx) * sw.reshape(-1))
    elif bias == "f32":
        b = g.c([0.1, -0.2, 0.3, 0])
    y = g.images("conv", dequantize(g, x, sx, x_zero), g.node("transpose", w, perm=(0, 2, 3, 1)), b, pad_top=1,
                 pad_left=1, groups=groups)
    y = g.node("relu", y)
    return g.node("quantize", y, g.c(0.07), g.c(5, tail)) if tail else y


def test_convolution(g, apply):
    apply(g, STEPS, qdq_conv(g), tolerance=1)
    assert g.text(shapes=False).splitlines()[1:3] == [
        "%0 = transpose(x, perm=(0,2,3,1))",
        "%1 = conv(%0, i8[4,3,3,4], [100,-200,300,0], pad_top=1, pad_left=1, x_zero=7) | cast.f32(acc) | "
        "mul.f32(acc, f32[4]) | relu.f32(acc) | quantize.u8(acc, 0.07000000029802322, 5)"]


@pytest.mark.parametrize("options", [
    {"x_dtype": "i8", "x_zero": -3, "tail": "i8"}, {"x_zero": 0},
    {"w_dtype": "u8", "w_zero": 130, "per_channel": False},
    {"per_channel": False, "w_zero": 3, "bias": ""}, {"bias": ""}, {"bias": "f32"}, {"tail": ""}, {"groups": 2},
    {"groups": 4},
])
def test_kinds_of_convolutions(g, apply, options):
    if "per_channel" in options and options.get("bias", "i32") == "i32":
        options = {**options, "bias": "f32"}
    apply(g, [*STEPS, fold_all], qdq_conv(g, **options), tolerance=1 if options.get("tail", "u8") else 1e-4)
    convs = [n for n in g.nodes if n.op == "conv"]
    assert len(convs) == 1 and convs[0].inputs[1].dtype == "i8" and not any(n.op == "mul" for n in g.nodes)


@pytest.mark.parametrize("op, inputs, attrs", [
    ("max_pool", [], {"kernel_h": 2, "kernel_w": 2}), ("transpose", [], {"perm": (0, 3, 1, 2)}),
    ("reshape", [[1, -1]], {}),
])
def test_moves_between_equal_scales(g, becomes, op, inputs, attrs):
    x = dequantize(g, g.x(1, 4, 4, 2, dtype="u8"), 0.1, 3)
    y = g.node(op, x, *(g.c(i, "i64") for i in inputs), **attrs)
    becomes(g, [qdq.RULES], "input x: u8[1,4,4,2]\n%0 = " + op + "(" + ", ".join(
        ["x", *(str(i).replace(" ", "") for i in inputs), *(f"{k}={v}".replace(" ", "") for k, v in attrs.items())]) +
        ")\nreturn y0=%0", g.node("quantize", y, g.c(0.1), g.c(3, "u8")))


@pytest.mark.parametrize("scale, zero, dtype", [(0.2, 3, "u8"), (0.1, 4, "u8"), (0.1, 3, "i8")])
def test_moves_between_other_scales(g, becomes, scale, zero, dtype):
    y = g.node("max_pool", dequantize(g, g.x(1, 4, 4, 2, dtype="u8"), 0.1, 3))
    becomes(g, [qdq.RULES], None, g.node("quantize", y, g.c(scale), g.c(zero, dtype)))


def test_integers_in_a_row(g, apply):
    """The first result stays quantised up to the second product."""
    y = g.node("quantize", g.node("matmul", dequantize(g, g.x(3, 8, dtype="u8"), 0.02, 100),
                                  dequantize(g, g.weights(8, 5, dtype="i8"), 0.01)), g.c(0.05), g.c(0, "i8"))
    z = g.node("matmul", dequantize(g, y, 0.05), dequantize(g, g.weights(5, 4, dtype="i8"), 0.01))
    apply(g, STEPS, z, tolerance=1e-3)
    assert [n.inputs[0].dtype for n in g.nodes] == ["u8", "i8"]


def test_product(g, apply):
    x = dequantize(g, g.x(3, 8, dtype="u8"), 0.02, 100)
    w = dequantize(g, g.weights(8, 5, dtype="i8"), g.random.uniform(0.01, 0.02, 5))
    apply(g, STEPS, g.node("quantize", g.node("matmul", x, w), g.c(0.05), g.c(0, "i8")), tolerance=1)
    assert [n.op for n in g.nodes] == ["matmul"] and g.nodes[0].attrs["a_zero"] == 100


def test_product_of_two_inputs(g, apply):
    a, b = dequantize(g, g.x(3, 8, dtype="u8"), 0.02, 100), dequantize(g, g.x(8, 5, dtype="i8", name="z"), 0.01, 3)
    apply(g, STEPS, g.node("matmul", a, b), tolerance=1e-4)
    assert [n.op for n in g.nodes] == ["matmul"] and g.nodes[0].attrs["b_zero"] == 3


def weights(g, scale=0.1):
    return dequantize(g, g.weights(3, 1, 1, 2, dtype="i8"), scale)


@pytest.mark.parametrize("build", [
    lambda g, x: g.node("conv", dequantize(g, x, [[[[0.1, 0.2]]]]), weights(g)),
    lambda g, x: g.node("conv", dequantize(g, x, 0.1, 0.5), weights(g)),
    lambda g, x: g.node("conv", dequantize(g, x, 0.1), g.weights(3, 1, 1, 2)),
    lambda g, x: g.node("conv", dequantize(g, x, 0.1), weights(g, [0.1, 0.2])),
    lambda g, x: g.node("conv", g.node("relu", dequantize(g, x, 0.1)), weights(g)),
])
def test_what_integers_cannot_do(g, build):
    g.output(build(g, g.x(1, 4, 4, 2, dtype="u8")), "y0")
    assert apply_rules(g, qdq.RULES, Trace(g)) == 0
