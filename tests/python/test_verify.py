"""The measure, the proof, and the search for the rule that broke a model."""
from __future__ import annotations

import dataclasses
import math

import numpy as np
import onnx
import pytest
from onnx import helper

import lite_runtime
from lite_runtime.converter import api, passes, verify
from lite_runtime.converter.errors import ProofError
from lite_runtime.converter.feeds import Port, make, sizes
from lite_runtime.converter.measure import cosine, judge, tensor_error
from lite_runtime.converter.reference import Clock, TimeLimit


# ---- the measure ----
def slow_error(ref, got):
    """The measure of docs/design_changes.md, written out."""
    ref, got = ref.astype(np.float64), got.astype(np.float64)
    whole = np.abs(ref).max()
    worst = np.abs(got - ref).max() / whole
    for axis, size in enumerate(ref.shape):
        if 1 < size <= 256:
            for i in range(size):
                r, g = ref.take(i, axis), got.take(i, axis)
                worst = max(worst, np.abs(g - r).max() / max(np.abs(r).max(), (1e-3 if r.size >= 16 else 1e-2) * whole))
    return worst


@pytest.mark.parametrize("shape", [(), (1,), (5,), (300,), (2, 3, 4), (257, 2), (1, 84, 30)])
def test_measure(shape):
    rng = np.random.default_rng(3)
    ref = rng.normal(size=shape) * np.exp(3 * rng.normal(size=shape))
    got = ref + 1e-4 * rng.normal(size=shape)
    assert math.isclose(tensor_error(ref, got), slow_error(np.asarray(ref), np.asarray(got)), rel_tol=1e-12)


def test_small_slices_do_not_hide():
    ref = np.ones((1, 5, 20), np.float32) * 500  # boxes ...
    ref[0, 4] = 0.9  # ... and scores
    got = ref.copy()
    got[0, 4, 0] = 0.1
    assert tensor_error(ref, got) > 0.8
    assert not judge("y", ref, got).ok


def test_measure_of_odd_values():
    nan, inf = math.nan, math.inf
    assert tensor_error(np.array([1, nan, inf]), np.array([1, nan, inf])) == 0
    for got in ([1, 1, inf], [nan, nan, inf], [1, nan, -inf], [1, nan, 3], [inf, nan, inf]):
        assert tensor_error(np.array([1, nan, inf]), np.array(got)) == inf
    assert tensor_error(np.zeros(3), np.array([0, 1e-6, 0])) == 0
    assert tensor_error(np.zeros(3), np.array([0, 2e-6, 0])) == inf
    assert tensor_error(np.zeros((0, 3)), np.zeros((0, 3))) == 0
    assert tensor_error(np.zeros(3), np.zeros(4)) == inf


def test_judge():
    f = np.float32
    assert judge("y", f([1, 2]), f([1, 2.0001])).ok
    assert not judge("y", f([1, 2]), f([1, 2.001])).ok
    assert judge("y", f([1, 2]), f([1, 2.001]), "f16").ok
    assert judge("y", np.array([1, 2]), np.array([1, 2])).ok
    wrong = judge("y", np.array([1, 2]), np.array([1, 3]))
    assert not wrong.ok and "1 of 2 int64 values differ" in wrong.sentence()
    assert not judge("y", np.array([True]), np.array([False])).ok
    assert "dtype" in judge("y", f([1]), np.array([1.0])).why and "shape" in judge("y", f([1]), f([[1]])).why
    assert judge("y", f([1, 2, 3]), f([1, 2.02, 3]), "quantized").ok
    assert not judge("y", f([1, 2, 3]), f([3, 2, -1]), "quantized").ok
    assert cosine(f([0, 0]), f([0, 0])) == 1 and cosine(f([0, 1]), f([0, 0])) == 0
    assert cosine(f([1]), f([math.nan])) == -1


# ---- inputs ----
def test_feeds():
    image = Port("x", np.dtype("f4"), ("batch", 3, "h", "w"))
    ids, mask = Port("ids", np.dtype("i8"), ("batch", "seq")), Port("attention_mask", np.dtype("i8"), ("batch", "seq"))
    first = next(sizes([image, ids, mask], {"h": 96}))
    assert first == {"x": (1, 3, 96, 64), "ids": (1, 16), "attention_mask": (1, 16)}
    assert len(list(sizes([Port("x", np.dtype("f4"), (2, 3))], {}))) == 1
    a, b = (make([image, ids, mask], first, 7, "normal") for _ in range(2))
    assert all(np.array_equal(a[n], b[n]) for n in a)
    assert (a["attention_mask"] == 1).all() and a["ids"].max() < 10 and a["x"].dtype == np.float32
    assert not np.array_equal(a["x"], make([image, ids, mask], first, 8, "normal")["x"])


def test_clock():
    with pytest.raises(TimeLimit):
        Clock(1e-9).remaining()
    stopped = []
    with pytest.raises(TimeLimit):
        Clock(0.05).call(lambda: __import__("time").sleep(0.5), lambda: stopped.append(1))
    assert stopped
    with pytest.raises(KeyError):
        Clock(10).call(lambda: {}["x"])


# ---- proofs ----
def test_proven(cnn_model):
    result = api.convert_model(cnn_model)
    report = result.report
    assert report.verdict == "proven" and report.error < 1e-4 and report.reference.startswith("onnxruntime")
    assert len({tuple(s.items()) for s in report.shapes}) == 2  # the size is open: two of them were tried
    assert "proven: largest error" in report.sentence() and report.as_dict()["verdict"] == "proven"


def test_state(counter_model):
    report = api.convert_model(counter_model, state={"y": "s"}).report
    assert report.verdict == "proven" and {r.name for r in report.results} == {"z", "state s"}


def test_weak(model_of):
    model = model_of([helper.make_node("Mul", ["x", "zero"], ["m"]), helper.make_node("Add", ["m", "one"], ["y"])],
                     {"x": [4]}, {"y": [4]}, {"zero": np.zeros(4, np.float32), "one": np.ones(4, np.float32)})
    report = api.convert_model(model).report
    assert report.verdict == "weak" and "'y' hardly depends" in report.sentence()


def test_rounded_inputs_hide_an_error(model_of):
    """Where one rounding of the inputs changes the result, two right answers may differ: nothing is proven."""
    def steep(factor):
        return model_of([helper.make_node("Mul", ["x", "k"], ["m"]), helper.make_node("Sin", ["m"], ["y"])],
                        {"x": [40]}, {"y": [40]}, {"k": np.array(factor, np.float32)})

    for factor, verdict in ((2.0, "failed"), (3e6, "not proven")):
        model, other = steep(factor), steep(np.nextafter(np.float32(factor), np.float32(9e9)) if factor > 9 else 2.001)
        report = verify.prove(model, lite_runtime.convert(other, verify=False))
        assert report.verdict == verdict and ("differs from itself" in report.sentence()) == (verdict == "not proven")


def test_time_limit(cnn_model):
    data = lite_runtime.convert(cnn_model, verify=False)
    report = verify.prove(cnn_model, data, timeout=1e-6)
    assert report.verdict == "not proven" and "time limit" in report.sentence()


def test_falls_back_to_the_evaluator(cnn_model, monkeypatch):
    data = lite_runtime.convert(cnn_model, verify=False)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    report = verify.prove(cnn_model, data)
    assert report.verdict == "proven" and report.reference.startswith("onnx.reference")


@pytest.mark.parametrize("opset", [9, 13, 15])
def test_the_evaluator_normalises_as_in_inference(opset, monkeypatch):
    """onnx's own evaluator takes the statistics of the batch before opset 14; onnxruntime says what is right."""
    import onnxruntime as ort

    from lite_runtime.converter.reference import Evaluator

    rng = np.random.default_rng(4)
    constants = [onnx.numpy_helper.from_array(rng.uniform(0.5, 2, 3).astype(np.float32), n) for n in "sbmv"]
    graph = helper.make_graph([helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", 1, [2, 3, 4, 4])],
                              [helper.make_tensor_value_info("y", 1, [2, 3, 4, 4])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    x = {"x": rng.normal(size=(2, 3, 4, 4)).astype(np.float32)}
    want = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, x)[0]
    np.testing.assert_allclose(Evaluator(model, Clock(60)).run(x, Clock(60))["y"], want, rtol=1e-5, atol=1e-6)


def test_no_reference(cnn_model, monkeypatch):
    data = lite_runtime.convert(cnn_model, verify=False)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    monkeypatch.setitem(__import__("sys").modules, "onnx.reference", None)
    report = verify.prove(cnn_model, data)
    assert report.verdict == "not proven" and "onnxruntime is not installed" in report.sentence()


def test_another_model_fails(cnn_model):
    other = onnx.ModelProto()
    other.CopyFrom(cnn_model)
    b2 = next(t for t in other.graph.initializer if t.name == "b2")
    b2.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(b2) + 0.5, "b2"))
    report = verify.prove(other, lite_runtime.convert(cnn_model, verify=False))
    assert report.verdict == "failed"
    assert report.sentence().startswith("wrong result against onnxruntime ") and ": 'y': error" in report.sentence()


# ---- the culprit ----
@pytest.fixture
def plant():
    """plant(name) makes a rule wrong: what it returns loses its sign. Returns the name of its first stage."""
    healthy = []

    def spoil(name):
        stages = []
        for stage in passes.STAGES:
            for rules in stage.steps:
                for i, rule in enumerate(rules if isinstance(rules, list) else []):
                    if rule.name == name:
                        def apply(r, root, original=rule.apply):
                            found = original(r, root)
                            return found and [r.add("abs", v) for v in found]

                        healthy.append((rules, i, rule))
                        rules[i] = dataclasses.replace(rule, apply=apply)
                        stages.append(stage.name)
        return stages[0]

    yield spoil
    for rules, i, rule in reversed(healthy):
        rules[i] = rule


@pytest.mark.parametrize("rule", ["scale_into_weights", "shift_into_bias"])
def test_names_the_rule(cnn_model, plant, rule):
    stage = plant(rule)
    with pytest.raises(ProofError) as e:
        lite_runtime.convert(cnn_model)
    culprit = e.value.report.culprit
    assert (culprit.stage, culprit.rule) == (stage, rule) and "conv1" in culprit.node
    assert f"since rule '{rule}' of stage '{stage}'" in str(e.value) and "'y': error" in str(e.value)


def test_names_the_import(cnn_model, monkeypatch):
    """Without a rule to blame, the first layer that is wrong is named."""
    from lite_runtime.converter.frontend import OPS

    def relu(c, original=OPS["Relu"]):
        return c.graph.add("add", original(c), c.graph.const(np.float32(0.5)))

    monkeypatch.setitem(OPS, "Relu", relu)
    report = api.convert_model(cnn_model, force=True).report
    assert report.verdict == "failed"
    assert "the import or the kernel of node 'relu1' (Relu) is wrong" in report.sentence()


def test_force(cnn_model, plant):
    plant("scale_into_weights")
    result = api.convert_model(cnn_model, force=True)
    assert result.data and result.report.verdict == "failed"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_spectra_are_proven(dtype):
    """In f32 onnxruntime's STFT of 1000 samples is wrong by more than the limit; the proof has it compute in f64."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    window = onnx.numpy_helper.from_array(np.hanning(1000).astype(dtype), "w")
    step = onnx.numpy_helper.from_array(np.array(500), "step")
    nodes = [helper.make_node("STFT", ["x", "step", "w"], ["s"]), helper.make_node("DFT", ["s"], ["z"], inverse=1),
             helper.make_node("Relu", ["z"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, [1, 4000, 1])],
                              [helper.make_tensor_value_info(n, kind, [None] * 4) for n in ("s", "y")], [window, step])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    report = api.convert_model(model).report
    assert report.verdict == "proven" and report.reference.startswith("onnxruntime")
