"""lite-opt check: can this model be converted?"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..errors import Problem
from .options import common, conversion
from .output import print_json, print_table, progress, say

if TYPE_CHECKING:
    import onnx

EXAMPLES = """
\b
Examples:
  lite-opt check model.onnx
  lite-opt check model.onnx --set sr=16000
  lite-opt check model.onnx --json | jq .problems
"""


@click.command("check", short_help="Can this ONNX model be converted?", epilog=EXAMPLES)
@click.argument("model", type=click.Path())
@conversion
@common
def command(model: str, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int], as_json: bool) -> int:
    """Report whether the ONNX MODEL can be converted, operator by operator. Exit code 1 when it cannot.

    The model is really converted (in memory and without the proof), so that what is accepted here does not fail later.
    """
    from ..api import convert
    from ..frontend import check, load
    from ..infer import Infer

    with progress() as tell:
        tell("reading")
        proto = load(model)
        tell("checking")
        problems: list[Problem] = check(proto, Infer(), set=set_, state=state, dims=dims)
        if not problems:
            tell("converting")
            convert(proto, verify=False, set=set_, state=state, dim=dims)
    nodes = Counter(_operators(proto))
    bad = Counter(p.op for p in problems)
    if as_json:
        print_json({"ok": not problems, "operators": dict(sorted(nodes.items())),
                    "problems": [vars(p) for p in problems]})
        return bool(problems)
    rows = [[op, n, f"{bad[op]} not supported" if bad[op] else "yes"] for op, n in sorted(nodes.items())]
    print_table("", ["operator", ">nodes", "supported"], rows, lambda i: rows[i][2] != "yes")
    if problems:
        print_table("", ["operator", "node", "why", "what to do"], [[p.op, p.node, p.why, p.fix] for p in problems])
        n = len(problems)
        say(f"cannot be converted: {n} {'thing is' if n == 1 else 'things are'} not supported", "red")
    else:
        say("can be converted", "green")
    return bool(problems)


def _operators(model: onnx.ModelProto) -> Iterator[str]:
    """The operator of each node, with those of functions and branches; not the calls of the model's own functions."""
    own = {(f.domain, f.name) for f in model.functions}
    stack = [*model.graph.node, *(n for f in model.functions for n in f.node)]
    while stack:
        n = stack.pop()
        stack += [inner for a in n.attribute for g in (a.g, *a.graphs) for inner in g.node]
        if (n.domain, n.op_type) not in own:
            yield n.op_type if n.domain in ("", "ai.onnx") else f"{n.domain}.{n.op_type}"
