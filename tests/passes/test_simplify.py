"""Rules of passes/simplify.py and passes/shapes.py: graph text before -> after, and what must not match."""
from __future__ import annotations

import numpy as np
import pytest

from lite_runtime.converter.passes import shapes, simplify
from lite_runtime.converter.passes.fold import fold
from lite_runtime.converter.rewrite import Trace

RULES = [simplify.RULES]


@pytest.mark.parametrize("build", [
    lambda g, x: g.node("identity", x),
    lambda g, x: g.node("cast", x, to="f32"),
    lambda g, x: g.node("reshape", x, g.c([2, 3, 4], "i64")),
    lambda g, x: g.node("reshape", x, g.c([0, -1, 4], "i64")),
    lambda g, x: g.node("expand", x, g.c([3, 1], "i64")),
    lambda g, x: g.node("transpose", x, perm=(0, 1, 2)),
    lambda g, x: g.node("concat", x, axis=1),
    lambda g, x: g.node("slice", x, g.c([0], "i64"), g.c([2**63 - 1], "i64"), g.c([1], "i64")),
    lambda g, x: g.node("pad", x, g.c([0] * 6, "i64")),
    lambda g, x: g.node("resize", x, g.c([1, 1, 1])),
    lambda g, x: g.node("reduce", x, axes=0),
    lambda g, x: g.node("mul", g.c(1), x),
    lambda g, x: g.node("div", x, g.c([1, 1, 1, 1])),
    lambda g, x: g.node("pow", x, g.c(1)),
    lambda g, x: g.node("sub", x, g.c(0)),
    lambda g, x: g.node("add", x, g.c(-0.0)),
])
def test_no_op(g, becomes, build):
    x = g.x(2, 3, 4)
    becomes(g, RULES, "input x: f32[2,3,4]\n%0 = relu(x)\nreturn y0=%0", g.node("relu", build(g, x)))


@pytest.mark.parametrize("build", [
    lambda g, x: g.node("cast", x, to="f16"),
    lambda g, x: g.node("reshape", x, g.c([3, 2, 4], "i64")),
    lambda g, x: g.node("expand", x, g.c([2, 2, 3, 4], "i64")),
    lambda g, x: g.node("transpose", x, perm=(0, 2, 1)),
    lambda g, x: g.node("concat", x, x, axis=1),
    lambda g, x: g.node("slice", x, g.c([0], "i64"), g.c([3], "i64"), g.c([2], "i64")),
    lambda g, x: g.node("slice", x, g.c([-1], "i64"), g.c([-9], "i64"), g.c([2], "i64"), g.c([-1], "i64")),
    lambda g, x: g.node("pad", x, g.c([0, 0, 1, 0, 0, -1], "i64")),
    lambda g, x: g.node("resize", x, g.c([1, 1, 2])),
    lambda g, x: g.node("reduce", x, axes=4),
    lambda g, x: g.node("mul", x, g.c([[[[1]]]])),  # the rank grows
    lambda g, x: g.node("sub", g.c(0), x),
    lambda g, x: g.node("div", g.c(1), x),
    lambda g, x: g.node("add", x, g.c(0)),  # -0 would become 0
    lambda g, x: g.node("sub", x, g.c(-0.0)),
])
def test_no_op_that_is_one(g, becomes, build):
    becomes(g, RULES, None, build(g, g.x(2, 3, 4)))


def test_a_squeeze_that_looks_at_sizes_stays(g, becomes):
    x = g.x("n", 3)
    becomes(g, RULES, None, g.node("squeeze", x, axes=0, not_one=1))
    again = g.node("unsqueeze", g.node("squeeze", g.x("n", 3), axes=0, not_one=1), axes=1)
    becomes(g, RULES, None, again)


def test_integers_plus_zero(g, becomes):
    x = g.x(4, dtype="i32")
    becomes(g, RULES, "input x: i32[4]\nreturn y0=x", g.node("add", g.c(0, "i32"), x))


def test_transposes_merge(g, becomes):
    x = g.x(2, 3, 4)
    y = g.node("transpose", g.node("transpose", x, perm=(1, 2, 0)), perm=(0, 2, 1))
    becomes(g, RULES, """
        input x: f32[2,3,4]
        %0 = transpose(x, perm=(1,0,2))
        return y0=%0""", y)


def test_transposes_cancel(g, becomes):
    x = g.x(2, 3, 4)
    y = g.node("transpose", g.node("transpose", x, perm=(1, 2, 0)), perm=(2, 0, 1))
    becomes(g, RULES, "input x: f32[2,3,4]\nreturn y0=x", y)


def test_reshapes_merge(g, becomes):
    x = g.x("n", 3, 4)
    y = g.node("squeeze", g.node("reshape", x, g.c([-1, 1, 12], "i64")), axes=2)
    becomes(g, RULES, """
        input x: f32[n,3,4]
        %0 = reshape(x, [-1,12])
        return y0=%0""", y)


def test_reshapes_with_two_open_sizes_stay(g, becomes):
    x = g.x("n", "m", 4)
    becomes(g, RULES, None, g.node("reshape", g.node("unsqueeze", x, axes=2), g.c([0, 0, 0, 2, 2], "i64")))


def test_square(g, becomes):
    becomes(g, RULES, "input x: f32[3]\n%0 = mul(x, x)\nreturn y0=%0", g.node("pow", g.x(3), g.c(2)))


def test_cube_stays(g, becomes):
    becomes(g, RULES, None, g.node("pow", g.x(3), g.c(3)))


def test_clip_after_relu(g, becomes):
    y = g.node("clip", g.node("relu", g.x(3)), g.c(0), g.c(6))
    becomes(g, RULES, "input x: f32[3]\n%0 = clip(x, 0.0, 6.0)\nreturn y0=%0", y)


def test_clip_below_zero_after_relu(g, becomes):
    becomes(g, RULES, None, g.node("clip", g.node("relu", g.x(3)), g.c(-1), g.c(6)))


def test_relu_that_others_read_stays(g, becomes):
    r = g.node("relu", g.x(3))
    becomes(g, RULES, None, g.node("clip", r, g.c(0), g.c(6)), r)


def test_select_of_one_side(g, becomes):
    x = g.x(3)
    y = g.node("select", g.const(np.array([True] * 3)), x, g.c([1, 2, 3]))
    becomes(g, RULES, "input x: f32[3]\nreturn y0=x", y)


def test_select_of_both_sides(g, becomes):
    x = g.x(3)
    becomes(g, RULES, None, g.node("select", g.const(np.array([True, False, True])), x, g.c([1, 2, 3])))


def test_constants_move_at_once(g, becomes):
    x = g.x(3, 2)
    y = g.node("add", x, g.node("transpose", g.c([[1, 2, 3], [4, 5, 6]]), perm=(1, 0)))
    becomes(g, RULES, "input x: f32[3,2]\n%0 = add(x, f32[3,2])\nreturn y0=%0", y)


def test_same_nodes(g, becomes):
    x = g.x(3)
    y = g.node("add", g.node("mul", x, g.c([1, 2, 3])), g.node("mul", x, g.c([1, 2, 3])))
    becomes(g, [simplify.same_nodes], """
        input x: f32[3]
        %0 = mul(x, f32[3])
        %1 = add(%0, %0)
        return y0=%1""", y)


def test_different_nodes(g, becomes):
    x = g.x(3)
    y = g.node("add", g.node("mul", x, g.c([1, 2, 3])), g.node("mul", x, g.c([1, 2, 4])))
    becomes(g, [simplify.same_nodes], None, y)


def test_same_output_twice(g, becomes):
    x = g.x(3)
    becomes(g, [simplify.same_nodes], "input x: f32[3]\n%0 = relu(x)\nreturn y0=%0, y1=%0", g.node("relu", x),
            g.node("relu", x))


# ---- shapes ----
def test_shape_that_is_known(g, becomes):
    x = g.x("n", 3, 4)
    n = g.node("gather", g.node("shape", x), g.c(2, "i64"))
    y = g.node("reshape", x, g.node("concat", g.c([-1], "i64"), g.node("unsqueeze", n, axes=1)))
    becomes(g, [shapes.RULES], """
        input x: f32[n,3,4]
        %0 = reshape(x, [-1,4])
        return y0=%0""", y)


def test_shape_with_open_sizes(g, becomes):
    x = g.x("n", "m", 8)
    s = g.node("shape", x)
    n, m = (g.node("gather", s, g.c([i], "i64")) for i in (0, 1))
    y = g.node("reshape", x, g.node("concat", n, m, g.c([2, 4], "i64")))
    assert y.shape == ("n", "m", 2, 4)
    becomes(g, [shapes.RULES], """
        input x: f32[n,m,8]
        %0 = reshape(x, [0,0,2,4])
        return y0=%0""", y)


def test_reshape_with_two_open_places(g, becomes):
    x = g.x("n", "m", 8)
    s = g.node("shape", x)
    n, m = (g.node("gather", s, g.c([i], "i64")) for i in (0, 1))
    y = g.node("reshape", x, g.node("concat", m, n, g.c([8], "i64")))
    becomes(g, [shapes.RULES], None, y)


def test_expand_to_own_size(g, becomes):
    x = g.x("n", 1)
    n = g.node("gather", g.node("shape", x), g.c([0], "i64"))
    y = g.node("expand", x, g.node("concat", n, g.c([4], "i64")))
    becomes(g, [shapes.RULES], "input x: f32[n,1]\n%0 = expand(x, [1,4])\nreturn y0=%0", y)


def test_expand_to_another_size(g, becomes):
    x, z = g.x("n", 1), g.x("m", 1, name="z")
    m = g.node("gather", g.node("shape", z), g.c([0], "i64"))
    becomes(g, [shapes.RULES], None, g.node("expand", x, g.node("concat", m, g.c([4], "i64"))))


def test_slice_to_own_size(g, becomes):
    x = g.x("n", 4)
    n = g.node("gather", g.node("shape", x), g.c([0], "i64"))
    y = g.node("slice", x, g.c([1], "i64"), n, g.c([0], "i64"))
    becomes(g, [shapes.RULES], f"input x: f32[n,4]\n%0 = slice(x, [1], [{2**63 - 1}], [0])\nreturn y0=%0", y)


def test_long_sums_of_shapes_take_no_time(g, becomes):
    """A chain that doubles: followed value by value, not path by path."""
    x = g.x("n", 4)
    n = g.node("gather", g.node("shape", x), g.c([0], "i64"))
    for _ in range(60):
        n = g.node("add", n, n)
    becomes(g, [shapes.RULES], None, g.node("add", n, n))


def test_tied_weights_are_stored_once(g, becomes):
    w = g.weights(200, 100)
    y = g.node("gather", w, g.x(4, dtype="i32"))
    becomes(g, [fold, simplify.RULES], None, g.node("matmul", y, g.node("transpose", w, perm=(1, 0))))


# ---- folding ----
def test_fold(g, becomes):
    x = g.x(3)
    trace = becomes(g, [fold], "input x: f32[3]\n%0 = add(x, f32[3])\nreturn y0=%0",
                    g.node("add", x, g.node("exp", g.node("mul", g.c([1, 2, 3]), g.c(0.5)))))
    np.testing.assert_allclose(g.nodes[0].inputs[1].const, np.exp([0.5, 1, 1.5]), rtol=1e-6)
    assert [a.rule for a in trace.applications] == ["fold", "fold"]


def test_fold_makes_shapes_known(g, becomes):
    x = g.x(2, 6)
    y = g.node("reshape", x, g.node("cast", g.node("mul", g.c([1.5, 2]), g.c(2)), to="i64"))
    becomes(g, [fold], "input x: f32[2,6]\n%0 = reshape(x, [3,4])\nreturn y0=%0", y)


def test_fold_never_makes_the_file_much_larger(g, becomes):
    x = g.x(1024, 1024)
    becomes(g, [fold], None, g.node("add", x, g.node("expand", g.c([1]), g.c([1024, 1024], "i64"))))


def test_dequantised_weights_are_not_folded(g, becomes):
    x = g.x(4)
    w = g.node("mul", g.node("cast", g.c([1, 2, 3, 4], "i8"), to="f32"), g.c(0.5))
    becomes(g, [fold], None, g.node("quantize", g.node("mul", x, w), g.c(1), g.c(0, "u8")))


def test_what_fails_is_not_folded(g):
    x = g.x(3, dtype="i32")
    y = g.node("add", x, g.node("div", g.c([4, 4, 4], "i32"), g.c([2, 2, 2], "i32")))
    z = g.node("add", x, g.node("div", g.c([1, 2, 3], "i32"), g.c([1, 0, 1], "i32")))
    g.output(y, "y")
    g.output(z, "z")
    fold(g, Trace(g))
    assert g.text(shapes=False).splitlines() == [
        "input x: i32[3]", "%0 = add(x, [2,2,2])", "%1 = div([1,2,3], [1,0,1])", "%2 = add(x, %1)", "return y=%0, z=%2"]
