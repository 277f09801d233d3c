"""A C compiler for Android that takes clang's arguments: zig's clang compiles, its lld links with a sysroot's stubs.

usage: cc.py ZIG SYSROOT [argument ...]

`zig cc` links nothing for Android, since it has no libc for it, and turns NEON off where floats are passed in integer
registers (armv7); `zig clang` is clang as it is. This is run as a file, by a
Python without packages (-S), and knows nothing of ABIs: compiler flags, and link flags as -Wl,..., are arguments of the
cross file. SYSROOT is what sysroot.py makes.
"""
from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

INCLUDE = Path(__file__).resolve().parent / "include"
# the compiler alone answers these
COMPILES = {"-c", "-S", "-E", "-M", "-MM", "-fsyntax-only", "--version", "-v", "-dumpversion", "-dumpmachine"}
# their operand is the next argument; those of the linker pass both on
COMPILER_OPERAND = {"-target", "-x", "-I", "-D", "-U", "-include", "-isystem", "-iquote", "-idirafter", "-MF", "-MT",
                    "-MQ", "-Xclang", "-Xpreprocessor", "-mllvm"}
LINKER_OPERAND = {"-L", "-l", "-u", "-e", "-z", "-T", "-h", "-soname"}
LINKER_WORDS = {"-shared": ["-shared"], "-pie": ["-pie"], "-s": ["--strip-all"], "-r": ["-r"],
                "-rdynamic": ["--export-dynamic"]}
SOURCES = {".c", ".s", ".S"}


def main(argv: list[str]) -> int:
    """Exit code of the compiler or the linker."""
    zig, sysroot, args = argv[1], Path(argv[2]), expand(argv[3:])
    if "--print-search-dirs" in args or "-print-search-dirs" in args:
        print(f"libraries: ={sysroot}")
        return 0
    if COMPILES & set(args):
        return compile_to(zig, [a for a in args if not a.startswith(("-Wl,", "-L", "-l"))])
    if "-static" in args:
        print("cc.py: programs for Android are linked dynamically; leave out -static", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        return link(zig, sysroot, args, Path(folder))


def expand(args: list[str]) -> list[str]:
    """The arguments with those of response files (@file) in place."""
    out: list[str] = []
    for a in args:
        file = Path(a[1:])
        if a.startswith("@") and file.is_file():
            out += expand(shlex.split(file.read_text(encoding="utf-8")))
        else:
            out.append(a)
    return out


def header_flags(zig: Path) -> list[str]:
    """The compiler's own headers, then ours, and no others."""
    return ["-nostdlibinc", "-nobuiltininc", "-isystem", str(zig.parent / "lib" / "include"), "-isystem", str(INCLUDE)]


def compile_to(zig: str, args: list[str]) -> int:
    return subprocess.run([zig, "clang", *args, *header_flags(Path(zig))]).returncode


def link(zig: str, sysroot: Path, args: list[str], folder: Path) -> int:
    """Links; sources among the arguments are compiled to `folder` first."""
    compiler, linker, sources, output = split(args)
    for i, (at, source) in enumerate(sources):
        linker[at] = str(folder / f"{i}.o")
        if code := compile_to(zig, [*compiler, "-c", source, "-o", linker[at]]):
            return code
    if "-r" in linker:
        around: tuple[list[str], list[str]] = ([], [])
    elif "-shared" in linker:
        around = ([str(sysroot / "crtbegin_so.o")], [])
    else:
        linker += ["-pie"] if "-pie" not in linker else []
        around = ([str(sysroot / "crtbegin_dynamic.o")], [str(sysroot / "crtend.o")])
    libraries = ["--as-needed", f"-L{sysroot}", "-lc", str(sysroot / "libbuiltins.a")] if around[0] else []
    only_asks = bool({"--version", "-v", "--help"} & set(linker))
    files = [] if only_asks else [*around[0], *linker, *libraries, *around[1], "-o", output]
    return subprocess.run([zig, "ld.lld", *(files or linker)]).returncode


def split(args: list[str]) -> tuple[list[str], list[str], list[tuple[int, str]], str]:
    """What the compiler gets, what the linker gets, the sources with their places in the latter, the output's name."""
    compiler: list[str] = []
    linker: list[str] = []
    sources: list[tuple[int, str]] = []
    output, language = "a.out", False
    it = iter(args)
    for a in it:
        if a == "-o":
            output = next(it)
        elif a == "-Xlinker":
            linker.append(next(it))
        elif a in LINKER_WORDS:
            linker += LINKER_WORDS[a]
        elif a.startswith("-Wl,"):
            linker += a[4:].split(",")
        elif a in LINKER_OPERAND:
            linker += [a, next(it)]
        elif a.startswith(("-L", "-l", "-u")):
            linker.append(a)
        elif a in COMPILER_OPERAND:
            compiler += [a, next(it)]
            language = language or a == "-x"
        elif a.startswith("-") and a != "-":
            compiler.append(a)
        elif language or Path(a).suffix in SOURCES or a == "-":
            sources.append((len(linker), a))
            linker.append(a)
        else:
            linker.append(a)
    return compiler, linker, sources, output


if __name__ == "__main__":
    sys.exit(main(sys.argv))
