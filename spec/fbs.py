"""A reader for the small part of the FlatBuffers schema language that model.fbs uses.

One schema, three users: the C reader (field numbers, by tools/gen.py), the Python writer and reader (converter/lower).
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# bytes and struct format of the scalar types
SCALARS = {"bool": (1, "?"), "ubyte": (1, "B"), "byte": (1, "b"), "ushort": (2, "H"), "short": (2, "h"),
           "uint": (4, "I"), "int": (4, "i"),
           "float": (4, "f"), "ulong": (8, "Q"), "long": (8, "q"), "double": (8, "d")}


@dataclass(frozen=True)
class Field:
    id: int
    name: str
    type: str  # element type for vectors
    vector: bool
    default: float | int


@dataclass(frozen=True)
class Table:
    name: str
    fields: dict[str, Field]
    struct: bool


@dataclass(frozen=True)
class Schema:
    tables: dict[str, Table]
    root: str
    identifier: str


def parse(text: str) -> Schema:
    """Schema of the text of an .fbs file; ValueError on what this reader does not know."""
    text = re.sub(r"//[^\n]*", "", text)
    tables = {}
    for kind, name, body in re.findall(r"\b(table|struct)\s+(\w+)\s*\{([^}]*)\}", text):
        fields = {}
        for i, item in enumerate(x.strip() for x in body.split(";") if x.strip()):
            m = re.fullmatch(r"(\w+)\s*:\s*(\[?)(\w+)\]?(?:\s*=\s*(-?[\w.]+))?", item)
            if not m:
                raise ValueError(f"{name}: cannot read the field '{item}'")
            default = float(m[4]) if m[4] and m[3] in ("float", "double") else int(m[4] or 0)
            fields[m[1]] = Field(i, m[1], m[3], bool(m[2]), default)
        tables[name] = Table(name, fields, kind == "struct")
    root, ident = re.search(r"root_type\s+(\w+)", text), re.search(r'file_identifier\s+"(.{4})"', text)
    if not root or not ident:
        raise ValueError("the schema has no root_type or no file_identifier")
    for t in tables.values():
        for f in t.fields.values():
            if f.type not in SCALARS and f.type != "string" and f.type not in tables:
                raise ValueError(f"{t.name}.{f.name}: unknown type {f.type}")
    return Schema(tables, root[1], ident[1])


def load() -> Schema:
    """The schema of .lrm files."""
    return parse((Path(__file__).parent / "model.fbs").read_text())
