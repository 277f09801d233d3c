"""Operators that find, sort and count elements, gather and scatter them; masks made of positions; Einsum."""

import numpy as np
from onnx import helper
from op_frame import Const, Row, rand, row

NUMBERS = ["float32", "float16", "float64", "int8", "uint8", "int16", "int32", "int64"]
NAN = np.array([[1, np.nan, 3], [-0.0, 0.0, -np.inf], [np.inf, 2, np.nan]], np.float32)
TIES = np.array([[3, 1, 3, 2, 1], [0, 0, 0, 0, 0], [5, 4, 5, 4, 5]], np.float32)


rng = np.random.default_rng(5)


def scalar(x, dtype="int64"):
    return Const(np.array(x, dtype))


ROWS = []
# ArgMax, ArgMin
for op in ("ArgMax", "ArgMin"):
    ROWS += [row(op, rand(3, 4, 5, dtype=d), axis=1, evaluator=d in ("float16", "int16", "int64")) for d in NUMBERS]
    ROWS += [row(op, rand(3, 4, 5), axis=a, keepdims=k) for a in (0, -1) for k in (0, 1)]
    ROWS += [
        row(op, TIES, axis=1),
        row(op, TIES, axis=1, select_last_index=1),
        row(op, TIES, axis=0, select_last_index=1, keepdims=0),
        row(op, rand(2, 3, 300), axis=1),
        row(op, rand(5, 1000), axis=1),
        row(op, rand(0, 3), axis=1),
        row(op, NAN, axis=1, evaluator=True),
        row(op, rand(4, 5), axis=0, opset=11),
        row(op, rand(2, 2, 2, 2, 2, 2, 2, 2), axis=5),
    ]
# CumSum, CumProd
for exclusive, reverse in ((0, 0), (1, 0), (0, 1), (1, 1)):
    x = {"exclusive": exclusive, "reverse": reverse}
    ROWS += [row("CumSum", rand(3, 4, 5), scalar(a), **x) for a in (0, 1, -1)]
    ROWS += [row("CumSum", rand(3, 300, dtype=d), scalar(0), **x) for d in ("float64", "int32", "int64")]
    ROWS += [row("CumProd", rand(3, 4), scalar(1), opset=26, **x)]
ROWS += [
    row("CumSum", rand(3, 4), np.array(1, np.int32)),
    row("CumSum", rand(3, 0), scalar(1)),
    row("CumSum", rand(7, dtype="float16"), scalar(0), evaluator=True, rtol=4e-3),
]
# TopK
ROWS += [row("TopK", rand(3, 9, dtype=d), [4], outputs=2, evaluator=d in ("float16", "int16")) for d in NUMBERS]
ROWS += [row("TopK", rand(3, 9, 4), [2], outputs=2, axis=a, largest=big) for a in (0, 1, -1) for big in (0, 1)] + [
    row("TopK", TIES, [3], outputs=2),
    row("TopK", TIES, [3], outputs=2, largest=0),
    row("TopK", rand(2, 3000), [50], outputs=2),
    row("TopK", rand(2, 300), [300], outputs=2),
    row("TopK", rand(5), [1], outputs=2, opset=10),
    row("TopK", rand(5), outputs=2, opset=9, k=2),
    row("TopK", rand(3, 6), np.array([2], np.int64), outputs=2),
    row("TopK", rand(3, 6), [0], outputs=2),
]
# NonZero, Compress, Unique
ROWS += [row("NonZero", rand(3, 4, dtype=d)) for d in ("float32", "int32", "int64", "uint8", "bool")]
ROWS += [
    row("NonZero", rand(300)),
    row("NonZero", np.zeros((3, 2), np.float32)),
    row("NonZero", rand(0, 4)),
    row("NonZero", np.array([0, -0.0, np.nan, 1], np.float32)),
]
MASK = np.array([True, False, True])
ROWS += [
    row("Compress", rand(3, 4), MASK, axis=0),
    row("Compress", rand(3, 4, dtype="int64"), MASK, axis=-1),
    row("Compress", rand(2, 3), np.array([False, True, True, False, True])),
    row("Compress", rand(3, 4), Const(MASK), axis=0),
    row("Compress", rand(3, 4), np.zeros(3, bool), axis=0),
]
SMALL = rand(40, dtype="int64", low=-3, high=3)
ROWS += [row("Unique", SMALL.astype(d), outputs=4, sorted=s) for d in ("float32", "int8", "int64") for s in (0, 1)]
ROWS += [
    row("Unique", rand(8, 2, dtype="int64", low=0, high=1).astype(np.float32), outputs=4, axis=a, sorted=s)
    for a in (0, 1, -2)
    for s in (0, 1)
] + [row("Unique", rand(3, 5, dtype="int64", low=0, high=3), outputs=4), row("Unique", rand(1), outputs=4)]
# masks of positions
for upper in (0, 1):
    ROWS += [row("Trilu", rand(2, 4, 5, dtype=d), upper=upper) for d in ("float32", "int64", "bool", "float64")]
    ROWS += [row("Trilu", rand(4, 5), scalar(k), upper=upper) for k in (-2, -1, 1, 3, 9)]
    ROWS += [
        row("Trilu", rand(4, 5), np.array(1, np.int64), upper=upper),
        row("Trilu", rand(3, 0, 5), scalar(1), upper=upper),
        row("Trilu", rand(70, 80), scalar(-3), upper=upper),
    ]
ROWS += [row("EyeLike", rand(4, 5), k=k) for k in (-1, 0, 2)]
ROWS += [row("EyeLike", rand(4, 4), dtype=d) for d in (1, 6, 7, 11)]
VALUES = np.array([2, 5], np.float32)
ROWS += [
    row("OneHot", np.array([[0, 2, -1], [5, -4, 3]], np.int64), scalar(4), Const(VALUES), axis=a) for a in (-1, 0, 1)
] + [
    row("OneHot", np.array([1, 0, 3], np.int64), Const(np.array([4], np.int64)), VALUES),
    row("OneHot", np.array([1, 0, 3], np.float32), scalar(5, "float32"), VALUES),
    row("OneHot", np.array(2, np.int64), np.array(4, np.int64), VALUES),
]
ROWS += [row("Hardmax", rand(2, 3, 4), axis=a) for a in (0, 1, -1)] + [
    row("Hardmax", TIES),
    row("Hardmax", rand(2, 3, 4), axis=1, opset=11),
]
for time, batch in ((0, 1), (1, 0)):
    lengths = np.array([1, 3, 2, 4] if time == 0 else [2, 1, 4, 3], np.int64)
    ROWS += [row("ReverseSequence", rand(4, 4, 3), lengths, time_axis=time, batch_axis=batch)]
ROWS += [
    row("Det", rand(3, 3)),
    row("Det", rand(2, 5, 4, 4)),
    row("Det", np.zeros((2, 2), np.float32)),
    row("Det", rand(0, 0)),
]
ROWS += [row("BitCast", rand(3, 4), to=6, opset=26), row("BitCast", rand(3, dtype="int16"), to=10, opset=26)]
ROWS += [
    row("Range", scalar(1, d), np.array(9, d), scalar(2, d)) for d in ("float32", "float64", "int16", "int32", "int64")
] + [
    row("Range", scalar(5), np.array(-7, np.int64), scalar(-3)),
    row("Range", scalar(5), np.array(5, np.int64), scalar(1)),
    row("Range", scalar(0.0, "float32"), np.array(1, np.float32), scalar(0.1, "float32")),
    row("Range", np.array(0, np.int64), np.array(50000, np.int64), np.array(1, np.int64)),
]
# gather and scatter
def transposed(names):
    """Elements of a transposed view."""
    return [helper.make_node("Transpose", names[:1], ["t"]),
            helper.make_node("GatherElements", ["t", names[1]], ["y0"], name="node", axis=1)]


ALL = [*NUMBERS, "bool"]
INDEX = np.array([[0, -1, 2, 1], [1, 0, -3, 2]], np.int64)
ROWS += [row("GatherElements", rand(3, 4, dtype=d), INDEX, axis=0) for d in ALL]
ROWS += [
    row("GatherElements", rand(2, 6), INDEX, axis=1),
    row("GatherElements", rand(2, 6), INDEX.astype(np.int32), axis=-1),
    row("GatherElements", rand(2, 3, 5), np.array([[[1], [-1]]], np.int64), axis=2),
    row("GatherElements", rand(2, 3), np.zeros((0, 3), np.int64), axis=0),
    row("GatherElements", rand(5, 7, 300), rng.integers(-5, 5, (4, 7, 299)), axis=0),  # more than one block
    row("GatherElements", rand(5, 7, 300), rng.integers(-300, 300, (5, 6, 301)), axis=2),
    Row("GatherElements", (rand(4, 3), INDEX[:, :3]), {}, nodes=transposed),
    row("Gather", rand(3, 40000), np.array([2, -3], np.int64), axis=0),  # rows of more than one piece
    row("GatherND", rand(3, 40000), np.array([[2], [-3]], np.int64), dynamic=False),
    row("ScatterND", rand(3, 40000), np.array([[2], [-3], [2]], np.int64), rand(3, 40000), opset=18, reduction="add",
        dynamic=False),
    row("GatherND", rand(3, 4, 5), np.array([[0, 1], [2, -1]], np.int64), dynamic=False),
    row("GatherND", rand(3, 4, 5), np.array([[[0, 1, 2]], [[-3, 3, 4]]], np.int64), dynamic=False),
    row("GatherND", rand(2, 3, 4), np.array([[1], [0]], np.int64), batch_dims=1, dynamic=False),
    row("GatherND", rand(2, 3, 4, dtype="int64"), np.array([[[1]], [[2]]], np.int64), batch_dims=1, dynamic=False),
    row("GatherND", rand(3, 4), np.zeros((0, 1), np.int64), dynamic=False),
]
UPDATE = rand(2, 4)
ROWS += [row("ScatterElements", rand(3, 4, dtype=d), INDEX, rand(2, 4, dtype=d), axis=0) for d in ALL]
ROWS += [
    row("ScatterElements", rand(3, 4, dtype=d), INDEX, rand(2, 4, dtype=d), axis=0, opset=18, reduction=kind)
    for d in ("float32", "float64", "int32", "int64", "uint8")
    for kind in ("add", "mul", "min", "max")
] + [
    row("ScatterElements", rand(2, 6), INDEX.astype(np.int32), UPDATE, axis=1),
    row("ScatterElements", rand(5), np.array([1, 1, -4], np.int64), rand(3), axis=0),
    row(
        "ScatterElements",
        rand(5, dtype="float16"),
        np.array([1, 1, 3], np.int64),
        rand(3, dtype="float16"),
        opset=18,
        reduction="add",
        evaluator=True,
        rtol=4e-3,
    ),
    row("Scatter", rand(3, 4), INDEX, UPDATE, axis=0, opset=9),
    row("ScatterElements", rand(3, 4), np.zeros((0, 4), np.int64), rand(0, 4), axis=0),
]
PLACES = np.array([[[1, 2], [0, -1]], [[2, 0], [1, 2]]], np.int64)
ROWS += [row("ScatterND", rand(3, 4, 2, dtype=d), PLACES, rand(2, 2, 2, dtype=d), dynamic=False) for d in ALL]
ROWS += [
    row("ScatterND", rand(3, 4, 2), PLACES, rand(2, 2, 2), opset=18, reduction=kind, dynamic=False)
    for kind in ("add", "mul", "min", "max")
] + [row("ScatterND", rand(5), np.array([[4], [-5]], np.int64), rand(2), dynamic=False)]
ROWS += [
    row("TensorScatter", rand(2, 3, 6, 4), rand(2, 3, 2, 4), np.array([1, 4], np.int64), opset=24),
    row("TensorScatter", rand(2, 6, 4), rand(2, 3, 4), np.array([5, 1], np.int64), opset=24, axis=1, mode="circular"),
    row("TensorScatter", rand(2, 6, 4), rand(2, 3, 4), opset=24, axis=-2),
]
# Einsum
ROWS += [
    row("Einsum", *(rand(*s) for s in shapes), equation=e, rtol=1e-5, dynamic="ii" not in e)
    for e, shapes in (
        ("ij,jk->ik", ((3, 4), (4, 5))),
        ("ij,jk", ((3, 4), (4, 5))),
        ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
        ("bhid,bhjd->bhij", ((2, 3, 4, 5), (2, 3, 6, 5))),
        ("...ij,...jk->...ik", ((2, 3, 4), (2, 4, 5))),
        ("ij->ji", ((3, 4),)),
        ("ij->", ((3, 4),)),
        ("ii->i", ((4, 4),)),
        ("ii", ((4, 4),)),
        ("bii->bi", ((2, 4, 4),)),
        ("i,j->ij", ((3,), (4,))),
        ("i,i", ((3,), (3,))),
        ("ij,ij->ij", ((3, 4), (3, 4))),
        ("ijk,jil->kl", ((2, 3, 4), (3, 2, 5))),
        ("ab,bc,cd->ad", ((2, 3), (3, 4), (4, 5))),
        ("bhwc,hkc->bhwk", ((2, 3, 4, 5), (3, 4, 5))),
        ("ij,kj->ik", ((3, 4), (2, 4))),
    )
] + [row("Einsum", rand(3, 4, dtype="float64"), rand(4, 5, dtype="float64"), equation="ij,jk->ik")]
