"""meson's cross files for Android: by zig and a sysroot of sysroot.py, or by an NDK."""
from __future__ import annotations

import os
import sys
from pathlib import Path

from .abis import API, COMPILE, LINK, ZIG_LINK, Abi, abi_of
from .sysroot import ToolchainError, compiler_flags, make_sysroot, zig

HERE = Path(__file__).resolve().parent


def cross_file(abi: str, cache: Path, python: str = sys.executable) -> str:
    """The cross file that builds with ziglang.

    cache: a folder for sysroots, made when it is not there. python: the interpreter that runs the compiler driver; it
    needs no packages. Flags stand beside the compiler, since -Dc_args of a build would replace built-in options.
    ToolchainError, ValueError (no such ABI).
    """
    facts = abi_of(abi)
    program = str(zig())
    driver = [python, "-S", "-E", str(HERE / "cc.py"), program, str(make_sysroot(abi, cache.resolve()))]
    c = [*driver, *compiler_flags(facts), *linker_flags([*LINK, *ZIG_LINK, *facts.link, *facts.zig_link])]
    return text(facts, c, [program, "ar"], [program, "ranlib"])


def ndk_cross_file(abi: str, ndk: Path) -> str:
    """The cross file that builds the same with an NDK, r26 or newer: `ndk` is its folder ($ANDROID_NDK_HOME).

    ToolchainError when there is no compiler for this machine in it.
    """
    facts = abi_of(abi)
    hosts = sorted((ndk / "toolchains" / "llvm" / "prebuilt").glob("*/bin"))
    exe = ".exe" if os.name == "nt" else ""
    if not hosts or not (hosts[0] / f"clang{exe}").exists():
        raise ToolchainError(f"'{ndk}' has no toolchains/llvm/prebuilt/*/bin/clang; give the folder of an Android NDK")
    clang, ar, ranlib, strip = (str(hosts[0] / f"{n}{exe}") for n in ("clang", "llvm-ar", "llvm-ranlib", "llvm-strip"))
    # the linker's flags are there when it only compiles, too
    c = [clang, f"--target={facts.triple}{API}", *facts.flags, *COMPILE, *linker_flags([*LINK, *facts.link]),
         "-Wno-unused-command-line-argument"]
    return text(facts, c, [ar], [ranlib], [strip])


def linker_flags(flags: list[str]) -> list[str]:
    """lld's flags as a compiler takes them, one by one: some have a comma for each word."""
    out: list[str] = []
    words = iter(flags)
    for w in words:
        out.append(f"-Wl,{w},{next(words)}" if w in ("-z", "-mllvm", "-dynamic-linker") else f"-Wl,{w}")
    return out


def text(abi: Abi, c: list[str], ar: list[str], ranlib: list[str], strip: list[str] | None = None) -> str:
    """The file itself."""
    programs = {"c": c, "ar": ar, "ranlib": ranlib} | ({"strip": strip} if strip else {})
    lines = [f"{name} = [{', '.join(quoted(w) for w in words)}]" for name, words in programs.items()]
    return "\n".join([
        "[binaries]", *lines, "",
        "[properties]", "needs_exe_wrapper = true", "",
        "[host_machine]", "system = 'android'", f"cpu_family = '{abi.cpu_family}'", f"cpu = '{abi.cpu}'",
        "endian = 'little'", ""])


def quoted(word: str) -> str:
    """As a string of meson."""
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"
