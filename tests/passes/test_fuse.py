"""Rules of passes/fuse.py: graph text before -> after, and what must not match."""
from __future__ import annotations

import numpy as np
import pytest

from lite_runtime.converter.passes import fuse
from lite_runtime.converter.rewrite import Trace, apply_rules

PADS = {"pad_top": 1, "pad_left": 1, "pad_bottom": 1, "pad_right": 1}


def conv(g, x, out=4, **attrs):
    groups = attrs.get("groups", 1)
    return g.node("conv", x, g.weights(out, 3, 3, x.shape[-1] // groups, dtype=x.dtype), **{**PADS, **attrs})


def up(g, x):
    return g.node("conv_transpose", x, g.weights(4, 2, 2, 3), stride_h=2, stride_w=2)


def product(g, x, **attrs):
    return g.node("matmul", x, g.weights(*((4, 3) if attrs.get("trans_b") else (3, 4))), **attrs)


LINEAR = [conv, up, product, lambda g, x: product(g, x, trans_b=1),
          lambda g, x: g.node("conv", x, g.weights(4, 1, 1, 3), g.weights(4))]


def image(g, **kw):
    return g.x(1, 6, 6, 3, **kw)


# ---- constants per channel ----
@pytest.mark.parametrize("make", LINEAR)
@pytest.mark.parametrize("op, c", [("mul", (4,)), ("mul", (1, 1, 1, 4)), ("div", (4,)), ("add", (4,)), ("add", (1, 1)),
                                   ("sub", (1, 1, 4))])
def test_constants_per_channel(g, apply, make, op, c):
    apply(g, [fuse.AFFINE], g.node(op, make(g, image(g)), g.weights(*c)), tolerance=1e-4)
    assert [n.op for n in g.nodes] in (["conv"], ["conv_transpose"], ["matmul"])


def test_batch_normalisation(g, becomes):
    y = g.node("add", g.node("mul", conv(g, image(g)), g.weights(1, 1, 1, 4)), g.weights(1, 1, 1, 4))
    becomes(g, [fuse.AFFINE], """
        input x: f32[1,6,6,3]
        %0 = conv(x, f32[4,3,3,3], f32[4], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)
        return y0=%0""", y)


@pytest.mark.parametrize("build", [
    lambda g, y: g.node("mul", y, g.weights(6, 1)),  # per column of pixels
    lambda g, y: g.node("add", y, g.weights(2, 6, 6, 4)),  # grows
    lambda g, y: g.node("div", g.c([1, 2, 3, 4]), y),
    lambda g, y: g.node("sub", g.c([1, 2, 3, 4]), y),
    lambda g, y: g.node("mul", g.node("relu", y), g.weights(4)),
    lambda g, y: g.node("mul", y, g.c([1e38, 3e38, 3e38, 3e38])),  # weights would be infinite
    lambda g, y: g.node("mul", y, g.x(4, name="z")),
])
def test_no_constants_per_channel(g, build):
    y = g.node("conv", image(g), g.c(np.full((4, 1, 1, 3), 100.0)))
    g.output(build(g, y), "y0")
    assert apply_rules(g, fuse.AFFINE, Trace(g)) == 0


def test_what_others_read_keeps_its_weights(g, becomes):
    y = conv(g, image(g))
    becomes(g, [fuse.AFFINE], None, g.node("mul", y, g.weights(4)), y)


def test_integer_products_keep_their_weights(g, becomes):
    x = g.x(2, 3, dtype="i8")
    y = g.node("mul", g.node("matmul", x, g.weights(3, 4, dtype="i8")), g.c([1, 2, 3, 4], "i32"))
    becomes(g, [fuse.AFFINE], None, y)


def test_computed_bias(g, becomes):
    x, b = g.x(2, 3), g.x(4, name="b")
    becomes(g, [fuse.AFFINE], """
        input x: f32[2,3]
        input b: f32[4]
        %0 = matmul(x, f32[3,4], b)
        return y0=%0""", g.node("add", b, product(g, x)))


def test_computed_matrix_is_no_bias(g, becomes):
    becomes(g, [fuse.AFFINE], None, g.node("add", product(g, g.x(2, 3)), g.x(2, 4, name="b")))


def test_factor_before_a_convolution(g, becomes):
    y = conv(g, g.node("mul", image(g), g.weights(3)))
    becomes(g, [fuse.AFFINE], """
        input x: f32[1,6,6,3]
        %0 = conv(x, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)
        return y0=%0""", y)


def test_factor_before_groups(g, becomes):
    becomes(g, [fuse.AFFINE], None, conv(g, g.node("mul", image(g), g.weights(3)), out=3, groups=3))


def test_pad_before_a_convolution(g, becomes):
    y = g.node("pad", image(g), g.c([0, 1, 0, 0, 0, 1, 2, 0], "i64"))
    becomes(g, [fuse.AFFINE], """
        input x: f32[1,6,6,3]
        %0 = conv(x, f32[4,3,3,3], pad_top=2, pad_left=1, pad_bottom=2, pad_right=3)
        return y0=%0""", conv(g, y))


def test_pad_of_a_sequence(g, becomes):
    y = g.node("pad", g.x(1, 6, 3), g.c([0, 1, 0, 0, 2, 0], "i64"), g.c(0))
    becomes(g, [fuse.AFFINE], """
        input x: f32[1,6,3]
        %0 = conv(x, f32[4,3,3], pad_left=1, pad_right=2)
        return y0=%0""", g.node("conv", y, g.weights(4, 3, 3)))


@pytest.mark.parametrize("pads, value, attrs", [
    ([0, 1, 0, 0, 0, 1, 2, 0], 1.0, {}), ([0, 1, 0, 1, 0, 1, 2, -1], None, {}), ([1, 1, 0, 0, 0, 1, 2, 0], None, {}),
    ([0, 1, 0, 0, 0, 1, 1, 0], None, {"mode": "reflect"}), ([0, -1, 0, 0, 0, 1, 1, 0], None, {}),
])
def test_pad_that_stays(g, becomes, pads, value, attrs):
    y = g.node("pad", image(g), g.c(pads, "i64"), None if value is None else g.c(value), **attrs)
    becomes(g, [fuse.AFFINE], None, conv(g, y))


# ---- transposes of matrices ----
def test_transposed_matrix(g, becomes):
    x, z = g.x(2, 3, 5), g.x(2, 4, 5, name="z")
    y = g.node("matmul", x, g.node("transpose", z, perm=(0, 2, 1)))
    becomes(g, [fuse.AFFINE], """
        input x: f32[2,3,5]
        input z: f32[2,4,5]
        %0 = matmul(x, z, trans_b=1)
        return y0=%0""", y)


def test_keys_of_attention(g, becomes):
    x, z = g.x(2, 4, 3, 5), g.x(2, 6, 4, 5, name="z")
    y = g.node("matmul", x, g.node("transpose", z, perm=(0, 2, 3, 1)))
    becomes(g, [fuse.AFFINE], """
        input x: f32[2,4,3,5]
        input z: f32[2,6,4,5]
        %0 = transpose(z, perm=(0,2,1,3))
        %1 = matmul(x, %0, trans_b=1)
        return y0=%1""", y)


def test_transposed_batch(g, becomes):
    y = g.node("matmul", g.node("transpose", g.x(3, 2, 5), perm=(1, 0, 2)), g.x(2, 5, 4, name="z"))
    becomes(g, [fuse.AFFINE], None, y)


# ---- epilogues ----
@pytest.mark.parametrize("make", LINEAR)
@pytest.mark.parametrize("step, post", [
    (lambda g, y: g.node("relu", y), "relu.f32(acc)"),
    (lambda g, y: g.node("clip", y, g.c(0), g.c(6)), "clip.f32(acc, 0.0, 6.0)"),
    (lambda g, y: g.node("leaky_relu", y, g.c(0.5)), "leaky_relu.f32(acc, 0.5)"),
    (lambda g, y: g.node("gelu", y), "gelu.f32(acc)"),
    (lambda g, y: g.node("mul", g.weights(4), y), "mul.f32(f32[4], acc)"),
    (lambda g, y: g.node("sub", g.c(1), y), "sub.f32(1.0, acc)"),
    (lambda g, y: g.node("add", y, g.weights(*y.shape)), None),
    (lambda g, y: g.node("quantize", y, g.c(0.25), g.c(3, "u8")), "quantize.u8(acc, 0.25, 3)"),
    (lambda g, y: g.node("cast", y, to="f16"), "cast.f16(acc)"),
])
def test_epilogue(g, apply, make, step, post):
    apply(g, [fuse.EPILOGUE], step(g, make(g, image(g))), tolerance=1.0 if post and ("u8" in post) else 1e-3)
    assert len(g.nodes) == 1 and (post is None or g.text(shapes=False).splitlines()[1].endswith(f" | {post}"))


def test_chain_of_steps(g, becomes):
    y = g.node("mul", g.node("hard_swish", conv(g, image(g))), g.c(0.5))
    z = g.x(1, 6, 6, 4, name="z")
    becomes(g, [fuse.EPILOGUE], """
        input x: f32[1,6,6,3]
        input z: f32[1,6,6,4]
        %0 = conv(x, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)"""
            """ | hard_swish.f32(acc) | mul.f32(acc, 0.5) | add.f32(acc, z)
        return y0=%0""", g.node("add", y, z))


def test_residual_goes_into_the_later_one(g, becomes):
    x = image(g)
    a, b = conv(g, x), g.node("relu", conv(g, x))
    becomes(g, [fuse.EPILOGUE], """
        input x: f32[1,6,6,3]
        %0 = conv(x, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)
        %1 = conv(x, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1) | relu.f32(acc) | add.f32(%0, acc)
        return y0=%1""", g.node("add", a, b))


def test_residual_with_open_sizes(g, apply):
    x = g.x("n", "h", "w", 3)
    a = g.node("conv", x, g.weights(4, 3, 3, 3), stride_h=2, stride_w=2, **PADS)
    b = g.node("conv", g.node("relu", a), g.weights(4, 1, 1, 4))
    apply(g, [fuse.EPILOGUE], g.node("add", a, b))
    assert [n.op for n in g.nodes] == ["conv", "relu", "conv"]


def test_half_floats(g, apply):
    y = g.node("mul", g.node("relu", conv(g, image(g, dtype="f16"))), g.weights(4, dtype="f16"))
    apply(g, [fuse.EPILOGUE], g.node("add", y, g.x(1, 6, 6, 4, dtype="f16", name="z")))
    assert len(g.nodes) == 1
    assert g.text(shapes=False).splitlines()[2].endswith(
        " | relu.f16(acc) | mul.f16(acc, f16[4]) | add.f16(acc, z)")


@pytest.mark.parametrize("build", [
    lambda g, y: g.node("add", y, g.x(2, 6, 6, 4, name="z")),  # grows
    lambda g, y: g.node("add", y, g.x("n", 6, 6, 4, name="z")),  # may grow
    lambda g, y: g.node("greater", y, g.c(0)),
    lambda g, y: g.node("add", g.node("softmax", y, axis=3), g.c(1)),
])
def test_no_epilogue(g, build):
    g.output(build(g, conv(g, image(g))), "y0")
    assert apply_rules(g, fuse.EPILOGUE, Trace(g)) == 0


def test_what_others_read_has_no_epilogue(g, becomes):
    y = conv(g, image(g))
    becomes(g, [fuse.EPILOGUE], None, g.node("relu", y), y)


def test_twice_the_accumulator(g, becomes):
    y = conv(g, image(g))
    becomes(g, [fuse.EPILOGUE], """
        input x: f32[1,6,6,3]
        %0 = conv(x, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1) | mul.f32(acc, acc)
        return y0=%0""", g.node("mul", y, y))


def test_at_most_32_operands(g, apply):
    y = g.node("conv", image(g), g.weights(4, 1, 1, 3))
    for _ in range(40):
        y = g.node("add", y, g.weights(4))
    apply(g, [fuse.EPILOGUE], y, tolerance=1e-4)
    assert len(g.nodes) > 1 and len(g.nodes[0].post) <= 32


# ---- pads of poolings ----
@pytest.mark.parametrize("attrs", [{}, {"divisor": "padded", "pad_top": 1}, {"divisor": "one", "pad_top": 1}])
def test_pad_before_a_mean(g, apply, attrs):
    y = g.node("pad", image(g), g.c([0, 1, 0, 0, 0, 1, 2, 0], "i64"))
    apply(g, [fuse.AFFINE], g.node("avg_pool", y, kernel_h=3, kernel_w=3, stride_w=2, **attrs))
    assert [n.op for n in g.nodes] == ["avg_pool"] and g.nodes[0].attrs["divisor"] == attrs.get("divisor", "padded")


@pytest.mark.parametrize("first, value", [("identity", -np.inf), ("relu", 0.0), ("relu", None), ("sigmoid", 0.0)])
def test_pad_before_a_maximum(g, apply, first, value):
    x = g.node(first, g.node("neg", image(g)))
    y = g.node("pad", x, g.c([0, 1, 2, 0, 0, 1, 0, 0], "i64"), None if value is None else g.c(value))
    apply(g, [fuse.AFFINE], g.node("max_pool", y, kernel_h=3, kernel_w=3, stride_h=2, stride_w=2))
    assert [n.op for n in g.nodes] == ["neg", first, "max_pool"]


@pytest.mark.parametrize("op, value, first, attrs", [
    ("avg_pool", 0.5, "relu", {}), ("avg_pool", 0.0, "relu", {"ceil_mode": 1}),
    ("avg_pool", 0.0, "relu", {"pad_top": 1}),  # its own padding does not count
    ("max_pool", 0.0, "neg", {}), ("max_pool", -1.0, "neg", {}), ("max_pool", 0.0, "relu", {"pad_top": 1}),
    ("max_pool", -np.inf, "relu", {"kernel_h": 1}),  # windows of padding alone
    ("max_pool", 0.0, "relu", {"dilation_h": 2}),
])
def test_pad_that_a_pooling_leaves(g, becomes, op, value, first, attrs):
    y = g.node("pad", g.node(first, image(g)), g.c([0, 1, 0, 0, 0, 1, 1, 0], "i64"), g.c(value))
    becomes(g, [fuse.AFFINE], None, g.node(op, y, **{"kernel_h": 2, "kernel_w": 2, **attrs}))


# ---- every activation of the epilogue ----
@pytest.mark.parametrize("op, args", [
    ("relu", []), ("clip", [0, 6]), ("leaky_relu", [0.1]), ("sigmoid", []), ("hard_sigmoid", [0.25, 0.5]),
    ("hard_swish", []), ("silu", []), ("gelu", []), ("gelu_tanh", []), ("tanh", []), ("elu", [1]), ("mish", []),
])
def test_activations(g, apply, op, args):
    apply(g, [fuse.EPILOGUE], g.node(op, conv(g, image(g)), *map(g.c, args)), tolerance=1e-4)
    assert [n.op for n in g.nodes] == ["conv"] and g.nodes[0].post[0].op == op


def test_prelu(g, becomes):
    becomes(g, [fuse.EPILOGUE], """
        input x: f32[1,6,6,3]
        %0 = conv(x, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1) | leaky_relu.f32(acc, f32[4])
        return y0=%0""", g.node("leaky_relu", conv(g, image(g)), g.weights(4)))
