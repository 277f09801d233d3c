"""CPUs that qemu-user has, as devices."""
from __future__ import annotations

import contextlib
import difflib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import ConvertError
from ..toolchain.targets import TARGETS, Target
from .device import Device, Facts, Result, execute
from .program import plugin

# what may stand before a CPU's name, which more than one of them may have: arm64/max
ARCHITECTURES = {t.name.partition("-")[2]: t for t in TARGETS.values() if t.system == "linux" and t.qemu}


class Qemu(Device):
    """A CPU under qemu-user: [ARCHITECTURE/]NAME[,FEATURE=on|off]."""

    emulated = True

    def __init__(self, name: str, cpu: str) -> None:
        self.name = name
        architecture, slash, rest = cpu.partition("/")
        self.cpu = rest if slash else cpu
        self.target = _find(name, architecture if slash else "", self.cpu)
        self.folder = Path(tempfile.mkdtemp(prefix="lite-lab-"))

    def describe(self) -> Facts:
        version = execute([self.target.qemu, "--version"], 60, self.name).stdout.partition("\n")[0]
        number = version.partition("version ")[2].partition(" ")[0]
        return Facts(self.name, self.target.name, self.cpu, f"qemu {number}", True)

    def push(self, path: Path, name: str, executable: bool = False) -> None:
        with _sentence(self.name, name):
            shutil.copyfile(path, self.folder / name)
            (self.folder / name).chmod(0o700 if executable else 0o600)

    def run(self, argv: Sequence[str], timeout: float) -> Result:
        return self._run([], argv, timeout)

    def count(self, argv: Sequence[str], timeout: float) -> tuple[Result, list[int]]:
        if "-plugin" not in execute([self.target.qemu, "-help"], 60, self.name).stdout:
            raise ConvertError(f"{self.name}: this {self.target.qemu} takes no plugins, so instructions cannot be "
                               "counted; Debian 12's qemu-user does")
        report = self.folder / "count.txt"
        result = self._run(["-plugin", f"{plugin()},out={report.name}"], argv, timeout)
        counts = [int(n) for n in report.read_text().split()] if report.exists() else []
        return result, counts

    def _run(self, options: list[str], argv: Sequence[str], timeout: float) -> Result:
        root = Path("/usr", self.target.gcc)  # the libraries of programs that are not static
        options = [*options, *(["-L", str(root)] if root.is_dir() else [])]
        # qemu writes the memory of a program that it sees die to a file, as far as the limit allows
        words = ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh", self.target.qemu, "-cpu", self.cpu, *options, *argv]
        return execute(words, timeout, self.name, cwd=self.folder)

    def pull(self, name: str, path: Path) -> None:
        with _sentence(self.name, name):
            shutil.copyfile(self.folder / name, path)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def _sentence(device: str, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise ConvertError(f"{device}: {name} cannot be copied: {(e.strerror or str(e)).lower()}") from e


def cpus(target: Target) -> list[str]:
    """The names of CPUs that this target's qemu has."""
    text = execute([target.qemu, "-cpu", "help"], 60, target.qemu).stdout
    names = []
    for line in text.splitlines():
        words = line.split()
        if "CPUID flags" in line:
            break
        if words and not line.rstrip().endswith(":"):
            names.append(words[1] if words[0] == "x86" and len(words) > 1 else words[0])
    return names


def _find(device: str, architecture: str, cpu: str) -> Target:
    """The target of a CPU's name: the first of ARCHITECTURES that has it."""
    if architecture and architecture not in ARCHITECTURES:
        raise ConvertError(f"--device {device}: unknown architecture '{architecture}'; use one of "
                           f"{', '.join(ARCHITECTURES)}")
    # phones' CPUs first
    order = [architecture] if architecture else sorted(ARCHITECTURES, key=lambda a: a == "x64")
    there = {a: cpus(ARCHITECTURES[a]) for a in order if shutil.which(ARCHITECTURES[a].qemu)}
    if not there:
        raise ConvertError(f"--device {device}: qemu-user is not installed; run: apt install qemu-user")
    plain = cpu.partition(",")[0]
    for a, names in there.items():
        if plain in names:
            return ARCHITECTURES[a]
    near = difflib.get_close_matches(plain, [n for names in there.values() for n in names], 1)
    known = "; ".join(f"{a}: {', '.join(names) if a != 'x64' else 'those of qemu-x86_64 -cpu help'}"
                      for a, names in there.items())
    raise ConvertError(f"--device {device}: qemu has no CPU '{plain}'" + (f" (is it {near[0]}?)" if near else "")
                       + f"; use one of {known}")
