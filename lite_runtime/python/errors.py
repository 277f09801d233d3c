"""What the runtime raises: one class per status, each with the C library's own sentence."""
from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from ._lr import ffi, lib


class Status(IntEnum):
    """`lr_status` of the C API."""

    OK = 0
    """Nothing is wrong."""
    ARGUMENT = 1
    """`ArgumentError`"""
    IO = 2
    """`FileError`"""
    MODEL = 3
    """`ModelError`"""
    VERSION = 4
    """`VersionError`"""
    UNSUPPORTED = 5
    """`UnsupportedError`"""
    VALUE = 6
    """`TensorValueError`"""
    MEMORY = 7
    """`OutOfMemoryError`"""
    DEVICE = 8
    """`DeviceError`"""
    CANCELLED = 9
    """`CancelledError`"""


class Error(Exception):
    """Base of all. `str(e)` is one sentence: `<where>: <what is wrong>[; <what to do>]`."""

    status: Status = Status.ARGUMENT
    """What the C library answered."""


class ArgumentError(Error, ValueError):
    """The caller passed something wrong: a name, a shape, a number of threads."""


class ArgumentTypeError(ArgumentError, TypeError):
    """The caller passed something of the wrong type, or an array of the wrong dtype."""


class FileError(Error, OSError):
    """A file could not be read."""

    status = Status.IO


class ModelError(Error):
    """The file is damaged or is not a model."""

    status = Status.MODEL


class VersionError(Error):
    """The file needs a newer runtime."""

    status = Status.VERSION


class UnsupportedError(Error):
    """This build cannot do that."""

    status = Status.UNSUPPORTED


class TensorValueError(Error, ValueError):
    """A value in a tensor is out of range."""

    status = Status.VALUE


class OutOfMemoryError(Error, MemoryError):
    """Out of memory, or the session's memory limit is reached."""

    status = Status.MEMORY


class DeviceError(Error, RuntimeError):
    """An accelerator failed."""

    status = Status.DEVICE


class CancelledError(Error, concurrent.futures.CancelledError):
    """Cancelled, or the timeout passed."""

    status = Status.CANCELLED


_CLASSES: dict[int, type[Error]] = {
    c.status: c
    for c in (ArgumentError, FileError, ModelError, VersionError, UnsupportedError, TensorValueError, OutOfMemoryError,
              DeviceError, CancelledError)
}


def new_error() -> Any:
    """An `lr_error` to pass to the C library."""
    return ffi.new("lr_error *")


def raise_status(status: int, error: Any) -> None:
    """Raises the class that belongs to a failed call's status, with the sentence in `error`."""
    message = ffi.string(error.message).decode("utf-8", "replace")
    raise _CLASSES.get(status, Error)(message or ffi.string(lib.lr_status_string(status)).decode())


def call(function: Callable[..., int], *args: Any) -> None:
    """Calls a C function whose last parameter is an `lr_error *`; raises when it fails."""
    error = new_error()
    status = function(*args, error)
    if status:
        raise_status(status, error)
