"""Inputs for a proof: sizes for the dims that a model leaves open, and seeded values."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .ir import Shape

# height, width and length to try for open dims, in this order
SIZES = ((64, 64, 16), (32, 96, 8), (48, 192, 512), (224, 224, 576), (320, 320, 1), (640, 640, 128), (256, 256, 1600),
         (28, 28, 3), (299, 299, 16000))
# how inputs are filled, in this order: floats normal, or images of strokes (white noise is nothing to a detector), or
# small (deep networks with random weights blow up rounding errors of large ones); integers small, ones or zeros
KINDS = ("normal", "strokes", "faint", "ones", "zeros")
FAINT = 0.1


@dataclass(frozen=True)
class Port:
    """An input to fill."""

    name: str
    dtype: np.dtype
    shape: Shape

    @property
    def dynamic(self) -> bool:
        return any(not isinstance(d, int) for d in self.shape)


def sizes(ports: list[Port], dims: Mapping[str, int]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Shapes of all inputs to try, each different from those before; one only when nothing is open."""
    seen = set()
    for trial in SIZES:
        symbols = dict(dims)
        for p in sorted(ports, key=lambda p: -len(p.shape)):
            for axis, d in enumerate(p.shape):
                if isinstance(d, str) and d not in symbols:
                    symbols[d] = _size(d, p, axis, trial)
        shapes = {p.name: tuple(_resolve(p, axis, symbols, trial) for axis in range(len(p.shape))) for p in ports}
        key = tuple(sorted(shapes.items()))
        if key not in seen:
            seen.add(key)
            yield shapes


def _resolve(p: Port, axis: int, symbols: Mapping[str, int], trial: tuple[int, int, int]) -> int:
    d = p.shape[axis]
    return d if isinstance(d, int) else symbols[d] if d is not None else _size("", p, axis, trial)


def _size(symbol: str, p: Port, axis: int, trial: tuple[int, int, int]) -> int:
    """A likely size: batches of one, images of three channels, sequences."""
    height, width, length = trial
    rank, name = len(p.shape), symbol.lower()
    if "batch" in name or (axis == 0 and rank > 1):
        return 1
    if rank == 4:
        last = p.shape[3]
        channels_last = isinstance(last, int) and last <= 4 and not isinstance(p.shape[1], int)
        return ((1, height, width, 3) if channels_last else (1, 3, height, width))[axis]
    if rank == 5:
        return (1, 3, 8, height, width)[axis]
    return length


def kinds(ports: list[Port]) -> list[str]:
    """Those of KINDS that differ for these inputs."""
    integers = any(p.dtype.kind in "iu" for p in ports)
    images = any(_is_image(p) for p in ports)
    floats = any(p.dtype.kind == "f" for p in ports)
    return ["normal"] + ["strokes"] * images + ["faint"] * floats + ["ones", "zeros"] * integers


def _is_image(p: Port) -> bool:
    return p.dtype.kind == "f" and len(p.shape) == 4 and any(p.shape[a] in (1, 3, 4) for a in (1, 3))


def make(ports: list[Port], shapes: Mapping[str, tuple[int, ...]], seed: int, kind: str) -> dict[str, np.ndarray]:
    """Arrays for the inputs: floats are normal, bools and masks are ones, integers small (see KINDS).

    The same seed gives the same arrays on every machine (numpy's PCG64).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    return {p.name: _fill(rng, p, shapes[p.name], kind) for p in ports}


def nudged(feeds: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """The same inputs with each float32 or float64 moved to the next number up or down, at random.

    What a model makes of them is as far from what it makes of the others as rounding alone may bring two right answers
    (one rounding of a float16 is coarser than the arithmetic, so those stay).
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    return {n: np.asarray(np.nextafter(x, np.where(rng.random(x.shape) < 0.5, -np.inf, np.inf).astype(x.dtype)))
            if x.dtype in (np.float32, np.float64) else x for n, x in feeds.items()}


def _fill(rng: np.random.Generator, p: Port, shape: tuple[int, ...], kind: str) -> np.ndarray:
    name = p.name.lower()
    if kind == "strokes" and _is_image(p):
        return _strokes(rng, shape).astype(p.dtype)
    if p.dtype.kind == "f":
        return np.asarray(rng.standard_normal(shape) * (FAINT if kind == "faint" else 1)).astype(p.dtype)
    if p.dtype.kind == "b" or "mask" in name:
        return np.ones(shape, p.dtype)
    if kind == "zeros" or "token_type" in name:
        return np.zeros(shape, p.dtype)
    if kind == "ones":
        return np.ones(shape, p.dtype)
    if p.dtype.itemsize == 1:  # images and quantised tensors use the whole range
        info = np.iinfo(p.dtype)
        return np.asarray(rng.integers(info.min, info.max, shape, endpoint=True)).astype(p.dtype)
    return np.asarray(rng.integers(0, 10, shape)).astype(p.dtype)


def _strokes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Grey images [N C H W] or [N H W C] of horizontal and vertical bars, of text-like size and contrast."""
    last = shape[1] not in (1, 3, 4)
    height, width = (shape[1], shape[2]) if last else (shape[2], shape[3])
    plane = np.full((height, width), rng.standard_normal())
    for _ in range(max(4, height * width // 200)):
        y, x = int(rng.integers(0, height + 1)), int(rng.integers(0, width + 1))
        long, thin = int(rng.integers(1, max(3, min(height, width) // 3))), int(rng.integers(1, 4))
        dy, dx = (long, thin) if rng.random() < 0.5 else (thin, long)
        plane[y : y + dy, x : x + dx] = 2 * rng.standard_normal()
    return np.broadcast_to(plane[:, :, None] if last else plane, shape)
