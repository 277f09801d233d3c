"""Checks of an ELF file that is shipped: what the loader, an app store and a careful user would object to.

Rules are data: `android_rules` for what is built here, `linux_rules` for glibc. Needs pyelftools (the extra `build`).
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from .android.abis import API, PAGE, abi_of
from .android.symbols import Symbol, symbols

_TEXTREL, _BIND_NOW, _NOW_1 = 4, 8, 1  # DF_TEXTREL and DF_BIND_NOW of DT_FLAGS, DF_1_NOW of DT_FLAGS_1
_EXECUTE, _WRITE = 1, 2
_BTI_PAC = 3  # both bits of GNU_PROPERTY_AARCH64_FEATURE_1_AND
_TEXT = re.compile(rb"[\x20-\x7e]{6,}(?=[\x00\n])")
_PATH = re.compile(r"(?:^|[\s=:,;\"'(])(/[\w.+-]+(?:/[\w.+-]+)+)")
_SYSTEM_PATHS = ("/proc/", "/sys/", "/dev/", "/system/bin/linker", "/lib/ld-", "/lib64/ld-")


@dataclass(frozen=True)
class Rules:
    """What a file must be like."""

    machine: str
    """e_machine, such as EM_AARCH64."""
    needed: frozenset[str]
    """Libraries that it may need."""
    soname: str | None = None
    """The soname that it must have; None for a program."""
    exports: str = r"lr_\w+"
    """What it may export, as a regular expression of whole names; with Java's bindings r"lr_\\w+|JNI_OnLoad"."""
    imports: dict[str, Symbol] | None = field(default=None, repr=False)
    """All that it may import; None: whatever the libraries have."""
    glibc: tuple[int, int] | None = None
    """The newest version of glibc that it may ask for."""
    page: int = PAGE
    """What its segments are aligned to, bytes."""
    api: int | None = None
    """Android's API level, which its ident note must have."""
    branch_protection: bool = False
    """Whether it must have the property of BTI and PAC."""


def android_rules(abi: str, soname: str | None = "liblite_runtime.so", exports: str = r"lr_\w+") -> Rules:
    """For an ABI of Android. ValueError when there is no such ABI."""
    facts = abi_of(abi)
    known = symbols(facts)
    return Rules(facts.machine, frozenset(s.library for s in known.values()), soname, exports, known, None, PAGE, API,
                 facts.machine == "EM_AARCH64")


def linux_rules(machine: str, soname: str | None = "liblite_runtime.so.0", glibc: tuple[int, int] | None = (2, 17),
                page: int = 4096) -> Rules:
    """For Linux with glibc. Pages of arm64 servers have up to 64 KB."""
    loaders = {"EM_X86_64": {"ld-linux-x86-64.so.2"}, "EM_AARCH64": {"ld-linux-aarch64.so.1"},
               "EM_ARM": {"ld-linux-armhf.so.3"}, "EM_RISCV": {"ld-linux-riscv64-lp64d.so.1"}}
    needed = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"} | loaders.get(machine, set())
    return Rules(machine, frozenset(needed), soname, glibc=glibc, page=page)


def check_elf(path: Path, rules: Rules) -> list[str]:
    """What is wrong with a file, one sentence each; nothing when all is well. OSError when it cannot be read."""
    with path.open("rb") as f:
        try:
            elf = ELFFile(f)
            if elf["e_machine"] != rules.machine:
                return [f"it is for {elf['e_machine']}, not for {rules.machine}"]
            if not (_section(elf, ".dynsym") and _section(elf, ".dynamic")):
                return ["it has no dynamic section or symbols"]
            found = [*_segments(elf, rules), *_dynamic(elf, rules), *_imports(elf, rules), *_exports(elf, rules),
                     *_notes(elf, rules)]
        except (ELFError, AssertionError) as e:
            return [f"it is no whole ELF file: {e}"]
    return [*found, *_paths(path.read_bytes())]


def _section(elf: ELFFile, name: str) -> Any:
    """A section by name; whose kind it is, and so what methods it has, follows from the name."""
    return elf.get_section_by_name(name)


def _segments(elf: ELFFile, rules: Rules) -> Iterator[str]:
    stack = next(elf.iter_segments("PT_GNU_STACK"), None)
    relro = next(elf.iter_segments("PT_GNU_RELRO"), None)
    loads = list(elf.iter_segments("PT_LOAD"))
    small = [s["p_align"] for s in loads
             if s["p_align"] % rules.page or (s["p_vaddr"] - s["p_offset"]) % rules.page]
    if small:
        yield f"its segments are aligned to {min(small)} bytes, not to {rules.page}"
    if any(s["p_flags"] & _EXECUTE and s["p_flags"] & _WRITE for s in loads):
        yield "a segment can be written and executed"
    if rules.api is not None and next(elf.iter_segments("PT_TLS"), None):
        yield "it has a TLS segment, which loaders before API level 29 refuse"
    if stack is None or stack["p_flags"] & _EXECUTE:
        yield "its stack is executable"
    if relro is None:
        yield "relocated data stay writable: there is no RELRO segment"
    elif not small:  # the loader protects whole pages
        end = relro["p_vaddr"] + relro["p_memsz"]
        last = -(-end // rules.page) * rules.page
        if end < last and any(s["p_vaddr"] < last and s["p_vaddr"] + s["p_memsz"] > end for s in loads):
            yield f"writable data share a page of {rules.page} bytes with its RELRO segment"


def _dynamic(elf: ELFFile, rules: Rules) -> Iterator[str]:
    tags: dict[str, list[Any]] = {}
    for t in _section(elf, ".dynamic").iter_tags():
        tags.setdefault(t.entry.d_tag, []).append(t)
    flags = {name: tags[name][0].entry.d_val if name in tags else 0 for name in ("DT_FLAGS", "DT_FLAGS_1")}
    if "DT_TEXTREL" in tags or flags["DT_FLAGS"] & _TEXTREL:
        yield "it has text relocations"
    if not ("DT_BIND_NOW" in tags or flags["DT_FLAGS"] & _BIND_NOW or flags["DT_FLAGS_1"] & _NOW_1):
        yield "its symbols are bound lazily"
    if "DT_RELR" in tags:
        yield "it has packed relocations (RELR), which the oldest loaders that are served do not know"
    for name in ("DT_RPATH", "DT_RUNPATH"):
        if name in tags:
            yield f"it has a {name}"
    strange = [t.needed for t in tags.get("DT_NEEDED", []) if t.needed not in rules.needed]
    if strange:
        yield f"it needs {', '.join(strange)}"
    soname = tags["DT_SONAME"][0].soname if "DT_SONAME" in tags else None
    if soname != rules.soname:
        yield f"its soname is {soname}, not {rules.soname}"


def _versions(elf: ELFFile) -> dict[int, tuple[str, str]]:
    """Library and version by the number that .gnu.version has for a symbol."""
    section = _section(elf, ".gnu.version_r")
    if section is None:
        return {}
    return {aux["vna_other"]: (need.name, aux.name) for need, auxes in section.iter_versions() for aux in auxes}


def _imports(elf: ELFFile, rules: Rules) -> Iterator[str]:
    versions, numbers = _versions(elf), _section(elf, ".gnu.version")
    for i, s in enumerate(_section(elf, ".dynsym").iter_symbols()):
        if s["st_shndx"] != "SHN_UNDEF" or not s.name:
            continue
        number = numbers.get_symbol(i)["ndx"] if numbers else 1
        library, version = versions.get(number if isinstance(number, int) else 1, (None, None))
        if rules.imports is not None:
            known = rules.imports.get(s.name)
            if known is None:
                yield f"it imports {s.name}, which symbols.txt does not have for this ABI at API level {rules.api}"
            elif (library, version) != (known.library, known.version):
                yield f"it imports {s.name} as {version} of {library}, which is {known.version} of {known.library}"
        if rules.glibc and version and version.startswith("GLIBC_"):
            numbers_of = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", version)
            if not numbers_of or (int(numbers_of[1]), int(numbers_of[2])) > rules.glibc:
                yield f"it imports {s.name} of {version}; glibc {'.'.join(map(str, rules.glibc))} is the oldest served"


def _exports(elf: ELFFile, rules: Rules) -> Iterator[str]:
    strange = [s.name for s in _section(elf, ".dynsym").iter_symbols()
               if s["st_shndx"] != "SHN_UNDEF" and s["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK")
               and not re.fullmatch(rules.exports, s.name)]
    if strange:
        yield f"it exports {', '.join(strange)}"


def _notes(elf: ELFFile, rules: Rules) -> Iterator[str]:
    features, api = 0, None
    for segment in elf.iter_segments("PT_NOTE"):
        notes: Any = segment
        for note in notes.iter_notes():
            if note["n_type"] == "NT_GNU_PROPERTY_TYPE_0":
                features |= sum(p["pr_data"] for p in note["n_desc"]
                                if p["pr_type"] == "GNU_PROPERTY_AARCH64_FEATURE_1_AND")
            elif note["n_name"] == "Android":
                elf.stream.seek(note["n_offset"] + note["n_size"] - (note["n_descsz"] + 3) // 4 * 4)
                api = int.from_bytes(elf.stream.read(4), "little")
    if rules.branch_protection and features & _BTI_PAC != _BTI_PAC:
        yield "it lacks the property of branch protection (BTI and PAC): one of its objects was compiled without"
    if rules.api is not None and api != rules.api:
        yield f"its Android note says API level {api}, not {rules.api}"


def _paths(data: bytes) -> Iterator[str]:
    seen = set()
    for text in _TEXT.finditer(data):
        for found in _PATH.finditer(text[0].decode("ascii")):
            if not found[1].startswith(_SYSTEM_PATHS) and found[1] not in seen:
                seen.add(found[1])
                yield f"it holds the path {found[1]}"
