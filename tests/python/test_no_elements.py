"""Tensors without elements whose other sizes are huge: a file may have them, and they cost nothing."""

import numpy as np
import pytest

import lite_runtime
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import Graph
from lite_runtime.converter.lower.writer import write

HUGE, WIDE = 1 << 16, 1 << 20
LIMIT = 1 << 20  # bytes


def run(op, x, *constants, **attrs):
    g = Graph(Infer())
    v = g.input("x", "f32", x.shape)
    g.output(g.add(op, v, *(g.const(c) for c in constants), name="node", **attrs), "y")
    with lite_runtime.Session(write(g), threads=1, memory_limit=LIMIT) as session:
        return session.run({"x": x})["y"]


def zeros(*shape):
    return np.zeros(shape, np.float32)


def test_no_images():
    y = run("conv", zeros(0, 1, HUGE, WIDE), zeros(0, 1, HUGE, WIDE))
    assert y.shape == (0, 1, 1, 0)


def test_no_outputs():
    assert run("conv", zeros(1, 3, 3, 2), zeros(0, 3, 3, 2)).shape == (1, 1, 1, 0)
    assert run("matmul", zeros(0, HUGE), zeros(HUGE, 0)).shape == (0, 0)


@pytest.mark.parametrize("op", ["conv", "conv_transpose"])
def test_no_channels(op):
    """The bias alone, without walking over a window of 2^32 taps."""
    b = np.array([1, -2, 3, 0.5], np.float32)
    if op == "conv":
        y = run(op, zeros(1, HUGE, HUGE, 0), zeros(4, HUGE, HUGE, 0), b)
    else:
        pads = dict.fromkeys(("pad_top", "pad_left"), HUGE - 1)
        y = run(op, zeros(1, 1, 1, 0), zeros(4, HUGE, HUGE, 0), b, **pads)
    np.testing.assert_array_equal(y, b.reshape(1, 1, 1, 4))


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
def test_windows_over_padding(op):
    """Only taps in the image count."""
    pads = dict.fromkeys(("pad_top", "pad_left", "pad_bottom", "pad_right"), HUGE // 2)
    x = np.full((1, 1, 1, 3), 2, np.float32)
    y = run(op, x, kernel_h=HUGE, kernel_w=HUGE, **pads)
    assert y.shape == (1, 2, 2, 3) and (y == 2).all()
