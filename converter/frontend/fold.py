"""Small constants computed while importing.

Importers must know axes, sizes and conditions, and exporters like to compute them. Only what is exact on every machine
(integers, comparisons, single correctly rounded float operations) and small is done here; the folding pass, on the
runtime's own kernels, does the rest.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import to_numpy
from ..ir import Value

MAX_ELEMENTS = 4096


def fold(op: str, inputs: Sequence[Value | None], attrs: dict[str, Any]) -> np.ndarray | None:
    """The single output of an operator when it follows from constants or known sizes, else None."""
    if op == "shape":
        return _known_dims(inputs[0].shape, slice(attrs.get("start", 0), attrs.get("end")))
    rule = _RULES.get(op)
    if rule is None:
        return None
    known = _of_shape(op, inputs, attrs)
    if known is not None:
        return known
    arrays = [None if v is None else v.const for v in inputs]
    if any(v is not None and (a is None or a.size > MAX_ELEMENTS) for v, a in zip(inputs, arrays, strict=True)):
        return None
    if any(a is not None and a.dtype == np.float16 for a in arrays):
        return None
    with np.errstate(all="ignore"):
        try:
            y = rule(attrs, *arrays)
        except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError):
            return None  # a mistake in the model; the operator's own shape inference has the words for it
    return None if y is None or y.size > MAX_ELEMENTS else np.asarray(y)


def _known_dims(shape: Sequence[Any], index: Any) -> np.ndarray | None:
    """shape[index] as i64 when all of it is known."""
    dims = np.array(shape, object)[index]
    flat = dims.reshape(-1).tolist() if isinstance(dims, np.ndarray) else [dims]
    if not all(isinstance(d, int) for d in flat):
        return None
    return np.array(flat, np.int64).reshape(np.shape(dims))


def _of_shape(op: str, inputs: Sequence[Value | None], attrs: dict[str, Any]) -> np.ndarray | None:
    """Parts of `shape` whose sizes are known though others are not: gather and slice of it."""
    x = inputs[0]
    if op not in ("gather", "slice") or x is None or x.node is None or x.node.op != "shape":
        return None
    rest = [None if v is None else v.const for v in inputs[1:]]
    if any(a is None and v is not None for a, v in zip(rest, inputs[1:], strict=True)):
        return None
    source = x.node
    dims = source.inputs[0].shape[source.attrs.get("start", 0):source.attrs.get("end")]
    try:
        if op == "gather":
            return _known_dims(dims, rest[0])
        starts, ends = (a.reshape(-1).tolist() for a in rest[:2])
        step = rest[3].reshape(-1).tolist()[0] if len(rest) > 3 and rest[3] is not None else 1
        return _known_dims(dims, slice(starts[0], ends[0], step)) if step > 0 else None
    except (IndexError, ValueError):
        return None


def _div(_: dict, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    if a.dtype.kind == "f":
        return a / b
    if np.any(b == 0) or (a.dtype.kind == "i" and np.any((b == -1) & (a == np.iinfo(a.dtype).min))):
        return None
    return ((a - np.fmod(a, b)) // b).astype(a.dtype)  # ONNX rounds towards zero


def _cast(attrs: dict, a: np.ndarray) -> np.ndarray | None:
    to = to_numpy(attrs["to"])
    if to == np.float16 or (a.size > 1 and a.dtype.kind in "iu" and a.itemsize <= 4 and to.kind == "f"):
        return None  # quantised weights stay what they are, for the rules that compute with them
    if a.dtype.kind == "f" and to.kind in "iu":
        t = np.trunc(a.astype(np.float64))
        info = np.iinfo(to)
        if not np.all(np.isfinite(t)) or np.any((t < info.min) | (t >= float(info.max))):
            return None
    return a.astype(to)


def _slice(_: dict, x: np.ndarray, starts: np.ndarray, ends: np.ndarray, axes: np.ndarray | None = None,
           steps: np.ndarray | None = None) -> np.ndarray | None:
    axes_ = list(range(len(starts))) if axes is None else axes.tolist()
    steps_ = [1] * len(starts) if steps is None else steps.tolist()
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes_, steps_, strict=True):
        n = x.shape[axis]
        if step < 0 < n:  # a start before the first element is the first one here, and nothing in numpy
            start = max(start + n if start < 0 else min(start, n - 1), 0)
        index: list[slice] = [slice(None)] * x.ndim
        index[axis] = slice(start, end, step)
        x = x[tuple(index)]
    return x


def _expand(_: dict, x: np.ndarray, shape: np.ndarray) -> np.ndarray | None:
    dims = np.broadcast_shapes(x.shape, tuple(shape.tolist()))
    return np.broadcast_to(x, dims).copy() if math.prod(dims) <= MAX_ELEMENTS else None


def _reshape(attrs: dict, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    dims = shape.tolist()
    if not attrs.get("allow_zero", 0):
        dims = [x.shape[i] if d == 0 else d for i, d in enumerate(dims)]
    return x.reshape(dims)


def _reduce(attrs: dict, x: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray | None:
    f = {"sum": np.add, "prod": np.multiply, "min": np.minimum, "max": np.maximum}.get(attrs.get("kind", "sum"))
    if f is None or axes is not None or x.dtype.kind not in "iu" or x.size == 0:
        return None
    axes = tuple(i for i in range(x.ndim) if attrs.get("axes", 0) >> i & 1)
    return np.asarray(f.reduce(x, axis=axes, keepdims=bool(attrs.get("keep_dims", 1)))).astype(x.dtype)


def _concat(attrs: dict, *xs: np.ndarray) -> np.ndarray | None:
    return np.concatenate(xs, axis=attrs.get("axis", 0)) if len({x.dtype for x in xs}) == 1 else None


def _range(_: dict, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray | None:
    a, b, step = (x.reshape(())[()] for x in (start, limit, delta))
    if not all(np.isfinite([a, b, step])) or step == 0 or not float(b) - float(a) <= MAX_ELEMENTS * abs(float(step)):
        return None
    n = max(int(np.ceil((float(b) - float(a)) / float(step))), 0)
    return a + np.arange(n).astype(start.dtype) * step if abs(float(b)) + abs(float(a)) < 2**52 else None


def _tile(_: dict, x: np.ndarray, repeats: np.ndarray) -> np.ndarray | None:
    if len(repeats) != x.ndim or repeats.min(initial=0) < 0 or math.prod(map(int, x.shape * repeats)) > MAX_ELEMENTS:
        return None
    return np.tile(x, repeats)


def _axes(mask: int, rank: int) -> tuple[int, ...]:
    return tuple(i for i in range(rank) if mask >> i & 1)


def _gather(attrs: dict, x: np.ndarray, indices: np.ndarray) -> np.ndarray | None:
    if x.shape[attrs.get("axis", 0)] == 0 or x.size * max(indices.size, 1) > MAX_ELEMENTS**2:
        return None
    return np.take(x, indices, axis=attrs.get("axis", 0))


def _binary(f: Callable[..., np.ndarray]) -> Callable[..., np.ndarray | None]:
    def rule(_: dict, *a: np.ndarray) -> np.ndarray | None:
        if math.prod(np.broadcast_shapes(*(x.shape for x in a))) > MAX_ELEMENTS:
            return None
        return np.asarray(f(*a))
    return rule


_RULES: dict[str, Callable[..., np.ndarray | None]] = {
    **{name: _binary(f) for name, f in {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum,
        "equal": np.equal, "less": np.less, "less_equal": np.less_equal, "greater": np.greater,
        "greater_equal": np.greater_equal, "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor,
        "not": np.logical_not, "select": np.where, "neg": np.negative, "abs": np.abs,
        "floor": np.floor, "ceil": np.ceil,
    }.items()},
    "div": _div,
    "cast": _cast,
    "slice": _slice,
    "gather": _gather,
    "expand": _expand,
    "range": _range,
    "tile": _tile,
    "reshape": _reshape,
    "reduce": _reduce,
    "concat": _concat,
    "squeeze": lambda attrs, x: np.squeeze(x, _axes(attrs["axes"], x.ndim)),  # axes as an input are not constant here
    "unsqueeze": lambda attrs, x: np.expand_dims(x, _axes(attrs["axes"], 32)) if attrs["axes"] else x,
    "transpose": lambda attrs, x: np.array(np.transpose(x, attrs["perm"]), order="C"),
    "flatten": lambda attrs, x: x.reshape(math.prod(x.shape[:attrs["axis"]]), -1),
    "identity": lambda attrs, x: x,
}
