"""softmax(scale q k^T + mask) v, as the nodes that exporters write."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from op_frame import Const, Row, rand


def att(q, k, v, mask=None, scale=None, rtol=None, keys="transposed", **attrs) -> Row:
    """scale: factors {"q", "k" or "s": (operator, number)}. keys: "transposed" gives k [... T D] a transpose, "given"
    takes k as it is [... D T]."""
    factors = {at: (op, Const(np.float32(f))) for at, (op, f) in (scale or {}).items()}
    inputs = [q, k, v, mask, *(c for _, c in factors.values())]

    def nodes(names: list[str]) -> list[onnx.NodeProto]:
        made, now = [], {"q": names[0], "k": names[1]}

        def add(op: str, *ins: str, out: str, **more) -> str:
            made.append(helper.make_node(op, list(ins), [out], name=out, **more))
            return out

        def scaled(at: str) -> None:
            if at in factors:
                now[at] = add(factors[at][0], now[at], names[4 + list(factors).index(at)], out=f"{at}_scaled")

        rank = (k.array if isinstance(k, Const) else k).ndim
        if keys == "transposed":
            now["k"] = add("Transpose", names[1], out="kt", perm=[*range(rank - 2), rank - 1, rank - 2])
        scaled("q")
        scaled("k")
        now["s"] = add("MatMul", now["q"], now["k"], out="s")
        scaled("s")
        s = now["s"] if mask is None else add("Add", now["s"], names[3], out="masked")
        p = add("Softmax", s, out="p", axis=-1)
        add("MatMul", p, names[2], out="y0")
        return made

    names = {at: op for at, (op, _) in factors.items()}
    return Row("attention", tuple(inputs), {"keys": keys, **names}, rtol=rtol, nodes=nodes)


def qkv(s: int, t: int, d: int, e: int, *batch: int) -> tuple[np.ndarray, ...]:
    return rand(*batch, s, d, low=-1, high=1), rand(*batch, t, d, low=-1, high=1), rand(*batch, t, e)


def masked(*shape: int, out: float = 0.4, value: float = -np.inf) -> np.ndarray:
    """A mask that leaves out a part of all, and whatever is behind the first fifth in its first row."""
    m = np.where(rand(*shape, low=0, high=1) < out, np.float32(value), rand(*shape)).astype(np.float32)
    m.reshape(-1, shape[-1])[0, shape[-1] // 5 :] = value
    return m


def rows_out(mask: np.ndarray, first: int, last: int, *which: int) -> np.ndarray:
    """Leaves out columns first..last-1 of some rows."""
    mask.reshape(-1, mask.shape[-1])[list(which), first:last] = -np.inf
    return mask


BOTH = {"q": ("Mul", 64**-0.25), "k": ("Mul", 64**-0.25)}
ROWS = [
    att(*qkv(5, 7, 4, 4)),
    att(*qkv(1, 1, 1, 1)),
    att(*qkv(1, 37, 13, 9, 3)),
    att(*qkv(50, 33, 17, 5, 2, 3), scale={"s": ("Mul", 0.25)}),
    att(*qkv(49, 49, 32, 32, 1, 2), scale={"s": ("Div", 5.6568)}),
    att(*qkv(20, 50, 16, 16, 2), scale={"q": ("Mul", 0.25)}),
    att(*qkv(20, 50, 16, 16, 2), scale={"q": ("Div", -2.0)}),
    att(*qkv(9, 50, 64, 48, 2, 2), scale=BOTH),
    att(rand(2, 9, 8), rand(2, 8, 11), rand(2, 11, 3), keys="given"),
    att(rand(2, 9, 8), Const(rand(2, 8, 11)), Const(rand(2, 11, 3)), keys="given"),
    # leading dims broadcast: grouped heads, one head of k and v for all, ranks that differ, y of v's batch
    att(rand(2, 2, 3, 10, 8), rand(2, 2, 1, 12, 8), rand(2, 2, 1, 12, 8)),
    att(rand(2, 4, 10, 8), rand(2, 1, 12, 8), rand(2, 1, 12, 8)),
    att(rand(2, 4, 10, 8), rand(12, 8), rand(4, 12, 8)),
    att(rand(10, 8), rand(12, 8), rand(2, 3, 12, 8)),
    # masks
    att(*qkv(6, 11, 4, 4, 2, 3), masked(2, 1, 6, 11)),
    att(*qkv(6, 11, 4, 4, 2, 3), masked(2, 1, 1, 11), scale=BOTH),
    att(*qkv(6, 11, 4, 4, 2, 3), masked(6, 11)),
    att(*qkv(6, 11, 4, 4, 2, 3), masked(11)),
    att(*qkv(6, 11, 4, 4, 2, 3), rand(2, 3, 6, 1)),
    att(*qkv(6, 11, 4, 4, 2, 3), rand()),
    att(*qkv(6, 11, 4, 4), masked(2, 1, 6, 11)),
    att(*qkv(6, 11, 4, 4, 2, 3), Const(masked(1, 1, 6, 11, value=np.finfo(np.float32).min))),
    att(*qkv(6, 40, 4, 4, 2), rows_out(masked(6, 40), 0, 40, 1, 5)),  # NaN
    att(*qkv(6, 40, 4, 4, 2), np.full((6, 40), np.finfo(np.float32).min, np.float32)),  # uniform
    # more rows of k than a block
    att(*qkv(3, 576, 5, 6, 2)),
    att(*qkv(3, 577, 5, 6, 2)),
    att(*qkv(60, 1300, 33, 31, 2), scale={"s": ("Mul", 3.0)}),
    att(*qkv(7, 1300, 8, 8), rows_out(rows_out(masked(7, 1300), 0, 600, 2, 3), 0, 1300, 4)),
    att(*qkv(7, 1300, 8, 8), rows_out(masked(1, 1300), 500, 1300, 0)),
    # nothing
    att(*qkv(0, 4, 4, 4, 2)),
    att(*qkv(3, 0, 4, 5, 2)),
    att(*qkv(3, 4, 0, 5, 2)),
    att(*qkv(3, 4, 4, 0, 2)),
    att(*qkv(3, 4, 4, 4, 0)),
]
ROWS += [att(*qkv(s, t, d, e, 2), masked(s, t))
         for s in (1, 8, 13) for t in (15, 16, 97) for d, e in ((1, 3), (31, 64))]
