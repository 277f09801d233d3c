"""What a device can do, and which device a text names."""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import ConvertError
from ..toolchain.targets import Target
from .options import kind_of


@dataclass(frozen=True)
class Facts:
    """What is known of a device."""

    device: str
    """As the user named it."""
    target: str
    """The target whose programs it runs, a name of toolchain/targets.py."""
    cpu: str
    """Its CPU, in the words of the system; empty when it does not say."""
    os: str
    """Its system and version; empty when it does not say."""
    emulated: bool
    """Whether times say nothing about any CPU."""
    features: tuple[str, ...] = ()
    """The instruction sets that the runtime finds there."""

    def sentence(self) -> str:
        """One line for people."""
        features = ", ".join(self.features) or "no instruction sets of its own"
        return f"{self.device}: {self.cpu or self.target} ({features}), {self.os or 'unknown system'}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """What a program left behind."""

    code: int
    """Its exit code; negative: the number of the signal that ended it."""
    stdout: str
    stderr: str


class Device(ABC):
    """A machine with a temporary folder of ours, which `close` removes with all that still runs there. A context
    manager.

    All methods raise ConvertError with a sentence when the device fails.
    """

    name: str
    """As the user named it."""
    target: Target
    """The target whose programs it runs."""
    emulated = False

    @abstractmethod
    def describe(self) -> Facts:
        """What the device says of itself, without the features, which lite_run knows."""

    @abstractmethod
    def push(self, path: Path, name: str, executable: bool = False) -> None:
        """Copies a file into the device's folder, under a name without folders; what arrived is verified."""

    @abstractmethod
    def run(self, argv: Sequence[str], timeout: float) -> Result:
        """Runs a program in the device's folder, which is its working folder; timeout in seconds."""

    @abstractmethod
    def pull(self, name: str, path: Path) -> None:
        """Copies a file out of the device's folder; what arrived is verified."""

    @abstractmethod
    def close(self) -> None:
        """Removes the folder; may be called more than once, raises nothing."""

    def count(self, argv: Sequence[str], timeout: float) -> tuple[Result, list[int]]:
        """Runs a program as `run` does; the instructions executed until each of its markers, and until its end."""
        raise ConvertError(f"{self.name}: instructions are counted under qemu only")

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class OutOfTime(ConvertError):
    """A command took longer than it may."""


def execute(argv: Sequence[str | Path], timeout: float, what: str, stdin: IO[bytes] | None = None,
            stdout: IO[bytes] | None = None, cwd: Path | None = None) -> Result:
    """Runs a program of this machine. It and its children end with us: when the time is over (OutOfTime, which starts
    with `what`), at Ctrl-C, at any exception. A Ctrl-C of the terminal does not reach it: cleaning up is ours."""
    try:
        p = subprocess.Popen([str(a) for a in argv], stdin=stdin or subprocess.DEVNULL, cwd=cwd, start_new_session=True,
                             stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as e:
        raise ConvertError(f"{what}: {argv[0]} cannot be run: {(e.strerror or str(e)).lower()}") from e
    try:
        out, err = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as e:
        raise OutOfTime(f"{what}: not done after {timeout:g} s") from e
    finally:
        if p.poll() is None:
            _end(p)
    return Result(p.returncode, (out or b"").decode(errors="replace"), err.decode(errors="replace"))


def _end(p: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        p.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)
    p.wait()


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def open_device(name: str) -> Device:
    """The device that a text names, connected, with its folder made; ConvertError when that fails."""
    from .adb import Adb
    from .qemu import Qemu
    from .ssh import Ssh

    kind, rest = kind_of(name)
    return {"qemu": Qemu, "ssh": Ssh, "adb": Adb}[kind](name, rest)
