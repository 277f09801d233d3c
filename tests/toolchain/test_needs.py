"""What a model needs is what it uses: of all rows of tests/ops, against the names of the kernels that steps run and the
programs in the file; then runtimes that are built for some of them compute the same bits, and refuse all others."""
from __future__ import annotations

import ctypes as c
import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from op_frame import model, rows
from tailored import ROOT, Library, Refused, build, compiler, library

import lite_runtime
from lite_runtime.converter.lower import reader
from lite_runtime.converter.toolchain.compilers import cross_file
from lite_runtime.converter.toolchain.needs import Needs, needs
from lite_runtime.converter.toolchain.targets import find
from lite_runtime.spec.ops import BY_CODE
from lite_runtime.spec.postops import POSTOPS

ROWS = rows()
SIGNATURES = {f: s for s, f in re.findall(r"^LR_KERNEL\((\w+), (\w+),",
                                                 (ROOT / "kernels_generic/kernels.inc").read_text(), re.M)}
WINOGRAD, RESIDUAL = {"f32_winograd_in", "f32_winograd_out"}, {"f32_gemm", "f32_dwconv"}
WAYS = {"winograd_2x2": WINOGRAD, "winograd_4x4": WINOGRAD, "rolling_rows": RESIDUAL, "three_steps": RESIDUAL}
POST_NAMES = {p.code: p.name for p in POSTOPS.values()}


@cache
def converted(i: int) -> bytes | None:
    """A row, its dims symbolic where they may be; None for what the converter refuses without types of the results."""
    try:
        return lite_runtime.convert(model(ROWS[i], bool(ROWS[i].dynamic)), verify=False)
    except lite_runtime.converter.errors.ConvertError:
        return None


def used(data: bytes) -> tuple[set[str], set[str]]:
    """Operators and post-ops that are in the file."""
    ops, posts = set(), set()
    for graph in reader.read(data)["subgraphs"]:
        for node in graph["nodes"]:
            ops.add(BY_CODE[node["op"]].name)
            words, k = node.get("post") or [], 0
            while k < len(words):
                posts.add(POST_NAMES[words[k] & 255])
                k += 2 + sum(words[k + 1] >> shift & 255 == 255 for shift in (0, 8, 16))
    return ops, posts


def test_all_rows() -> None:
    """No step runs a kernel that the rule has not named; nothing that the file has is missing."""
    seen: set[str] = set()
    for i, r in enumerate(ROWS):
        data = converted(i)
        if data is None:
            continue
        found, (ops, posts) = needs([data]), used(data)
        assert set(found.ops) == ops, r.title()
        assert posts - {"cast", "quantize"} <= set(found.posts), r.title()
        with lite_runtime.Session(data, threads=1) as session:
            session.run({t.name: r.feeds()[t.name] for t in session.inputs})
            names = {s.kernel for s in session.steps()}
        kernels = set().union(*(WAYS.get(n, {SIGNATURES[n]} if n in SIGNATURES else set()) for n in names))
        assert kernels <= set(found.kernels), r.title()
        seen |= kernels
    assert len(seen) > 30, f"few kernels ran: {sorted(seen)}"


TILES = {"gemm_few_rows", "dwconv_5x5"}  # they only save time
# operators whose rows make one small runtime each
FAMILIES = {
    "conv": {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "Resize"},
    "rows": {"Softmax", "LogSoftmax", "LayerNormalization", "ReduceMean", "ReduceProd", "ReduceMax", "LSTM", "GRU",
             "DFT"},
    "numbers": {"Add", "Gelu", "Pow", "Where", "Cast", "QLinearConv", "ConvInteger", "MatMulInteger", "QuantizeLinear",
                "BitShift", "Loop", "If"},
}


def some(names: set[str]) -> list[int]:
    return [i for i, r in enumerate(ROWS) if r.op in names and converted(i)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not compiler():
        pytest.skip("missing: a C compiler")
    pytest.importorskip("mesonbuild", reason="missing: meson")
    return tmp_path_factory.mktemp("runtimes")


@pytest.mark.parametrize("family", FAMILIES)
def test_tailored(family: str, folder: Path) -> None:
    """A runtime for some models computes what the full one does, bit for bit, and says in a sentence what it lacks for
    others, before anything runs."""
    inside = some(FAMILIES[family])
    assert len(inside) > 20
    what = needs([converted(i) for i in inside])
    small = library(folder / family, what)
    for i in inside:
        data, r = converted(i), ROWS[i]
        feeds = {t.name: r.feeds()[t.name] for t in lite_runtime.Model(data).inputs}
        with lite_runtime.Session(data, threads=1) as session:
            want = session.run(feeds)
            names = [t.name for t in session.outputs]
        got = small.run(data, feeds)
        assert [want[n].tobytes() for n in names] == got, r.title()
    refuses_others(small, what, [i for i in range(0, len(ROWS), 7) if converted(i) and i not in inside])


def refuses_others(small: Library, what: Needs, others: list[int]) -> None:
    refused = {"lr_model_open_memory": 0, "lr_session_open": 0}
    for i in others:
        data, r = converted(i), ROWS[i]
        lacks = needs([data])
        missing = [n for a, b in ((lacks.ops, what.ops), (lacks.kernels, what.kernels), (lacks.posts, what.posts))
                   for n in a if n not in b and n not in TILES]
        feeds = {t.name: r.feeds()[t.name] for t in lite_runtime.Model(data).inputs}
        if not missing:
            small.run(data, feeds)
            continue
        with pytest.raises(Refused) as e:
            small.run(data, feeds)
        where, status, sentence = e.value.args
        ops = set(lacks.ops) - set(what.ops)
        assert (where, status) == ("lr_model_open_memory" if ops else "lr_session_open", 5), r.title()
        refused[where] += 1
        assert sentence.startswith("model: this runtime was built without "), sentence
        assert sentence.endswith("; build one that has them: lite-opt build MODEL.lrm --target here"), sentence
        named = sentence.removeprefix("model: this runtime was built without ").partition(";")[0].split(", ")
        assert set(named) == (ops or set(missing)), sentence  # kernels are looked for when all operators are there
    assert all(refused.values()), refused


def test_a_full_sentence(folder: Path) -> None:
    """A long path, a long target and more names than there is room for: names are left out, the cure never is."""
    names = ["Exp", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Erf", "Floor", "Ceil",
             "Round", "Abs", "Neg", "Sqrt", "Reciprocal", "Sign", "Tanh", "Sigmoid", "Softplus", "Softsign"]
    nodes = [helper.make_node(n, [f"t{i}"], [f"t{i + 1}"]) for i, n in enumerate(names)]
    x, y = (helper.make_tensor_value_info(n, 1, [4]) for n in ("t0", f"t{len(names)}"))
    m = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)],
                          ir_version=8)
    path, target = folder / ("m" * 200 + ".lrm"), "t" * 100
    path.write_bytes(lite_runtime.convert(m, verify=False))
    every = needs([path])
    lib = library(folder / "full", Needs(every.ops), target)
    opened, session = c.c_void_p(), c.c_void_p()
    lib.call("lr_model_open", str(path).encode(), None, c.byref(opened))
    with pytest.raises(Refused) as e:
        lib.call("lr_session_open", opened, None, c.byref(session))
    lib.lib.lr_model_close(opened)
    start, _, cure = (sentence := e.value.args[2]).partition(", ...;")
    assert cure == f" build one that has them: lite-opt build MODEL.lrm --target {target}", sentence
    where, _, named = start.partition(": this runtime was built without ")
    assert where.startswith("...mmm") and len(where) == 159, sentence
    assert 3 < len(named.split(", ")) < len(names) and {*named.split(", ")} <= {*every.kernels, *every.posts}, sentence
    assert 511 - 40 < len(sentence) <= 511, sentence


def network() -> onnx.ModelProto:
    """Convolutions of all kinds, pooling, a resize, rows and products, in f32 and f16."""
    rng = np.random.default_rng(3)
    sizes = {"w1": (16, 3, 3, 3), "w2": (16, 16, 3, 3), "w3": (16, 1, 3, 3), "w4": (24, 16, 1, 1), "w5": (8, 24, 3, 3),
             "w6": (8, 1, 3, 3), "w7": (8, 10),
             "w8": (16, 1, 1, 25)}
    weights = {n: (rng.normal(size=s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for n, s in sizes.items()}
    weights |= {n: weights[n].astype(np.float16) for n in ("w5", "w6")}
    weights["scales"] = np.array([1, 1, 2, 2], np.float32)
    make, pads = helper.make_node, [1] * 4
    nodes = [make("Conv", ["x", "w1"], ["a"], pads=pads, strides=[2, 2]), make("HardSwish", ["a"], ["b"]),
             make("Conv", ["b", "w2"], ["c"], pads=pads), make("Add", ["b", "c"], ["d"]),
             make("Conv", ["d", "w8"], ["d2"], pads=[0, 12, 0, 12], group=16),
             make("Conv", ["d2", "w3"], ["e"], pads=pads, group=16), make("Sigmoid", ["e"], ["f"]),
             make("MaxPool", ["f"], ["g"], kernel_shape=[3, 3], strides=[2, 2], pads=pads),
             make("Conv", ["g", "w4"], ["h"]), make("AveragePool", ["h"], ["i"], kernel_shape=[2, 2], strides=[1, 1]),
             make("Resize", ["i", "", "scales"], ["j"], mode="linear"), make("Cast", ["j"], ["k"], to=10),
             make("Conv", ["k", "w5"], ["l"], pads=pads), make("Conv", ["l", "w6"], ["m"], pads=pads, group=8),
             make("MaxPool", ["m"], ["n"], kernel_shape=[2, 2], strides=[2, 2]), make("Cast", ["n"], ["o"], to=1),
             make("GlobalAveragePool", ["o"], ["p"]), make("Flatten", ["p"], ["q"]),
             make("MatMul", ["q", "w7"], ["r"]), make("Softmax", ["r"], ["y"])]
    x, y = (helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [1, 3, 64, 64]), ("y", [1, 10])))
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(w, n) for n, w in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_small_arm64(folder: Path, tmp_path: Path) -> None:
    """There NEON kernels are all there is: this machine's are another set, so onnxruntime is asked."""
    for tool in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if not shutil.which(tool):
            pytest.skip(f"missing: {tool}")
    ort = pytest.importorskip("onnxruntime", reason="missing: onnxruntime")
    m, path, x = network(), tmp_path / "m.lrm", np.random.default_rng(4).normal(size=(1, 3, 64, 64)).astype(np.float32)
    path.write_bytes(lite_runtime.convert(m, verify=False))
    np.save(tmp_path / "x.npy", x)
    what = needs([path])
    assert {"f32_gemm", "f32_dwconv", "f32_winograd_in", "f32_maxpool", "f32_avgpool", "f32_vop", "f32_softmax",
            "f32_wsum", "f16_gemm", "f16_dwconv", "f16_maxpool", "vcast"} <= set(what.kernels)
    assert not TILES & set(what.posts)  # without them other code computes the same bits
    (tmp_path / "arm64.ini").write_text(cross_file(find("linux-arm64"), "gcc"))
    got = []
    for name, posts in (("arm64", what.posts), ("tiles", (*what.posts, *TILES))):
        options = replace(what, posts=posts).meson_options()
        build(folder / name, [*options, "-Dapp=true", "--cross-file", str(tmp_path / "arm64.ini")])
        program = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", folder / name / "lite_runtime/app/lite_run"]
        out = subprocess.run([*program, path, "--input", f"x={tmp_path / 'x.npy'}", "--output", tmp_path / name,
                              "--json", "--profile"], capture_output=True, text=True, check=True).stdout
        ran = {s["kernel"] for s in json.loads(out)["steps"]}
        assert any(n.endswith("__neon") for n in ran) and not any(n.endswith("__c") for n in ran), ran
        got.append(np.load(tmp_path / f"{name}.0.npy"))
    want = ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    assert np.abs(got[0] - want).max() < 2e-3 * np.abs(want).max()
    assert got[0].tobytes() == got[1].tobytes()


def test_union_and_options() -> None:
    a = Needs(("conv",), ("f32_gemm",), ("add",))
    both = a.union(Needs(("conv", "concat"), ("f16_gemm",), (), image=True))
    assert both == Needs(("concat", "conv"), ("f16_gemm", "f32_gemm"), ("add",), True)
    assert both.meson_options() == ["-Dops=concat,conv", "-Dkernels=f16_gemm,f32_gemm", "-Dposts=add", "-Dimage=true"]
    assert Needs().meson_options() == ["-Dops=none", "-Dkernels=none", "-Dposts=none", "-Dimage=false"]


@pytest.mark.parametrize(("pads", "groups", "dtype", "kernels"), [
    ([1] * 4, 1, np.float32, {"f32_gemm", "f32_vop", "f32_winograd_in", "f32_winograd_out"}),
    ([1] * 4, 8, np.float32, {"f32_dwconv", "f32_vop"}),
    ([1] * 4, 1, np.float16, {"f16_gemm", "vcast"}),
])
def test_convolutions(pads: list[int], groups: int, dtype: type, kernels: set[str]) -> None:
    """Of unknown size, so that ways are named which these shapes may take on any CPU."""
    w = helper.make_tensor("w", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), [8, 8 // groups, 3, 3],
                           np.ones(576 // groups, dtype))
    x, y = (helper.make_tensor_value_info(n, w.data_type, [1, 8, "h", "w"]) for n in ("x", "y"))
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=pads, group=groups)
    m = helper.make_model(helper.make_graph([node], "g", [x], [y], [w]), opset_imports=[helper.make_opsetid("", 17)],
                          ir_version=8)
    assert set(needs([lite_runtime.convert(m, verify=False)]).kernels) == kernels
