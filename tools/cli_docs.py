"""The text of docs/cli.md, from the commands of lite-opt themselves. tools/gen_docs.py writes it.

Needs the package installed with [convert].
"""
from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import click

from lite_runtime.converter.cli.app import COMMANDS, EXIT_CODES, cli
from lite_runtime.converter.cli.options import common, conversion, inputs

HEAD = """# lite-opt

Made by `tools/gen_docs.py` from the commands themselves; do not edit. `lite-opt COMMAND --help` says the same.

## Synopsis

    lite-opt COMMAND [OPTIONS] ARGUMENTS
    lite-opt --help | --version
"""

GENERAL = """## What goes where

Results go to stdout. Errors are one line on stderr, `error: <where>: <what is wrong>[; <what to do>]`; `--debug` adds
a traceback. Progress is shown on stderr when that is a terminal, not with `--quiet` or `--json`. Tables fit the
terminal; in a pipe or file nothing is folded. Files are written beside their place and renamed when they are whole.

With `--json` stdout is exactly one JSON object, whose keys are listed with each command. After an error it is
`{"error": "<the sentence>"}`, for a failed proof with `"proof"` beside it, and the exit code is not 0. Numbers that
JSON does not have are the strings `"nan"`, `"inf"` and `"-inf"`.
"""

# options that several commands have: heading, the decorator that adds them, what to know
GROUPS: list[tuple[str, Callable[..., Any], str]] = [
    ("Options for inputs", inputs, """`NAME=VALUE` of `--input`:

- `FILE.npy`, or `FILE.npz` with an array of the input's name, or one array alone. Dtype and shape must be the input's.
- `FILE.png`, `.jpg`, `.jpeg`, `.bmp`, `.webp`: a picture of 8 bits, read by pillow (`pip install pillow`), turned as
  its camera says. The input is [N C H W], [C H W], [H W] or has the channels last, of float32, float16 or uint8, with 1
  or 3 channels. A picture at least twice as large as the input is first averaged over blocks of whole pixels (pillow's
  `reduce`), then `lite_runtime.image` does the rest ([pictures](image.md)).
- Numbers: `1,2,3` fills the input's shape, of which one size may be open; `[[1,2],[3,4]]` has a shape of its own.
- `random`, `zeros`, `ones`. Random: floats are normal, bytes take all values, other integers are 0 to 9, bools and
  masks are ones; the same seed gives the same numbers on every machine.

`convert --input` is another thing: it changes what the file's input *is*, where this gives it a value.
"""),
    ("Options of a conversion", conversion, "As for `convert`; they go with ONNX models alone.\n"),
    ("Options of all commands", common, ""),
]


def options_of(decorator: Callable[..., Any]) -> list[click.Option]:
    """What a decorator adds to a command."""
    made = click.command("x")(decorator(lambda **values: None))
    return [p for p in made.params if isinstance(p, click.Option)]


def value_of(o: click.Option) -> str:
    """What stands behind the option's name."""
    if o.is_flag or o.metavar:
        return o.metavar or ""
    if isinstance(o.type, click.Choice):
        return "|".join(map(str, o.type.choices))
    return "FILE" if isinstance(o.type, click.Path) else o.type.name.upper()


def names(o: click.Option) -> str:
    """`-i`, `--input NAME=VALUE`."""
    *short, last = sorted(o.opts, key=lambda n: n.startswith("--"))
    return ", ".join(f"`{w}`" for w in [*short, f"{last} {value_of(o)}".rstrip()])


def table(options: list[click.Option]) -> list[str]:
    """A row for each option."""
    def cell(text: str) -> str:
        return text.replace("|", "\\|")

    rows = [f"| {cell(names(o))} | {o.default if o.show_default else ''} | {cell(o.help or '')} |" for o in options]
    return ["| option | default | |", "|---|---|---|", *rows, ""]


def examples(command: click.Command) -> list[str]:
    """The epilog: headings become sentences, the lines code."""
    lines = []
    for line in inspect.cleandoc((command.epilog or "").replace("\b\n", "")).splitlines():
        if line.startswith(" "):
            lines.append("  " + line)
        elif line:
            lines += [*([""] if lines else []), line, ""]
    return [*lines, ""]


def of_command(name: str, shared: dict[str, tuple[str, str]]) -> list[str]:
    """The section of one command. shared: option's help and names to the group that lists it."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    usage = " ".join(["lite-opt", name, *command.collect_usage_pieces(click.Context(command, info_name=name))])
    lines = [f"## lite-opt {name}", "", COMMANDS[name][1], "", f"    {usage}", "", inspect.cleandoc(command.help or "")]
    lines.append("")
    options = [p for p in command.params if isinstance(p, click.Option)]
    own = [o for o in options if (names(o), o.help or "") not in shared]
    used = [g for g, _, _ in GROUPS if any(shared.get((names(o), o.help or "")) == g for o in options)]
    lines += table(own) if own else []
    if used:
        links = ", ".join(f"[{g[0].lower() + g[1:]}](#{g.lower().replace(' ', '-')})" for g in used)
        lines += [("And " if own else "It has ") + links + ".", ""]
    found = getattr(importlib.import_module(f"lite_runtime.converter.cli.{COMMANDS[name][0]}"), "JSON", None)
    if found:
        lines += ["`--json`:", "", "| key | |", "|---|---|", *(f"| {k} | {v} |" for k, v in found.items()), ""]
    return lines + examples(command)


def text() -> str:
    """The whole page."""
    shared = {(names(o), o.help or ""): group for group, decorator, _ in GROUPS for o in options_of(decorator)}
    lines = [HEAD, "| command | |", "|---|---|"]
    lines += [f"| [{name}](#lite-opt-{name}) | {words} |" for name, (_, words) in sorted(COMMANDS.items())]
    lines += ["", GENERAL, "## Exit codes", "", "| code | |", "|---|---|"]
    lines += [f"| {code} | {words} |" for code, words in EXIT_CODES.items()]
    lines.append("")
    for name in sorted(COMMANDS):
        lines += of_command(name, shared)
    for group, decorator, words in GROUPS:
        lines += [f"## {group}", "", *table(options_of(decorator)), *([words] if words else [])]
    return "\n".join(lines).rstrip() + "\n"
