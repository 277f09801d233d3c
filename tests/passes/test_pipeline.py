"""The rule engine, the stages as a whole, and the file."""
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lite_runtime import Session
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.ir import Graph, State
from lite_runtime.converter.lower.reader import constant, read
from lite_runtime.converter.lower.writer import write
from lite_runtime.converter.passes import STAGES
from lite_runtime.converter.pipeline import Options, convert_graph, run_pipeline
from lite_runtime.converter.rewrite import C, P, Trace, apply_rules, node_rule, rule


def network(g) -> Graph:
    """Convolution, batch normalisation, relu, a residual, a mean and a product, in the source's order."""
    x = g.x("n", 3, "h", "w")
    pads = {"pad_top": 1, "pad_left": 1, "pad_bottom": 1, "pad_right": 1}
    y = g.images("conv", x, g.weights(4, 3, 3, 3), **pads)
    y = g.node("relu", g.node("add", g.node("mul", y, g.weights(1, 4, 1, 1)), g.weights(1, 4, 1, 1)))
    y.name = "inner"
    z = g.images("conv", y, g.weights(4, 3, 3, 4), **pads)
    z = g.node("mul", z, g.node("sigmoid", z))
    m = g.node("reduce", g.node("add", z, y), kind="mean", axes=12, keep_dims=0)
    g.output(g.node("matmul", m, g.weights(4, 2)), "y")
    return g


def feeds():
    return {"x": np.random.default_rng(1).normal(size=(2, 3, 8, 6)).astype(np.float32)}


def test_stages(g):
    trace = run_pipeline(network(g))
    assert trace.graph.text(shapes=False).splitlines() == [
        "input x: f32[n,3,h,w]",
        "%0 = transpose(x, perm=(0,2,3,1))",
        "%1 = conv(%0, f32[4,3,3,3], f32[4], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1) | relu.f32(acc)",
        "%2 = conv(%1, f32[4,3,3,4], pad_top=1, pad_left=1, pad_bottom=1, pad_right=1) | silu.f32(acc) | "
        "add.f32(acc, %1)",
        "%3 = reduce(%2, kind=mean, axes=6, keep_dims=0)",
        "%4 = matmul(%3, f32[4,2])",
        "return y=%4"]
    assert len({s.name for s in STAGES}) == len(STAGES)


def test_every_limit_gives_the_same_results(g):
    network(g)
    n = len(run_pipeline(g).applications)
    expected = Session(convert_graph(g, limit=0)[0], threads=1).run(feeds())["y"]
    for limit in range(n + 1):
        data, trace = convert_graph(g, limit=limit)
        assert len(trace.applications) == limit
        np.testing.assert_allclose(Session(data, threads=1).run(feeds())["y"], expected, rtol=1e-4, atol=1e-5)


def test_the_source_graph_is_left_alone(g):
    before = network(g).text()
    run_pipeline(g)
    assert g.text() == before


def test_snapshots_and_explanation(g):
    trace = run_pipeline(network(g), Options(snapshots=True))
    assert [name for name, _ in trace.snapshots] == ["import", *(s.name for s in STAGES)]
    assert "into_epilogue" in trace.text() and "fuse\n" in trace.text()
    fused = [a for a in trace.applications if a.rule == "shift_into_bias"]
    assert len(fused) == 1 and len(fused[0].sources) == 3 and fused[0].stage == "fuse"


def test_sources_are_merged(g):
    trace = run_pipeline(network(g))
    first = next(n for n in trace.graph.nodes if n.op == "conv")
    assert len(first.sources) >= 4 and {"conv1", "mul3", "add4", "relu5"} <= set(first.sources)


def test_a_wrong_rule_is_found_by_halving(g):
    @rule(lambda x: P.relu(x))
    def wrong(r, x):
        return r.add("abs", x)

    stages = [dataclasses.replace(s, steps=(*s.steps, [wrong])) if s.name == "compose" else s for s in STAGES]
    expected = Session(write(network(g)), threads=1).run(feeds())["y"]

    def good(limit):
        data = write(run_pipeline(g, limit=limit, stages=stages).graph)
        return np.allclose(Session(data, threads=1).run(feeds())["y"], expected, rtol=1e-4, atol=1e-5)

    low, high = 0, len(run_pipeline(g, stages=stages).applications)
    assert good(low) and not good(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    found = run_pipeline(g, limit=high, stages=stages).applications[-1]
    assert (found.stage, found.rule, found.nodes) == ("compose", "wrong", ("relu5",))


# ---- the engine ----
def test_a_rule_that_does_not_end_is_stopped(g):
    @node_rule("relu")
    def forever(r, n):
        return r.add("relu", n.inputs[0])

    g.output(g.node("relu", g.x(3)), "y")
    with pytest.raises(ConvertError, match="forever.*does not come to an end"):
        apply_rules(g, [forever], Trace(g, stage="s"))


def test_a_replacement_of_another_type_is_refused(g):
    @rule(lambda x: P.relu(x))
    def shape_changes(r, x):
        return r.add("unsqueeze", x, axes=1)

    @rule(lambda x: P.relu(x))
    def dtype_changes(r, x):
        return r.add("cast", x, to="f16")

    g.output(g.node("relu", g.x(3)), "y")
    assert apply_rules(g, [shape_changes, dtype_changes], Trace(g)) == 0
    assert len(g.nodes) == 1 and len(g.inputs[0].users) == 1


def test_patterns(g):
    """One node in two places, commuted operands, numbers, attributes."""
    def pattern(x, c):
        r = P.relu(x)
        return P.add(P.mul(r, P.sub(r, C(c))), 2.0)

    seen = []

    @rule(pattern)
    def look(r, relu, sub, x, c):
        seen.append((relu.op, sub.op, x.name))
        return r.add("identity", x)

    x = g.x(3)
    r = g.node("relu", x)
    g.output(g.node("add", g.c(2), g.node("mul", g.node("sub", r, g.c([1, 2, 3])), r)), "y")
    assert apply_rules(g, [look], Trace(g)) == 1 and seen == [("relu", "sub", "x")]
    assert [n.op for n in g.nodes] == ["identity"]


def test_two_nodes_are_not_one(g):
    def pattern(x):
        r = P.relu(x)
        return P.mul(r, P.exp(r))

    @rule(pattern)
    def never(r, x):
        return x

    x = g.x(3)
    g.output(g.node("mul", g.node("relu", x), g.node("exp", g.node("relu", x))), "y")
    assert apply_rules(g, [never], Trace(g)) == 0


def test_attributes_in_patterns(g):
    @rule(lambda x: P.reduce(x, kind="sum", axes=1))
    def summed(r, x):
        return r.add("reduce", x, kind="max", axes=1)

    x = g.x(3)
    g.output(g.node("reduce", x, axes=1), "a")
    g.output(g.node("reduce", x, axes=1, kind="mean"), "b")
    assert apply_rules(g, [summed], Trace(g)) == 1  # the default of an attribute counts as given


def test_verify_finds_what_is_wrong(g):
    x = g.x(3)
    a = g.node("relu", x)
    g.output(g.node("exp", a), "y")
    g.nodes.reverse()
    with pytest.raises(AssertionError, match="too early"):
        g.verify("test")
    g.nodes.reverse()
    a.users.clear()
    with pytest.raises(AssertionError, match="wrong list of users"):
        g.verify("test")


# ---- the file ----
def test_same_bytes(g):
    network(g)
    assert convert_graph(g)[0] == convert_graph(g)[0] == convert_graph(g.copy())[0]


def test_names_and_permutations_in_the_file(g):
    data = convert_graph(network(g))[0]
    model = read(data)
    main = model["subgraphs"][0]
    names = [t["name"] for t in main["tensors"] if t["name"]]
    assert len(set(names)) == len(names) and {"x", "y", "inner"} <= set(names)
    inner = next(t for t in main["tensors"] if t["name"] == "inner")
    assert inner["source_perm"] == [0, 2, 3, 1]
    assert model["symbols"] == ["n", "h", "w"]
    assert [model["symbols"][-2 - d] if d < 0 else d for d in main["tensors"][0]["dims"]] == ["n", 3, "h", "w"]
    assert len({n["name"] for n in main["nodes"]}) == len(main["nodes"])
    conv = next(n for n in main["nodes"] if n["sources"] and n["post"])
    assert {"conv1", "mul3", "add4"} <= set(conv["sources"])


def test_file_is_aligned_and_hashed(g):
    data = convert_graph(network(g))[0]
    model = read(data)
    assert len(data) % 64 == 0 and model["integrity"]["file_size"] == len(data)
    assert all(s["offset"] % 64 == 0 for s in model["sections"])
    damaged = bytearray(data)
    damaged[model["sections"][0]["offset"] + 5] ^= 1
    with pytest.raises(Exception, match="damaged|hash"):
        Session(bytes(damaged))


def test_equal_constants_are_stored_once(g):
    x = g.x(64, 64)
    y = g.node("matmul", g.node("matmul", x, g.c(np.eye(64))), g.c(np.eye(64)))
    g.output(y, "y")
    model = read(write(g))
    assert model["sections"][0]["size"] == 64 * 64 * 4
    consts = [t for t in model["subgraphs"][0]["tensors"] if t["lifetime"] == 1]
    assert len(consts) == 2
    np.testing.assert_array_equal(constant(write(g), model, consts[0]), np.eye(64, dtype=np.float32))


def test_empty_constant(g):
    g.output(g.node("concat", g.x(2, 3), g.c(np.zeros((0, 3))), axis=0), "y")
    a = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(Session(write(g), threads=1).run({"x": a})["y"], a)


def test_outputs_that_no_node_makes(g):
    """An input, a constant, and one tensor twice as outputs."""
    x = g.x(3)
    y = g.node("relu", x)
    for v, name in ((x, "same"), (g.c([1, 2]), "fixed"), (y, "a"), (y, "b")):
        g.output(v, name)
    a = np.array([-1, 0, 2], np.float32)
    out = Session(convert_graph(g)[0], threads=1).run({"x": a})
    np.testing.assert_array_equal(out["same"], a)
    np.testing.assert_array_equal(out["fixed"], [1, 2])
    np.testing.assert_array_equal(out["a"], [0, 0, 2])
    np.testing.assert_array_equal(out["b"], [0, 0, 2])


def test_states(g):
    """A sum over runs, and a state that swaps with an input."""
    x = g.x(2)
    total, last = g.input("total", "f32", (2,)), g.input("last", "f32", (2,))
    g.inputs = [x]
    new = g.node("add", x, total)
    g.output(new, "sum")
    g.output(last, "before")
    g.states = [State(total, new), State(last, x)]
    session = Session(convert_graph(g)[0], threads=1)
    for i in range(3):
        out = session.run({"x": np.array([1, i], np.float32)})
        np.testing.assert_array_equal(out["sum"], [i + 1, i * (i + 1) / 2])
        np.testing.assert_array_equal(out["before"], [1, i - 1] if i else [0, 0])


def test_two_encodings_of_a_weight(g):
    x = g.x(1, 6, 6, 5)
    g.output(g.node("conv", x, g.weights(10, 3, 3, 5)), "y")
    data, packed = write(g), write(g, {"conv0": (8, 1)})
    tensors = [t for t in read(packed)["subgraphs"][0]["tensors"] if len(t["encodings"]) == 2]
    assert len(tensors) == 1 and tensors[0]["encodings"][1]["size"] == 2 * 9 * 5 * 8 * 4
    a = {"x": np.random.default_rng(1).normal(size=(1, 6, 6, 5)).astype(np.float32)}
    np.testing.assert_array_equal(Session(data, threads=1).run(a)["y"], Session(packed, threads=1).run(a)["y"])


def test_reader_refuses_what_is_no_file(tmp_path):
    with pytest.raises(ConvertError, match="not an .lrm file"):
        read(b"\x08\x07onnx")
    with pytest.raises(ConvertError, match="damaged"):
        read(b"\xff\xff\xff\x7fLRM0" + b"\0" * 64)
    with pytest.raises(ConvertError, match="No such file"):
        read(tmp_path / "none.lrm")


# ---- layouts of whole blocks ----
def ops_of(g) -> list[str]:
    return [n.op for n in run_pipeline(g).graph.nodes]


def test_squeeze_and_excite_moves_nothing(g):
    y = g.images("conv", g.x(1, 3, 8, 8), g.weights(8, 3, 3, 3))
    m = g.node("reduce", y, kind="mean", axes=12)
    m = g.node("relu", g.images("conv", m, g.weights(2, 1, 1, 8), g.weights(2)))
    m = g.node("hard_sigmoid", g.images("conv", m, g.weights(8, 1, 1, 2)), g.c(1 / 6), g.c(0.5))
    g.output(g.images("conv", g.node("mul", y, m), g.weights(2, 1, 1, 8)), "y")
    assert ops_of(g) == ["transpose", "conv", "reduce", "conv", "conv", "mul", "conv", "transpose"]


def test_split_and_concat_move_nothing(g):
    y = g.images("conv", g.x(1, 3, 8, 8), g.weights(8, 3, 3, 3))
    a, b = g.node("split", y, n_outputs=2, axis=1)
    b = g.images("conv", b, g.weights(4, 1, 1, 4))
    g.output(g.images("conv", g.node("concat", a, b, axis=1), g.weights(2, 1, 1, 8)), "y")
    assert ops_of(g) == ["transpose", "conv", "split", "conv", "concat", "conv", "transpose"]


@pytest.mark.parametrize("batch", [1, "n"])
def test_channel_shuffle_is_one_copy(g, batch):
    y = g.images("conv", g.x(batch, 3, 8, 8), g.weights(8, 3, 3, 3))
    s = g.node("reshape", y, g.c([-1, 2, 4, 6, 6], "i64"))
    s = g.node("reshape", g.node("transpose", s, perm=(0, 2, 1, 3, 4)), g.c([-1, 8, 6, 6], "i64"))
    a, b = g.node("split", s, n_outputs=2, axis=1)
    g.output(g.images("conv", g.node("concat", b, a, axis=1), g.weights(2, 1, 1, 8)), "y")
    assert ops_of(g) == ["transpose", "conv", "reshape", "transpose", "reshape", "split", "concat", "conv", "transpose"]
