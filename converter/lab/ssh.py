"""Machines that are reached by the system's ssh."""
from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import IO

from ..errors import ConvertError
from ..toolchain.targets import TARGETS, Target
from .device import Facts, Result, execute, last_line
from .remote import SHORT, Remote, first_value

CONNECT = 10  # seconds
FAILED = 255  # ssh's own exit code
CPUS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "armv7", "armv8l": "armv7",
        "riscv64": "riscv64"}
SYSTEMS = {"Linux": "linux", "Darwin": "macos"}


# [user@]host[:port]; neither starts with a '-', which ssh would take for an option
ADDRESS = r"((?:[^@\s-][^@\s]*@)?(?:\[[0-9A-Fa-f:.%]+\]|[^:@\s\[\]-][^:@\s\[\]]*))(?::(\d{1,5}))?"


class Ssh(Remote):
    """[USER@]HOST[:PORT], with a key that needs no typing. $LR_SSH: the command to use instead of `ssh`."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        found = re.fullmatch(ADDRESS, address)
        if not found:
            raise ConvertError(f"--device {name}: is not ssh:USER@HOST or ssh:USER@HOST:PORT")
        self.address, port = found[1].replace("[", "").replace("]", ""), found[2]
        self.command = shlex.split(os.environ.get("LR_SSH", "")) or ["ssh"]
        if not shutil.which(self.command[0]):
            raise ConvertError(f"--device {name}: {self.command[0]} is not installed; run: apt install openssh-client")
        self.command += ["-p", port] if port else []
        try:
            system, machine, _ = self.make_folder()
            self.target = _target(name, system, machine)
        except BaseException:
            self.close()
            raise

    def shell(self, command: str, timeout: float, stdin: IO[bytes] | None = None,
              stdout: IO[bytes] | None = None) -> Result:
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT}", "-o", "ServerAliveInterval=15", "-T"]
        # a login shell of any kind hands the command to a POSIX one
        words = [*self.command, *options, "--", self.address, f"sh -c {shlex.quote(command)}"]
        result = execute(words, timeout, self.name, stdin, stdout)
        if result.code == FAILED:
            by_hand = shlex.join([*self.command, self.address, "true"])
            raise ConvertError(f"{self.name}: ssh says '{last_line(result.stderr) or 'nothing'}'; it must work without "
                               f"typing: {by_hand}")
        return result

    def send(self, path: Path, to: str, then: str, timeout: float) -> Result:
        with path.open("rb") as f:  # in one connection
            result = self.shell(f"cat > {shlex.quote(to)} && {then}", timeout, stdin=f)
        if result.code:
            raise ConvertError(f"{self.name}: {to} cannot be written: {last_line(result.stderr)}")
        return result

    def fetch(self, path: str, to: Path, timeout: float) -> None:
        with to.open("wb") as f:
            result = self.shell(f"cat {shlex.quote(path)}", timeout, stdout=f)
        if result.code:
            raise ConvertError(f"{self.name}: {path} cannot be read: {last_line(result.stderr)}")

    def describe(self) -> Facts:
        command = ("cat /proc/cpuinfo 2>/dev/null || echo \"model name: $(sysctl -n machdep.cpu.brand_string)\"; "
                   "echo os: $({ . /etc/os-release && echo $PRETTY_NAME; } 2>/dev/null || uname -sr)")
        text = self.shell(command, SHORT).stdout
        cpu = first_value(text, "model name", "Model", "Hardware", "uarch", "isa")
        return Facts(self.name, self.target.name, cpu, first_value(text, "os"), False)


def _target(device: str, system: str, machine: str) -> Target:
    name = f"{SYSTEMS.get(system, '')}-{CPUS.get(machine, '')}"
    if name not in TARGETS:
        raise ConvertError(f"{device}: is {system} on {machine}; there is no target for that, but for "
                           f"{', '.join(t for t in TARGETS if t.startswith(('linux', 'macos')))}")
    return TARGETS[name]


