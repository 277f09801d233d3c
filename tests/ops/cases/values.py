"""For the operators of indices.py: NaN, sizes of more than one block, vectors where a scalar is meant."""
import numpy as np
from op_frame import rand, row

NAN, INF = np.nan, np.inf
HOLES = np.array([[1, NAN, 3, -INF, NAN, INF, -0.0, 0.0], [NAN] * 8], np.float32)


def one(x, dtype="int64"):
    """A value of the run, of shape [1]."""
    return np.array([x], dtype)


ROWS = []
# NaN is the largest number: first among the largest, last among the smallest
for big in (0, 1):
    ROWS += [
        row("TopK", HOLES.astype(d), [k], outputs=2, largest=big, evaluator=d == "float16")
        for d in ("float32", "float64", "float16")
        for k in (3, 8)
    ] + [row("TopK", HOLES.T.copy(), one(5), outputs=2, axis=0, largest=big)]
ROWS += [
    row("TopK", rand(2, 9000), one(3000), outputs=2, largest=0),
    row("TopK", rand(3, 70000, dtype="int64", low=-9, high=9), one(7), outputs=2),
    row("NonZero", rand(5, 700, dtype="int64", low=-1, high=1)),
    row("NonZero", HOLES),
    row("ArgMax", rand(5000, 3), axis=0),
    row("ArgMin", rand(3, 5, 300, dtype="int64", low=-2, high=2), axis=1, select_last_index=1),
    row("ArgMin", HOLES, axis=1, evaluator=True),
    row("ArgMin", HOLES, axis=0, evaluator=True),
    row("CumSum", rand(3, 4), one(-1)),
    row("CumSum", rand(5, 300, 2), one(0, "int32"), reverse=1),
    row("Trilu", rand(4, 5), one(1)),
    row("OneHot", np.array([2, -1, 0], np.int64), one(3), np.array([2, 5], np.float32)),
    row("Range", *(np.array(x, np.float32) for x in (-2.8, 2.9, 1.9))),
    row("Range", *(np.array(x, np.int64) for x in (-(2**63), 2**63 - 1, 2**62))),
]
MANY = rand(3000, dtype="int64", low=-900, high=900)
ROWS += [row("Unique", MANY.astype(d), outputs=4, sorted=s) for d in ("float32", "int64") for s in (0, 1)] + [
    row("Unique", rand(3, 90, 2, dtype="int64", low=0, high=1), outputs=4, axis=1, sorted=s) for s in (0, 1)
]
for m in ([[1, 2], [2, 4]], [[0, 0, 3], [1, 0, 2], [0, 4, 0]], [[1, NAN], [0, 1]]):
    ROWS += [row("Det", np.array(m, d)) for d in ("float32", "float64")]
# numpy's determinant, which is the reference for f64, can lose a NaN; onnxruntime's does not
ROWS += [row("Det", np.array(m, np.float32)) for m in ([[0, 1], [NAN, 1]], [[0, NAN], [0, 1]])]
# one row of many pieces, pieces above and below the size of a block
ROWS += [
    row("Tile", rand(1), [100003]),
    row("Tile", rand(2, 3), one(1).repeat(2) * [2, 7001]),
    row("Tile", rand(3, 1, 2, dtype="int32"), [1, 20001, 1]),
    row("Tile", rand(1, 20000), [5, 1]),
    row("Tile", rand(2, 20000, 2, dtype="float64"), [1, 3, 1]),
    row("Tile", rand(300, dtype="uint8"), [999]),
    row("Tile", rand(3, dtype="bool"), [70001]),
]
# diagonals, of open sizes too
ROWS += [
    row("Einsum", rand(*shape, dtype=d), equation=equation)
    for d in ("float32", "float64", "int32")
    for equation, shape in (("ii->i", (5, 5)), ("ii", (4, 4)), ("bii->bi", (2, 3, 3)), ("iji->j", (3, 4, 3)),
                            ("iii->i", (3, 3, 3)), ("...ii->...i", (2, 3, 4, 4)))
]
ROWS += [
    row("Einsum", rand(3, 4, 3), rand(4, 5), equation="iji,jk->ik"),
    row("Einsum", rand(3, 3), rand(3), equation="ii,i->"),
    row("Einsum", np.where(np.eye(3), rand(3, 3), NAN).astype(np.float32), equation="ii->i"),
]
