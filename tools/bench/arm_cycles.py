#!/usr/bin/env python3
"""Cycles that ARM cores would take, modelled by llvm-mca; no hardware has confirmed them. Never quote them as a time.

usage: arm_cycles.py OBJECT ... [--mcpu neoverse-n1 --mcpu neoverse-v1]
       arm_count.py MODEL.lrm --cycles

Of object files or static libraries: 128-bit multiply-adds per cycle in each of the innermost loops that have at least
16 of them, over what the core can do. Of a counted run: each block of straight code is taken for a loop of its own,
and costs what a turn of it takes when nothing misses a cache; a short block, which in truth overlaps with its
neighbours, is overcharged. Blocks after those with 98 % of all instructions cost what the others do on average.

neoverse-n1 stands for Cortex-A76 to A78, neoverse-v1 for Cortex-X1: for those names LLVM 19 has the model of an older
core. Needs LLVM's tools: apt install llvm-19
"""
from __future__ import annotations

import argparse
import collections
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "kernels"))
from stack_references import functions, innermost_loops

PEAK = {"neoverse-n1": 2, "neoverse-v1": 4}  # 128-bit multiply-adds per cycle
MIN_FMA = 16
TURNS = 100
COVER = 0.98
# a branch or an address relative to the program counter: llvm-mca wants a label in the place of the distance
RELATIVE = re.compile(r"^((?:b|bl|b\.\w+|cbn?z|tbn?z|adrp?)\s.*?)(?:#-?)?(?:0x)?[0-9a-f]+(?: <[^>]*>)?$")


@dataclass(frozen=True)
class Block:
    """Straight code of a guest, as count_plugin.c writes it."""

    address: int
    function: str
    instructions: int
    code: bytes

    @property
    def goes_on(self) -> bool:
        """The last instruction is no branch: qemu ends a block at the end of a page too."""
        word = int.from_bytes(self.code[-4:], "little")
        return not (word >> 26 & 0x1F == 0x05 or word >> 24 == 0x54 or word >> 25 & 0x3E == 0x1A or word >> 25 == 0x6B)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mcpu", action="append", metavar="CORE", help="neoverse-n1 and neoverse-v1 unless given")
    parser.add_argument("--llvm", default="-19", metavar="SUFFIX", help="of the names of LLVM's tools")


def cores(a: argparse.Namespace) -> list[str]:
    return a.mcpu or list(PEAK)


def tool(name: str, llvm: str, options: list[str], text: str = "") -> str:
    try:
        p = subprocess.run([name + llvm, *options], input=text, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f"arm_cycles.py: {name}{llvm} is not installed; run: apt install llvm-19, or see --llvm")
    if p.returncode:
        sys.exit(f"arm_cycles.py: {name}{llvm}: {p.stderr.strip()[:300]}")
    return p.stdout


def disassemble(blocks: list[Block], llvm: str) -> list[list[str]]:
    """The instructions of each block; words that are none of them are left out."""
    words = (b.code[i : i + 4] for b in blocks for i in range(0, len(b.code), 4))
    text = "\n".join(" ".join(f"0x{byte:02x}" for byte in word) for word in words)
    out = tool("llvm-mc", llvm, ["--disassemble", "--triple=aarch64", "--mattr=+all"], text)
    lines = iter([line.strip() for line in out.splitlines() if line.strip() and not line.strip().startswith(".")])
    return [[next(lines) for _ in range(b.instructions)] for b in blocks]


def turn_cycles(cpu: str, llvm: str, loops: list[list[str]]) -> list[float]:
    """Cycles that a turn of each loop takes when it has been turning for a while."""
    source = [".Lhere:"]
    for i, loop in enumerate(loops):
        source += [f"# LLVM-MCA-BEGIN {i}", *(RELATIVE.sub(r"\1.Lhere", line) for line in loop), "# LLVM-MCA-END"]
    options = ["--mtriple=aarch64", f"--mcpu={cpu}", "--mattr=+all", f"--iterations={TURNS}", "--noalias", "--json",
               "--instruction-info=0", "--resource-pressure=0", "--skip-unsupported-instructions=any"]
    regions = json.loads(tool("llvm-mca", llvm, options, "\n".join(source)))["CodeRegions"]
    cycles = {int(r["Name"] or 0): r["SummaryView"]["TotalCycles"] / TURNS for r in regions}
    return [cycles.get(i, 0.0) for i in range(len(loops))]


def joined(blocks: collections.Counter[Block]) -> collections.Counter[Block]:
    """The same with blocks that end without a branch and what follows them made one, so that no loop is in two."""
    out, at = blocks.copy(), {b.address: b for b in blocks}
    for b, n in sorted(blocks.items(), key=lambda pair: -pair[0].address):  # the last first: some are in several pieces
        after = at.get(b.address + len(b.code)) if b.goes_on else None
        if after and out[after] >= n:
            out[after] -= n
            del out[b]
            at[b.address] = Block(b.address, b.function, b.instructions + after.instructions, b.code + after.code)
            out[at[b.address]] += n
    return out


def hot(blocks: collections.Counter[Block]) -> list[Block]:
    """The blocks that execute COVER of all instructions."""
    order = sorted(blocks, key=lambda b: -b.instructions * blocks[b])
    total = sum(b.instructions * n for b, n in blocks.items())
    found, sum_ = [], 0
    for b in order:
        if sum_ >= COVER * total:
            break
        found.append(b)
        sum_ += b.instructions * blocks[b]
    return found


def print_cycles(a: argparse.Namespace, blocks: collections.Counter[Block], most: int) -> None:
    """blocks: how often each ran, twice over."""
    blocks = joined(blocks)
    chosen, total = hot(blocks), sum(b.instructions * n for b, n in blocks.items())
    loops = disassemble(chosen, a.llvm)
    for cpu in cores(a):
        parts, counted = collections.Counter[str](), 0
        for b, turn in zip(chosen, turn_cycles(cpu, a.llvm, loops), strict=True):
            parts[b.function] += turn * blocks[b]
            counted += b.instructions * blocks[b] if turn else 0
        scale = total / counted
        print(f"  {sum(parts.values()) * scale / 2e6:12.3f} million cycles modelled for {cpu}", flush=True)
        for name, n in parts.most_common(most):
            print(f"  {n / 2e6:12.3f} {n / sum(parts.values()):6.1%}  {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", nargs="+", metavar="OBJECT")
    add_options(parser)
    a = parser.parse_args()
    listing = tool("llvm-objdump", a.llvm, ["-d", "--no-show-raw-insn", *a.objects])
    loops = [loop for name, code in functions(listing).items() for loop in innermost_loops(name, code)]
    loops = [loop for loop in loops if loop.multiply_adds >= MIN_FMA]
    costs = {cpu: turn_cycles(cpu, a.llvm, [list(loop.code) for loop in loops]) for cpu in cores(a)}
    for i, loop in enumerate(loops):
        rates = (f"{cpu} {loop.multiply_adds / costs[cpu][i] / PEAK.get(cpu, 1):.3f}" for cpu in costs)
        print(f"{loop.function:36} {loop.multiply_adds:3} of {len(loop.code):3} instructions multiply; of peak:",
              ", ".join(rates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
