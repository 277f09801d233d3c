"""Run converted models, and convert them.

    data = lite_runtime.convert("model.onnx")
    with lite_runtime.Session(data) as session:
        outputs = session.run({"x": array})
"""
from __future__ import annotations

from typing import Any

from ._lr import ffi, lib
from .arrays import Buffer, Step
from .benchmark import Benchmark, StepTime, Times, Versus, benchmark
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
from .model import CPU_PORTABLE, Model, Pool, TensorInfo, cpu_features
from .session import Session

__version__ = ffi.string(lib.lr_version()).decode()
__all__ = [
    "CPU_PORTABLE", "ArgumentError", "ArgumentTypeError", "Benchmark", "Buffer", "CancelledError", "DeviceError",
    "Error", "FileError", "Model", "ModelError", "OutOfMemoryError", "Pool", "Session", "Status", "Step", "StepTime",
    "TensorInfo", "TensorValueError", "Times", "UnsupportedError", "Versus", "VersionError", "benchmark", "convert",
    "cpu_features",
]


def convert(source: Any, verify: bool = True, **options: Any) -> bytes:
    """Converts an ONNX model (path, bytes or ModelProto) to the bytes of an .lrm file and proves the result.

    Each option of `lite-opt convert` has its keyword: see `lite_runtime.converter.api.convert`. Raises
    `lite_runtime.converter.errors.ConvertError` with one sentence.
    """
    try:
        from .converter.api import convert as run
    except ModuleNotFoundError as e:
        if (e.name or "").startswith("lite_runtime"):
            raise
        message = f"convert: the package '{e.name}' is missing; run: pip install 'lite-runtime[convert]'"
        raise ImportError(message, name=e.name) from e
    return run(source, verify=verify, **options)
