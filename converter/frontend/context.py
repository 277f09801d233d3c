"""What an importer of one operator works with.

An importer is a function of a Context that adds nodes and returns the values of the source node's outputs:

    @onnx_op("Relu")
    def relu(c: Context) -> Value:
        return c.add("relu", c.input(0))

It raises NotSupported for what we cannot do, through `c.refuse`. The importer of the whole graph names the outputs.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from ...spec.ops import MAX_RANK
from ...spec.postops import POSTOPS
from ..dtypes import to_numpy
from ..ir import Dim, Graph, Value
from .fold import fold
from .lists import TensorList
from .tensors import has_controls

if TYPE_CHECKING:
    from .importer import Importer, Scope

I32_MAX = 2**31 - 1


class NotSupported(Exception):
    """Why one node cannot be converted, and what to do about it."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.why, self.fix = why, fix


Result = Value | None | list["Value | None"]
OPS: dict[str, Callable[[Context], Result]] = {}  # importers of ONNX's own operators by name


def onnx_op(*names: str) -> Callable[[Callable[[Context], Result]], Callable[[Context], Result]]:
    """Registers the importer of the operators `names`."""
    def register(f: Callable[[Context], Result]) -> Callable[[Context], Result]:
        OPS.update(dict.fromkeys(names, f))
        return f
    return register


@dataclass
class Part:
    """A size of a new shape: size `axis` of the tensor at hand, times `mul`, divided by `div`."""

    axis: int
    mul: int = 1
    div: int = 1


@dataclass
class Context:
    """One source node: its operator, version, attributes and inputs, and the graph that it is imported into."""

    graph: Graph
    node: onnx.NodeProto
    name: str
    opset: int
    inputs: list[Value | None]
    attrs: dict[str, onnx.AttributeProto]
    schema: onnx.defs.OpSchema
    out_names: list[str]  # "" for an output that nobody wants
    importer: Importer
    scope: Scope

    @property
    def op(self) -> str:
        return self.node.op_type

    def refuse(self, why: str, fix: str = "") -> NotSupported:
        """The exception to raise."""
        return NotSupported(why, fix)

    # inputs

    def input(self, i: int) -> Value:
        """Input i, which must be there."""
        v = self.opt(i)
        if v is None:
            raise self.refuse(f"input {i} ({self._input_name(i)}) is missing")
        return v

    def opt(self, i: int) -> Value | None:
        """Input i, or None when it is absent."""
        v = self.any_input(i)
        if isinstance(v, TensorList):
            raise self.refuse(f"input {i} ({self._input_name(i)}) is a sequence of tensors",
                              "take tensors out of it before (SequenceAt)")
        return v

    def any_input(self, i: int) -> Value | None:
        """Input i, which may be a sequence, or None when it is absent."""
        return self.inputs[i] if i < len(self.inputs) else None

    def const(self, i: int) -> np.ndarray | None:
        """The value of input i, None when it is absent; it must be a constant."""
        v = self.opt(i)
        if v is None:
            return None
        if v.const is None:
            raise self.refuse(f"input {i} ({self._input_name(i)}) is not constant",
                              "fold constants before exporting, for example with fixed input sizes")
        return v.const

    def const_ints(self, i: int) -> list[int] | None:
        """The integers of input i, None when it is absent; it must be a constant scalar or vector."""
        a = self.const(i)
        if a is None:
            return None
        if a.dtype.kind not in "iu" or a.ndim > 1 or a.size > 4096:
            raise self.refuse(f"input {i} ({self._input_name(i)}) must be a vector of integers, it has dtype {a.dtype} "
                              f"and shape {list(a.shape)}")
        return [int(v) for v in a.reshape(-1)]

    def ints_value(self, i: int) -> Value:
        """Input i, an integer vector, as i64."""
        v = self.input(i)
        if v.dtype not in ("i32", "i64") or v.rank > 1:
            raise self.refuse(f"input {i} ({self._input_name(i)}) must be a vector of i64, it has dtype {v.dtype} "
                              f"and rank {v.rank}")
        v = self.cast(v, "i64")
        return self.add("reshape", v, self.ints_const([1])) if v.rank == 0 else v

    def _input_name(self, i: int) -> str:
        formal = self.schema.inputs
        return formal[min(i, len(formal) - 1)].name if formal else "?"

    # attributes

    def attr(self, name: str, default: Any = None) -> Any:
        """The attribute's value, the operator's default for it, or `default`. The types are those of the schema."""
        a = self.attrs.get(name)
        if a is None:
            known = self.schema.attributes.get(name)
            a = known.default_value if known is not None else None
            if a is None or not a.name:
                return default
        value = onnx.helper.get_attribute_value(a)
        if isinstance(value, bytes):
            try:
                text = value.decode()
            except UnicodeDecodeError:
                text = "\0"
            if has_controls(text):
                raise self.refuse(f"attribute '{name}' is not text")
            return text
        if a.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS):
            value = list(value)
        if any(isinstance(f, float) and math.isnan(f) for f in (value if isinstance(value, list) else [value])):
            raise self.refuse(f"attribute '{name}' is NaN")
        return value

    def attr_int(self, name: str, default: int = 0, low: int = 0, high: int = I32_MAX) -> int:
        """An integer attribute within low..high."""
        v = self.attr(name, default)
        if not low <= v <= high:
            raise self.refuse(f"attribute '{name}' is {v}; {low} to {high} are supported")
        return int(v)

    def axis(self, rank: int, default: int = 0, name: str = "axis", end: bool = False) -> int:
        """An axis attribute, counted from the front; with `end` the axis after the last one is valid too."""
        return self.resolve_axis(self.attr(name, default), rank, end)

    def resolve_axis(self, axis: int, rank: int, end: bool = False) -> int:
        """The axis counted from the front."""
        if not -rank <= axis < rank + end:
            raise self.refuse(f"axis {axis} is out of range for rank {rank}")
        return axis + rank if axis < 0 else axis

    def resolve_axes(self, axes: Sequence[int], rank: int) -> list[int]:
        """Distinct axes counted from the front, in the order given."""
        found = [self.resolve_axis(a, rank) for a in axes]
        if len(set(found)) != len(found):
            raise self.refuse(f"axes {list(axes)} name an axis twice")
        return found

    # building

    def add(self, op: str, *inputs: Value | None, n_outputs: int = 1, **attrs: Any) -> Any:
        """Adds a node, or a constant when the result is known and small. Returns its output (n_outputs 1) or a list."""
        if op in POSTOPS:
            self._check_dtypes(op, inputs)
        if n_outputs == 1:
            known = fold(op, inputs, attrs)
            if known is not None:
                return self.graph.const(known)
        found = self.graph.add(op, *inputs, name=self.name, sources=(self.name,), n_outputs=n_outputs, **attrs)
        for v in [found] if n_outputs == 1 else found:
            if v.rank > MAX_RANK:
                raise self.refuse(f"a rank of {v.rank} is not supported; the largest is {MAX_RANK}")
        return found

    def _check_dtypes(self, op: str, inputs: Sequence[Value | None]) -> None:
        """The rules of spec/postops.py for an operator on tensors."""
        if op == "cast":
            return
        given = inputs[1:] if op == "select" else inputs[:2] if op == "quantize" else inputs
        dtypes = [v.dtype for v in given if v is not None]
        if len(set(dtypes)) > 1:
            raise self.refuse(f"its inputs have different dtypes: {', '.join(dtypes)}", "cast them to one")
        allowed = ("f32",) if op == "quantize" else POSTOPS[op].dtypes
        if dtypes and dtypes[0] not in allowed:
            raise self.refuse(f"dtype {dtypes[0]} is not supported", f"use one of {', '.join(allowed)}")

    def scalar(self, value: float, dtype: str) -> Value:
        """A rank 0 constant; infinite where f16 cannot hold it."""
        with np.errstate(over="ignore"):
            try:
                return self.graph.const(np.array(value, to_numpy(dtype)))
            except (OverflowError, ValueError):
                raise self.refuse(f"the number {value} cannot be stored as {dtype}") from None

    def as_scalar(self, v: Value, what: str) -> Value:
        """v as a rank 0 value: some exporters write shape [1] where ONNX wants a scalar."""
        if any(isinstance(d, int) and d != 1 for d in v.shape):
            raise self.refuse(f"{what} has shape {list(v.shape)}, it must be a scalar")
        return v if v.rank == 0 else self.add("squeeze", v, axes=(1 << v.rank) - 1)

    def ints_const(self, values: Sequence[int]) -> Value:
        """An i64 vector."""
        if any(not -(2**63) <= v < 2**63 for v in values):
            raise self.refuse(f"the sizes {list(values)} are too large")
        return self.graph.const(np.array(values, np.int64).reshape(len(values)))

    def cast(self, v: Value, dtype: str) -> Value:
        """v with another dtype."""
        return v if v.dtype == dtype else self.add("cast", v, to=dtype)

    def transpose(self, v: Value, perm: Sequence[int]) -> Value:
        """A transposed constant or a node; a constant keeps the name of its source with the permutation."""
        perm = tuple(perm)
        if v.const is None or v.perm is not None:
            return self.add("transpose", v, perm=perm)
        t = self.graph.const(np.array(np.transpose(v.const, perm), order="C"), v.name)
        t.perm = perm
        return t

    def reshape_const(self, v: Value, shape: Sequence[int]) -> Value:
        """A constant with another shape of the same size."""
        return self.graph.const(v.const.reshape(tuple(shape)))

    def unsqueeze(self, v: Value, axes: Sequence[int]) -> Value:
        """v with new axes of size 1 at the places `axes` of the result."""
        if not axes:
            return v
        if v.rank + len(axes) > MAX_RANK:
            raise self.refuse(f"a rank of {v.rank + len(axes)} is not supported; the largest is {MAX_RANK}")
        if v.const is not None:
            return self.graph.const(np.expand_dims(v.const, tuple(axes)))
        return self.add("unsqueeze", v, axes=sum(1 << a for a in axes))

    def reshape(self, x: Value, parts: Sequence[int | Part], of: Value | None = None) -> Value:
        """x with the sizes `parts`: numbers (one may be -1, the rest), or Parts of the shape of `of` (default x).

        Known sizes become constants, one unknown size is inferred, more are computed at run time."""
        of = x if of is None else of
        sizes = [self._size(p, of.shape) for p in parts]
        unknown = [i for i, s in enumerate(sizes) if s is None or s == -1]
        if len(unknown) <= 1 and 0 not in sizes:
            return self.add("reshape", x, self.ints_const([-1 if s is None else s for s in sizes]), allow_zero=1)
        return self.add("reshape", x, self.shape_vector(of, parts), allow_zero=1)

    def shape_vector(self, of: Value, parts: Sequence[int | Part]) -> Value:
        """An i64 vector of sizes, constant where they are known."""
        whole: Value | None = None
        pieces: list[Value] = []
        for p in parts:
            size = self._size(p, of.shape)
            if size is not None:
                pieces.append(self.ints_const([size]))
                continue
            whole = self.add("shape", of) if whole is None else whole
            piece = self.add("gather", whole, self.ints_const([p.axis]), axis=0)
            for op, k in (("mul", p.mul), ("div", p.div)):
                piece = piece if k == 1 else self.add(op, piece, self.ints_const([k]))
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else self.add("concat", *pieces, axis=0)

    def _size(self, part: int | Part, shape: Sequence[Dim]) -> int | None:
        if isinstance(part, int):
            return part
        dim = shape[part.axis]
        if not isinstance(dim, int):
            return None
        if dim * part.mul % part.div:
            raise self.refuse(f"size {dim * part.mul} of axis {part.axis} is not a multiple of {part.div}")
        return dim * part.mul // part.div

    # images: channels last inside, the source's order outside

    def channels_last(self, x: Value) -> Value:
        """x [N C ...] as [N ... C]."""
        return self.transpose(x, (0, *range(2, x.rank), 1))

    def channels_first(self, y: Value) -> Value:
        """y [N ... C], which is the node's first output, as [N C ...]."""
        y.name, y.perm = self.out_names[0], (0, *range(2, y.rank), 1)
        return self.add("transpose", y, perm=(0, y.rank - 1, *range(1, y.rank - 1)))

    def per_channel(self, v: Value, rank: int, axis: int = 1) -> Value:
        """A vector [C] as [C 1 ...], so that it broadcasts along `axis` of a tensor of rank `rank`."""
        if v.rank != 1:
            raise self.refuse(f"a vector of one number per channel is needed, it has rank {v.rank}")
        return self.unsqueeze(v, list(range(1, rank - axis)))
