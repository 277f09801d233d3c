"""Run converted models, and convert them.

    import lite_runtime

    data = lite_runtime.convert("model.onnx")
    with lite_runtime.Session(data) as session:
        outputs = session.run({"x": array})

All errors are subclasses of `Error` with one sentence; those of `convert` of
`lite_runtime.converter.errors.ConvertError`.
"""
from __future__ import annotations

from typing import Any

from . import arrays, image
from ._lr import ffi, lib
from .arrays import Buffer, Step, SupportsArray, SupportsBuffer, SupportsDLPack
from .background import RunFuture
from .errors import (
    ArgumentError,
    ArgumentTypeError,
    CancelledError,
    DeviceError,
    Error,
    FileError,
    ModelError,
    OutOfMemoryError,
    Status,
    TensorValueError,
    UnsupportedError,
    VersionError,
)
from .model import Model, Pool, TensorInfo, cpu_features
from .session import Session
from .timing import Benchmark, StepTime, Times, Versus, benchmark

__version__ = ffi.string(lib.lr_version()).decode()
__all__ = [
    "CPU_PORTABLE", "AnyArray", "ArgumentError", "ArgumentTypeError", "Benchmark", "Buffer", "CancelledError",
    "DeviceError", "Error", "FileError", "Model", "ModelError", "OutOfMemoryError", "Pool", "RunFuture", "Session",
    "Status", "Step", "StepTime", "SupportsArray", "SupportsBuffer", "SupportsDLPack", "TensorInfo",
    "TensorValueError", "Times", "UnsupportedError", "VersionError", "Versus", "benchmark", "convert",
    "cpu_features", "image",
]

CPU_PORTABLE = 0x80000000
"""A `cpu_mask` that allows plain C kernels only."""

AnyArray = arrays.AnyArray
"""What `Session.run` takes: a numpy array, or what gives its memory or values by one of these protocols."""


def convert(source: Any, verify: bool = True, **options: Any) -> bytes:
    """Converts an ONNX model (path, bytes or ModelProto) to the bytes of an .lrm file and proves the result.

    Each option of `lite-opt convert` has its keyword: see `lite_runtime.converter.api.convert`. Raises
    `lite_runtime.converter.errors.ConvertError` with one sentence, and `ImportError` when the packages of
    `pip install 'lite-runtime[convert]'` are missing.
    """
    try:
        from .converter.api import convert as run
    except ModuleNotFoundError as e:
        if (e.name or "").startswith("lite_runtime"):
            raise
        message = f"convert: the package '{e.name}' is missing; run: pip install 'lite-runtime[convert]'"
        raise ImportError(message, name=e.name) from e
    return run(source, verify=verify, **options)
