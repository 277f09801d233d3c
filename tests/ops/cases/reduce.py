"""Reductions, softmax and normalisation."""

from op_frame import Const, rand, row

REDUCE = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
]
AXES = [[0], [1], [-1], [0, 2], [1, 2], [0, 1, 2], [-2, -1]]
ROWS = []
for op in REDUCE:
    for axes in AXES:
        x = rand(4, 3, 5, low=0.2, high=2)
        ROWS += [row(op, x, axes, opset=18), row(op, x, axes, opset=18, keepdims=0)]
    ROWS += [
        row(op, rand(4, 3, 5, low=0.2, high=2), opset=18),
        row(op, rand(4, 3, 5, low=0.2, high=2), keepdims=0, opset=18),
        row(op, rand(4, 3, low=0.2, high=2), [], opset=18, noop_with_empty_axes=1, dynamic=False),
        row(op, rand(6, dtype="float64", low=0.2, high=2), [0], opset=18),
        row(op, rand(70, 3, 300, low=0.9, high=1.1), [1], opset=18),
    ]
    ROWS += [row(op, rand(4, 3, 5, low=0.2, high=2), opset=11, axes=[1, -1])]
ROWS += [
    row(op, rand(4, 300, dtype="int32", low=-9, high=9), [1], opset=18)
    for op in ("ReduceSum", "ReduceMax", "ReduceMin")
]
ROWS += [
    row(op, rand(4, 9, dtype="int64", low=-3, high=3), [0], opset=18) for op in ("ReduceSum", "ReduceProd", "ReduceMax")
]
ROWS += [row("ReduceMax", rand(4, 9, dtype=d, low=-90, high=90), [0], opset=18) for d in ("int8", "uint8")]
ROWS += [
    row("ReduceMean", rand(2, 9, 9, dtype="float16"), [1, 2], opset=18),
    row("ReduceSum", rand(2, 9, dtype="float16"), [1], opset=13),
]
ROWS += [
    row("ReduceSum", rand(4, 100000, low=0, high=1), [1], opset=18),
    row("ReduceMean", rand(1, 8, 33, 35), [2, 3], opset=18),
    row("ReduceSum", rand(2, 0, 3), [1], opset=18),
    row("ReduceSum", rand(2, 2, 2, 2, 2, 2, 2, 2), [0, 3, 7], opset=18),
    row("ReduceSum", rand(3, 4), [0], opset=13),
    row("ReduceMean", rand(3, 4), axes=[0], opset=13),
]
# softmax
for op in ("Softmax", "LogSoftmax"):
    ROWS += [
        row(op, rand(3, 7, low=-20, high=20)),
        row(op, rand(2, 3, 4), axis=1),
        row(op, rand(2, 3, 4), axis=0),
        row(op, rand(2, 3, 4), axis=-2),
        row(op, rand(5, 1000)),
        row(op, rand(2, 3, 4, 5), axis=1, opset=11),
        row(op, rand(2, 3, 4), opset=11, axis=2),
        row(op, rand(3, 7, dtype="float64")),
        row(op, rand(3, 1)),
        row(op, rand(3, 7, dtype="float16")),
    ]
# normalisation
ROWS += [
    row("LayerNormalization", rand(2, 5, 16), Const(rand(16)), Const(rand(16))),
    row("LayerNormalization", rand(2, 5, 16), Const(rand(16))),
    row("LayerNormalization", rand(2, 5, 16), rand(16), rand(16), epsilon=1e-3),
    row("LayerNormalization", rand(2, 5, 16), Const(rand(5, 16)), Const(rand(5, 16)), axis=1),
    row("LayerNormalization", rand(2, 5, 16), Const(rand(2, 5, 16)), axis=0),
    row("LayerNormalization", rand(3, 300, low=100, high=101), Const(rand(300)), Const(rand(300)), rtol=1e-3),
    row("LayerNormalization", rand(2, 5, 16, dtype="float16"), Const(rand(16, dtype="float16")), rtol=5e-3),
    row("RMSNormalization", rand(2, 5, 16), Const(rand(16)), opset=23),
    row("RMSNormalization", rand(2, 5, 16), Const(rand(5, 16)), opset=23, axis=1, epsilon=1e-3),
]


def batch_norm(x, **attrs):
    c = x.shape[1]
    params = [Const(rand(c, low=a, high=b)) for a, b in ((0.5, 2), (-1, 1), (-1, 1), (0.5, 2))]
    return row("BatchNormalization", x, *params, **attrs)


ROWS += [
    batch_norm(rand(2, 5, 4, 4)),
    batch_norm(rand(2, 5, 4, 4), epsilon=1e-2),
    batch_norm(rand(2, 5, 9)),
    batch_norm(rand(2, 5)),
    batch_norm(rand(2, 5, 4, 4), opset=9),
    row("InstanceNormalization", rand(2, 5, 6, 7), Const(rand(5)), Const(rand(5)), rtol=1e-4),
    row("InstanceNormalization", rand(2, 5, 9), Const(rand(5)), Const(rand(5)), rtol=1e-4),
]
