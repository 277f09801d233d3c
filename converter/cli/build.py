"""lite-opt build: a library for a device, tailored to models."""
from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..toolchain.targets import TARGETS, TOOLCHAINS, find
from .options import ModelFile, common
from .output import human_bytes, print_json, print_table, progress, say

if TYPE_CHECKING:
    from ..toolchain.build import Built

EXAMPLES = """
\b
Examples:
  lite-opt build --target linux-arm64                     (the whole runtime)
  lite-opt build det.lrm rec.lrm --target android-arm64   (what both need)
  lite-opt build model.lrm --target linux-armv7 --embed     (the model in it)
  lite-opt build model.lrm --target linux-x64 --app --out build/x64
"""

JSON = {
    "folder": "where the files are",
    "target": "the target's name",
    "compiler": "toolchain and version",
    "version": "of lite-runtime",
    "tailored": "operators, kernels, post_ops and image that the library holds; null: all of them",
    "files": "bytes of each library, and of lite_run with --app",
    "bytes": "kind (operator, kernel, core, file) -> part -> bytes; empty where the target's files are not ELF",
}


class TargetName(click.Choice):
    """A target; a usage error says what an unknown name may have meant."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as it is."""
        if value in self.choices:
            return value
        name = value.lower().replace("aarch64", "arm64").replace("x86_64", "x64")
        close = [t.name for t in TARGETS.values() if value == t.abi or name == t.name]
        close += [n for n in difflib.get_close_matches(name, TARGETS, 3, 0.5) if n not in close and name not in close]
        hint = "iOS is not there yet" if "ios" in name else f"perhaps {' or '.join(close)}" if close else ""
        self.fail(f"'{value}' is none of {', '.join(TARGETS)}" + (f"; {hint}" if hint else ""))


@click.command("build", epilog=EXAMPLES)
@click.argument("models", nargs=-1, type=ModelFile(".lrm"))
@click.option("--target", "name", required=True, metavar="TARGET", type=TargetName(list(TARGETS)),
              help="See: lite-opt targets.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR",
              help="Default: lite_runtime-TARGET. An earlier result there is replaced.")
@click.option("--toolchain", type=click.Choice(TOOLCHAINS), default="zig", show_default=True,
              help="The compiler; zig is the package ziglang.")
@click.option("--image", is_flag=True, help="With lite_image.h (pictures to inputs), which a whole library has.")
@click.option("--embed", is_flag=True, help="Link the models into the library (lite_models.h).")
@click.option("--app", is_flag=True, help="Build lite_run, too, which runs and measures models on the device.")
@click.option("--top", type=click.IntRange(0), default=15, show_default=True, help="Rows of the table; 0: all.")
@common
def command(models: tuple[str, ...], name: str, out: Path | None, toolchain: str, image: bool, embed: bool, app: bool,
            top: int, as_json: bool) -> None:
    """Build the C library for TARGET: what MODELS (.lrm files) need of operators and kernels, or all of it.

    DIR gets the shared and the static library (stripped), headers, pkg-config and CMake files, example.c with
    README.txt that says how to build it, and size.json. The same call gives the same bytes on any machine.
    """
    from ..toolchain.build import build

    if embed and not models:
        raise click.UsageError("--embed needs MODELS, which it links in")

    with progress() as show:
        built = build([Path(m) for m in models], find(name), out or Path(f"lite_runtime-{name}"), toolchain=toolchain,
                      image=image, embed=embed, with_app=app, say=show)
    if as_json:
        print_json(built.as_dict() | {"folder": str(built.folder)})
        return
    _print(built, top)


def _print(built: Built, top: int) -> None:
    if built.parts:
        rows = sorted(built.parts, key=lambda p: -p.bytes)
        shown = rows if not top else rows[:top]
        total = built.bytes_of(built.shared)
        table = [(p.kind, p.name, p.bytes) for p in shown]
        if len(shown) < len(rows):
            table.append(("", f"{len(rows) - len(shown)} more (--top 0)", sum(p.bytes for p in rows[len(shown):])))
        print_table("", ["kind", "part", ">bytes", ">%"],
                    [[*row, f"{100 * row[2] / total:.1f}"] for row in table])
    else:
        say("bytes by operator and kernel: only for Linux and Android, whose files hold the symbols' sizes")
    files = ", ".join(f"{name} {human_bytes(n)}" for name, n in built.as_dict()["files"].items())
    say(f"{built.folder}: {files}, by {built.compiler}; example.c: see README.txt")
