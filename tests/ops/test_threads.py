"""Results do not depend on the number of threads, bit for bit, on each instruction set level: operators at sizes that
no tile divides, large enough for every thread to get some of it."""
from __future__ import annotations

import cpu_levels
import pytest
from op_frame import Const, Row, compare, model, rand, reference, row

import lite_runtime

LEVELS = cpu_levels.levels(lite_runtime.cpu_features())


def weights(*shape: int) -> Const:
    return Const(rand(*shape, low=-0.3, high=0.3))


ROWS = {
    "conv 1x1": row("Conv", rand(1, 37, 31, 29), weights(53, 37, 1, 1), weights(53)),
    "conv 3x3": row("Conv", rand(1, 19, 41, 43), weights(67, 19, 3, 3), pads=[1, 1, 1, 1]),  # Winograd where it pays
    "conv 3x3, deep": row("Conv", rand(1, 131, 13, 11), weights(257, 131, 3, 3), pads=[1, 1, 1, 1]),
    "conv 5x5, stride 2": row("Conv", rand(3, 7, 57, 51), weights(23, 7, 5, 5), strides=[2, 2], pads=[2, 2, 2, 2]),
    "conv of groups": row("Conv", rand(1, 21, 33, 35), weights(27, 7, 3, 3), group=3),
    "first layer": row("Conv", rand(1, 3, 97, 93), weights(17, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]),
    "depthwise 3x3": row("Conv", rand(1, 75, 37, 39), weights(75, 1, 3, 3), group=75, pads=[1, 1, 1, 1]),
    "depthwise 5x5": row("Conv", rand(1, 45, 37, 39), weights(45, 1, 5, 5), group=45, strides=[2, 2], pads=[2] * 4),
    "transposed conv": row("ConvTranspose", rand(1, 13, 23, 21), weights(13, 19, 3, 3), strides=[2, 2]),
    "product with a weight": row("MatMul", rand(3, 71, 67), weights(67, 301)),
    "row and weight": row("MatMul", rand(1, 517), weights(517, 1003)),
    "product of inputs": row("MatMul", rand(5, 61, 67), rand(5, 67, 59)),
    "softmax": row("Softmax", rand(7, 113, 129), axis=-1),
    "softmax over channels": row("Softmax", rand(3, 37, 51, 17), axis=1),
    "layer norm": row("LayerNormalization", rand(129, 259), weights(259), weights(259), axis=-1),
    "mean": row("ReduceMean", rand(17, 53, 101), axes=[1], keepdims=0),
    "sum of all": row("ReduceSum", rand(57, 53, 101, low=0), keepdims=0),
    "average pool": row("AveragePool", rand(2, 21, 45, 47), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "max pool": row("MaxPool", rand(2, 21, 45, 47), kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "sum with broadcast": row("Add", rand(3, 51, 1, 129), rand(1, 51, 37, 1)),
    "erf": row("Erf", rand(7, 53, 211)),
    "spectra": row("DFT", rand(7, 53, 2), opset=20, evaluator=True),
    "spectra along an axis": row("DFT", rand(5, 75, 37, 1), opset=17, onesided=1, evaluator=True),
    "spectra of frames": row("STFT", rand(3, 3001, 1), 41, Const(rand(120)), evaluator=True),
    "transpose": row("Transpose", rand(7, 53, 111), perm=[2, 0, 1]),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("r", ROWS.values(), ids=ROWS)
def test_same_bits(r: Row, level: str) -> None:
    want = reference(r)
    data = lite_runtime.convert(model(r, False, want), verify=False)
    results = {}
    for threads in (1, 2, 3, 7):
        with lite_runtime.Session(data, threads=threads, cpu_mask=LEVELS[level]) as session:
            results[threads] = session.run(r.feeds())["y0"]
    compare(results[1], want[0], r.rtol)
    for threads, got in results.items():
        assert got.tobytes() == results[1].tobytes(), f"another result with {threads} threads"
