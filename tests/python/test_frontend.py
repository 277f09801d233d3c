"""The ONNX frontend: bad files, external data, opsets, branches, functions, options."""
from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from lite_runtime.converter.errors import ConvertError, UnsupportedError
from lite_runtime.converter.frontend import check, import_model, load
from lite_runtime.converter.frontend.fold import fold
from lite_runtime.converter.infer import Infer
from lite_runtime.converter.ir import Graph, Node

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def info(name: str, shape: Any = None, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def model_of(nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], outputs: list[str],
             constants: dict[str, Any] | None = None, opset: int = 17, **more: Any) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, [onnx.ValueInfoProto(name=o) for o in outputs], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **more)


def one(op: str, shape: Any, constants: dict[str, Any] | None = None, opset: int = 17, n_outputs: int = 1,
        dtype: int = FLOAT, **attrs: Any) -> onnx.ModelProto:
    """A model of one node of input x and constants."""
    names = [n if n[0] != "_" else "" for n in (constants or {})]
    outputs = [f"y{i}" for i in range(n_outputs)]
    node = helper.make_node(op, ["x", *names], outputs, name="the_node", **attrs)
    return model_of([node], [info("x", shape, dtype)], outputs,
                    {n: a for n, a in (constants or {}).items() if a is not None}, opset)


def graph_of(model: onnx.ModelProto, **options: Any) -> Graph:
    return import_model(load(model), Infer(), **options)


def nodes_of(model: onnx.ModelProto, **options: Any) -> list[Node]:
    return graph_of(model, **options).nodes


def words(model: onnx.ModelProto, **options: Any) -> str:
    """The error of importing a model, which must be one sentence per line."""
    with pytest.raises(ConvertError) as e:
        graph_of(model, **options)
    return str(e.value)


# ---- files ----

@pytest.mark.parametrize(("data", "what"), [
    (b"", "is empty"),
    (b"\x08\x07", "no graph"),
    (b"hello world, this is no model", "not an ONNX model"),
    (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    (b"PK\x03\x04....", "zip archive"),
    (b"<!DOCTYPE html>", "HTML"),
    (b"\x20\x00\x00\x00LRM0....", "converted already"),
])
def test_bytes_that_are_no_model(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        with pytest.raises(ConvertError, match=what) as e:
            load(source)
        assert "\n" not in str(e.value)


def test_paths_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="does not exist"):
        load(tmp_path / "missing.onnx")
    with pytest.raises(ConvertError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(ConvertError, match="pass a path"):
        load(3)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConvertError, match="not a regular file"):
        load(tmp_path / "pipe")


def test_cut_off_anywhere() -> None:
    data = one("Add", [2], {"c": np.float32([1, 2])}).SerializeToString()
    assert graph_of(load(data)).nodes
    for n in range(len(data)):
        with pytest.raises(ConvertError):
            graph_of(load(data[:n]))


def test_versions() -> None:
    model = one("Relu", [2])
    model.ir_version = onnx.IR_VERSION + 1
    assert "IR version" in words(model)
    assert "opset 0 does not exist" in words(one("Relu", [2], opset=0))
    assert "newer than" in words(one("Relu", [2], opset=onnx.defs.onnx_opset_version() + 1))
    model = one("Relu", [2])
    del model.opset_import[:]
    assert "which opset" in words(model)


@pytest.mark.parametrize("op", ["AveragePool", "MaxPool"])
@pytest.mark.parametrize("sizes", [[1, 2, 4, "h", 5], ["n", 2, 4, 5, 6], [1, 2, "d", 5, 6], ["n", 2, "d", "h", 6]])
def test_volumes_with_some_open_sizes(op: str, sizes: list[Any]) -> None:
    assert graph_of(one(op, sizes, kernel_shape=[2, 2, 2])).outputs[0].rank == 5


def test_names_must_be_text() -> None:
    data = one("Relu", [2]).SerializeToString()
    for bad in (b"the\xff\xfeode", b"the\nnode", b"the\x00node"):
        with pytest.raises(ConvertError, match="not a name"):
            load(data.replace(b"the_node", bad))


# ---- external data ----

def external_model(location: str, offset: str = "", length: str = "") -> onnx.ModelProto:
    """y = x + w, with the three floats of w in another file."""
    model = one("Add", [3])
    w = TensorProto(name="w", data_type=FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value:
            w.external_data.add(key=key, value=value)
    model.graph.initializer.append(w)
    model.graph.node[0].input.append("w")
    return model


def saved(folder: Path, location: str, **more: str) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(external_model(location, **more).SerializeToString())
    return path


WEIGHTS = np.float32([1, 2, 3])


def test_external_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"1234" + WEIGHTS.tobytes() + b"56")
    (tmp_path / "link.bin").symlink_to(tmp_path / "sub" / "w.bin")
    for location in ("sub/w.bin", "link.bin", "./sub/w.bin"):
        model = load(saved(tmp_path, location, offset="4", length="12"))
        np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), WEIGHTS)
        assert graph_of(model).nodes[0].inputs[1].const is not None


def test_external_data_needs_a_path() -> None:
    for source in (external_model("w.bin"), external_model("w.bin").SerializeToString()):
        with pytest.raises(ConvertError, match="pass the path"):
            load(source)


@pytest.mark.parametrize("location", ["../w.bin", "sub/../../w.bin", "/etc/hostname", "", "C:/w.bin", "..\\w.bin",
                                      "out.bin", "folder/w.bin"])
def test_external_data_stays_in_the_folder(tmp_path: Path, location: str) -> None:
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    (inside / "out.bin").symlink_to("../w.bin")
    (inside / "folder").symlink_to("..")
    with pytest.raises(ConvertError, match="the model's folder"):
        load(saved(inside, location))


@pytest.mark.parametrize(("more", "what"), [
    ({"offset": "4"}, "needs 12 bytes"), ({"offset": "13"}, "bytes 13"), ({"length": "99"}, "bytes 0 to 99"),
    ({"offset": "-4"}, "not a byte count"), ({"length": "1e9"}, "not a byte count"),
    ({"length": "8"}, "needs 12 bytes"), ({"offset": "9" * 18, "length": "9" * 18}, "are needed"),
    ({"offset": "9" * 40}, "not a byte count"),
])
def test_external_data_within_its_file(tmp_path: Path, more: dict[str, str], what: str) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    with pytest.raises(ConvertError, match=what):
        graph_of(load(saved(tmp_path, "w.bin", **more)))


def test_external_data_is_a_regular_file(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="does not exist"):
        load(saved(tmp_path, "w.bin"))
    (tmp_path / "w.bin").mkdir()
    with pytest.raises(ConvertError, match="is a folder"):
        load(saved(tmp_path, "w.bin"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConvertError, match="not a regular file"):
            load(saved(tmp_path, "pipe"))


# ---- damaged graphs ----

def relu(x: str, y: str, name: str = "n") -> onnx.NodeProto:
    return helper.make_node("Relu", [x], [y], name=name)


@pytest.mark.parametrize(("nodes", "what"), [
    ([relu("x", "y"), relu("x", "y")], "defined twice"),
    ([relu("x", "x"), relu("x", "y")], "defined twice"),
    ([relu("b", "a"), relu("a", "b"), relu("x", "y")], "need each other"),
    ([relu("missing", "y")], "defines 'missing'"),
    ([relu("x", "other")], "defines 'y'"),
    ([], "no nodes"),
])
def test_damaged_graphs(nodes: list[onnx.NodeProto], what: str) -> None:
    assert what in words(model_of(nodes, [info("x", [2])], ["y"]))


def test_no_outputs() -> None:
    assert "no outputs" in words(model_of([relu("x", "y")], [info("x", [2])], []))


def test_unsorted_nodes_are_sorted() -> None:
    nodes = nodes_of(model_of([relu("b", "y"), relu("a", "b"), relu("x", "a")], [info("x", [2])], ["y"]))
    assert [n.outputs[0].name for n in nodes] == ["a", "b", "y"]


@pytest.mark.parametrize("change", [
    lambda t: t.dims.append(7), lambda t: t.dims.__setitem__(0, -1), lambda t: t.dims.__setitem__(0, 2**62),
    lambda t: t.dims.extend([1] * 9), lambda t: setattr(t, "raw_data", b""), lambda t: setattr(t, "data_type", 99),
    lambda t: setattr(t, "data_type", TensorProto.STRING),
])
def test_damaged_tensors(change: Callable[[TensorProto], None]) -> None:
    model = one("Add", [2], {"c": np.float32([1, 2])})
    change(model.graph.initializer[0])
    assert "initializer 'c'" in words(model)


@pytest.mark.parametrize(("model", "what"), [
    (one("LeakyRelu", [2], alpha=float("nan")), "NaN"),
    (one("LeakyRelu", [2], alpha=1), "has type INT"),
    (one("LeakyRelu", [2], beta=1.0), "no attribute 'beta'"),
    (one("Relu", [2], {"c": np.float32(1)}), "it has 2 inputs"),
    (one("Transpose", [2, 3], perm=[0, 0]), "not a permutation"),
    (one("Transpose", [2, 3], perm=[0, 7]), "not a permutation"),
    (one("Concat", [2, 3], axis=5), "axis 5 is out of range"),
    (one("Conv", [1, 2, 5, 5], {"w": np.zeros((4, 2, 3, 3), np.float32)}, strides=[0, 1]), "strides"),
    (one("Conv", [1, 2, 5, 5], {"w": np.zeros((4, 2, 3, 3), np.float32)}, pads=[-1, 0, 0, 0]), "pads"),
    (one("Conv", [1, 2, 5, 5], {"w": np.zeros((4, 2, 3, 3), np.float32)}, group=2**40), "group"),
    (one("Conv", [1, 2, 5, 5], {"w": np.zeros((4, 3, 3, 3), np.float32)}), "channels"),
    (one("Conv", [1, 2, 5, 5, 5, 5], {"w": np.zeros((4, 2, 3, 3, 3, 3), np.float32)}), "rank 6"),
    (one("Unsqueeze", [2], {"a": np.int64([0, 0])}), "twice"),
    (one("Unsqueeze", [1] * 8, {"a": np.int64([0])}), "rank 9"),
    (one("ReduceSum", [2], {"a": np.int64([2**62])}), "out of range"),
    (one("Add", [2], {"c": np.int64([1])}), "different dtypes"),
    (one("Sqrt", [2], dtype=INT64), "dtype i64"),
    (one("Resize", [1, 1, 2, 2], {"_": None, "s": np.float32([1, 1, -2, 2])}), "not positive"),
    (one("Cast", [2], to=TensorProto.STRING), "STRING"),
])
def test_sentences(model: onnx.ModelProto, what: str) -> None:
    text = words(model)
    assert what in text and "'the_node'" in text
    assert len(text.splitlines()) == 2


def test_a_size_that_no_file_holds_is_refused() -> None:
    """The file has sizes of 31 bits; a sum of two that fit may not."""
    half = [2**30, 1]
    m = model_of([helper.make_node("Concat", ["x", "x"], ["y"], name="join", axis=0)], [info("x", half)], ["y"])
    assert words(m).endswith("Concat 'join': its output 0 would have the size 2147483648 along axis 0; "
                             "the largest is 2147483647")


def test_text_with_control_characters_is_refused() -> None:
    m = one("Resize", [1, 3, 4, 4], {"_roi": None, "scales": np.ones(4, np.float32)}, mode="li\x1b[31m")
    assert words(m).endswith("Resize 'the_node': attribute 'mode' is not text")
    m = one("Relu", [1])
    m.graph.node[0].name = "a\x7fb"
    assert "which is not a name" in words(m)


def test_all_problems_at_once() -> None:
    nodes = [helper.make_node("Multinomial", ["x"], ["a"], name="first"), relu("a", "b"),
             helper.make_node("Thing", ["b"], ["c"], name="second", domain="my.domain"),
             helper.make_node("Nonsense", ["c"], ["d"], name="third"),
             helper.make_node("RandomNormalLike", ["x"], ["e"], name="fourth")]
    model = model_of(nodes, [info("x", [2, 3])], ["d", "e"])
    with pytest.raises(UnsupportedError) as e:
        graph_of(model)
    assert [(p.op, p.node) for p in e.value.problems] == [
        ("Multinomial", "first"), ("my.domain.Thing", "second"), ("Nonsense", "third"), ("RandomNormalLike", "fourth")]
    assert check(load(model), Infer()) == e.value.problems
    assert not check(load(one("Relu", [2])), Infer())


def test_problems_after_a_problem_need_the_exporters_shapes() -> None:
    nodes = [helper.make_node("Multinomial", ["x"], ["a"]), helper.make_node("Transpose", ["a"], ["y"], perm=[5, 6])]
    model = model_of(nodes, [info("x", [2, 3])], ["y"])
    model.graph.value_info.append(info("a", [2, None], INT64))
    assert [p.op for p in check(load(model), Infer())] == ["Multinomial", "Transpose"]


def test_inputs_that_are_not_supported() -> None:
    assert "STRING" in words(one("Relu", [2], dtype=TensorProto.STRING))
    assert "rank is not known" in words(one("Relu", None))
    assert "rank 9" in words(one("Relu", [1] * 9))
    sequence = helper.make_tensor_sequence_value_info("x", FLOAT, [2])
    assert "sequence" in words(model_of([relu("x", "y")], [sequence], ["y"]))


# ---- inputs and dims ----

def test_sizes_of_inputs() -> None:
    model = one("Relu", ["n", -1, 0, "?", 5, "", "n"])
    assert graph_of(model).inputs[0].shape == ("n", None, None, None, 5, None, "n")
    assert graph_of(model, dims={"n": 4}).inputs[0].shape == (4, None, None, None, 5, None, 4)
    assert "there are" in words(model, dims={"m": 4})
    for bad in (0, -1, 2.5, True, 2**40):
        assert "is not a size" in words(model, dims={"n": bad})


def test_inputs_with_a_constant_are_constants() -> None:
    model = one("Add", [2], {"c": np.float32([1, 2])})
    model.graph.input.append(info("c", [2]))
    model.ir_version = 3
    graph = graph_of(model)
    assert [v.name for v in graph.inputs] == ["x"]
    np.testing.assert_array_equal(graph.nodes[0].inputs[1].const, [1, 2])
    np.testing.assert_array_equal(graph_of(model, set={"c": [5, 6]}).nodes[0].inputs[1].const, [5, 6])


# ---- opsets ----

@pytest.mark.parametrize(("old", "new", "shape"), [
    (("Squeeze", 11, {}, {"axes": [0, -1]}), ("Squeeze", 13, {"a": np.int64([0, 2])}, {}), [1, 3, 1]),
    (("Squeeze", 7, {}, {}), ("Squeeze", 21, {}, {}), [1, 3, 1]),
    (("Unsqueeze", 7, {}, {"axes": [0, 2]}), ("Unsqueeze", 13, {"a": np.int64([0, -2])}, {}), [3, 4]),
    (("ReduceSum", 11, {}, {"axes": [-1]}), ("ReduceSum", 13, {"a": np.int64([1])}, {}), [3, 4]),
    (("ReduceMean", 13, {}, {"axes": [0], "keepdims": 0}),
     ("ReduceMean", 18, {"a": np.int64([0])}, {"keepdims": 0}), [3, 4]),
    (("Clip", 7, {}, {"min": 0.0, "max": 6.0}), ("Clip", 11, {"l": np.float32(0), "h": np.float32(6)}, {}), [2]),
    (("Slice", 9, {}, {"starts": [1], "ends": [3], "axes": [1]}),
     ("Slice", 10, {"s": np.int64([1]), "e": np.int64([3]), "a": np.int64([-1])}, {}), [3, 4]),
    (("Pad", 7, {}, {"pads": [1, 0, 0, 2], "value": 3.0}),
     ("Pad", 11, {"p": np.int64([1, 0, 0, 2]), "v": np.float32(3)}, {}), [3, 4]),
    (("Pad", 11, {"p": np.int64([0, 1, 0, 2]), "v": np.float32(3)}, {}),
     ("Pad", 18, {"p": np.int64([1, 2]), "v": np.float32(3), "a": np.int64([-1])}, {}), [3, 4]),
    (("Upsample", 7, {}, {"scales": [1.0, 1.0, 2.0, 2.0]}),
     ("Upsample", 9, {"s": np.float32([1, 1, 2, 2])}, {}), [1, 2, 3, 4]),
    (("Resize", 10, {"s": np.float32([1, 1, 2, 2])}, {}),
     ("Resize", 13, {"_": None, "s": np.float32([1, 1, 2, 2])},
      {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}), [1, 2, 3, 4]),
    (("Resize", 11, {"r": np.float32([]), "s": np.float32([1, 1, 2, 2])}, {}),
     ("Resize", 18, {"_": None, "s": np.float32([2, 2])}, {"axes": [-2, -1]}), [1, 2, 3, 4]),
    (("Softmax", 11, {}, {"axis": -1}), ("Softmax", 13, {}, {}), [2, 3, 4]),
    (("Softmax", 11, {}, {}), ("Softmax", 13, {}, {"axis": 1}), [2, 3, 1, 1]),
    (("Dropout", 7, {}, {"ratio": 0.5}), ("Dropout", 13, {"r": np.float32(0.5)}, {}), [2]),
    (("BatchNormalization", 7, {n: np.float32([1, 2]) for n in "sbmv"}, {}),
     ("BatchNormalization", 15, {n: np.float32([1, 2]) for n in "sbmv"}, {}), [3, 2, 4, 4]),
])
def test_old_and_new_opsets_say_the_same(old: tuple, new: tuple, shape: list[int]) -> None:
    """The same operation in two versions of ONNX gives the same nodes."""
    def text(op: str, opset: int, constants: dict[str, Any], attrs: dict[str, Any]) -> list[Any]:
        graph = graph_of(one(op, shape, constants, opset, **attrs))
        return [(n.op, n.attrs, [None if v is None or v.const is None else v.const.tolist() for v in n.inputs],
                 n.outputs[0].shape) for n in graph.nodes]
    assert text(*old) == text(*new)


def test_split_in_three_opsets() -> None:
    for opset, constants, attrs in ((11, {}, {"split": [2, 4]}), (13, {"s": np.int64([2, 4])}, {})):
        node, = nodes_of(one("Split", [6, 2], constants, opset, n_outputs=2, **attrs))
        assert [v.shape for v in node.outputs] == [(2, 2), (4, 2)]
    node, = nodes_of(one("Split", [5, 2], {}, 18, n_outputs=2, num_outputs=2))
    assert [v.shape for v in node.outputs] == [(3, 2), (2, 2)]
    assert "equal parts" in words(one("Split", [5, 2], {}, 13, n_outputs=2))


def test_old_softmax_sees_a_matrix() -> None:
    assert [n.op for n in nodes_of(one("Softmax", [2, 3, 4], opset=11))] == ["flatten", "softmax", "reshape"]


def test_convolution_is_channels_last() -> None:
    w = np.arange(24, dtype=np.float32).reshape(4, 2, 1, 3)
    before, conv, after = nodes_of(one("Conv", ["n", 2, 5, 7], {"w": w}))
    assert before.attrs["perm"] == (0, 2, 3, 1) and after.attrs["perm"] == (0, 3, 1, 2)
    assert conv.inputs[1].name == "w" and conv.inputs[1].perm == (0, 2, 3, 1)
    np.testing.assert_array_equal(conv.inputs[1].const, w.transpose(0, 2, 3, 1))
    assert (conv.outputs[0].name, conv.outputs[0].perm) == ("y0", (0, 2, 3, 1))
    assert (after.outputs[0].name, after.outputs[0].perm, after.outputs[0].shape) == ("y0", None, ("n", 4, 5, 5))
    assert conv.sources == ("the_node",)


def test_quantisation_is_as_the_passes_expect() -> None:
    scales, zeros = np.float32([0.5, 0.25]), np.int8([0, 3])
    node, = nodes_of(one("QuantizeLinear", [4, 2, 3], {"s": scales, "z": zeros}, axis=1))
    assert node.op == "quantize" and [v.shape for v in node.inputs[1:]] == [(2, 1), (2, 1)]
    model = one("DequantizeLinear", [4, 2, 3], {"s": scales, "z": zeros}, dtype=TensorProto.INT8, axis=1)
    assert [n.op for n in nodes_of(model)] == ["cast", "sub", "mul"]
    model = one("DequantizeLinear", [4, 2], {"s": np.float32(2), "z": np.int8(0)}, dtype=TensorProto.INT8)
    assert [n.op for n in nodes_of(model)] == ["cast", "mul"]


# ---- branches, functions, loops ----

def branch(op: str, out: str) -> onnx.GraphProto:
    return helper.make_graph([helper.make_node(op, ["x"], ["inner"]), relu("inner", out)], "b", [], [info(out)])


def rate_model(inner: onnx.GraphProto | None = None) -> onnx.ModelProto:
    """y = relu(sin x) when rate is 16000, else relu(cos x)."""
    nodes = [helper.make_node("Equal", ["rate", "k"], ["c"]),
             helper.make_node("If", ["c"], ["y"], name="if", then_branch=inner or branch("Sin", "t"),
                              else_branch=branch("Cos", "e"))]
    return model_of(nodes, [info("x", [2]), info("rate", [], INT64)], ["y"], {"k": np.int64(16000)})


def test_if_follows_a_constant() -> None:
    for rate, op in ((16000, "sin"), (8000, "cos")):
        graph = graph_of(rate_model(), set={"rate": rate})
        assert [n.op for n in graph.nodes] == [op, "relu"]
        assert graph.nodes[-1].outputs[0].name == "y" and graph.output_names == ["y"]
        assert [v.name for v in graph.inputs] == ["x"]
    assert [n.op for n in nodes_of(rate_model())] == ["equal", "if"]  # else both branches stay


def test_if_inside_if_sees_outer_names() -> None:
    inner = helper.make_node("If", ["c"], ["t"], then_branch=branch("Tan", "u"), else_branch=branch("Abs", "v"))
    model = rate_model(helper.make_graph([inner], "b", [], [info("t")]))
    assert [n.op for n in nodes_of(model, set={"rate": 16000})] == ["tan", "relu"]


def test_if_on_a_known_size() -> None:
    """What PyTorch writes for squeeze(1): only the batch is open."""
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "one"], ["d"]),
             helper.make_node("Equal", ["d", "one"], ["c"]),
             helper.make_node("If", ["c"], ["y"], then_branch=branch("Sin", "t"), else_branch=branch("Cos", "e"))]
    graph = graph_of(model_of(nodes, [info("x", ["n", 1])], ["y"], {"one": np.int64(1)}))
    assert [n.op for n in graph.sweep()] == ["shape"] and [n.op for n in graph.nodes] == ["sin", "relu"]


def test_loops_of_another_signature_are_refused() -> None:
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "b",
                             [info("i", [], INT64), info("c", [], BOOL)], [info("d", [], BOOL)])
    model = model_of([helper.make_node("Loop", ["m", "t", "x"], ["y"], body=body)], [info("x", [2])], ["y"],
                     {"m": np.int64(3), "t": np.bool_(True)})
    assert "its graph has 2 inputs, 3 are needed" in words(model)


def function(name: str, nodes: list[onnx.NodeProto], attributes: list[str] | None = None) -> onnx.FunctionProto:
    return helper.make_function("local", name, ["a"], ["b"], nodes,
                                [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)], attributes or [])


def call(name: str, x: str, y: str, **attrs: Any) -> onnx.NodeProto:
    return helper.make_node(name, [x], [y], name=f"call_{y}", domain="local", **attrs)


def function_model(functions: list[onnx.FunctionProto], nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    model = model_of(nodes, [info("x", [2])], ["y"], functions=functions)
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def test_functions_are_inlined() -> None:
    leaky = helper.make_node("LeakyRelu", ["a"], ["t"])
    leaky.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope"))
    inner = function("Inner", [leaky, relu("t", "b")], ["slope"])
    outer = function("Outer", [call("Inner", "a", "t", slope=0.5), call("Inner", "t", "b", slope=0.25)])
    graph = graph_of(function_model([outer, inner], [call("Outer", "x", "y")]))
    assert [n.op for n in graph.nodes] == ["leaky_relu", "relu"] * 2
    assert [float(n.inputs[1].const) for n in graph.nodes[::2]] == [0.5, 0.25]
    assert graph.nodes[-1].outputs[0].name == "y"
    names = [n.outputs[0].name for n in graph.nodes]
    assert len(set(names)) == len(names)


def test_functions_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model = function_model([function("A", [call("B", "a", "b")]), function("B", [call("A", "a", "b")])],
                           [call("A", "x", "y")])
    assert "calls itself" in words(model)
    deep = [function(f"F{i}", [call(f"F{i + 1}", "a", "b")]) for i in range(100)] + [function("F100", [relu("a", "b")])]
    assert "64 deep" in words(function_model(deep, [call("F0", "x", "y")]))
    monkeypatch.setattr("lite_runtime.converter.frontend.importer.MAX_NODES", 1000)
    wide = [function(f"F{i}", [call(f"F{i + 1}", "a", f"t{k}" if k else "b") for k in range(30)]) for i in range(10)]
    wide.append(function("F10", [relu("a", "b")]))
    assert "functions are expanded" in words(function_model(wide, [call("F0", "x", "y")]))


def test_operators_that_onnx_defines_by_others() -> None:
    nodes = nodes_of(one("MeanVarianceNormalization", [1, 2, 3, 3], opset=13))
    assert "reduce" in [n.op for n in nodes]


# ---- states and set ----

def counter(shape: list[Any], dtype: int = FLOAT) -> onnx.ModelProto:
    nodes = [helper.make_node("Add", ["s", "x"], ["s2"]), relu("s2", "y")]
    return model_of(nodes, [info("x", shape), info("s", shape, dtype)], ["y", "s2"])


def test_states() -> None:
    graph = graph_of(counter([2]), state={"s2": "s"})
    state, = graph.states
    assert (state.value.name, state.source.name) == ("s", "s2")
    assert [v.name for v in graph.inputs] == ["x"] and graph.output_names == ["y"] and not graph.notes


def test_open_sizes_of_states_become_one() -> None:
    graph = graph_of(counter(["batch", 3]), state={"s2": "s"})
    assert graph.states[0].value.shape == (1, 3) and graph.inputs[0].shape == (1, 3)
    assert len(graph.notes) == 1 and "--dim batch=N" in graph.notes[0]
    graph = graph_of(counter(["batch", 3]), state={"s2": "s"}, dims={"batch": 5})
    assert graph.states[0].value.shape == (5, 3) and not graph.notes


def test_wrong_states() -> None:
    assert "no output 's'; write s2=s" in words(counter([2]), state={"s": "s2"})
    assert "no input 'zz'" in words(counter([2]), state={"s2": "zz"})
    assert "no output 'zz'" in words(counter([2]), state={"zz": "s"})
    assert "also set" in words(counter([2]), state={"s2": "s"}, set={"s": [1, 2]})
    assert "two outputs" in words(counter([2]), state={"s2": "s", "y": "s"})
    wider = model_of([helper.make_node("Concat", ["s", "x"], ["s2"], axis=0)], [info("x", [2]), info("s", [2])], ["s2"])
    assert "its input has shape [2], its output [4]" in words(wider, state={"s2": "s"})
    other = model_of([helper.make_node("Cast", ["s"], ["s2"], to=INT64)], [info("s", [2])], ["s2"])
    assert "its input has dtype f32, its output i64" in words(other, state={"s2": "s"})


def test_set_values() -> None:
    model = one("Gather", [9, 2], {"_": None})
    model.graph.node[0].input[1] = "i"
    model.graph.input.append(info("i", ["k"], INT64))
    np.testing.assert_array_equal(nodes_of(model, set={"i": [1, 2]})[0].inputs[1].const, [1, 2])
    np.testing.assert_array_equal(nodes_of(model, set={"i": 3})[0].inputs[1].const, [3])
    for bad in (1.5, "one", [[1], [2, 3]], None, 2**70, float("nan"), {}):
        assert "cannot be stored as i64" in words(model, set={"i": bad})
    assert "the value has shape [1, 1]" in words(model, set={"i": [[1]]})
    assert "no such input" in words(model, set={"j": 1})


def test_metadata_is_kept() -> None:
    model = one("Relu", [2])
    helper.set_model_props(model, {"author": "me"})
    assert graph_of(model).metadata == {"author": "me"}


def test_folded_slices_are_those_of_onnxruntime() -> None:
    """Ends and starts far outside, forwards and backwards: exporters reverse lists of paddings this way."""
    m = parser.parse_model("""<ir_version: 8, opset_import: ["" : 17]>
        m (float[N] x, int64[1] s, int64[1] e, int64[1] a, int64[1] t) => (float[M] y) { y = Slice(x, s, e, a, t) }""")
    reference = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
    ends, axes = [-(2**63) + 1, -7, -5, -4, -3, -1, 0, 1, 2, 4, 6, 2**62], np.array([0])
    for n, start, end, step in itertools.product((1, 3, 5), ends, ends, (-3, -2, -1, 1, 2)):
        x, s, e, t = np.arange(n).astype(np.float32), np.array([start]), np.array([end]), np.array([step])
        want = reference.run(None, {"x": x, "s": s, "e": e, "a": axes, "t": t})[0]
        got = fold("slice", [Graph(Infer()).const(a) for a in (x, s, e, axes, t)], {})
        assert got is not None and np.array_equal(got, want), (n, start, end, step)


def test_what_is_missing_many_times_is_said_once() -> None:
    nodes = [helper.make_node("Multinomial", ["x"], [f"y{k}"], name=f"draw{k}") for k in range(3)]
    with pytest.raises(UnsupportedError) as e:
        import_model(model_of(nodes, [info("x", [2, 3])], ["y0", "y1", "y2"]), Infer())
    assert len(e.value.problems) == 3
    assert "Multinomial 'draw0' and 2 more nodes: " in str(e.value) and str(e.value).startswith("1 thing is")
