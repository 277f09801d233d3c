"""The graph as the bytes of an .lrm file: the flatbuffer, then one 64-byte-aligned section with all constants.

The bytes follow from the graph alone: no times, no addresses, no order of sets.
"""
from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import _lr
from ...spec import fbs
from ...spec.dtypes import DTYPES
from ..errors import ConvertError
from ..infer import is_derived
from ..ir import Graph, Value
from . import flat
from .encode import encode
from .prepack import Packing, packings

VERSION = 0
ALIGN = 64
CHUNK = 1 << 20
TEMP, CONST, INPUT, OUTPUT, STATE = range(5)  # lifetimes


@dataclass
class _Section:
    """Constants, each 64-byte aligned, equal ones once."""

    data: bytearray = field(default_factory=bytearray)
    places: dict[bytes, int] = field(default_factory=dict)

    def put(self, raw: bytes) -> int:
        key = hashlib.sha256(raw).digest()
        if key not in self.places:
            self.data += b"\0" * (-len(self.data) % ALIGN)
            self.places[key] = len(self.data)
            self.data += raw or b"\0"  # an empty constant lies in a section too
        return self.places[key]


@dataclass
class _File:
    section: _Section = field(default_factory=_Section)
    symbols: list[str] = field(default_factory=list)
    subgraphs: list[flat.Record] = field(default_factory=list)
    packings: dict[int, Packing] = field(default_factory=dict)  # by id of the weight


def write(graph: Graph, prepack: Mapping[str, tuple[int, int]] | None = None) -> bytes:
    """The file. ConvertError when the graph has something that a file cannot hold.

    prepack: names of convolutions whose weights get a second encoding in panels of (nr, kr), for tests.
    """
    graph = graph.copy()
    file = _File(packings=packings(graph, dict(prepack or {})))
    _subgraph(file, graph, "main")
    model = {
        "version": VERSION,
        "integrity": {"graph_size": 1, "file_size": 1, "graph_hash": 0},
        "producer": f"lite-runtime {_lr.ffi.string(_lr.lib.lr_version()).decode()}",
        "symbols": file.symbols,
        "subgraphs": file.subgraphs,
        "entries": [{"name": "main", "subgraph": 0}],
        "metadata": [{"key": k, "value": v} for k, v in graph.metadata.items()],
    }
    return assemble(model, bytes(file.section.data))


def digest(data: bytes) -> int:
    """XXH64, seed 0."""
    return int(_lr.lib.lr_tool_hash(_lr.ffi.from_buffer(data or b"\0"), len(data)))


def assemble(model: flat.Record, section: bytes) -> bytes:
    """A file of the flatbuffer's contents and one section; sets sizes, offsets and hashes in `model`."""
    schema = fbs.load()
    if section:
        hashes = [digest(section[i : i + CHUNK]) for i in range(0, len(section), CHUNK)]
        model["sections"] = [{"offset": 1, "size": len(section), "hashes": hashes}]
    size = len(flat.build(schema, model))  # offsets have a fixed width: the second time it is as long
    start = size + -size % ALIGN
    total = start + len(section) + -len(section) % ALIGN
    if section:
        model["sections"][0]["offset"] = start
    model["integrity"] = {"graph_size": size, "file_size": total, "graph_hash": 0}
    out = bytearray(flat.build(schema, model))
    if len(out) != size:
        raise ConvertError("write: the flatbuffer changed its size; please report this")
    struct.pack_into("<Q", out, flat.slot(schema, bytes(out), "integrity") + 16, digest(bytes(out)))
    out += b"\0" * (start - size) + section
    return bytes(out + b"\0" * (total - len(out)))


def _subgraph(file: _File, g: Graph, name: str) -> int:
    """Adds a graph (and those of its nodes); returns its index."""
    index = len(file.subgraphs)
    record: flat.Record = {"name": name}
    file.subgraphs.append(record)
    _own_outputs(g)
    bodies = {id(n): [_subgraph(file, b, f"{name}/{n.name}") for b in n.bodies] for n in g.nodes if n.bodies}
    encoded = [encode(n) for n in g.nodes]
    values = _values(g, encoded)
    place = {id(v): i for i, v in enumerate(values)}
    names = _names(g, values)
    states = {id(s.value) for s in g.states}
    record["tensors"] = [_tensor(file, g, v, names[id(v)], place) for v in values]
    unique: set[str] = set()
    record["nodes"] = []
    for n, e in zip(g.nodes, encoded, strict=True):
        record["nodes"].append({
            "op": e.op, "name": _unique(n.name or n.op, unique),
            "inputs": [-1 if v is None else place[id(v)] for v in e.inputs],
            "outputs": [place[id(v)] for v in n.outputs],
            "attrs": e.attrs, "post": e.post, "sources": list(n.sources),
            "subgraphs": bodies.get(id(n), []),
            "custom_name": n.custom_name or None, "custom_data": n.custom_data,
        })
    record["inputs"] = [place[id(v)] for v in g.inputs if id(v) not in states]
    record["outputs"] = [place[id(v)] for v in g.outputs]
    return index


def _own_outputs(g: Graph) -> None:
    """Gives every output and state source a tensor of its own that a node computes."""
    taken: set[int] = {id(v) for v in g.inputs} | {id(s.value) for s in g.states}
    for i, v in enumerate(g.outputs):
        if v.const is not None or id(v) in taken:
            g.outputs[i] = g.add("identity", v, name=f"output_{g.output_names[i]}", outputs=[g.output_names[i]])
        taken.add(id(g.outputs[i]))
    read_only = {id(v) for v in g.inputs} | {id(s.value) for s in g.states}
    for s in g.states:
        if s.source.const is not None or id(s.source) in read_only:
            s.source = g.add("identity", s.source, name=f"state_{s.value.name}")
        read_only.add(id(s.source))  # one tensor is the source of one state


def _values(g: Graph, encoded: list[Any]) -> list[Value]:
    """Tensors of the file in order: inputs, states, then what nodes read and make. Immediates are not among them."""
    ordered = [*g.inputs, *(s.value for s in g.states)]
    for n, e in zip(g.nodes, encoded, strict=True):
        ordered += [v for v in e.inputs if v is not None] + n.outputs
    return list({id(v): v for v in ordered}.values())


def _names(g: Graph, values: list[Value]) -> dict[int, str]:
    """A name for each tensor, no two equal: inputs and outputs have theirs, then come those in the source's order."""
    names = {id(v): v.name for v in (*g.inputs, *(s.value for s in g.states))}
    names.update({id(v): n for v, n in zip(g.outputs, g.output_names, strict=True)})
    taken = set(names.values())
    for permuted in (False, True):
        for v in values:
            if id(v) not in names and v.name and v.name not in taken and (v.perm is not None) == permuted:
                names[id(v)] = v.name
                taken.add(v.name)
    for v in values:
        if id(v) not in names and v.const is None:
            owner = v.node.name or v.node.op if v.node else ""
            names[id(v)] = _unique(f"{owner}:{v.node.outputs.index(v) if v.node else 0}", taken)
    return {id(v): names.get(id(v), "") for v in values}


def _unique(name: str, taken: set[str]) -> str:
    n, found = 1, name
    while found in taken:
        n += 1
        found = f"{name}#{n}"
    taken.add(found)
    return found


def _tensor(file: _File, g: Graph, v: Value, name: str, place: dict[int, int]) -> flat.Record:
    state = next((s for s in g.states if s.value is v), None)
    life = CONST if v.const is not None else STATE if state else INPUT if any(v is i for i in g.inputs) else \
        OUTPUT if any(v is o for o in g.outputs) else TEMP
    t: flat.Record = {"name": name, "dtype": DTYPES[v.dtype].code, "dims": [_dim(file, d) for d in v.shape],
                      "lifetime": life}
    if v.perm is not None and list(v.perm) != list(range(len(v.perm))) and name == v.name:
        t["source_perm"] = bytes(v.perm)
    if state:
        t["state_source"] = place[id(state.source)]
    if v.const is not None:
        t["encodings"] = _encodings(file, v, v.const)
    return t


def _dim(file: _File, d: int | str | None) -> int:
    if isinstance(d, int):
        return d
    if d is None or is_derived(d):
        return -1
    if d not in file.symbols:
        file.symbols.append(d)
    return -2 - file.symbols.index(d)


def _encodings(file: _File, v: Value, a: np.ndarray) -> list[flat.Record]:
    raw = np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")).tobytes()
    found = [{"kind": 0, "section": 0, "offset": file.section.put(raw), "size": len(raw)}]
    p = file.packings.get(id(v))
    if p is not None:
        found.append({"kind": p.kind, "version": p.version, "nr": p.nr, "kr": p.kr, "block": p.block, "section": 0,
                      "offset": file.section.put(p.data), "size": len(p.data)})
    return found
