"""A run that is past its deadline returns soon, wherever in an operator it is: long runs of one operator each, stopped
at several places. Compared in CPU time of the running thread, so that a busy machine does not matter: a thread cannot
use more of it than passes on the clock of the deadline."""
from __future__ import annotations

import time

import long_runs
import pytest
from op_frame import model

import lite_runtime

TRIES = 6  # page faults of the first touch and the like count as CPU time, too


def cpu_seconds(session: lite_runtime.Session, feeds: dict, out: dict) -> float:
    start = time.thread_time()
    session.run(feeds, out)
    return time.thread_time() - start


def seconds_late(session: lite_runtime.Session, feeds: dict, out: dict, timeout: float) -> float:
    """0 for a run that got through: copying outputs of unknown size is no longer a part of it."""
    start = time.thread_time()
    try:
        session.run(feeds, out, timeout=timeout)
        return 0
    except lite_runtime.CancelledError:
        return time.thread_time() - start - timeout


@pytest.mark.parametrize("name", [n for n in long_runs.ROWS if n not in long_runs.ONE_CALL])
def test_returns_soon(name: str) -> None:
    r = long_runs.ROWS[name]()
    with lite_runtime.Session(lite_runtime.convert(model(r, symbolic=False), verify=False), threads=1) as session:
        feeds = r.feeds()
        out = session.run(feeds)
        whole = min(cpu_seconds(session, feeds, out) for _ in range(2))
        for part in (0.02, 0.2, 0.4, 0.6, 0.8):
            late = [seconds_late(session, feeds, out, whole * part)]
            while min(late) > max(0.002, whole / 8) and len(late) < TRIES:
                late.append(seconds_late(session, feeds, out, whole * part))
            assert min(late) <= max(0.002, whole / 8), f"{part} of {whole} s: stopped {min(late)} s late"
        with pytest.raises(lite_runtime.CancelledError):
            session.run(feeds, out, timeout=1e-9)
        again = session.run(feeds)
        assert {k: v.tobytes() for k, v in again.items()} == {k: v.tobytes() for k, v in session.run(feeds).items()}
