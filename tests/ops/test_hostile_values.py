"""Values of a run that ask for what is not there: k, axes, repeats, ranges, lengths, indices. Each is an error that
names the node, with any number of threads, and the session goes on: good values give the same bytes as before."""
from __future__ import annotations

import numpy as np
import onnx
import pytest
from op_frame import Const, Row, compare, model, reference, row

import lite_runtime
from lite_runtime.converter.errors import UnsupportedError

MIN, MAX = -(2**63), 2**63 - 1
RNG = np.random.default_rng(7)  # op_frame.rand would give the rows of cases/ other values


def rand(*shape: int) -> np.ndarray:
    return RNG.uniform(-3, 3, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def scalar(x: float, dtype: str = "int64") -> np.ndarray:
    return np.array(x, dtype)


X = rand(3, 6)
# a row that is right, the input that is then bad, its bad values, and what the error says
CASES: list[tuple[Row, int, list[np.ndarray], str]] = [
    (row("TopK", X, ints(2), outputs=2), 1, [ints(v) for v in (7, -1, 2**40, 2**62, MIN, MAX)], "k is -?[0-9]+"),
    (row("TopK", X, ints(2), outputs=2, axis=0), 1, [ints(4), ints(1, 2), ints()], "k (is 4|has . elements)"),
    (row("TopK", X, ints(2), outputs=2), 0, [rand(3, 1), rand(3, 0)], "k is 2"),
    (row("CumSum", X, ints(1)), 1, [ints(v) for v in (2, -3, 2**32, MIN, MAX)], "which is out of range"),
    (row("CumSum", X, ints(1)), 1, [ints(0, 1), ints()], "axis has . elements"),
    (row("Tile", X, ints(2, 1)), 1, [ints(-1, 1), ints(1, MIN), ints(2**62, 0), ints(MAX, MAX)], "repeats"),
    (row("Tile", X, ints(2, 1)), 1, [ints(2**40, 1), ints(2**20, 2**20)], "too large"),
    (row("Tile", X, ints(2, 1)), 1, [ints(1), ints(1, 1, 1)], "repeats has"),
    (row("ArgMax", X, axis=1), 0, [rand(3, 0)], "axis 1 of x has size 0"),
    (row("ArgMin", X, axis=0, keepdims=0), 0, [rand(0, 6)], "axis 0 of x has size 0"),
    (row("Det", rand(2, 3, 3)), 0, [rand(2, 3, 4), rand(2, 0, 1)], "square"),
    (row("Compress", rand(3), np.array([True, False, True]), axis=0), 1, [np.array([0, 0, 0, 1], bool)], "indices"),
    (row("ReverseSequence", rand(4, 2), ints(4, 1)), 1, [ints(5, 1), ints(1, MAX)], "indices"),
    (row("ReverseSequence", rand(4, 2), ints(4, 1)), 1, [ints(1), ints(1, 1, 1)], "batch dim"),
    (row("Einsum", rand(3, 3), equation="ii->i"), 0, [rand(3, 4), rand(1, 3), rand(3, 1)], "axis 0 may differ"),
    (row("Einsum", rand(2, 3), rand(3, 2), equation="ij,jk->ik"), 1, [rand(4, 2), rand(2, 2)], "3"),
]
# Fourier transforms; a length that is allowed may be more than memory holds
C, FRAMES, LOW = rand(2, 8, 2), rand(1, 20, 1), Const(np.array(20, np.float32))
HUGE = [ints(2**22 + 1), ints(2**40), ints(MAX)]
CASES += [
    (row("DFT", C, ints(8), opset=20), 1, [ints(0), ints(-1), ints(MIN), *HUGE], "length of a transform is"),
    (row("DFT", C, ints(8), opset=20), 1, [ints(), ints(1, 2)], "must have one element"),
    (row("DFT", C, opset=20), 0, [rand(2, 0, 2)], "length of a transform is 0"),
    (row("DFT", C, opset=20), 0, [rand(2, 8, 3), rand(2, 8, 0)], "last dim of x is"),
    (row("DFT", C, inverse=1, onesided=1, evaluator=True), 0, [rand(2, 1, 2), rand(2, 0, 2)], "transform is -?[0-9]+"),
    (row("DFT", C, inverse=1, onesided=1, evaluator=True), 0, [rand(2, 8, 1)], "last dim of x is 1"),
    (row("DFT", C, None, scalar(1), opset=20, evaluator=True), 2, [scalar(v) for v in (2, -1, -4, 2**32, MIN, MAX)],
     "axis is -?[0-9]+"),
    (row("STFT", FRAMES, ints(3), None, ints(8)), 1, [ints(0), ints(-1), ints(MIN)], "the step is"),
    (row("STFT", FRAMES, ints(3), None, ints(8)), 3, [ints(0), ints(-8), ints(MIN), *HUGE], "a frame has"),
    (row("STFT", FRAMES, ints(3), None, ints(8)), 3, [ints(21), ints(2**22)], "the signal only 20"),
    (row("STFT", FRAMES, ints(3), None, ints(8)), 0, [rand(1, 7, 1), rand(1, 0, 1)], "the signal only"),
    (row("STFT", FRAMES, ints(3), None, ints(8)), 0, [rand(1, 20, 3), rand(1, 20, 0)], "x has shape"),
    (row("STFT", FRAMES, ints(3), rand(8)), 2, [rand(21), rand(0)], "a frame has"),
    (row("STFT", FRAMES, ints(3), rand(8), ints(8)), 2, [rand(7), rand(9)], "the window has"),
    (row("HannWindow", scalar(9)), 0, [scalar(MAX), scalar(2**41)], "a range from"),
]
for at, bad in ((0, [MIN, -(2**43)]), (1, [MAX, 2**43]), (2, [0])):
    CASES += [(row("Range", scalar(1), scalar(9), scalar(2)), at, [scalar(v) for v in bad], "a range from")]
for dtype in ("float32", "float64"):
    good = row("Range", *(scalar(v, dtype) for v in (1, 9, 2)))
    CASES += [(good, at, [scalar(v, dtype) for v in (np.nan, np.inf, -np.inf)], "a range from") for at in range(3)]
    CASES += [(good, 2, [scalar(v, dtype) for v in (0, -0.0, 1e-30)], "a range from")]
CASES += [(row("Range", *(scalar(v, "int32") for v in (1, 9, 2))), 2, [scalar(0, "int32")], "a range from")]
# sizes that are negative, or whose product is more than there is
LARGE = [ints(2**32, 2**32), ints(2**62, 4), ints(MAX, MAX), ints(2**40, 2), ints(1, MIN)]
CASES += [
    (row("ConstantOfShape", ints(2, 3), dynamic=False), 0, [*LARGE, ints(-1, 3)], "too large|cannot be negative"),
    (row("Expand", rand(1, 1), ints(2, 3), dynamic=False), 1, [*LARGE, ints(-1, 3)], "too large|cannot be negative"),
    (row("Reshape", X, ints(6, 3), dynamic=False), 1, [*LARGE, ints(-1, -1), ints(-2, -9), ints(0, 7)], "x|shape"),
    (row("Pad", X, ints(0, 1, 0, 1)), 1, [ints(0, MAX, 0, 1), ints(MIN, 0, 0, 0), ints(0, 2**40, 0, 2**40),
                                          ints(0, -4, 0, -3)], "pad|too large"),
    (row("Resize", rand(1, 1, 2, 3), None, None, ints(1, 1, 4, 6)), 3,
     [ints(1, 1, -4, 6), ints(1, 1, 2**32, 2**32), ints(1, 1, MAX, MAX)], "size|large"),
    (row("OneHot", ints(0, 1), ints(3), np.array([0, 1], np.float32)), 1, [ints(-1), ints(MIN), ints(2**50)],
     "a range from 0 to -?[0-9]+ by [01] is not possible"),
]
# lengths of sequences
WEIGHTS = {"LSTM": 4, "GRU": 3, "RNN": 1}
for op, gates in WEIGHTS.items():
    layer = row(op, rand(3, 2, 4), Const(rand(1, gates * 5, 4)), Const(rand(1, gates * 5, 5)), None,
                np.array([3, 1], np.int32), outputs=1, hidden_size=5)
    CASES += [(layer, 4, [np.array(v, np.int32) for v in ([4, 1], [3, -1], [-(2**31), 2**31 - 1])], "lengths")]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0].title()}-x{c[1]}")
@pytest.mark.parametrize("symbolic", [False, True], ids=["fixed", "open"])
@pytest.mark.parametrize("threads", [1, 3])
def test_bad_value(case: tuple[Row, int, list[np.ndarray], str], symbolic: bool, threads: int) -> None:
    r, at, values, text = case
    want = reference(r)
    symbolic = symbolic and r.dynamic
    with lite_runtime.Session(lite_runtime.convert(model(r, symbolic, want), verify=False), threads=threads) as session:
        first = session.run(r.feeds())
        for k, y in enumerate(want):
            compare(first[f"y{k}"], y, None)
        for bad in values:
            if not symbolic and bad.shape != r.inputs[at].shape:
                continue
            with pytest.raises(lite_runtime.Error, match=rf"'node(#\d+)?'.*(?:{text})"):
                session.run({**r.feeds(), f"x{at}": bad})
            again = session.run(r.feeds())
            assert {k: v.tobytes() for k, v in again.items()} == {k: v.tobytes() for k, v in first.items()}


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint64", "float32"])
def test_one_hot_of_any_index(dtype: str) -> None:
    """An index outside of [-depth, depth) is nowhere; only signed ones count from the end."""
    edges = {"int64": [MIN, MIN + 2, MAX], "int32": [-(2**31), 2**31 - 1], "uint64": [2**64 - 1, 2**63, 2**63 - 1],
             "float32": [1e30, -1e30, np.inf, -np.inf]}[dtype]
    small = [0, 1, 2, 3, 4] if dtype == "uint64" else [0, 1, 2, 3, 4, -1, -3, -4]
    index = np.array([*small, *edges], dtype)
    want = np.zeros((len(index), 3), np.float32)
    for i, v in enumerate(int(v) if np.isfinite(v) else 99 for v in index):
        if -3 <= v < 3:
            want[i, v] = 1
    r = row("OneHot", index, ints(3), np.array([0, 1], np.float32))
    data = lite_runtime.convert(model(r, True, [want]), verify=False)
    with lite_runtime.Session(data, threads=2) as session:
        np.testing.assert_array_equal(session.run(r.feeds())["y0"], want)


@pytest.mark.parametrize(("r", "text"), [
    (row("CumSum", X, [0, 1]), "2 axes are given, one is needed"),
    (row("CumSum", X, []), "0 axes are given, one is needed"),
    (row("CumSum", X, [2]), "axis 2 is out of range"),
    (row("TopK", X, [-1], outputs=2), "k is -1, but must not be negative"),
    (row("TopK", X, [1, 2], outputs=2), "k has 2 elements"),
    (row("Tile", X, [1, -1]), r"repeats\[1\] is -1"),
    (row("BitCast", X, to=onnx.TensorProto.BOOL, opset=26), "elements must be of one size"),
    (row("BitCast", X, to=onnx.TensorProto.DOUBLE, opset=26), "elements must be of one size"),
    (row("Einsum", rand(3, 4), equation="ii->i"), "twice with sizes 3 and 4"),
    (row("OneHot", ints(1), [3], np.zeros(3, np.float32)), "two are needed"),
    (row("Trilu", rand(3)), "matrices are needed"),
    (row("DFT", C, [0], opset=20), "the length of a transform is 0"),
    (row("DFT", C, [2**23], opset=20), "1 to 4194304 are supported"),
    (row("DFT", C, None, [2], opset=20), "the last one holds real and imaginary parts"),
    (row("DFT", C, None, [3], opset=20), "axis 3 is out of range"),
    (row("DFT", C, axis=-1), "the last one holds real and imaginary parts"),
    (row("DFT", C, onesided=1), r"the last dim of x is 2, but must be 1 \(real\)"),
    (row("STFT", FRAMES, [0], None, [8]), "the step is 0"),
    (row("STFT", FRAMES, [1], None, [21]), "pad the signal or take shorter frames"),
    (row("STFT", FRAMES, [1], rand(8), [7]), "the window has 8 samples"),
    (row("STFT", FRAMES, [1], rand(8).astype(np.float64)), "both must be f32"),
    (row("MelWeightMatrix", [40], [512], [0], LOW, LOW), "at 0 samples a second"),
    (row("MelWeightMatrix", [40], [512], [9000], LOW, Const(np.array(4501, np.float32))), "the edges 20 and 4501 Hz"),
], ids=lambda v: v.title() if isinstance(v, Row) else "")
def test_bad_constant(r: Row, text: str) -> None:
    """Told at conversion, in a sentence that names the operator and the node."""
    with pytest.raises(UnsupportedError, match=rf"{r.op} 'node': .*(?:{text})"):
        lite_runtime.convert(model(r, symbolic=False), verify=False)
