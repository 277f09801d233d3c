"""symbols.txt: what bionic exports at the API level that is built for."""
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .abis import Abi

FILE = Path(__file__).with_name("symbols.txt")


@dataclass(frozen=True)
class Symbol:
    """One function or variable of a library of Android."""

    name: str
    library: str
    """Its file name, which is the DT_NEEDED of those who use it."""
    version: str
    """The symbol version that it has in the library."""
    bytes: int
    """Of a variable; 0 for a function."""


@cache
def symbols(abi: Abi) -> dict[str, Symbol]:
    """All that may be imported on an ABI, by name. ValueError when symbols.txt is not what its head says."""
    found: dict[str, Symbol] = {}
    library = version = ""
    wanted = False
    for number, line in enumerate(FILE.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if head := re.fullmatch(r"\[(\S+) (\S+)( \S+)?\]", line):
            library, version = head[1], head[2]
            wanted = (head[3] or f" {abi.name}") == f" {abi.name}"
            continue
        for word in line.split():
            name, _, sizes = word.partition(":")
            size = int(sizes.split("/")[abi.bits == 32]) if sizes else 0
            if not library or name in found:
                raise ValueError(f"symbols.txt:{number}: '{name}' is there twice or before the first library")
            if wanted:
                found[name] = Symbol(name, library, version, size)
    return found
