#!/usr/bin/env python3
"""Random ONNX graphs of 1 to 6 operators through check, convert and run, against onnxruntime and ONNX's evaluator.

usage: random_graphs.py [--count N] [--seed S] [--ops OP,OP] [--save DIR] [--all]

A case counts where onnxruntime (unoptimised) and the evaluator agree (measure of DESIGN 8); there the answer must agree
with them. A refusal must be one clear sentence for each problem, `check` must say what `convert` says, and nothing may
crash: the converter and the runtime work in a process of their own. A failing graph is made smaller by hypothesis and
printed as text, and saved. --all: go on after a failure, without making it smaller.
"""
from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed

sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate import Case, cases  # noqa: E402
from verdict import FINE, Judge, text_of  # noqa: E402

SAVE = Path(__file__).resolve().parents[2] / "build" / "random-graphs"


class Failure(AssertionError):
    """A graph that shows a bug."""


def explore(count: int, judge: Judge, ops: Iterable[str] | None = None, seed: int | None = None,
            see: Callable[[Case, str, str], None] | None = None, smaller: bool = True,
            save: Path = SAVE) -> Counter[str]:
    """Runs cases (always the same ones for a seed); Failure with the smallest graph that fails, saved in `save`, unless
    `see` handles each verdict. The counts of verdicts, and of 'op: verdict'."""
    counts: Counter[str] = Counter()

    @settings(max_examples=count, deadline=None, database=None, derandomize=seed is None,
              suppress_health_check=list(HealthCheck),
              phases=[Phase.generate, Phase.shrink] if smaller else [Phase.generate])
    @given(cases(judge.references, ops))
    def run(case: Case | None) -> None:
        verdict, why = judge.verdict(case)
        counts[verdict] += 1
        for op in set(case.ops) if case else ():
            counts[f"{op}: {verdict}"] += 1
        if case and see:
            see(case, verdict, why)
        elif case and verdict not in FINE:
            raise Failure(f"{describe(case, verdict, why)}\nsaved as {saved(case, verdict, save)}")

    (run if seed is None else with_seed(seed)(run))()
    return counts


def describe(case: Case, verdict: str, why: str) -> str:
    """The case as text: what is wrong, the model, the values."""
    feeds = "\n".join(f"{n} = {np.array2string(a, threshold=40)}" for n, a in case.feeds[0].items())
    return f"{verdict}: {why}\n{text_of(case.model)}\n{feeds}"


def saved(case: Case, verdict: str, folder: Path) -> Path:
    """Writes the model and its values; where the model is."""
    folder.mkdir(parents=True, exist_ok=True)
    data = case.model.SerializeToString()
    path = folder / f"{verdict}_{hashlib.sha1(data).hexdigest()[:8]}.onnx"
    path.write_bytes(data)
    for i, feeds in enumerate(case.feeds):
        np.savez(path.with_suffix(f".{i}.npz"), **feeds)
    return path


def closing(counts: Counter[str]) -> str:
    """The line at the end of a run."""
    total = sum(counts[v] for v in counts if ": " not in v)
    known = counts["passed"] + counts["value"] + counts["size"]
    words = ", ".join(f"{n} {v}" for v, n in sorted(counts.items()) if ": " not in v)
    failures = sum(n for v, n in counts.items() if ": " not in v and v not in FINE)
    disagree = counts["disagree"] / max(1, known + counts["disagree"])
    return f"{total} graphs: {words}; the references disagree on {disagree:.1%}; {failures} failures"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--ops", type=lambda s: s.split(","))
    parser.add_argument("--save", type=Path, default=SAVE)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--verdicts", default="", help="also print cases of these verdicts")
    a = parser.parse_args()
    start, shown = time.monotonic(), set(a.verdicts.split(","))

    def see(case: Case, verdict: str, why: str) -> None:
        if verdict not in FINE:
            print(f"---- {describe(case, verdict, why)}\nsaved as {saved(case, verdict, a.save)}", flush=True)
        elif verdict in shown:
            print(f"---- {verdict}: {case.ops} v{case.opset} {why}", flush=True)

    judge = Judge()
    try:
        counts = explore(a.count, judge, a.ops, a.seed, see if a.all else None, smaller=not a.all, save=a.save)
    except Failure as e:
        print(e)
        return 1
    finally:
        judge.close()
    ops = sorted({v.partition(": ")[0] for v in counts if ": " in v})
    for op in ops:
        found = (f"{v.partition(': ')[2]} {n}" for v, n in sorted(counts.items()) if v.startswith(f"{op}: "))
        print(f"{op:26}", *found)
    print(f"{closing(counts)} ({time.monotonic() - start:.0f} s)")
    return any(v not in FINE for v in counts if ": " not in v)


if __name__ == "__main__":
    sys.exit(main())
