"""lite-opt targets: what can be built for."""
from __future__ import annotations

import click

from .options import common
from .output import print_json, print_table, say

EXAMPLES = """
\b
Examples:
  lite-opt targets
  lite-opt targets --json | jq '.targets[].name'
"""

JSON = {
    "targets": "each with name, triple, runs_on, levels, toolchains (found here, with version), missing (what "
               "brings them), tested",
}


@click.command("targets", epilog=EXAMPLES)
@common
def command(as_json: bool) -> None:
    """List the targets of `lite-opt build`: the instruction sets that the library knows at run time, the compilers that
    are here, and how the project tests them."""
    from ..toolchain.compilers import look
    from ..toolchain.targets import TARGETS, TOOLCHAINS

    facts = []
    for t in TARGETS.values():
        found = [look(t, name) for name in TOOLCHAINS]
        facts.append({"name": t.name, "triple": t.triple, "runs_on": t.oldest, "levels": list(t.levels),
                      "toolchains": {c.name: c.version for c in found if c.version},
                      "missing": {c.name: c.fix for c in found if not c.version}, "tested": t.tested})
    if as_json:
        print_json({"targets": facts})
        return
    print_table("", ["target", "triple", "levels", "compilers", "tested"],
                [[f["name"], f["triple"], " ".join(f["levels"]),
                  " ".join(f["toolchains"]) or "none", f["tested"]] for f in facts])
    if any("zig" not in f["toolchains"] for f in facts):
        say(f"a compiler for all of them: {facts[0]['missing']['zig']}")
