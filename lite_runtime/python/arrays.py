"""Between numpy and C: checks of what the caller passes, and views of what C holds."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ._lr import ffi
from .errors import ArgumentError, ArgumentTypeError
from .model import DTYPES, TensorInfo

READY = 0x101  # bits of flags.num: C-contiguous and aligned
# DLPack's device types whose memory the CPU reads: CPU, CUDA's and ROCm's pinned host memory, CUDA's managed memory
HOST = (1, 3, 11, 13)


class SupportsDLPack(Protocol):
    """What gives its memory by DLPack: torch tensors, jax arrays, numpy arrays (the Python array API standard)."""

    def __dlpack__(self) -> Any:
        """A capsule of the memory."""

    def __dlpack_device__(self) -> tuple[Any, Any]:
        """Where the memory is: DLPack's device type and number."""


class SupportsBuffer(Protocol):
    """What has Python's buffer interface: bytes, memoryview, array.array, ctypes arrays, mmap."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """A view of the memory."""


class SupportsArray(Protocol):
    """What numpy can turn into an array: pandas, xarray and others."""

    def __array__(self) -> Any:
        """A numpy array of the same values."""


AnyArray = SupportsDLPack | SupportsBuffer | SupportsArray


@dataclass(frozen=True)
class Step:
    """One step of a plan or a run."""

    index: int
    """Its place in the plan, from 0."""
    node: str
    """Name of the node in the model."""
    op: str
    """Operator, as in docs/ops.md."""
    device: str
    """`cpu`, or an accelerator's name."""
    kernel: str
    """Kernel that ran; empty when the operator has just one way, `view` when there was nothing to do."""
    reason: str
    """Why a node for an accelerator runs on the CPU; else empty."""
    ns: int
    """Wall time in nanoseconds; 0 for a step that is listed only."""
    outputs: tuple[TensorInfo, ...]
    """What it writes, the first 8."""


@dataclass(frozen=True)
class Buffer:
    """One piece of memory of a plan: a tensor, or the scratch of a step."""

    name: str
    """Of the tensor, or of the step's node."""
    scratch: bool
    """Whether it is the scratch of step `first`."""
    where: str
    """'plan' (`offset` counts from the start of the plan's own memory), 'io' (from the start of an input, output or
    state), 'constant', or 'run' (taken in each run)."""
    producer: int
    """The step that writes it, -1 for none."""
    first: int
    """The first step of its life, -1 for none."""
    last: int
    """The last one, -1 for none."""
    root: int
    """Index of the buffer in which it lies, else its own."""
    offset: int
    """In bytes; see `where`."""
    bytes: int
    """Of its elements."""
    span: int
    """Bytes from its first element to the end of its last, more than `bytes` when its rows lie apart."""


WHERE = ("plan", "io", "constant", "run")  # lr_tool_where


def buffer_of(c: Any) -> Buffer:
    return Buffer(ffi.string(c.name).decode("utf-8", "replace"), bool(c.scratch), WHERE[c.where], c.producer, c.first,
                  c.last, c.root, c.offset, c.bytes, c.span)


def names_of(what: str, ports: list[Any]) -> str:
    return f"the model's {what}s are " + (", ".join(f"'{p.name}'" for p in ports) or "none")


def check_array(where: str, what: str, name: str, value: object, dtype: np.dtype) -> np.ndarray:
    """The value as a plain array of that dtype, in its own memory where it gives that; a numpy scalar is one of rank 0.
    Values are never converted to another dtype."""
    if not isinstance(value, (np.ndarray, np.generic)):
        a = _taken(where, what, name, value, dtype)
        giver, advice = type(value).__name__, f"convert it to {dtype} first"
    elif type(value) is not np.ndarray and isinstance(value, np.ma.MaskedArray) and value.mask.any():
        raise ArgumentTypeError(f"{where}: {what} '{name}' has masked elements; use array.filled(value)")
    else:
        a, giver, advice = np.asarray(value), "array", f"use array.astype('{dtype}')"
    if a.dtype != dtype:
        raise ArgumentTypeError(f"{where}: {what} '{name}' is {dtype} in the model, the {giver} is {a.dtype}; {advice}")
    return a


def check_output(name: str, value: object, dtype: np.dtype) -> np.ndarray:
    """The caller's memory for an output as a plain array. What would be a copy is refused."""
    if type(value) is np.ndarray:
        a = value
    elif isinstance(value, np.ma.MaskedArray):
        raise ArgumentTypeError(f"run: the array for output '{name}' is a masked one; give array.data")
    else:
        a = _shared(name, value, dtype)
    if a.dtype != dtype:
        raise ArgumentTypeError(f"run: output '{name}' is {dtype} in the model, the array is {a.dtype}; "
                                f"use numpy.empty(shape, '{dtype}')")
    if a.flags.num & READY != READY or not a.flags.writeable:
        raise ArgumentError(f"run: the array for output '{name}' is not a contiguous writeable one; "
                            "use numpy.empty(shape, dtype)")
    return a


def _taken(where: str, what: str, name: str, value: object, dtype: np.dtype) -> np.ndarray:
    """What another library's object, or a buffer, gives: its memory, else a copy of its values."""
    why: Exception | None = None
    for take in (_by_dlpack, _by_buffer, _by_array):
        try:
            a = take(value)
        except Exception as e:  # what another library raises is its affair; the next protocol may work
            why = why or e
        else:
            if a is not None:
                return a
    raise _refusal(where, what, name, value, dtype, why)


def _shared(name: str, value: object, dtype: np.dtype) -> np.ndarray:
    """The memory of another library's object, or of a buffer."""
    try:
        a = _by_dlpack(value, copy=False)
        if a is None:
            a = _by_buffer(value)
        elif not a.flags.writeable:
            # DLPack before 1.0 does not say whether one may write; an array in the same memory does
            b = _by_array(value)
            if b is not None and b.ctypes.data == a.ctypes.data and (b.shape, b.strides) == (a.shape, a.strides):
                a = b
        if a is not None:
            return a
        why = None
    except Exception as e:
        why = e
    raise _refusal("run", "output", name, value, dtype, why)


def _refusal(where: str, what: str, name: str, value: object, dtype: np.dtype, why: Exception | None) -> ArgumentError:
    error = ArgumentTypeError(f"{where}: {what} '{name}' is of type {type(value).__name__}"
                              + (f" and cannot be used ({' '.join(str(why).split())})" if why else "")
                              + f"; give a numpy array of {dtype}")
    error.__cause__ = why
    return error


def _by_dlpack(value: Any, copy: bool = True) -> np.ndarray | None:
    if not hasattr(value, "__dlpack__") or not hasattr(value, "__dlpack_device__"):
        return None
    if getattr(value, "is_neg", bool)():
        # torch's lazily negated views (the imaginary part of a conjugate): their DLPack gives the memory as it is
        raise ValueError("its memory holds the negatives of its values; use tensor.resolve_neg()")
    kind = int(value.__dlpack_device__()[0])
    if kind in HOST:
        return np.from_dlpack(value)
    try:
        if copy:  # numpy 2.1 asks for a copy, which libraries of DLPack 1.0 make
            return np.from_dlpack(value, device="cpu")
    except Exception:
        pass
    raise ValueError(f"it is on a device of DLPack's type {kind}")


def _by_buffer(value: Any) -> np.ndarray | None:
    try:
        view = memoryview(value)
    except TypeError:
        return None
    return np.asarray(view)


def _by_array(value: Any) -> np.ndarray | None:
    if any(hasattr(value, name) for name in ("__array__", "__array_interface__", "__array_struct__")):
        return np.asarray(value)
    return None


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
