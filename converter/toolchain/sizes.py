"""Bytes of a built library by operator, kernel and part of the core, read from the symbols of the linked file."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from ...spec.ops import OPS

KERNEL = re.compile(r"^lr_(\w+?)__([a-z0-9]+)")


@dataclass(frozen=True)
class Part:
    """What some bytes of a library are for."""

    kind: str
    """operator, kernel, core or file (what no function or table of ours covers)."""
    name: str
    bytes: int


def _symbols(elf: Any) -> Iterator[tuple[str, Any]]:
    """The functions and data of an ELF file, each with the source file that the symbols before it name."""
    table, source = elf.get_section_by_name(".symtab"), ""
    for s in table.iter_symbols() if table else ():
        kind = s["st_info"]["type"]
        if kind == "STT_FILE":
            source = s.name
        elif kind in ("STT_FUNC", "STT_OBJECT") and isinstance(s["st_shndx"], int):
            yield source if s["st_info"]["bind"] == "STB_LOCAL" else "", s


def _purpose(library: str, stem: str, names: set[str]) -> tuple[str, str]:
    """What an object file serves: (kind, name). library: the static library that meson puts it into."""
    if "kernels_" in library:
        return "kernel", re.sub(r"^.*kernels_generic_", "", stem)
    own = sorted(o for o in OPS if f"lr_cpu_{o}" in names)
    if own:
        return "operator", own[0] if len(own) < 3 else stem.removeprefix("ops_")
    if stem.startswith("ops_"):
        near = [o for o in OPS if stem.removeprefix("ops_").startswith(o)]
        return "operator", max(near, key=len) if near else stem.removeprefix("ops_")
    return "core", "tables of operators" if "meson-generated" in stem else re.sub(r"^core_", "", stem)


def _owners(build: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """What each function and table serves, by its source file and its name, and by its name alone."""
    owners: dict[tuple[str, str], tuple[str, str]] = {}
    for path in sorted(build.rglob("*.o")):
        with path.open("rb") as f:
            table = ELFFile(f).get_section_by_name(".symtab")
            source = next((s.name for s in table.iter_symbols() if s["st_info"]["type"] == "STT_FILE"), "")
            names = [s.name for s in table.iter_symbols() if s["st_shndx"] != "SHN_UNDEF" and s.name]
        kind, purpose = _purpose(path.parent.name, path.name.removesuffix(".o").removesuffix(".c"), set(names))
        for name in names:
            kernel = KERNEL.match(name)
            what = ("kernel", f"{kernel[1]} ({kernel[2]})") if kernel else (kind, purpose)
            for key in ((source, name), ("", name)):
                owners.setdefault(key, what)
    return owners


SECTIONS = {".rodata": "sentences and constants", ".eh_frame": "unwind tables", ".eh_frame_hdr": "unwind tables",
            ".rela.dyn": "relocations", ".rel.dyn": "relocations", ".rela.plt": "relocations",
            ".rel.plt": "relocations",
            ".dynsym": "exported and imported names", ".dynstr": "exported and imported names",
            ".gnu.hash": "exported and imported names", ".hash": "exported and imported names",
            ".text": "code without a symbol"}


def measure(library: Path, build: Path, total: int) -> list[Part]:
    """The parts of an ELF library, the largest first.

    library: with its symbols; build: the folder with its objects; total: bytes of the stripped file. What no symbol
    covers is of the kind 'file', by section."""
    owners = _owners(build)
    sums: Counter[tuple[str, str]] = Counter()
    left: Counter[str] = Counter()  # bytes of sections that no symbol covers
    with library.open("rb") as f:
        elf = ELFFile(f)
        sections = list(elf.iter_sections())
        for section in sections:
            if section["sh_flags"] & 2 and section["sh_type"] != "SHT_NOBITS":  # in memory and in the file
                left[section.name] += section["sh_size"]
        seen = set()
        for source, s in _symbols(elf):
            name, where, section = s.name.partition(".")[0], (s["st_value"], s["st_size"]), sections[s["st_shndx"]].name
            if where not in seen and section in left:
                seen.add(where)
                left[section] -= s["st_size"]
                what = owners.get((source, name)) or owners.get(("", name)) or ("core", "helpers of the compiler")
                sums[what] += s["st_size"]
    for name, n in left.items():
        if name in SECTIONS:
            sums["file", SECTIONS[name]] += n
    sums["file", "headers, padding, other sections"] += total - sum(sums.values())
    return [Part(kind, name, n) for (kind, name), n in sums.most_common() if n]


def as_dict(parts: list[Part]) -> dict[str, Any]:
    """For size.json: kind -> name -> bytes."""
    found: dict[str, Any] = {}
    for p in parts:
        found.setdefault(p.kind, {})[p.name] = p.bytes
    return found
