"""Convolutions and products of integers, requantised; dynamic and blocked quantisation."""

import itertools

import numpy as np
from op_frame import Const, rand, row


def ints(*shape, dtype="uint8"):
    low, high = (0, 255) if dtype == "uint8" else (-128, 127)
    return rand(*shape, dtype=dtype, low=low, high=high)


def z(v, dtype, const=True):
    a = np.array(v, dtype)
    return Const(a) if const else a


def f(v, const=True):
    a = np.array(v, np.float32)
    return Const(a) if const else a


ROWS = []
PAIRS = list(itertools.product(("uint8", "int8"), repeat=2))
for a, b in PAIRS:
    ROWS += [
        row("MatMulInteger", ints(3, 7, dtype=a), Const(ints(7, 5, dtype=b)), z(3, a), z(1, b), evaluator=True),
        row(
            "MatMulInteger",
            ints(2, 3, 7, dtype=a),
            ints(2, 7, 5, dtype=b),
            z(3, a, False),
            z(2, b, False),
            evaluator=True,
        ),
        row(
            "MatMulInteger",
            ints(3, 7, dtype=a),
            Const(ints(7, 5, dtype=b)),
            z(3, a, False),
            z([0, 1, 2, 3, 4], b),
            evaluator=True,
        ),
        row("MatMulInteger", ints(3, 7, dtype=a), ints(7, 5, dtype=b), evaluator=True),
        row(
            "QLinearMatMul",
            ints(3, 70, dtype=a),
            f(0.05),
            z(3, a),
            Const(ints(70, 5, dtype=b)),
            f(0.02),
            z(1, b),
            f(0.9),
            z(7, a),
            evaluator=True,
        ),
        row(
            "QLinearMatMul",
            ints(2, 3, 9, dtype=a),
            f(0.05, False),
            z(3, a, False),
            ints(2, 9, 5, dtype=b),
            f(0.02, False),
            z(1, b, False),
            f(0.1, False),
            z(7, a, False),
            evaluator=True,
        ),
    ]
W = (6, 3, 3, 3)
for x in ("uint8", "int8"):
    for const in (True, False):
        ROWS += [
            row(
                "ConvInteger",
                ints(1, 3, 8, 8, dtype=x),
                Const(ints(*W, dtype=x)),
                z(9, x, const),
                evaluator=True,
                pads=[1, 1, 1, 1],
                dynamic=const,
            ),
            row(
                "ConvInteger",
                ints(1, 3, 8, 8, dtype=x),
                Const(ints(*W, dtype=x)),
                z(9, x, const),
                z(4, x, const),
                evaluator=True,
                strides=[2, 2],
                dynamic=const,
            ),
        ]
ROWS += [
    row("ConvInteger", ints(1, 3, 8, 8), Const(ints(*W)), evaluator=True),
    row(
        "ConvInteger",
        ints(1, 3, 9),
        Const(ints(4, 3, 3)),
        z(7, "uint8", False),
        evaluator=True,
        pads=[1, 2],
        dynamic=False,
    ),
]


def qconv(x, w, dtype="uint8", w_dtype="int8", w_zero=0, per_channel=True, bias=True, **attrs):
    n = w[0]
    scales = rand(n, low=0.01, high=0.03) if per_channel else np.array(0.02, np.float32)
    zeros = np.full(scales.shape, w_zero, w_dtype)
    extra = [Const(rand(n, dtype="int32", low=-3000, high=3000))] if bias else []
    return row(
        "QLinearConv",
        ints(*x, dtype=dtype),
        f(0.04),
        z(5, dtype),
        Const(ints(*w, dtype=w_dtype)),
        Const(scales),
        Const(zeros),
        f(0.3),
        z(100 if dtype == "uint8" else 2, dtype),
        *extra,
        **attrs,
    )


ROWS += [
    qconv((1, 3, 8, 8), (6, 3, 3, 3), pads=[1, 1, 1, 1]),
    qconv((1, 3, 8, 8), (6, 3, 3, 3), bias=False, strides=[2, 2]),
    qconv((2, 16, 5, 5), (9, 16, 1, 1), per_channel=False),
    qconv((1, 8, 9, 9), (8, 1, 3, 3), group=8, pads=[1, 1, 1, 1]),
    qconv((1, 3, 8, 8), (6, 3, 3, 3), w_dtype="uint8", w_zero=120, per_channel=False, pads=[1, 1, 1, 1]),
    qconv((1, 3, 8, 8), (6, 3, 3, 3), dtype="int8", pads=[1, 1, 1, 1]),
    qconv((1, 4, 20), (5, 4, 3), dilations=[2]),
]
ROWS += [row("DynamicQuantizeLinear", rand(3, 40, low=a, high=b), outputs=3) for a, b in ((-3, 5), (1, 5), (-5, -1))]
ROWS += [
    row(
        "QuantizeLinear",
        rand(3, 7),
        Const(rand(3, 4, low=0.1, high=1)),
        Const(ints(3, 4)),
        opset=21,
        axis=1,
        block_size=2,
        evaluator=True,
        dynamic=False,
    ),
    row(
        "DequantizeLinear",
        ints(6, 5),
        Const(rand(2, 5, low=0.1, high=1)),
        Const(ints(2, 5)),
        opset=21,
        axis=0,
        block_size=3,
        evaluator=True,
        dynamic=False,
    ),
    row("QuantizeLinear", rand(3, 7), f(0.1, False), z(3, "uint8", False)),
    row("DequantizeLinear", ints(3, 7), f(0.1, False), z(3, "uint8", False)),
]
# ranges of equal values, zero points that differ within groups, scales of shape [1] that are computed
ROWS += [row("DynamicQuantizeLinear", np.full((3, 4), v, np.float32), outputs=3) for v in (0, 1, -2)]
ROWS += [row("DynamicQuantizeLinear", np.array(v, np.float32), outputs=3) for v in (0, -2.5)]
for dtype in ("uint8", "int8"):  # onnxruntime has no ConvInteger of i8
    ROWS += [
        row("ConvInteger", ints(1, 6, 7, 7, dtype=dtype), Const(ints(4, 3, 3, 3)), z(9, dtype), z(zero, "uint8", const),
            evaluator=True, group=2, pads=[1, 0, 1, 2])
        for zero, const in (([3, 90, 0, 255], True), (7, False))
    ]
    ROWS += [
        row("QLinearConv", ints(2, 8, 6, 6, dtype=dtype), f(0.04), z(5, dtype), Const(ints(8, 1, 3, 3)),
            Const(rand(8, low=0.01, high=0.03)), Const(np.arange(120, 128, dtype=np.uint8)), f(0.5), z(100, dtype),
            group=8, pads=[1, 1, 1, 1], evaluator=dtype == "int8"),
    ]
ROWS += [
    row("QuantizeLinear", rand(3, 7), f([0.1], False), z([3], "uint8", False), dynamic=False),
    row("DequantizeLinear", ints(3, 7), f([0.1], False), z([3], "uint8", False), dynamic=False),
    row("QuantizeLinear", rand(3, 7), f([0.1, 0.2, 0.3], False), z([3, 0, 9], "uint8", False), axis=0),
]
