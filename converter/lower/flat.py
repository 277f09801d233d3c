"""Flatbuffers of spec/model.fbs from and to plain dicts, driven by the schema."""
from __future__ import annotations

import struct
from typing import Any

import flatbuffers
import numpy as np

from ...spec.fbs import SCALARS, Field, Schema, Table
from ..errors import ConvertError

Record = dict[str, Any]  # a table: field name to scalar, string, list, bytes or Record


def build(schema: Schema, root: Record) -> bytes:
    """The flatbuffer of a root table. Fields that are missing, None, empty or equal to their default are left out."""
    builder = flatbuffers.Builder(4096)
    offset = _table(builder, schema, schema.tables[schema.root], root)
    builder.Finish(offset, file_identifier=schema.identifier.encode())
    return bytes(builder.Output())


def _table(b: flatbuffers.Builder, schema: Schema, table: Table, record: Record) -> int:
    unknown = sorted(set(record) - set(table.fields))
    if unknown:
        raise KeyError(f"{table.name} has no field {unknown[0]}")
    made = {}
    for f in table.fields.values():
        value = record.get(f.name)
        if _is_offset(schema, f) and value is not None and (not f.vector or len(value)):
            made[f.name] = _vector(b, schema, f, value) if f.vector else _object(b, schema, f.type, value)
    b.StartObject(len(table.fields))
    for f in table.fields.values():
        value = record.get(f.name)
        if f.name in made:
            b.PrependUOffsetTRelativeSlot(f.id, made[f.name], 0)
        elif not _is_offset(schema, f) and value is not None:
            if f.type in SCALARS:
                _scalar_slot(b, f, value)
            else:
                b.PrependStructSlot(f.id, _struct(b, schema.tables[f.type], value), 0)
    return b.EndObject()


def _is_offset(schema: Schema, f: Field) -> bool:
    return f.vector or f.type == "string" or (f.type in schema.tables and not schema.tables[f.type].struct)


def _scalar_slot(b: flatbuffers.Builder, f: Field, value: Any) -> None:
    if value != f.default:
        _PREPEND[SCALARS[f.type][1]](b)(value)
        b.Slot(f.id)


_PREPEND = {
    "?": lambda b: b.PrependBool, "B": lambda b: b.PrependUint8, "b": lambda b: b.PrependInt8,
    "H": lambda b: b.PrependUint16, "h": lambda b: b.PrependInt16, "I": lambda b: b.PrependUint32,
    "i": lambda b: b.PrependInt32, "f": lambda b: b.PrependFloat32, "Q": lambda b: b.PrependUint64,
    "q": lambda b: b.PrependInt64, "d": lambda b: b.PrependFloat64,
}


def _struct(b: flatbuffers.Builder, table: Table, record: Record) -> int:
    sizes = [SCALARS[f.type][0] for f in table.fields.values()]
    b.Prep(max(sizes), sum(sizes))  # structs of the schema have fields of one size: no padding inside
    for f in reversed(table.fields.values()):
        _PREPEND[SCALARS[f.type][1]](b)(record[f.name])
    return b.Offset()


def _object(b: flatbuffers.Builder, schema: Schema, kind: str, value: Any) -> int:
    if kind == "string":
        return b.CreateSharedString(value.replace("\0", "\N{REPLACEMENT CHARACTER}"))  # C's strings end at a NUL
    return _table(b, schema, schema.tables[kind], value)


def _vector(b: flatbuffers.Builder, schema: Schema, f: Field, value: Any) -> int:
    if f.type in SCALARS:
        return b.CreateNumpyVector(np.asarray(value if not isinstance(value, bytes) else bytearray(value),
                                              dtype=np.dtype(SCALARS[f.type][1]).newbyteorder("<")))
    offsets = [_object(b, schema, f.type, v) for v in value]
    b.StartVector(4, len(offsets), 4)
    for o in reversed(offsets):
        b.PrependUOffsetTRelative(o)
    return b.EndVector()


def parse(schema: Schema, data: bytes) -> Record:
    """The root table as dicts. Absent fields: scalars have their default, strings "", vectors [], tables None.

    ConvertError when an offset leaves the buffer.
    """
    if len(data) < 8 or data[4:8] != schema.identifier.encode():
        raise ConvertError("read: this is not an .lrm file")
    try:
        return _read_table(schema, schema.tables[schema.root], data, _get(data, 0, "I"))
    except (struct.error, UnicodeDecodeError, RecursionError, ValueError):
        raise ConvertError("read: the file is damaged") from None


def _get(data: bytes, at: int, code: str) -> Any:
    if at < 0:
        raise ValueError
    return struct.unpack_from("<" + code, data, at)[0]


def slot(schema: Schema, data: bytes, name: str) -> int:
    """Where a field of the root table stands in the buffer; 0 when it is absent."""
    at = _get(data, 0, "I")
    return _slot(data, at, schema.tables[schema.root].fields[name])


def _slot(data: bytes, at: int, f: Field) -> int:
    vtable = at - _get(data, at, "i")
    entry = 4 + 2 * f.id
    offset = _get(data, vtable + entry, "H") if entry + 2 <= _get(data, vtable, "H") else 0
    return at + offset if offset else 0


def _read_table(schema: Schema, table: Table, data: bytes, at: int) -> Record:
    return {f.name: _read_field(schema, f, data, _slot(data, at, f)) for f in table.fields.values()}


def _read_field(schema: Schema, f: Field, data: bytes, at: int) -> Any:
    if f.vector:
        return _read_vector(schema, f, data, at + _get(data, at, "I")) if at else []
    if f.type in SCALARS:
        return _get(data, at, SCALARS[f.type][1]) if at else f.default
    if f.type == "string":
        return _read_string(data, at + _get(data, at, "I")) if at else ""
    table = schema.tables[f.type]
    if not at:
        return None
    if table.struct:
        code = "".join(SCALARS[x.type][1] for x in table.fields.values())
        return dict(zip(table.fields, struct.unpack_from("<" + code, data, at), strict=True))
    return _read_table(schema, table, data, at + _get(data, at, "I"))


def _read_string(data: bytes, at: int) -> str:
    n = _get(data, at, "I")
    if at + 4 + n > len(data):
        raise ValueError
    return data[at + 4 : at + 4 + n].decode()


def _read_vector(schema: Schema, f: Field, data: bytes, at: int) -> list[Any]:
    n = _get(data, at, "I")
    size, code = SCALARS.get(f.type, (4, "I"))
    if at + 4 + n * size > len(data):
        raise ValueError
    items = list(struct.unpack_from(f"<{n}{code}", data, at + 4))
    if f.type in SCALARS:
        return items
    places = [at + 4 + 4 * i + o for i, o in enumerate(items)]
    if f.type == "string":
        return [_read_string(data, p) for p in places]
    return [_read_table(schema, schema.tables[f.type], data, p) for p in places]
