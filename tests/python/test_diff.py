"""lite-opt diff: what was changed is what it names, and nothing else."""
from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lite_runtime


def lite_opt(*args):
    code = "from lite_runtime.converter.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, "diff", *map(str, args)], capture_output=True, text=True,
                          check=False)


def facts_of(*args, code):
    p = lite_opt(*args, "--json")
    assert p.returncode == code, p.stderr
    return json.loads(p.stdout)


def changed(model, change):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy)
    return lite_runtime.convert(copy, verify=False)


def weight(name, new):
    def change(model):
        t = next(t for t in model.graph.initializer if t.name == name)
        t.CopyFrom(numpy_helper.from_array(new(numpy_helper.to_array(t)).astype(np.float32), name))
    return change


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cnn_model, add_model):
    path = tmp_path_factory.mktemp("diff")
    onnx.save(cnn_model, path / "cnn.onnx")
    onnx.save(add_model, path / "add.onnx")
    (path / "a.lrm").write_bytes(lite_runtime.convert(cnn_model, verify=False))
    (path / "f16.lrm").write_bytes(lite_runtime.convert(cnn_model, verify=False, weights="f16"))
    return path


def test_equal(folder):
    """A file, and its source converted again."""
    f = facts_of(folder / "a.lrm", folder / "cnn.onnx", code=0)
    assert f["equal"] and f["same_bytes"] and not f["weights"] and not any(f["nodes"].values())
    assert [n["same_bits"] for n in f["numbers"]] == [True] and f["sizes"]["a"] == f["sizes"]["b"]
    p = lite_opt(folder / "a.lrm", folder / "a.lrm")
    assert p.returncode == 0 and "equal, byte for byte" in p.stdout


def test_a_weight(folder, cnn_model):
    w = numpy_helper.to_array(next(t for t in cnn_model.graph.initializer if t.name == "w3"))
    noise = np.zeros_like(w)
    noise[2, 1] = 0.25
    (folder / "w.lrm").write_bytes(changed(cnn_model, weight("w3", lambda a: a + noise)))
    f = facts_of(folder / "a.lrm", folder / "w.lrm", code=1)
    assert [x["node"] for x in f["weights"]] == ["classify"] and not any(f["nodes"].values())
    assert not any(f["tensors"].values())
    assert f["weights"][0]["max"] == pytest.approx(float(np.abs((w + noise) - w).max()))
    assert f["weights"][0]["relative"] == pytest.approx(0.25 / np.abs(w).max(), rel=1e-5)
    assert not f["equal"] and not f["numbers"][0]["ok"] and f["numbers"][0]["limit"] == 1e-4


def test_an_attribute(folder, cnn_model):
    def stride(model):
        a = next(a for a in model.graph.node[0].attribute if a.name == "strides")
        a.ints[:] = [1, 1]
    (folder / "s.lrm").write_bytes(changed(cnn_model, stride))
    f = facts_of(folder / "a.lrm", folder / "s.lrm", code=1)
    what = {(n["op"], w["what"]): (w["a"], w["b"]) for n in f["nodes"]["changed"] for w in n["what"]}
    assert what["conv", "stride_h"] == (2, 1) and what["conv", "stride_w"] == (2, 1)
    assert not f["nodes"]["added"] and not f["nodes"]["removed"] and not f["weights"]
    assert f["sizes"]["b"]["memory"] > f["sizes"]["a"]["memory"]


def test_a_node(folder, cnn_model):
    def more(model):
        model.graph.node[-1].output[0] = "logits"
        model.graph.node.append(helper.make_node("Softmax", ["logits"], ["y"], name="probabilities"))
    (folder / "n.lrm").write_bytes(changed(cnn_model, more))
    f = facts_of(folder / "a.lrm", folder / "n.lrm", code=1)
    assert [(n["op"], n["name"]) for n in f["nodes"]["added"]] == [("softmax", "probabilities")]
    assert not f["nodes"]["removed"] and [t["name"] for t in f["tensors"]["added"]] == ["logits"]
    f = facts_of(folder / "n.lrm", folder / "a.lrm", code=1)
    assert [n["name"] for n in f["nodes"]["removed"]] == ["probabilities"]


def test_f16(folder):
    """Within the limit of f16, in half the bytes; the largest difference is one rounding of an f16."""
    f = facts_of(folder / "a.lrm", folder / "f16.lrm", "--shape", "x=1,3,16,16", "--bench", "--seconds", 0.05, code=1)
    assert f["weights"] and all(x["a"].startswith("f32") and x["b"].startswith("f16") for x in f["weights"])
    assert all(0 < x["relative"] <= 2**-11 for x in f["weights"])
    assert f["numbers"][0]["limit"] == 1e-3 and f["sizes"]["b"]["weights"] < f["sizes"]["a"]["weights"]
    assert f["speed"]["versus"]["ratio"] > 0 and f["inputs"] == {"x": ["float32", [1, 3, 16, 16]]}


def test_other_models(folder):
    f = facts_of(folder / "a.lrm", folder / "add.onnx", code=1)
    assert "the inputs differ" in f["not_run"] and {p["name"] for p in f["ports"]} == {"x", "a", "b", "y"}
    p = lite_opt(folder / "a.lrm", folder / "add.onnx", "--top", 2, "--bench")
    assert p.returncode == 1 and "the first 2 of" in p.stdout and "they differ" in p.stdout
    assert "speed was not measured" in p.stdout


@pytest.mark.parametrize(("args", "words", "code"), [
    (["a.lrm"], "Missing argument", 2),
    (["a.lrm", "no.lrm"], "no.lrm: no such file", 1),
    (["a.lrm", "a.lrm", "--shape", "q=1"], "no input 'q'", 1),
    (["a.lrm", "a.lrm", "--top", "-1"], "--top", 2),
])
def test_refuses(folder, args, words, code):
    p = lite_opt(*[folder / a if a.endswith(".lrm") else a for a in args])
    assert p.returncode == code and words in p.stderr and p.stdout == ""
    assert p.stderr.startswith("error: ") and p.stderr.count("\n") == 1
