"""Runs in the background: results and errors through futures and asyncio, cancelling, and the end of the thread."""
from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import random
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from onnx import helper

import lite_runtime
from lite_runtime import Session

THREAD = "lite_runtime run"
X = np.zeros((700, 700), np.float32)  # with which `slow` takes tenths of a second


@pytest.fixture(scope="module")
def add(add_model):
    return lite_runtime.convert(add_model, verify=False)


@pytest.fixture(scope="module")
def slow(model_of):
    nodes = [helper.make_node("MatMul", [f"x{i}", "x0"], [f"x{i + 1}"]) for i in range(64)]
    return lite_runtime.convert(model_of(nodes, {"x0": ["n", "n"]}, {"x64": ["n", "n"]}), verify=False)


def feeds(value=0, n=2):
    return {"a": np.full((n, 3), value, np.float32), "b": np.ones((n, 3), np.float32)}


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def workers():
    return [t for t in threading.enumerate() if t.name == THREAD]


def test_results_in_order(add):
    with Session(add, threads=1) as s:
        done = []
        runs = [s.run_async(feeds(i, 1 + i % 3)) for i in range(20)]
        for i, f in enumerate(runs):
            f.add_done_callback(lambda _, i=i: done.append(i))
        for i, f in enumerate(runs):
            np.testing.assert_array_equal(f.result(60)["y"], feeds(i + 1, 1 + i % 3)["a"])
        assert len(workers()) == 1
        y = np.empty((2, 3), np.float32)
        assert s.run_async(feeds(4), {"y": y}).result(60)["y"] is y and (y == 5).all()
        assert done == sorted(done)
        assert concurrent.futures.wait(runs, 60).not_done == set()


def test_what_is_given_may_change_afterwards(add):
    with Session(add) as s:
        given = feeds(1)
        f = s.run_async(given)
        given.clear()
        assert (f.result(60)["y"] == 2).all()


def test_errors_come_out_of_result(add, slow):
    with Session(add) as s:
        for wrong, words in (({}, "input 'a' is missing"), (None, "give a dict"), ({"a": 1, "b": 2}, "is of type int")):
            f = s.run_async(wrong)
            with pytest.raises(lite_runtime.ArgumentError, match=words):
                f.result(60)
        with pytest.raises(lite_runtime.ArgumentError, match="timeout"):
            s.run_async(feeds(), timeout=-1).result(60)
        bad = feeds(np.inf)
        assert isinstance(s.run_async(bad, trap_nan=True).exception(60), lite_runtime.TensorValueError)
        assert (s.run_async(feeds()).result(60)["y"] == 1).all()
    with Session(slow, threads=1) as s, pytest.raises(lite_runtime.CancelledError, match="time limit"):
        s.run_async({"x0": X}, timeout=1e-6).result(60)


def test_other_threads_go_on(slow):
    """The runtime runs without the GIL."""
    with Session(slow, threads=1) as s:
        f = s.run_async({"x0": X})
        turns = 0
        while not f.done():
            turns += 1
            time.sleep(0.001)
        assert turns > 5 and f.result()["x64"].shape == X.shape


def test_cancel(slow):
    with Session(slow, threads=1) as s:
        one, two, three = (s.run_async({"x0": X}) for _ in range(3))
        until(one.running)
        assert two.cancel() and two.cancelled() and two.cancel()
        assert one.cancel()
        with pytest.raises(lite_runtime.CancelledError, match="cancelled") as e:
            one.result(60)
        assert isinstance(e.value, concurrent.futures.CancelledError) and not one.cancelled()
        with pytest.raises(concurrent.futures.CancelledError):
            two.result(60)
        assert three.result(60)["x64"].shape == X.shape  # the cancelling of another is not its own
        assert not three.cancel() and not one.cancel()


def test_no_cancel_is_lost(slow):
    """Whatever the worker does when it comes: waiting, planning for a new size, between two calls, running."""
    with Session(slow, threads=1) as s:
        for i in range(60):
            f = s.run_async({"x0": np.zeros((1400 + i % 7,) * 2, np.float32)})
            time.sleep(random.random() * 0.004)
            assert f.cancel()
            with pytest.raises(concurrent.futures.CancelledError):
                f.result(60)
        assert s.run_async({"x0": X[:2, :2].copy()}).result(60)


def test_it_waits_for_another_thread(slow):
    with Session(slow, threads=1) as s:
        thread = threading.Thread(target=lambda: s.run({"x0": X}))
        thread.start()
        until(s._busy.locked)
        assert s.run_async({"x0": X[:2, :2].copy()}).result(60)["x64"].shape == (2, 2)
        thread.join()


def test_close_ends_runs_and_the_thread(slow):
    until(lambda: not workers())
    s = Session(slow, threads=1)
    runs = [s.run_async({"x0": X}) for _ in range(3)]
    until(runs[0].running)
    s.close()
    assert all(f.done() for f in runs[1:])
    for f in runs:
        with pytest.raises(concurrent.futures.CancelledError):
            f.result(60)
    until(lambda: not workers())
    with pytest.raises(lite_runtime.ArgumentError, match="run_async: the session is closed"):
        s.run_async({"x0": X})
    s.close()


def test_callbacks_may_use_and_close_the_session(add):
    s = Session(add)
    seen = []

    def use(f):
        seen.append(s.run(feeds(f.result()["y"][0, 0]))["y"][0, 0])
        s.close()
        seen.append("closed")

    s.run_async(feeds(1)).add_done_callback(use)
    until(lambda: len(seen) == 2)
    assert seen == [3, "closed"]


def test_a_forgotten_session_ends_its_thread(add):
    gc.collect()
    until(lambda: not workers())
    s = Session(add)
    f = s.run_async(feeds(1))
    f.result(60)
    assert len(workers()) == 1
    del s  # the future does not hold it
    gc.collect()
    until(lambda: not workers())


def test_the_end_of_the_program(slow, tmp_path):
    """A run under way does not keep the interpreter from ending, and nothing crashes."""
    (tmp_path / "slow.lrm").write_bytes(slow)
    code = """
import numpy as np, lite_runtime, time
s = lite_runtime.Session("slow.lrm", threads=1)
runs = [s.run_async({"x0": np.zeros((3000, 3000), np.float32)}) for _ in range(3)]
while not runs[0].running():
    time.sleep(0.001)
time.sleep(0.05)
print("end")
"""
    start = time.monotonic()
    p = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (p.returncode, p.stdout, p.stderr) == (0, "end\n", "") and time.monotonic() - start < 60


def test_asyncio(add, slow):
    async def work():
        with Session(add) as s, Session(slow, threads=1) as t:
            outs = await asyncio.gather(*(s.arun(feeds(i)) for i in range(5)), t.arun({"x0": X}))
            assert [o["y"][0, 0] for o in outs[:5]] == [1, 2, 3, 4, 5]
            with pytest.raises(lite_runtime.ArgumentError, match="missing"):
                await s.arun({})
            task = asyncio.create_task(t.arun({"x0": X}))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(t.arun({"x0": X}), 0.02)
            assert (await asyncio.wrap_future(t.run_async({"x0": X[:2, :2].copy()})))["x64"].shape == (2, 2)
            with pytest.raises(lite_runtime.CancelledError):
                await t.arun({"x0": X}, timeout=0.001)

    asyncio.run(work())
