"""Bytes of a built library by operator, kernel and part of the core, read from the symbols of the linked file."""
from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...spec.ops import OPS

KERNEL = re.compile(r"^lr_(\w+)__([a-z0-9]+)$")


@dataclass(frozen=True)
class Part:
    """What some bytes of a library are for."""

    kind: str
    """operator, kernel, core or file (what no function or table of ours covers)."""
    name: str
    bytes: int


def _object(path: Path) -> list[tuple[str, int]]:
    """The functions and data of an object file: (name, bytes)."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as f:
        table = ELFFile(f).get_section_by_name(".symtab")
        if table is None:
            return []
        return [(s.name, s["st_size"]) for s in table.iter_symbols()
                if s["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT") and s["st_shndx"] != "SHN_UNDEF"]


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


def _owners(build: Path) -> dict[str, tuple[str, str]]:
    """What each function and table serves, by its name."""
    owners: dict[str, tuple[str, str]] = {}
    for path in sorted(build.rglob("*.o")):
        names = _object(path)
        stem = path.name.removesuffix(".o").removesuffix(".c")
        kind, purpose = _purpose(path.parent.name, stem, {n for n, _ in names})
        for name, _ in names:
            kernel = KERNEL.match(name)
            owners.setdefault(name, ("kernel", f"{kernel[1]} ({kernel[2]})") if kernel else (kind, purpose))
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
    from elftools.elf.elffile import ELFFile

    with library.open("rb") as f:
        elf = ELFFile(f)
        sections = list(elf.iter_sections())
        for section in sections:
            if section["sh_flags"] & 2 and section["sh_type"] != "SHT_NOBITS":  # in memory and in the file
                left[section.name] += section["sh_size"]
        table, seen = elf.get_section_by_name(".symtab"), set()
        for s in table.iter_symbols() if table else ():
            where, index = (s["st_value"], s["st_size"]), s["st_shndx"]
            if s["st_info"]["type"] not in ("STT_FUNC", "STT_OBJECT") or not isinstance(index, int) or where in seen:
                continue
            seen.add(where)
            if sections[index].name in left:
                left[sections[index].name] -= s["st_size"]
                sums[owners.get(s.name.partition(".")[0], ("core", "helpers of the compiler"))] += s["st_size"]
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
