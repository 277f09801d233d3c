"""What `lite-opt run` shows and saves of outputs."""
from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ConvertError
from .output import OutputFile

FIRST = 4  # values that are shown
ROWS = 16  # of a batch, for which the top classes are listed


def summary(a: np.ndarray) -> dict[str, Any]:
    """dtype, shape, min, mean and max (None without elements), and the first values."""
    facts: dict[str, Any] = {"dtype": str(a.dtype), "shape": list(a.shape)}
    wide = a.astype(np.float64)
    with np.errstate(all="ignore"):  # the mean of inf and -inf is nan, which says it
        for name, of in (("min", np.min), ("mean", np.mean), ("max", np.max)):
            facts[name] = float(of(wide)) if a.size else None
    return facts | {"first": a.reshape(-1)[:FIRST].tolist()}


# ---- classes ----
def read_labels(path: str) -> list[str]:
    """The lines of a text file, without empty ones at its end."""
    try:
        with open(path, encoding="utf-8") as f:
            return f.read().rstrip().split("\n")
    except OSError as e:
        raise ConvertError(f"{path}: {(e.strerror or 'cannot be read').lower()}") from e
    except UnicodeDecodeError as e:
        raise ConvertError(f"{path}: is not a text file in UTF-8, with a line for each class") from e


def top_classes(outputs: Mapping[str, np.ndarray], k: int, softmax: bool,
                labels: list[str] | None) -> dict[str, list[list[dict[str, Any]]]]:
    """For each output that has one axis of classes (or rows of them, the batch), for each of its first ROWS rows, the k
    largest: {"class", "label", "value"}, the largest first, equal ones by their number.

    softmax: values are those of its softmax. labels: one for each class, or None. ConvertError when no output is like
    that, or none has as many classes as there are labels.
    """
    found: dict[str, list[list[dict[str, Any]]]] = {}
    counts = {}
    for name, a in outputs.items():
        rows = _rows(a)
        if rows is None:
            continue
        counts[name] = rows.shape[1]
        if labels is None or rows.shape[1] == len(labels):
            found[name] = [_top(row, k, softmax, labels) for row in rows[:ROWS]]
    if not found and counts:
        have = ", ".join(f"'{n}' has {c}" for n, c in counts.items())
        raise ConvertError(f"--labels: there are {len(labels or ())} lines, but output {have} classes; give a line for "
                           "each class")
    if not found:
        raise ConvertError("--top: no output is a list of numbers, one for each class; leave it out")
    return found


def _rows(a: np.ndarray) -> np.ndarray | None:
    """[rows, classes] of [classes], [N classes], [N classes 1 1] or [1 N classes]; else None."""
    if not a.size or a.dtype.kind not in "fiu" or not a.ndim:
        return None
    long = [d for d in a.shape if d != 1] or [1]
    if len(long) > 2:
        return None
    return a.reshape(-1, long[-1])


def _top(row: np.ndarray, k: int, softmax: bool, labels: list[str] | None) -> list[dict[str, Any]]:
    values = row.astype(np.float64)
    if softmax:
        with np.errstate(all="ignore"):
            values = np.exp(values - values.max())
            values /= values.sum()
    order = np.argsort(-values, kind="stable")[:k]
    return [{"class": int(i), "label": labels[i] if labels else None, "value": float(values[i])} for i in order]


# ---- files ----
class Saved:
    """Where outputs go: an .npz file, or a folder (made when it is not there) with an .npy file each.

    Opened before the run, so that a path that cannot be written is an error at once; use as a context manager."""

    def __init__(self, path: str) -> None:
        self.path, self._file = path, None
        if path.endswith(".npz"):
            self._file = OutputFile(path)
            return
        parent = os.path.dirname(os.path.realpath(path))
        if os.path.lexists(path) and not os.path.isdir(path):
            raise ConvertError(f"{path}: is not a folder; give one, or a name that ends with .npz")
        if not os.path.isdir(parent):
            raise ConvertError(f"{path}: the folder does not exist; make it first")
        if not os.access(path if os.path.isdir(path) else parent, os.W_OK):
            raise ConvertError(f"{path}: cannot be written; give another name")

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes all of them; each file is whole or not there."""
        if self._file:
            self._file.write(npz(arrays))
            return
        names = _file_names(arrays)
        os.makedirs(self.path, exist_ok=True)
        for name, array in arrays.items():
            with OutputFile(os.path.join(self.path, names[name])) as f:
                f.write(_npy(array))

    def __enter__(self) -> Saved:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file:
            self._file.__exit__(*exception)


def _file_names(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """A file's name for each array: what may not be in one, as / of many exporters, becomes _."""
    names = {n: "".join(c if c.isalnum() or c in "-_.+ " else "_" for c in n).lstrip(".") + ".npy" for n in arrays}
    first: dict[str, str] = {}
    for name, file in names.items():
        if file in first:
            raise ConvertError(f"--save: outputs '{first[file]}' and '{name}' would both be written to {file}; save to "
                               "an .npz file")
        first[file] = name
    return names


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz file in memory, the same bytes for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for name, array in arrays.items():
            if not name or "\0" in name or name.startswith("/") or ".." in name.split("/"):
                raise ConvertError(f"output '{name}': its name cannot be used in an .npz file; save to a folder")
            with z.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as f:
                np.lib.format.write_array(f, array, allow_pickle=False)
    return buffer.getvalue()
