"""lite-opt diff: what differs between two models."""
from __future__ import annotations

from typing import Any

import click

from ... import Benchmark, Session, benchmark
from .inputs import gather_feeds, say_sizes
from .models import convert_in_memory, is_lrm, refuse_conversion
from .options import Given, ModelFile, common, conversion, inputs, rows_option, seconds_option
from .output import human_bytes, print_json, print_table, progress, say

EXAMPLES = """
\b
Examples:
  lite-opt diff old.lrm new.lrm
  lite-opt diff model.onnx model.lrm --dim batch=1  (the same file again?)
  lite-opt diff f32.lrm f16.lrm --bench --shape x=1,3,64,64
  lite-opt diff old.lrm new.lrm --json | jq .nodes.changed
"""
JSON = {
    "a": "A as it was given",
    "b": "B",
    "inputs": "of each input its dtype and shape",
    "equal": "whether graph, weights and outputs are equal, the outputs bit for bit",
    "same_bytes": "whether the files are",
    "ports": "inputs, outputs and states that differ: role, name, a, b",
    "metadata": "keys that differ: key, a, b",
    "nodes": "added, removed, changed: lists",
    "tensors": "the same",
    "weights": "constants that differ: node, port, a, b, max, relative",
    "sizes": "a and b: bytes of the file, weights and memory, nodes",
    "numbers": "of each output: name, measure, value, limit, ok, same_bits, why",
    "not_run": "why the outputs were not compared, or null",
    "speed": "with --bench, else null: as `bench` of B, whose `versus` is A",
}


@click.command("diff", epilog=EXAMPLES)
@click.argument("a", type=ModelFile())
@click.argument("b", type=ModelFile())
@conversion
@inputs
@click.option("--bench", is_flag=True, help="Measure both, alternately, and give the ratio.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads; default: one per core.")
@seconds_option("Time for the runs of each side, with --bench.")
@rows_option("List that many differences of each kind; 0: all.")
@common
def command(a: str, b: str, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int | str],
            given: Given, bench: bool, threads: int | None, seconds: float, top: int, as_json: bool) -> int:
    """Show what differs between A and B, .lrm files or ONNX models (these are converted in memory): graph, weights,
    sizes, and what they make of the same inputs.

    Exit code 0 when they are equal (outputs bit for bit; sizes and speed do not count), 1 when they differ, 2 for wrong
    usage. An error is 1 too, with a line on stderr.
    """
    from ..report.diff import Side, diff

    lrm = {path: is_lrm(path) for path in (a, b)}
    if all(lrm.values()):
        refuse_conversion("both are", set_, state, dims)
    with progress() as tell:
        data = []
        for path in (a, b):
            if lrm[path]:
                with open(path, "rb") as f:
                    data.append(f.read())
            else:
                data.append(convert_in_memory(path, set_, state, dims, tell))
        with Session(data[0], threads) as one, Session(data[1], threads) as two:
            found = gather_feeds(one, given)
            feeds = found.arrays
            tell("comparing")
            facts = diff(Side(data[0], one), Side(data[1], two), feeds)
            speed = None
            if bench and not facts["not_run"]:
                tell.still(f"measuring for about {3 * seconds:.3g} s")
                speed = benchmark(data[1], feeds, threads, seconds=seconds, against=lambda: one.run(feeds))
    if as_json:
        print_json({"a": a, "b": b, "inputs": {n: [str(x.dtype), list(x.shape)] for n, x in feeds.items()}, **facts,
                    "speed": speed.as_dict() if speed else None})
        return int(not facts["equal"])
    say_sizes(found.chosen)
    _print_graph(facts, top)
    _print_weights(facts["weights"], top)
    _print_sizes(facts["sizes"])
    _print_numbers(facts)
    if speed:
        _print_speed(speed)
    elif bench:
        say("speed was not measured: the inputs differ, or nothing could be planned", "yellow")
    say("equal" + (", byte for byte" if facts["same_bytes"] else "") if facts["equal"] else "they differ",
        "green" if facts["equal"] else "yellow")
    return int(not facts["equal"])


def _table(title: str, columns: list[str], rows: list[list[Any]], top: int) -> None:
    """As many rows as are wanted, and how many there are in all."""
    if not rows:
        return
    shown = rows[:top] if top else rows
    print_table(f"{title} ({len(rows)})" if len(shown) == len(rows) else f"{title} (the first {top} of {len(rows)})",
                columns, shown)


def _print_graph(facts: dict[str, Any], top: int) -> None:
    _table("inputs, outputs, states", ["role", "name", "a", "b"],
           [[p["role"], p["name"], p["a"] or "", p["b"] or ""] for p in facts["ports"]], top)
    _table("metadata", ["key", "a", "b"], [[m["key"], _short(m["a"]), _short(m["b"])] for m in facts["metadata"]], top)
    for kind in ("removed", "added"):
        _table(f"nodes {kind}", ["op", "name"], [[n["op"], n["name"]] for n in facts["nodes"][kind]], top)
    _table("nodes changed", ["op", "name", "what", "a", "b"],
           [[n["op"], n["name"], w["what"], _short(w["a"]), _short(w["b"])] for n in facts["nodes"]["changed"]
            for w in n["what"]], top)
    for kind in ("removed", "added"):
        _table(f"tensors {kind}", ["name", "type"], [[t["name"], t["type"]] for t in facts["tensors"][kind]], top)
    changed = [[t["name"], t["a"], t["b"]] for t in facts["tensors"]["changed"]]
    _table("tensors changed", ["name", "a", "b"], changed, top)


def _short(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def _print_weights(weights: list[dict[str, Any]], top: int) -> None:
    worst = sorted(weights, key=lambda w: -(w["relative"] or 0))
    _table("weights", ["node", "input", "a", "b", ">max difference", ">relative"],
           [[w["node"], w["port"], w["a"], w["b"] if w["b"] != w["a"] else "the same", _number(w["max"]),
             _number(w["relative"])] for w in worst], top)


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.2e}"


def _print_sizes(sizes: dict[str, dict[str, Any]]) -> None:
    rows = []
    for name, x in sizes["a"].items():
        y = sizes["b"][name]
        words = [str(v) if name == "nodes" else "?" if v is None else human_bytes(v) for v in (x, y)]
        rows.append([name, *words, f"{y / x:.3f}" if x and y is not None else ""])
    print_table("sizes", ["", ">a", ">b", ">b / a"], rows)


def _print_numbers(facts: dict[str, Any]) -> None:
    if facts["not_run"]:
        say(facts["not_run"], "yellow")
        return
    rows = [[n["name"], "equal bits" if n["same_bits"] else n["measure"],
             n["why"] or ("" if n["same_bits"] else f"{n['value']:.3g}"), f"{n['limit']:g}"] for n in facts["numbers"]]
    print_table("outputs on the same inputs", ["output", "measure", ">value", ">limit"], rows,
                lambda i: not facts["numbers"][i]["ok"])


def _print_speed(r: Benchmark) -> None:
    v = r.versus
    assert v is not None
    say(f"a: median {v.times.median:.3f} ms; b: median {r.times.median:.3f} ms; b takes {v.ratio:.3f} of a's time "
        f"({v.low:.3f} to {v.high:.3f} in {v.rounds} rounds)", "green" if v.ratio <= 1 else "yellow")
