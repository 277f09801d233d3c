"""Options that several commands have."""
from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
import numpy as np

from ... import Session
from ..errors import ConvertError
from ..feeds import Port, make, sizes
from ..ranges import ends, from_metadata
from .output import human_shape, say

F = TypeVar("F", bound=Callable[..., Any])


def common(function: F) -> F:
    """--json and --debug."""
    debug = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback with an error.")
    function = debug(function)
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(function)


def conversion(function: F) -> F:
    """--set, --state and --dim."""
    for option in (
        click.option("--dim", "dims", multiple=True, metavar="NAME=SIZE|RANGE", callback=_dims,
                     help="Fix a symbolic dim (batch=1), or declare its range: batch=1..8, h=32..640/32, n=1,2,4. May "
                          "be repeated."),
        click.option("--state", multiple=True, metavar="OUTPUT=INPUT", callback=_pairs,
                     help="Make INPUT a state that OUTPUT replaces after each run. May be repeated."),
        click.option("--set", "set_", multiple=True, metavar="INPUT=VALUE", callback=_values,
                     help="Make INPUT a constant: a number, true, false, or a JSON list. May be repeated."),
    ):
        function = option(function)
    return function


def inputs(function: F) -> F:
    """--input, --shape and --seed."""
    for option in (
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
                     help="For the inputs that are not given."),
        click.option("--shape", "shapes", multiple=True, metavar="INPUT=1,3,64,64", callback=_shapes,
                     help="Shape of an input that is not given. May be repeated."),
        click.option("--input", "-i", "files", multiple=True, metavar="INPUT=FILE.npy | FILE.npz",
                     help="Read inputs: one from an .npy file, or all from an .npz file. May be repeated."),
    ):
        function = option(function)
    return function


def _split(text: str, form: str) -> tuple[str, str]:
    name, equal, value = text.partition("=")
    if not equal or not name or not value:
        raise click.BadParameter(f"'{text}' is not of the form {form}")
    return name, value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [n for n, _ in pairs]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise click.BadParameter(f"'{twice}' is given twice")
    return dict(pairs)


def _pairs(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    return _unique([_split(t, "OUTPUT=INPUT") for t in texts])


def _values(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    pairs = []
    for name, text in (_split(t, "INPUT=VALUE") for t in texts):
        try:
            value = json.loads(text)
            if np.asarray(value).dtype.kind not in "biuf":
                raise ValueError
        except (ValueError, RecursionError) as e:
            raise click.BadParameter(f"'{text}' is not a number, true, false or a JSON list of these") from e
        pairs.append((name, value))
    return _unique(pairs)


def _integer(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise click.BadParameter(f"'{text}' is not {what}")
    return int(text)


def _dims(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, int | str]:
    pairs = [_split(t, "NAME=SIZE") for t in texts]
    return _unique([(n, v if ".." in v or "," in v else _integer(v, "a size")) for n, v in pairs])


def _shapes(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    pairs = [_split(t, "INPUT=1,3,64,64") for t in texts]
    return _unique([(n, tuple(_integer(d, "a shape like 1,3,64,64") for d in v.replace("x", ",").split(",")))
                    for n, v in pairs])


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


def gather_feeds(session: Session, files: tuple[str, ...], shapes: dict[str, tuple[int, ...]],
                 seed: int) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, ...]]]:
    """All inputs of a session: from the files, the others random; and the shapes that were chosen here, because the
    model leaves them open (the smallest of declared ranges, else likely ones)."""
    feeds: dict[str, np.ndarray] = {}
    names = [t.name for t in session.inputs]
    for text in files:
        name, equal, path = text.partition("=")
        if equal and (name in names or not os.path.exists(text)):
            array = read_array(path)
            if isinstance(array, dict):
                raise ConvertError(f"{path}: holds several arrays; give it without '{name}='")
            feeds[name] = array
        else:
            arrays = read_array(text)
            if not isinstance(arrays, dict):
                raise ConvertError(f"{text}: holds one array; say for which input: --input NAME={text}")
            feeds |= arrays
    for what, given in (("input", feeds), ("shape", shapes)):
        for name in given:
            if name not in names:
                raise ConvertError(f"--{what}: the model has no input '{name}'; it has {', '.join(names) or 'none'}")
    missing = [t for t in session.inputs if t.name not in feeds]
    ports = [Port(t.name, t.dtype, shapes.get(t.name, t.shape)) for t in missing]
    smallest = (ends(from_metadata(session.metadata)) or [{}])[0]
    chosen = next(sizes(ports, smallest))
    return feeds | make(ports, chosen, seed, "normal"), {p.name: chosen[p.name] for p in ports if p.dynamic}


def say_sizes(chosen: dict[str, tuple[int, ...]]) -> None:
    """Says which shapes `gather_feeds` chose."""
    if chosen:
        shapes = ", ".join(f"{n} {human_shape(s)}" for n, s in chosen.items())
        say(f"sizes that the model leaves open (others with --shape): {shapes}")
