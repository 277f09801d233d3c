"""Ranges of equal values, zero points that differ within groups, scales of shape [1] that are computed."""

import numpy as np
from op_frame import Const, rand, row

from .integers import f, ints, z

ROWS = [row("DynamicQuantizeLinear", np.full((3, 4), v, np.float32), outputs=3) for v in (0, 1, -2)]
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
