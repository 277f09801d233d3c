"""The page: one HTML file that needs nothing else, in which every text of the model is escaped.

What could run in it is named by hash in its content security policy: the one script. So even a name that found a way
around the escaping would not be run, and nothing is ever loaded.
"""
from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..cli.output import human_bytes
from ..measure import plain
from . import charts, memory
from .details import details
from .drawing import View, graph_views, shape_of
from .marks import WORDS, family, shape_text

HERE = Path(__file__).parent / "templates"


def page(facts: dict[str, Any]) -> bytes:
    """The HTML of what `facts.gather` found."""
    return fill(facts, graph_views(facts), details(facts))


def fill(facts: dict[str, Any], views: list[View], nodes: dict[str, dict[str, Any]]) -> bytes:
    """The HTML of facts, pictures and what the panel says."""
    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                             loader=jinja2.FileSystemLoader(HERE))
    env.filters |= {"bytes": human_bytes, "shape": shape_text}
    style, script = ((HERE / f"report.{end}").read_text(encoding="utf-8") for end in ("css", "js"))
    data = {"nodes": nodes, "steps": _keys(facts),
            "views": {v.key: {"title": v.title, "parent": v.parent, "w": round(v.width), "h": round(v.height)}
                      for v in views}}
    text = env.get_template("report.html").render(
        f=facts, views=views, style=Markup(style), script=Markup(script), data=in_script(data),
        style_hash=_hash(style), script_hash=_hash(script), plan=memory.picture(facts), rows=_steps(facts),
        operators=charts.operators(facts) if facts["bench"] else None,
        times=charts.steps(facts) if facts["bench"] else None, errors=charts.errors(facts), families=_families(facts),
        worst=_worst(facts), verdict=_verdict(facts), title=Path(facts["model"]).name)
    return text.encode("utf-8", "replace")


def in_script(data: Any) -> Markup:
    """JSON that can stand in a script element: no '<' that could end it, and no '&'."""
    text = json.dumps(plain(data), separators=(",", ":"))  # ASCII
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _keys(facts: dict[str, Any]) -> dict[int, str]:
    """Step to the key of its node."""
    return {n["step"]: f"g{g}n{i}" for g, graph in enumerate(facts["graphs"]) for i, n in enumerate(graph["nodes"])
            if n["step"] is not None}


def _steps(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of steps."""
    times = {s["index"]: s for s in facts["bench"]["steps"]} if facts["bench"] else {}
    errors: dict[int, dict[str, Any]] = {}
    for x in facts["layers"] or ():
        if x["step"] not in errors or errors[x["step"]]["ok"]:
            errors[x["step"]] = x
    shapes = {n["step"]: [shape_of(g["tensors"][i]) for i in n["outputs"]] for g in facts["graphs"] for n in g["nodes"]}
    return [s | {"time": times.get(s["index"]), "error": errors.get(s["index"]), "family": family(s["op"]),
                 "shape": "  ".join(map(shape_text, shapes.get(s["index"], [])))} for s in facts["steps"]]


def _families(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Those that occur, with their words: the legend."""
    there = {family(n["op"]) for g in facts["graphs"] for n in g["nodes"]}
    return [(name, word) for name, word in WORDS.items() if name in there]


def _worst(facts: dict[str, Any]) -> dict[str, Any] | None:
    layers = [x for x in facts["layers"] or () if x["measure"] == "error"]
    return max(layers, key=lambda x: x["value"], default=None)


def _verdict(facts: dict[str, Any]) -> str:
    """How the proof's sentence is coloured."""
    proof = facts["proof"]
    return {"proven": "good", "failed": "bad"}.get(proof["verdict"], "fair") if proof else "fair"
