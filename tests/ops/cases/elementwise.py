"""Elementwise operators: broadcasting, all dtypes, special values."""

import numpy as np
from op_frame import TENSOR, Const, rand, row

ALL = ["float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float32", "float64", "float16"]
SPECIAL = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-30, 3e38, -3e38, 0.5, -2.5], np.float32)


def pairs(op, dtypes, low=-3, high=3, **kw):
    return [
        row(op, rand(2, 3, 4, dtype=d, low=low, high=high), rand(3, 1, dtype=d, low=low, high=high), **kw)
        for d in dtypes
    ]


def nonzero(*shape, dtype):
    a = rand(*shape, dtype=dtype, low=1, high=9)
    return a if np.dtype(dtype).kind == "u" else np.where(rand(*shape) > 0, a, -a).astype(dtype)


ROWS = []
# arithmetic
for name in ("Add", "Sub", "Mul"):
    ROWS += pairs(name, ALL)
ROWS += [row("Div", rand(2, 3, 4, dtype=d, low=-90, high=90), nonzero(3, 1, dtype=d)) for d in ALL]
ROWS += [row("Mod", rand(2, 3, 4, dtype=d, low=-90, high=90), nonzero(3, 1, dtype=d)) for d in ALL if d[0] != "f"]
ROWS += [row("Mod", rand(2, 3, 4, dtype=d, low=-90, high=90), nonzero(3, 1, dtype=d), fmod=1) for d in ALL]
ROWS += [
    row("Pow", rand(2, 3, 4, dtype=d, low=0.1, high=3), rand(4, dtype=d), rtol=1e-2 if d == "float16" else 2e-5)
    for d in FLOATS
]
ROWS += [row("Pow", rand(5, 4, dtype=d), np.array([0, 1, 2, 3], d)) for d in ("int32", "int64")]
ROWS += [
    row("Pow", rand(5, 4), np.array([2], np.float32)),
    row("Pow", SPECIAL, Const(np.array(2, np.float32))),
    row("Pow", rand(5, low=0, high=4), Const(np.array(0.5, np.float32))),
]
for name in ("Min", "Max"):
    ROWS += pairs(name, ALL)
    ROWS += [
        row(name, rand(4), rand(3, 1), rand(1, 4)),
        row(name, rand(4)),
        row(name, SPECIAL[:, None], SPECIAL[None, :]),
    ]
ROWS += [
    row("Sum", rand(4), rand(3, 1), rand(1, 4)),
    row("Mean", rand(4), rand(3, 1), rand(2, 1, 4)),
    row("Sum", rand(7)),
]
ROWS += [row("Clip", rand(3, 5, dtype=d, low=-9, high=9), Const(np.array(1, d)), Const(np.array(4, d))) for d in ALL]
ROWS += [
    row("Clip", rand(3, 5), None, Const(np.array(1, np.float32))),
    row("Clip", rand(3, 5), Const(np.array(1, np.float32))),
    row("Clip", rand(3, 5)),
    row("Clip", rand(3, 5), opset=6 + 1, min=-1.0, max=1.0),
    row("Clip", SPECIAL, Const(np.array(-1, np.float32)), Const(np.array(1, np.float32))),
    row("Clip", rand(3, 5), rand(low=-1, high=0), rand(low=0, high=1)),
]
# comparison, logic, bits
for name in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"):
    ROWS += pairs(name, ["float32", "float64", "float16", "int32", "int64", "int8", "uint8"])
    ROWS += [row(name, SPECIAL[:, None], SPECIAL[None, :])]
ROWS += [row("Equal", rand(4, dtype="bool"), rand(3, 1, dtype="bool"))]
ROWS += [row(n, rand(8, dtype="bool"), rand(3, 1, dtype="bool")) for n in ("And", "Or", "Xor")]
ROWS += [row("Not", rand(8, dtype="bool"))]
INTS = [d for d in ALL if d[0] != "f"]
for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    ROWS += pairs(name, INTS, low=-100, high=100, opset=18)
ROWS += [row("BitwiseNot", rand(9, dtype=d, low=-100, high=100), opset=18) for d in INTS]
for direction in ("LEFT", "RIGHT"):
    ROWS += [
        row("BitShift", rand(3, 5, dtype=d, low=0, high=200), rand(5, dtype=d, low=0, high=7), direction=direction)
        for d in INTS
        if d[0] == "u"
    ]
ROWS += [
    row("IsNaN", SPECIAL),
    row("IsNaN", SPECIAL.astype(np.float64)),
    row("IsNaN", np.array([0, 1, np.nan, np.inf], np.float16), opset=13),
    row("IsInf", SPECIAL),
    row("IsInf", SPECIAL, detect_negative=0),
    row("IsInf", SPECIAL, detect_positive=0),
    row("IsInf", SPECIAL.astype(np.float64)),
]
ROWS += [row("Where", rand(3, 1, dtype="bool"), rand(2, 3, 4, dtype=d), rand(4, dtype=d)) for d in (*ALL, "bool")]
# one input
ROWS += [
    row(n, rand(5, 7, dtype=d, low=-90, high=90))
    for n in ("Neg", "Abs", "Sign")
    for d in ALL
    if n != "Neg" or d[0] != "u"
]
UNARY = {
    "Sqrt": (0, 9),
    "Reciprocal": (0.1, 5),
    "Exp": (-9, 9),
    "Log": (0.01, 9),
    "Floor": (-9, 9),
    "Ceil": (-9, 9),
    "Round": (-9, 9),
    "Sin": (-9, 9),
    "Cos": (-9, 9),
    "Tan": (-1.4, 1.4),
    "Asin": (-1, 1),
    "Acos": (-1, 1),
    "Atan": (-9, 9),
    "Sinh": (-5, 5),
    "Cosh": (-5, 5),
    "Asinh": (-9, 9),
    "Acosh": (1.01, 9),
    "Atanh": (-0.9, 0.9),
    "Erf": (-4, 4),
    "Relu": (-3, 3),
    "Sigmoid": (-9, 9),
    "Tanh": (-5, 5),
    "Softplus": (-9, 9),
    "Softsign": (-9, 9),
}
for name, (low, high) in UNARY.items():
    # onnxruntime computes erf of doubles in floats
    ROWS += [
        row(name, rand(3, 67, dtype=d, low=low, high=high), rtol=1e-7 if (name, d) == ("Erf", "float64") else None)
        for d in FLOATS
    ]
ROWS += [
    row(n, SPECIAL) for n in ("Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Erf", "Floor", "Round", "Abs", "Neg")
]
ROWS += [row("Round", np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997], np.float32))]
ROWS += [row("Relu", rand(9, dtype=d), opset=14) for d in ("int8", "int16", "int32", "int64")]
# activations with parameters
ROWS += [
    row("LeakyRelu", rand(3, 67)),
    row("LeakyRelu", rand(9), alpha=0.3),
    row("Elu", rand(3, 67)),
    row("Elu", rand(9), alpha=2.0),
    row("Selu", rand(3, 67)),
    row("Selu", rand(9), alpha=1.1, gamma=2.0),
    row("Celu", rand(3, 67), alpha=2.0),
    row("ThresholdedRelu", rand(3, 67), alpha=0.5),
    row("HardSigmoid", rand(3, 67)),
    row("HardSigmoid", rand(9), alpha=0.3, beta=0.4),
    row("HardSwish", rand(3, 67), opset=14),
    row("Mish", rand(3, 67), opset=18),
    row("Shrink", rand(3, 67), lambd=0.7, bias=0.2),
    row("Shrink", rand(9)),
    *(row("Shrink", rand(3, 4, dtype=d, low=-5, high=6), lambd=1.5, bias=0.5) for d in ("int8", "int64", "uint8")),
    row("Gelu", rand(3, 67), opset=20),
    row("Gelu", rand(3, 67), opset=20, approximate="tanh"),
    row("Swish", rand(3, 67), opset=24),
    row("Swish", rand(9), opset=24, alpha=0.5),
]
ROWS += [
    row("PRelu", rand(2, 3, 4, 5), Const(rand(3, 1, 1))),
    row("PRelu", rand(2, 3, 4, 5), rand(1)),
    row("PRelu", rand(2, 5), Const(rand(5))),
]
# conversion
ROWS += [
    row("Cast", rand(4, 5, dtype=a, low=0, high=100), to=getattr(TENSOR, b))
    for a in ("float32", "float16", "float64", "int32", "int64", "uint8", "bool")
    for b in (
        "FLOAT",
        "FLOAT16",
        "DOUBLE",
        "INT8",
        "UINT8",
        "INT16",
        "UINT16",
        "INT32",
        "UINT32",
        "INT64",
        "UINT64",
        "BOOL",
    )
]
ROWS += [row("Cast", rand(40, low=-100, high=100), to=TENSOR.INT32), row("Cast", rand(9), to=TENSOR.FLOAT)]
ROWS += [row("CastLike", rand(4, 5), rand(2, dtype="int32"))]
# shapes: rank 0 to 8, dims of 0, every kind of broadcasting
ROWS += [
    row("Add", rand(), rand()),
    row("Add", rand(), rand(2, 3)),
    row("Relu", rand()),
    row("Add", rand(0, 3), rand(3)),
    row("Add", rand(0), rand(1)),
    row("Relu", rand(2, 0, 3)),
    row("Add", rand(2, 1, 2, 1, 2, 1, 2, 3), rand(3, 1, 2, 1, 2, 1, 3)),
    row("Mul", rand(1, 1, 1, 1, 1, 1, 1, 1), rand(2, 1, 2, 1, 2, 1, 2, 1)),
    row("Add", rand(5, 1), rand(1, 7)),
    row("Add", rand(1), rand(4, 5, 6)),
    row("Add", rand(4, 5, 6), rand(5, 1)),
    row("Add", rand(3, 700), Const(rand(700))),
    row("Sub", Const(rand(2, 3)), rand(3)),
    row("Mul", rand(64, 130), rand(64, 130)),
    row("Add", rand(33, 1, 65), rand(1, 17, 65)),
]
