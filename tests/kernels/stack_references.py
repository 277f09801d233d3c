"""Counts what the inner loops of GEMM kernels do with the stack: an accumulator that a compiler could not keep in a
register costs more than the tile gains, and shows neither in results nor (much) in a noisy timing.

usage: stack_references.py OBJDUMP [--show | --report] OBJECT...

OBJECT: object files or static libraries; OBJDUMP: a GNU or LLVM objdump that knows their architecture. Looked at are
the innermost loops with at least MIN_FMA multiply-adds. On AArch64 no instruction of theirs may touch the stack; on
x86-64, where pointers may have to live there, no vector instruction may. Prints one line for each loop with --show,
else only those that are bad; exit code 1 when there are any, and when one of the objects has no such loop.

--report: for code that has no such loops (Winograd's transforms) one line for each function that uses vectors: its
instructions, and those of them that touch the stack as above. Exit code 0.
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
FMA = re.compile(r"^v?(?:fmla|fmls|fmadd|fnmadd|pmaddwd|pdpbusd)")
# x29 and rbp are ordinary registers where no frame pointer is made of them
FRAME = re.compile(r"^(?:mov|add) x29, sp|^mov (?:rbp, rsp|%rsp, ?%rbp)$")
VECTOR = re.compile(r"\b[xyz]mm\d|\b[qdv]\d")
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
        return sum(touches_stack(line, self.framed) for line in self.code)


def touches_stack(line: str, framed: bool) -> bool:
    return bool(STACK_ARM[framed].search(line) or line.startswith("v") and STACK_X86[framed].search(line))


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


def report(name: str, code: list[tuple[int, str]]) -> None:
    """One line about a function with vectors; saved registers and pointers do not count."""
    framed = any(FRAME.match(text) for _, text in code)
    vectors = sum(bool(VECTOR.search(text)) for _, text in code)
    stack = sum(touches_stack(text, framed) and bool(VECTOR.search(text)) for _, text in code)
    if vectors:
        print(f"{name}: {len(code)} instructions, {vectors} with vectors, {stack} of these touch the stack")


def check(objdump: str, path: str, show: bool) -> tuple[int, int]:
    """Loops of an object, and how many of them are bad."""
    loops = [loop for name, code in disassemble(objdump, path) for loop in innermost_loops(name, code)]
    loops = [loop for loop in loops if loop.multiply_adds >= MIN_FMA]
    for loop in loops:
        if show or loop.stack:
            other = (len(loop.code) - loop.multiply_adds) / loop.multiply_adds
            print(f"{loop.function}: {len(loop.code)} instructions, {other:.3f} others for each of "
                  f"{loop.multiply_adds} multiply-adds, {loop.stack} stack references")
    return len(loops), sum(loop.stack > 0 for loop in loops)


def disassemble(objdump: str, path: str) -> list[tuple[str, list[tuple[int, str]]]]:
    run = subprocess.run([objdump, "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    return list(functions(run.stdout).items())


def main(argv: list[str]) -> int:
    options = {a for a in argv if a.startswith("--")}
    objdump, *objects = [a for a in argv if a not in options]
    if "--report" in options:
        for path in objects:
            for name, code in disassemble(objdump, path):
                report(name, code)
        return 0
    counts = [check(objdump, path, "--show" in options) for path in objects]
    print(f"{sum(n for n, _ in counts)} loops, {sum(bad for _, bad in counts)} use the stack")
    return 0 if counts and all(n and not bad for n, bad in counts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
