"""The C library compiled for a target, in a folder that is kept: the same build again costs nothing."""
from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from ..errors import ConvertError
from . import cache, sources
from .compilers import BUILD_EXTRA, cross_file, need, words
from .targets import Target

KEPT = 24
RELEASE = ["-Dpython=false", "-Dsmall=true", "-Dbuildtype=release", "-Db_ndebug=true", "-Dwerror=false",
           "-Dlibdir=lib", "--prefix=/"]


def quiet(text: str) -> None:
    """Says nothing of what is done."""


@contextlib.contextmanager
def compiled(target: Target, toolchain: str, options: Sequence[str], say: Callable[[str], None] = quiet, *,
             goals: Sequence[str] = (), embedded: Sequence[Path] = ()) -> Iterator[tuple[Path, str]]:
    """A build folder with the library for a target, and the compiler's name and version. Nobody else works in it for as
    long as the block runs.

    options: meson's, beside RELEASE, over which they win; goals: names of meson's targets, none for all that are built
    by default; embedded: models to link in. An earlier build is taken when sources, compiler, options, goals and the
    models' bytes are the same.
    """
    compiler, source = need(target, toolchain), sources.root()
    options = [*RELEASE, *options]
    if embedded:
        options.append(f"-Dembed={words([str(m.resolve()) for m in embedded])}")
    text = cross_file(target, compiler.name)

    def made_of() -> str:
        contents = [hashlib.sha256(m.read_bytes()).hexdigest() for m in embedded]
        key = "\0".join([sources.digest(source), str(source), compiler.version, text, *options, *goals, *contents])
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    builds, key = cache.folder() / "builds", made_of()
    folder = builds / f"{target.name}-{compiler.name}-{key}"
    with _alone(folder, say):
        if not (folder / "done").exists():
            _remove(folder)
            folder.mkdir(parents=True)
            (folder / "cross.ini").write_text(text, encoding="utf-8")
            # the generators run by this Python, whatever else is called python3 here
            (folder / "native.ini").write_text(f"[binaries]\npython3 = {words([sys.executable])}\n", encoding="utf-8")
            say(f"{target.name}: configuring")
            meson(folder, "setup", folder / "build", source, "--cross-file", folder / "cross.ini", "--native-file",
                  folder / "native.ini", *options)
            say(f"{target.name}: compiling")
            meson(folder, "compile", "-C", folder / "build", *goals)
            if made_of() != key:
                raise ConvertError(f"{target.name}: its sources or models changed while it was built; build again")
            (folder / "done").touch()
        os.utime(folder)  # when it was used last
        yield folder / "build", f"{compiler.name} {compiler.version}"
    _prune(builds)


def meson(folder: Path, *args: str | Path) -> None:
    """Runs the meson of this Python's packages in a folder of a kept build, where its output goes to log.txt."""
    try:
        import mesonbuild  # noqa: F401
        import ninja
    except ModuleNotFoundError as e:
        raise ConvertError(f"the package '{e.name}' is missing; run: {BUILD_EXTRA}") from None
    env = {k: v for k, v in os.environ.items() if k not in ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS", "AR")}
    env["NINJA"] = str(Path(ninja.BIN_DIR) / ("ninja.exe" if os.name == "nt" else "ninja"))
    command = [sys.executable, "-m", "mesonbuild.mesonmain", *map(str, args)]
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                       errors="replace", env=env, cwd=folder)  # zig leaves an a.o where meson runs
    log = folder / "log.txt"
    with log.open("a", encoding="utf-8") as f:
        f.write(r.stdout)
    if r.returncode:
        raise ConvertError(f"meson {args[0]}: {_reason(r.stdout.splitlines())}; the whole output is in {log}")


def _reason(lines: Sequence[str]) -> str:
    """What of meson's or ninja's output says why it failed."""
    errors = [s for s in lines if "error" in s.lower()]
    failed = next((i for i, s in enumerate(lines) if s.startswith("FAILED:")), -1)
    if not errors and failed >= 0:
        errors = [lines[failed], *lines[failed + 2:failed + 4]]  # between them the command
    return " ".join(errors[:3] or lines[-3:])


# ---- who works in which folder ----
@contextlib.contextmanager
def _alone(folder: Path, say: Callable[[str], None] | None) -> Iterator[bool]:
    """Holds the lock of a folder, until the process ends at the latest. say: tells that it waits for another; None: it
    does not wait, and gives False."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("a+") as f:
        if not (held := _lock(f)) and say:
            say("waiting for another lite-opt that builds the same")
            while not (held := _lock(f)):
                time.sleep(0.2)
        yield held


def _lock(f: IO[str]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(f.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise ConvertError(f"{f.name}: cannot be locked ({e.strerror}); set LITE_OPT_CACHE to a local folder") from None
    return True


def _remove(folder: Path) -> None:
    """Removes a build; one that is cut off leaves nothing that looks whole."""
    (folder / "done").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _used(folder: Path) -> float:
    """When a build was used last; 0: it is gone."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0


def _prune(builds: Path) -> None:
    """Removes those that were not used for the longest time, failed ones among them; never one that is in use."""
    ages = sorted(((_used(p), p) for p in builds.iterdir() if p.suffix != ".lock"), reverse=True)
    for age, old in ages[KEPT:]:
        with _alone(old, None) as held:
            if held and _used(old) == age:
                _remove(old)
