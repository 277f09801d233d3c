"""Models and thread pools: what sessions share."""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._lr import ffi, lib
from .errors import ArgumentError, ArgumentTypeError, UnsupportedError, call
from .notebook import model_html, signature

# by lr_dtype; numpy has no bf16, i4 and u4
DTYPES: dict[int, np.dtype] = {
    1: np.dtype(np.float32), 2: np.dtype(np.float16), 4: np.dtype(np.float64), 5: np.dtype(np.int8),
    6: np.dtype(np.uint8), 7: np.dtype(np.int16), 8: np.dtype(np.uint16), 9: np.dtype(np.int32),
    10: np.dtype(np.uint32), 11: np.dtype(np.int64), 12: np.dtype(np.uint64), 13: np.dtype(np.bool_),
}
INPUT, OUTPUT, STATE = 0, 1, 2  # lr_role


@dataclass(frozen=True)
class TensorInfo:
    """An input, output or state of a model."""

    name: str
    """As in the source model."""
    dtype: np.dtype
    """Of its elements; arrays must have exactly that."""
    shape: tuple[int | str | None, ...]
    """A dim is a number of elements, the name of a symbol that stands for any size, or None when nothing is known."""


def check_int(where: str, what: str, value: object, low: int, high: int, hint: str = "") -> int:
    """The value as an int from low to high; ArgumentError with a sentence otherwise. Floats and bools are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ArgumentTypeError(f"{where}: {what} is {value!r}; give an integer from {low} to {high}{hint}")
    if not low <= value <= high:
        raise ArgumentError(f"{where}: {what} is {value}; give an integer from {low} to {high}{hint}")
    return int(value)


def check_threads(where: str, threads: object) -> int:
    """Number of threads for C, where 0 means one per core: that is what None says here."""
    if threads is None:
        return 0
    return check_int(where, "threads", threads, 1, 256, ", or None for one per core")


class Model:
    """A model that any number of sessions (in any threads) share, with its packed weights.

    source: path of an .lrm file (mapped; it must not change while it is open) or its bytes.
    cpu_mask: bits of the instruction sets that may be used (see `cpu_features`), CPU_PORTABLE for plain C; None: all.
    check_weights: False skips the hashes of weights (those of the graph are always checked).

    Raises `FileError` when the file cannot be read, `ModelError` when it is damaged or no model, `VersionError` when it
    needs a newer runtime, `UnsupportedError` when this build lacks an operator or numpy a dtype, `ArgumentError`,
    `OutOfMemoryError`.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes | bytearray | memoryview, *, cpu_mask: int | None = None,
                 check_weights: bool = True) -> None:
        options = ffi.new("lr_model_options *", {"size": ffi.sizeof("lr_model_options")})
        options.verify = 0 if check_weights else 1
        if cpu_mask is not None:
            options.cpu_mask = check_int("model", "cpu_mask", cpu_mask, 1, 2**32 - 1)
        out = ffi.new("lr_model **")
        keep: Any = None
        if isinstance(source, (bytes, bytearray, memoryview)):
            keep = ffi.from_buffer(source if isinstance(source, bytes) else bytes(source))
            call(lib.lr_model_open_memory, keep, len(keep), options, out)
        elif isinstance(source, (str, os.PathLike)):
            path = os.fsencode(source)
            if b"\0" in path:
                raise ArgumentError("model: the path has a NUL character")
            call(lib.lr_model_open, path, options, out)
        else:
            raise ArgumentTypeError(f"model: the source is of type {type(source).__name__}; give a path or bytes")
        # the closure keeps the bytes until the C object is gone
        self._ptr = ffi.gc(out[0], lambda p, keep=keep: lib.lr_model_close(p))
        self.inputs: list[TensorInfo] = self._infos(INPUT)
        """Name, dtype and shape of each input, in the model's order."""
        self.outputs: list[TensorInfo] = self._infos(OUTPUT)
        """The same of each output."""
        self.states: list[TensorInfo] = self._infos(STATE)
        """The same of each state."""

    def _infos(self, role: int) -> list[TensorInfo]:
        infos = []
        c = ffi.new("lr_tensor_info *")
        for i in range(lib.lr_model_count(self._ptr, role)):
            call(lib.lr_model_info, self._ptr, role, i, c)
            name = ffi.string(c.name).decode("utf-8", "replace")
            if c.dtype not in DTYPES:
                raise UnsupportedError(f"model: tensor '{name}' has an element type that numpy does not have "
                                       f"(lr_dtype {c.dtype}); use the C API")
            infos.append(TensorInfo(name, DTYPES[c.dtype], tuple(self._dim(d) for d in c.dims[0 : c.rank])))
        return infos

    def _dim(self, d: int) -> int | str | None:
        symbol = lib.lr_model_symbol(self._ptr, -2 - d) if d <= -2 else ffi.NULL
        return int(d) if d >= 0 else ffi.string(symbol).decode("utf-8", "replace") if symbol else None

    @property
    def metadata(self) -> dict[str, str]:
        """The source model's metadata."""
        key, value = ffi.new("char const **"), ffi.new("char const **")
        result, i = {}, 0
        while lib.lr_model_metadata(self._ptr, i, key, value):
            result[ffi.string(key[0]).decode("utf-8", "replace")] = ffi.string(value[0]).decode("utf-8", "replace")
            i += 1
        return result

    def needs(self) -> tuple[list[str], list[str], list[str]]:
        """The operators, kernel signatures and cases of kernels that a runtime must have for this model, whatever the
        shapes and the CPU: what `-Dops`, `-Dkernels` and `-Dposts` name."""
        found: tuple[list[str], list[str], list[str]] = ([], [], [])
        c = ffi.new("lr_tool_need_info[]", lib.lr_tool_needs(self._ptr, ffi.NULL, 0))
        lib.lr_tool_needs(self._ptr, c, len(c))
        for need in c:
            found[need.kind].append(ffi.string(need.name).decode())
        return found

    def __repr__(self) -> str:
        return signature("Model", self.inputs, self.outputs)

    def _repr_html_(self) -> str:
        """For notebooks: inputs, outputs and states."""
        return model_html("model", self.inputs, self.outputs, self.states)


class Pool:
    """Worker threads that sessions share. threads: 1 to 256, the caller included; None: one per core. Raises
    `ArgumentError`, and `OutOfMemoryError` when the system gives fewer threads."""

    def __init__(self, threads: int | None = None) -> None:
        options = ffi.new("lr_pool_options *", {"size": ffi.sizeof("lr_pool_options")})
        options.threads = check_threads("pool", threads)
        out = ffi.new("lr_pool **")
        call(lib.lr_pool_open, options, out)
        self._ptr = ffi.gc(out[0], lib.lr_pool_close)


def cpu_features() -> dict[str, int]:
    """Instruction sets that this CPU has and the runtime knows: name to bit of `cpu_mask`."""
    have = lib.lr_cpu_features()
    bits = [1 << i for i in range(31) if have >> i & 1]
    return {ffi.string(name).decode(): b for b in bits if (name := lib.lr_cpu_name(b))}
