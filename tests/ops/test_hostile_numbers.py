"""Numbers of an enemy's choice in integer operators, casts and quantisation: each has a defined result within its type,
or is an error. Expected values are Python's integers, wrapped, and numpy's doubles."""
from __future__ import annotations

import numpy as np
import pytest
from op_frame import TENSOR, Row, model, row

import lite_runtime

SIGNED = ["int8", "int16", "int32", "int64"]


def computed(r: Row, want: np.ndarray, symbolic: bool = True) -> np.ndarray:
    data = lite_runtime.convert(model(r, symbolic, [want]), verify=False)
    with lite_runtime.Session(data, threads=2) as session:
        return session.run(r.feeds())["y0"]


def wrapped(values: list[int], dtype: str) -> np.ndarray:
    bits = 8 * np.dtype(dtype).itemsize
    return np.array([v % 2**bits for v in values], np.dtype(dtype.replace("int", "uint"))).view(dtype)


def power(a: int, b: int) -> int:
    return a**b if b >= 0 else {1: 1, -1: 1 if b % 2 == 0 else -1}.get(a, 0)


@pytest.mark.parametrize("length", [1, 9])
@pytest.mark.parametrize("dtype", SIGNED)
def test_ends_of_integers(dtype: str, length: int) -> None:
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    pairs = [(low, -1), (low, 1), (high, -1), (low, low), (high, low), (-7, 2), (7, -2), (0, -1), (-1, high)] * length
    a, b = (np.array(v, dtype) for v in zip(*pairs, strict=True))

    def quotient(x: int, y: int) -> int:
        return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)

    def check(op: str, want: list[int], *inputs: np.ndarray, **attrs: int) -> None:
        expected = wrapped(want, dtype)
        np.testing.assert_array_equal(computed(row(op, *inputs, **attrs), expected), expected, op)

    check("Div", [quotient(x, y) for x, y in pairs], a, b)
    check("Mod", [x % y for x, y in pairs], a, b)
    check("Mod", [x - quotient(x, y) * y for x, y in pairs], a, b, fmod=1)
    check("Abs", [abs(x) for x, _ in pairs], a)
    check("Neg", [-x for x, _ in pairs], a)
    for op, f in (("Add", int.__add__), ("Sub", int.__sub__), ("Mul", int.__mul__)):
        check(op, [f(x, y) for x, y in pairs], a, b)
    if dtype in ("int32", "int64"):
        pairs = [(low, 2), (high, 3), (2, 63), (2, 70), (0, 0), (0, -1), (1, low), (-1, low), (-1, -3), (3, -1)]
        check("Pow", [power(x, y) for x, y in pairs], *(np.array(v, dtype) for v in zip(*pairs, strict=True)))


@pytest.mark.parametrize("op", ["Div", "Mod"])
@pytest.mark.parametrize("dtype", [*SIGNED, "uint8", "uint64"])
def test_divided_by_zero(op: str, dtype: str) -> None:
    """An error where it is found, and the session goes on."""
    r = row(op, np.arange(9, dtype=dtype), np.ones(9, dtype))
    data = lite_runtime.convert(model(r, True, [np.zeros(9, dtype)]), verify=False)
    zeros = np.ones(9, dtype)
    zeros[7] = 0
    with lite_runtime.Session(data, threads=2) as session:
        with pytest.raises(lite_runtime.Error, match="'node(#[0-9]+)?'.*divides an integer by zero"):
            session.run({**r.feeds(), "x1": zeros})
        assert session.run(r.feeds())["y0"].dtype == dtype


@pytest.mark.parametrize("way", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_shifts_beyond_the_width(dtype: str, way: str) -> None:
    bits, high = 8 * np.dtype(dtype).itemsize, int(np.iinfo(dtype).max)
    by = [0, 1, bits - 1, bits, bits + 1, high]
    want = np.array([0 if k >= bits else (high << k) % 2**bits if way == "LEFT" else high >> k for k in by], dtype)
    r = row("BitShift", np.full(len(by), high, dtype), np.array(by, dtype), direction=way)
    np.testing.assert_array_equal(computed(r, want), want)


@pytest.mark.parametrize("to", [*SIGNED, "uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_casts_saturate(dtype: str, to: str) -> None:
    """NaN becomes 0 and what is out of range the nearest integer there is, at every length of a vector's tail."""
    info = np.iinfo(to)
    with np.errstate(over="ignore"):
        x = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 65504, -65504, 2.0**31, -(2.0**31), 2.0**63, -(2.0**63),
                      2.0**64, -1, -0.5, 0.99, 255.5, 256, -128.9, -129] * 2).astype(dtype)
    whole = [0 if np.isnan(v) else int(info.max) if v == np.inf else int(info.min) if v == -np.inf else int(v)
             for v in x.astype(np.float64)]
    want = np.array([min(max(v, int(info.min)), int(info.max)) for v in whole], to)
    for n in (len(x), 5, 1):
        r = row("Cast", x[:n], to=getattr(TENSOR, to.upper()))
        np.testing.assert_array_equal(computed(r, want[:n]), want[:n])


# ---- quantised values ----
SCALES = [0.0, -0.0, -0.5, np.nan, np.inf, -np.inf, 1e-40, 3e38]
NUMBERS = np.array([0, 1, -1, np.nan, np.inf, -np.inf, 3e38, -3e38, 127.5, 1e-30], np.float32)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("scale", SCALES)
def test_any_scale_quantises_within_the_type(dtype: str, scale: float) -> None:
    """x / scale, rounded to even, saturates; NaN becomes the zero point."""
    info = np.iinfo(dtype)
    for zero in (info.min, info.max, 3):
        with np.errstate(all="ignore"):
            s = np.float32(np.copysign(0, scale) if abs(scale) < 1e-38 else scale)  # denormals are flushed
            q = np.rint((NUMBERS / s).astype(np.float64))
        want = np.clip(np.where(np.isnan(q), 0, np.clip(q, -1e6, 1e6)) + float(zero), info.min, info.max).astype(dtype)
        r = row("QuantizeLinear", NUMBERS, np.array(scale, np.float32), np.array(zero, dtype), opset=21)
        np.testing.assert_array_equal(computed(r, want, symbolic=False), want, f"zero point {zero}")


@pytest.mark.parametrize("scale", SCALES)
def test_any_scale_dequantises(scale: float) -> None:
    x = np.array([-(2**31), 2**31 - 1, 0, -1, 5], np.int32)
    s = np.float32(0 if 0 < abs(scale) < 1e-38 else scale)
    with np.errstate(all="ignore"):
        want = x.astype(np.float32) * s
    got = computed(row("DequantizeLinear", x, np.array(scale, np.float32)), want, symbolic=False)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("values", [[np.nan] * 4, [np.inf, 1, 2, 3], [-np.inf, np.inf, 0, 0], [3e38, -3e38, 0, 1],
                                    [1e-40] * 4, [0, np.nan, 5, -5]])
def test_ranges_that_are_no_ranges(values: list[float]) -> None:
    """What DynamicQuantizeLinear makes of them is open; it is made, in every element."""
    r = row("DynamicQuantizeLinear", np.array(values, np.float32), outputs=3)
    data = lite_runtime.convert(model(r, False), verify=False)
    with lite_runtime.Session(data) as session:
        got = session.run(r.feeds())
    assert got["y0"].shape == (4,) and got["y0"].dtype == np.uint8 and got["y2"].dtype == np.uint8
