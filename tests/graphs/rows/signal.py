"""Fourier transforms and what stands around them."""
from __future__ import annotations

import numpy as np
from builder import Builder, Invalid, Tensor, row
from onnx import TensorProto

LENGTHS = [8, 4, 5, 6, 7, 3, 12, 16, 2, 1, 11, 20, 34, 37]


def signals(g: Builder, last: int, rank: tuple[int, int] = (2, 5)) -> Tensor:
    """[... `last`], sizes that a transform is made of among the others."""
    def make() -> list[int]:
        return [*(g.pick(LENGTHS) if g.flag() else max(g.size(), 1) for _ in range(g.draw(*rank) - 1)), last]

    x = g.some(0, rank, fits=lambda s: s[-1] == last and 0 not in s, make=make, flavour="plain")
    if not np.isfinite(x.value).all():
        raise Invalid  # where a NaN goes depends on the algorithm
    return x


def integer(g: Builder, of: int, value: int, dtype: np.dtype | None = None) -> Tensor:
    return g.given(value, const=70, dtype=dtype or g.pick(g.types(of)))


@row("DFT")
def dft(g: Builder) -> None:
    onesided, inverse = int(g.flag(40)), int(g.flag(40))
    x = signals(g, inverse + 1 if onesided else g.draw(1, 2))
    axis = g.draw(0, x.rank - 2)
    named = axis - x.rank if g.flag(30) else axis
    size = x.shape[axis]
    if onesided and inverse and size < 2:
        raise Invalid
    length = integer(g, 1, g.pick([size, *LENGTHS])) if g.flag(40) else None
    if g.opset < 20:
        g.node(x, length, axis=None if axis == 1 and g.flag() else named, onesided=onesided or None,
               inverse=inverse or None)
    else:
        given = None if axis == x.rank - 2 and g.flag() else g.given(named)
        g.node(x, length, given, onesided=onesided if g.flag() else onesided or None, inverse=inverse or None)


@row("STFT")
def stft(g: Builder) -> None:
    x = signals(g, g.draw(1, 2), (3, 3))
    n = min(g.pick(LENGTHS), x.shape[1])
    window = g.new(x.dtype, [n], low=0, high=1) if g.flag(70) else None
    step = integer(g, 1, g.draw(1, 6))
    length = integer(g, 3, n, step.dtype) if window is None or g.flag(30) else None
    g.node(x, step, window, length, onesided=g.pick([None, 0, 1]))


@row("HannWindow", "HammingWindow", "BlackmanWindow")
def window(g: Builder) -> None:
    """f16 is left out, which ONNX's evaluator computes in f16, and integers, which hang on the last bit."""
    to = g.pick([None, TensorProto.FLOAT, TensorProto.DOUBLE])
    g.node(integer(g, 0, g.pick([*LENGTHS, 0, 400])), periodic=g.pick([None, 0, 1]), output_datatype=to)


@row("MelWeightMatrix")
def mel_weight_matrix(g: Builder) -> None:
    kind, edge = g.pick(g.types(0)), g.pick([np.float32, np.float64])  # with f16 the evaluator's mel scale is f16, too
    rate = g.pick([8000, 16000, 22050, 44100])
    low, high = g.draw(0, 300), rate // 2 - g.draw(0, 1000)
    numbers = [g.given(v, const=90, dtype=kind) for v in (g.draw(1, 80), g.pick([16, 64, 65, 400, 512]), rate)]
    edges = [g.given(v, const=90, dtype=edge) for v in (low, high)]
    g.node(*numbers, *edges, output_datatype=g.pick([None, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32]))
