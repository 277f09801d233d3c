"""How far a tensor is from its reference."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_SLICES = 256  # axes longer than this are not looked at slice by slice
FLOOR = 1e-3  # a slice's scale is at least this part of the whole tensor's
SMALL, SMALL_FLOOR = 16, 1e-2  # for slices of fewer elements: 1e-4 * 1e-3 of the whole is less than one rounding of f32
SMALL_FLOOR_F16 = 1.0  # and one rounding of an f16 weight is half of 1e-3 of what it contributes
ZERO = 1e-6  # what an all-zero reference allows
LIMITS = {"f32": 1e-4, "f16": 1e-3}
INNER = 10  # times the limit, for tensors that are no outputs: cancellation makes some of them less exact than these
MIN_COSINE = 0.999  # of quantised models


@dataclass(frozen=True)
class Result:
    """One tensor's comparison. `kind`: 'error' (limit is a maximum), 'cosine' (a minimum) or 'equal'."""

    name: str
    kind: str
    value: float
    limit: float
    ok: bool
    why: str = ""

    def sentence(self) -> str:
        """`'y': error 2.1e-07 (limit 1e-04)`."""
        if self.why:
            return f"'{self.name}': {self.why}"
        if self.kind == "equal":
            return f"'{self.name}': equal"
        return f"'{self.name}': {self.kind} {self.value:.6g} (limit {self.limit:g})"


def tensor_error(reference: np.ndarray, got: np.ndarray, small_floor: float = SMALL_FLOOR) -> float:
    """The largest of `max|d| / max(max|ref|, FLOOR max|whole ref|)` over the whole tensor and over each slice i of each
    axis with 1 < size <= MAX_SLICES (small_floor for slices of fewer than SMALL elements).

    Both arrays have the same shape (any real dtype). NaN and Inf must stand in the same places (else inf); an all-zero
    reference gives 0 when |got| <= ZERO, else inf.
    """
    r, g = np.asarray(reference, np.float64), np.asarray(got, np.float64)
    if r.shape != g.shape:
        return math.inf
    if not r.size:
        return 0.0
    finite = np.isfinite(r)
    if not finite.all() or not np.isfinite(g).all():
        same = (np.isnan(r) & np.isnan(g)) | (r == g) | (finite & np.isfinite(g))
        if not same.all():
            return math.inf
        r, g = np.where(finite, r, 0.0), np.where(finite, g, 0.0)
    d, r = np.abs(g - r), np.abs(r)
    whole = float(r.max())
    if whole == 0:
        return 0.0 if float(d.max()) <= ZERO else math.inf
    worst = float(d.max()) / whole
    for axis, size in enumerate(r.shape):
        if 1 < size <= MAX_SLICES:
            others = tuple(i for i in range(r.ndim) if i != axis)
            floor = whole * (FLOOR if r.size // size >= SMALL else small_floor)
            worst = max(worst, float((d.max(others) / np.maximum(r.max(others), floor)).max()))
    return worst


def cosine(reference: np.ndarray, got: np.ndarray) -> float:
    """Cosine of the angle between two tensors of the same shape; 1 for two zero ones, NaN counts as no likeness."""
    r, g = np.asarray(reference, np.float64).ravel(), np.asarray(got, np.float64).ravel()
    if r.shape != g.shape:
        return -1.0
    scale = float(np.linalg.norm(r) * np.linalg.norm(g))
    if scale == 0:
        return 1.0 if np.array_equal(r, g) else 0.0
    c = float(r @ g) / scale
    return c if math.isfinite(c) else -1.0


def judge(name: str, reference: np.ndarray, got: np.ndarray, precision: str = "f32", inner: bool = False) -> Result:
    """Compares one tensor by the rules of its dtype.

    precision: 'f32', 'f16' or 'quantized' (of the whole model). inner: it is not an output of the model.
    """
    reference, got = np.asarray(reference), np.asarray(got)
    if reference.dtype != got.dtype:
        return Result(name, "equal", math.inf, 0, False, f"dtype is {got.dtype}, the reference's {reference.dtype}")
    if reference.shape != got.shape:
        return Result(name, "equal", math.inf, 0, False, f"shape is {got.shape}, the reference's {reference.shape}")
    # 8-bit results of a quantised model may be one step off, as its floats may
    small_int = reference.dtype.kind in "iu" and reference.dtype.itemsize == 1
    if precision == "quantized" and (reference.dtype.kind == "f" or small_int):
        c = cosine(reference, got)
        return Result(name, "cosine", c, MIN_COSINE, c >= MIN_COSINE)
    if reference.dtype.kind == "f":
        kind = "f16" if reference.dtype == np.float16 else precision
        limit = LIMITS[kind] * (INNER if inner else 1)
        error = tensor_error(reference, got, SMALL_FLOOR_F16 if kind == "f16" else SMALL_FLOOR)
        why = "" if math.isfinite(error) else _why_infinite(reference, got)
        return Result(name, "error", error, limit, error <= limit, why)
    wrong = int((reference != got).sum())
    why = f"{wrong} of {reference.size} {reference.dtype} values differ" if wrong else ""
    return Result(name, "equal", float(wrong), 0, not wrong, why)


def _why_infinite(reference: np.ndarray, got: np.ndarray) -> str:
    bad, ref_bad = int((~np.isfinite(got)).sum()), int((~np.isfinite(reference)).sum())
    if bad or ref_bad:
        return f"{bad} values are NaN or infinite, {ref_bad} of the reference's, not in the same places"
    return f"the reference is all zero, ours goes up to {float(np.abs(got.astype(np.float64)).max()):.3g}"


def plain(x: Any) -> Any:
    """The same data in what JSON can hold."""
    if isinstance(x, Mapping):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else str(float(x))
    return int(x) if isinstance(x, np.integer) else x
