"""lite-opt run: what it makes of outputs, against numpy."""
from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import helper


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_of):
    """Models that give back their input: lists of classes, and what is none."""
    path = tmp_path_factory.mktemp("models")
    for name, shape in {"scores": [2, 5], "maps": [1, 2, 3, 4]}.items():
        model = model_of([helper.make_node("Identity", ["x"], ["y"])], {"x": shape}, {"y": shape})
        onnx.save(model, path / f"{name}.onnx")
    return path


def test_top(folder, lite_opt, fails, tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\ntench, Tinca\nfish\nbird\n", encoding="utf-8")
    args = ["-i", "x=[[1,5,3,3,2],[0,0,0,9,0]]", "--top", "3", "--labels", tmp_path / "labels.txt"]
    facts = json.loads(lite_opt("run", folder / "scores.onnx", *args, "--json").out)
    rows = facts["top"]["y"]
    assert [[c["class"] for c in r] for r in rows] == [[1, 2, 3], [3, 0, 1]]
    assert [c["label"] for c in rows[0]] == ["dog", "tench, Tinca", "fish"] and rows[0][0]["value"] == 5
    facts = json.loads(lite_opt("run", folder / "scores.onnx", *args, "--softmax", "--json").out)
    want = np.exp([5, 3, 3]) / np.exp([1, 5, 3, 3, 2]).sum()
    np.testing.assert_allclose([c["value"] for c in facts["top"]["y"][0]], want, rtol=1e-12)
    r = lite_opt("run", folder / "scores.onnx", *args)
    assert "output y, row 1" in r.out and "tench, Tinca" in r.out
    fails(folder / "maps.onnx", "--top", "3", words="--top: no output is a list")
    (tmp_path / "few.txt").write_text("cat\ndog\n")
    fails(folder / "scores.onnx", "--labels", tmp_path / "few.txt",
          words="there are 2 lines, but output 'y' has 5 classes")
    fails(folder / "scores.onnx", "--labels", tmp_path / "no.txt", words="no.txt: no such file")
    fails(folder / "scores.onnx", "--softmax", words="--softmax is for --top", code=2)


def test_summary(folder, lite_opt):
    facts = json.loads(lite_opt("run", folder / "scores.onnx", "-i", "x=1,2,3,4,5,6,7,8,9,NaN", "--json").out)
    y = facts["outputs"]["y"]
    assert y["dtype"] == "float32" and y["shape"] == [2, 5] and y["mean"] == "nan" and y["first"] == [1, 2, 3, 4]
    r = lite_opt("run", folder / "scores.onnx", "-i", "x=Infinity,-Infinity,0,0,0,0,0,0,0,0", "--top", "2", "--softmax")
    assert r.code == 0 and r.err == "" and "nan" in r.out
    r = lite_opt("run", folder / "scores.onnx", "-i", "x=1,2,3,4,5,6,7,8,9,-10")
    want = "y float32 [2 5] -10 3.5 9 1 2 3 4 ..."
    assert want in [" ".join(line.split()) for line in r.out.splitlines()]


def test_saving(model_of, folder, lite_opt, fails, tmp_path):
    model = model_of([helper.make_node("Neg", ["x"], ["/head/out"]), helper.make_node("Abs", ["x"], ["b"])],
                     {"x": [2]}, {"/head/out": [2], "b": [2]})
    onnx.save(model, tmp_path / "m.onnx")
    r = lite_opt("run", tmp_path / "m.onnx", "-i", "x=-1,2", "--save", tmp_path / "new")
    assert r.code == 0 and f"saved 2 outputs to {tmp_path / 'new'}" in r.out
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["_head_out.npy", "b.npy"]
    assert np.load(tmp_path / "new" / "_head_out.npy").tolist() == [1, -2]
    fails(tmp_path / "m.onnx", "-o", tmp_path / "x.npz", words="cannot be used in an .npz file; save to a folder")
    fails(tmp_path / "m.onnx", "-o", tmp_path / "no" / "x", words="the folder does not exist")
    fails(tmp_path / "m.onnx", "-o", tmp_path / "m.onnx", words="is not a folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "new"]
