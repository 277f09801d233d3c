"""lite-opt check: can this model be converted?"""
from __future__ import annotations

from collections import Counter
from typing import Any

import click

from ..errors import Problem
from .options import common, conversion
from .output import print_json, print_table, progress, say

EXAMPLES = """
\b
Examples:
  lite-opt check model.onnx
  lite-opt check model.onnx --set sr=16000
  lite-opt check model.onnx --json | jq .problems
"""


@click.command("check", epilog=EXAMPLES)
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
    functions = {(f.domain, f.name) for f in proto.functions}
    nodes = Counter((n.domain + "." if n.domain not in ("", "ai.onnx") else "") + n.op_type for n in proto.graph.node
                    if (n.domain, n.op_type) not in functions)
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
