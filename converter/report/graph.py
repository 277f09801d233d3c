"""The graphs of an .lrm file as plain facts: nodes with their attributes and programs in words, tensors with sizes."""
from __future__ import annotations

from typing import Any

from ...spec.ops import BY_CODE, Op
from ..dtypes import BY_CODE as DTYPE
from . import program

LIFETIMES = ("temp", "const", "input", "output", "state")


def graphs(model: dict[str, Any]) -> list[dict[str, Any]]:
    """All graphs of a file that `reader.read` read; the first is the main one."""
    return [_graph(model, g) for g in model["subgraphs"]]


def _graph(model: dict[str, Any], g: dict[str, Any]) -> dict[str, Any]:
    tensors = [_tensor(model, t) for t in g["tensors"]]
    states = [{"state": i, "next": t["state_source"]} for i, t in enumerate(g["tensors"]) if t["state_source"] >= 0]
    return {"name": g["name"] or "", "inputs": list(g["inputs"]), "outputs": list(g["outputs"]), "states": states,
            "tensors": tensors, "nodes": [_node(tensors, n) for n in g["nodes"]]}


def _tensor(model: dict[str, Any], t: dict[str, Any]) -> dict[str, Any]:
    shape = [d if d >= 0 else None if d == -1 else model["symbols"][-2 - d] for d in t["dims"] or ()]
    return {"name": t["name"] or "", "dtype": DTYPE[t["dtype"]].name, "shape": shape,
            "lifetime": LIFETIMES[t["lifetime"]], "bytes": sum(e["size"] for e in t["encodings"] or ()),
            "perm": list(t["source_perm"] or ()), "encodings": len(t["encodings"] or ())}


def _node(tensors: list[dict[str, Any]], n: dict[str, Any]) -> dict[str, Any]:
    op = BY_CODE[n["op"]]
    inputs, outputs = list(n["inputs"] or ()), list(n["outputs"] or ())
    own = len(inputs) if op.n_in < 0 else op.n_in
    ports = _ports(op, len(inputs), own)
    operands = ports if op.name == "elementwise" else ports[own:]
    rank = len(tensors[inputs[0]]["shape"]) if inputs and inputs[0] >= 0 else 0
    attrs = program.attributes(op, n["attrs"] or (), rank)
    steps = program.steps(n["post"] or (), operands, op.name != "elementwise")
    return {"op": op.name, "name": n["name"] or "", "inputs": inputs, "outputs": outputs, "ports": ports,
            "attrs": attrs, "told": program.told(op, attrs), "post": [s[0] for s in steps],
            "program": [s[1] for s in steps], "sources": list(n["sources"] or ()),
            "graphs": list(n["subgraphs"] or ()), "custom": n["custom_name"] or ""}


def _ports(op: Op, n: int, own: int) -> list[str]:
    """A name for each input: the operator's own words, then those of the program's operands."""
    names = [w.rstrip("?") for w in op.inputs.split()]
    if op.name == "elementwise":
        return [f"x{i}" for i in range(n)]
    if op.n_in < 0:
        fixed, rest = names[:-1], names[-1].rstrip("*")
        return (fixed + [f"{rest}{i}" for i in range(max(0, n - len(fixed)))])[:n]
    return (names + [f"p{i}" for i in range(max(0, n - own))])[:n]
