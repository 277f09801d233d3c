"""Operators that move data or make shapes."""

import numpy as np
from onnx import helper
from op_frame import TENSOR, Const, rand, row

DTYPES = ["float32", "float16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"]
ROWS = []
# transpose
ROWS += [row("Transpose", rand(3, 4, dtype=d)) for d in DTYPES]
ROWS += [
    row("Transpose", rand(2, 3, 4), perm=list(p))
    for p in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
]
ROWS += [
    row("Transpose", rand(2, 3, 16, 17), perm=[0, 2, 3, 1]),
    row("Transpose", rand(2, 16, 17, 3), perm=[0, 3, 1, 2]),
    row("Transpose", rand(100, 90)),
    row("Transpose", rand()),
    row("Transpose", rand(5)),
    row("Transpose", rand(3, 0, 2)),
    row("Transpose", rand(2, 1, 3, 2, 1, 2, 2, 3), perm=[7, 0, 5, 2, 4, 1, 6, 3]),
    row("Transpose", rand(1, 5, 1, 7), perm=[2, 3, 0, 1]),
]
# reshape and friends
ROWS += [row("Reshape", rand(2, 3, 4, dtype=d), [4, -1]) for d in DTYPES]
ROWS += [
    row("Reshape", rand(2, 3, 4), [0, -1]),
    row("Reshape", rand(2, 3, 4), [0, 0, 2, 2], dynamic=False),
    row("Reshape", rand(2, 3, 4), [24]),
    row("Reshape", rand(1, 1), []),
    row("Reshape", rand(), [1, 1]),
    row("Reshape", rand(0, 3), [3, 0], allowzero=1),
    row("Reshape", rand(2, 3, 4), np.array([6, 4]), dynamic=False),
    row("Reshape", rand(2, 2, 2, 2, 2, 2, 2, 2), [16, 16]),
]
ROWS += [row("Flatten", rand(2, 3, 4, 5), axis=a) for a in (0, 1, 2, 4, -1, -3)] + [row("Flatten", rand(5))]
ROWS += [
    row("Squeeze", rand(1, 3, 1, 4), [0]),
    row("Squeeze", rand(1, 3, 1, 4), [0, -2]),
    row("Squeeze", rand(1, 3, 1, 4), dynamic=False),
    row("Squeeze", rand(1, 3, 1), opset=11, axes=[0]),
    row("Unsqueeze", rand(3, 4), [0]),
    row("Unsqueeze", rand(3, 4), [-1, 1]),
    row("Unsqueeze", rand(3, 4), opset=11, axes=[0, 3]),
    row("Unsqueeze", rand(), [0]),
]
ROWS += [row("Identity", rand(3, 4, dtype=d)) for d in ("float32", "bool")] + [row("Dropout", rand(3, 4))]
ROWS += [
    row("Shape", rand(2, 3, 4)),
    row("Shape", rand(2, 3, 4), opset=15, start=1),
    row("Shape", rand(2, 3, 4), opset=15, start=-2, end=-1),
    row("Shape", rand(), opset=15),
    row("Size", rand(2, 3, 4)),
]
ROWS += [row("Expand", rand(3, 1, dtype=d), [2, 3, 4]) for d in DTYPES]
ROWS += [row("Expand", rand(3, 4), [1, 1]), row("Expand", rand(), [2, 2]), row("Expand", rand(1, 4), [0, 4])]
ROWS += [
    row("ConstantOfShape", [2, 3]),
    row("ConstantOfShape", [4]),
    row("Tile", rand(2, 3), [2, 2], dynamic=False),
    row("DepthToSpace", rand(1, 8, 3, 4), blocksize=2),
    row("DepthToSpace", rand(1, 8, 3, 4), blocksize=2, mode="CRD"),
    row("SpaceToDepth", rand(1, 2, 4, 6), blocksize=2),
]
# concat and split
ROWS += [row("Concat", rand(2, 3, dtype=d), rand(2, 4, dtype=d), axis=1) for d in DTYPES]
ROWS += [
    row("Concat", rand(2, 3), rand(1, 3), rand(4, 3), axis=0),
    row("Concat", rand(2, 3, 4), rand(2, 3, 1), axis=-1),
    row("Concat", rand(2, 3), axis=0),
    row("Concat", rand(2, 0), rand(2, 3), axis=1),
    row("Concat", rand(2), Const(rand(3)), axis=0),
    row("Concat", rand(2, 3, 4, 5), rand(2, 7, 4, 5), axis=1),
    row("Concat", rand(3, 4), rand(3, 4), axis=-2),
]
ROWS += [row("Split", rand(6, 4, dtype=d), outputs=2, axis=0) for d in DTYPES]
ROWS += [
    row("Split", rand(6, 5), [1, 4], outputs=2, axis=1),
    row("Split", rand(6, 5), [2, 1, 3], outputs=3, axis=-2),
    row("Split", rand(7, 5), outputs=3, opset=18, num_outputs=3, axis=0),
    row("Split", rand(6, 5), outputs=2, opset=11, axis=0, split=[2, 4]),
    row("Split", rand(6, 5), [0, 6], outputs=2, axis=0),
    row("Split", rand(2, 8, 3, 3), outputs=4, axis=1),
]
# slice
ROWS += [row("Slice", rand(5, 6, dtype=d), [1], [4], [1]) for d in DTYPES]
ROWS += [
    row("Slice", rand(5, 6, 7), [1, 2], [4, 100]),
    row("Slice", rand(5, 6, 7), [-3], [-1], [-1]),
    row("Slice", rand(9, 6), [0], [9], [0], [2]),
    row("Slice", rand(9, 6), [8], [-100], [0], [-1]),
    row("Slice", rand(9, 6), [7, 4], [1, 0], [0, 1], [-3, -2]),
    row("Slice", rand(9, 6), [20], [30], [0]),
    row("Slice", rand(9, 6), [3], [1], [0]),
    row("Slice", rand(9), [-100], [2**62]),
    row("Slice", rand(9, 6), [1, 1], [3, 3], [1, 0]),
    row("Slice", rand(9, 6), np.array([1]), np.array([7]), [0], [2]),
    row("Slice", rand(9, 6), opset=9, starts=[1, 2], ends=[5, -1]),
    row("Slice", rand(9, 6), opset=9, starts=[1], ends=[5], axes=[-1]),
    row("Slice", rand(2, 2, 2, 2, 2, 2, 2, 4), [1], [2**31 - 1], [7], [2]),
    row("Slice", rand(9, 6), [0], [9], [0], [2**40]),
]
# gather
ROWS += [row("Gather", rand(5, 6, dtype=d), np.array([0, 4, -1, -5], np.int64)) for d in DTYPES]
ROWS += [
    row("Gather", rand(5, 6), np.array([[0, 2], [1, 1]], np.int32), axis=1),
    row("Gather", rand(5, 6), np.array(3, np.int64)),
    row("Gather", rand(5, 6, 2), np.array([1, 0], np.int64), axis=-1),
    row("Gather", rand(5), 2),
    row("Gather", rand(5, 6), [1, 3], axis=0),
    row("Gather", Const(rand(50, 8)), rand(2, 7, dtype="int64", low=-50, high=49)),
    row("Gather", rand(5, 6), np.zeros((0,), np.int64)),
    row("Gather", rand(2, 2, 2, 2, 2, 2, 2, 2), np.array([1, 0, 1], np.int64), axis=4),
]
# pad
ROWS += [row("Pad", rand(3, 4, dtype=d), [1, 0, 2, 3]) for d in ("float32", "float16", "float64", "int32", "int64")]
ROWS += [
    row("Pad", rand(3, 4), [1, 2, 0, 1], Const(np.array(7.5, np.float32))),
    row("Pad", rand(3, 4), [-1, 1, 0, -2]),
    row("Pad", rand(5, 6), [2, 1, 1, 3], mode="reflect"),
    row("Pad", rand(5, 6), [2, 1, 1, 3], mode="edge"),
    row("Pad", rand(5, 6), [2, 1, 1, 3], mode="wrap", opset=19),
    row("Pad", rand(3, 4), opset=10, pads=[1, 0, 2, 3], value=1.5),
    row("Pad", rand(3, 4, 5), [1, 2], Const(np.array(1, np.float32)), [1], opset=18),
    row("Pad", rand(3, 4, 5), [1, 2], None, [-1], opset=18),
    row("Pad", rand(1, 3, 8, 8), [0, 0, 1, 2, 0, 0, 3, 0], mode="reflect"),
    row("Pad", rand(0, 4), [1, 0, 1, 0]),
    row("Pad", rand(3, 4), np.array([1, 0, 2, 3])),
]
ROWS += [row("ConstantOfShape", [2, 2], value=helper.make_tensor("v", TENSOR.INT32, [1], [7]))]
