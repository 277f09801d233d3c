"""Virtual environments and compilers for the tools that must run on a bare Python (tools/demo.py, tools/test.py)."""
from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "tools" / "requirements-test.txt"
ZIG = "ziglang==0.17.1"


class ToolError(Exception):
    """Something outside the project is missing or failed; the message is one line that says what to do."""


def make(folder: Path, requirements: list[str]) -> Path:
    """The Python of the environment `folder`, made or brought up to date.

    requirements: names, installed at the versions of requirements-test.txt. Nothing happens when the environment was
    made by this Python from the same list. Raises ToolError.
    """
    if sys.version_info < (3, 10):  # noqa: UP036 (this file runs before anything checks it)
        raise ToolError(f"this is Python {sys.version.split()[0]}; use Python 3.10 or newer")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = hashlib.sha256("\n".join([sys.version, *requirements, PINS.read_text()]).encode()).hexdigest()
    stamp = folder / "stamp"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    missing = [] if all(importlib.util.find_spec(m) for m in ("venv", "ensurepip")) else ["python3-venv"]
    missing += [] if (Path(sysconfig.get_paths()["include"]) / "Python.h").exists() else ["python3-dev"]
    if missing:
        raise ToolError(f"this Python lacks parts that building needs; run: apt install {' '.join(missing)}")
    print(f"making {folder.name} (once) ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(folder)], "making a virtual environment failed")
    pip(python, "-c", str(PINS), "pip")  # that of older systems lacks options that are needed below
    pip(python, "-c", str(PINS), *requirements)
    stamp.write_text(wanted)
    return python


def pip(python: Path, *args: str, env: dict[str, str] | None = None) -> None:
    """pip install with the given arguments; ToolError with pip's last lines when it fails."""
    run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *args], "pip install failed", env)


def run(command: list[str], what: str, env: dict[str, str] | None = None) -> None:
    """Runs a command quietly; ToolError `what` with the end of its output (all in build/failed.log) when it fails."""
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=ROOT)
    if r.returncode:
        log = ROOT / "build" / "failed.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(r.stdout)
        raise ToolError(f"{what}; whole output: {log}\n" + "\n".join(r.stdout.strip().splitlines()[-15:]))


def build_env(python: Path) -> dict[str, str]:
    """Environment variables for building with the tools of an environment: its programs first on PATH and, where the
    machine has no C compiler, that of the ziglang wheel (installed when first needed)."""
    env = dict(os.environ, PATH=str(python.parent) + os.pathsep + os.environ.get("PATH", ""))
    if "CC" in env or any(shutil.which(c) for c in ("cc", "gcc", "clang")):
        return env
    zig = [str(python), "-m", "ziglang"]
    if subprocess.run([*zig, "version"], capture_output=True).returncode:
        print("no C compiler here: taking the one of the ziglang package ...", flush=True)
        pip(python, ZIG)
    # by default zig turns on a trapping UBSan, and builds for just this CPU
    env.update(CC=shlex.join([*zig, "cc", "-fno-sanitize=undefined", "-mcpu=baseline"]), AR=shlex.join([*zig, "ar"]),
               RANLIB=shlex.join([*zig, "ranlib"]))
    return env


def clang_has_fuzzer() -> bool:
    """Whether clang's runtime libraries are installed, which the package clang does not bring."""
    if not shutil.which("clang"):
        return False
    folder = subprocess.run(["clang", "-print-resource-dir"], capture_output=True, text=True).stdout.strip()
    return any(Path(folder).rglob("libclang_rt.fuzzer*"))


def install(python: Path, build: str, env: dict[str, str]) -> None:
    """Builds this checkout in build/<build> (again only what changed) and installs it, without its dependencies."""
    folder = ROOT / "build" / build
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    args = ["--no-build-isolation", "--no-deps", "--force-reinstall", f"--config-settings=build-dir={folder}",
            str(ROOT)]
    try:
        pip(python, *args, env=env)
    except ToolError:
        if fresh:
            raise
        shutil.rmtree(folder)  # it may be from another compiler or Python
        folder.mkdir()
        pip(python, *args, env=env)
