"""The steps of tools/test.py, which calls this with the Python and the environment that it made."""
from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import compiling
import deploying
import environment
import fuzzing
import guests
import installing
import models
import ports
from step import BUILD, LOGS, PY, ROOT, Failed, Run, Skip, in_ci


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


def installed(t: Run) -> str:
    """`meson install` gives headers, libraries and what pkg-config and CMake need, from which apps build and run."""
    t.need("pkg-config", "make", "cmake", "g++")
    return installing.library(t, compiling.library(t))


def python_tests(t: Run) -> str:
    t.need_zig()
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
    "native": (compiling.native, "C build and C tests with this machine's compiler"),
    "clang": (compiling.clang, "the same with clang"),
    "tidy": (compiling.tidy, "clang-tidy, the checks of .clang-tidy"),
    "asan": (compiling.asan, "the same under address and undefined-behaviour sanitizers"),
    "tsan": (compiling.tsan, "runtime tests under the thread sanitizer"),
    "qemu64": (guests.poorest_x86, "kernels and models on an x86-64 CPU of 2003, under qemu"),
    "arm64": (lambda t: guests.c_tests(t, "arm64"), "C build for aarch64, C tests under qemu on 3 CPUs (--full: 4)"),
    "armv7": (lambda t: guests.c_tests(t, "armv7"),
              "32-bit ARM under qemu: C tests, with NEON and without, damaged files"),
    "riscv64": (lambda t: guests.c_tests(t, "riscv64"), "the same for 64-bit RISC-V, plain C"),
    "windows": (ports.windows, "C build for Windows by zig, C tests under Wine"),
    "macos": (ports.macos, "C build for macOS by zig, looked at"),
    "stack": (compiling.stack, "stack references in the inner loops of GEMM kernels, by gcc and clang"),
    "planted": (compiling.planted, "bugs planted in kernels are seen by their tests"),
    "header": (compiling.header, "the public headers, in C and C++, by each compiler"),
    "hardening": (compiling.hardening, "what the shared library exports, and what protects it"),
    "size": (compiling.size, "size of the runtime without operators, and with all"),
    "targets": (deploying.targets, "lite-opt build for Windows and macOS (--full: for all), tailored to a model"),
    "android": (deploying.libraries, "libraries for three ABIs of Android by ziglang alone, and their ELF files"),
    "install": (installed, "apps built from what meson install gives, by pkg-config and CMake, shared and static"),
    "wheels": (installing.wheels, "Python wheels for other machines, by zig; arm64's runs under qemu (--full all)"),
    "pytest": (python_tests, "all Python tests, but for those in a browser and of wheels"),
    "browser": (browser_tests, "the pages of lite-opt report in a headless Chromium"),
    "types": (types, "mypy --strict on a user's script, mypy on the runtime's Python side"),
    "api-docs": (api_docs, "the Python API's documentation, made by pdoc"),
    "site": (site, "the site of docs/, made by mkdocs and pdoc"),
    "fuzz": (compiling.fuzz, "20,000 damaged files on each instruction set level (--full 1,000,000)"),
    "coverage": (compiling.coverage, "lines from file to run that C tests and damaged files reach (--full)"),
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
    except Exception as e:  # whatever it is, the other steps run
        known = isinstance(e, (Failed, environment.ToolError))
        with t.log.open("a") as f:
            f.write("" if known else traceback.format_exc())
        print(e if known else f"{type(e).__name__} in step {name}: {e}", flush=True)
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
