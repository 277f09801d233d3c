"""What rules ask about values."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..dtypes import DTYPES
from ..ir import Dim, Shape, Value

FLOATS = ("f32", "f16")


def known(shape: Shape) -> bool:
    return all(isinstance(d, int) for d in shape)


def same_shape(a: Shape, b: Shape) -> bool:
    """Whether two shapes are certainly equal: numbers or symbols."""
    return len(a) == len(b) and all(x is not None and x == y for x, y in zip(a, b, strict=True))


def same_type(a: Value, b: Value) -> bool:
    return a.dtype == b.dtype and same_shape(a.shape, b.shape)


def broadcasts_into(a: Shape, b: Shape) -> bool:
    """Whether a tensor of shape a certainly broadcasts to shape b without growing it."""
    return len(a) <= len(b) and all(x == 1 or (x is not None and x == y)
                                    for x, y in zip(a[::-1], b[::-1], strict=False))


def ints(v: Value | None) -> list[int] | None:
    """The integers of a constant vector or scalar, else None."""
    if v is None or v.const is None or v.const.dtype.kind not in "iu" or v.const.ndim > 1:
        return None
    return [int(x) for x in v.const.reshape(-1)]


def is_shared(v: Value) -> bool:
    """Whether changing this constant for one reader would store a large one twice."""
    return v.array.nbytes > 1 << 16 and len(set(v.users)) > 1


def axes(mask: int, rank: int) -> list[int]:
    return [i for i in range(rank) if mask >> i & 1]


def mask_of(axes: Sequence[int]) -> int:
    return sum(1 << a for a in axes)


def channel_vector(c: np.ndarray, shape: Shape) -> np.ndarray | None:
    """The constant c, broadcast over all but the last axis of `shape`, as a vector of that axis; None when it differs
    along another axis or would make the shape grow."""
    n = shape[-1] if shape else None
    if not isinstance(n, int) or c.ndim > len(shape) or any(d != 1 for d in c.shape[:-1]):
        return None
    if c.size not in (1, n):
        return None
    return np.broadcast_to(c.reshape(-1), (n,))


def target(shape: Sequence[Dim]) -> tuple[list[int], int] | None:
    """(shape vector, allow_zero) that reshapes to `shape`, whose one unknown size may be inferred; None with more."""
    open_dims = [d for d in shape if not isinstance(d, int)]
    if len(open_dims) > 1 or (open_dims and 0 in shape):
        return None
    return [d if isinstance(d, int) else -1 for d in shape], int(0 in shape)


def n_bytes(v: Value, guess: int = 32) -> int:
    """Bytes of a value; unknown sizes count as `guess`, an unknown first axis (a batch) as 1."""
    n = DTYPES[v.dtype].bits // 8 or 1
    for i, d in enumerate(v.shape):
        n *= d if isinstance(d, int) else guess if i else 1
    return n
