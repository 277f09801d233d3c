"""passes/layout.py: which tensors become channels last, and every operator that can be turned."""
from __future__ import annotations

import numpy as np
import pytest

from lite_runtime.converter.passes import layout, simplify
from lite_runtime.converter.passes.mincut import MinCut

STEPS = [layout.channels_last, simplify.RULES, simplify.same_nodes]


def conv(g, x):
    return g.images("conv", x, g.weights(4, 3, 3, x.shape[1]), pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)


def transposes(g):
    return [n for n in g.nodes if n.op == "transpose"]


def test_transposes_end_up_at_the_borders(g, becomes):
    x = g.x(1, 3, 8, 8)
    a = conv(g, x)
    b = conv(g, g.node("add", g.node("relu", a), g.weights(1, 4, 1, 1)))
    becomes(g, STEPS, """
        input x: f32[1,3,8,8]
        %0 = transpose(x, perm=(0,2,3,1))
        %1 = conv(%0, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)
        %2 = relu(%1)
        %3 = add(%2, f32[1,1,1,4])
        %4 = conv(%3, f32[4,3,3,4], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)
        %5 = add(%4, %1)
        %6 = transpose(%5, perm=(0,3,1,2))
        return y0=%6""", g.node("add", b, a))


@pytest.mark.parametrize("build", [
    lambda g, y: g.node("concat", y, g.node("relu", y), axis=1),
    lambda g, y: g.node("concat", *g.node("split", y, g.c([1, 3], "i64"), n_outputs=2, axis=1)[::-1], axis=1),
    lambda g, y: g.node("softmax", y, axis=1),
    lambda g, y: g.node("slice", y, g.c([1], "i64"), g.c([3], "i64"), g.c([1], "i64")),
    lambda g, y: g.node("slice", y, g.c([-1, 0], "i64"), g.c([-9, 3], "i64"), g.c([-2, 1], "i64"),
                        g.c([-1, 2], "i64")),
    lambda g, y: g.node("slice", y, g.c([0, 1], "i64"), g.c([1, 3], "i64")),
    lambda g, y: g.node("pad", y, g.c([0, 1, 2, 0, 0, 0, 1, 3], "i64"), g.c(1)),
    lambda g, y: g.node("resize", y, g.c([1, 1, 2, 3]), mode="linear"),
    lambda g, y: g.node("resize", y, None, g.c([1, 4, 5, 7], "i64")),
    lambda g, y: g.node("gather", y, g.c([2, 0], "i64"), axis=1),
    lambda g, y: g.node("mul", y, g.node("reduce", y, kind="mean", axes=12)),
    lambda g, y: g.node("reduce", y, kind="max", axes=4),
    lambda g, y: g.node("expand", g.node("reduce", y, axes=4), g.c([1, 4, 3, 8], "i64")),
    lambda g, y: g.node("mul", g.weights(4, 1, 1), y),
    lambda g, y: g.node("leaky_relu", y, g.weights(1, 4, 1, 1)),
    lambda g, y: g.node("select", g.node("greater", y, g.c(0)), y, g.c([[[[2.0]]]])),
    lambda g, y: g.node("unsqueeze", g.node("squeeze", g.node("reduce", y, axes=4), axes=4), axes=8),
    lambda g, y: g.node("reshape", g.node("reshape", y, g.c([0, 4, -1], "i64")), g.c([1, 4, 2, -1], "i64")),
])
def test_operators_turn(g, apply, build):
    y = build(g, conv(g, g.x(1, 3, 8, 8)))
    assert all(n.op in ("transpose", "conv") or layout.can_turn(n) is not None for n in g.nodes)
    apply(g, STEPS, g.images("max_pool", y))
    assert len(transposes(g)) == 2


@pytest.mark.parametrize("build", [
    lambda g, y: g.node("reshape", y, g.c([1, 2, 2, 64], "i64")),
    lambda g, y: g.node("gather", y, g.c(1, "i64"), axis=1),
    lambda g, y: g.node("layer_norm", y, axis=3),
    lambda g, y: g.node("matmul", y, g.weights(8, 8)),
    lambda g, y: g.node("add", y, g.x(4, 1, 1, name="z")),
    lambda g, y: g.node("squeeze", g.node("slice", y, g.c([0], "i64"), g.c([1], "i64"), g.c([1], "i64")), axes=2),
    lambda g, y: g.node("slice", y, g.c([0], "i64"), g.c([1], "i64"), g.x(1, dtype="i64", name="z")),
])
def test_operators_that_stay(g, build):
    build(g, conv(g, g.x(1, 3, 8, 8)))
    assert layout.can_turn(g.nodes[-1]) is None


def test_sizes_that_are_computed_are_reordered_at_run_time(g, apply):
    x = g.x(1, 3, 8, 8)
    sizes = g.node("mul", g.node("shape", x), g.c([1, 1, 2, 1], "i64"))
    z = g.node("concat", g.c([1, 4], "i64"), g.node("slice", sizes, g.c([2], "i64"), g.c([4], "i64")), axis=0)
    apply(g, STEPS, g.images("max_pool", g.node("resize", conv(g, x), None, z)))
    assert ", [0,2,3,1])" in g.text(shapes=False) and len(transposes(g)) == 2


def test_a_global_mean_without_kept_axes_takes_either_form(g, becomes):
    y = g.node("reduce", conv(g, g.x(1, 3, 8, 8)), kind="mean", axes=12, keep_dims=0)
    becomes(g, STEPS, """
        input x: f32[1,3,8,8]
        %0 = transpose(x, perm=(0,2,3,1))
        %1 = conv(%0, f32[4,3,3,3], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1)
        %2 = reduce(%1, kind=mean, axes=6, keep_dims=0)
        return y0=%2""", y)


def test_nothing_turns_without_images(g, becomes):
    becomes(g, STEPS, None, g.node("relu", g.node("add", g.x(2, 3, 4, 5), g.weights(5))))


def test_the_smaller_tensor_is_transposed(g, apply):
    x = g.x(1, 64, 8, 8)
    first = g.node("slice", x, g.c([0], "i64"), g.c([1], "i64"), g.c([1], "i64"))
    apply(g, STEPS, conv(g, first), g.node("relu", x))
    assert max(np.prod(n.outputs[0].shape) for n in transposes(g)) == 4 * 8 * 8


def test_names_follow_the_order(g, apply):
    y = g.node("relu", conv(g, g.x(1, 3, 8, 8)))
    y.name = "t"
    apply(g, STEPS, conv(g, y))
    assert {v.name: v.perm for n in g.nodes for v in n.outputs}["t"] == (0, 2, 3, 1)


def test_transposes_of_ones_are_reshapes(g, becomes):
    becomes(g, [layout.FINAL_RULES], "input x: f32[1,5,1,1]\n%0 = reshape(x, [1,1,1,5])\nreturn y0=%0",
            g.node("transpose", g.x(1, 5, 1, 1), perm=(0, 2, 3, 1)))


def test_transposes_of_more_stay(g, becomes):
    becomes(g, [layout.FINAL_RULES], None, g.node("transpose", g.x(1, 5, 1, 2), perm=(0, 2, 3, 1)))


def test_min_cut():
    cut = MinCut()
    a, b, alone = cut.node(), cut.node(), cut.node()
    cut.edge(0, a, 3)
    cut.edge(a, b, 1)
    cut.edge(b, 1, 2)
    assert cut.source_side() == {0, a} and alone not in cut.source_side()


def test_min_cut_against_all_choices():
    random = np.random.default_rng(5)
    for _ in range(50):
        n = int(random.integers(3, 9))
        edges = [(int(random.integers(n)), int(random.integers(n)), int(random.integers(1, 9))) for _ in range(2 * n)]
        cut = MinCut()
        for _ in range(n - 2):
            cut.node()
        for e in edges:
            cut.edge(*e)
        side = cut.source_side()

        def cost(chosen, edges=edges):
            return sum(c for a, b, c in edges if a in chosen and b not in chosen)

        best = min(cost({0, *(i for i in range(2, n) if bits >> i & 1)}) for bits in range(0, 1 << n, 4))
        assert 0 in side and 1 not in side and cost(side) == best
