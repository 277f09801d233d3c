"""The sysroot that cc.py links with: stubs of Android's libraries, what begins and ends a program, helper functions.

    <folder>/<abi>-<hash>/libc.so libm.so libdl.so liblog.so   names and versions of symbols.txt, no code
                          crtbegin_so.o crtbegin_dynamic.o crtend.o   crt.c
                          libbuiltins.a   emutls.c; for armv7 what the compiler calls, such as 64-bit division
"""
from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ...errors import ConvertError
from .abis import API, COMPILE, LINK, Abi, abi_of
from .cc import header_flags
from .symbols import Symbol, symbols

HERE = Path(__file__).resolve().parent
CRT = {"crtbegin_so": "CRT_SO", "crtbegin_dynamic": "CRT_PROGRAM", "crtend": "CRT_END"}


class ToolchainError(ConvertError):
    """A program of the toolchain is missing or failed. The message says what to do, or what it said of errors."""


def zig() -> Path:
    """The program of the ziglang package. ToolchainError when it is not installed."""
    spec = importlib.util.find_spec("ziglang")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        program = Path(folder) / ("zig.exe" if os.name == "nt" else "zig")
        if program.is_file():
            return program
    raise ToolchainError("the package 'ziglang' is missing; run: pip install 'lite-runtime[build]'")


def make_sysroot(abi: str, folder: Path) -> Path:
    """The sysroot of an ABI, a folder inside of `folder`; made when it is not there yet.

    Its bytes depend on the version of ziglang and on this package alone. Several processes may make it at once.
    ToolchainError, ValueError (no such ABI), OSError.
    """
    facts = abi_of(abi)
    target = folder / f"{abi}-{fingerprint(facts)}"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"{abi}-", suffix=".new", dir=folder))
    try:
        for library in sorted({s.library for s in symbols(facts).values()}):
            make_stub(facts, library, new)
        for name, macro in CRT.items():
            compile_c(facts, HERE / "crt.c", new / f"{name}.o", f"-D{macro}")
        make_builtins(facts, new)
        new.chmod(0o755)  # mkdtemp keeps others out
        try:
            new.rename(target)
        except OSError:
            if not target.is_dir():  # another process was faster
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target


def fingerprint(abi: Abi) -> str:
    """Of all that a sysroot is made of."""
    h = hashlib.sha256(f"{importlib.metadata.version('ziglang')} {API} {abi} {COMPILE} {LINK}".encode())
    own = [HERE / n for n in ("cc.py", "crt.c", "emutls.c", "symbols.txt", "sysroot.py")]
    for f in [*own, *sorted((HERE / "include").rglob("*.h"))]:
        h.update(f.read_bytes())
    return h.hexdigest()[:16]


def run(*command: str | Path, cwd: Path) -> None:
    r = subprocess.run([str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       errors="replace", stdin=subprocess.DEVNULL)
    if r.returncode:
        lines = [s for s in r.stdout.splitlines() if "error" in s.lower()] or r.stdout.strip().splitlines()[-1:]
        raise ToolchainError(f"{Path(command[0]).name} {command[1]} failed: {' '.join(lines[:2])}")


def compiler_flags(abi: Abi) -> list[str]:
    """Of clang, for objects of an ABI."""
    return [f"--target={abi.triple}{API}", *abi.flags, *COMPILE]


def compile_c(abi: Abi, source: Path, to: Path, *flags: str) -> None:
    """One file of this package, or one that was written to the sysroot (in its folder, so that no path gets in)."""
    headers = header_flags(zig()) if source.suffix == ".c" else []
    words = [*compiler_flags(abi), "-std=c11", "-O2", "-fvisibility=hidden", "-ffunction-sections", "-Wall", "-Werror",
             "-Wno-unused-command-line-argument", *headers, *flags]
    run(zig(), "clang", *words, "-c", source, "-o", to.name, cwd=to.parent)


def make_stub(abi: Abi, library: str, folder: Path) -> None:
    """A shared library that has the names of one of Android's, and nothing behind them."""
    own = [s for s in symbols(abi).values() if s.library == library]
    stem = Path(library).stem
    assembly, script = folder / f"{stem}.s", folder / f"{stem}.map"
    assembly.write_text(stub_assembly(own))
    script.write_text(stub_versions(own))
    compile_c(abi, assembly, folder / f"{stem}.o")
    run(zig(), "ld.lld", "-shared", "--soname", library, "--version-script", script.name, "--hash-style=gnu",
        "--undefined-version", f"{stem}.o", "-o", library, cwd=folder)
    for f in (assembly, script, folder / f"{stem}.o"):
        f.unlink()


def stub_assembly(own: list[Symbol]) -> str:
    """Labels for functions, room for variables."""
    lines = [".text"] + [f".globl {s.name}\n.type {s.name}, %function\n{s.name}:" for s in own if not s.bytes]
    lines += [".byte 0, 0, 0, 0", ".bss", ".balign 8"]
    for s in own:
        if s.bytes:
            lines += [f".globl {s.name}", f".type {s.name}, %object", f".size {s.name}, {s.bytes}",
                      f"{s.name}: .zero {s.bytes}"]
    return "\n".join([*lines, '.section .note.GNU-stack,"",%progbits', ""])


def stub_versions(own: list[Symbol]) -> str:
    """lld's version script; each version of a library builds on the one before, in the order of symbols.txt."""
    text, before = "", ""
    for version in dict.fromkeys(s.version for s in own):
        names = " ".join(f"{s.name};" for s in own if s.version == version)
        text += f"{version} {{ global: {names}{' local: *;' if not before else ''} }}{before};\n"
        before = f" {version}"
    return text


def make_builtins(abi: Abi, folder: Path) -> None:
    """libbuiltins.a. Only armv7 gets zig's compiler_rt: its objects have no BTI property, which arm64's must have, and
    64-bit code calls none of it as long as it has no 128-bit numbers."""
    compile_c(abi, HERE / "emutls.c", folder / "emutls.o")
    members = ["emutls.o"]
    if abi.bits == 32:
        source = zig().parent / "lib" / "compiler_rt.zig"
        run(zig(), "build-obj", source, "-target", f"arm-linux-androideabi.{API}", "-OReleaseSmall", "-fPIC", "-fstrip",
            "-ffunction-sections", "--name", "compiler_rt", cwd=folder)
        # it also has a slow memcpy, sin and so on, for those who have no C library
        undefine(folder / "compiler_rt.o", {*symbols(abi), "__emutls_get_address"})
        members.append("compiler_rt.o")
    run(zig(), "ar", "rcsD", "libbuiltins.a", *members, cwd=folder)
    for m in members:
        (folder / m).unlink()


def undefine(path: Path, names: set[str]) -> None:
    """Makes definitions in a 32-bit object file weak references: so they are neither taken from it nor asked for."""
    from elftools.elf.elffile import ELFFile

    data = bytearray(path.read_bytes())
    with path.open("rb") as f:
        table: Any = ELFFile(f).get_section_by_name(".symtab")
        assert table and table["sh_entsize"] == 16
        places = [table["sh_offset"] + 16 * i for i, s in enumerate(table.iter_symbols())
                  if s.name in names and s["st_info"]["bind"] != "STB_LOCAL"]
    for at in places:  # st_value and st_size, then bind, type, visibility and section of a plain reference
        data[at + 4:at + 16] = bytes(8) + bytes([2 << 4, 0, 0, 0])
    path.write_bytes(data)
