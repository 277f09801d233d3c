"""lite-opt check: can this model be converted?"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..errors import Problem, UnsupportedError, grouped, how_many
from .options import ModelFile, common, conversion
from .output import print_json, print_table, progress, say

if TYPE_CHECKING:
    import onnx

EXAMPLES = """
\b
Examples:
  lite-opt check model.onnx
  lite-opt check silero.onnx --set sr=16000
  lite-opt check model.onnx --json | jq .problems
"""
JSON = {
    "ok": "whether the model can be converted",
    "operators": "how many nodes there are of each operator",
    "problems": "of each node that is not supported: node, op, why, fix (what to do, or an empty string)",
}


@click.command("check", epilog=EXAMPLES)
@click.argument("model", type=ModelFile(".onnx"))
@conversion
@common
def command(model: str, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int | str], as_json: bool) -> int:
    """Report whether the ONNX MODEL can be converted, operator by operator. Exit code 1 when it cannot.

    The model is really converted (in memory and without the proof), so that what is accepted here does not fail later.
    """
    from ..frontend import load

    with progress() as tell:
        tell("reading")
        proto = load(model)
        tell("checking")
        found = problems(proto, set_, state, dims)
    nodes = Counter(_operators(proto))
    bad = Counter(p.op for p in found)
    if as_json:
        print_json({"ok": not found, "operators": dict(sorted(nodes.items())),
                    "problems": [vars(p) for p in found]})
        return bool(found)
    rows = [[op, n, f"{bad[op]} not supported" if bad[op] else "yes"] for op, n in sorted(nodes.items())]
    print_table("", ["operator", ">nodes", "supported"], rows, lambda i: rows[i][2] != "yes")
    if found:
        same = grouped(found)
        print_table("", ["operator", "node", "why", "what to do"],
                    [[p.op, p.node + more, p.why, p.fix] for p, more in same])
        say(f"cannot be converted: {how_many(same)} not supported", "red")
    else:
        say("can be converted", "green")
    return bool(found)


def problems(model: str | bytes | onnx.ModelProto, set_: dict[str, Any] | None = None,
             state: dict[str, str] | None = None, dims: dict[str, int | str] | None = None) -> list[Problem]:
    """All that `convert` would refuse; ConvertError, in the words of `convert`, for what is wrong with the whole."""
    from ..api import convert

    try:
        convert(model, verify=False, set=set_, state=state, dim=dims)
    except UnsupportedError as e:
        return e.problems
    return []


def _operators(model: onnx.ModelProto) -> Iterator[str]:
    """The operator of each node, with those of functions and branches; not the calls of the model's own functions."""
    own = {(f.domain, f.name) for f in model.functions}
    stack = [*model.graph.node, *(n for f in model.functions for n in f.node)]
    while stack:
        n = stack.pop()
        stack += [inner for a in n.attribute for g in (a.g, *a.graphs) for inner in g.node]
        if (n.domain, n.op_type) not in own:
            yield n.op_type if n.domain in ("", "ai.onnx") else f"{n.domain}.{n.op_type}"
