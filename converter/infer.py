"""Shapes and dtypes of nodes, by the very code that the runtime runs.

That code answers "unknown" for a size that it cannot compute. Here each such size gets a symbol of its own (`~1`, `~2`,
...), the same one for the same operator, attributes and input shapes: then two branches of a model with open sizes are
known to have equal shapes, and what a rule may do does not depend on whether the sizes are open. The file says -1 for
these symbols.
"""
from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from .. import _lr
from ..spec.dtypes import BY_CODE, DTYPES
from ..spec.ops import BY_CODE as OPS_BY_CODE
from ..spec.ops import MAX_DIM, MAX_RANK
from .control import branch_types, loop_types
from .errors import ConvertError
from .ir import Dim, Node, Shape, Value
from .lower.encode import Encoded, encode
from .symbolic import refined

LARGEST_VALUE = 4096  # elements of a constant whose value inference looks at: shapes, axes, scales
# operators whose output shape depends on the values of these inputs
BY_VALUE = {"reshape": (1,), "slice": (1, 2, 3, 4), "expand": (1,), "pad": (1, 3), "resize": (1, 2), "split": (1,),
            "reduce": (1,), "squeeze": (1,), "unsqueeze": (1,), "tile": (1,), "range": (0, 1, 2)}


def is_derived(dim: Dim) -> bool:
    """Whether a size is a symbol that stands for nothing in the source."""
    return isinstance(dim, str) and dim.startswith("~")


class Infer:
    """Call it with a node: [(dtype, shape)] of its outputs; ConvertError when the node is wrong."""

    def __init__(self) -> None:
        self._derived: dict[Hashable, str] = {}

    def fresh(self, key: Hashable) -> str:
        """The derived symbol of a key."""
        return self._derived.setdefault(key, f"~{len(self._derived) + 1}")

    def __call__(self, node: Node) -> list[tuple[str, Shape]]:
        if node.op in ("custom", "delegate"):
            return [(v.dtype, v.shape) for v in node.outputs]
        if node.bodies:
            return branch_types(self, node) if node.op == "if" else loop_types(self, node)
        encoded = encode(node)
        symbols: dict[str, int] = {}
        inputs = _lr.ffi.new("lr_tensor[]", max(1, len(encoded.inputs)))
        keep = [_fill(inputs[i], v, symbols) for i, v in enumerate(encoded.inputs)]
        outputs = _lr.ffi.new("lr_tensor[]", max(1, len(node.outputs)))
        error = _lr.ffi.new("lr_error *")
        status = _lr.lib.lr_tool_infer(encoded.op, encoded.attrs, len(encoded.attrs), encoded.post, len(encoded.post),
                                       inputs, len(encoded.inputs), outputs, len(node.outputs), error)
        del keep
        if status:
            message = _lr.ffi.string(error.message).decode("utf-8", "replace")
            raise ConvertError(f"{node.op} '{node.name}': {_without_place(message)}")
        names = list(symbols)
        return [(BY_CODE[outputs[i].dtype].name, self._shape(outputs[i], names, node, encoded, i))
                for i in range(len(node.outputs))]

    def _shape(self, t: _lr.ffi.CData, names: list[str], node: Node, encoded: Encoded, output: int) -> Shape:
        dims: list[Dim] = []
        for axis in range(t.rank):
            d = int(t.dims[axis])
            if d > MAX_DIM:
                raise ConvertError(f"{node.op} '{node.name}': its output {output} would have the size {d} along axis "
                                   f"{axis}; the largest is {MAX_DIM}")
            if d >= 0:
                dims.append(d)
            elif d <= -2:
                dims.append(names[-2 - d])
            else:
                found = refined(node, axis)
                dims.append(self.fresh((_key(node, encoded), output, axis)) if found is None else found)
        return tuple(dims)


def _fill(t: _lr.ffi.CData, v: Value | None, symbols: dict[str, int]) -> object:
    """Fills an lr_tensor; returns what must stay alive."""
    if v is None:
        return None
    if v.rank > MAX_RANK:
        raise ConvertError(f"tensor '{v.name}' has rank {v.rank}; the largest is {MAX_RANK}")
    t.dtype, t.rank = DTYPES[v.dtype].code, v.rank
    for i, d in enumerate(v.shape):
        t.dims[i] = d if isinstance(d, int) else -1 if d is None else symbols.setdefault(d, -2 - len(symbols))
    if v.const is None or v.const.size > LARGEST_VALUE:
        return None
    data = np.ascontiguousarray(v.const).tobytes() or b"\0"
    buffer = _lr.ffi.new("char[]", data)  # aligned for any dtype
    t.data, t.bytes = buffer, v.const.nbytes
    return buffer


def _key(node: Node, encoded: Encoded) -> Hashable:
    """What the output shapes of a node follow from."""
    by_value = BY_VALUE.get(OPS_BY_CODE[encoded.op].name, ())
    parts: list[Hashable] = []
    for i, v in enumerate(encoded.inputs):
        if v is None:
            parts.append(None)
        elif i in by_value and v.const is not None:
            parts.append((v.shape, v.const.tobytes()))
        elif i in by_value or None in v.shape:
            parts.append(v)
        else:
            parts.append(v.shape)
    return encoded.op, tuple(encoded.attrs), tuple(parts)


def _without_place(message: str) -> str:
    """The message without `<op> '<name>': `, which the runtime cannot know here."""
    head, quote, tail = message.partition("': ")
    return tail if quote and head.count(" ") <= 1 else message
