"""A Python of another machine: Debian's, unpacked into a folder and run by qemu-user. Nothing is installed."""
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import environment

# Debian's architecture: qemu-user's program, the folder of its libraries
MACHINES = {"arm64": ("qemu-aarch64", "aarch64-linux-gnu"), "armhf": ("qemu-arm", "arm-linux-gnueabihf")}


@dataclass(frozen=True)
class Python:
    """An unpacked Python."""

    command: list[str]
    """What runs it here, as far as the arguments of Python."""
    version: str
    """As pip's --python-version takes it."""
    env: dict[str, str] = field(default_factory=dict)
    """Variables without which it does not find its libraries."""


def folder() -> Path:
    """Where the unpacked Pythons are kept: in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lite-runtime-pythons"


def _mirror() -> tuple[str, str]:
    """Address and release of the Debian archive that this system itself installs from."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)",
             "Created-By: Packages"]
    lines = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
    for address, release, component, *origin in (line.split() for line in lines):
        if component == "main" and origin == ["Debian"] and "-" not in release:
            return address, release
    raise environment.ToolError("no Debian archive is known to apt here; run this on Debian after apt-get update")


def _apt(folder: Path, architecture: str, packages: list[str]) -> list[Path]:
    """Downloads packages with all that they depend on, with lists and state of our own. Returns the .deb files."""
    for part in ("lists/partial", "cache/archives/partial", "empty"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    address, release = _mirror()
    (folder / "sources.list").write_text(f"deb {address} {release} main\n")
    own = {"Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": folder / "empty",
           "Dir::State::lists": folder / "lists", "Dir::State::status": folder / "status",
           "Dir::Cache": folder / "cache", "APT::Architecture": architecture, "APT::Architectures": architecture,
           "APT::Sandbox::User": "root", "Acquire::Languages": "none"}
    options = [w for k, v in own.items() for w in ("-o", f"{k}={v}")]
    environment.run(["apt-get", *options, "update", "-q"], f"apt has no lists for {architecture}")
    environment.run(["apt-get", *options, "install", "-q", "-y", "--no-install-recommends", "--download-only",
                     *packages], f"apt has no {packages[0]} for {architecture}")
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def make(architecture: str, packages: list[str]) -> Python:
    """The Python of the packages for an architecture, unpacked when first wanted. Raises ToolError.

    packages: Debian's; python3 is added. Their maintainers' scripts do not run."""
    qemu, libraries = MACHINES[architecture]
    missing = [p for p in (qemu, "apt-get", "dpkg") if not shutil.which(p)]
    if missing:
        raise environment.ToolError(f"{', '.join(missing)} is not installed; run: apt install qemu-user")
    wanted = ["python3", *packages]
    key = hashlib.sha256("\n".join([architecture, *_mirror(), *wanted]).encode()).hexdigest()[:12]
    root = folder() / f"{architecture}-{key}"
    if not root.exists():
        new = root.with_name(f"{root.name}.{os.getpid()}")
        try:
            for deb in _apt(new / "apt", architecture, wanted):
                environment.run(["dpkg", "-x", str(deb), str(new / "root")], f"{deb.name} cannot be unpacked")
            shutil.rmtree(new / "apt")
            new.rename(root)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    program = next(p for p in sorted((root / "root" / "usr" / "bin").glob("python3.*")) if p.name[-1].isdigit())
    lib = root / "root" / "usr" / "lib" / libraries
    # where the packages' scripts would have made links to these folders
    paths = ":".join(str(lib / n) for n in ("blas", "lapack") if (lib / n).is_dir())
    env = {"QEMU_SET_ENV": f"LD_LIBRARY_PATH={paths}"} if paths else {}
    return Python([qemu, "-L", str(root / "root"), str(program)], program.name.removeprefix("python"), env)


def site(python: Python, tag: str, requirements: list[str]) -> Path:
    """A folder with PyPI's packages for the machine, at the versions of requirements-test.txt, for PYTHONPATH.

    tag: the machine as wheels name it, 'aarch64'. Raises ToolError."""
    key = hashlib.sha256("\n".join([tag, python.version, *requirements, environment.PINS.read_text()]).encode())
    kept = folder() / f"site-{tag}-{key.hexdigest()[:12]}"
    if not kept.exists():
        new = kept.with_name(f"{kept.name}.{os.getpid()}")
        floors = ("manylinux2014", "manylinux_2_17", "manylinux_2_24", "manylinux_2_27", "manylinux_2_28")
        try:
            environment.pip(Path(sys.executable), "--target", str(new), "--only-binary=:all:", "--implementation", "cp",
                            "--python-version", python.version, "-c", str(environment.PINS),
                            *(f"--platform={f}_{tag}" for f in floors), *requirements)
            new.rename(kept)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return kept
