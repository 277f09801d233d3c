"""One step of tools/checks.py under way: its log, what it needs, and the builds that steps share."""
from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import environment

ROOT = environment.ROOT
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
PY = sys.executable
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
        except subprocess.TimeoutExpired as e:
            said = e.stdout.decode(errors="replace") if isinstance(e.stdout, bytes) else e.stdout or ""
            with self.log.open("a") as f:
                f.write(f"$ {shlex.join(words)}\n{said}\n")
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
            raise Skip(f"{', '.join(missing)} is not installed")

    def need_package(self) -> None:
        """Installs the Python package when it is not there: with --only; else the step `package` was before."""
        if importlib.util.find_spec("lite_runtime") is None:
            environment.install(Path(PY), "package", dict(os.environ))

    def need_zig(self) -> None:
        """Installs ziglang when it is not there: 100 MB, so not for those who run other steps."""
        if importlib.util.find_spec("ziglang") is None:
            environment.pip(Path(PY), environment.ZIG)
            importlib.invalidate_caches()

    def cross(self, name: str, toolchain: str) -> list[str]:
        """Options of meson to build for a target of lite-opt, and to run its programs here."""
        if toolchain == "zig":
            self.need_zig()
        self.need_package()
        importlib.invalidate_caches()
        from lite_runtime.converter.toolchain import compilers, targets

        target, file = targets.find(name), BUILD / f"{name}-{toolchain}.ini"
        file.write_text(compilers.cross_file(target, toolchain, compilers.runner(target)), encoding="utf-8")
        return ["--cross-file", str(file)]

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
