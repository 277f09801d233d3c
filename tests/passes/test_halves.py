"""passes/halves.py: weights in f16, computed with in f32."""
from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lite_runtime import Session
from lite_runtime.converter import api
from lite_runtime.converter.compare import compare_model
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.lower.reader import constant, has_constants, read
from lite_runtime.converter.lower.writer import write
from lite_runtime.converter.measure import INNER
from lite_runtime.converter.passes import halves
from lite_runtime.converter.pipeline import Options, run_pipeline
from lite_runtime.converter.rewrite import Trace

PADS = {"pad_top": 1, "pad_left": 1, "pad_bottom": 1, "pad_right": 1}
STEPS = [halves.half_weights]


def rounded(g, v):
    """A constant that f16 holds exactly."""
    return g.c(v.array.astype(np.float16))


@pytest.mark.parametrize("build", [
    lambda g, x: g.node("conv", x, rounded(g, g.weights(4, 3, 3, 3)), g.weights(4), **PADS),
    lambda g, x: g.node("conv", x, rounded(g, g.weights(6, 3, 3, 1)), groups=3, **PADS),  # depthwise
    lambda g, x: g.node("conv", x, rounded(g, g.weights(4, 1, 1, 3)), stride_h=2),
    lambda g, x: g.node("conv_transpose", x, rounded(g, g.weights(4, 2, 2, 3)), g.weights(4), stride_h=2, stride_w=2),
    lambda g, x: g.node("matmul", x, rounded(g, g.weights(3, 5)), g.weights(5)),
    lambda g, x: g.node("matmul", x, rounded(g, g.weights(5, 3)), trans_b=1),
    lambda g, x: g.node("matmul", x, rounded(g, g.weights(2, 1, 3, 5))),
])
def test_weights(g, apply, build):
    """The same results to the last bit, up to the order of sums: the weights are those that f16 holds."""
    trace = apply(g, STEPS, build(g, g.x(2, 5, 6, 3)), tolerance=1e-6)
    n = g.nodes[0]
    assert len(trace.applications) == 1 and n.arg(1).dtype == "f16" and n.outputs[0].dtype == "f32"
    assert all(v.dtype == "f32" for v in n.inputs[2:] if v)


def test_inverted_residual(g, becomes):
    y = g.node("inverted_residual", g.x(1, 5, 6, 3), g.weights(8, 1, 1, 3), None, g.weights(8, 3, 3, 1), g.weights(8),
               g.weights(4, 1, 1, 8))
    trace = becomes(g, STEPS, """
        input x: f32[1,5,6,3]
        %0 = inverted_residual(x, f16[8,1,1,3], -, f16[8,3,3,1], f32[8], f16[4,1,1,8])
        return y0=%0""", y, tolerance=5e-3)
    assert len(trace.applications) == 1


def test_tables(g, becomes):
    t = rounded(g, g.weights(100, 16))
    becomes(g, STEPS, """
        input x: i64[3]
        %0 = gather(f16[100,16], x)
        %1 = cast(%0, to=f32)
        return y0=%1""", g.node("gather", t, g.x(3, dtype="i64")))


def test_tied_table(g, apply):
    t = rounded(g, g.weights(100, 16))
    y = g.node("matmul", g.node("gather", t, g.x(3, dtype="i64")), t, trans_b=1)
    apply(g, STEPS, y)
    halves_ = {id(v): v for n in g.nodes for v in n.inputs if v is not None and v.const is not None}
    assert [v.dtype for v in halves_.values()] == ["f16"]


@pytest.mark.parametrize("build", [
    lambda g: g.node("gather", g.weights(100, 4), g.x(3, dtype="i64")),  # small
    lambda g: g.node("matmul", g.x(2, 4), g.x(4, 3, name="z")),
    lambda g: g.node("matmul", g.weights(2, 4), g.x(4, 3)),  # kept on the left
    lambda g: g.node("matmul", g.x(2, 4, dtype="f16"), g.weights(4, 3, dtype="f16")),
    lambda g: g.node("conv", g.x(1, 4, 4, 3, dtype="i8"), g.weights(2, 1, 1, 3, dtype="i8")),
])
def test_what_stays(g, becomes, build):
    becomes(g, STEPS, None, build(g))


def test_weights_that_others_read_stay(g, becomes):
    w = g.weights(4, 4)
    becomes(g, STEPS, None, g.node("matmul", g.node("add", g.x(4, 4), w), w))


@pytest.mark.parametrize("value", [65505.0, -1e6, np.inf])
def test_too_large(g, value):
    w = g.const(np.full((4, 3), value, np.float32), name="w")
    g.output(g.node("matmul", g.x(2, 4), w), "y")
    with pytest.raises(ConvertError, match=r"matmul 'matmul0': weight 'w' holds .*, and f16 ends at 65504"):
        halves.half_weights(g, Trace(g))


def test_the_largest_fits(g, apply):
    apply(g, STEPS, g.node("matmul", g.x(2, 4), g.c(np.full((4, 3), 65504.0))))
    assert g.nodes[0].arg(1).dtype == "f16"


def test_in_the_pipeline(g):
    """After folding: a factor goes into the weights first. The cast of a table's rows joins what follows."""
    y = g.node("gather", g.weights(100, 16), g.x(3, dtype="i64"))
    y = g.node("matmul", g.node("add", y, g.weights(3, 16)), g.weights(16, 4))
    g.output(g.node("mul", y, g.weights(4)), "y")
    text = run_pipeline(g, Options(weights="f16")).graph.text(shapes=False).splitlines()
    assert text[1:] == ["%0 = gather(f16[100,16], x)",
                        "%1 = elementwise() | cast.f32(%0) | add.f32(acc, f32[3,16])",
                        "%2 = matmul(%1, f16[16,4])", "return y=%2"]


def test_other_dtypes_are_refused(g):
    g.output(g.node("conv", g.x(1, 4, 4, 3), g.weights(2, 1, 1, 3)), "y")
    with pytest.raises(ConvertError, match="w is f64; with x of f32"):
        g.node("conv", g.x(1, 4, 4, 3), g.weights(2, 1, 1, 3, dtype="f64"))
    with pytest.raises(ConvertError, match="a is f16 and b is f32"):
        g.node("matmul", g.x(2, 4, dtype="f16"), g.weights(4, 3))


# ---- a whole model ----
def small_mobilenet(scale: float = 1.0) -> onnx.ModelProto:
    """A first layer, two inverted residuals, a mean and a product."""
    r = np.random.default_rng(0)
    nodes, weights = [], []

    def conv(x: str, n_in: int, n_out: int, k: int, act: bool = True, **attrs: int) -> str:
        i = len(weights)
        groups = attrs.get("group", 1)
        w = r.normal(size=(n_out, n_in // groups, k, k)) * np.sqrt(2 / (n_in // groups * k * k)) * scale
        weights.append(onnx.numpy_helper.from_array(w.astype(np.float32), f"w{i}"))
        pads = [k // 2] * 4
        nodes.append(helper.make_node("Conv", [x, f"w{i}"], [f"c{i}"], name=f"conv{i}", pads=pads, **attrs))
        if act:
            nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        return f"{'r' if act else 'c'}{i}"

    y = conv("x", 3, 24, 3, strides=[2, 2])
    for k in range(2):
        z = conv(conv(conv(y, 24, 144, 1), 144, 144, 3, group=144), 144, 24, 1, act=False)
        nodes.append(helper.make_node("Add", [y, z], [f"s{k}"]))
        y = f"s{k}"
    weights.append(onnx.numpy_helper.from_array((r.normal(size=(24, 100)) / 5).astype(np.float32), "fc"))
    nodes += [helper.make_node("GlobalAveragePool", [y], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
              helper.make_node("MatMul", ["f", "fc"], ["y"])]
    graph = helper.make_graph(nodes, "m", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 100])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weight_bytes(data: bytes) -> int:
    model = read(data)
    return sum(constant(data, model, t).nbytes for t in model["subgraphs"][0]["tensors"] if t["encodings"])


def test_a_model_of_half_the_size():
    model = small_mobilenet()
    whole = api.convert_model(model)
    half = api.convert_model(model, weights="f16")
    assert whole.report.verdict == half.report.verdict == "proven"
    assert (whole.report.precision, half.report.precision) == ("f32", "f16")
    assert 1e-6 < half.report.error < 1e-3
    assert weight_bytes(half.data) < 0.52 * weight_bytes(whole.data)
    assert has_constants(half.data, "f16") and not has_constants(whole.data, "f16")


def test_options_that_are_wrong():
    with pytest.raises(ConvertError, match="weights is 'i8'; it can be f32 or f16"):
        api.convert(small_mobilenet(), weights="i8")
    with pytest.raises(ConvertError, match=r"conv 'conv0': weight 'w0' holds .*, and f16 ends at 65504"):
        api.convert(small_mobilenet(1e6), weights="f16")


def test_threads_and_levels_agree(g):
    y = g.node("conv", g.x(1, 12, 12, 16), g.weights(40, 3, 3, 16), **PADS)
    g.output(g.node("matmul", y, g.weights(40, 8)), "y")
    halves.half_weights(g, Trace(g))
    x = np.random.default_rng(0).normal(size=(1, 12, 12, 16)).astype(np.float32)
    data = write(g)
    one, two = (Session(data, threads=n).run({"x": x})["y"] for n in (1, 2))
    assert np.array_equal(one, two)


def test_halves_that_are_no_constants(g):
    """They are packed, and become f32, in each run."""
    x, w, k = g.x(2, 5, 3), g.x(3, 4, dtype="f16", name="w"), g.x(4, 2, 3, dtype="f16", name="k")
    g.output(g.node("matmul", x, w), "y")
    g.output(g.node("conv", x, k), "z")
    r = np.random.default_rng(0)
    feeds = {v.name: r.normal(size=v.shape).astype(np.float32 if v is x else np.float16) for v in (x, w, k)}
    got = Session(write(g), threads=1).run(feeds)
    a, b, c = (feeds[n].astype(np.float64) for n in "xwk")
    np.testing.assert_allclose(got["y"], a @ b, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got["z"], a[:, :-1] @ c[:, 0].T + a[:, 1:] @ c[:, 1].T, rtol=1e-5, atol=1e-5)


def test_compare_knows_the_limit():
    model = small_mobilenet()
    layers = compare_model(model, api.convert(model, verify=False, weights="f16"))
    assert {x.result.limit for x in layers} == {1e-3, 1e-3 * INNER}
    assert all(x.result.ok for x in layers if x.result.name == "y")
