"""Models of either kind on the command line: .lrm files, and sources that are converted in memory."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..errors import ConvertError


def is_lrm(path: str) -> bool:
    """Whether a file is an .lrm file, by its first bytes (or by its name, so that a damaged one is called that)."""
    try:
        with open(path, "rb") as f:
            return f.read(8)[4:] == b"LRM0" or path.endswith(".lrm")
    except OSError as e:
        raise ConvertError(f"{path}: {(e.strerror or 'cannot be read').lower()}") from e


def convert_in_memory(model: str, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int | str],
                      tell: Callable[[str], None]) -> bytes:
    """The bytes of the .lrm file that a source becomes, not proven."""
    from ..api import convert

    tell("converting")
    return convert(model, verify=False, set=set_, state=state, dim=dims)


def refuse_conversion(what: str, *options: Any) -> None:
    """A usage error when options of a conversion are given with a model that is converted already: `what` says which,
    `m.lrm is`."""
    if any(options):
        raise click.UsageError(f"--set, --state and --dim are for an ONNX model; {what} converted already")
