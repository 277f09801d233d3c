"""Attention over many rows of k: nearer to double precision than to chance, and the same for any number of threads."""
from __future__ import annotations

import numpy as np
import pytest

import lite_runtime
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import Graph
from lite_runtime.converter.lower.writer import write

# leading dims, S, T, D, E, largest score, dims of the mask
CASES = [
    ((2, 3), 197, 197, 64, 64, 4, None),
    ((2, 3), 50, 600, 32, 17, 8, (2, 1, 1, 600)),
    ((1, 2), 130, 3000, 40, 24, 30, (130, 3000)),
    ((40, 2), 7, 1200, 64, 64, 2, None),  # more k and v than are packed at a time
]


def double(q, k, v, mask, scale):
    s = scale * q.astype(np.float64) @ k.astype(np.float64).swapaxes(-1, -2) + (0 if mask is None else mask)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)) @ v.astype(np.float64)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("layout", ["heads_first", "heads_last"])
def test_against_double(case, layout: str) -> None:
    batch, s, t, d, e, size, mask_dims = case
    rng = np.random.default_rng(3)
    feeds = {n: rng.standard_normal((*batch, *dims)).astype(np.float32)
             for n, dims in (("q", (s, d)), ("k", (t, d)), ("v", (t, e)))}
    if mask_dims:
        feeds["mask"] = rng.standard_normal(mask_dims).astype(np.float32)
    scale = float(np.float32(size / d / 3))
    g = Graph(Infer())
    y = g.add("attention", *(g.input(n, "f32", a.shape) for n, a in feeds.items()), scale=scale, y_layout=layout)
    g.output(y, "y")
    results = []
    for threads in (1, 2, 5):
        with lite_runtime.Session(write(g), threads=threads) as session:
            results.append(session.run(feeds)["y"])
    want = double(feeds["q"], feeds["k"], feeds["v"], feeds.get("mask"), scale)
    want = want.swapaxes(1, 2) if layout == "heads_last" else want
    assert np.abs(results[0] - want).max() <= 2e-6 * np.abs(want).max()
    assert all(np.array_equal(r, results[0]) for r in results[1:])
