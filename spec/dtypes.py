"""Element types: the code stored in files, the C name, the numpy name and the size in bits."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DType:
    code: int
    name: str
    numpy: str  # "" where numpy has no such type
    bits: int


DTYPES = {
    d.name: d
    for d in (
        DType(1, "f32", "float32", 32),
        DType(2, "f16", "float16", 16),
        DType(3, "bf16", "", 16),
        DType(4, "f64", "float64", 64),
        DType(5, "i8", "int8", 8),
        DType(6, "u8", "uint8", 8),
        DType(7, "i16", "int16", 16),
        DType(8, "u16", "uint16", 16),
        DType(9, "i32", "int32", 32),
        DType(10, "u32", "uint32", 32),
        DType(11, "i64", "int64", 64),
        DType(12, "u64", "uint64", 64),
        DType(13, "bool", "bool", 8),
        DType(14, "i4", "", 4),
        DType(15, "u4", "", 4),
    )
}
BY_CODE = {d.code: d for d in DTYPES.values()}
BY_NUMPY = {d.numpy: d for d in DTYPES.values() if d.numpy}
