#!/usr/bin/env python3
"""What checking the hashes of weights costs: opening a model and its first inference, with and without, alternately.

usage: hashing.py MODEL.lrm [--rounds N]

One thread, the file in the page cache. Prints medians, and the median of the rounds' differences as a part of the time
with the check.
"""
from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import lite_runtime
from lite_runtime.converter.feeds import Port, make, sizes


def first_answer(path: Path, feeds: dict, check: bool) -> float:
    """Milliseconds from the file to the first answer."""
    start = time.perf_counter()
    with lite_runtime.Session(lite_runtime.Model(path, check_weights=check), threads=1) as session:
        session.run(feeds)
        return 1e3 * (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL.lrm")
    parser.add_argument("--rounds", type=int, default=11)
    a = parser.parse_args()
    ports = [Port(t.name, t.dtype, t.shape) for t in lite_runtime.Model(a.model).inputs]
    feeds = make(ports, next(sizes(ports, {})), 0, "normal")
    first_answer(a.model, feeds, True)
    rounds = []
    for i in range(a.rounds):
        order = (True, False) if i % 2 else (False, True)
        times = {check: first_answer(a.model, feeds, check) for check in order}
        rounds.append((times[True], times[False]))
    cost = statistics.median((with_it - without) / with_it for with_it, without in rounds)
    checked, unchecked = (statistics.median(r[i] for r in rounds) for i in (0, 1))
    print(f"{a.model.name}, {a.model.stat().st_size / 1e6:.1f} MB: {checked:.1f} ms with the hashes checked, "
          f"{unchecked:.1f} ms without: {100 * cost:.1f} % of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
