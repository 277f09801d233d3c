"""lite_runtime.Session: what it takes, what it returns, and what it says."""
from __future__ import annotations

import gc
import math
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import lite_runtime
from lite_runtime import Session
from lite_runtime._lr import ffi, lib


@pytest.fixture(scope="module")
def add(add_model):
    return lite_runtime.convert(add_model)


@pytest.fixture(scope="module")
def slow(model_of):
    """Enough arithmetic for a run to be seen from another thread: many products of matrices."""
    nodes = [helper.make_node("MatMul", [f"x{i}", "x0"], [f"x{i + 1}"]) for i in range(64)]
    return lite_runtime.convert(model_of(nodes, {"x0": ["n", "n"]}, {"x64": ["n", "n"]}), verify=False)


def arrays(n=2):
    return {"a": np.arange(3 * n, dtype=np.float32).reshape(n, 3), "b": np.ones((n, 3), np.float32)}


def test_runs(add):
    with Session(add) as s:
        feeds = arrays()
        out = s.run(feeds)
        assert list(out) == ["y"]
        np.testing.assert_array_equal(out["y"], feeds["a"] + 1)


def test_facts(add):
    s = Session(add, threads=1)
    assert [(t.name, t.dtype, t.shape) for t in s.inputs] == [("a", np.float32, ("n", 3)), ("b", np.float32, ("n", 3))]
    assert [(t.name, t.dtype, t.shape) for t in s.outputs] == [("y", np.float32, ("n", 3))]
    assert s.states == []


def test_path(add, tmp_path):
    path = tmp_path / "möd el.lrm"
    path.write_bytes(add)
    for source in (path, str(path), bytearray(add), memoryview(add), lite_runtime.Model(path)):
        np.testing.assert_array_equal(Session(source).run(arrays())["y"], arrays()["a"] + 1)


def test_outputs_belong_to_the_caller(add):
    s = Session(add)
    first = s.run(arrays())["y"]
    kept = first.copy()
    feeds = arrays()
    feeds["a"] += 100
    s.run(feeds)
    s.close()
    gc.collect()
    np.testing.assert_array_equal(first, kept)


def test_resizes_by_itself(add):
    s = Session(add)
    for n in (2, 5, 1, 0, 2):
        np.testing.assert_array_equal(s.run(arrays(n))["y"], arrays(n)["a"] + 1)
    s.resize({"a": (4, 3), "b": (4, 3)})
    assert s.run(arrays(4))["y"].shape == (4, 3)


def test_out(add):
    s = Session(add)
    y = np.full((2, 3), -1, np.float32)
    out = s.run(arrays(), out={"y": y})
    assert out["y"] is y
    np.testing.assert_array_equal(y, arrays()["a"] + 1)
    feeds = arrays()  # an output over an input
    s.run(feeds, out={"y": feeds["a"]})
    np.testing.assert_array_equal(feeds["a"], arrays()["a"] + 1)


def test_bad_out(add):
    s = Session(add)
    for out, words in (
        ({"z": np.empty((2, 3), np.float32)}, "no output 'z'; the model's outputs are 'y'"),
        ({"y": np.empty((2, 4), np.float32)}, "output 'y' has the shape (2, 3), the array (2, 4)"),
        ({"y": np.empty((2, 3), np.float64)}, "output 'y' is float32 in the model, the array is float64"),
        ({"y": np.empty((3, 2), np.float32).T}, "output 'y' is not a contiguous"),
        ({"y": np.broadcast_to(np.float32(0), (2, 3))}, "output 'y' is not a contiguous"),
        ([np.empty((2, 3), np.float32)], "out is of type list"),
    ):
        with pytest.raises(lite_runtime.ArgumentError) as e:
            s.run(arrays(), out=out)
        assert words in str(e.value)


def test_strides_and_alignment(add):
    s = Session(add)
    feeds = {"a": np.asfortranarray(arrays()["a"]), "b": np.ones((4, 6), np.float32)[::2, ::2]}
    np.testing.assert_array_equal(s.run(feeds)["y"], arrays()["a"] + 1)
    raw = np.zeros(25, np.uint8)
    feeds["b"] = raw[1:].view(np.float32).reshape(2, 3)
    np.testing.assert_array_equal(s.run(feeds)["y"], arrays()["a"])


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda f: f.pop("b"), "run: input 'b' is missing; the model's inputs are 'a', 'b'"),
        (lambda f: f.update(c=f["a"]), "run: there is no input 'c'; the model's inputs are 'a', 'b'"),
        (lambda f: f.update(a=f["a"].astype(np.float64)), "input 'a' is float32 in the model, the array is float64"),
        (lambda f: f.update(a=f["a"].astype(">f4")), "input 'a' is float32 in the model, the array is >f4"),
        (lambda f: f.update(a=f["a"].tolist()), "input 'a' is of type list; give a numpy array of float32"),
        (lambda f: f.update(a=None), "input 'a' is of type NoneType"),
        (lambda f: f.update(a=f["a"][:, :2]), "[2 2]"),
        (lambda f: f.update(a=f["a"][0]), "rank 1"),
        (lambda f: f.update(a=f["a"].reshape((1,) * 30 + (2, 3))), "rank 32"),
    ],
)
def test_bad_feeds(add, change, words):
    s = Session(add)
    feeds = arrays()
    change(feeds)
    with pytest.raises(lite_runtime.Error) as e:
        s.run(feeds)
    assert words in str(e.value) and "\n" not in str(e.value)
    assert s.run(arrays())["y"].shape == (2, 3)  # and it still works


def test_sizes_that_do_not_fit_together(add):
    s = Session(add)
    with pytest.raises(lite_runtime.Error):
        s.run({"a": arrays(2)["a"], "b": arrays(3)["b"]})
    assert s.run(arrays(3))["y"].shape == (3, 3)


@pytest.mark.parametrize("feeds", [None, 3, [], "ab", np.ones((2, 3), np.float32)], ids=lambda x: type(x).__name__)
def test_feeds_of_the_wrong_type(add, feeds):
    with pytest.raises(lite_runtime.ArgumentTypeError, match="give a dict"):
        Session(add).run(feeds)


def test_dtype_error_is_a_type_error(add):
    with pytest.raises(TypeError) as e:
        Session(add).run({"a": np.ones((2, 3)), "b": np.ones((2, 3))})
    assert isinstance(e.value, ValueError) and e.value.status == lite_runtime.Status.ARGUMENT


@pytest.mark.parametrize("threads", [0, -1, 257, 10_000, 2**40, 1.0, "2", True])
def test_bad_threads(add, threads):
    for opened in (lambda: Session(add, threads=threads), lambda: lite_runtime.Pool(threads)):
        with pytest.raises(lite_runtime.ArgumentError, match="threads is .*; give an integer from 1 to 256"):
            opened()


def test_threads_and_pool(add):
    pool = lite_runtime.Pool(2)
    sessions = [Session(add, pool=pool) for _ in range(3)]
    del pool
    for s in sessions:
        assert s.run(arrays())["y"].shape == (2, 3)
    with pytest.raises(lite_runtime.ArgumentError, match="both"):
        Session(add, threads=1, pool=lite_runtime.Pool(1))


def test_bad_files(add, tmp_path):
    with pytest.raises(OSError) as e:
        Session(tmp_path / "missing.lrm")
    assert isinstance(e.value, lite_runtime.FileError) and "missing.lrm" in str(e.value)
    for data in (b"", b"x", add[:-1], add[: len(add) // 2], b"\0" * 4096, b"ONNX" + add):
        with pytest.raises(lite_runtime.Error) as e:
            Session(data)
        assert "\n" not in str(e.value) and str(e.value)
    with pytest.raises(lite_runtime.Error):
        Session(str(tmp_path))
    with pytest.raises(lite_runtime.ArgumentTypeError, match="give a path or bytes"):
        Session(3)
    with pytest.raises(lite_runtime.ArgumentError, match="NUL"):
        Session("a\0b")


def test_closed(add):
    s = Session(add)
    s.run(arrays())
    s.close()
    s.close()
    s.cancel()
    for use in (lambda: s.run(arrays()), s.steps, s.reset_state, lambda: s.memory, lambda: s.resize({}),
                lambda: s.profile(arrays()), lambda: s.state("x")):
        with pytest.raises(lite_runtime.ArgumentError, match="the session is closed"):
            use()


def test_memory_outlives_the_bytes(add_model):
    s = Session(bytes(bytearray(lite_runtime.convert(add_model))))
    gc.collect()
    np.testing.assert_array_equal(s.run(arrays())["y"], arrays()["a"] + 1)


def test_state(counter_model):
    s = Session(lite_runtime.convert(counter_model, state={"y": "s"}))
    assert [t.name for t in s.inputs] == ["x"] and [(t.name, t.shape) for t in s.states] == [("s", (2,))]
    x = np.array([1, 2], np.float32)
    for i in range(3):
        np.testing.assert_array_equal(s.run({"x": x})["z"], -(i + 1) * x)
    np.testing.assert_array_equal(s.state("s"), 3 * x)
    s.set_state("s", np.array([10, 20], np.float32))
    s.run({"x": x})
    np.testing.assert_array_equal(s.state("s"), [11, 22])
    s.reset_state()
    np.testing.assert_array_equal(s.state("s"), [0, 0])
    for use, words in (
        (lambda: s.state("t"), "no state 't'; the model's states are 's'"),
        (lambda: s.set_state("s", np.zeros(3, np.float32)), "shape (2,), the array (3,)"),
        (lambda: s.set_state("s", np.zeros(2)), "float32 in the model, the array is float64"),
    ):
        with pytest.raises(lite_runtime.ArgumentError) as e:
            use()
        assert words in str(e.value)


def test_profile_and_steps(add):
    s = Session(add)
    steps = s.profile(arrays())
    assert [(t.node, t.op, t.device) for t in steps] == [("the_add", "elementwise", "cpu")]
    assert steps[0].ns >= 0 and steps[0].outputs[0].name == "y" and steps[0].outputs[0].shape == (2, 3)
    assert [t.node for t in s.steps()] == ["the_add"]
    assert s.memory >= 0


def test_trace_gives_copies_and_passes_errors(cnn_model):
    s = Session(lite_runtime.convert(cnn_model, verify=False), keep_all=True)
    feeds = {"x": np.ones((1, 3, 8, 8), np.float32)}
    seen = []
    out = s.trace(feeds, lambda step, values: seen.extend(values))
    assert all(a is not None for a in seen)
    assert any(np.array_equal(a, out["y"]) for a in seen)

    def fail(step, values):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        s.trace(feeds, fail)
    np.testing.assert_array_equal(s.run(feeds)["y"], out["y"])


def test_timeout(slow):
    s = Session(slow, threads=1)
    x = np.ones((400, 400), np.float32)
    with pytest.raises(lite_runtime.CancelledError, match="time limit") as e:
        s.run({"x0": x}, timeout=1e-6)
    assert e.value.status == lite_runtime.Status.CANCELLED
    for bad in (0, -1, float("nan"), "1", True):
        with pytest.raises(lite_runtime.ArgumentError, match="timeout"):
            s.run({"x0": x}, timeout=bad)
    assert s.run({"x0": np.ones((2, 2), np.float32)}, timeout=float("inf"))


def test_cancel_and_threads(slow):
    s = Session(slow, threads=1)
    x = np.zeros((600, 600), np.float32)
    caught: list[BaseException] = []

    def work():
        try:
            s.run({"x0": x})
        except lite_runtime.Error as e:
            caught.append(e)

    thread = threading.Thread(target=work)
    thread.start()
    refused = []
    end = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < end:  # the GIL is free, so this loop turns while the run is going on
        try:
            s.steps()
        except lite_runtime.ArgumentError as e:
            refused.append(str(e))
            s.cancel()
    thread.join()
    assert refused and "in use in another thread" in refused[0]
    assert caught and isinstance(caught[0], lite_runtime.CancelledError)


def test_memory_limit(slow):
    s = Session(slow, memory_limit=100_000)
    s.run({"x0": np.ones((8, 8), np.float32)})
    with pytest.raises(MemoryError, match="limit is 100000"):
        s.run({"x0": np.ones((500, 500), np.float32)})
    with pytest.raises(lite_runtime.ArgumentError, match="memory_limit"):
        Session(slow, memory_limit=-1)


def test_portable_kernels(add):
    s = Session(add, cpu_mask=lite_runtime.CPU_PORTABLE)
    np.testing.assert_array_equal(s.run(arrays())["y"], arrays()["a"] + 1)
    for bad in (0, 2**32, -1, 1.5):
        with pytest.raises(lite_runtime.ArgumentError, match="cpu_mask"):
            Session(add, cpu_mask=bad)


def test_shape_that_depends_on_values(model_of):
    model = model_of([helper.make_node("Expand", ["x", "shape"], ["y"])],
                     {"x": [1], "shape": (TensorProto.INT64, [1])}, {"y": ["n"]})
    s = Session(lite_runtime.convert(model, verify=False))
    for n in (3, 7, 0, 2):
        out = s.run({"x": np.ones(1, np.float32), "shape": np.array([n])})
        assert out["y"].shape == (n,) and out["y"].sum() == n
    y = np.zeros(4, np.float32)
    assert s.run({"x": np.ones(1, np.float32), "shape": np.array([4])}, out={"y": y})["y"] is y and y.sum() == 4
    with pytest.raises(lite_runtime.ArgumentError, match="shape"):
        s.run({"x": np.ones(1, np.float32), "shape": np.array([5])}, out={"y": y})
    with pytest.raises(lite_runtime.Error):
        s.run({"x": np.ones(1, np.float32), "shape": np.array([-5])})
    with pytest.raises(lite_runtime.Error):
        s.run({"x": np.ones(1, np.float32), "shape": np.array([2**62])})


def test_nan_trap(add):
    s = Session(add)
    feeds = arrays()
    feeds["a"][0, 0] = np.nan
    assert np.isnan(s.run(feeds)["y"][0, 0])
    with pytest.raises(lite_runtime.TensorValueError, match="the_add"):
        s.run(feeds, trap_nan=True)


def test_overhead(model_of):
    """A run from Python costs a few microseconds more than the C call (3, and 5 with `out`, on a Zen 4)."""
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, {"y": [1]})
    s = Session(lite_runtime.convert(model), threads=1)
    feeds, out = {"x": np.ones(1, np.float32)}, {"y": np.ones(1, np.float32)}
    s.run(feeds)
    in_c = _seconds_a_call(lambda: lib.lr_session_run(s._ptr, ffi.NULL, ffi.NULL))
    assert _seconds_a_call(lambda: s.run(feeds)) - in_c < 8e-6
    assert _seconds_a_call(lambda: s.run(feeds, out)) - in_c < 10e-6


def _seconds_a_call(call, n=100):
    """The best of short series: other programs run here too."""
    best = math.inf
    for _ in range(300):
        start = time.perf_counter()
        for _ in range(n):
            call()
        best = min(best, (time.perf_counter() - start) / n)
    return best


def test_no_leak(add):
    """Opening and running again and again holds no more memory than at the beginning."""
    def rss():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")

    def work():
        for _ in range(200):
            with Session(add, threads=1) as s:
                s.run(arrays(500))

    work()
    before = rss()
    for _ in range(5):
        work()
    assert rss() - before < 20e6


def test_buffers(model_of):
    """What lies where, worked out by hand: b is the second half of the concatenation, x and y are the caller's."""
    nodes = [helper.make_node("Exp", ["x"], ["a"], name="exp"), helper.make_node("Neg", ["a"], ["b"], name="neg"),
             helper.make_node("Concat", ["a", "b"], ["c"], name="concat", axis=0),
             helper.make_node("Transpose", ["c"], ["y"], name="turn")]
    data = lite_runtime.convert(model_of(nodes, {"x": [4, "n"]}, {"y": ["n", 8]}), verify=False)
    with Session(data) as s:
        s.resize({"x": (4, 32)})
        buffers, size = s.buffers()
        steps = s.steps()
        named = {b.name: b for b in buffers if not b.scratch}
        assert named["x"].where == named["y"].where == "io" and named["y"].last == len(steps)
        whole, part = named["c"], named["b"]
        assert whole.where == "plan" and whole.bytes == 4 * 8 * 32 and size >= whole.bytes and size % 64 == 0
        assert part.bytes == part.span == 4 * 4 * 32 and buffers[part.root].name == "c"
        assert part.offset == whole.offset + part.bytes  # the second half
        assert steps[part.producer].node == "neg" and part.first == part.producer
        assert len([b for b in buffers if b.scratch]) == len(steps)
    with pytest.raises(lite_runtime.ArgumentError, match="buffers: the session is closed"):
        s.buffers()
    with Session(data, keep_all=True) as s:
        s.resize({"x": (4, 32)})
        buffers, _ = s.buffers()
        assert all(b.root == i for i, b in enumerate(buffers))
