"""Builds the C library for a target, whole or tailored to models, and lays out what ships."""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import __version__
from ..errors import ConvertError
from . import example, sizes, sources
from .compilers import BUILD_EXTRA, cross_file, need, words
from .needs import Needs, needs
from .targets import Target

KEPT_BUILDS = 12
MARK = "size.json"  # a folder that holds it is ours and may be replaced
RELEASE = ["-Dpython=false", "-Dsmall=true", "-Dwerror=false", "-Dlibdir=lib", "--prefix=/"]


@dataclass(frozen=True)
class Built:
    """What a build made."""

    folder: Path
    target: str
    compiler: str
    shared: str
    """The shared library, relative to `folder`."""
    shared_bytes: int
    static: str
    static_bytes: int
    needs: Needs | None
    """None for the whole library."""
    parts: list[sizes.Part] = field(default_factory=list)
    """Empty where the target's files cannot be read (not ELF)."""
    app: str = ""

    def as_dict(self) -> dict[str, Any]:
        tailored = {"operators": list(self.needs.ops), "kernels": list(self.needs.kernels)} if self.needs else None
        return {"target": self.target, "compiler": self.compiler, "version": __version__, "tailored": tailored,
                "files": {self.shared: self.shared_bytes, self.static: self.static_bytes},
                "bytes": sizes.as_dict(self.parts)}


def cache() -> Path:
    """The folder for builds that are kept: $LITE_OPT_CACHE, or the user's cache folder."""
    if os.environ.get("LITE_OPT_CACHE"):
        return Path(os.environ["LITE_OPT_CACHE"]).absolute()
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lite-opt"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a lock, so that two builds never work in one folder. It ends with the process, however that ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a+") as f:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(f.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _tools() -> dict[str, str]:
    """The environment in which meson and ninja of this Python's packages run."""
    try:
        import mesonbuild  # noqa: F401
        import ninja
    except ModuleNotFoundError as e:
        raise ConvertError(f"the package '{e.name}' is missing; run: {BUILD_EXTRA}") from None
    env = {k: v for k, v in os.environ.items() if k not in ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS", "AR")}
    name = "ninja.exe" if os.name == "nt" else "ninja"
    return env | {"NINJA": str(Path(ninja.BIN_DIR) / name)}


def _meson(log: Path, *args: str | Path, env: dict[str, str], cwd: Path | None = None) -> None:
    command = [sys.executable, "-m", "mesonbuild.mesonmain", *map(str, args)]
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                       errors="replace", env=env, cwd=cwd)
    with log.open("a") as f:
        f.write(r.stdout)
    if r.returncode:
        lines = [s for s in r.stdout.splitlines() if "error" in s.lower() or "ERROR" in s] or r.stdout.splitlines()[-3:]
        raise ConvertError(f"meson {args[0]}: {' '.join(lines[:3])}; the whole output is in {log}")


def compile_library(target: Target, toolchain: str, options: Sequence[str], say: Callable[[str], None],
                    goals: Sequence[str] = ()) -> tuple[Path, str]:
    """A build folder with the library for a target, and the compiler's name and version.

    options: meson's, beside RELEASE, over which they win; goals: names of meson's targets, none for all that are built
    by default. A folder of earlier builds is taken when sources, compiler, options and goals are the same.
    """
    compiler, env, source = need(target, toolchain), _tools(), sources.root()
    text = cross_file(target, compiler.name)
    key = "\0".join([sources.digest(source), str(source), compiler.version, text, *options, *goals])
    folder = cache() / f"{target.name}-{compiler.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with _alone(folder):
        log = folder / "log.txt"
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "cross.ini").write_text(text)
            # the generators run by this Python, whatever else is called python3 here
            (folder / "native.ini").write_text(f"[binaries]\npython3 = {words([sys.executable])}\n")
            say(f"{target.name}: configuring")
            _meson(log, "setup", folder / "build", source, "--cross-file", folder / "cross.ini", "--native-file",
                   folder / "native.ini", *RELEASE, *options, env=env, cwd=folder)  # where zig may leave an a.o
            say(f"{target.name}: compiling")
            _meson(log, "compile", "-C", folder / "build", *goals, env=env)
            (folder / "done").touch()
        os.utime(folder / "done")
    _prune()
    return folder / "build", f"{compiler.name} {compiler.version}"


def _prune() -> None:
    """Removes the oldest of the kept builds."""
    done = sorted(cache().glob("*/done"), key=lambda p: p.stat().st_mtime)
    for old in done[:-KEPT_BUILDS]:
        with _alone(old.parent):
            shutil.rmtree(old.parent, ignore_errors=True)


def _libraries(folder: Path) -> tuple[Path, Path]:
    """The shared and the static library below an installed prefix."""
    found = [p for p in sorted(folder.rglob("*lite_runtime*")) if p.is_file() and not p.is_symlink()]
    shared = next(p for p in found if ".so" in p.name or p.suffix in (".dll", ".dylib"))
    return shared, next(p for p in found if p.suffix == ".a" and not p.name.endswith(".dll.a"))


def build(models: Sequence[Path], target: Target, out: Path, *, toolchain: str = "zig", embed: bool = False,
          app: bool = False, say: Callable[[str], None] = lambda text: None) -> Built:
    """Builds into the folder `out`, which is replaced whole when all is well, and stays as it is when not.

    models: .lrm files whose operators and kernels the library shall hold; none: all of them. embed: the models are
    linked in, too. app: a program that runs and measures models is built beside the library. The same call gives the
    same bytes. Raises ConvertError.
    """
    if embed and not models:
        raise ConvertError("--embed: which models? name them: lite-opt build MODEL.lrm --target T --embed")
    if out.exists() and not (out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))):
        raise ConvertError(f"{out}: exists and is not the result of an earlier build; give another folder with --out")
    wanted = needs(list(models)) if models else None
    options = [*(wanted.meson_options() if wanted else []), f"-Dtarget={target.name}"]
    if embed:
        _different_names(models)
        options.append(f"-Dembed={words([str(m.resolve()) for m in models])}")
    if app:
        options.append("-Dapp=true")
    folder, compiler = compile_library(target, toolchain, options, say)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        new = Path(temporary) / "out"
        say(f"{target.name}: installing")
        _meson(folder.parent / "log.txt", "install", "-C", folder, "--no-rebuild", "--destdir", new,
               env=_tools() | {"MESON_INSTALL_QUIET": "1"})
        built = _describe(new, folder, target, compiler, wanted, app)
        example.write(new, built, target, toolchain, [m.stem for m in models] if embed else [])
        (new / MARK).write_text(json.dumps(built.as_dict(), indent=2, sort_keys=True) + "\n")
        _replace(new, out, Path(temporary) / "old")
    return Built(**{**built.__dict__, "folder": out})


def _different_names(models: Sequence[Path]) -> None:
    names = [m.stem for m in models]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ConvertError(f"--embed: two models are called {twice[0]}; rename one of the files")


def _replace(new: Path, out: Path, old: Path) -> None:
    """Puts the folder `new` in the place of `out`, which goes to `old`; back again when that fails."""
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise


def _describe(new: Path, folder: Path, target: Target, compiler: str, wanted: Needs | None, app: bool) -> Built:
    shared, static = _libraries(new)
    parts: list[sizes.Part] = []
    if target.elf:
        with_symbols = next(p for p in sorted((folder / "lite_runtime").glob("*lite_runtime_symbols*")) if p.is_file())
        parts = sizes.measure(with_symbols, folder, shared.stat().st_size)
    program = next((p.relative_to(new).as_posix() for p in sorted((new / "bin").glob("lite_run*"))), "") if app else ""
    return Built(new, target.name, compiler, shared.relative_to(new).as_posix(), shared.stat().st_size,
                 static.relative_to(new).as_posix(), static.stat().st_size, wanted, parts, program)


def app(target: Target, models: Sequence[Path], toolchain: str = "zig",
        say: Callable[[str], None] = lambda text: None) -> Path:
    """The program lite_run for a target, tailored to models or whole, in the folder of kept builds."""
    options = [*(needs(list(models)).meson_options() if models else []), f"-Dtarget={target.name}", "-Dapp=true"]
    folder, _ = compile_library(target, toolchain, options, say)
    return next(p for p in sorted((folder / "lite_runtime" / "app").glob("lite_run*")) if p.is_file() and p.suffix in ("", ".exe"))
