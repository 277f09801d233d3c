"""Matrix products."""
from __future__ import annotations

import numpy as np

from ..dtypes import to_numpy
from ..ir import Value
from .context import Context, onnx_op


@onnx_op("MatMul")
def matmul(c: Context) -> Value:
    a, b = c.input(0), c.input(1)
    if a.rank == 0 or b.rank == 0:
        raise c.refuse("an input is a scalar, vectors and matrices are supported")
    left, right = a.rank == 1, b.rank == 1  # numpy's rule: a vector gets an axis, which the result loses again
    y = c.add("matmul", c.unsqueeze(a, [0]) if left else a, c.unsqueeze(b, [1]) if right else b, None)
    return _drop_vector_axes(c, y, left, right)


def _drop_vector_axes(c: Context, y: Value, left: bool, right: bool) -> Value:
    mask = (1 << y.rank - 2 if left else 0) | (1 << y.rank - 1 if right else 0)
    return c.add("squeeze", y, axes=mask) if mask else y


@onnx_op("Gemm")
def product_with_bias(c: Context) -> Value:
    a, b, bias = c.input(0), c.input(1), c.opt(2)
    if a.rank != 2 or b.rank != 2:
        raise c.refuse(f"its inputs have ranks {a.rank} and {b.rank}, matrices are needed")
    trans_a, trans_b = int(bool(c.attr("transA"))), int(bool(c.attr("transB")))
    alpha, beta = c.attr("alpha"), c.attr("beta")
    if a.dtype[0] != "f" and (alpha % 1 or beta % 1):
        raise c.refuse(f"alpha is {alpha} and beta {beta}; of integers they must be whole numbers")
    folded = alpha != 1 and b.const is not None
    b = _scaled(c, b, alpha) if folded else b
    bias = None if beta == 0 else bias
    bias = _scaled(c, bias, beta) if bias is not None and beta != 1 else bias
    n = b.shape[0 if trans_b else 1]
    own = bias is not None and (folded or alpha == 1) and isinstance(n, int)
    own_bias = _row(c, bias, n) if own else None
    y = c.add("matmul", a, b, own_bias, trans_a=trans_a, trans_b=trans_b)
    if alpha != 1 and not folded:
        y = c.add("mul", y, c.scalar(alpha, y.dtype))
    return y if bias is None or own_bias is not None else c.add("add", y, bias)


def _scaled(c: Context, v: Value, factor: float) -> Value:
    """v times a number."""
    if v.const is None:
        return c.add("mul", v, c.scalar(factor, v.dtype))
    with np.errstate(all="ignore"):
        return c.graph.const((v.const * c.scalar(factor, v.dtype).const).astype(to_numpy(v.dtype)))


def _row(c: Context, bias: Value, n: int) -> Value | None:
    """The bias as a vector of n numbers, None when it is none."""
    if bias.shape == (n,):
        return bias
    if bias.const is not None and bias.shape == (1, n):
        return c.reshape_const(bias, (n,))
    return None
