"""Epilogues whose operands repeat from row to row, beside others that change between them."""
from __future__ import annotations

import numpy as np
import pytest

import lite_runtime
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import ACC, Graph, Post
from lite_runtime.converter.lower.writer import write


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("other", [lambda n, h, w, c: (n, 1, 1, c), lambda n, h, w, c: (1, h, 1, c),
                                   lambda n, h, w, c: (n, h, w, c)], ids=["n", "h", "all"])
@pytest.mark.parametrize(("n", "h", "w", "channels"), [(2, 5, 5, 16), (3, 7, 3, 24), (2, 11, 20, 40), (5, 3, 2, 4)])
def test_repeated_and_not(n, h, w, channels, other, kernel, threads) -> None:
    """relu(conv) * scale[C] + z, where z has one row for an image, a line or a pixel."""
    rng = np.random.default_rng(2)
    x, z = rng.normal(size=(n, h, w, 8)).astype(np.float32), \
        rng.normal(size=other(n, h, w, channels)).astype(np.float32)
    weights = rng.normal(size=(channels, kernel, kernel, 8)).astype(np.float32)
    scale = rng.normal(size=channels).astype(np.float32)
    g = Graph(Infer())
    added, pad = g.input("z", "f32", z.shape), kernel // 2
    y = g.add("conv", g.input("x", "f32", x.shape), g.const(weights), None, pad_top=pad, pad_bottom=pad, pad_left=pad,
              pad_right=pad, post=[Post("relu", (ACC,)), Post("mul", (ACC, g.const(scale))), Post("add", (ACC, added))])
    g.output(y, "y")
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (1, 2))
    want = np.maximum(np.einsum("nhwcij,oijc->nhwo", windows.astype(np.float64), weights), 0) * scale + z
    with lite_runtime.Session(write(g), threads=threads) as session:
        np.testing.assert_allclose(session.run({"z": z, "x": x})["y"], want, rtol=1e-4, atol=1e-4)
