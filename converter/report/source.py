"""What the source model says of the nodes that a node of the file names as its sources."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import onnx

LONG = 12  # elements of a list attribute that are shown
DEEP = 16  # graphs in graphs, functions in functions


def index(model: onnx.ModelProto) -> dict[str, dict[str, Any]]:
    """Name of each node (as the importer calls it: inner ones with that of the node around them) to its facts: op,
    inputs, outputs, attributes, and whether it stands in the model's main graph."""
    functions = {(f.domain, f.name): f for f in model.functions}
    constants = {t.name for t in model.graph.initializer}
    constants |= {o for n in model.graph.node if n.op_type == "Constant" for o in n.output}
    found: dict[str, dict[str, Any]] = {}
    for name, node, depth in _walk(model.graph.node, functions, "", 0):
        if name in found:  # names need not differ; the file cannot tell which one it means
            found[name]["twice"] = True
            continue
        found[name] = {"op": f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type,
                       "name": name, "inputs": list(node.input), "outputs": list(node.output),
                       "attrs": {a.name: attribute(a) for a in node.attribute}, "main": depth == 0, "twice": False,
                       "constants": [i for i in node.input if i in constants]}
    return found


def _walk(nodes: Iterable[onnx.NodeProto], functions: dict[tuple[str, str], onnx.FunctionProto], prefix: str,
          depth: int) -> Iterator[tuple[str, onnx.NodeProto, int]]:
    for n in nodes:
        name = n.name or f"{n.op_type}_{next((o for o in n.output if o), '')}"
        name = f"{prefix}/{name}" if prefix else name
        yield name, n, depth
        if depth >= DEEP:
            continue
        for a in n.attribute:
            for g in ([a.g] if a.type == onnx.AttributeProto.GRAPH else a.graphs):
                yield from _walk(g.node, functions, name, depth + 1)
        if (f := functions.get((n.domain, n.op_type))) is not None:
            yield from _walk(f.node, functions, name, depth + 1)


def attribute(a: onnx.AttributeProto) -> str:
    """An attribute as short text."""
    kind = onnx.AttributeProto
    if a.ref_attr_name:
        return f"the function's {a.ref_attr_name}"
    if a.type == kind.TENSOR:
        return f"{onnx.TensorProto.DataType.Name(a.t.data_type).lower()}{list(a.t.dims)}"
    if a.type in (kind.GRAPH, kind.GRAPHS):
        return "a graph"
    if a.type == kind.STRING:
        return a.s.decode("utf-8", "replace")
    if a.type == kind.FLOAT:
        return f"{a.f:.6g}"
    if a.type == kind.INT:
        return str(a.i)
    items = {kind.INTS: [str(i) for i in a.ints], kind.FLOATS: [f"{f:.6g}" for f in a.floats],
             kind.STRINGS: [s.decode("utf-8", "replace") for s in a.strings]}.get(a.type)
    if items is None:
        return kind.AttributeType.Name(a.type).lower()
    return ", ".join(items[:LONG]) + (f", ... ({len(items)} in all)" if len(items) > LONG else "")
