"""lite-opt show: what is in a file."""
from __future__ import annotations

import os
from typing import Any

import click

from ... import Model, Session, Step, TensorInfo
from ..errors import ConvertError
from .options import ModelFile, common, shapes_option
from .output import human_bytes, human_shape, print_json, print_table, say

EXAMPLES = """
\b
Examples:
  lite-opt show model.lrm
  lite-opt show model.lrm --nodes
  lite-opt show model.lrm --shape x=1,3,640,640     (plans for that size)
  lite-opt show model.lrm --json | jq .memory
"""
JSON = {
    "file": "its path",
    "bytes": "its size",
    "version": "of the file format",
    "producer": "what wrote it",
    "inputs": "of each: name, dtype, shape (a dim is a number, a symbol or null)",
    "outputs": "the same",
    "states": "the same",
    "metadata": "keys and values",
    "weights": "count and bytes of constants",
    "nodes": "of each: op, name, inputs, outputs, sources, kernel",
    "tensors": "of each: name, dtype, shape, lifetime, bytes, encodings",
    "memory": "bytes of a session, or null where sizes are open",
    "points": "memory at the sizes that `convert --dim` declared",
    "all_points": "whether these are all; else the corners",
}


@click.command("show", epilog=EXAMPLES)
@click.argument("file", type=ModelFile(".lrm"))
@click.option("--nodes", is_flag=True, help="List all nodes.")
@click.option("--tensors", is_flag=True, help="List all tensors.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,64,64", callback=shapes_option,
              help="Shape of an input, for the plan. May be repeated.")
@common
def command(file: str, nodes: bool, tensors: bool, shapes: dict[str, tuple[int, ...]], as_json: bool) -> None:
    """Show what is in FILE: inputs, outputs, nodes, tensors, sizes, and the memory plan."""
    from ..lower.reader import read

    shared = Model(file)  # verifies the file
    with Session(shared) as session:
        with open(file, "rb") as f:
            data = f.read()
        model = read(data)
        facts = _facts(file, data, model, session, shapes)
    facts |= _declared(shared, facts["metadata"], shapes)
    if as_json:
        print_json(facts)
        return
    say(f"{file}: {human_bytes(facts['bytes'])}, format {facts['version']}, by {facts['producer']}")
    rows = [[role, t["name"], t["dtype"], human_shape(t["shape"])]
            for role in ("inputs", "outputs", "states") for t in facts[role]]
    print_table("", ["role", "name", "dtype", "shape"], [[r[0][:-1], *r[1:]] for r in rows])
    from ..adapt import KEYS, declared

    for kind in KEYS:
        for name, form in declared(facts["metadata"], kind).items():
            say(f"{kind} '{name}' is in another form than the source model's: {form.text}")
    weights = facts["weights"]
    say(f"{len(facts['nodes'])} nodes, {len(facts['tensors'])} tensors, {weights['count']} constants of "
        f"{human_bytes(weights['bytes'])}")
    if facts["points"]:
        _print_points(facts)
    elif facts["memory"] is None:
        say("the plan depends on the inputs' shapes; give them with --shape")
    else:
        say(f"memory of a session: {human_bytes(facts['memory'])}")
    metadata = [[k, _short(v)] for k, v in facts["metadata"].items()
                if not k.startswith("lite_runtime.")]
    if metadata:
        print_table("metadata", ["key", "value"], metadata)
    if nodes:
        print_table("nodes", [">#", "op", "name", "outputs", "kernel"],
                    [[i, n["op"], n["name"], "  ".join(n["outputs"]), n["kernel"]]
                     for i, n in enumerate(facts["nodes"])])
    if tensors:
        print_table("tensors", [">#", "name", "dtype", "shape", "lifetime", ">bytes"],
                    [[i, t["name"], t["dtype"], human_shape(t["shape"]), t["lifetime"], t["bytes"] or ""]
                     for i, t in enumerate(facts["tensors"])])


def _facts(file: str, data: bytes, model: dict[str, Any], session: Session,
           shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    from ...spec.ops import BY_CODE
    from ..dtypes import BY_CODE as DTYPE

    main = model["subgraphs"][0]
    lifetimes = ("temp", "const", "input", "output", "state")

    def dims(t: dict[str, Any]) -> list[int | str | None]:
        return [d if d >= 0 else None if d == -1 else model["symbols"][-2 - d] for d in t["dims"] or ()]

    tensors = [{"name": t["name"] or "", "dtype": DTYPE[t["dtype"]].name, "shape": dims(t),
                "lifetime": lifetimes[t["lifetime"]], "bytes": sum(e["size"] for e in t["encodings"] or ()),
                "encodings": len(t["encodings"] or ())} for t in main["tensors"]]
    plan = _plan(session, shapes)
    steps = {s.node: s for s in plan or ()}
    nodes = []
    for n in main["nodes"]:
        step = steps.get(n["name"])
        outputs = [f"{t['dtype']} {human_shape(t['shape'])}" for t in (tensors[i] for i in n["outputs"])]
        nodes.append({"op": BY_CODE[n["op"]].name, "name": n["name"], "inputs": list(n["inputs"] or ()),
                      "outputs": outputs, "sources": list(n["sources"] or ()), "kernel": step.kernel if step else ""})
    consts = [t for t in tensors if t["lifetime"] == "const"]
    return {
        "file": os.path.abspath(file), "bytes": len(data), "version": model["version"], "producer": model["producer"],
        "inputs": [_info(t) for t in session.inputs], "outputs": [_info(t) for t in session.outputs],
        "states": [_info(t) for t in session.states], "metadata": session.metadata,
        "weights": {"count": len(consts), "bytes": sum(t["bytes"] for t in consts)},
        "nodes": nodes, "tensors": tensors, "memory": session.memory if plan is not None else None,
    }


def _plan(session: Session, shapes: dict[str, tuple[int, ...]]) -> list[Step] | None:
    """The steps, or None when the shapes of some inputs are open."""
    for name in shapes:
        if name not in [t.name for t in session.inputs]:
            raise ConvertError(f"--shape: the model has no input '{name}'")
    if any(t.name not in shapes and not all(isinstance(d, int) for d in t.shape) for t in session.inputs):
        return None
    session.resize(shapes)
    return session.steps()


def _declared(model: Model, metadata: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The memory of a fresh session at each declared point (`all_points` False: at the corners only).

    No points when nothing is declared, or when other sizes are open and not given by --shape."""
    from ..ranges import from_metadata, points

    ranges = from_metadata(metadata)
    chosen, whole = points(ranges) if ranges else ([], True)
    rows = []
    for sizes in chosen:
        at = {t.name: shapes[t.name] if t.name in shapes else
              tuple(sizes.get(d) if isinstance(d, str) else d for d in t.shape) for t in model.inputs}
        if any(d is None for shape in at.values() for d in shape):
            return {"points": [], "all_points": True}
        with Session(model, plans=1) as session:
            session.resize({n: tuple(d for d in s if d is not None) for n, s in at.items()})
            session.steps()
            rows.append({"sizes": sizes, "memory": session.memory})
    return {"points": rows, "all_points": whole}


def _print_points(facts: dict[str, Any]) -> None:
    rows, names = facts["points"], list(facts["points"][0]["sizes"])
    print_table("memory of a session", [*(f">{n}" for n in names), ">memory"],
                [[*p["sizes"].values(), human_bytes(p["memory"])] for p in rows])
    peak = max(rows, key=lambda p: p["memory"])
    where = ", ".join(f"{n}={d}" for n, d in peak["sizes"].items())
    over = "all declared points" if facts["all_points"] else "the corners of the declared ranges"
    say(f"peak memory over {over}: {human_bytes(peak['memory'])} at {where}")


def _info(t: TensorInfo) -> dict[str, Any]:
    return {"name": t.name, "dtype": str(t.dtype), "shape": list(t.shape)}


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"
