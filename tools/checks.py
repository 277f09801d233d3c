"""The steps of tools/test.py, which calls this with the Python and the environment that it made."""
from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import android
import deploying
import environment
import fuzzing
import guests
import installing
import models
import ports

ROOT = environment.ROOT
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
PY = sys.executable
MAX_EMPTY_RUNTIME = 50 * 1024  # bytes, stripped, arm64, as lite-opt build makes it
MAX_RUNTIME = 1_200_000  # bytes, stripped, x86-64, with all operators, built for speed
# the closing lines that pytest and meson print themselves
CLOSING = re.compile(r"^(=+ .*(passed|failed|error|no tests ran).* =+|"
                     r"(Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout|Ignored):\s+\d+\s*)$")


models_made = False


class Skip(Exception):
    """The step cannot run here; the message says what is missing."""


class Failed(Exception):
    """The step failed; the message is the end of its output."""


@dataclass
class Run:
    """One step under way: its log, whether the long version is wanted, and how long each libFuzzer target runs."""

    name: str
    full: bool
    fuzz_seconds: int

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    def sh(self, *command: str | Path, show: bool = True, timeout: int = 3600, cwd: Path = ROOT, **env: str) -> str:
        """Runs a command, appends its output to the log, prints its closing lines, returns its output."""
        words = [str(c) for c in command]
        try:
            r = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               env=dict(os.environ, **env), cwd=cwd, stdin=subprocess.DEVNULL, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"$ {shlex.join(words)}\nnot done after {timeout} s") from None
        with self.log.open("a") as f:
            f.write(f"$ {shlex.join(words)}\n{r.stdout}\n")
        if show:
            for line in r.stdout.splitlines():
                if CLOSING.match(line):
                    print(line, flush=True)
        if r.returncode:
            raise Failed(f"$ {shlex.join(words)}\n" + "\n".join(r.stdout.strip().splitlines()[-40:])
                         + f"\nexit code {r.returncode}; whole output: {self.log.relative_to(ROOT)}")
        return r.stdout

    def need(self, *programs: str) -> None:
        """Skip when one of the programs is not installed."""
        missing = [p for p in programs if not shutil.which(p)]
        if missing:
            self.skip(f"{', '.join(missing)} is not installed")

    def need_package(self) -> None:
        """Installs the Python package when it is not there: with --only; else the step `package` was before."""
        if importlib.util.find_spec("lite_runtime") is None:
            environment.install(Path(PY), "package", dict(os.environ))

    def skip(self, why: str) -> None:
        raise Skip(why)

    def fail(self, why: str) -> None:
        raise Failed(why)

    def build(self, name: str, *options: str, **env: str) -> Path:
        """Configures and builds the C library and its tests in build/<name>; what is built already stays."""
        folder = BUILD / name
        if "-Dtests=true" in options:  # the runtime's C tests read models that the converter makes
            options += (f"-Dtest_models={self.models()}",)
        setup = ["meson", "setup", folder, ROOT, "-Dpython=false", *options]
        if not (folder / "build.ninja").exists():
            shutil.rmtree(folder, ignore_errors=True)  # what an interrupted setup left
            self.sh(*setup, **env)
        else:
            try:
                self.sh(*setup, "--reconfigure", **env)
            except Failed:  # another compiler or Python than last time
                self.sh(*setup, "--wipe", **env)
        self.sh("meson", "compile", "-C", folder, **env)
        return folder

    def models(self) -> Path:
        """The folder of models for the C tests, made once a run by the installed package."""
        global models_made
        folder = BUILD / "test-models"
        if not models_made:
            self.need_package()
            self.sh(PY, "tests/runtime/make_models.py", folder)
            models_made = True
        return folder

    def meson_test(self, folder: Path, *options: str, **env: str) -> None:
        self.sh("meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", *options, **env)


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def compiler() -> list[str]:
    return shlex.split(os.environ.get("CC", "")) or [next(c for c in ("gcc", "cc", "clang") if shutil.which(c))]


# ---- steps: each raises Skip or Failed, or returns what it found in a few words ----
def lint(t: Run) -> str:
    t.sh(PY, "-m", "ruff", "check", ".")
    ends = ("c", "h", "inl", "cpp", "hpp")
    files = [f for end in ends for f in sorted(ROOT.rglob(f"*.{end}")) if BUILD not in f.parents]
    t.sh("clang-format", "--dry-run", "-Werror", *(f for f in files if ".venv" not in str(f)))
    return ""


def package(t: Run) -> str:
    """In CI from an sdist of what is committed; else the folder as it is, and again only what changed."""
    if in_ci() or t.full:
        return installing.clean_package(t)
    environment.install(Path(PY), "package", dict(os.environ))
    return t.sh(PY, "-c", "import lite_runtime; print(lite_runtime.__version__)").strip()


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


def symbols(t: Run) -> str:
    """The shared library exports lr_* and nothing else."""
    from elftools.elf.elffile import ELFFile

    library = shared_library(t.build("native", "-Dtests=true"))
    with library.open("rb") as f:
        table = ELFFile(f).get_section_by_name(".dynsym")
        names = [s.name for s in table.iter_symbols()
                 if s["st_shndx"] != "SHN_UNDEF" and s["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK")]
    strange = [n for n in names if not n.startswith("lr_")]
    if strange or not names:
        raise Failed(f"{library.name} exports {', '.join(strange) or 'nothing'}")
    return f"{len(names)} symbols, all lr_*"


def hardening(t: Run) -> str:
    """What protects a process from a bug in the shared library, and that it names no folder of this machine."""
    from elftools.elf.elffile import ELFFile

    library = shared_library(t.build("native", "-Dtests=true"))
    with library.open("rb") as f:
        elf = ELFFile(f)
        segments = {s["p_type"]: s for s in elf.iter_segments()}
        dynamic = {tag.entry.d_tag: tag.entry.d_val for tag in segments["PT_DYNAMIC"].iter_tags()}
        names = {s.name for s in elf.get_section_by_name(".dynsym").iter_symbols()}
    bind_now = dynamic.get("DT_FLAGS", 0) & 8 or dynamic.get("DT_FLAGS_1", 0) & 1 or "DT_BIND_NOW" in dynamic
    facts = {"read-only relocations": "PT_GNU_RELRO" in segments and bind_now,
             "no executable stack": "PT_GNU_STACK" in segments and not segments["PT_GNU_STACK"]["p_flags"] & 1,
             "stack protector": "__stack_chk_fail" in names,
             "no path of this machine": str(ROOT).encode() not in library.read_bytes()}
    missing = [what for what, there in facts.items() if not there]
    if missing:
        raise Failed(f"{library.name} lacks: {', '.join(missing)}")
    return ", ".join(facts)


def need_zig() -> None:
    """Installs ziglang when it is not there: 100 MB, so not for those who run other steps."""
    if importlib.util.find_spec("ziglang") is None:
        environment.pip(Path(PY), environment.ZIG)
        importlib.invalidate_caches()


def size(t: Run) -> str:
    """The runtime without operators and pictures, stripped, for arm64, and the whole one for x86-64."""
    need_zig()
    t.need_package()
    from lite_runtime.converter.toolchain.build import RELEASE

    cross = ["--cross-file", str(ROOT / "tools" / "cross" / "zig-aarch64-linux-gnu.ini")]
    nothing = ["-Dops=none", "-Dkernels=none", "-Dposts=none", "-Dimage=false"]
    n = shared_library(t.build("size", *cross, *nothing, *RELEASE)).stat().st_size
    if n > MAX_EMPTY_RUNTIME:
        raise Failed(f"the runtime without operators has {n} bytes; the limit is {MAX_EMPTY_RUNTIME}")
    words = f"no operators: {n} bytes (limit {MAX_EMPTY_RUNTIME})"
    if platform.machine() != "x86_64":
        return words
    n = shared_library(library(t)).stat().st_size
    if n > MAX_RUNTIME:
        raise Failed(f"the runtime has {n} bytes on x86-64; the limit is {MAX_RUNTIME}")
    return f"{words}; all, x86-64: {n} bytes (limit {MAX_RUNTIME})"


def targets(t: Run) -> str:
    need_zig()
    return deploying.targets(t)


def android_libraries(t: Run) -> str:
    need_zig()
    t.need_package()
    try:
        return android.libraries(t, BUILD)
    except android.Wrong as e:
        raise Failed(str(e)) from None


def installed(t: Run) -> str:
    """`meson install` gives headers, libraries and what pkg-config and CMake need, from which apps build and run."""
    t.need("pkg-config", "make", "cmake", "g++")
    return installing.library(t, library(t))


def python_tests(t: Run) -> str:
    need_zig()
    t.sh(PY, "tools/models.py")
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-m", "not browser and not wheels", "tests"]
    t.sh(PY, *words, LR_MODELS=str(BUILD / "models"))
    return ""


def browser_tests(t: Run) -> str:
    t.need("chromium")
    t.sh(PY, "-m", "pytest", "-p", "no:cacheprovider", "-m", "browser", "tests/python")
    return ""


def types(t: Run) -> str:
    """What a consumer sees is typed, and so is our own Python side of the runtime."""
    t.need_package()
    words = ["-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", BUILD / "mypy"]
    # from another folder: here, lite_runtime/ would be taken for the package
    out = t.sh(PY, *words, "--strict", ROOT / "tests" / "python" / "consumer.py", cwd=LOGS)
    ours = sorted(p.stem for p in (ROOT / "lite_runtime" / "python").glob("*.py"))
    names = [f"--module=lite_runtime{'' if n == '__init__' else '.' + n}" for n in ours]
    t.sh(PY, *words, "--follow-imports=silent", *names, cwd=LOGS)
    return f"{out.strip()}; {len(ours)} modules"


def api_docs(t: Run) -> str:
    """HTML of the Python API; every public name has a docstring."""
    t.need_package()
    folder = BUILD / "api"
    shutil.rmtree(folder, ignore_errors=True)
    t.sh(PY, "tools/api_docs.py", folder)
    return f"{len(list(folder.rglob('*.html')))} pages in {folder.relative_to(ROOT)}"


def site(t: Run) -> str:
    """The site of docs/ by mkdocs, with the Python API in it; a warning of either is a failure."""
    t.need_package()
    t.sh(PY, "-m", "mkdocs", "build", "--strict")
    folder = BUILD / "site"
    if not (folder / "python" / "index.html").exists():
        raise Failed("the site lacks the Python API")
    return f"{len(list(folder.rglob('*.html')))} pages in {folder.relative_to(ROOT)}"


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


def fuzz_onnx(t: Run) -> str:
    return fuzzing.onnx_models(t, 50_000 if t.full else 2_000)


def libfuzzer(t: Run) -> str:
    return fuzzing.libfuzzer(t, t.fuzz_seconds)


def corpus(t: Run) -> str:
    t.sh(PY, "tools/models.py")
    print(t.sh(PY, "tools/check_models.py", BUILD / "models", *models.MODELS, show=False).rstrip(), flush=True)
    return ""


def corpus_arm64(t: Run) -> str:
    words = guests.real_models(t, "arm64")
    program = [*guests.GUESTS["arm64"].runner, str(next((BUILD / "arm64").rglob("lite_run")))]
    t.sh(PY, "-m", "pytest", "-p", "no:cacheprovider", "tests/ops/test_winograd.py", LR_PROGRAM=shlex.join(program))
    return words


STEPS: dict[str, tuple[Callable[[Run], str], str]] = {
    "lint": (lint, "ruff, clang-format"),
    "package": (package, "the Python package, built and installed (CI, --full: from an sdist, in a clean environment)"),
    "native": (native, "C build and C tests with this machine's compiler"),
    "clang": (clang, "the same with clang"),
    "tidy": (tidy, "clang-tidy, the checks of .clang-tidy"),
    "asan": (asan, "the same under address and undefined-behaviour sanitizers"),
    "tsan": (tsan, "runtime tests under the thread sanitizer"),
    "qemu64": (guests.poorest_x86, "kernels and models on an x86-64 CPU of 2003, under qemu"),
    "arm64": (lambda t: guests.c_tests(t, "arm64"), "C build for aarch64, C tests under qemu on 3 CPUs (--full: 4)"),
    "armv7": (lambda t: guests.c_tests(t, "armv7"),
              "32-bit ARM under qemu: C tests, with NEON and without, damaged files"),
    "riscv64": (lambda t: guests.c_tests(t, "riscv64"), "the same for 64-bit RISC-V, plain C"),
    "windows": (ports.windows, "C build for Windows by zig, C tests under Wine"),
    "macos": (ports.macos, "C build for macOS by zig, looked at"),
    "stack": (stack, "stack references in the inner loops of GEMM kernels, by gcc and clang"),
    "planted": (planted, "bugs planted in kernels are seen by their tests"),
    "header": (header, "the public headers, in C and C++, by each compiler"),
    "symbols": (symbols, "exported symbols"),
    "hardening": (hardening, "what the shared library is protected by"),
    "size": (size, "size of the runtime without operators, and with all"),
    "targets": (targets, "lite-opt build for a target of each system (--full: all), tailored to a model"),
    "android": (android_libraries, "the library for three ABIs of Android by ziglang alone, and its ELF files"),
    "install": (installed, "apps built from what meson install gives, by pkg-config and CMake, shared and static"),
    "wheels": (installing.wheels, "Python wheels for other machines, by zig; arm64's runs under qemu (--full all)"),
    "pytest": (python_tests, "all Python tests, but for those in a browser and of wheels"),
    "browser": (browser_tests, "the pages of lite-opt report in a headless Chromium"),
    "types": (types, "mypy --strict on a user's script, mypy on the runtime's Python side"),
    "api-docs": (api_docs, "the Python API's documentation, made by pdoc"),
    "site": (site, "the site of docs/, made by mkdocs and pdoc"),
    "fuzz": (fuzz, "20,000 damaged files on each instruction set level (--full 1,000,000)"),
    "coverage": (coverage, "lines of loader, planner and session that C tests and damaged files reach (--full)"),
    "fuzz-onnx": (fuzz_onnx, "2,000 damaged ONNX models through the converter (--full 50,000)"),
    "libfuzzer": (libfuzzer, "libFuzzer's targets, each for 20 s (--fuzz-seconds)"),
    "models": (corpus, "real models against onnxruntime"),
    "models-arm64": (corpus_arm64, "the same models on aarch64 under qemu"),
    "models-armv7": (lambda t: guests.real_models(t, "armv7"), "PP-OCR's three models on 32-bit ARM under qemu"),
    "models-riscv64": (lambda t: guests.real_models(t, "riscv64"), "and on RISC-V"),
}
ONLY_FULL = {"coverage"}


def run_step(name: str, full: bool, fuzz_seconds: int) -> tuple[str, float, str]:
    """Result ('ok', 'FAILED' or 'skipped'), seconds and what the step has to say."""
    t = Run(name, full, fuzz_seconds)
    t.log.unlink(missing_ok=True)
    print(f"-- {name}: {STEPS[name][1]}", flush=True)
    start = time.monotonic()
    try:
        result, words = "ok", STEPS[name][0](t)
    except Skip as e:
        result, words = "skipped", str(e)
    except (Failed, environment.ToolError, OSError, StopIteration) as e:
        print(e if str(e) else f"{type(e).__name__} in step {name}", flush=True)
        result, words = "FAILED", f"see {t.log.relative_to(ROOT)}"
    seconds = time.monotonic() - start
    print(f"-- {name}: {result}, {seconds:.1f} s" + (f", {words}" if words else ""), flush=True)
    return result, seconds, words


def main() -> int:
    ap = argparse.ArgumentParser(prog="test.py")
    ap.add_argument("--full", action="store_true", help="long fuzzing, and coverage")
    ap.add_argument("--only", nargs="+", metavar="STEP", choices=list(STEPS))
    ap.add_argument("--fuzz-seconds", type=int, metavar="N", help="of each libFuzzer target (20; with --full 1800)")
    ap.add_argument("--list", action="store_true", help="print the steps")
    a = ap.parse_args()
    if a.list:
        print("\n".join(f"{name:13s} {doc}" for name, (_, doc) in STEPS.items()))
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment.build_env(Path(PY)))
    names = a.only or [n for n in STEPS if a.full or n not in ONLY_FULL]
    start = time.monotonic()
    results = {n: run_step(n, a.full, a.fuzz_seconds or (1800 if a.full else 20)) for n in names}
    print(f"\n{'step':13s} {'result':8s} {'seconds':>8s}")
    for n, (result, seconds, words) in results.items():
        print(f"{n:13s} {result:8s} {seconds:8.1f}  {words}")
    bad = [n for n, (result, _, _) in results.items() if result == "FAILED" or (in_ci() and result == "skipped")]
    end = f"failed: {', '.join(bad)}" if bad else "all well"
    print(f"{len(results)} steps in {time.monotonic() - start:.0f} s: {end}"
          + (" (with CI=true a skipped step is a failure)" if in_ci() and bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
