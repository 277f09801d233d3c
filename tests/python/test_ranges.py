"""Declared ranges of dims: `--dim batch=1..8`, in the file, in the proof, in show; sizes that run and bench choose."""
from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lite_runtime
from lite_runtime.converter.api import convert_model
from lite_runtime.converter.cases import Cases
from lite_runtime.converter.cli.app import run
from lite_runtime.converter.errors import ConvertError, ProofError
from lite_runtime.converter.ranges import KEY, from_metadata, parse, points


def net() -> onnx.ModelProto:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [5, 7], np.linspace(-1, 1, 35, dtype=np.float32))
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        m (float[B,S,5] x) => (float[B,S,7] y) { a = MatMul(x, w) y = Softmax(a) }""")
    model.graph.initializer.append(weight)
    return model


@pytest.mark.parametrize(("text", "sizes"), [
    ("1..8", [1, 2, 3, 4, 5, 6, 7, 8]), ("32..96/32", [32, 64, 96]), ("4,1,2,4", [1, 2, 4]), ("7", [7]), ("3..3", [3]),
])
def test_parse(text, sizes):
    assert list(parse("n", text)) == sizes


@pytest.mark.parametrize("text", ["", "0..3", "8..1", "1..", "1..9/3", "1..8/0", "1,,2", "-1..2", "1..99999999999", "a",
                                  "1..2,4", "1.5"])
def test_parse_refuses(text):
    with pytest.raises(ConvertError, match=r"dim 'n': .* is not a size; give"):
        parse("n", text)


def test_points():
    assert points({"a": [1, 2], "b": [5, 6]}) == ([{"a": 1, "b": 5}, {"a": 1, "b": 6}, {"a": 2, "b": 5},
                                                   {"a": 2, "b": 6}], True)
    found, whole = points({"a": range(1, 100), "b": range(1, 10)})
    assert not whole and sorted(tuple(p.values()) for p in found) == [(1, 1), (1, 9), (99, 1), (99, 9)]
    found, whole = points({f"n{i}": range(1, 3) for i in range(10)})
    assert not whole and {f"n{i}": 2 for i in range(10)} in found and len(found) <= 65


def test_proof_at_both_ends():
    result = convert_model(net(), dim={"B": "2..6", "S": "3,9"})
    assert result.report.verdict == "proven"
    shapes = [s["x"] for s in result.report.shapes]
    assert (2, 3, 5) in shapes and (6, 9, 5) in shapes
    session = lite_runtime.Session(result.data)
    assert session.inputs[0].shape == ("B", "S", 5)  # still open
    assert {n: list(r) for n, r in from_metadata(session.metadata).items()} == {"B": [2, 3, 4, 5, 6], "S": [3, 9]}
    assert result.data == convert_model(net(), dim={"S": "3,9", "B": "2..6"}).data


def test_wrong_at_an_end():
    """The source's Reshape takes batches of one only: the promise of a range cannot be kept, and no 'proven' comes."""
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        m (float[B,6] x) => (float[C,6] y) { s = Constant<value_ints=[1, 6]>() t = Reshape(x, s) y = Softmax(t) }""")
    assert convert_model(model, dim={"B": 1}).report.verdict == "proven"
    report = convert_model(model, dim={"B": "1..4"}).report
    assert report.verdict == "not proven" and "the declared B=4" in report.reason


def test_refused_at_an_end(monkeypatch):
    honest = Cases._refusal
    monkeypatch.setattr(Cases, "_refusal", lambda c, shapes: "no room" if shapes["x"][0] == 4 else honest(c, shapes))
    with pytest.raises(ProofError, match="at the declared B=4: no room"):
        convert_model(net(), dim={"B": "1..4"})


def test_differs_at_an_end(monkeypatch):
    """A result that is wrong at the largest size only is found there."""
    honest = lite_runtime.Session.run
    monkeypatch.setattr(lite_runtime.Session, "run", lambda s, feeds, *a, **k: {
        n: y + (len(feeds["x"]) == 4) for n, y in honest(s, feeds, *a, **k).items()})
    assert convert_model(net(), dim={"B": "1..3"}).report.verdict == "proven"
    with pytest.raises(ProofError, match="wrong result"):
        convert_model(net(), dim={"B": "1..4"})


def test_one_size_is_fixed():
    session = lite_runtime.Session(lite_runtime.convert(net(), verify=False, dim={"B": "4..4"}))
    assert session.inputs[0].shape == (4, "S", 5) and KEY not in session.metadata


def test_the_source_cannot_declare():
    model = net()
    helper.set_model_props(model, {KEY: "nonsense"})
    assert KEY not in lite_runtime.Session(lite_runtime.convert(model, verify=False)).metadata
    with pytest.raises(ConvertError, match="damaged"):
        from_metadata({KEY: "[1"})


def test_states_have_one_size():
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        m (float[B,3] x, float[B,3] s) => (float[B,3] y) { y = Add(x, s) }""")
    with pytest.raises(ConvertError, match="dim 'B': state 's' has this size"):
        lite_runtime.convert(model, state={"y": "s"}, dim={"B": "1..4"})


def test_commands(tmp_path, capsys):
    def lite_opt(*args, code=0):
        assert run([str(a) for a in args]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    source, file = tmp_path / "m.onnx", tmp_path / "m.lrm"
    onnx.save(net(), source)
    assert lite_opt("convert", source, "-o", file, "--dim", "B=2..4", "--dim", "S=16..64/16").startswith("proven")
    facts = json.loads(lite_opt("show", file, "--json"))
    assert facts["all_points"] and len(facts["points"]) == 12
    for point in facts["points"]:  # against a session of that size
        with lite_runtime.Session(str(file)) as session:
            session.resize({"x": (point["sizes"]["B"], point["sizes"]["S"], 5)})
            session.steps()
            assert point["memory"] == session.memory > 0
    text = lite_opt("show", file)
    assert "peak memory over all declared points" in text and "at B=4, S=64" in text
    assert "x [2 16 5]" in lite_opt("run", file)
    assert "x [2 16 5]" in lite_opt("bench", file, "--seconds", "0.01")
    assert "leaves open" not in lite_opt("run", file, "--shape", "x=3,4,5")
    assert "can be converted" in lite_opt("check", source, "--dim", "B=1..8")
    assert "is not a size" in lite_opt("convert", source, "-o", file, "--dim", "B=8..1", code=1)
    assert "'q'" in lite_opt("check", source, "--dim", "q=1..8", code=1)
