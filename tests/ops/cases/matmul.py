"""Matrix products."""

import numpy as np
from op_frame import Const, rand, row

ROWS = [
    row("MatMul", rand(3, 4), rand(4, 5)),
    row("MatMul", rand(3, 4), Const(rand(4, 5))),
    row("MatMul", Const(rand(3, 4)), rand(4, 5)),
    row("MatMul", rand(2, 3, 4), rand(4, 5)),
    row("MatMul", rand(2, 3, 4), Const(rand(4, 5))),
    row("MatMul", rand(2, 3, 4), rand(2, 4, 5)),
    row("MatMul", rand(2, 1, 3, 4), rand(3, 4, 5)),
    row("MatMul", rand(2, 1, 3, 4), Const(rand(3, 4, 5))),
    row("MatMul", rand(3, 4), rand(2, 4, 5)),
    row("MatMul", rand(4), rand(4, 5)),
    row("MatMul", rand(3, 4), rand(4)),
    row("MatMul", rand(4), rand(4)),
    row("MatMul", rand(2, 3, 4), rand(4)),
    row("MatMul", rand(4), rand(2, 4, 5)),
    row("MatMul", rand(1, 64), Const(rand(64, 100))),
    row("MatMul", rand(100, 1), rand(1, 7)),
    row("MatMul", rand(0, 4), rand(4, 5)),
    row("MatMul", rand(3, 0), rand(0, 5)),
    row("MatMul", rand(37, 129), Const(rand(129, 65))),
    row("MatMul", rand(3, 4, dtype="float16"), rand(4, 5, dtype="float16"), rtol=5e-3),
    row("MatMul", rand(3, 4, dtype="float16"), Const(rand(4, 5, dtype="float16")), rtol=5e-3),
    row("Gemm", rand(3, 4), rand(4, 5)),
    row("Gemm", rand(3, 4), Const(rand(4, 5)), Const(rand(5))),
    row("Gemm", rand(3, 4), Const(rand(5, 4)), Const(rand(5)), transB=1),
    row("Gemm", rand(4, 3), Const(rand(5, 4)), Const(rand(5)), transA=1, transB=1),
    row("Gemm", rand(4, 3), rand(4, 5), rand(3, 5), transA=1),
    row("Gemm", rand(3, 4), rand(4, 5), rand(3, 1)),
    row("Gemm", rand(3, 4), rand(4, 5), rand(1)),
    row("Gemm", rand(3, 4), rand(4, 5), rand()),
    row("Gemm", rand(3, 4), rand(4, 5), rand(5), alpha=0.5, beta=2.0),
    row("Gemm", rand(3, 4), Const(rand(4, 5)), Const(rand(5)), alpha=0.5, beta=2.0),
    row("Gemm", rand(3, 4), Const(rand(4, 5)), Const(rand(5)), beta=0.0),
    row("Gemm", rand(3, 4), Const(rand(4, 5)), Const(rand(1, 5)), opset=7),
]
ROWS += [row("MatMul", rand(m, k), Const(rand(k, n))) for m in (1, 3, 4, 5, 9) for k in (1, 6) for n in (1, 7, 8, 17)]
ROWS += [
    row(
        "MatMulInteger",
        rand(3, 4, dtype=a, low=-9, high=200),
        Const(rand(4, 5, dtype="int8", low=-100, high=100)),
        Const(np.array(3, a)),
        opset=10,
    )
    for a in ("uint8",)
]
