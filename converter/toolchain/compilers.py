"""Compilers for a target: which are there, what brings those that are not, and how meson is told of them."""
from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConvertError
from . import cache
from .android import cross
from .targets import TOOLCHAINS, Target

BUILD_EXTRA = "pip install 'lite-runtime[build]'"
CLANG = "clang-19"


@dataclass(frozen=True)
class Compiler:
    """A toolchain that builds for one target, or what is to be done to have it."""

    name: str
    """One of TOOLCHAINS."""
    version: str = ""
    """What it says of itself; empty when it is not there."""
    fix: str = ""
    """What brings it, when it is not there."""


def _version(*command: str) -> str:
    """The first number in the first line that a program prints for --version; empty when it cannot be run."""
    try:
        r = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    number = re.search(r"\d+(\.\d+)+", r.stdout.partition("\n")[0])
    return number.group() if number and r.returncode == 0 else ""


def _zig() -> Compiler:
    if importlib.util.find_spec("ziglang") is None:
        return Compiler("zig", fix=BUILD_EXTRA)
    return Compiler("zig", _version(sys.executable, "-m", "ziglang", "version") or "?")


def _gcc(target: Target) -> Compiler:
    if not target.gcc:
        return Compiler("gcc", fix="use --toolchain zig")
    program = f"{target.gcc}-gcc"
    return Compiler("gcc", _version(program, "--version"), f"apt install {target.packages}")


def _clang(target: Target) -> Compiler:
    """clang brings no C library for other machines: that of Debian's cross gcc is taken."""
    if target.system != "linux":
        return Compiler("clang", fix="use --toolchain zig")
    there = shutil.which(f"{target.gcc}-gcc")
    packages = f"{CLANG} llvm-19 {target.packages}"
    return Compiler("clang", _version(CLANG, "--version") if there else "", f"apt install {packages}")


def ndk_folder() -> Path | None:
    """Android's NDK as $ANDROID_NDK_HOME names it."""
    home = os.environ.get("ANDROID_NDK_HOME", "")
    return Path(home) if home and (Path(home) / "source.properties").is_file() else None


def _ndk(target: Target) -> Compiler:
    if target.system != "android":
        return Compiler("ndk", fix="use --toolchain zig")
    home = ndk_folder()
    if home is None:
        return Compiler("ndk", fix="unpack Android's NDK and set ANDROID_NDK_HOME to its folder")
    found = re.search(r"Pkg\.Revision *= *(\S+)", (home / "source.properties").read_text())
    return Compiler("ndk", found.group(1) if found else "?")


def look(target: Target, name: str) -> Compiler:
    """The toolchain of that name for the target, there or not."""
    if name not in TOOLCHAINS:
        raise ConvertError(f"toolchain '{name}': unknown; use one of {', '.join(TOOLCHAINS)}")
    return _zig() if name == "zig" else {"gcc": _gcc, "clang": _clang, "ndk": _ndk}[name](target)


def need(target: Target, name: str) -> Compiler:
    """The toolchain of that name; ConvertError with what brings it when it is not there."""
    compiler = look(target, name)
    if not compiler.version:
        run = "run: " if compiler.fix.startswith(("apt ", "pip ")) else ""
        raise ConvertError(f"target '{target.name}': {name} has no compiler for it here; {run}{compiler.fix}")
    return compiler


# ---- cross files ----
def words(items: Sequence[str]) -> str:
    """A list as meson's cross files write it."""
    return "[" + ", ".join("'" + i.replace("\\", "\\\\").replace("'", "\\'") + "'" for i in items) + "]"


def _binaries(target: Target, compiler: str) -> dict[str, list[str]]:
    if compiler == "zig":
        zig = [sys.executable, "-m", "ziglang"]
        # zig turns on a trapping UBSan by default
        c = [*zig, "cc", "-target", target.triple, *target.flags, "-fno-sanitize=undefined"]
        return {"c": c, "ar": [*zig, "ar"], "ranlib": [*zig, "ranlib"], "windres": [*zig, "rc"]}
    if compiler == "gcc":
        return {"c": [f"{target.gcc}-gcc"], "ar": [f"{target.gcc}-ar"], "strip": [f"{target.gcc}-strip"]}
    return {"c": [CLANG, f"--target={target.gcc}"], "ar": ["llvm-ar-19"], "strip": ["llvm-strip-19"]}


def runner(target: Target) -> list[str]:
    """What runs the target's programs here: an emulator, also of this machine's own CPU; empty: nothing does."""
    if target.system == "windows":
        return ["wine"] if shutil.which("wine") else []
    if target.system == "linux" and target.qemu and shutil.which(target.qemu):
        return [target.qemu, "-L", f"/usr/{target.gcc}"]
    return []


def cross_file(target: Target, compiler: str, wrapper: Sequence[str] = ()) -> str:
    """meson's cross file for a target and one of TOOLCHAINS that is there. wrapper: the `runner`, for tests."""
    if compiler == "ndk":
        return cross.ndk_cross_file(target.abi, ndk_folder() or Path())
    if target.abi:
        return cross.cross_file(target.abi, cache.folder() / "sysroots")
    binaries = _binaries(target, compiler) | ({"exe_wrapper": list(wrapper)} if wrapper else {})
    lines = [f"{name} = {words(command)}" for name, command in binaries.items()]
    return "\n".join(["[binaries]", *lines, "", "[host_machine]", f"system = '{target.system}'",
                      f"cpu_family = '{target.cpu}'", f"cpu = '{target.cpu}'", "endian = 'little'", ""])


def main() -> None:
    """python -m lite_runtime.converter.toolchain.compilers TARGET TOOLCHAIN: prints the cross file for tests."""
    from .targets import find

    target = find(sys.argv[1])
    print(cross_file(target, need(target, sys.argv[2]).name, runner(target)), end="")


if __name__ == "__main__":
    main()
