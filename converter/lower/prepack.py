"""A second, packed encoding of a weight, as kernels_generic/packing.h defines it. For tests: packing for a target is
done by the runtime's own code."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ConvertError
from ..ir import Graph, Node


@dataclass(frozen=True)
class Packing:
    """An encoding: the descriptor of core/op.h's lr_packing, and the bytes."""

    kind: int
    version: int
    nr: int
    kr: int
    block: int
    data: bytes


def pack(node: Node, nr: int, kr: int) -> Packing:
    """Panels of the weights of a conv [O ... C/groups], f32, f16 (packed as f32) or i8.

    For each group and each nr output channels [taps][depth / kr][nr][kr], before it the i32 sum of each column's
    weights when they are i8.
    """
    w = node.inputs[1] if node.op == "conv" else None
    if w is None or w.const is None or w.dtype not in ("f32", "f16", "i8"):
        raise ConvertError(f"prepack '{node.name}': it is no convolution with constant weights in f32, f16 or i8")
    groups = node.attrs.get("groups", 1)
    if nr < 1 or nr % 4 or kr < 1:
        raise ConvertError(f"prepack '{node.name}': nr must be a multiple of 4 and kr at least 1, not {nr} and {kr}")
    depth = w.const.shape[-1]
    a = w.const.reshape(groups, w.const.shape[0] // groups, -1, depth)
    a = a.astype(np.int8 if w.dtype == "i8" else np.float32)
    a = np.pad(a, ((0, 0), (0, -a.shape[1] % nr), (0, 0), (0, -depth % kr)))
    panels = a.reshape(-1, nr, a.shape[2], a.shape[3] // kr, kr).transpose(0, 2, 3, 1, 4)
    out = bytearray()
    for p in panels:
        if w.dtype == "i8":
            out += p.astype(np.int32).sum(axis=(0, 1, 3), dtype=np.int32).astype("<i4").tobytes()
        out += np.ascontiguousarray(p, dtype=p.dtype.newbyteorder("<")).tobytes()
    return Packing(1, 1, nr, kr, groups, bytes(out))


def packings(g: Graph, wanted: dict[str, tuple[int, int]]) -> dict[int, Packing]:
    """id of the weights of each node named in `wanted`, to their packed form (nr, kr)."""
    named = {n.name: n for n in g.nodes}
    for name in wanted:
        if name not in named:
            raise ConvertError(f"prepack '{name}': the converted graph has no such node; it has {', '.join(named)}")
    return {id(named[name].inputs[1]): pack(named[name], *tile) for name, tile in wanted.items()}
