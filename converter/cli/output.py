"""Printing: tables for people, JSON for scripts, files that are whole or not there."""
from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConvertError
from .options import QUIET

if TYPE_CHECKING:
    from rich.console import Console


NARROWEST = 6  # characters of a column


def clean(text: str) -> str:
    """The text without control characters, which a file could hold to deceive a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def console() -> Console:
    """stdout; wide when it is not a terminal, so that nothing is cut."""
    from rich.console import Console

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
    from rich.text import Text

    with printing():
        console().print(Text(clean(text), style=style or ""), soft_wrap=True)


def print_json(data: Any) -> None:
    """Prints pure JSON to stdout."""
    from ..measure import plain

    with printing():
        print(json.dumps(plain(data), indent=2))


def print_table(title: str, columns: list[str], rows: list[list[Any]],
                bad: Callable[[int], bool] | None = None) -> None:
    """Prints a table; columns that start with '>' are aligned to the right, rows for which bad(i) holds are red.

    Where a terminal is too narrow the long columns are folded; numbers and short words never.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    out = console()
    cells = [[clean(str(v)) for v in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip([c.lstrip(">") for c in columns], *cells, strict=True)]
    elastic = [k for k, c in enumerate(columns) if not c.startswith(">")]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for c, width in zip(columns, _fitted(widths, elastic, out.width - 2 * (len(columns) - 1)), strict=True):
        table.add_column(c.lstrip(">"), justify="right" if c.startswith(">") else "left", overflow="fold", width=width)
    for i, row in enumerate(cells):
        table.add_row(*map(Text, row), style="red" if bad and bad(i) else None)
    if title:
        say(f"\n{title}", "bold")
    with printing():
        out.print(table)


def _fitted(widths: list[int], elastic: list[int], room: int) -> list[int]:
    """The widths of columns, of which the widest of the elastic ones, then of all, are made smaller until all fit."""
    fitted = list(widths)
    for columns in (elastic, list(range(len(widths)))):
        while sum(fitted) > room and columns and max(fitted[k] for k in columns) > NARROWEST:
            fitted[max(columns, key=lambda k: fitted[k])] -= 1
    return fitted


class Progress:
    """What is being done, on a terminal: `tell("converting")`. Without a terminal nothing happens."""

    def __init__(self, err: Console | None) -> None:
        self._err = err
        self._live: Any = None
        self._task: Any = None

    def __call__(self, text: str) -> None:
        """Shows the text, a turning wheel and the seconds since the start of the command."""
        if self._err is None:
            return
        if self._live is None:
            from rich.progress import Progress as Live
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

            self._live = Live(SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(),
                              console=self._err, transient=True)
            self._task = self._live.add_task("working", total=None)
        self._live.start()
        self._live.update(self._task, description=clean(text), refresh=True)

    def still(self, text: str) -> None:
        """Shows the text alone, for when times are measured: what turns would take some of the machine's time."""
        self(text)
        self.stop()
        if self._err is not None:
            self._err.print(f"  {clean(text)}", end="\r", soft_wrap=True)

    def stop(self) -> None:
        """Nothing is left on the terminal."""
        if self._live is not None:
            self._live.stop()
        if self._err is not None:
            from rich.control import Control
            from rich.segment import ControlType

            self._err.control(Control((ControlType.ERASE_IN_LINE, 2)))


def notice(text: str) -> None:
    """A line on stderr about what takes long for once, without --quiet."""
    ctx = click.get_current_context(silent=True)
    if ctx is None or not ctx.meta.get(QUIET):
        print(clean(text), file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """For a block of long work: shows what it tells on stderr, when that is a terminal, without --quiet and --json."""
    ctx = click.get_current_context(silent=True)
    if not sys.stderr.isatty() or (ctx is not None and (ctx.meta.get(QUIET) or ctx.params.get("as_json"))):
        yield Progress(None)
        return
    from rich.console import Console

    shown = Progress(Console(stderr=True, highlight=False, markup=False))
    try:
        shown("working")
        yield shown
    finally:
        shown.stop()


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
