"""The program that runs on a device, lite_run, and the plugin that counts its instructions under qemu."""
from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import ConvertError
from ..toolchain.compilers import cross_file, look, need
from ..toolchain.targets import TARGETS, Target

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).with_name("count_marks.c")
# static programs run with any C library
STATIC = {"x86_64": "x86_64-linux-musl", "aarch64": "aarch64-linux-musl", "arm": "arm-linux-musleabihf",
          "riscv64": "riscv64-linux-musl"}


def cache(name: str) -> Path:
    """A folder of ours that is kept, made when it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "lite-runtime" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConvertError(f"{folder}: cannot be made: {(e.strerror or str(e)).lower()}; set XDG_CACHE_HOME") from e
    return folder


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps another process from building in the folder."""
    with open(folder / "lock", "w") as f:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _compiler(target: Target) -> tuple[Target, str]:
    """What builds a program for this CPU, a static one where it is for Linux."""
    if target.system != "linux":
        return target, need(target, "zig").name
    if target.gcc and look(target, "gcc").version:
        return target, "gcc"
    static = replace(target, triple=STATIC[target.cpu])
    return static, need(static, "zig").name


def app(target: Target, models: list[Path]) -> Path:
    """lite_run for the target, with the models linked in, built in a folder of the cache; ConvertError if it cannot be.

    models: none so far.
    """
    if models:
        raise ConvertError("lite_run: models cannot be linked in yet")
    if not (ROOT / "meson.build").is_file():
        raise ConvertError("the sources of lite_run are not here; run from a checkout, or give the program for "
                           f"{target.name} with --program")
    for tool in ("meson", "ninja"):
        if not shutil.which(tool):
            raise ConvertError(f"lite_run: {tool}, which builds it, is not here; run: pip install meson ninja")
    if target.system == "android":  # whose kernel runs the static programs of Linux
        target = next(t for t in TARGETS.values() if t.system == "linux" and t.cpu == target.cpu)
    own = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    folder = cache(f"lite_run-{target.name}-{own}")
    with _locked(folder):
        return _build(target, folder)


def _build(target: Target, folder: Path) -> Path:
    built, toolchain = _compiler(target)
    text, cross, build = cross_file(built, toolchain), folder / "cross.ini", folder / "build"
    if not cross.exists() or cross.read_text() != text or not (build / "build.ninja").exists():
        shutil.rmtree(build, ignore_errors=True)
        cross.write_text(text)
    log = folder / "log"
    program = build / "lite_runtime" / "app" / ("lite_run.exe" if target.system == "windows" else "lite_run")
    with log.open("wb") as f:
        def call(*words: str | Path) -> None:
            r = subprocess.run(words, stdout=f, stderr=f, stdin=subprocess.DEVNULL)
            if r.returncode:
                lines = log.read_text(errors="replace").splitlines()
                wrong = next((line for line in lines if "error" in line.lower()), "no error is named")
                raise ConvertError(f"lite_run for {target.name} cannot be built: {wrong.strip()[:300]}; see {log}")

        if not (build / "build.ninja").exists():
            call("meson", "setup", build, ROOT, "--cross-file", cross, "-Dpython=false", "-Dapp=true")
        call("ninja", "-C", build, program.relative_to(build))
    return program


def program(target: Target, given: Path | None) -> Path:
    """What to run on a device of this target: the program that is given, else ours."""
    if given is None:
        return app(target, [])
    if not given.is_file():
        raise ConvertError(f"--program {given}: there is no such file; build lite_run with -Dapp=true")
    return given


def plugin() -> Path:
    """The plugin of qemu that counts instructions between markers, compiled for this machine at its first use."""
    source = PLUGIN.read_bytes()
    path = cache("plugins") / f"count_marks-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if path.exists():
        return path
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if compiler is None:
        raise ConvertError("there is no C compiler for the plugin that counts; run: apt install gcc libc6-dev")
    with tempfile.TemporaryDirectory(dir=path.parent) as d:
        made = Path(d, "plugin.so")
        r = subprocess.run([compiler, "-O2", "-fPIC", "-shared", PLUGIN, "-o", made], capture_output=True, text=True)
        if r.returncode:
            raise ConvertError(f"{compiler} cannot compile {PLUGIN.name}: {(r.stderr.strip() or '?').splitlines()[-1]}")
        os.replace(made, path)
    return path
