"""Random graphs compute the same after all stages, and after the first few applications of rules."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lite_runtime import Session
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.ir import Value
from lite_runtime.converter.lower.writer import write
from lite_runtime.converter.pipeline import run_pipeline

GRAPHS = 150


class Random:
    """Adds one random operator after another to a graph."""

    def __init__(self, g, seed: int) -> None:
        self.g, self.r = g, np.random.default_rng(seed)
        g.random = self.r
        n, h, w = ("n", "h", "w") if self.r.random() < 0.3 else (2, *map(int, self.r.integers(4, 9, 2)))
        self.values = [g.x(n, self.pick([1, 3, 4, 8]), h, w)]

    def pick(self, items):
        return items[self.r.integers(len(items))]

    def axis(self, v: Value) -> int:
        return int(self.r.integers(v.rank))

    def constant(self, v: Value) -> Value:
        """A constant that broadcasts to v."""
        shape = [d if isinstance(d, int) and self.r.random() < 0.4 else 1 for d in v.shape]
        drop = self.r.integers(v.rank + 1) if self.r.random() < 0.3 else 0
        return self.g.c(self.r.normal(size=shape[drop:])) if self.r.random() < 0.8 else \
            self.g.c(self.pick([0, 1, 2, 0.5, 6]))

    def like(self, v: Value) -> Value:
        """Another value of v's shape, or a constant."""
        return self.pick([u for u in self.values if u.shape == v.shape and u is not v] or [self.constant(v)])

    def convolution(self, v: Value) -> Value:
        k = self.pick([1, 3])
        groups = v.shape[1] if self.r.random() < 0.2 else 1
        out = groups * self.pick([1, 2, 4])
        bias = self.g.weights(out) if self.r.random() < 0.5 else None
        kernel, pads = ((k, k), ("top", "left", "bottom", "right")) if v.rank == 4 else ((k,), ("left", "right"))
        return self.g.images("conv", v, self.g.weights(out, *kernel, v.shape[1] // groups), bias, groups=groups,
                             **{f"pad_{p}": k // 2 for p in pads})

    def upsampling(self, v: Value) -> Value:
        return self.g.images("conv_transpose", v, self.g.weights(3, 2, 2, v.shape[1]), stride_h=2, stride_w=2)

    def pooling(self, v: Value) -> Value:
        return self.g.images(self.pick(["max_pool", "avg_pool"]), v, kernel_h=2, kernel_w=2, pad_top=1)

    def unary(self, v: Value) -> Value:
        return self.g.node(self.pick(["relu", "sigmoid", "tanh", "neg", "abs", "hard_swish", "gelu"]), v)

    def binary(self, v: Value) -> Value:
        pair = [v, self.like(v) if self.r.random() < 0.5 else self.constant(v)]
        return self.g.node(self.pick(["add", "mul", "sub", "max"]), *(pair if self.r.random() < 0.7 else pair[::-1]))

    def swish(self, v: Value) -> Value:
        return self.g.node("mul", v, self.g.node("sigmoid", v))

    def normalisation(self, v: Value) -> Value:
        g, last = self.g, 1 << (v.rank - 1)
        d = g.node("sub", v, g.node("reduce", v, kind="mean", axes=last))
        variance = g.node("reduce", g.node("mul", d, d), kind="mean", axes=last)
        return g.node("div", d, g.node("sqrt", g.node("add", variance, g.c(1e-3))))

    def transpose(self, v: Value) -> Value:
        return self.g.node("transpose", v, perm=tuple(map(int, self.r.permutation(v.rank))))

    def concat(self, v: Value) -> Value:
        return self.g.node("concat", v, self.g.node("relu", v), axis=self.axis(v))

    def split(self, v: Value) -> Value:
        axis = self.axis(v)
        n = int(self.r.integers(1, v.shape[axis]))
        parts = self.g.node("split", v, self.g.c([n, v.shape[axis] - n], "i64"), n_outputs=2, axis=axis)
        self.values.append(parts[0])
        return parts[1]

    def slice(self, v: Value) -> Value:
        axis = self.axis(v) - self.pick([0, v.rank])
        parts = [self.pick([0, 1]), self.pick([2, -1, 2**63 - 1]), axis, self.pick([1, 2])]
        return self.g.node("slice", v, *(self.g.c([p], "i64") for p in parts))

    def pad(self, v: Value) -> Value:
        return self.g.node("pad", v, self.g.c(self.r.integers(0, 2, 2 * v.rank), "i64"), self.g.c(self.pick([0, 1])))

    def reduce(self, v: Value) -> Value:
        return self.g.node("reduce", v, kind=self.pick(["mean", "max", "sum"]), axes=int(self.r.integers(1 << v.rank)),
                           keep_dims=self.pick([0, 1]))

    def softmax(self, v: Value) -> Value:
        return self.g.node("softmax", v, axis=self.axis(v))

    def product(self, v: Value) -> Value:
        n, flag = v.shape[-1], self.pick([0, 1])
        return self.g.node("matmul", v, self.g.weights(*((5, n) if flag else (n, 5))), trans_b=flag)

    def squeeze(self, v: Value) -> Value:
        return self.g.node("squeeze", v, axes=1 << self.pick([i for i, d in enumerate(v.shape) if d == 1]))

    def unsqueeze(self, v: Value) -> Value:
        return self.g.node("unsqueeze", v, axes=1 << int(self.r.integers(v.rank + 1)))

    def reshape(self, v: Value) -> Value:
        return self.g.node("reshape", v, self.g.c(self.pick([[0, 0, -1], [0, 0, 1, -1], [0, -1]]), "i64"))

    def resize(self, v: Value) -> Value:
        return self.g.node("resize", v, self.g.c([1] * (v.rank - 1) + [2]), mode=self.pick(["nearest", "linear"]))

    def step(self) -> None:
        """Adds an operator; what does not fit the value at hand is left out."""
        kinds: list[Callable[[Value], Value]] = [
            self.convolution, self.convolution, self.convolution, self.upsampling, self.pooling, self.unary, self.unary,
            self.unary, self.binary, self.binary, self.binary, self.binary, self.swish, self.normalisation,
            self.transpose, self.concat, self.split, self.slice, self.pad, self.reduce, self.softmax, self.product,
            self.squeeze, self.unsqueeze, self.reshape, self.resize]
        v = self.pick(self.values[-4:])
        try:
            y = self.pick(kinds)(v)
        except (ConvertError, TypeError, ValueError, IndexError, ZeroDivisionError):
            return
        if y.rank <= 5:
            self.values.append(y)

    def finish(self) -> None:
        unread = [v for v in self.values if not v.users and v.node]
        for i, v in enumerate(unread[-4:] or self.values[-1:]):
            self.g.output(v, f"y{i}")
        self.g.sweep()


@pytest.mark.parametrize("first", range(0, GRAPHS, 10))
def test_random_graphs(g, first):
    for seed in range(first, first + 10):
        graph = type(g)()
        random = Random(graph, seed)
        for _ in range(20):
            random.step()
        random.finish()
        sizes = dict(zip("nhw", map(int, random.r.integers(4, 8, 3)), strict=True))
        x = random.r.normal(size=[sizes.get(d, d) for d in graph.inputs[0].shape]).astype(np.float32)
        expected = compute(graph, x)
        for limit in (None, int(random.r.integers(1, 40))):
            for name, y in compute(run_pipeline(graph, limit=limit).graph, x).items():
                finite = expected[name][np.isfinite(expected[name])]
                scale = max(float(np.max(np.abs(finite), initial=0)), 0.1)  # sums of terms near 1 may cancel
                np.testing.assert_allclose(y, expected[name], rtol=1e-3, atol=1e-4 * scale,
                                           err_msg=f"seed {seed}, limit {limit}, output {name}")


def compute(graph, x):
    with Session(write(graph), threads=1) as session:
        return session.run({"x": x} if session.inputs else {})


def test_random_graphs_are_not_trivial(g):
    random = Random(g, 3)
    for _ in range(20):
        random.step()
    random.finish()
    assert len(g.nodes) > 10 and run_pipeline(g).applications
