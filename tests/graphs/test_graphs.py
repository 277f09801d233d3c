"""Random graphs: what we compute is what onnxruntime and ONNX's evaluator agree on; what we refuse is refused in a
sentence, and `check` says beforehand what `convert` will do.

LR_GRAPHS=5000 runs that many cases (300 are the default); the last test prints how many counted.
"""
from __future__ import annotations

import collections
import os

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make import Maker, graphs

import lite_runtime
from lite_runtime.converter import frontend
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.infer import Infer

CASES = int(os.environ.get("LR_GRAPHS", "300"))
TOLERANCE = {"float16": 5e-3, "float32": 2e-5, "float64": 1e-9}
counts: collections.Counter[str] = collections.Counter()


def reference(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """onnxruntime's results without optimisations, None when it cannot run the model."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))
    except Exception:  # whatever onnxruntime raises
        return None


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to rounding: relative to the largest value, since sums may cancel."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f" or not a.size:
        return np.array_equal(a, b)
    finite = a[np.isfinite(a)]
    t = TOLERANCE[a.dtype.name]
    scale = float(np.abs(finite.astype(np.float64)).max()) if finite.size else 0.0
    return np.allclose(a.astype(np.float64), b.astype(np.float64), rtol=t, atol=t * max(scale, 1e-6), equal_nan=True)


def off(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether integers differ by more than what a rounding just before them may change: one, in one of 1,000 places."""
    if a.dtype != b.dtype or a.shape != b.shape or a.dtype.kind not in "iu":
        return True
    d = np.abs(a.astype(np.int64) - b.astype(np.int64))
    return bool(d.max(initial=0) > 1 or np.count_nonzero(d) > max(1, d.size // 1000))


def stable(m: Maker, symbolic: bool) -> bool:
    """Two references that agree: else nobody knows what is right."""
    model, feeds, wanted = m.model(symbolic)
    other = reference(model, feeds)
    return other is not None and all(close(wanted[n], other[n]) for n in wanted)


@settings(max_examples=CASES, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
@given(graphs(), st.booleans())
def test_random_graphs(m: Maker, symbolic: bool) -> None:
    if not m.nodes:
        return
    model, feeds, wanted = m.model(symbolic)
    text = onnx.printer.to_text(model)
    problems = frontend.check(model, Infer())
    try:
        data = lite_runtime.convert(model, verify=False)
    except ConvertError as e:
        assert problems, f"check finds nothing, convert says: {e}\n{text}"
        counts["refused"] += 1
        return
    assert not problems, f"convert takes what check refuses: {problems}\n{text}"
    if not stable(m, symbolic):
        counts["references differ"] += 1
        return
    with lite_runtime.Session(data) as session:
        got = session.run({t.name: feeds[t.name] for t in session.inputs})
    for name, want in wanted.items():
        ok = close(want, got[name]) or not off(want, got[name])
        assert ok, f"{name}: wanted {want.dtype}{want.shape} {want}, got {got[name]}\n{text}"
    counts["right"] += 1


def test_enough_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Few cases are refused, and for most the references agree."""
    with capsys.disabled():
        print(f"random graphs: {dict(counts)}")
    assert counts["right"] > 0.6 * CASES
