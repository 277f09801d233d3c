"""passes/chains.py: graph text before -> after, and what must not become one program."""
from __future__ import annotations

import numpy as np
import pytest

from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import ACC, Graph, Post, Reg
from lite_runtime.converter.passes import chains, simplify
from lite_runtime.converter.pipeline import run_pipeline
from lite_runtime.converter.rewrite import Trace, apply_rules

RULES = [chains.RULES]


def test_a_chain(g, becomes):
    y = g.node("mul", g.node("sigmoid", g.node("add", g.x(2, 3), g.x(3, name="b"))), g.c(2))
    trace = becomes(g, RULES, """
        input x: f32[2,3]
        input b: f32[3]
        %0 = elementwise() | add.f32(x, b) | sigmoid.f32(acc) | mul.f32(acc, 2.0)
        return y0=%0""", y)
    assert [a.nodes for a in trace.applications] == [("add0", "sigmoid1"), ("sigmoid1", "mul2")]


def test_a_tree(g, becomes):
    x, z = g.x(2, 3), g.x(2, 3, name="z")
    left = g.node("mul", g.node("exp", x), z)
    right = g.node("sub", g.node("tanh", z), x)
    becomes(g, RULES, """
        input x: f32[2,3]
        input z: f32[2,3]
        %0 = elementwise() | exp.f32(x) | mul.f32(acc, z) | r1=tanh.f32(z) | r1=sub.f32(r1, x) | max.f32(acc, r1)
        return y0=%0""", g.node("max", left, right))


def test_what_is_read_twice_is_computed_once(g, becomes):
    y = g.node("exp", g.x(2, 3))
    becomes(g, RULES, """
        input x: f32[2,3]
        %0 = elementwise() | exp.f32(x) | mul.f32(acc, acc)
        return y0=%0""", g.node("mul", y, y))


def test_dtypes_change_within(g, becomes):
    x = g.x(2, 3)
    y = g.node("select", g.node("greater", x, g.c(0)), g.node("cast", x, to="i32"), g.c(7, "i32"))
    becomes(g, RULES, """
        input x: f32[2,3]
        %0 = elementwise() | greater.f32(x, 0.0) | r1=cast.i32(x) | select.i32(acc, r1, 7)
        return y0=%0""", y)


def test_broadcast_operands(g, apply):
    x = g.x("n", 4, 1, 3)
    y = g.node("mul", g.node("add", x, g.weights(4, 5, 1)), g.weights(3))
    apply(g, RULES, g.node("sub", g.c([[1.0]]), y))
    assert [n.op for n in g.nodes] == ["elementwise"] and g.outputs[0].shape == ("n", 4, 5, 3)


def test_four_registers_and_not_more(g, apply):
    """A balanced tree of depth 5 over other values in each leaf needs more registers than there are: it becomes a few
    programs."""
    x = g.x(2, 3)
    level = [g.node(op, g.node("add", x, g.weights(2, 3))) for op in ("exp", "tanh", "sin", "cos") * 8]
    while len(level) > 1:
        level = [g.node("sub", a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    before = len(g.nodes)
    apply(g, RULES, level[0], tolerance=1e-4)
    assert 1 < len(g.nodes) < before / 8
    assert {p.dst for n in g.nodes for p in n.post} <= {0, 1, 2, 3}


def test_at_most_32_operands(g, apply):
    y = g.x(2, 3)
    for _ in range(40):
        y = g.node("add", y, g.weights(2, 3))
    apply(g, RULES, y, tolerance=1e-4)
    assert len(g.nodes) == 2


@pytest.mark.parametrize("build", [
    lambda g, x: g.node("add", g.node("relu", x), g.x(4, 2, 3, name="z")),  # would be computed four times
    lambda g, x: g.node("softmax", g.node("relu", x), axis=1),
    lambda g, x: g.node("add", g.node("shape", x), g.node("mul", g.node("shape", x), g.c([2, 2], "i64"))),
    lambda g, x: g.node("relu", x),
])
def test_no_chain(g, becomes, build):
    becomes(g, RULES, None, build(g, g.x(2, 3)))


def test_outputs_and_what_others_read_stay(g, becomes):
    x = g.x(2, 3)
    y = g.node("exp", x)
    becomes(g, RULES, None, g.node("neg", y), y)


def test_read_by_two_nodes(g, becomes):
    y = g.node("exp", g.x(2, 3))
    becomes(g, RULES, None, g.node("softmax", g.node("neg", y), axis=1), g.node("softmax", g.node("abs", y), axis=0))


def test_equal_programs_are_one(g, apply):
    x = g.x(2, 3)
    ys = [g.node("softmax", g.node("mul", g.node("exp", x), g.c(c)), axis=0) for c in (2, 2, 3)]
    apply(g, [*RULES, simplify.same_nodes], *ys)
    assert sum(n.op == "elementwise" for n in g.nodes) == 2


def test_empty_registers_are_refused():
    g = Graph(Infer())
    with pytest.raises(ConvertError, match="finds nothing in register 1"):
        g.add("elementwise", post=[Post("add", (g.input("x", "f32", (2,)), Reg(1)))])
    with pytest.raises(ConvertError, match="finds nothing in register 0"):
        g.add("elementwise", post=[Post("neg", (ACC,))])


@pytest.mark.parametrize("seed", range(20))
def test_random_trees(g, apply, seed):
    r = np.random.default_rng(seed)
    shapes = [(4, 3), (3,), (4, 1), (1, 3), ()]
    values = [g.x(*s, name=f"x{i}") for i, s in enumerate(shapes)]
    for _ in range(25):
        a, b = (values[r.integers(max(0, len(values) - 7), len(values))] for _ in range(2))
        if r.random() < 0.4:
            y = g.node(str(r.choice(["tanh", "abs", "sigmoid", "neg"])), a)
        elif r.random() < 0.2:
            y = g.node("select", g.node("less", a, b), b, g.c(0.5))
        else:
            y = g.node(str(r.choice(["add", "mul", "max", "sub"])), a, b)
        values.append(g.node("tanh", y))
    outputs = [v for v in values if not v.users and v.node]
    apply(g, RULES, *outputs, tolerance=1e-4)


def test_in_the_pipeline(g):
    """Attention's mask and the gate of a GLU: chains that no operator takes into its epilogue."""
    x = g.x("n", 4)
    y = g.node("mul", g.node("sub", g.c(1), x), g.c(-1e4))
    g.output(g.node("softmax", g.node("add", y, x), axis=1), "y")
    assert [n.op for n in run_pipeline(g).graph.nodes] == ["elementwise", "softmax"]


def test_a_full_trace_stops(g):
    y = g.node("mul", g.node("sigmoid", g.node("add", g.x(2, 3), g.c(1))), g.c(2))
    g.output(y, "y")
    trace = Trace(g, limit=1)
    assert apply_rules(g, chains.RULES, trace) == 1 and len(g.nodes) == 2
