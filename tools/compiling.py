"""The steps of checks.py that compile the C library for this machine: its tests, sanitizers, what is in it."""
from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import deploying
import fuzzing
import guests
from step import BUILD, PY, ROOT, Failed, Run, Skip, compiler

MAX_EMPTY_RUNTIME = 40 * 1024  # bytes, stripped, arm64, as lite-opt build makes it
MAX_RUNTIME = 1_200_000  # bytes, stripped, x86-64, with all operators, built for speed


def native(t: Run) -> str:
    t.meson_test(t.build("native", "-Dtests=true"))
    return "the compiler of the ziglang package" if "ziglang" in compiler() else shlex.join(compiler())


def clang(t: Run) -> str:
    t.need("clang")
    t.meson_test(t.build("clang", "-Dtests=true", CC="clang"))
    return ""


def tidy(t: Run) -> str:
    """clang-tidy over the code between a file and a kernel, with asserts on."""
    t.need("clang", "clang-tidy")
    folder = t.build("clang", "-Dtests=true", CC="clang")
    files = [f for part in ("app", "core", "image", "ops") for f in sorted((ROOT / "lite_runtime" / part).glob("*.c"))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        command = ("clang-tidy", "-p", folder, "--quiet", "--extra-arg=-UNDEBUG")
        list(pool.map(lambda f: t.sh(*command, f, show=False), files))
    return f"{len(files)} files"


SANITIZE = ["-Dtests=true", "-Dbuildtype=debugoptimized", "-Db_lundef=false"]
ASAN = [*SANITIZE, "-Db_sanitize=address,undefined", "-Dc_args=-fno-sanitize-recover=all"]


def asan(t: Run) -> str:
    t.need("gcc")
    folder = t.build("asan", *ASAN, CC="gcc")
    t.meson_test(folder, "--timeout-multiplier=4", UBSAN_OPTIONS="print_stacktrace=1")
    return ""


def tsan(t: Run) -> str:
    t.need("gcc")
    folder = t.build("tsan", *SANITIZE, "-Db_sanitize=thread", CC="gcc")
    t.meson_test(folder, "--suite=runtime", "--timeout-multiplier=10", TSAN_OPTIONS="halt_on_error=1")
    return ""


def stack(t: Run) -> str:
    """Stack references in the k-loops of the GEMM kernels, by gcc and by clang; those of Winograd's transforms."""
    t.need("gcc", "clang", "objdump", "aarch64-linux-gnu-objdump")
    tests = ROOT / "tests" / "kernels"

    def count(what: str, objdump: str, words: list[Path | str]) -> None:
        print(f"{what}: {t.sh(PY, tests / 'stack_references.py', objdump, *words, show=False).rstrip()}", flush=True)

    arm = guests.build(t, "arm64")
    other = BUILD / "gemm_neon.clang.o"
    t.sh(PY, tests / "recompile.py", arm, "kernels_arm/gemm_neon.c", other, "clang", "--target=aarch64-linux-gnu")
    count("aarch64, gcc", "aarch64-linux-gnu-objdump", sorted(arm.glob("kernels_arm/*.p/gemm_*.o")))
    count("aarch64, clang", "aarch64-linux-gnu-objdump", [other])
    other = BUILD / "winograd_neon.clang.o"
    t.sh(PY, tests / "recompile.py", arm, "kernels_arm/winograd_neon.c", other, "clang", "--target=aarch64-linux-gnu")
    transforms = sorted(arm.glob("kernels_arm/*.p/winograd_*.o"))
    count("transforms, gcc", "aarch64-linux-gnu-objdump", ["--report", *transforms])
    count("transforms, clang", "aarch64-linux-gnu-objdump", ["--report", other])
    if platform.machine() != "x86_64":
        return "aarch64"
    for name in ("gcc", "clang"):
        folder = t.build("native" if name == compiler()[0] else name, "-Dtests=true", CC=name)
        count(f"x86-64, {name}", "objdump", sorted(folder.glob("kernels_x86/*.p/gemm_*.o")))
        count("transforms", "objdump", ["--report", *sorted(folder.glob("kernels_x86/*.p/*winograd*.o"))])
    return "no k-loop keeps a vector in memory"


def planted(t: Run) -> str:
    """Off-by-one bugs planted in GEMM kernels are seen by the kernel tests."""
    script = ROOT / "tests" / "kernels" / "planted_bugs.py"
    print(t.sh(PY, script, t.build("native", "-Dtests=true"), show=False).rstrip(), flush=True)
    for name in ("arm64", "armv7"):
        arm, runner = guests.build(t, name), guests.GUESTS[name].runner
        print(t.sh(PY, script, arm, *runner, show=False).rstrip(), flush=True)
    return ""


def header(t: Run) -> str:
    """The public headers compile without a warning: the C ones alone, in C11 and in C++11; the C++ one in C++17 and 20,
    where its test runs."""
    plus = [[c] for c in ("g++", "clang++") if shutil.which(c)]
    if not plus and compiler()[1:]:
        plus = [[*("c++" if w == "cc" else w for w in compiler())]]  # zig c++
    if not plus:
        raise Skip("no C++ compiler is installed")
    main, test = BUILD / "header.c", BUILD / "test_wrapper"
    flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT / 'lite_runtime' / 'include'}"]
    for name in ("lite_runtime.h", "lite_image.h"):
        main.write_text(f'#include "{name}"\nint main(void) {{ return lr_version() == 0; }}\n')
        t.sh(*compiler(), "-std=c11", *flags, "-c", "-x", "c", main, "-o", BUILD / "header.o")
        t.sh(*plus[0], "-std=c++11", *flags, "-c", "-x", "c++", main, "-o", BUILD / "header.o")
    archive = t.build("native", "-Dtests=true") / "lite_runtime" / "liblite_runtime.a"
    for one in plus:
        for standard in ("c++17", "c++20"):
            t.sh(*one, f"-std={standard}", *flags, "-Wshadow", "-Wconversion", "-Wold-style-cast",
                 ROOT / "tests" / "runtime" / "test_wrapper.cpp", archive, "-pthread", "-lm", "-o", test)
            t.sh(test, t.models())
    return f"C11, C++11; the wrapper in C++17 and C++20 by {', '.join(one[0] for one in plus)}"


def library(t: Run) -> Path:
    """The folder where the library is built as examples/README.md says."""
    return t.build("c", "-Dc_link_args=-s", f"--prefix={BUILD / 'out'}", "--libdir=lib")


def shared_library(folder: Path) -> Path:
    """The library itself, not a link to it."""
    return next(p for p in (folder / "lite_runtime").glob("liblite_runtime.so*") if p.is_file() and not p.is_symlink())


def hardening(t: Run) -> str:
    """What protects a process from a bug in the shared library, what it exports, and that it names no folder."""
    t.need_package()
    from elftools.elf.elffile import ELFFile

    from lite_runtime.converter.toolchain.elf import check_elf, linux_rules

    path = shared_library(t.build("native", "-Dtests=true"))
    with path.open("rb") as f:
        elf = ELFFile(f)
        rules = linux_rules(elf["e_machine"], glibc=None)
        guarded = any(s.name == "__stack_chk_fail" for s in elf.get_section_by_name(".dynsym").iter_symbols())
    wrong = check_elf(path, rules) + ([] if guarded else ["it has no stack protector"])
    if str(ROOT).encode() in path.read_bytes():
        wrong.append("it names this folder")
    if wrong:
        raise Failed(f"{path.name}: {'; '.join(wrong)}")
    return "exports lr_* alone; relocations, stack, paths and stack protector as they must be"


def size(t: Run) -> str:
    """The runtime without operators and pictures as it ships, for arm64, and the whole one for x86-64."""
    n = deploying.empty(t)
    if n > MAX_EMPTY_RUNTIME:
        raise Failed(f"the runtime without operators has {n} bytes; the limit is {MAX_EMPTY_RUNTIME}")
    words = f"no operators: {n} bytes (limit {MAX_EMPTY_RUNTIME})"
    if platform.machine() != "x86_64":
        return words
    n = shared_library(library(t)).stat().st_size
    if n > MAX_RUNTIME:
        raise Failed(f"the runtime has {n} bytes on x86-64; the limit is {MAX_RUNTIME}")
    return f"{words}; all, x86-64: {n} bytes (limit {MAX_RUNTIME})"


def fuzz(t: Run) -> str:
    """Damaged files against the library with ASan and UBSan; prints its table of outcomes."""
    t.need("gcc")
    return fuzzing.damaged(t, t.build("asan", *ASAN, CC="gcc"), 1_000_000 if t.full else 20_000)


# the code between a file and a run: loading, planning, sessions
COVERED = (r"lite_runtime/core/(container|load.*|verify|node|source|model|plan|memory|fold|session|run|"
           r"weights|view|program)\.c")
MIN_COVERAGE = 90.0  # % of its lines


def coverage(t: Run) -> str:
    """How much of the code between a file and a run the C tests and the damaged files reach."""
    t.need("gcc", "gcov")
    folder = t.build("coverage", "-Dtests=true", "-Dbuildtype=debug", "-Db_coverage=true", CC="gcc")
    for old in folder.rglob("*.gcda"):
        old.unlink()
    t.meson_test(folder, "--suite=runtime")
    fuzzing.damaged(t, folder, 10_000)
    out = t.sh(PY, "-m", "gcovr", "-r", ROOT, folder, "--filter", COVERED, show=False)
    print(out[out.index("File "):].rstrip(), flush=True)
    percent = float(re.search(r"^TOTAL .* ([0-9.]+)%", out, re.MULTILINE)[1])
    if percent < MIN_COVERAGE:
        raise Failed(f"{percent:g} % of the lines are reached, it must be {MIN_COVERAGE:g}")
    return f"{percent:g} % of the lines from file to run"
