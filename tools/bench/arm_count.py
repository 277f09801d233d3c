#!/usr/bin/env python3
"""Instructions that one inference takes on ARM, counted under qemu-user.

usage: arm_count.py MODEL.lrm ... [--program build/arm64/lite_runtime/app/lite_run] [--cpu cortex-a76]
                    [--shape x=1,3,64,64] [--isa MASK] [--top 12] [--cycles]

Runs each model with one thread on random inputs, once with one inference and once with three; half of the difference is
one inference, without opening and planning. The count is exact and no other work on the machine changes it; it says
nothing of caches and latencies. Never quote it as a time. --top: the functions that execute most of them. --cycles:
what llvm-mca makes of them, see arm_cycles.py (of 64-bit programs). --isa: the instruction sets that kernels may use,
as in lr_model_options (0x80000000: plain C). A program for 32-bit ARM runs on a cortex-a15.

Needs a qemu-aarch64 (qemu-arm) that takes plugins (Debian 12's qemu-user 7.2 does), a C compiler, and
lite_run built for ARM:
python -m lite_runtime.converter.toolchain.compilers linux-arm64 gcc > arm64.ini
meson setup build/arm64 --cross-file arm64.ini -Dpython=false -Dapp=true
(clang in the place of gcc for the compiler that phones' toolchains have).
"""
from __future__ import annotations

import argparse
import collections
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import arm_cycles
import numpy as np
from arm_cycles import Block

import lite_runtime
from lite_runtime.converter.feeds import Port, make, sizes

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "build" / "arm64" / "lite_runtime" / "app" / "lite_run"


def build_plugin(folder: Path) -> Path:
    """The plugin, compiled for this machine."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        sys.exit("arm_count.py: there is no C compiler; install one")
    plugin = folder / "count.so"
    subprocess.run([compiler, "-O2", "-fPIC", "-shared", HERE / "count_plugin.c", "-o", plugin], check=True)
    return plugin


def write_inputs(model: Path, folder: Path, shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Writes random inputs; the lines of lite_run's script that read them."""
    ports = [Port(t.name, t.dtype, shapes.get(t.name, t.shape)) for t in lite_runtime.Model(model).inputs]
    lines = []
    for i, (name, a) in enumerate(make(ports, next(sizes(ports, {})), 0, "normal").items()):
        path = folder / f"input{i}.npy"
        np.save(path, a)
        lines.append(f"input {i} {path}")
        print(f"{model.name}: {name} {list(a.shape)}", file=sys.stderr)
    return lines


def guest_of(program: Path) -> tuple[str, str, str]:
    """The emulator for a program, where the libraries of its guest are, and a CPU."""
    machine = int.from_bytes(program.read_bytes()[18:20], "little")  # e_machine of an ELF file
    if machine == 40:  # EM_ARM
        return "qemu-arm", "/usr/arm-linux-gnueabihf", "cortex-a15"
    return "qemu-aarch64", "/usr/aarch64-linux-gnu", "cortex-a76"


def run(qemu: list[str], plugin: Path, program: list[Path | str], model: Path, script: list[str], runs: int,
        folder: Path) -> collections.Counter[Block]:
    """How often a process with that many inferences executes each block."""
    result, text = folder / "count.txt", folder / "script"
    text.write_text("\n".join([*script, *[f"run {folder / 'out'}"] * runs, ""]))
    result.unlink(missing_ok=True)
    command = [*qemu, "-plugin", f"{plugin},out={result}", program[0], model, "--script", text,
               "--threads", "1", *program[1:]]
    p = subprocess.run(command, capture_output=True, text=True)
    if p.returncode or not result.exists():
        sys.exit(f"arm_count.py: {model}: {p.stderr.strip() or 'the program failed'}")
    blocks: collections.Counter[Block] = collections.Counter()
    with result.open() as lines:
        for line in lines:
            times, address, function, n, code = line.split()
            blocks[Block(int(address, 16), function, int(n), bytes.fromhex(code))] += int(times)
    return blocks


def instructions(blocks: collections.Counter[Block]) -> int:
    return sum(block.instructions * n for block, n in blocks.items())


def print_functions(blocks: collections.Counter[Block], most: int) -> None:
    total, functions = instructions(blocks), collections.Counter[str]()
    for block, n in blocks.items():
        functions[block.function] += block.instructions * n
    for name, n in functions.most_common(most):
        print(f"  {n / 2e6:12.3f} {n / total:6.1%}  {name}")


def shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, dims = text.partition("=")
    return name, tuple(int(d) for d in dims.split(","))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.lrm")
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--cpu", help="cortex-a76, or cortex-a15 for 32-bit programs, unless given")
    parser.add_argument("--root", help="where the libraries of the guest are")
    parser.add_argument("--isa", metavar="MASK", help="instruction sets that may be used; all unless given")
    parser.add_argument("--shape", action="append", type=shape, default=[], metavar="INPUT=1,3,64,64")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="print the N functions with most instructions")
    parser.add_argument("--cycles", action="store_true", help="model the cycles too; needs llvm-mca")
    arm_cycles.add_options(parser)
    a = parser.parse_args()
    if not a.program.exists():
        parser.error(f"{a.program} is not built; see --help")
    emulator, root, cpu = guest_of(a.program)
    qemu = shutil.which(emulator)
    if not qemu:
        parser.error(f"{emulator} is not installed; run: apt install qemu-user")
    if a.cycles and emulator != "qemu-aarch64":
        parser.error("--cycles models 64-bit programs only; leave it out")
    program = [a.program, "--cpu-mask", a.isa] if a.isa else [a.program]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = build_plugin(folder)
        command = [qemu, "-L", a.root or root, "-cpu", a.cpu or cpu]
        for model in a.models:
            script = write_inputs(model, folder, dict(a.shape))
            one, three = (run(command, plugin, program, model, script, n, folder) for n in (1, 3))
            first, both = instructions(one), instructions(three)
            print(f"{model.stem:24} {(both - first) / 2e6:12.3f} million instructions an inference, "
                  f"{(3 * first - both) / 2e6:.3f} million to start", flush=True)
            two = three - one
            print_functions(two, a.top)
            if a.cycles:
                arm_cycles.print_cycles(a, two, a.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
