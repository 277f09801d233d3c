"""Control flow."""
from __future__ import annotations

import onnx
from builder import Builder, row
from onnx import helper


@row("If")
def if_(g: Builder) -> None:
    x = g.some(g.types("V"), rank=(0, 3))
    y = g.like(x)

    def branch(name: str, *inputs: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), [None] * x.rank)
        return helper.make_graph([helper.make_node("Identity", list(inputs), [name])], name, [], [out])
    n = len(g.nodes)
    g.node(g.given(g.flag(), dtype=bool, const=70), also=[x, y], then_branch=branch(f"then{n}", x.name),
           else_branch=branch(f"else{n}", y.name))
