"""onnxruntime's operators on quantised tensors: one step off in at most a thousandth of the elements. Scales are such
as calibration finds: of round ones, many results are half-way between integers, and the last bit of an FMA decides."""

from dataclasses import replace
from functools import partial

import numpy as np
from op_frame import Const, rand
from op_frame import row as any_row

row = partial(any_row, domain="com.microsoft", off=1e-3)
real = partial(any_row, domain="com.microsoft")
BYTES = {"uint8": (0, 255), "int8": (-128, 127)}


def f(v):
    return Const(np.array(v, np.float32))


def z(v, dtype):
    return Const(np.array(v, dtype))


def given(scale, zero, dtype):
    """Scale and zero point as inputs of the model."""
    return np.array(scale, np.float32), np.array(zero, dtype)


def q(dtype, *shape):
    return rand(*shape, dtype=dtype, low=BYTES[dtype][0], high=BYTES[dtype][1])


def softmax(opset, *inputs, **attrs):
    """The attribute `opset` is not the model's."""
    r = row("QLinearSoftmax", *inputs, **attrs)
    return replace(r, attrs={**r.attrs, "opset": opset})


def every(dtype):
    """Each number in each place of a row."""
    low, high = BYTES[dtype]
    return np.tile(np.arange(low, high + 1).astype(dtype), (4, 1))


SCALES = (0.050917, 0.031381, 0.090377, 0.041639, 0.030119, 0.101373, 0.019871, 0.061777, 1.491307)
SA, SB, SC, SD, SE, SF, SG, SH, SY = map(f, SCALES)
ROWS = []
for d, c in (("uint8", 100), ("int8", -7), ("uint16", 30000), ("int16", -5)):
    per_axis = f(rand(5, low=0.01, high=0.05)), z(np.full(5, c), d)
    values = rand(3, 5, 7, dtype=d, low=-100, high=120)
    ROWS += [
        real("QuantizeLinear", rand(3, 5, 7), SA, z(c, d)),
        real("QuantizeLinear", rand(3, 5, 7), *per_axis, axis=1),
        real("DequantizeLinear", values, SA, z(c, d)),
        real("DequantizeLinear", values, *per_axis, axis=-2),
    ]
for d, zs in (("uint8", (128, 3, 250)), ("int8", (0, -128, 17))):
    a, b, c = zs
    for op in ("QLinearAdd", "QLinearMul"):
        ROWS += [
            row(op, q(d, 40, 50), SA, z(a, d), q(d, 40, 50), SB, z(b, d), SC, z(c, d)),
            row(op, q(d, 2, 3, 8, 5), SA, z(a, d), q(d, 3, 1, 5), f(0.247319), z(a, d), f(0.483017), z(a, d)),
            row(op, q(d, 33), SA, z(a, d), q(d, 7, 1), SB, z(c, d), SC, z(b, d)),
            row(op, q(d, 40, 3), SA, z(a, d), Const(q(d, 3)), SB, z(b, d), SC),
            row(op, q(d, 40, 3), *given(0.050917, a, d), q(d, 3), *given(0.031381, b, d), *given(0.090377, c, d)),
        ]
    for op in ("QLinearSigmoid", "QLinearLeakyRelu"):
        ROWS += [row(op, every(d), f(s), z(a, d), f(t), z(c, d)) for s, t in ((0.050917, 1 / 256), (0.021311, 1 / 255))]
        ROWS += [
            row(op, q(d, 2, 3, 4), f(0.203117), z(b, d), SG, z(a, d)),
            row(op, every(d), *given(0.030119, a, d), *given(0.007193, b, d)),
        ]
    ROWS += [row("QLinearLeakyRelu", every(d), SA, z(a, d), SE, z(c, d), alpha=v) for v in (0.3, 0.0, -0.5)]
    ROWS += [
        row("QLinearConcat", SF, z(a, d), q(d, 2, 3, 4), SF, z(a, d), q(d, 2, 5, 4), SE, z(b, d), axis=1),
        row("QLinearConcat", SG, z(c, d), q(d, 2, 3), SF, z(a, d), q(d, 2, 3), SE, z(b, d), q(d, 2, 1),
            SG, z(c, d), axis=-1),
        row("QLinearConcat", SG, z(c, d), q(d, 7), SF, z(a, d), axis=0),
        row("QLinearConcat", SG, z(c, d), Const(q(d, 3, 2)), SF, z(a, d), q(d, 3, 2), f(0.071173), z(b, d), axis=0),
        row("QLinearWhere", rand(5, 9, dtype="bool"), q(d, 5, 9), SF, z(a, d), q(d, 5, 9), SE, z(b, d),
            SH, z(c, d)),
        row("QLinearWhere", rand(9, dtype="bool"), q(d, 5, 1), SF, z(a, d), q(d, 5, 9), SF, z(a, d), SF,
            z(a, d)),
        row("QLinearGlobalAveragePool", q(d, 2, 7, 9, 5), SA, z(a, d), SD, z(b, d)),
        row("QLinearGlobalAveragePool", q(d, 2, 30, 1, 3), SA, z(c, d), SE, z(a, d), channels_last=0),
        row("QLinearGlobalAveragePool", q(d, 2, 7, 5, 30), SA, z(a, d), SD, z(b, d), channels_last=1),
        row("QLinearGlobalAveragePool", q(d, 1, 3, 64, 64), SA, z(a, d), f(0.010391), z(b, d)),
        row("QLinearAveragePool", q(d, 2, 5, 12, 11), SA, z(a, d), SD, z(b, d), kernel_shape=[3, 2]),
        row("QLinearAveragePool", q(d, 1, 5, 12, 11), SA, z(a, d), SD, z(b, d), kernel_shape=[3, 3],
            strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
        row("QLinearAveragePool", q(d, 1, 5, 12, 11), SA, z(a, d), SD, z(b, d), kernel_shape=[3, 3],
            strides=[2, 2], pads=[0, 1, 1, 0], ceil_mode=1),
        row("QLinearAveragePool", q(d, 1, 12, 11, 8), SA, z(a, d), SD, z(b, d), kernel_shape=[2, 2],
            strides=[2, 1], auto_pad="SAME_UPPER", channels_last=1),
        row("QLinearAveragePool", q(d, 1, 5, 13), SA, z(a, d), SD, kernel_shape=[3]),
    ]
    low = BYTES[d][0]
    ROWS += [
        softmax(13, q(d, 40, 16), SA, z(a, d), f(1 / 256), z(low, d)),
        softmax(13, q(d, 4, 30, 50), SF, z(b, d), f(0.0051), z(low + 3, d), axis=1),
        softmax(12, q(d, 4, 30, 5), SE, z(b, d), f(1 / 256), z(low, d), axis=1),
    ]
    m, n = q(d, 17, 33), Const(q("int8", 33, 29))
    per = f(rand(29, low=0.01, high=0.02)), z(np.zeros(29), "int8")
    bias = Const(rand(29, dtype="int32", low=-3000, high=3000))
    ROWS += [
        row("QGemm", m, SA, z(a, d), n, SG, z(3, "int8"), bias, SY, z(c, d)),
        row("QGemm", m, SA, z(a, d), n, *per, bias, SY, z(b, d), alpha=0.37),
        row("QGemm", q(d, 33, 17), SA, z(a, d), Const(q("int8", 29, 33)), *per, None, SY, z(b, d), transA=1,
            transB=1),
        real("QGemm", m, SA, z(a, d), n, SG, z(3, "int8"), bias, alpha=0.7),
        real("QGemm", m, SA, z(a, d), n, *per),
    ]
    per = f(rand(29, low=0.01, high=0.02)), z(rand(29, dtype="int8", low=-9, high=9), "int8")
    floats = Const(rand(29))
    ROWS += [
        real("MatMulIntegerToFloat", q(d, 2, 17, 33), n, SA, SG, z(a, d), z(3, "int8"), floats),
        real("MatMulIntegerToFloat", q(d, 17, 33), n, SA, per[0], z(a, d), per[1], floats),
        real("MatMulIntegerToFloat", q(d, 17, 33), n, SA, per[0]),
    ]
    ROWS += [
        real("DynamicQuantizeMatMul", rand(2, 17, 33), Const(q(d, 33, 29)), SG, z(a, d), floats),
        real("DynamicQuantizeMatMul", rand(17, 33, low=0.5), Const(q(d, 33, 29)), f(rand(29, low=0.01, high=0.02))),
        real("DynamicQuantizeMatMul", rand(1, 33, high=-1), q(d, 33, 29), f([0.019871]), z([a], d)),
    ]
ROWS += [
    real("MatMulIntegerToFloat", q("uint8", 17, 33), Const(q("uint8", 33, 29)), f([0.050917]), f([0.019871]),
         z([3], "uint8"), z([140], "uint8")),
    real("DynamicQuantizeMatMul", rand(17, 33), Const(q("int8", 33, 29)), *per),
    real("DynamicQuantizeMatMul", np.zeros((3, 33), np.float32), Const(q("int8", 33, 29)), SG),
]
