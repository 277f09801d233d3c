#!/usr/bin/env python3
"""Compiles a source of a build folder once more, as the build does but changed: by another compiler, or with a bug.

usage: recompile.py BUILD SOURCE OUTPUT COMPILER...      SOURCE: the end of its path, as kernels_arm/gemm_neon.c
"""
from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path


def has(build: Path, source: str) -> bool:
    return any(e["file"].endswith(f"/{source}") for e in _entries(build))


def recompile(build: Path, source: str, output: Path, compiler: list[str] | None = None,
              instead: Path | None = None) -> None:
    """Compiles `source` (the end of its path) to the object file `output` with the build's flags.

    compiler: instead of the build's; instead: the file to compile in its place. RuntimeError with the compiler's words
    when that fails.
    """
    entry = next(e for e in _entries(build) if e["file"].endswith(f"/{source}"))
    words = shlex.split(entry["command"])
    flags = words[_first_flag(words) :]
    file = str(Path(entry["directory"], entry["file"]).resolve() if instead is None else instead)
    flags = [file if w == entry["file"] else w for w in flags]
    for option, value in (("-o", str(output)), ("-MF", f"{output}.d"), ("-MQ", str(output))):
        if option in flags:
            flags[flags.index(option) + 1] = value
    run([*(compiler or words[: _first_flag(words)]), *flags], entry["directory"])


def link(build: Path, objects: list[Path], output: Path) -> None:
    """Links object files and static libraries with the compiler of the build, the threads and maths libraries."""
    words = shlex.split(_entries(build)[0]["command"])
    run([*words[: _first_flag(words)], *map(str, objects), "-o", str(output), "-pthread", "-lm"], str(build))


def run(command: list[str], folder: str) -> None:
    r = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        raise RuntimeError(f"{shlex.join(command)}\n{r.stdout}")


def _entries(build: Path) -> list[dict[str, str]]:
    return json.loads((build / "compile_commands.json").read_text())


def _first_flag(words: list[str]) -> int:
    """Compilers of more than one word (ccache gcc, python -m ziglang cc) end where the include folders begin."""
    return next(i for i, w in enumerate(words) if w.startswith("-I"))


if __name__ == "__main__":
    recompile(Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3]).resolve(), sys.argv[4:])
