"""Operators that ONNX does not define: their signatures, which stand beside their importers.

    @microsoft_op("FusedMatMul", "A B", "Y", alpha=1.0, transA=0)
    def fused_matmul(c: Context) -> Value: ...

Inputs and outputs are written as in spec/ops.py; a keyword is an attribute and its default, or its type when there is
none (`int`, `float`, `str`, or a list of one of them), or `Needed(type)`.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx
from onnx.defs import OpSchema

from .context import Context, Result

MICROSOFT = "com.microsoft"  # of onnxruntime, its optimiser and its quantiser

Importer = Callable[[Context], Result]


@dataclass(frozen=True)
class Foreign:
    schema: OpSchema
    importer: Importer


@dataclass(frozen=True)
class Needed:
    """An attribute that must be given, and its type."""

    type: Any


FOREIGN: dict[tuple[str, str], Foreign] = {}  # by domain and name


def microsoft_op(name: str, inputs: str, outputs: str, onnx_too: bool = False,
                 **attrs: Any) -> Callable[[Importer], Importer]:
    """Registers the importer of an operator of onnxruntime's. onnx_too: also for nodes that claim to be ONNX's own, in
    opsets where ONNX has no operator of this name."""
    def register(f: Importer) -> Importer:
        for space in (MICROSOFT, "") if onnx_too else (MICROSOFT,):
            FOREIGN[space, name] = Foreign(_schema(space, name, inputs, outputs, attrs), f)
        return f
    return register


_TYPES: dict[Any, str] = {int: "INT", float: "FLOAT", str: "STRING"}


def _attribute(name: str, given: Any) -> OpSchema.Attribute:
    needed = isinstance(given, Needed)
    kind = given.type if isinstance(given, Needed) else given
    if isinstance(kind, list):
        return OpSchema.Attribute(name, OpSchema.AttrType[_TYPES[kind[0]] + "S"], required=needed)
    if isinstance(kind, type):
        return OpSchema.Attribute(name, OpSchema.AttrType[_TYPES[kind]], required=needed)
    return OpSchema.Attribute(name, onnx.helper.make_attribute(name, kind))


def _parameters(text: str) -> list[OpSchema.FormalParameter]:
    options = OpSchema.FormalParameterOption
    found = {"?": options.Optional, "*": options.Variadic}
    # types are the importer's to check
    return [OpSchema.FormalParameter(n.rstrip("?*"), "tensor(float)", param_option=found.get(n[-1], options.Single),
                                     is_homogeneous=n[-1] != "*") for n in text.split()]


def _schema(space: str, name: str, inputs: str, outputs: str, attrs: dict[str, Any]) -> OpSchema:
    return OpSchema(name, space, 1, inputs=_parameters(inputs), outputs=_parameters(outputs),
                    attributes=[_attribute(n, a) for n, a in attrs.items()])
