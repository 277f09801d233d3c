"""passes/shuffle.py: graph text before -> after, and what must not match."""
from __future__ import annotations

import pytest

from lite_runtime.converter.passes import shuffle


def shuffled(g, x, groups=2, perm=(0, 2, 1, 3, 4), back=(0, 8, 6, 5)):
    s = g.node("reshape", x, g.c([0, groups, x.shape[1] // groups, *x.shape[2:]], "i64"))
    return g.node("reshape", g.node("transpose", s, perm=perm), g.c(back, "i64"))


@pytest.mark.parametrize("batch", [3, "n"])
def test_a_shuffle_becomes_a_gather(g, becomes, batch):
    becomes(g, [shuffle.BEFORE_LAYOUT], f"""
        input x: f32[{batch},8,6,5]
        %0 = gather(x, [0,4,1,5,2,6,3,7], axis=1)
        return y0=%0""", shuffled(g, g.x(batch, 8, 6, 5)))


@pytest.mark.parametrize("build", [
    lambda g, x: shuffled(g, x, perm=(0, 1, 2, 4, 3)),  # moves pixels
    lambda g, x: shuffled(g, x, back=(0, 4, 12, 5)),  # another shape
    lambda g, x: g.node("reshape", g.node("transpose", g.node("reshape", x, g.c([1, 6, 4, 6, 5], "i64")),
                                          perm=(0, 2, 1, 3, 4)), g.c([3, 8, 6, 5], "i64")),  # mixes the batch
])
def test_no_shuffle(g, becomes, build):
    becomes(g, [shuffle.BEFORE_LAYOUT], None, build(g, g.x(3, 8, 6, 5)))


def test_a_shuffle_that_others_read(g, becomes):
    s = g.node("reshape", g.x(3, 8, 6, 5), g.c([3, 2, 4, 6, 5], "i64"))
    t = g.node("transpose", s, perm=(0, 2, 1, 3, 4))
    becomes(g, [shuffle.BEFORE_LAYOUT], None, g.node("reshape", t, g.c([3, 8, 6, 5], "i64")), t)


@pytest.mark.parametrize("order", [[0, 4, 1, 5, 2, 6, 3, 7], [0, 2, 4, 6, 1, 3, 5, 7]])
@pytest.mark.parametrize("shape, axis", [((3, 8, 6, 5), 1), (("n", "h", "w", 8), 3), (("n", 8, "w", 2), 1)])
def test_a_gather_becomes_a_shuffle(g, apply, order, shape, axis):
    apply(g, [shuffle.AFTER_LAYOUT], g.node("gather", g.x(*shape), g.c(order, "i64"), axis=axis))
    assert [n.op for n in g.nodes] == ["reshape", "transpose", "reshape"]


@pytest.mark.parametrize("order", [[0, 4, 1, 5, 2, 6, 7, 3], [0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0],
                                   [0, 2, 1, 3], [0, 4, 1, 5, 2, 6, 3, -1], [0]])
def test_a_gather_that_stays(g, becomes, order):
    becomes(g, [shuffle.AFTER_LAYOUT], None, g.node("gather", g.x(2, 8), g.c(order, "i64"), axis=1))


def test_two_open_sizes_behind(g, becomes):
    y = g.node("gather", g.x("n", 8, "h", "w"), g.c([0, 4, 1, 5, 2, 6, 3, 7], "i64"), axis=1)
    becomes(g, [shuffle.AFTER_LAYOUT], None, y)
