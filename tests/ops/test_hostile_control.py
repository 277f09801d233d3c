"""Trip counts, conditions and sizes of an enemy's choice in If, Loop and Scan: each works or is an error, and the
session goes on."""
from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest

import lite_runtime

MIN, MAX = -(2**63), 2**63 - 1


def rand(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(-3, 3, shape).astype(np.float32)


def scalar(x: int) -> np.ndarray:
    return np.array(x, np.int64)


def loop(text: str, **weights: np.ndarray) -> bytes:
    """A model from ONNX's text form."""
    m = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\n' + text)
    for name, a in weights.items():
        m.graph.initializer.append(onnx.numpy_helper.from_array(a, name))
    return lite_runtime.convert(m, verify=False)


# doubles its value in each of `trips` iterations, as long as `limit` says, and stacks a number
DOUBLING = """g (float[n] x, int64 trips, int64 limit) => (float[m] y, float[t] s) {
    y, s = Loop(trips, , x) <body = b (int64 i, bool go, float[k] v) => (bool on, float[l] w, float z) {
        on = Less(i, limit)
        w = Concat<axis=0>(v, v)
        z = ReduceMax<keepdims=0>(v)
    }>
}"""


def doubled(n: int, times: int) -> dict[str, np.ndarray]:
    return {"y": np.ones(n * 2**times, np.float32), "s": np.ones(times, np.float32)}


def feeds(trips: int, limit: int, n: int = 2) -> dict[str, np.ndarray]:
    return {"x": np.ones(n, np.float32), "trips": scalar(trips), "limit": scalar(limit)}


@pytest.mark.parametrize("threads", [1, 3])
def test_trip_counts(threads: int) -> None:
    """Negative ones are none, huge ones end with the condition, memory limit or time; then the session goes on."""
    with lite_runtime.Session(loop(DOUBLING), threads=threads, memory_limit=1 << 24) as session:
        for trips, limit, times in ((-1, 9, 0), (MIN, 9, 0), (0, 9, 0), (3, 9, 3), (MAX, 4, 5), (MAX, MIN, 1)):
            got, want = session.run(feeds(trips, limit)), doubled(2, times)
            for name in want:
                np.testing.assert_array_equal(got[name], want[name], f"{trips} {limit}")
        for trips, n in ((MAX, 2), (2**40, 2), (60, 1000)):
            with pytest.raises(lite_runtime.OutOfMemoryError, match="limit"):
                session.run(feeds(trips, MAX, n))
            np.testing.assert_array_equal(session.run(feeds(2, MAX))["y"], doubled(2, 2)["y"])
        with pytest.raises(lite_runtime.CancelledError):  # a value without elements takes no memory, however often
            session.run(feeds(MAX, MAX, 0) | {"x": np.zeros(0, np.float32)}, timeout=0.05)
        assert session.run(feeds(MIN, 0))["s"].shape == (0,)


def test_stacked_sizes_that_differ() -> None:
    data = loop("""g (float[n] x, int64 trips) => (float[t,m] s) {
        y, s = Loop(trips, , x) <body = b (int64 i, bool go, float[k] v) => (bool on, float[l] w, float[l] z) {
            on = Identity(go)
            w = Concat<axis=0>(v, v)
            z = Neg(w)
        }>
    }""")
    with lite_runtime.Session(data) as session:
        x = np.ones(3, np.float32)
        np.testing.assert_array_equal(session.run({"x": x, "trips": scalar(1)})["s"], -np.ones((1, 6), np.float32))
        with pytest.raises(lite_runtime.Error, match="cannot be stacked"):
            session.run({"x": x, "trips": scalar(2)})
        assert session.run({"x": x, "trips": scalar(-5)})["s"].shape[0] == 0
        np.testing.assert_array_equal(session.run({"x": x, "trips": scalar(1)})["s"], -np.ones((1, 6), np.float32))


def test_scans_of_other_lengths() -> None:
    data = loop("""g (float[n,2] a, float[m,2] b) => (float[k,2] s) {
        s = Scan<num_scan_inputs=2, body = w (float[2] p, float[2] q) => (float[2] r) { r = Add(p, q) }>(a, b)
    }""")
    with lite_runtime.Session(data) as session:
        for n, m in ((3, 2), (2, 3), (0, 1), (1, 0)):
            with pytest.raises(lite_runtime.Error, match="slices, [0-9]+ are needed"):
                session.run({"a": rand(n, 2), "b": rand(m, 2)})
            a, b = rand(4, 2), rand(4, 2)
            np.testing.assert_array_equal(session.run({"a": a, "b": b})["s"], a + b)
        assert session.run({"a": rand(0, 2), "b": rand(0, 2)})["s"].shape == (0, 2)


@pytest.mark.parametrize("shape", [(0,), (2,), (1, 0)])
def test_conditions_that_are_not_one(shape: tuple[int, ...]) -> None:
    dims = ",".join("abc"[:len(shape)])
    data = loop(f"""g (float[n] x, bool[{dims}] on) => (float[m] y) {{
        y = If(on) <then_branch = yes () => (float[p] t) {{ t = Neg(x) }},
                    else_branch = no () => (float[p] e) {{ e = Abs(x) }}>
    }}""")
    with lite_runtime.Session(data) as session:
        x = rand(3)
        with pytest.raises(lite_runtime.Error, match="condition has more than one element, or none"):
            session.run({"x": x, "on": np.ones(shape, bool)})
        np.testing.assert_array_equal(session.run({"x": x, "on": np.ones((1,) * len(shape), bool)})["y"], -x)
