"""passes/residual.py: graph text before -> after, and what must not match."""
from __future__ import annotations

import pytest

from lite_runtime.converter.ir import ACC, Post
from lite_runtime.converter.passes import residual
from lite_runtime.converter.pipeline import run_pipeline

RULES = [residual.RULES]
PADS = {"pad_top": 1, "pad_left": 1, "pad_bottom": 1, "pad_right": 1}
RELU, RELU6 = [Post("relu", (ACC,))], [Post("clip", (ACC, 0.0, 6.0))]


def block(g, x, e=8, o=4, kernel=3, first=(), second=(), last=(), expand=None, depthwise=None, project=None):
    """1x1 to e channels, depthwise, 1x1 to o, with these epilogues and attributes."""
    y = g.node("conv", x, g.weights(e, 1, 1, x.shape[-1]), g.weights(e), post=first, **(expand or {}))
    y = g.node("conv", y, g.weights(e, kernel, kernel, 1), post=second, groups=e, **(depthwise or PADS))
    return g.node("conv", y, g.weights(o, 1, 1, e), g.weights(o), post=last, **(project or {}))


@pytest.mark.parametrize("shape", [(2, 5, 6, 3), ("n", "h", "w", 3)])
def test_a_block(g, becomes, shape):
    x = g.x(*shape)
    trace = becomes(g, RULES, f"""
        input x: f32[{','.join(map(str, shape))}]
        %0 = inverted_residual(x, f32[8,1,1,3], f32[8], f32[8,3,3,1], -, f32[4,1,1,8], f32[4], pad_top=1, """
                    """pad_left=1, pad_bottom=1, pad_right=1, expand_act=clip, expand_hi=6.0, depthwise_act=relu)
        return y0=%0""", block(g, x, first=RELU6, second=RELU))
    assert [(a.rule, a.nodes) for a in trace.applications] == [("inverted_residual", ("conv0", "conv1", "conv2"))]
    assert g.nodes[0].name == "conv2" and g.nodes[0].sources == ("conv0", "conv1", "conv2")


def test_the_residual_stays_in_the_epilogue(g, becomes):
    x = g.x(1, 5, 6, 4)
    becomes(g, RULES, """
        input x: f32[1,5,6,4]
        %0 = inverted_residual(x, f32[8,1,1,4], f32[8], f32[8,3,3,1], -, f32[4,1,1,8], f32[4], pad_top=1, """
            """pad_left=1, pad_bottom=1, pad_right=1, expand_act=silu, depthwise_act=hard_swish) | add.f32(acc, x)
        return y0=%0""",
            block(g, x, first=[Post("silu", (ACC,))], second=[Post("hard_swish", (ACC,))],
                  last=[Post("add", (ACC, x))]))


def test_one_after_the_other(g, apply):
    y = block(g, block(g, g.x(1, 8, 8, 4), depthwise={"stride_h": 2, "auto_pad": "same_upper"}), kernel=1,
              depthwise={"dilation_h": 2})
    apply(g, RULES, y)
    assert [n.op for n in g.nodes] == ["inverted_residual"] * 2


def test_a_shared_convolution(g, apply):
    """A chain of five: the first three become one."""
    y = block(g, g.x(1, 8, 8, 4))
    y = g.node("conv", y, g.weights(4, 3, 3, 1), groups=4, **PADS)
    apply(g, RULES, g.node("conv", y, g.weights(3, 1, 1, 4)))
    assert [n.op for n in g.nodes] == ["inverted_residual", "conv", "conv"]


def computed_weights(g, x, which):
    w = [g.weights(8, 1, 1, 4), g.weights(8, 3, 3, 1), g.weights(3, 1, 1, 8)]
    w[which] = g.x(*w[which].shape, name="w")
    return g.node("conv", g.node("conv", g.node("conv", x, w[0]), w[1], groups=8), w[2])


@pytest.mark.parametrize("build", [
    lambda g, x: block(g, x, e=4),  # as many channels between as outside
    lambda g, x: block(g, x, e=8, o=8),
    lambda g, x: block(g, x, expand={"stride_h": 2}),
    lambda g, x: block(g, x, expand=PADS),
    lambda g, x: block(g, x, project={"stride_w": 2}),
    lambda g, x: block(g, x, project={"pad_left": 1}),
    lambda g, x: block(g, x, first=[Post("gelu", (ACC,))]),
    lambda g, x: block(g, x, second=[Post("mul", (ACC, 2.0))]),
    lambda g, x: block(g, x, first=[*RELU, *RELU6]),
    lambda g, x: block(g, x, first=[Post("clip", (ACC, g.x(1, name="low"), 6.0))]),
    lambda g, x: block(g, x, second=[Post("leaky_relu", (ACC, 0.125))]),
    lambda g, x: g.node("conv", g.node("conv", x, g.weights(8, 1, 1, 4)), g.weights(3, 1, 1, 8)),
    *(lambda g, x, i=i: computed_weights(g, x, i) for i in range(3)),
])
def test_what_stays(g, becomes, build):
    becomes(g, RULES, None, build(g, g.x(2, 5, 6, 4)))


def test_grouped_convolutions_stay(g, becomes):
    y = g.node("conv", g.x(1, 5, 6, 4), g.weights(8, 1, 1, 2), groups=2)
    becomes(g, RULES, None, g.node("conv", g.node("conv", y, g.weights(8, 3, 3, 2), groups=4), g.weights(3, 1, 1, 8)))


def test_f16_stays(g, becomes):
    w = [g.weights(*s, dtype="f16") for s in ((8, 1, 1, 4), (8, 3, 3, 1), (3, 1, 1, 8))]
    y = g.node("conv", g.node("conv", g.x(1, 5, 6, 4, dtype="f16"), w[0]), w[1], groups=8)
    becomes(g, RULES, None, g.node("conv", y, w[2]))


@pytest.mark.parametrize("depth", [1, 2])
def test_inner_values_that_others_read_stay(g, becomes, depth):
    y = block(g, g.x(1, 5, 6, 4))
    inner = y.node.arg(0)
    becomes(g, RULES, None, y, inner if depth == 1 else inner.node.arg(0))


def test_in_the_pipeline(g):
    """From images with batch norm, activations and a residual, in any size."""
    x = g.x("n", 4, "h", "w")
    y = g.node("clip", g.images("conv", x, g.weights(8, 1, 1, 4), g.weights(8)), g.c(0), g.c(6))
    y = g.images("conv", y, g.weights(8, 3, 3, 1), groups=8, **PADS)
    y = g.node("hard_swish", g.node("add", g.node("mul", y, g.weights(8, 1, 1)), g.weights(8, 1, 1)))
    g.output(g.node("add", x, g.images("conv", y, g.weights(4, 1, 1, 8))), "y")
    nodes = run_pipeline(g).graph.nodes
    assert [n.op for n in nodes] == ["transpose", "inverted_residual", "transpose"]
    assert nodes[1].attrs["depthwise_act"] == "hard_swish" and [p.op for p in nodes[1].post] == ["add"]
