"""Counts what the inner loops of GEMM kernels do with the stack: an accumulator that a compiler could not keep in a
register costs more than the tile gains, and shows neither in results nor (much) in a noisy timing.

usage: stack_references.py OBJDUMP [--show] OBJECT...

OBJECT: object files or static libraries; OBJDUMP: a GNU or LLVM objdump that knows their architecture. Looked at are
the innermost loops with at least MIN_FMA multiply-adds. On AArch64 no instruction of theirs may touch the stack; on
x86-64, where pointers may have to live there, no vector instruction may. Prints one line for each loop with --show,
else only those that are bad; exit code 1 when there are any, and when no loop is found at all.
"""
from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

MIN_FMA = 4
ADDRESS = re.compile(r"^\s*([0-9a-f]+):\s*(\S.*)$")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
BRANCH = re.compile(r"^(?:b|b\.\w+|cbn?z|tbn?z|j\w+)\s.*?(?:0x)?([0-9a-f]+)(?: <[^>]*>)?$")
FMA = re.compile(r"^v?(?:fmla|fmls|fmadd|fnmadd)")
# x29 and rbp are ordinary registers where no frame pointer is made of them
FRAME = re.compile(r"^(?:mov|add) x29, sp|^mov (?:rbp, rsp|%rsp, ?%rbp)$")
STACK_ARM = (re.compile(r"\[sp\b"), re.compile(r"\[(?:sp|x29)\b"))
STACK_X86 = (re.compile(r"\[rsp\b|\(%rsp"), re.compile(r"\[(?:rsp|rbp)\b|\((?:%rsp|%rbp)"))


@dataclass(frozen=True)
class Loop:
    function: str
    framed: bool
    code: tuple[str, ...]

    @property
    def multiply_adds(self) -> int:
        return sum(bool(FMA.match(line)) for line in self.code)

    @property
    def stack(self) -> int:
        """Instructions that touch the stack and must not."""
        arm, x86 = STACK_ARM[self.framed], STACK_X86[self.framed]
        return sum(bool(arm.search(line) or line.startswith("v") and x86.search(line)) for line in self.code)


def functions(listing: str) -> dict[str, list[tuple[int, str]]]:
    """The (address, instruction) pairs of each function."""
    found: dict[str, list[tuple[int, str]]] = {}
    code: list[tuple[int, str]] = []
    for line in listing.splitlines():
        if name := FUNCTION.match(line):
            code = found.setdefault(name[1], [])
        elif at := ADDRESS.match(line):
            text = re.split(r"\s*(?://|#|;)\s", at[2].replace("\t", " "))[0]
            code.append((int(at[1], 16), re.sub(r"\s+", " ", text).strip()))
    return found


def innermost_loops(name: str, code: list[tuple[int, str]]) -> list[Loop]:
    """Straight code that ends in a branch back to its first instruction; loops around it have more branches."""
    index = {address: i for i, (address, _) in enumerate(code)}
    framed = any(FRAME.match(text) for _, text in code)
    loops, last = [], -1
    for i, (_, text) in enumerate(code):
        if branch := BRANCH.match(text):
            start = index.get(int(branch[1], 16), len(code))
            if last < start <= i:
                loops.append(Loop(name, framed, tuple(text for _, text in code[start : i + 1])))
            last = i
    return loops


def main(argv: list[str]) -> int:
    show = "--show" in argv
    objdump, *objects = [a for a in argv if a != "--show"]
    run = subprocess.run([objdump, "-d", "--no-show-raw-insn", *objects], capture_output=True, text=True, check=True)
    loops = [loop for name, code in functions(run.stdout).items() for loop in innermost_loops(name, code)]
    loops = [loop for loop in loops if loop.multiply_adds >= MIN_FMA]
    for loop in loops:
        if show or loop.stack:
            other = (len(loop.code) - loop.multiply_adds) / loop.multiply_adds
            print(f"{loop.function}: {len(loop.code)} instructions, {other:.3f} others for each of "
                  f"{loop.multiply_adds} multiply-adds, {loop.stack} stack references")
    bad = sum(loop.stack > 0 for loop in loops)
    print(f"{len(loops)} loops, {bad} use the stack")
    return 1 if bad or not loops else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
