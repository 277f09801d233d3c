"""What the command line gives as inputs becomes arrays."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import Session, TensorInfo
from ..errors import ConvertError
from .options import Given
from .output import human_shape, say

FILLS = ("random", "zeros", "ones")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


@dataclass
class Feeds:
    """All inputs of a model, by name."""

    arrays: dict[str, np.ndarray]
    chosen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes that were chosen here, because the model leaves them open."""
    random: list[str] = field(default_factory=list)
    """Inputs of which nothing was given, in the model's order."""


def gather_feeds(session: Session, given: Given) -> Feeds:
    """All inputs of a session: those that are given, the others random; open sizes are those of the other inputs or of
    --shape, else the smallest of declared ranges, else likely ones. ConvertError with a sentence for what does not fit.
    """
    infos = {t.name: t for t in session.inputs}
    texts = _by_name(given.texts, infos)
    arrays = {n: a for n, a in _archive(given.archive, infos).items() if n not in texts}
    unknown = next((n for n in given.shapes if n not in infos), None)
    if unknown is not None:
        raise ConvertError(f"--shape: the model has no input '{unknown}'; it has {', '.join(infos) or 'none'}")
    fills = {n: "random" for n in infos if n not in texts and n not in arrays}
    feeds = Feeds(arrays, random=list(fills))
    for name, text in texts.items():
        info = TensorInfo(name, infos[name].dtype, given.shapes.get(name, infos[name].shape))
        if text in FILLS:
            fills[name] = text
        elif text.lower().endswith((".npy", ".npz")):
            arrays[name] = _from_file(name, text)
        elif text.lower().endswith(PICTURES):
            from .pictures import read_picture

            arrays[name] = read_picture(text, info, given.picture, session.metadata)
        else:
            arrays[name] = parse_numbers(text, info)
    _fill(session, feeds, fills, given)
    feeds.arrays = {n: feeds.arrays[n] for n in infos}
    return feeds


def _by_name(texts: tuple[str, ...], infos: Mapping[str, TensorInfo]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equal, value = text.partition("=")
        if not equal or not name or not value:
            all_of = f", or --inputs {text} for all inputs that it has" if text.endswith(".npz") else ""
            raise ConvertError(f"--input: '{text}' does not say for which input: write --input NAME={text}{all_of}")
        if name not in infos:
            raise ConvertError(f"--input: the model has no input '{name}'; it has {', '.join(infos) or 'none'}")
        if name in found:
            raise ConvertError(f"--input: '{name}' is given twice; drop one")
        found[name] = value
    return found


# ---- files ----
def read_array(path: str) -> Any:
    """An array of an .npy file or the arrays of an .npz file; ConvertError with a sentence."""
    try:
        with open(path, "rb") as f:  # np.load says odd things about folders and missing files
            data = np.load(f, allow_pickle=False)
            return dict(data) if isinstance(data, np.lib.npyio.NpzFile) else data
    except OSError as e:
        raise ConvertError(f"{path}: {(e.strerror or 'cannot be read').lower()}") from e
    except Exception as e:  # numpy raises many kinds on damaged files
        raise ConvertError(f"{path}: is not a file of numbers that numpy can read (.npy or .npz)") from e


def _archive(path: str | None, infos: Mapping[str, TensorInfo]) -> dict[str, np.ndarray]:
    if path is None:
        return {}
    arrays = read_array(path)
    if not isinstance(arrays, dict):
        raise ConvertError(f"--inputs: {path} holds one array without a name; give it with --input NAME={path}")
    unknown = next((n for n in arrays if n not in infos), None)
    if unknown is not None:
        raise ConvertError(f"--inputs: {path} has an array '{unknown}', but the model no such input; it has "
                           f"{', '.join(infos) or 'none'}")
    return arrays


def _from_file(name: str, path: str) -> np.ndarray:
    """The array of an .npy file; of an .npz file that of the input's name, or the only one."""
    found = read_array(path)
    if not isinstance(found, dict):
        return np.asarray(found)
    if name in found or len(found) == 1:
        return np.asarray(found[name] if name in found else next(iter(found.values())))
    raise ConvertError(f"--input: {path} has no array '{name}'; it has {', '.join(found) or 'none'}")


# ---- numbers ----
def parse_numbers(text: str, info: TensorInfo) -> np.ndarray:
    """An array of the input's dtype out of `1,2,3` (filled into its shape) or `[[1,2],[3,4]]` (which has one itself).

    ConvertError when the text is nothing of that, or does not fit.
    """
    where = f"--input {info.name}={text if len(text) <= 40 else text[:30] + '...'}"
    nested = text.lstrip().startswith("[")
    try:
        values = np.asarray(json.loads(text if nested else f"[{text}]"))
        if values.dtype.kind not in "biuf":
            raise ValueError
    except (ValueError, RecursionError) as e:
        if os.path.exists(text):
            why = "is a file of a kind that is not known; it must end with .npy, .npz, " + ", ".join(PICTURES)
        else:
            why = ("is not a file (.npy, .npz, .png, .jpg), nor numbers like 1,2,3 or [[1,2],[3,4]], nor random, zeros "
                   "or ones")
        raise ConvertError(f"{where}: {why}") from e
    array = _as_dtype(where, values, info.dtype)
    return array if nested and array.ndim == len(info.shape) else _in_shape(where, array, info)


def _as_dtype(where: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(all="ignore"):
        array = values.astype(dtype)
    if dtype.kind == "f":
        held = np.array_equal(np.isfinite(array), np.isfinite(values))  # what is too large has become infinite
    else:
        held = np.array_equal(array.astype(np.float64), values.astype(np.float64))
    if not held:
        raise ConvertError(f"{where}: has a number that the input cannot hold; it is of type {dtype}")
    return array


def _in_shape(where: str, array: np.ndarray, info: TensorInfo) -> np.ndarray:
    """The numbers in the input's shape, whose only open size they decide."""
    shape = human_shape(info.shape)
    if array.ndim > 1:
        raise ConvertError(f"{where}: has {array.ndim} axes, the input has {len(info.shape)}, {shape}")
    fixed = [d for d in info.shape if isinstance(d, int)]
    unit, open_axes = int(np.prod(fixed)), len(info.shape) - len(fixed)
    if open_axes > 1:
        raise ConvertError(f"{where}: the shape {shape} leaves {open_axes} sizes open; write the numbers with [ ], or "
                           f"give --shape {info.name}=...")
    if (array.size != unit) if not open_axes else (not unit or array.size % unit):
        some = "a multiple of " if open_axes else ""
        raise ConvertError(f"{where}: has {array.size} numbers, the input needs {some}{unit}, {shape}")
    return array.reshape([d if isinstance(d, int) else -1 for d in info.shape])


# ---- what is not given ----
def _fill(session: Session, feeds: Feeds, fills: Mapping[str, str], given: Given) -> None:
    """Makes the arrays of `fills` and notes the sizes that were open."""
    from ..feeds import Port, make, sizes
    from ..ranges import ends, from_metadata

    wanted = [t for t in session.inputs if t.name in fills]
    ports = [Port(t.name, t.dtype, given.shapes.get(t.name, t.shape)) for t in wanted]
    known = dict((ends(from_metadata(session.metadata)) or [{}])[0])
    for t in session.inputs:  # the same symbol in another input stands for the same size
        shape = feeds.arrays[t.name].shape if t.name in feeds.arrays else given.shapes.get(t.name, ())
        if len(shape) == len(t.shape):
            known |= {s: d for s, d in zip(t.shape, shape, strict=True) if isinstance(s, str)}
    chosen = next(sizes(ports, known))
    made = make(ports, chosen, given.seed, "normal")
    for p in ports:
        fill = {"zeros": np.zeros, "ones": np.ones}.get(fills[p.name])
        feeds.arrays[p.name] = fill(chosen[p.name], p.dtype) if fill else made[p.name]
    feeds.chosen = {p.name: chosen[p.name] for p in ports if p.dynamic}


def say_sizes(chosen: Mapping[str, tuple[int, ...]]) -> None:
    """Says which shapes `gather_feeds` chose."""
    if chosen:
        shapes = ", ".join(f"{n} {human_shape(s)}" for n, s in chosen.items())
        say(f"sizes that the model leaves open (others with --shape): {shapes}")
