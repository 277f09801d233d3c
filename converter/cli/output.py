"""Printing: tables for people, JSON for scripts, files that are whole or not there."""
from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConvertError
from ..measure import plain


def clean(text: str) -> str:
    """The text without control characters, which a file could hold to deceive a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def console() -> Console:
    """stdout; wide when it is not a terminal, so that nothing is cut."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 240)


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Around what prints: a full disk behind stdout becomes one sentence. A closed pipe stays what it is."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as e:
        raise ConvertError(f"standard output: cannot be written: {(e.strerror or str(e)).lower()}") from e


def say(text: str, style: str | None = None) -> None:
    """Prints a line of text to stdout."""
    with printing():
        console().print(Text(clean(text), style=style or ""), soft_wrap=True)


def print_json(data: Any) -> None:
    """Prints pure JSON to stdout."""
    with printing():
        print(json.dumps(plain(data), indent=2))


def print_table(title: str, columns: list[str], rows: list[list[Any]],
                bad: Callable[[int], bool] | None = None) -> None:
    """Prints a table; columns that start with '>' are aligned to the right, rows for which bad(i) holds are red."""
    table = Table(title=clean(title) or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for c in columns:
        table.add_column(c.lstrip(">"), justify="right" if c.startswith(">") else "left", overflow="fold")
    for i, row in enumerate(rows):
        table.add_row(*(Text(clean(str(v))) for v in row), style="red" if bad and bad(i) else None)
    with printing():
        console().print(table)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Shows what is being done on a terminal (on stderr), for as long as the block runs."""
    err = Console(stderr=True, highlight=False, markup=False)
    if not err.is_terminal:
        yield lambda text: None
        return
    with err.status(Text("working")) as status:
        yield lambda text: status.update(Text(clean(text)))


class OutputFile:
    """A file written beside its place and renamed when it is whole. Opened before the long work, so that a path that
    cannot be written is an error at once; use as a context manager."""

    def __init__(self, path: str, what: str = "output") -> None:
        self.path, self.what = os.path.realpath(path), what
        folder = os.path.dirname(self.path)
        if os.path.isdir(self.path):
            raise ConvertError(f"{path}: is a folder; give the name of a file")
        if os.path.lexists(self.path) and not os.path.isfile(self.path):
            raise ConvertError(f"{path}: is not a regular file; give another name")
        if not os.path.isdir(folder):
            raise ConvertError(f"{path}: the folder does not exist; make it first")
        if os.path.exists(self.path) and not os.access(self.path, os.W_OK):
            raise ConvertError(f"{path}: cannot be written: it is read-only; give another name")
        try:
            handle, self.temporary = tempfile.mkstemp(prefix=".lite-opt-", suffix=".tmp", dir=folder)
        except OSError as e:
            raise ConvertError(f"{path}: cannot be written: {(e.strerror or str(e)).lower()}") from e
        self.file = os.fdopen(handle, "wb")

    def write(self, data: bytes) -> None:
        """Writes all of it and puts the file in its place."""
        try:
            self.file.write(data)
            self.file.flush()
            os.fsync(self.file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(self.temporary, 0o666 & ~umask)
            self.file.close()
            os.replace(self.temporary, self.path)
        except OSError as e:
            raise ConvertError(f"{self.path}: cannot be written: {(e.strerror or str(e)).lower()}") from e

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.temporary)


def human_bytes(n: int) -> str:
    """12.3 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} bytes"


def human_shape(shape: Any) -> str:
    """[1 3 height ?]"""
    return "[" + " ".join("?" if d is None else str(d) for d in shape) + "]"
