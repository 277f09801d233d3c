"""Devices that are reached through a shell of theirs."""
from __future__ import annotations

import hashlib
import re
import secrets
import shlex
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..errors import ConvertError
from .device import Device, OutOfTime, Result, last_line

SHORT = 60.0  # seconds for what takes no time
SLOWEST = 50_000  # bytes a second that a transfer must reach
SIGNALLED = 128  # a shell adds it to the number of the signal that ended a program


class Remote(Device):
    """A device with a POSIX shell. Subclasses say how a command and a file get there."""

    folder = ""
    """Its temporary folder; empty: there is none."""
    base = "${TMPDIR:-/tmp}"
    """Where that is made, for the device's shell."""

    @abstractmethod
    def shell(self, command: str, timeout: float, stdin: IO[bytes] | None = None,
              stdout: IO[bytes] | None = None) -> Result:
        """Runs a command in the device's shell."""

    @abstractmethod
    def send(self, path: Path, to: str, then: str, timeout: float) -> Result:
        """Copies a file there, which may arrive incomplete, and then runs a command."""

    @abstractmethod
    def fetch(self, path: str, to: Path, timeout: float) -> None:
        """Copies a file from there, which may arrive incomplete."""

    def make_folder(self) -> list[str]:
        """Makes the folder; the lines `uname -s`, `uname -m` and `uname -r`."""
        name = f"lite-lab-{secrets.token_hex(8)}"
        command = f'd="{self.base}/{name}"; umask 077; mkdir "$d" && echo "$d" && uname -s && uname -m && uname -r'
        result = self.shell(command, SHORT)
        lines = result.stdout.splitlines()
        if result.code or len(lines) < 4 or not lines[-4].endswith(name):
            raise ConvertError(f"{self.name}: no folder can be made there by its shell: "
                               f"{last_line(result.stderr) or last_line(result.stdout) or 'it says nothing'}")
        self.folder = lines[-4]
        return lines[-3:]

    def _path(self, name: str) -> str:
        return shlex.quote(f"{self.folder}/{name}")

    def _identify(self, name: str) -> str:
        """The command that prints size and MD5 of a file there; MD5, since every shell of a phone, a board or a Mac has
        it, and it is chance alone that damages files here."""
        p = self._path(name)
        return f"wc -c < {p} && {{ md5sum {p} 2>/dev/null || md5 -q {p}; }}"

    def _identity(self, name: str, result: Result) -> tuple[int, str]:
        found = re.fullmatch(r"\s*(\d+)\s+\\?([0-9a-f]{32})\b.*", result.stdout, re.DOTALL)
        if result.code or not found:
            raise ConvertError(f"{self.name}: {name} cannot be verified there: "
                               f"{last_line(result.stderr) or 'neither md5sum nor md5 is there'}")
        return int(found[1]), found[2]

    def _verify(self, name: str, path: Path, there: tuple[int, str]) -> None:
        here = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        if there != (path.stat().st_size, here):
            raise ConvertError(f"{self.name}: {name} was damaged on its way ({there[0]} bytes there, "
                               f"{path.stat().st_size} here); is the device's storage full?")

    def push(self, path: Path, name: str, executable: bool = False) -> None:
        then = f"chmod {700 if executable else 600} {self._path(name)} && {self._identify(name)}"
        result = self.send(path, f"{self.folder}/{name}", then, SHORT + path.stat().st_size / SLOWEST)
        self._verify(name, path, self._identity(name, result))

    def pull(self, name: str, path: Path) -> None:
        there = self._identity(name, self.shell(self._identify(name), SHORT))
        self.fetch(f"{self.folder}/{name}", path, SHORT + there[0] / SLOWEST)
        self._verify(name, path, there)

    def run(self, argv: Sequence[str], timeout: float) -> Result:
        # in the background with its number in a file, so that close() can end it when the connection was cut
        command = (f"cd {shlex.quote(self.folder)} || exit 1; {shlex.join(argv)} & echo $! > pid; wait $!; c=$?; "
                   "rm -f pid; exit $c")
        result = self.shell(command, timeout)
        if result.code == SIGNALLED - 2:  # 126
            raise ConvertError(f"{self.name}: {argv[0]} may not be executed in {self.folder}: "
                               f"{last_line(result.stderr)}; is that folder mounted with noexec?")
        code = SIGNALLED - result.code if result.code > SIGNALLED else result.code
        return Result(code, result.stdout, result.stderr)

    def close(self) -> None:
        if not self.folder:
            return
        folder, self.folder = shlex.quote(self.folder), ""
        try:
            self.shell(f"[ -f {folder}/pid ] && kill -9 $(cat {folder}/pid) 2>/dev/null; rm -rf {folder}", SHORT)
        except (ConvertError, OutOfTime):
            pass  # the device is gone; what it was used for has been said


def first_value(text: str, *keys: str) -> str:
    """The value of the first key that /proc/cpuinfo has."""
    for key in keys:
        found = re.search(rf"^{key}\s*:\s*(\S.*)$", text, re.MULTILINE)
        if found:
            return found[1].strip()
    return ""
