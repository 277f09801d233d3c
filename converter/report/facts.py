"""Everything that a report says, as plain data: what `--json` prints and what the page is made of."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ... import Benchmark, Error, Session, TensorInfo
from ..lower.reader import read
from ..passes import HALVES, STAGES
from ..ranges import KEY
from ..rewrite import Rule, Trace
from . import graph, source

if TYPE_CHECKING:
    import onnx

    from ..compare import Layer
    from ..verify import Report

NO_SOURCE = ("the operators and attributes of the source nodes: the file keeps their names alone; give the ONNX model, "
             "or --source FILE.onnx")


@dataclass
class Subject:
    """What is reported on. proto: the source model; trace: what the rules did; both None when they are not known, as is
    `proof`. unknown: sentences, of what this report cannot say and why."""

    path: str
    data: bytes
    proto: onnx.ModelProto | None = None
    trace: Trace | None = None
    proof: Report | None = None
    notes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def gather(subject: Subject, session: Session, shapes: Mapping[str, tuple[int, ...]], chosen: list[str],
           bench: Benchmark | None, layers: list[Layer] | None) -> dict[str, Any]:
    """All facts. session: one of the model, planned for `shapes` when that is possible; chosen: inputs whose shapes the
    model leaves open and nobody gave."""
    model = read(subject.data)
    graphs = graph.graphs(model)
    unknown = list(subject.unknown)
    plan = plan_of(session, shapes, unknown)
    match_steps(graphs, plan["steps"])
    for t in graphs[0]["tensors"]:
        if t["lifetime"] == "input" and t["name"] in shapes:
            t["planned"] = list(shapes[t["name"]])
    facts = {
        "model": subject.path, "producer": model["producer"], "version": model["version"],
        "bytes": len(subject.data), "weights": weights_of(graphs),
        **{role: [_info(t) for t in getattr(session, role)] for role in ("inputs", "outputs", "states")},
        "metadata": session.metadata, "dims": session.metadata.get(KEY, ""),
        "shapes": {n: list(s) for n, s in shapes.items()}, "chosen": chosen, **plan,
        "proof": subject.proof.as_dict() if subject.proof else None, "notes": subject.notes,
        "rules": _rules(subject.trace, graphs) if subject.trace else None,
        "graphs": graphs, "sources": None, "unused": [],
        "bench": bench.as_dict() if bench else None, "layers": _layers(layers),
    }
    if subject.proto is not None:
        facts["sources"], facts["unused"] = _sources(subject.proto, graphs)
    else:
        unknown.append(NO_SOURCE)
    if bench is None:
        unknown.append("how long anything takes: give --bench")
    if layers is None:
        unknown.append("the error of each layer: give --compare" + ("" if subject.proto else " and --source FILE.onnx"))
    if len(graphs) > 1:
        unknown.append("kernels, times and memory of the nodes inside of if and loop: these run in sessions of their "
                       "own, which the plan does not list")
    return facts | {"unknown": unknown}


def _info(t: TensorInfo) -> dict[str, Any]:
    return {"name": t.name, "dtype": str(t.dtype), "shape": list(t.shape)}


def weights_of(graphs: list[dict[str, Any]]) -> dict[str, Any]:
    consts = [t for g in graphs for t in g["tensors"] if t["lifetime"] == "const"]
    dtypes: dict[str, int] = {}
    for t in consts:
        dtypes[t["dtype"]] = dtypes.get(t["dtype"], 0) + t["bytes"]
    return {"count": len(consts), "bytes": sum(dtypes.values()), "dtypes": dtypes}


# ---- the plan ----
def plan_of(session: Session, shapes: Mapping[str, tuple[int, ...]], unknown: list[str]) -> dict[str, Any]:
    try:
        session.resize(dict(shapes))
        steps = session.steps()
        buffers, size = session.buffers()
    except Error as e:
        unknown.append(f"steps and memory, because no plan could be made: {e}; give other sizes with --shape")
        return {"steps": [], "buffers": [], "plan_bytes": None, "memory": None}
    listed = [{"index": s.index, "node": s.node, "op": s.op, "device": s.device, "kernel": s.kernel,
               "reason": s.reason, "outputs": [_info(t) for t in s.outputs]} for s in steps]
    return {"steps": listed, "buffers": [asdict(b) for b in buffers], "plan_bytes": size, "memory": session.memory}


def match_steps(graphs: list[dict[str, Any]], steps: list[dict[str, Any]]) -> None:
    """Gives each node of the main graph, and of delegates that run on the CPU, its `step` (None: it has none), and the
    tensors that it makes their shapes in this plan."""
    places: dict[tuple[str, str], list[int]] = {}
    for s in reversed(steps):
        places.setdefault((s["node"], s["op"]), []).append(s["index"])

    def visit(g: dict[str, Any]) -> None:
        for n in g["nodes"]:
            left = places.get((n["name"], n["op"]))
            n["step"] = left.pop() if left else None
            if n["op"] == "delegate" and n["step"] is None:
                for i in n["graphs"]:
                    visit(graphs[i])
            for t, made in zip(n["outputs"], steps[n["step"]]["outputs"] if n["step"] is not None else (),
                               strict=False):
                g["tensors"][t]["planned"] = made["shape"]

    visit(graphs[0])
    for g in graphs[1:]:
        for n in g["nodes"]:
            n.setdefault("step", None)


# ---- where it comes from ----
def _rules(trace: Trace, graphs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rules in the order in which they first applied. Each node learns which applications covered nothing but its
    own sources: they made it what it is."""
    docs = _docs()
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for a in trace.applications:
        r = found.setdefault((a.stage, a.rule), {"stage": a.stage, "rule": a.rule, "doc": docs.get(a.rule, ""),
                                                 "places": []})
        r["places"].append(list(a.nodes))
    of_source: dict[str, list[int]] = {}
    for i, a in enumerate(trace.applications):
        for s in a.sources[:1]:
            of_source.setdefault(s, []).append(i)
    for g in graphs:
        for n in g["nodes"]:
            own = set(n["sources"])
            at = sorted({i for s in own for i in of_source.get(s, ())})
            made = [trace.applications[i] for i in at if own.issuperset(trace.applications[i].sources)]
            n["rules"] = list(dict.fromkeys(f"{a.stage}: {a.rule}" for a in made))
    return list(found.values())


def _docs() -> dict[str, str]:
    """What each rule says of itself."""
    docs = {}
    for stage in [*STAGES, HALVES]:
        for step in stage.steps:
            rules: list[Rule | Callable[..., None]] = [step] if callable(step) else list(step)
            for r in rules:
                name, doc = (r.name, r.doc) if isinstance(r, Rule) else (r.__name__, inspect.getdoc(r) or "")
                docs[name] = " ".join(doc.split("\n\n")[0].split())
    return docs


def _sources(proto: onnx.ModelProto, graphs: list[dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Facts of the source nodes that a node names; and those of the main graph that no node names."""
    every = source.index(proto)
    named = {s for g in graphs for n in g["nodes"] for s in n["sources"]}
    unused = [f"{f['op']} {n}" for n, f in every.items() if f["main"] and n not in named and f["op"] != "Constant"]
    return {n: f for n, f in every.items() if n in named}, unused


def _layers(layers: list[Layer] | None) -> list[dict[str, Any]] | None:
    if layers is None:
        return None
    return [{"step": x.step, "node": x.node, "op": x.op, "tensor": x.result.name, "measure": x.result.kind,
             "value": x.result.value, "limit": x.result.limit, "ok": x.result.ok, "why": x.result.why} for x in layers]
