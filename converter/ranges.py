"""Declared ranges of symbolic dims: the sizes for which a model is meant, as text like 1..8, 32..640/32 or 1,2,4.

The text is kept in the file's metadata. It says where the proof ran and what `show` plans; a session takes other sizes
too.
"""
from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence

from ..spec.ops import MAX_DIM
from .errors import ConvertError

KEY = "lite_runtime.dims"  # of the metadata: JSON, {symbol: text}
MOST_POINTS = 64
Dims = Mapping[str, "int | str"]


def parse(name: str, given: object) -> Sequence[int]:
    """The declared sizes, ascending. ConvertError, which names the dim, for what is neither a size nor a range."""
    sizes: Sequence[int] = []
    if isinstance(given, str) and re.fullmatch(r"[0-9]{1,12}(,[0-9]{1,12})*", given):
        sizes = sorted({int(n) for n in given.split(",")})
    elif isinstance(given, str) and (m := re.fullmatch(r"([0-9]{1,12})\.\.([0-9]{1,12})(?:/([0-9]{1,12}))?", given)):
        low, high, step = int(m[1]), int(m[2]), int(m[3] or 1)
        # both ends are proven, so both must belong to the range
        sizes = range(low, high + 1, step) if step and low <= high and (high - low) % step == 0 else []
    if not sizes or not 1 <= sizes[0] <= sizes[-1] <= MAX_DIM:
        raise ConvertError(f"dim '{name}': {given!r} is not a size; give a number from 1 to {MAX_DIM}, or a range like "
                           "1..8, 32..640/32 (steps that reach the end) or 1,2,4")
    return sizes


def split(dims: Dims) -> tuple[dict[str, int], dict[str, Sequence[int]]]:
    """The fixed sizes, and the declared ranges of more than one size."""
    fixed, ranges = {}, {}
    for name, given in dims.items():
        if not isinstance(given, str):
            fixed[name] = int(given)
        elif len(sizes := parse(name, given)) == 1:
            fixed[name] = sizes[0]
        else:
            ranges[name] = sizes
    return fixed, ranges


def ends(ranges: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """The smallest and the largest point; none without ranges."""
    return [{n: r[i] for n, r in ranges.items()} for i in (0, -1)] if ranges else []


def points(ranges: Mapping[str, Sequence[int]]) -> tuple[list[dict[str, int]], bool]:
    """All declared points, and True; where there are too many, as many corners as fit (both ends first), and False."""
    whole = math.prod(len(r) for r in ranges.values()) <= MOST_POINTS
    axes = [r if whole else (r[0], r[-1]) for r in ranges.values()]
    found = [dict(zip(ranges, p, strict=True)) for p in itertools.islice(itertools.product(*axes), MOST_POINTS)]
    return (found, True) if whole else (ends(ranges) + [p for p in found if p not in ends(ranges)], False)


def to_metadata(dims: Dims) -> str:
    """What the file keeps of them; '' when no dim has a range."""
    ranges = split(dims)[1]
    return json.dumps({n: dims[n] for n in sorted(ranges)}) if ranges else ""


def from_metadata(metadata: Mapping[str, str]) -> dict[str, Sequence[int]]:
    """The ranges that a file declares. ConvertError when its text is damaged."""
    try:
        given = json.loads(metadata.get(KEY, "{}"))
        if not isinstance(given, dict):
            raise ValueError
    except (ValueError, RecursionError) as e:
        raise ConvertError(f"metadata '{KEY}': its text is damaged; convert the model again") from e
    return {n: parse(n, text) for n, text in given.items()}
