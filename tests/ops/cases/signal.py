"""Fourier transforms and what stands around them."""

import numpy as np
from op_frame import Const, rand, row

ROWS = []


def one(x, dtype="int64"):
    """A value of the run."""
    return np.array(x, dtype)


def scalar(x, dtype="int64"):
    return Const(np.array(x, dtype))


def window(n, dtype="float32"):
    return rand(n, dtype=dtype, low=0, high=1)


# DFT: passes of each radix, a prime with a pass of its own, others; one signal, a few, more than a block of lanes
for n in (1, 2, 3, 4, 5, 7, 8, 12, 30, 62, 121, 37, 74, 134, 1021):
    ROWS += [row("DFT", rand(b, n, c), opset=17, rtol=2e-6, evaluator=True) for b, c in ((1, 2), (3, 1), (37, 2))]
    ROWS += [row("DFT", rand(2, n, 1), opset=17, onesided=1, rtol=2e-6, evaluator=True)]
    if n > 1:  # onnxruntime and ONNX's evaluator have an even length without the input
        ROWS += [row("DFT", rand(2, n // 2 + 1, 2), scalar(n), opset=20, onesided=1, inverse=1, evaluator=True)]
for opset in (17, 20):
    ROWS += [row("DFT", rand(2, 10, 2), opset=opset, inverse=1), row("DFT", rand(2, 10, 1), opset=opset, inverse=1)]
    ROWS += [row("DFT", rand(2, 9, 1), scalar(n, "int32"), opset=opset) for n in (4, 9, 16)]
    ROWS += [row("DFT", rand(2, 9, 2), one(n), opset=opset, evaluator=True) for n in (5, 12)]
    ROWS += [row("DFT", rand(2, 9, 1), one([n]), opset=opset, onesided=1, dynamic=False) for n in (7, 12)]
    ROWS += [row("DFT", rand(2, 6, 2), opset=opset, onesided=1, inverse=1, evaluator=True)]
    ROWS += [row("DFT", rand(2, 6, 2), one(n), opset=opset, onesided=1, inverse=1, evaluator=True) for n in (9, 10, 14)]
    ROWS += [row("DFT", rand(3, 20, c, dtype="float64"), opset=opset, rtol=1e-13, evaluator=True) for c in (1, 2)]
    ROWS += [row("DFT", rand(3, 37, 1, dtype="float64"), opset=opset, onesided=1, rtol=1e-13, evaluator=True)]
    ROWS += [row("DFT", rand(3, 12, 1, dtype="float16", low=-1, high=1), opset=opset, evaluator=True)]
ROWS += [row("DFT", rand(4, 5, 6, 20, c), opset=17, axis=a, evaluator=True) for a in (0, 1, 2, -2) for c in (1, 2)]
ROWS += [row("DFT", rand(4, 5, 6, 1), None, scalar(a), opset=20, onesided=1, evaluator=True) for a in (0, 1, -2, -3)]
ROWS += [
    row("DFT", rand(4, 5, 6, 2), scalar(7), scalar(a), opset=20, onesided=1, inverse=1, evaluator=True)
    for a in (0, 1, -2)
]
ROWS += [
    row("DFT", rand(8, 2), opset=20, evaluator=True),
    row("DFT", rand(0, 8, 2), opset=20, evaluator=True),
    row("DFT", rand(1, 70000, 1), opset=20, onesided=1, evaluator=True, rtol=3e-6),
    row("DFT", rand(1, 8209, 2), opset=20, evaluator=True, rtol=3e-6),
    row("DFT", rand(300, 16, 1), opset=20, onesided=1, evaluator=True),
]
ROWS += [row("DFT", rand(4, 5, 6, 1), None, one(a), opset=20, evaluator=True) for a in (0, -2, -4)]
ROWS += [row("DFT", rand(4, 5, 6, 2), one(8), one(1), opset=20, onesided=1, inverse=1, evaluator=True)]
# STFT: windows or none, complex signals, one frame, frames in all positions of a block
for onesided in (0, 1):
    for c in (1, 2):
        ROWS += [
            row("STFT", rand(2, 60, c), scalar(7), Const(window(16)), onesided=onesided),
            row("STFT", rand(2, 60, c), one(9), window(15), scalar(15), onesided=onesided),
            row("STFT", rand(1, 61, c), scalar(4, "int32"), None, scalar(22, "int32"), onesided=onesided),
            row("STFT", rand(1, 40, c, dtype="float64"), scalar(8), window(16, "float64"), onesided=onesided),
        ]
ROWS += [
    row("STFT", rand(1, 4000), scalar(16), Const(window(40)), onesided=1),
    # onnxruntime's error is 4e-5 here
    row("STFT", rand(1, 4000, 1), scalar(160), Const(window(400)), evaluator=True, rtol=2e-6),
    row("STFT", rand(1, 4000, 1), one(160), window(400), one(400), evaluator=True, rtol=2e-6),
    row("STFT", rand(3, 512, 1), scalar(512), Const(window(512))),
    row("STFT", rand(1, 200, 1), scalar(1), Const(window(37))),
    row("STFT", rand(1, 300, 1), scalar(100), None, scalar(74)),
    row("STFT", rand(2, 16, 1), scalar(3), evaluator=True),
    row("STFT", rand(2, 60, 1, dtype="float16", low=-1, high=1), scalar(7), window(16, "float16"), evaluator=True),
]
# windows
for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
    for periodic in (0, 1):
        ROWS += [row(op, size, periodic=periodic) for size in (scalar(10), scalar(400, "int32"), one(9), scalar(0))]
        # onnxruntime has the factors of f64 windows in f32
        ROWS += [row(op, scalar(33), periodic=periodic, output_datatype=d, evaluator=True) for d in (10, 11)]
    ROWS += [row(op, scalar(5000), rtol=3e-5), row(op, scalar(13), output_datatype=7)]


# MelWeightMatrix
def mel(bands, length, rate, low, high, edges="float32", **attrs):
    return row("MelWeightMatrix", *map(scalar, (bands, length, rate)), scalar(low, edges), scalar(high, edges), **attrs)


ROWS += [
    mel(8, 16, 8192, 0, 4096),
    mel(40, 400, 16000, 20, 7600),
    mel(80, 512, 16000, 0, 8000, "float64", output_datatype=11),
    mel(128, 512, 16000, 0, 8000),  # bands narrower than a bin
    mel(10, 65, 8000, 100, 4000, output_datatype=10, evaluator=True),
    mel(3, 16, 8000, 0, 4000, output_datatype=6),
    row("MelWeightMatrix", *(one(v) for v in (40, 400, 16000)), one(20, "float32"), one(7600, "float32")),
]
