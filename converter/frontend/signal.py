"""Fourier transforms, their windows, and the mel scale."""
from __future__ import annotations

import math

from ..ir import Value
from .context import Context, onnx_op
from .tensors import dtype_of

MAX_WEIGHTS = 1 << 24  # elements of a mel weight matrix


def floats(c: Context, v: Value, what: str) -> Value:
    """v as f32, or f64 when it is that."""
    if v.dtype not in ("f32", "f16", "f64"):
        raise c.refuse(f"{what} of dtype {v.dtype} is not supported", "use f32, f16 or f64")
    return c.cast(v, "f32") if v.dtype == "f16" else v


@onnx_op("DFT")
def dft(c: Context) -> Value:
    x, given = c.input(0), c.opt(2)
    if given is not None and given.const is None:
        axis, attrs = c.ints_value(2), {}
    else:
        known = c.const_ints(2) or [c.attr("axis", -2)]
        at = c.resolve_axis(known[0], x.rank)
        if len(known) != 1 or at == x.rank - 1:
            raise c.refuse(f"the axis is {known}, but the last one holds real and imaginary parts",
                           "choose one before it")
        axis, attrs = None, {"axis": at}
    length = None if c.opt(1) is None else c.ints_value(1)
    y = c.add("dft", floats(c, x, "an input"), length, axis, inverse=int(bool(c.attr("inverse"))),
              onesided=int(bool(c.attr("onesided"))), **attrs)
    return c.cast(y, x.dtype)


@onnx_op("STFT")
def stft(c: Context) -> Value:
    """A signal of rank 2 is real; ONNX's text has it not, but exporters and onnxruntime do."""
    x, window = c.input(0), c.opt(2)
    signal = floats(c, x if x.rank != 2 else c.unsqueeze(x, [2]), "a signal")
    if window is not None:
        window = floats(c, window, "a window")
    length = None if c.opt(3) is None else c.ints_value(3)
    y = c.add("stft", signal, c.ints_value(1), window, length, onesided=int(bool(c.attr("onesided"))))
    return c.cast(y, x.dtype)


# a - b cos(2 pi k / n) + c cos(4 pi k / n), as ONNX's function bodies have them
WINDOWS = {"HannWindow": (0.5, 0.5, 0.0), "HammingWindow": (25 / 46, 1 - 25 / 46, 0.0),
           "BlackmanWindow": (0.42, 0.5, 0.08)}


@onnx_op(*WINDOWS)
def window(c: Context) -> Value:
    """In f64, whatever comes out: in f32 the angles alone would cost digits."""
    to = dtype_of(c.attr("output_datatype"), "the dtype to make")
    size = c.cast(c.as_scalar(c.input(0), "the size"), "f64")
    period = size if c.attr("periodic") else c.add("sub", size, c.scalar(1, "f64"))
    k = c.add("range", c.scalar(0, "f64"), size, c.scalar(1, "f64"))
    turn = c.add("div", c.add("mul", k, c.scalar(2 * math.pi, "f64")), period)
    first, second, third = (c.scalar(f, "f64") for f in WINDOWS[c.op])
    y = c.add("sub", first, c.add("mul", c.add("cos", turn), second))
    if WINDOWS[c.op][2]:
        twice = c.add("cos", c.add("mul", turn, c.scalar(2, "f64")))
        y = c.add("add", y, c.add("mul", twice, third))
    return c.cast(y, to)


def check_mel(c: Context, bands: float, length: float, rate: float, low: float, high: float) -> None:
    """Refuses numbers for which there is no matrix."""
    if not (1 <= bands and 1 <= length and 1 <= rate and bands * (length // 2 + 1) <= MAX_WEIGHTS):
        raise c.refuse(f"{bands} bands of a spectrum of length {length} at {rate} samples a second are not supported",
                       f"all three must be positive, the matrix may have {MAX_WEIGHTS} elements")
    if not 0 <= low <= high <= rate / 2:
        raise c.refuse(f"the edges {low:g} and {high:g} Hz are not supported at {rate} samples a second",
                       f"give 0 <= lower_edge <= upper_edge <= {rate / 2:g}")


@onnx_op("MelWeightMatrix")
def mel_weight_matrix(c: Context) -> Value:
    """Triangles whose corners are whole bins, evenly spaced on the mel scale: a logarithm of 1 + hertz / 700."""
    given = [c.as_scalar(c.input(i), "a parameter") for i in range(5)]
    known = [v.const.item() for v in given if v.const is not None]
    if len(known) == len(given):
        check_mel(c, *known)
    bands, length, rate, low, high = (c.cast(v, "f64") for v in given)
    zero, one, two, bend = (c.scalar(v, "f64") for v in (0, 1, 2, 700))
    start, end = (c.add("log", c.add("add", c.add("div", edge, bend), one)) for edge in (low, high))
    points = c.add("add", bands, two)
    step = c.add("div", c.add("sub", end, start), points)  # ONNX has it so; the last point is one step below the end
    mel = c.add("add", c.add("mul", c.add("range", zero, points, one), step), start)
    hertz = c.add("mul", c.add("sub", c.add("exp", mel), one), bend)
    corner = c.add("floor", c.add("div", c.add("mul", hertz, c.add("add", length, one)), rate))
    bins = c.add("range", zero, c.add("add", c.add("floor", c.add("div", length, two)), one), one)
    at, most = c.ints_const([0]), c.cast(c.unsqueeze(bands, [0]), "i64")

    def side(k: int) -> Value:  # corner k of each triangle
        return c.add("slice", corner, c.ints_const([k]), c.add("add", most, c.ints_const([k])), at)

    # an index of bins, so that a peak outside of the spectrum is an error
    peak = c.add("gather", bins, c.cast(side(1), "i64"), axis=0)
    left, right, row = side(0), side(2), c.unsqueeze(bins, [1])
    up = c.add("div", c.add("sub", row, left), c.add("max", c.add("sub", peak, left), one))
    down = c.add("div", c.add("sub", right, row), c.add("max", c.add("sub", right, peak), one))
    y = c.add("max", c.add("min", up, down), zero)
    y = c.add("select", c.add("equal", row, peak), one, y)
    return c.cast(y, dtype_of(c.attr("output_datatype"), "the dtype to make"))
