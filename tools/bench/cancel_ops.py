#!/usr/bin/env python3
"""How late a run of one operator returns after its deadline, for every long run of tests/ops/long_runs.py.

usage: cancel_ops.py [WORD ...] [--times N] [--limit MS]

For each run whose name has one of the WORDs (else all): with one thread, deadlines at N places (20 by default) spread
over the run; prints the run's time, the latest return and at which time it was. A place counts as the best of three,
since the machine is not ours alone. Prints a `!` where a run is later than the limit (3 ms), exit code 1 then.
A deadline and a cancel by another thread are seen by the same call (lr_stopped), but the time of a deadline is exact.
"""
from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "ops"))
import long_runs  # noqa: E402
from op_frame import Row, model  # noqa: E402

import lite_runtime  # noqa: E402


def seconds_late(session: lite_runtime.Session, feeds: dict, out: dict, timeout: float) -> float:
    start = time.perf_counter()
    try:
        session.run(feeds, out, timeout=timeout)
        return 0.0
    except lite_runtime.CancelledError:
        return time.perf_counter() - start - timeout


def measure(r: Row, times: int) -> tuple[float, float, float]:
    """Seconds of a whole run, of the latest return, and when that was asked for."""
    with lite_runtime.Session(lite_runtime.convert(model(r, symbolic=False), verify=False), threads=1) as session:
        feeds = r.feeds()
        out = session.run(feeds)
        best = []
        for _ in range(3):
            start = time.perf_counter()
            session.run(feeds, out)
            best.append(time.perf_counter() - start)
        whole = min(best)
        at = [whole * (k + 0.5) / times for k in range(times)]
        late = [min(seconds_late(session, feeds, out, t) for _ in range(3)) for t in at]
        worst = max(range(times), key=late.__getitem__)
        return whole, late[worst], at[worst]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("words", nargs="*")
    p.add_argument("--times", type=int, default=20)
    p.add_argument("--limit", type=float, default=3)
    a = p.parse_args()
    bad = 0
    for name, make in long_runs.ROWS.items():
        if a.words and not any(w in name for w in a.words):
            continue
        try:
            whole, late, at = measure(make(), a.times)
        except lite_runtime.Error as e:
            print(f"{name:34} {e}")
            continue
        bad += late * 1e3 > a.limit
        print(f"{name:34} {whole * 1e3:8.1f} ms   {late * 1e3:7.2f} ms late at {at * 1e3:7.1f} ms"
              f"{' !' if late * 1e3 > a.limit else ''}", flush=True)
    sys.exit(bad > 0)


main()
