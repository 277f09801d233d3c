"""An .lrm file as plain dicts, for `lite-opt show` and tests. The runtime has its own reader, which verifies."""
from __future__ import annotations

import os
from typing import Any

import numpy as np

from ...spec import fbs
from ..dtypes import BY_CODE, DTYPES, to_numpy
from ..errors import ConvertError
from . import flat


def read(source: str | os.PathLike[str] | bytes) -> dict[str, Any]:
    """The tables of spec/model.fbs. Absent fields: scalars have their default, strings "", vectors [], tables None."""
    return flat.parse(fbs.load(), _bytes(source))


def has_constants(source: str | os.PathLike[str] | bytes, dtype: str) -> bool:
    """Whether a file has constants of a dtype."""
    tensors = (t for g in read(source)["subgraphs"] for t in g["tensors"])
    return any(t["encodings"] and t["dtype"] == DTYPES[dtype].code for t in tensors)


def constant(source: str | os.PathLike[str] | bytes, model: dict[str, Any], tensor: dict[str, Any]) -> np.ndarray:
    """The value of a constant tensor of read(source), from its canonical encoding."""
    data = _bytes(source)
    for e in tensor["encodings"]:
        if e["kind"] == 0 and e["section"] < len(model["sections"]):
            start = model["sections"][e["section"]]["offset"] + e["offset"]
            raw = data[start : start + e["size"]]
            try:
                return np.frombuffer(raw, to_numpy(BY_CODE[tensor["dtype"]].name)).reshape(tensor["dims"])
            except (KeyError, ValueError):
                break
    raise ConvertError(f"read: tensor '{tensor['name']}' has no readable value")


def _bytes(source: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    try:
        with open(source, "rb") as f:
            return f.read()
    except OSError as e:
        raise ConvertError(f"read '{os.fspath(source)}': {e.strerror}") from None
