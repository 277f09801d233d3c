"""How much arithmetic a model needs: the multiplications and additions of convolutions and matrix products."""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .. import Step
from ..spec.ops import OPS
from .lower.reader import read

Shape = tuple[int, ...]


def count_flop(data: bytes, inputs: Mapping[str, Shape], steps: Iterable[Step]) -> dict[int, float]:
    """Step's index to the operations of its convolution or matrix product, two for each multiply-add of the direct way
    (what Winograd's saves is not taken off, so that speeds can be compared). Steps of other operators, and those whose
    shapes nothing tells, are not in it.

    data: the .lrm file; inputs: shapes of the inputs; steps: of a run with these inputs.
    """
    main = read(data)["subgraphs"][0]
    shapes = {i: tuple(t["dims"] or ()) for i, t in enumerate(main["tensors"])}
    shapes |= {i: tuple(inputs[t["name"]]) for i, t in enumerate(main["tensors"]) if t["name"] in inputs}
    nodes: dict[tuple[str, int], dict[str, Any]] = {(n["name"], n["op"]): n for n in main["nodes"]}
    flop = {}
    for step in steps:
        node = nodes.get((step.node, OPS[step.op].code if step.op in OPS else -1))
        if node is None:
            continue
        for i, info in zip(node["outputs"], step.outputs, strict=False):
            shapes[i] = tuple(d if isinstance(d, int) else -1 for d in info.shape)
        own = [shapes.get(i, ()) for i in (node["inputs"] or ())[: OPS[step.op].n_in]]
        out = shapes[node["outputs"][0]] if node["outputs"] else ()
        if len(own) >= 2 and all(d >= 0 for shape in (*own, out) for d in shape):
            n = _macs(step.op, own, out, node["attrs"] or ())
            if n:
                flop[step.index] = 2.0 * n
    return flop


def _macs(op: str, own: list[Shape], y: Shape, attrs: Iterable[int]) -> int:
    """Multiply-adds of a node whose own inputs have these shapes; 0 for operators other than convolutions, matrix
    products and attention."""
    x, w = own[:2]
    if op == "conv":
        return math.prod(y) * math.prod(w[1:])
    if op == "conv_transpose":  # each element of x meets the filters of its group
        words = dict(zip([a.name for a in OPS[op].attrs], attrs, strict=False))
        return math.prod(x) * math.prod(w[:-1]) // max(1, words.get("groups", 1))
    if op == "inverted_residual":  # the second stage makes w2[0] channels of the pixels of y
        return math.prod(x[:-1]) * math.prod(w) + math.prod(y[:-1]) * (math.prod(own[3]) + math.prod(own[5]))
    if op == "matmul" and len(x) > 1:
        return math.prod(y) * (x[-2] if next(iter(attrs), 0) else x[-1])
    if op == "attention" and len(x) > 1 and len(w) > 1:
        return math.prod(y[:-1]) * w[-2] * (x[-1] + y[-1])
    return 0
