"""What differs between two .lrm files: graph, weights, sizes, numbers."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import Session
from ..errors import ConvertError
from ..lower.reader import constant, has_constants, read
from ..measure import judge
from . import graph
from .facts import match_steps, plan_of, weights_of
from .marks import shape_text

Feeds = Mapping[str, np.ndarray]
Pair = tuple[dict[str, Any], dict[str, Any]]  # a node or tensor of the one file, and its counterpart


@dataclass
class Side:
    """One of the two files. session: planned for the feeds' shapes, when it can be."""

    data: bytes
    session: Session
    model: dict[str, Any] = field(default_factory=dict)
    graphs: list[dict[str, Any]] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)  # it has no plan

    def __post_init__(self) -> None:
        self.model = read(self.data)
        self.graphs = graph.graphs(self.model)

    def make_plan(self, feeds: Feeds) -> None:
        self.plan = plan_of(self.session, {n: a.shape for n, a in feeds.items()}, self.why)
        match_steps(self.graphs, self.plan["steps"])

    @property
    def sizes(self) -> dict[str, Any]:
        return {"file": len(self.data), "weights": weights_of(self.graphs)["bytes"], "memory": self.plan["memory"],
                "nodes": sum(len(g["nodes"]) for g in self.graphs)}


def diff(a: Side, b: Side, feeds: Feeds) -> dict[str, Any]:
    """All differences, as plain data. feeds: inputs of both, as far as they have the same."""
    for side in (a, b):
        side.make_plan({n: x for n, x in feeds.items() if n in [t.name for t in side.session.inputs]})
    nodes, tensors, weights = _graphs(a, b)
    numbers, why = _numbers(a, b, feeds)
    ports = _ports(a, b)
    metadata = [{"key": k, "a": a.session.metadata.get(k), "b": b.session.metadata.get(k)}
                for k in sorted({*a.session.metadata, *b.session.metadata})
                if a.session.metadata.get(k) != b.session.metadata.get(k)]
    changed = any((ports, metadata, weights, why, *nodes.values(), *tensors.values()))
    return {"equal": not changed and all(n["same_bits"] for n in numbers), "same_bytes": a.data == b.data,
            "ports": ports, "metadata": metadata, "nodes": nodes, "tensors": tensors, "weights": weights,
            "sizes": {"a": a.sizes, "b": b.sizes}, "numbers": numbers, "not_run": why}


# ---- inputs and outputs ----
def _ports(a: Side, b: Side) -> list[dict[str, Any]]:
    found = []
    for role in ("inputs", "outputs", "states"):
        mine, other = ({t.name: f"{t.dtype} {shape_text(t.shape)}" for t in getattr(s.session, role)} for s in (a, b))
        found += [{"role": role[:-1], "name": n, "a": mine.get(n), "b": other.get(n)} for n in {**mine, **other}
                  if mine.get(n) != other.get(n)]
    return found


# ---- graphs ----
def _graphs(a: Side, b: Side) -> tuple[dict[str, list[Any]], dict[str, list[Any]], list[dict[str, Any]]]:
    nodes: dict[str, list[Any]] = {"added": [], "removed": [], "changed": []}
    tensors: dict[str, list[Any]] = {"added": [], "removed": [], "changed": []}
    weights: list[dict[str, Any]] = []
    empty: dict[str, Any] = {"nodes": [], "tensors": []}
    mine, other = ({g["name"]: g for g in s.graphs} for s in (a, b))
    for name in {**mine, **other}:
        ga, gb = mine.get(name, empty), other.get(name, empty)
        pairs = _match(ga["nodes"], gb["nodes"])
        _sort_out(nodes, ga["nodes"], gb["nodes"], pairs, lambda n: {"name": n["name"], "op": n["op"]})
        for na, nb in pairs:
            what = _node_changes(a, b, ga, gb, na, nb)
            if what:
                nodes["changed"].append({"name": na["name"], "op": na["op"], "what": what})
            weights += _weights(a, b, (ga, gb), (na, nb))
        one, two = ([t for t in g["tensors"] if t["name"] and t["lifetime"] != "const"] for g in (ga, gb))
        same = _by_key(one, two, lambda t: t["name"])
        _sort_out(tensors, one, two, same, lambda t: {"name": t["name"], "type": _type(t)})
        for ta, tb in same:
            if (va := f"{_type(ta)} {ta['lifetime']}") != (vb := f"{_type(tb)} {tb['lifetime']}"):
                tensors["changed"].append({"name": ta["name"], "a": va, "b": vb})
    return nodes, tensors, weights


def _match(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> list[Pair]:
    """Pairs of nodes: of one name and operator; then of one operator and the same sources (a name that others have too
    carries a number); then of one name."""
    pairs: list[Pair] = []
    for key in (lambda n: (n["name"], n["op"]), lambda n: (n["op"], *n["sources"]) if n["sources"] else None,
                lambda n: n["name"]):
        found = _by_key(a, b, key)
        pairs += found
        taken = {id(n) for p in found for n in p}
        a, b = ([n for n in side if id(n) not in taken] for side in (a, b))
    return pairs


def _by_key(a: list[dict[str, Any]], b: list[dict[str, Any]], key: Callable[[dict[str, Any]], Any]) -> list[Pair]:
    """Pairs whose keys are equal and not None, in order."""
    waiting: dict[Any, list[dict[str, Any]]] = {}
    for x in reversed(b):
        waiting.setdefault(key(x), []).append(x)
    return [(x, waiting[key(x)].pop()) for x in a if key(x) is not None and waiting.get(key(x))]


def _sort_out(into: dict[str, list[Any]], a: list[dict[str, Any]], b: list[dict[str, Any]], pairs: list[Pair],
              facts: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    taken = {id(x) for p in pairs for x in p}
    into["removed"] += [facts(x) for x in a if id(x) not in taken]
    into["added"] += [facts(x) for x in b if id(x) not in taken]


def _type(t: dict[str, Any]) -> str:
    return f"{t['dtype']} {shape_text(t['shape'])}" + (f" axes {t['perm']}" if t["perm"] else "")


def _node_changes(a: Side, b: Side, ga: dict[str, Any], gb: dict[str, Any], na: dict[str, Any],
                  nb: dict[str, Any]) -> list[dict[str, Any]]:
    """What of a node is different: (what, a, b)."""
    def reads(g: dict[str, Any], n: dict[str, Any]) -> str:
        return ", ".join("-" if i < 0 else "a constant" if g["tensors"][i]["lifetime"] == "const" else
                         g["tensors"][i]["name"] for i in n["inputs"])

    def makes(g: dict[str, Any], n: dict[str, Any]) -> str:
        return ", ".join(g["tensors"][i]["name"] for i in n["outputs"])

    both: list[tuple[str, Any, Any]] = [(k, na[k], nb[k]) for k in ("name", "op", "custom")]
    if na["op"] == nb["op"]:
        both += [(k, na["attrs"][k], nb["attrs"].get(k)) for k in na["attrs"]]
    both += [("program", "; ".join(na["program"]), "; ".join(nb["program"])),
             ("sources", ", ".join(na["sources"]), ", ".join(nb["sources"])),
             ("reads", reads(ga, na), reads(gb, nb)), ("makes", makes(ga, na), makes(gb, nb))]
    if na["step"] is not None and nb["step"] is not None:
        sa, sb = a.plan["steps"][na["step"]], b.plan["steps"][nb["step"]]
        both += [(k, sa[k], sb[k]) for k in ("kernel", "device")]
    return [{"what": k, "a": x, "b": y} for k, x, y in both if x != y]


# ---- weights ----
def _weights(a: Side, b: Side, graphs: Pair, nodes: Pair) -> Iterator[dict[str, Any]]:
    """The constants that a pair of nodes reads at the same place, where they differ."""
    for k, (i, j) in enumerate(zip(nodes[0]["inputs"], nodes[1]["inputs"], strict=False)):
        if i < 0 or j < 0:
            continue
        ta, tb = graphs[0]["tensors"][i], graphs[1]["tensors"][j]
        if ta["lifetime"] != "const" or tb["lifetime"] != "const":
            continue
        x, y = (_value(s, g, t) for s, g, t in ((a, graphs[0], i), (b, graphs[1], j)))
        if x is not None and y is not None and x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes():
            continue
        yield {"node": nodes[0]["name"], "port": nodes[0]["ports"][k], "a": _type(ta), "b": _type(tb),
               **_distance(x, y)}


def _value(side: Side, g: dict[str, Any], i: int) -> np.ndarray | None:
    """None for dtypes that numpy does not have."""
    try:
        return constant(side.data, side.model, side.model["subgraphs"][side.graphs.index(g)]["tensors"][i])
    except ConvertError:
        return None


def _distance(x: np.ndarray | None, y: np.ndarray | None) -> dict[str, Any]:
    """max: the largest difference; relative: of the largest value of a. None where shapes differ or it is unknown."""
    if x is None or y is None or x.shape != y.shape or not x.size:
        return {"max": None, "relative": None}
    wide = [v.astype(np.float64) for v in (x, y)]
    with np.errstate(all="ignore"):
        most = float(np.abs(wide[0] - wide[1]).max())
        scale = float(np.abs(wide[0]).max())
        return {"max": most, "relative": most / scale if scale else None}


# ---- numbers ----
def _numbers(a: Side, b: Side, feeds: Feeds) -> tuple[list[dict[str, Any]], str]:
    """Each output of both by the rules of measure.py, a being the reference; or why they were not run."""
    ports = [{t.name: t.dtype for t in s.session.inputs} for s in (a, b)]
    if ports[0] != ports[1]:
        return [], "the outputs were not compared: the inputs differ"
    if a.why or b.why:
        return [], f"the outputs were not compared: {(a.why or b.why)[0]}"
    got = [s.session.run(feeds) for s in (a, b)]
    kind = precision(a, b)
    found = []
    for name in got[0]:
        if name not in got[1]:
            continue
        x, y = got[0][name], got[1][name]
        r = judge(name, x, y, kind)
        same = x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        found.append({"name": name, "measure": r.kind, "value": r.value, "limit": r.limit, "ok": r.ok, "why": r.why,
                      "same_bits": same})
    return found, ""


def precision(a: Side, b: Side) -> str:
    """By which limit two files are compared: that of the less exact one."""
    for side in (a, b):
        for g in side.graphs:
            for n in g["nodes"]:
                first = g["tensors"][n["inputs"][0]]["dtype"] if n["inputs"] and n["inputs"][0] >= 0 else ""
                if "quantize" in n["post"] or (n["op"] in ("conv", "matmul") and first in ("i8", "u8")):
                    return "quantized"
    return "f16" if any(has_constants(s.data, "f16") for s in (a, b)) else "f32"
