"""What the panel beside the graph says of a node: sections of text, which the page's script puts in as text alone."""
from __future__ import annotations

from typing import Any

from ..cli.output import human_bytes
from .drawing import MOST_SOURCES, body_name, known_sources, opens_sources, shape_of, title
from .marks import duration, shape_text

Section = dict[str, Any]  # title, and rows (of cells), lines, or links (text, view)


def details(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Key of each node of the file's graphs to what is known of it."""
    times = {s["index"]: s for s in facts["bench"]["steps"]} if facts["bench"] else {}
    errors: dict[int, list[dict[str, Any]]] = {}
    for x in facts["layers"] or ():
        errors.setdefault(x["step"], []).append(x)
    found = {}
    for g, graph in enumerate(facts["graphs"]):
        for n, node in enumerate(graph["nodes"]):
            sections = [_facts(facts, g, node, times), _errors(errors.get(node["step"], [])), _attributes(node),
                        _program(node), _tensors("inputs", graph, node["inputs"], node["ports"]),
                        _tensors("outputs", graph, node["outputs"], []), _graphs(facts, node),
                        _sources(facts, g, n, node), _lines("rules that made it", node.get("rules", []))]
            found[f"g{g}n{n}"] = {"title": title(graph, node), "name": node["name"], "step": node["step"],
                                  "sections": [s for s in sections if s]}
    return found


def _facts(facts: dict[str, Any], g: int, node: dict[str, Any], times: dict[int, Any]) -> Section:
    rows = [["operator", node["op"]]]
    if node["custom"]:
        rows.append(["custom operator", node["custom"]])
    if node["step"] is None:
        why = "not in the plan"
        if facts["steps"]:
            why = "none: it runs in a session of its own" if g else "none: computed once, when planning"
        return {"title": "", "rows": [*rows, ["step", why]]}
    step = facts["steps"][node["step"]]
    rows += [["step", str(step["index"])], ["runs on", step["device"]],
             ["kernel", step["kernel"] or "the operator's only one"]]
    if step["reason"]:
        rows.append(["because", step["reason"]])
    t = times.get(step["index"])
    if t:
        rows.append(["time", f"{duration(t['ms'])}, {100 * t['share']:.1f} %"])
        if t["gflop"] is not None:
            rows.append(["arithmetic", f"{t['gflop']:.3g} GFLOP"])
        if t["peak"] is not None:
            rows.append(["of the peak", f"{100 * t['peak']:.1f} %"])
    return {"title": "", "rows": rows}


def _errors(found: list[dict[str, Any]]) -> Section | None:
    if not found:
        return None
    rows = [[x["tensor"], x["why"] or f"{x['measure']} {x['value']:.3g}, limit {x['limit']:g}"
             + ("" if x["ok"] else ": outside")] for x in found]
    return {"title": "error", "rows": rows, "bad": any(not x["ok"] for x in found)}


def _attributes(node: dict[str, Any]) -> Section | None:
    rest = len(node["attrs"]) - len(node["told"])
    rows = [[k, _text(v)] for k, v in node["told"].items()]
    if not rows:
        return None
    return {"title": "attributes", "rows": rows, "note": f"{rest} more have their defaults" if rest else ""}


def _text(v: Any) -> str:
    return f"{v:g}" if isinstance(v, float) else str(v)


def _program(node: dict[str, Any]) -> Section | None:
    if not node["program"]:
        return None
    note = "acc starts as the operator's own result" if node["op"] != "elementwise" else ""
    return _lines("post-op program" if note else "program", node["program"], note)


def _lines(name: str, lines: list[str], note: str = "") -> Section | None:
    return {"title": name, "lines": lines, "note": note} if lines else None


def _tensors(name: str, graph: dict[str, Any], indices: list[int], ports: list[str]) -> Section | None:
    rows = []
    for k, i in enumerate(indices):
        if i < 0:
            continue
        t = graph["tensors"][i]
        weight = t["lifetime"] == "const"
        said = f"{t['dtype']} {shape_text(shape_of(t))}" + (f", {human_bytes(t['bytes'])}" if weight else "")
        called = "weights" if weight and not t["name"] else t["name"]
        rows.append([ports[k] if k < len(ports) else str(k), called, said])
    return {"title": name, "rows": rows} if rows else None


def _graphs(facts: dict[str, Any], node: dict[str, Any]) -> Section | None:
    links = [[f"open {body_name(node, k)} ({len(facts['graphs'][g]['nodes'])} nodes)", f"g{g}"]
             for k, g in enumerate(node["graphs"])]
    return {"title": "graphs", "links": links} if links else None


def _sources(facts: dict[str, Any], g: int, n: int, node: dict[str, Any]) -> Section | None:
    if not node["sources"]:
        return {"title": "source nodes", "lines": ["none: the converter added it"]}
    known = {s["name"]: s for s in known_sources(facts, node)}
    rows = [[known[s]["op"] if s in known else "?", s, ", ".join(f"{k}={v}" for k, v in known[s]["attrs"].items())
             if s in known else ""] for s in node["sources"][:MOST_SOURCES]]
    left = len(node["sources"]) - len(rows)
    links = [[f"open these {len(rows)} as a graph", f"s{g}-{n}"]] if opens_sources(facts, node) else []
    return {"title": "source nodes", "rows": rows, "links": links, "note": f"and {left} more" if left else ""}
