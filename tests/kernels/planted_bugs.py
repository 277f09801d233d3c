#!/usr/bin/env python3
"""Proves that the kernel tests see off-by-one bugs: builds `check` again and again, each time with one bug planted in a
copy of a kernel's source, and expects it to fail and to name the kernel. Without a bug it must pass.

usage: planted_bugs.py BUILD [RUNNER...]

BUILD: a build folder with the C tests in it (gcc, clang, or a cross compiler). RUNNER: what runs its programs, as
qemu-aarch64 -L /usr/aarch64-linux-gnu. Bugs in kernels for other CPUs than that are left out; exit code 1 when a bug
was not seen or nothing could be planted.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from recompile import has, link, recompile

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Plant:
    """A bug: `old`, which must be in `file` exactly once, becomes `new`."""

    kernel: str  # of kernels.inc, the one that must be named
    source: str  # the C file that is compiled
    file: str  # that C file or an .inl beside it
    old: str
    new: str
    what: str


X86, ARM = ("kernels_x86/gemm_avx2.c", "kernels_x86/gemm_avx512.c"), "kernels_arm/gemm_neon.c"
PLANTS = [
    Plant("lr_f32_gemm_6x16__avx2", X86[0], "gemm.inl", "k < t->kc", "k + 1 < t->kc", "the last product is left out"),
    Plant("lr_f32_gemm_6x16__avx2", X86[0], "gemm.inl", "k < t->kc", "k <= t->kc", "one product too many"),
    Plant("lr_f32_gemm_8x48__avx512", X86[1], "gemm.inl", "t->n > at ? t->n - at : 0", "t->n > at ? t->n - at + 1 : 0",
          "one column too many is written"),
    Plant("lr_f32_gemm_6x12__neon", ARM, "gemm_neon.inl", "n % NR)", "n % NR - 1)", "the last column is not written"),
    Plant("lr_f32_gemm_6x12__neon", ARM, "gemm_neon.inl", "j->kc & 1", "j->kc & 2",
          "the last product of odd depths is left out"),
    Plant("lr_f32_gemm_4x8__neon32", ARM, "gemm_neon32.inl", "h, n - 4);", "h, n - 5);",
          "the last column is not written"),
    Plant("lr_f32_gemm_4x8__neon32", ARM, "gemm_neon32.inl", "j->kc & 1", "j->kc & 2",
          "the last product of odd depths is left out"),
]


def build_check(build: Path, folder: Path, plant: Plant, bug: bool) -> Path:
    """`check` with the plant's kernel compiled from a copy, with or without its bug."""
    source = ROOT / plant.source
    file = source.with_name(plant.file)
    for path in {source, file}:
        shutil.copy(path, folder)
    text = file.read_text()
    if text.count(plant.old) != 1:
        raise RuntimeError(f"{plant.file} has '{plant.old}' {text.count(plant.old)} times; it must be there once")
    (folder / plant.file).write_text(text.replace(plant.old, plant.new) if bug else text)
    program, planted = folder / "check", folder / "planted.o"
    recompile(build, plant.source, planted, instead=folder / source.name)
    tests = sorted((build / "tests" / "kernels" / "check.p").glob("*.o"))
    # before the library: what is defined already is not taken from it
    link(build, [*tests, planted, build / "lite_runtime" / "liblite_runtime_tools.a"], program)
    return program


def try_plant(build: Path, runner: list[str], plant: Plant) -> bool | None:
    """Whether the bug is seen; None when the kernel is not for this CPU."""
    def check(bug: bool) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as d:
            command = [*runner, build_check(build, Path(d), plant, bug), plant.kernel]
            r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
            return r.returncode, r.stdout

    code, words = check(bug=False)
    if "0 passed, 0 failed" in words:
        return None
    if code:
        raise RuntimeError(f"{plant.kernel} fails without a bug:\n{words}")
    code, words = check(bug=True)
    seen = code == 1 and f"{plant.kernel}: " in words
    first = next(iter(words.strip().splitlines()), "")
    print(f"{plant.kernel}, {plant.what}: {'seen' if seen else 'NOT SEEN'}: {first}", flush=True)
    return seen


def main(argv: list[str]) -> int:
    build, runner = Path(argv[0]).resolve(), argv[1:]
    results = [try_plant(build, runner, p) for p in PLANTS if has(build, p.source)]
    tried = [r for r in results if r is not None]
    print(f"{len(tried)} bugs planted, {sum(tried)} seen; {len(results) - len(tried)} are for other CPUs")
    return 0 if tried and all(tried) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
