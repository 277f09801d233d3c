"""The compiler of the cross file, by ABI. Sysroots stay in build/; their names have a hash of what they are made of."""
from __future__ import annotations

import ast
import importlib.util
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "sysroots"

# A library that uses what the sysroot adds: thread-local variables, mathematics, 64-bit division
LIBRARY = """
#include <errno.h>
#include <math.h>
#define API __attribute__((visibility("default")))
static _Thread_local int calls;
API double lr_test(double x, long long a, long long b) {
  if (!b) errno = EINVAL;
  return b ? sin(x) + (double)(a / b) + ++calls : 0;
}
"""


@pytest.fixture(scope="session", autouse=True)
def ziglang() -> None:
    for package in ("ziglang", "elftools"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"missing: {package}")


@cache
def compiler(abi: str) -> list[str]:
    from lite_runtime.converter.toolchain.android.cross import cross_file

    line = next(x for x in cross_file(abi, CACHE).splitlines() if x.startswith("c = "))
    return ast.literal_eval(line[4:])


@pytest.fixture(scope="session")
def library_text() -> str:
    return LIBRARY


@pytest.fixture(scope="session")
def compiler_of() -> Callable[[str], list[str]]:
    """The words of a compiler by ABI."""
    return compiler


@pytest.fixture(scope="session")
def build() -> Callable[..., Path]:
    """Compiles and links a text of C for an ABI in a folder; the file that it made. Fails with what was printed."""

    def run(abi: str, folder: Path, text: str, *flags: str, name: str = "liblite_runtime.so") -> Path:
        source = folder / "source.c"
        source.write_text(text)
        shared = ["-shared", f"-Wl,-soname,{name}"] if name.endswith(".so") else []
        words = [*compiler(abi), "-std=c11", "-O2", "-Wall", "-Werror", "-fvisibility=hidden", *shared, "source.c",
                 *flags, "-lm", "-o", name]
        r = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert (r.returncode, r.stderr) == (0, "")
        return folder / name

    return run
