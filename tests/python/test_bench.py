"""Benchmarks: what is measured is there and adds up; nothing here depends on how fast the machine is."""
from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper

import lite_runtime
from lite_runtime._lr import lib
from lite_runtime.converter.flops import count_flop

X = {"x": np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)}


def lite_opt(*args):
    code = "from lite_runtime.converter.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, "bench", *map(str, args)], capture_output=True, text=True,
                          check=False)


@pytest.fixture(scope="module")
def data(cnn_model):
    return lite_runtime.convert(cnn_model, verify=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cnn_model, counter_model, data):
    path = tmp_path_factory.mktemp("bench")
    onnx.save(cnn_model, path / "cnn.onnx")
    onnx.save(counter_model, path / "counter.onnx")
    (path / "cnn.lrm").write_bytes(data)
    return path


def test_peak():
    """More time finds no lower peak than plain C could have; fewer instruction sets are not faster."""
    everything, portable = lib.lr_tool_fma_peak(0.02, 0), lib.lr_tool_fma_peak(0.02, lite_runtime.CPU_PORTABLE)
    assert everything >= 0 and portable >= 0
    if lite_runtime.cpu_features():
        assert everything > 0.01 and portable < 1.5 * everything


def test_benchmark(data):
    r = lite_runtime.benchmark(data, X, 1, seconds=0.05)
    assert r.threads == 1 and r.load_ms > 0 and r.first_ms > 0 and r.memory > 0 and r.versus is None
    assert r.times.runs >= 5 and 0 < r.times.best <= r.times.p10 <= r.times.median <= r.times.p90
    with lite_runtime.Session(data, 1) as session:
        session.run(X)
        assert [(s.node, s.op, s.kernel) for s in session.steps()] == [(s.node, s.op, s.kernel) for s in r.steps]
    assert math.isclose(sum(s.share for s in r.steps), 1)
    counted = [s for s in r.steps if s.gflop is not None]
    assert {s.op for s in counted} == {"conv", "matmul"} and len(counted) == 3
    # 16 x 16 pixels of 8 channels, by 3 x 3 x 3 and 3 x 3 x 8 weights; 8 x 5 in the classifier
    assert math.isclose(r.gflop, 2e-9 * (256 * 8 * 27 + 256 * 8 * 72 + 8 * 5))
    if r.peak_gflops:
        assert all(s.peak is not None and s.peak > 0 for s in counted)
    json.dumps(r.as_dict())


def test_alternating(data):
    calls = []
    r = lite_runtime.benchmark(data, X, 1, seconds=0.02, against=lambda: calls.append(1))
    v = r.versus
    assert v.rounds >= 5 and v.times.runs == r.times.runs and len(calls) > v.times.runs
    assert v.ratio > 1 and v.low <= v.high


@pytest.mark.parametrize("bad", [{"seconds": 0}, {"seconds": "1"}, {"threads": 0}, {"cpu_mask": -1}])
def test_arguments(data, bad):
    with pytest.raises(lite_runtime.ArgumentError, match="benchmark: "):
        lite_runtime.benchmark(data, X, **bad)


def test_flop_of_other_operators(model_of):
    """Transposed convolutions and products with a transposed operand."""
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["u"], name="up", strides=[2, 2], group=2),
             helper.make_node("Transpose", ["a"], ["t"], name="turn", perm=[1, 0]),
             helper.make_node("MatMul", ["t", "m"], ["y"], name="product")]
    constants = {"w": np.ones((4, 3, 2, 2), np.float32), "m": np.ones((7, 9), np.float32)}
    model = model_of(nodes, {"x": [1, 4, 5, 5], "a": [7, 6]}, {"u": [1, 6, 10, 10], "y": [6, 9]}, constants)
    file = lite_runtime.convert(model, verify=False)
    feeds = {"x": np.ones((1, 4, 5, 5), np.float32), "a": np.ones((7, 6), np.float32)}
    with lite_runtime.Session(file) as session:
        steps = session.profile(feeds)
    flop = count_flop(file, {n: a.shape for n, a in feeds.items()}, steps)
    found = {s.op: flop[s.index] for s in steps if s.index in flop}
    assert found == {"conv_transpose": 2 * 25 * 4 * 3 * 4, "matmul": 2 * 6 * 7 * 9}


def test_flop_of_an_inverted_residual(model_of):
    nodes = [helper.make_node("Conv", ["x", "a"], ["u"]),
             helper.make_node("Conv", ["u", "b"], ["v"], group=8, strides=[2, 2]),
             helper.make_node("Conv", ["v", "c"], ["y"])]
    constants = {"a": np.ones((8, 3, 1, 1), np.float32), "b": np.ones((8, 1, 3, 3), np.float32),
                 "c": np.ones((5, 8, 1, 1), np.float32)}
    model = model_of(nodes, {"x": [2, 3, 9, 7]}, {"y": [2, 5, 4, 3]}, constants)
    file = lite_runtime.convert(model, verify=False)
    with lite_runtime.Session(file) as session:
        steps = session.profile({"x": np.ones((2, 3, 9, 7), np.float32)})
    flop = count_flop(file, {"x": (2, 3, 9, 7)}, steps)
    assert [flop[s.index] for s in steps if s.op == "inverted_residual"] == \
        [2 * 2 * (63 * 3 * 8 + 12 * 8 * 9 + 12 * 8 * 5)]


def test_command(folder):
    p = lite_opt(folder / "cnn.lrm", "--shape", "x=1,3,32,32", "--threads", 1, "--seconds", 0.05, "--top", 2)
    assert p.returncode == 0, p.stderr
    assert "1 thread: median" in p.stdout and "the 2 slowest of" in p.stdout and "% of peak" in p.stdout
    p = lite_opt(folder / "cnn.onnx", "--seconds", 0.05, "--top", 0)
    assert p.returncode == 0 and "conv1" in p.stdout and "classify" in p.stdout, p.stderr


def test_command_with_onnxruntime(folder):
    pytest.importorskip("onnxruntime")
    for more in (["cnn.onnx"], ["cnn.lrm", "--source", folder / "cnn.onnx"]):
        p = lite_opt(folder / more[0], *more[1:], "--vs", "onnxruntime", "--threads", 1, "--seconds", 0.05, "--json")
        facts = json.loads(p.stdout)
        assert p.returncode == 0 and facts["vs"] == "onnxruntime" and facts["steps"]
        assert facts["versus"]["low"] <= facts["versus"]["ratio"] * 2 and facts["versus"]["times"]["median"] > 0
    p = lite_opt(folder / "counter.onnx", "--state", "y=s", "--vs", "onnxruntime", "--seconds", 0.05)
    assert p.returncode == 0 and "onnxruntime: median" in p.stdout, p.stderr


@pytest.mark.parametrize(("args", "words", "code"), [
    (["cnn.lrm", "--vs", "onnxruntime"], "--source", 2),
    (["cnn.onnx", "--source", "x.onnx"], "is a source itself", 2),
    (["cnn.lrm", "--vs", "nothing"], "nothing", 2),
    (["cnn.lrm", "--input", "q=no.npy"], "no input 'q'", 1),
    (["no.lrm"], "no.lrm: no such file", 1),
])
def test_command_refuses(folder, args, words, code):
    p = lite_opt(folder / args[0], *args[1:])
    assert p.returncode == code and words in p.stderr and p.stdout == ""
    assert p.stderr.startswith("error: ") and p.stderr.count("\n") == 1
