"""Sequences of tensors: they are made, changed and read in one go, since a graph's tensors are tensors."""
from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from builder import Builder, Tensor, row
from onnx import helper

F32 = np.dtype(np.float32)


class Chain:
    """Nodes of which each but the last gives a sequence."""

    def __init__(self, g: Builder) -> None:
        self.g, self.nodes, self.inputs = g, list[onnx.NodeProto](), list[Tensor]()

    def add(self, op: str, *inputs: str | Tensor | None, **attrs: Any) -> str:
        self.inputs += [i for i in inputs if isinstance(i, Tensor)]
        k = len(self.g.nodes) + len(self.nodes)
        names = [i.name if isinstance(i, Tensor) else i or "" for i in inputs]
        while names and not names[-1]:
            names.pop()
        attrs = {n: v for n, v in attrs.items() if v is not None}
        self.nodes.append(helper.make_node(op, names, [f"y{k}_0"], name=f"{op}_{k}", **attrs))
        return f"y{k}_0"


@row("SequenceEmpty", "SequenceConstruct", "SequenceInsert", "SequenceErase", "SequenceLength", "SequenceAt",
     "ConcatFromSequence", "SplitToSequence")
def sequence(g: Builder) -> None:
    c = Chain(g)
    x = g.some(g.types("T") if g.op in ("SequenceConstruct", "SplitToSequence") else F32, rank=(1, 4))
    n = g.draw(1, 3)
    if g.op == "SplitToSequence":
        axis = g.axis(x.rank)
        n, rank = x.shape[axis], x.rank
        sizes = g.pick([None, None, g.draw(1, 3), [1] * n])
        keep = None if sizes is not None else g.pick([None, 0, 1])
        s = c.add(g.op, x, None if sizes is None else g.given(sizes, const=100), axis=axis, keepdims=keep)
        rank -= keep == 0
    else:
        items, rank = [x, *(g.new(x.dtype, x.shape) for _ in range(n - 1))], x.rank
        if g.op == "SequenceEmpty":
            s = c.add(g.op, dtype=None if x.dtype == F32 and g.flag() else helper.np_dtype_to_tensor_dtype(x.dtype))
            for t in items:
                s = c.add("SequenceInsert", s, t)
        else:
            s = c.add("SequenceConstruct", *items)
    if g.op == "SequenceInsert":
        s = c.add(g.op, s, g.new(x.dtype, x.shape), g.given(g.draw(-n, n), const=100) if g.flag() else None)
        n += 1
    if g.op == "SequenceErase" and n > 1:
        s = c.add(g.op, s, g.given(g.draw(-n, n - 1), const=100) if g.flag() else None)
        n -= 1
    if g.op == "SequenceLength":
        y = c.add(g.op, s)
    elif g.op == "SequenceAt":
        y = c.add(g.op, s, g.given(g.draw(-n, n - 1), const=60))
    else:
        new = g.pick([None, 0, 1])
        y = c.add("ConcatFromSequence", s, axis=g.axis(rank + (new or 0)), new_axis=new)
    g.chain(c.nodes, c.inputs, [y])
