"""Bytes of a built library by operator, kernel and part of the core, from symbols and lines of the linked file."""
from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from ...spec.ops import OPS

KERNEL = re.compile(r"^lr_(\w+?)__([a-z0-9]+)")
SECTIONS = {".rodata": "sentences and constants", ".eh_frame": "unwind tables", ".eh_frame_hdr": "unwind tables",
            ".rela.dyn": "relocations", ".rel.dyn": "relocations", ".rela.plt": "relocations",
            ".rel.plt": "relocations",
            ".dynsym": "exported and imported names", ".dynstr": "exported and imported names",
            ".gnu.hash": "exported and imported names", ".hash": "exported and imported names",
            ".text": "code without a symbol"}
Purpose = tuple[str, str]
"""Kind and name of a Part."""


@dataclass(frozen=True)
class Part:
    """What some bytes of a library are for."""

    kind: str
    """operator, kernel, core or file (what no function or table of ours covers)."""
    name: str
    bytes: int


# ---- what an object file serves ----
def _purpose(library: str, stem: str, names: set[str]) -> Purpose:
    """library: the static library that meson puts the object into."""
    if "kernels_" in library:
        return "kernel", re.sub(r"^.*kernels_generic_", "", stem)
    own = sorted(o for o in OPS if f"lr_cpu_{o}" in names)
    if own:
        return "operator", own[0] if len(own) < 3 else stem.removeprefix("ops_")
    if stem.startswith("ops_"):
        near = [o for o in OPS if stem.removeprefix("ops_").startswith(o)]
        return "operator", max(near, key=len) if near else stem.removeprefix("ops_")
    return "core", "tables of operators" if "meson-generated" in stem else re.sub(r"^core_", "", stem)


@dataclass(frozen=True)
class Owners:
    """What serves what: source files ('ops/conv.c'), and functions and tables."""

    files: dict[str, Purpose]
    symbols: dict[tuple[str, str], Purpose]
    """By source ('conv.c') and name; by "" and name what is the same in all sources, or first."""

    def of(self, source: str, name: str) -> Purpose:
        return self.symbols.get((source, name)) or self.symbols.get(("", name)) or ("core", "helpers of the compiler")


def _owners(build: Path) -> Owners:
    owners = Owners({}, {})
    for path in sorted(build.rglob("*.o")):
        if "lite_runtime.a.p" not in path.parent.name and "kernels_" not in path.parent.name:
            continue  # the same sources as bitcode, and programs
        with path.open("rb") as f:
            table = ELFFile(f).get_section_by_name(".symtab")
            source = next((s.name for s in table.iter_symbols() if s["st_info"]["type"] == "STT_FILE"), "")
            names = [s.name for s in table.iter_symbols() if s["st_shndx"] != "SHN_UNDEF" and s.name]
        stem = path.name.removesuffix(".o").removesuffix(".c")
        what = _purpose(path.parent.name, stem, set(names))
        owners.files[f"{stem.replace('_', '/', 1)}.c"] = what
        for name in names:
            kernel = KERNEL.match(name)
            for key in ((source, name), ("", name)):
                owners.symbols.setdefault(key, ("kernel", f"{kernel[1]} ({kernel[2]})") if kernel else what)
    return owners


# ---- what the linked file says ----
@dataclass(frozen=True)
class Lines:
    """The source files of ranges of code; a function that was put into another one is of its own file."""

    starts: list[int]
    ranges: list[tuple[int, int, str]]
    """Start, end, 'folder/file.c'; in order."""

    def within(self, start: int, end: int) -> Iterator[tuple[int, str]]:
        """Bytes and file of each range in a function."""
        for a, b, name in self.ranges[max(bisect_right(self.starts, start) - 1, 0):]:
            if a >= end:
                return
            if min(b, end) > max(a, start):
                yield min(b, end) - max(a, start), name


def _lines(elf: Any) -> Lines:
    ranges: list[tuple[int, int, str]] = []
    info = elf.get_dwarf_info() if elf.has_dwarf_info() else None
    for unit in info.iter_CUs() if info else ():
        program = info.line_program_for_CU(unit)
        if not program:
            continue
        first = 0 if program["version"] >= 5 else 1  # where counting files begins
        last = None
        for state in (e.state for e in program.get_entries() if e.state):
            if last and state.address > last.address:
                ranges.append((last.address, state.address, _name_of(program, last.file - first, first)))
            last = None if state.end_sequence else state
    ranges.sort()
    return Lines([r[0] for r in ranges], ranges)


def _name_of(program: Any, index: int, first: int) -> str:
    """The name of a file with the last part of its folder."""
    entry = program["file_entry"][index]
    name = entry.name.decode()
    if "/" not in name and entry.dir_index >= first:
        name = f"{program['include_directory'][entry.dir_index - first].decode()}/{name}"
    return "/".join(name.split("/")[-2:])


def _symbols(elf: Any) -> Iterator[tuple[str, Any]]:
    """The functions and data of an ELF file, each local one with the source that the symbols before it name."""
    table, source = elf.get_section_by_name(".symtab"), ""
    for s in table.iter_symbols() if table else ():
        kind = s["st_info"]["type"]
        if kind == "STT_FILE":
            source = s.name
        elif kind in ("STT_FUNC", "STT_OBJECT") and isinstance(s["st_shndx"], int):
            yield source if s["st_info"]["bind"] == "STB_LOCAL" else "", s


def _loaded(library: Path) -> Counter[str]:
    """Bytes of an ELF file's sections that are in memory and in the file."""
    with library.open("rb") as f:
        return Counter({s.name: s["sh_size"] for s in ELFFile(f).iter_sections()
                        if s["sh_flags"] & 2 and s["sh_type"] != "SHT_NOBITS"})


def measure(library: Path, symbols: Path, build: Path) -> list[Part]:
    """The parts of an ELF library, the largest first.

    library: as it ships; symbols: the same with symbols and lines; build: the folder with its objects. What no symbol
    covers is of the kind 'file', by section."""
    owners = _owners(build)
    sums: Counter[Purpose] = Counter()
    left = _loaded(library)  # what no symbol covers
    with symbols.open("rb") as f:
        elf = ELFFile(f)
        sections, lines = list(elf.iter_sections()), _lines(elf)
        seen = set()
        for source, s in _symbols(elf):
            start, size = s["st_value"], s["st_size"]
            if elf["e_machine"] == "EM_ARM" and s["st_info"]["type"] == "STT_FUNC":
                start -= start & 1  # Thumb code
            section = sections[s["st_shndx"]].name
            if (start, size) in seen or section not in left:
                continue
            seen.add((start, size))
            left[section] -= size
            for n, name in lines.within(start, start + size):
                if name in owners.files:  # headers' functions count for what they are in
                    sums[owners.files[name]] += n
                    size -= n
            sums[owners.of(source, s.name.partition(".")[0])] += size
    for name, n in left.items():
        if name in SECTIONS:
            sums["file", SECTIONS[name]] += n
    sums["file", "headers, padding, other sections"] += library.stat().st_size - sum(sums.values())
    return [Part(kind, name, n) for (kind, name), n in sums.most_common() if n]


def as_dict(parts: list[Part]) -> dict[str, Any]:
    """For size.json: kind -> name -> bytes."""
    found: dict[str, Any] = {}
    for p in parts:
        found.setdefault(p.kind, {})[p.name] = p.bytes
    return found
