"""One IR node as the file has it: operator code, inputs, attribute words, post-op program.

Inference, constant folding and the writer all go through `encode`, so what is inferred is what is written.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...spec.dtypes import DTYPES
from ...spec.ops import MAX_RANK, OPS, Attr
from ...spec.postops import FLOAT, IMM, MAX_OPERANDS, OPERAND0, POSTOPS, REG0, REGISTERS
from ..errors import ConvertError
from ..ir import ACC, Node, Post, Reg, Value


@dataclass
class Encoded:
    """inputs: the operator's own (None: absent), then the operands of its program."""

    op: int
    inputs: list[Value | None]
    attrs: list[int] = field(default_factory=list)
    post: list[int] = field(default_factory=list)


def encode(node: Node) -> Encoded:
    """The file's form of a node; ConvertError when it has none."""
    if node.op in POSTOPS:
        program = _Program(node)
        program.elementwise(node)
        return Encoded(OPS["elementwise"].code, list(program.operands), post=program.words)
    op = OPS[node.op]
    if node.op == "elementwise":
        program = _Program(node)
        program.run(node.post, {})
        return Encoded(op.code, list(program.operands), post=program.words)
    inputs = list(node.inputs)
    if not node.post:
        while inputs and inputs[-1] is None:
            inputs.pop()
        return Encoded(op.code, inputs, attr_words(node))
    if not op.post:
        raise ConvertError(f"{node.op} '{node.name}': this operator has no epilogue")
    inputs += [None] * (op.n_in - len(inputs))
    program = _Program(node)
    program.run(node.post, {0: accumulator(node)})
    return Encoded(op.code, [*inputs, *program.operands], attr_words(node), program.words)


def attr_words(node: Node) -> list[int]:
    """Attribute words with trailing defaults trimmed."""
    op = OPS[node.op]
    unknown = sorted(set(node.attrs) - {a.name for a in op.attrs})
    if unknown:
        raise ConvertError(f"{node.op} '{node.name}': attribute {unknown[0]} does not exist")
    defaults = [_attr_word(node, a, a.values[0] if a.values else a.default) for a in op.attrs]
    words = [_attr_word(node, a, node.attrs[a.name]) if a.name in node.attrs else d
             for a, d in zip(op.attrs, defaults, strict=True)]
    while words and words[-1] == defaults[len(words) - 1]:
        words.pop()
    return words


def _attr_word(node: Node, attr: Attr, value: Any) -> int:
    where = f"{node.op} '{node.name}': attribute {attr.name}"
    if attr.type == "enum":
        if value not in attr.values:
            raise ConvertError(f"{where} is '{value}', not one of {', '.join(attr.values)}")
        return attr.values.index(value)
    if attr.type == "f32":
        return f32_bits(value)
    if attr.name == "perm" and not isinstance(value, int):
        if sorted(value) != list(range(len(value))) or len(value) > MAX_RANK:
            raise ConvertError(f"{where} is {tuple(value)}, not a permutation of at most {MAX_RANK} axes")
        return sum(p << 4 * i for i, p in enumerate(value))
    low, high = (-(2**31), 2**31 - 1) if attr.type == "i32" else (0, 2**32 - 1)
    if not low <= value <= high:
        raise ConvertError(f"{where} is {value}; {low} to {high} can be stored")
    return int(value) & 0xFFFFFFFF


def f32_bits(value: float) -> int:
    with np.errstate(over="ignore"):
        return int(np.float32(value).view(np.uint32))


def immediate(value: Any, dtype: str) -> int | None:
    """The word of a number in a program of `dtype`, None when it cannot be held exactly."""
    if dtype in FLOAT:
        with np.errstate(over="ignore"):
            f = np.float32(value)
        return f32_bits(f) if float(f) == float(value) or value != value else None
    if dtype == "bool" or float(value) != int(value) or not -(2**31) <= int(value) < 2**31:
        return None
    return struct.unpack("<I", struct.pack("<i", int(value)))[0]


def arithmetic(node: Node) -> str:
    """dtype of the arithmetic of a post-op that stands alone as a node (see spec/postops.py)."""
    if node.op == "cast":
        return node.attrs["to"]
    given = [v for v in node.inputs if v is not None]
    if node.op == "quantize":
        if len(given) != 3:
            raise ConvertError(f"quantize '{node.name}': it needs x, scale and zero point")
        return given[2].dtype
    return given[1 if node.op == "select" and len(given) > 1 else 0].dtype if given else ""


def source_dtypes(op: str, dtype: str) -> tuple[str, str, str]:
    """dtype that each source of an instruction must have."""
    if op == "select":
        return "bool", dtype, dtype
    if op == "quantize":
        return "f32", "f32", dtype
    return dtype, dtype, dtype


class _Program:
    """Words of a post-op program and its operands, equal operands once."""

    def __init__(self, node: Node) -> None:
        self.where = f"{node.op} '{node.name}'"
        self.words: list[int] = []
        self.operands: list[Value] = []

    def operand(self, v: Value) -> int:
        for k, o in enumerate(self.operands):
            if o is v:
                return OPERAND0 + k
        if len(self.operands) == MAX_OPERANDS:
            raise ConvertError(f"{self.where}: a program has at most {MAX_OPERANDS} operands")
        self.operands.append(v)
        return OPERAND0 + len(self.operands) - 1

    def emit(self, op: str, dtype: str, sources: list[tuple[int, int]], dst: int = 0) -> None:
        """One instruction; sources: (reference, word of an immediate)."""
        spec = POSTOPS[op]
        if len(sources) != spec.arity or dtype not in spec.dtypes:
            raise ConvertError(f"{self.where}: {op} with {len(sources)} inputs of dtype {dtype} is not supported; it "
                               f"takes {spec.arity} of {', '.join(spec.dtypes)}")
        refs = [r for r, _ in sources] + [0] * (3 - len(sources))
        self.words += [spec.code | DTYPES[dtype].code << 8 | dst << 16, refs[0] | refs[1] << 8 | refs[2] << 16]
        self.words += [w for r, w in sources if r == IMM]

    def elementwise(self, node: Node) -> None:
        """A node that is one instruction. Scalar constants become immediates where that changes no shape."""
        if any(v is None for v in node.inputs):
            raise ConvertError(f"{self.where}: an input is missing")
        values = [v for v in node.inputs if v is not None]
        dtype = arithmetic(node)
        wanted = source_dtypes(node.op, dtype)
        words = [self._scalar(v, w) if node.op != "cast" else None for v, w in zip(values, wanted, strict=False)]
        rank = max((v.rank for v, w in zip(values, words, strict=True) if w is None), default=-1)
        sources = []
        for i, (v, w) in enumerate(zip(values, words, strict=True)):
            if w is not None and v.rank <= rank:
                sources.append((IMM, w))
            else:
                if node.op != "cast" and v.dtype != wanted[i]:
                    raise ConvertError(f"{self.where}: input {i} has dtype {v.dtype}, not {wanted[i]}")
                sources.append((self.operand(v), 0))
        self.emit(node.op, dtype, sources)

    def _scalar(self, v: Value, dtype: str) -> int | None:
        if v.const is None or v.const.size != 1 or v.dtype != dtype:
            return None
        return immediate(v.const.reshape(()).item(), dtype)

    def run(self, posts: list[Post], now: dict[int, str]) -> None:
        """The steps of a program; now: the dtypes that registers have before it. Operands of another dtype are cast in
        registers that hold nothing, which an epilogue's are: it uses register 0 alone."""
        for p in posts:
            wanted = source_dtypes(p.op, p.dtype)
            free = [k for k in range(1, REGISTERS) if k not in now]
            sources = []
            for i, a in enumerate(p.args):
                if a is ACC or isinstance(a, Reg):
                    k = 0 if a is ACC else a.index
                    if k not in now or (p.op != "cast" and now[k] != wanted[i]):
                        raise ConvertError(f"{self.where}: {p.op} wants {wanted[i]} and finds {now.get(k, 'nothing')} "
                                           f"in register {k}")
                    sources.append((REG0 + k, 0))
                elif isinstance(a, Value) and (a.dtype == wanted[i] or p.op == "cast"):
                    sources.append((self.operand(a), 0))
                elif isinstance(a, Value):
                    if not free:
                        raise ConvertError(f"{self.where}: no register is left to make {wanted[i]} of {a.dtype}")
                    self.emit("cast", wanted[i], [(self.operand(a), 0)], dst=free[-1])
                    sources.append((REG0 + free.pop(), 0))
                else:
                    sources.append((IMM, self._number(p, a, wanted[i])))
            self.emit(p.op, p.dtype, sources, p.dst)
            now[p.dst] = result_dtype(p)

    def _number(self, p: Post, value: float, dtype: str) -> int:
        word = immediate(value, dtype)
        if word is None:
            raise ConvertError(f"{self.where}: {value} is no immediate of {p.op} in {dtype}")
        return word


def result_dtype(p: Post) -> str:
    """dtype that the accumulator has after one step."""
    return POSTOPS[p.op].result or p.dtype


def accumulator(node: Node) -> str:
    """dtype in which a node that may carry an epilogue hands over its results."""
    x = node.arg(0)
    return "i32" if x.dtype in ("i8", "u8") else x.dtype
