"""Words of the file as text: post-op programs and attributes."""
from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from ...spec.dtypes import BY_CODE
from ...spec.ops import Op
from ...spec.postops import IMM, OPERAND0, POSTOPS, REG0

_NAMES = {p.code: p for p in POSTOPS.values()}


def steps(words: Sequence[int], operands: Sequence[str], epilogue: bool) -> list[tuple[str, str]]:
    """The steps of a post-op program: the operator, and a line like `acc = add(acc, 'bias')`.

    operands: names of the program's operands; epilogue: register 0 starts as the node's own result.
    """
    def register(k: int) -> str:
        return "acc" if epilogue and k == 0 else f"r{k}"

    rest = list(words)
    found = []
    while len(rest) >= 2:
        first, refs = rest.pop(0), rest.pop(0)
        op, dtype = _NAMES[first & 0xFF], BY_CODE[first >> 8 & 0xFF].name
        args = []
        for i in range(op.arity):
            ref = refs >> 8 * i & 0xFF
            if ref == IMM:
                kind = ("f32", "f32", "i32")[i] if op.name == "quantize" else dtype
                args.append(_number(rest.pop(0), kind))
            elif ref >= OPERAND0:
                k = ref - OPERAND0
                args.append(operands[k] if k < len(operands) else f"operand {k}")
            else:
                args.append(register(ref - REG0))
        to = f".{dtype}" if op.name in ("cast", "quantize") or dtype != "f32" else ""
        found.append((op.name, f"{register(first >> 16 & 0xFF)} = {op.name}{to}({', '.join(args)})"))
    return found


def _number(word: int, dtype: str) -> str:
    if dtype in ("f32", "f16", "f64"):
        return f"{_f32(word):.6g}"
    return str(struct.unpack("<i", struct.pack("<I", word))[0])


def _f32(word: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", word & 0xFFFFFFFF))[0])


def attributes(op: Op, words: Sequence[int], rank: int) -> dict[str, Any]:
    """Values of all attributes of a node, whose first input has this rank."""
    found: dict[str, Any] = {}
    for i, a in enumerate(op.attrs):
        if i >= len(words):
            found[a.name] = a.values[0] if a.values else a.default
        elif a.type == "enum":
            found[a.name] = a.values[words[i]]
        elif a.type == "f32":
            found[a.name] = float(f"{_f32(words[i]):.7g}")
        elif a.name == "perm":
            found[a.name] = [words[i] >> 4 * k & 15 for k in range(rank)]
        elif a.name in ("axes", "not_one"):
            found[a.name] = [k for k in range(8) if words[i] >> k & 1]
        elif a.type == "i32":
            found[a.name] = struct.unpack("<i", struct.pack("<I", words[i]))[0]
        else:
            found[a.name] = words[i]
    return found


def told(op: Op, attrs: dict[str, Any]) -> dict[str, Any]:
    """Those that differ from their defaults, and lists, which have none to speak of."""
    defaults = {a.name: a.values[0] if a.values else a.default for a in op.attrs}
    return {k: v for k, v in attrs.items() if v != defaults[k] and v != []}
