"""Convolutions and pools of volumes, other pools, pools with indices, LRN."""

import itertools

import numpy as np
from op_frame import Const, rand, row


def conv(x, c_out, kernel, op="Conv", group=1, bias=True, **attrs):
    shape = (c_out, x[1] // group, *kernel) if op == "Conv" else (x[1], c_out // group, *kernel)
    return row(
        op,
        rand(*x),
        Const(rand(*shape, low=-1, high=1)),
        *([Const(rand(c_out))] if bias else []),
        group=group,
        rtol=1e-4,
        **attrs,
    )


ROWS = [
    conv((1, 3, 5, 6, 7), 4, (3, 3, 3)),
    conv((2, 3, 5, 6, 7), 4, (1, 1, 1), bias=False),
    conv((1, 3, 6, 6, 6), 4, (3, 2, 3), pads=[1, 0, 1, 1, 1, 1], strides=[2, 1, 2]),
    conv((1, 4, 7, 6, 5), 4, (2, 3, 3), group=4, dilations=[2, 1, 1], pads=[1, 1, 1, 0, 1, 1]),
    conv((1, 4, 7, 6, 5), 6, (3, 3, 3), group=2, auto_pad="SAME_UPPER"),
    conv((1, 2, 7, 6, 5), 3, (3, 3, 3), auto_pad="SAME_LOWER", strides=[2, 2, 2], dynamic=False),
    conv((1, 2, 4, 4, 4), 3, (2, 2, 2), auto_pad="VALID"),
    row("Conv", rand(1, 2, 4, 5, 5), rand(3, 2, 2, 3, 3), dynamic=False, rtol=1e-4),
    conv((1, 3, 3, 4, 5), 2, (3, 3, 3), "ConvTranspose", dynamic=False),
    conv((2, 4, 3, 3, 3), 6, (2, 3, 2), "ConvTranspose", group=2, strides=[2, 1, 3], dynamic=False),
    conv(
        (1, 2, 3, 4, 5),
        3,
        (3, 3, 3),
        "ConvTranspose",
        strides=[2, 2, 2],
        pads=[1, 1, 1, 1, 1, 1],
        output_padding=[1, 1, 1],
        dynamic=False,
    ),
]
BOX = {"kernel_shape": [3, 2, 3]}
for op in ("MaxPool", "AveragePool"):
    ROWS += [
        row(op, rand(1, 2, 6, 7, 8), **BOX),
        row(op, rand(2, 2, 6, 7, 8), strides=[2, 1, 2], pads=[1, 0, 1, 1, 1, 0], **BOX),
        row(op, rand(1, 2, 6, 7, 8), strides=[2, 2, 2], ceil_mode=1, **BOX),
        row(op, rand(1, 2, 6, 7, 8), auto_pad="SAME_UPPER", strides=[2, 2, 2], **BOX),
    ]
ROWS += [
    row("AveragePool", rand(1, 2, 6, 7, 8), pads=[1, 1, 1, 1, 1, 1], count_include_pad=1, **BOX),
    row("AveragePool", rand(1, 2, 6, 7, 8), dilations=[2, 1, 2], opset=19, **BOX),
    row("MaxPool", rand(1, 2, 6, 7, 8), dilations=[2, 1, 2], **BOX),
]
for op in ("GlobalAveragePool", "GlobalMaxPool"):
    ROWS += [row(op, rand(2, 3, 4, 5, 6)), row(op, rand(2, 3, 4))]
# sums of powers
for p, opset in itertools.product((1, 2, 3), (11, 18)):
    ROWS += [row("LpPool", rand(1, 2, 7, 8), kernel_shape=[3, 2], strides=[2, 1], p=p, opset=opset, rtol=1e-5)]
ROWS += [
    row("LpPool", rand(1, 2, 9), kernel_shape=[3], pads=[1, 1]),
    row("LpPool", rand(1, 2, 5, 6, 7), kernel_shape=[2, 2, 2], opset=18),
    row("LpPool", rand(1, 2, 7, 8), kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, opset=18),
    row("LpPool", rand(1, 2, 7, 8), kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
    row("GlobalLpPool", rand(2, 3, 4, 5)),
    row("GlobalLpPool", rand(2, 3, 4, 5), p=1),
]
# indices of the largest, and back
for order in (0, 1):
    ROWS += [
        row(
            "MaxPool",
            rand(2, 3, 7, 8),
            kernel_shape=[3, 2],
            strides=[2, 2],
            pads=[1, 0, 1, 1],
            storage_order=order,
            outputs=2,
        ),
        row(
            "MaxPool",
            rand(1, 2, 7, 8),
            kernel_shape=[2, 2],
            ceil_mode=1,
            strides=[2, 3],
            storage_order=order,
            outputs=2,
        ),
    ]
ROWS += [
    row("MaxPool", rand(1, 3, 9), kernel_shape=[3], strides=[2], outputs=2),
    row("MaxPool", rand(1, 70, 6, 6, dtype="int64", low=0, high=3).astype(np.float32), kernel_shape=[3, 3], outputs=2),
    row("MaxPool", rand(1, 3, 6, 6, dtype="uint8", low=0, high=5), kernel_shape=[2, 2], outputs=2),
    row(
        "MaxUnpool",
        rand(1, 1, 2, 2),
        np.array([[[[5, 7], [13, 15]]]], np.int64),
        kernel_shape=[2, 2],
        strides=[2, 2],
    ),
    row(
        "MaxUnpool",
        rand(1, 1, 2, 2),
        np.array([[[[5, 7], [13, 15]]]], np.int64),
        [1, 1, 5, 5],
        kernel_shape=[2, 2],
        strides=[2, 2],
        evaluator=True,
    ),
]
ROWS += [
    row("LRN", rand(2, 7, 4, 5), size=3),
    row("LRN", rand(2, 7, 4, 5), size=5, alpha=0.5, beta=0.6, bias=2.0),
]
# matrices in other types
ROWS += [
    row("MatMul", rand(2, 3, 4, dtype=d, low=-9, high=9), rand(4, 5, dtype=d, low=-9, high=9))
    for d in ("float64", "int32", "int64", "uint32", "uint64")
] + [
    row("Gemm", rand(4, 3, dtype="float64"), rand(5, 4, dtype="float64"), rand(5, dtype="float64"), transA=1, transB=1),
    row("MatMul", rand(2, 1, 3, 4, dtype="float64"), rand(3, 4, 5, dtype="float64")),
    row("MatMul", rand(3, 0, dtype="float64"), rand(0, 5, dtype="float64")),
]
