"""Quantisation."""

import numpy as np
from op_frame import Const, rand, row


def f(v):
    return Const(np.array(v, np.float32))


ROWS = []
for d, z in (("uint8", 128), ("int8", -3)):
    ROWS += [
        row("QuantizeLinear", rand(3, 4, 5, low=-9, high=9), f(0.05), Const(np.array(z, d))),
        row("QuantizeLinear", rand(3, 4, 5, low=-9, high=9), f([0.1, 0.2, 0.3, 0.05]), Const(np.full(4, z, d)), axis=1),
        row(
            "DequantizeLinear",
            rand(3, 4, 5, dtype=d, low=-100, high=200 if d[0] == "u" else 100),
            f(0.05),
            Const(np.array(z, d)),
        ),
        row(
            "DequantizeLinear",
            rand(3, 4, dtype=d, low=-100, high=100),
            f([0.1, 0.2, 0.3, 0.05]),
            Const(np.full(4, z, d)),
            axis=-1,
        ),
    ]
ROWS += [
    row("QuantizeLinear", rand(3, 4), f(0.05)),
    row("DequantizeLinear", rand(3, 4, dtype="int32", low=-1000, high=1000), f(0.01)),
    row("DequantizeLinear", rand(3, 4, dtype="int8"), f(0.5)),
    row(
        "QuantizeLinear",
        np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9], np.float32),
        f(1),
        Const(np.array(0, np.int8)),
    ),
]
