"""Between numpy and C: checks of what the caller passes, and views of what C holds."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._lr import ffi
from .errors import ArgumentError, ArgumentTypeError
from .model import DTYPES, TensorInfo


@dataclass(frozen=True)
class Step:
    """One step of a plan or a run. `ns` is its wall time (0 when listed), `reason` why it is not on an accelerator."""

    index: int
    node: str
    op: str
    device: str
    kernel: str
    reason: str
    ns: int
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True)
class Buffer:
    """One piece of memory of a plan: a tensor, or the scratch of step `first`. where: 'plan' (offset counts from the
    start of the plan's own memory), 'io' (from the start of an input, output or state), 'constant', or 'run' (taken in
    each run). first, last: steps of its life, -1 for none. root: index of the buffer in which it lies, else its own.
    span: bytes from its first element to its last, more than `bytes` when its rows lie apart."""

    name: str
    scratch: bool
    where: str
    producer: int
    first: int
    last: int
    root: int
    offset: int
    bytes: int
    span: int


WHERE = ("plan", "io", "constant", "run")  # lr_tool_where


def buffer_of(c: Any) -> Buffer:
    return Buffer(ffi.string(c.name).decode("utf-8", "replace"), bool(c.scratch), WHERE[c.where], c.producer, c.first,
                  c.last, c.root, c.offset, c.bytes, c.span)


def names_of(what: str, ports: list[Any]) -> str:
    return f"the model's {what}s are " + (", ".join(f"'{p.name}'" for p in ports) or "none")


def check_array(where: str, what: str, name: str, value: object, dtype: np.dtype) -> np.ndarray:
    """The value as a plain array; a numpy scalar is one of rank 0. Nothing is converted."""
    if not isinstance(value, (np.ndarray, np.generic)):
        raise ArgumentTypeError(f"{where}: {what} '{name}' is of type {type(value).__name__}; "
                                f"give a numpy array of {dtype}")
    if value.dtype != dtype:
        raise ArgumentTypeError(f"{where}: {what} '{name}' is {dtype} in the model, the array is {value.dtype}; "
                                f"use array.astype('{dtype}')")
    return np.asarray(value)


def check_shape(what: str, name: str, want: tuple[int, ...], got: tuple[int, ...]) -> None:
    if want != got:
        raise ArgumentError(f"run: {what} '{name}' has the shape {want}, the array {got}")


def tensor_view(c: Any) -> np.ndarray:
    """A numpy view of an lr_tensor."""
    dims = tuple(c.dims[0 : c.rank])
    if not c.bytes:
        return np.empty(dims, DTYPES[c.dtype])
    assert c.data, "a tensor without memory"
    return np.frombuffer(ffi.buffer(c.data, c.bytes), DTYPES[c.dtype]).reshape(dims)


def tensor_copy(c: Any) -> np.ndarray | None:
    return tensor_view(c).copy() if c.dtype in DTYPES and (c.data or not c.bytes) else None


def step_of(c: Any) -> Step:
    def text(p: Any) -> str:
        return ffi.string(p).decode("utf-8", "replace") if p else ""

    outputs = tuple(
        TensorInfo(text(c.output_names[i]), DTYPES.get(t.dtype, np.dtype("V1")),
                   tuple(d if d >= 0 else None for d in t.dims[0 : t.rank]))
        for i in range(min(c.n_outputs, 8))
        for t in (c.outputs[i],)
    )
    return Step(int(c.index), text(c.node), text(c.op), text(c.device), text(c.kernel), text(c.reason), int(c.ns),
                outputs)
