"""How fast a model runs here: times, where they go, and how near to what the machine can do."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ._lr import lib
from .arrays import AnyArray, Step
from .errors import ArgumentError
from .model import Model, check_int, check_threads
from .notebook import benchmark_html
from .session import Session

ROUND = 0.02  # seconds that each side runs before the other has its turn
SETTLE = 0.01  # seconds between turns of several threads: the other's idle threads may still spin
PEAK = 0.05  # seconds for the machine's peak, before and after
MAX_RUNS = 1_000_000


@dataclass(frozen=True)
class Times:
    """Milliseconds over a number of runs."""

    runs: int
    """How many there were."""
    median: float
    """In ms, as all that follow."""
    p10: float
    """10th percentile: one run in ten was faster."""
    p90: float
    """90th percentile."""
    best: float
    """The fastest run."""

    def __repr__(self) -> str:
        return f"median {self.median:.3f} ms (p10 {self.p10:.3f}, p90 {self.p90:.3f}) of {self.runs} runs"


@dataclass(frozen=True)
class Versus:
    """The same work done by `against`, alternately with ours."""

    times: Times
    """Those of `against`."""
    ratio: float
    """Our median by theirs: below 1 when we are faster."""
    low: float
    """The smallest ratio of the rounds, each of which compares medians of neighbouring runs."""
    high: float
    """The largest."""
    rounds: int
    """How many rounds there were."""


@dataclass(frozen=True)
class StepTime:
    """One step of the plan."""

    index: int
    """Its place in the plan, from 0."""
    node: str
    """Name of the node in the model."""
    op: str
    """Operator, as in docs/ops.md."""
    kernel: str
    """Kernel that ran; empty when the operator has just one way."""
    ms: float
    """Median of its times in milliseconds."""
    share: float
    """Its part of the time of all steps, 0 to 1."""
    gflop: float | None
    """1e9 operations of a convolution or matrix product, a multiply-add counted as two; else None."""
    peak: float | None
    """The part of the machine's peak that it reaches, 0 to 1; None where `gflop` or the peak is."""


@dataclass(frozen=True, repr=False)
class Benchmark:
    """What `benchmark` measured."""

    threads: int
    """Threads that worked, the caller included."""
    load_ms: float
    """Opening the model, in milliseconds."""
    first_ms: float
    """A new session's first run, with planning and packing of weights, in milliseconds."""
    memory: int
    """Bytes of the session for activations, scratch and state."""
    times: Times
    """Of the runs after the first ones."""
    peak_gflops: float | None
    """GFLOP/s that f32 multiply-adds of that many threads reach in the same process, each counted as two operations;
    None where that is not known."""
    gflop: float | None
    """Of all convolutions and matrix products of one run; None when the file's shapes do not tell."""
    steps: tuple[StepTime, ...]
    """In the plan's order."""
    versus: Versus | None
    """None without `against`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        parts = [f"{self.threads} thread{'s' if self.threads > 1 else ''}: {self.times}"]
        if self.gflop and self.times.median:
            speed = self.gflop / self.times.median * 1e3
            share = f", {100 * speed / self.peak_gflops:.0f} % of peak" if self.peak_gflops else ""
            parts.append(f"{speed:.1f} GFLOP/s{share}")
        parts.append(f"first run {self.first_ms:.3f} ms, {len(self.steps)} steps, {self.memory / 1e6:.2f} MB")
        if self.versus:
            v = self.versus
            parts.append(f"{v.ratio:.3f} of the other's time ({v.low:.3f} to {v.high:.3f} in {v.rounds} rounds)")
        return f"<Benchmark {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        """For notebooks: that line, and the slowest steps."""
        return benchmark_html(self)


def benchmark(model: str | os.PathLike[str] | bytes, feeds: Mapping[str, AnyArray], threads: int | None = None, *,
              seconds: float = 2.0, cpu_mask: int | None = None,
              against: Callable[[], object] | None = None) -> Benchmark:
    """Runs a model (path or bytes of an .lrm file) again and again on `feeds` (as for `Session.run`), for about
    `seconds` after a warm-up of a tenth of that, then three runs or more to see how long each step takes.

    against: does the same with something else; it is called alternately with our runs, for the same time again, and
    should use as many threads. threads, cpu_mask: see `Session`.

    Raises what `Session` and `Session.run` raise, and `ArgumentError` for a bad number of seconds.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 1e6:
        raise ArgumentError(f"benchmark: seconds is {seconds!r}; give a number above 0")
    check_threads("benchmark", threads)
    mask = 0 if cpu_mask is None else check_int("benchmark", "cpu_mask", cpu_mask, 1, 2**32 - 1)
    used = threads or cores()
    start = time.perf_counter()
    opened = Model(model, cpu_mask=cpu_mask)
    loaded = time.perf_counter()
    with Session(opened, threads) as session:
        session.run(feeds)
        first = time.perf_counter()
        before = _peak(used, mask)
        versus, times = _measure(lambda: session.run(feeds), against, seconds, SETTLE if used > 1 else 0.0)
        profiles = _repeat(lambda: session.profile(feeds), seconds / 4, 3, 100)
        peak = max(before, _peak(used, mask)) or None
        memory = session.memory
        shapes = {p.name: p.shape or () for p in session._in}
    flop = _flop(model, shapes, profiles[0])
    return Benchmark(used, 1e3 * (loaded - start), 1e3 * (first - loaded), memory, times, peak,
                     sum(flop.values()) / 1e9 if flop is not None else None, _steps(profiles, flop or {}, peak), versus)


def cores() -> int:
    """As many threads as the runtime takes."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(n, 256))


def _peak(threads: int, mask: int) -> float:
    """GFLOP/s of that many threads at once."""
    found: list[float] = []
    workers = [threading.Thread(target=lambda: found.append(lib.lr_tool_fma_peak(PEAK, mask))) for _ in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return sum(found)


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def _repeat(run: Callable[[], Any], seconds: float, least: int, most: int) -> list[Any]:
    """What the calls give, until the time is over."""
    results: list[Any] = []
    end = time.perf_counter() + seconds
    while len(results) < least or (len(results) < most and time.perf_counter() < end):
        results.append(run())
    return results


def _measure(run: Callable[[], object], against: Callable[[], object] | None, seconds: float,
             settle: float) -> tuple[Versus | None, Times]:
    warm = max(1e-6, min(_repeat(lambda: _time(run), seconds / 10, 2, MAX_RUNS)))
    if against is None:
        return None, _times(_repeat(lambda: _time(run), seconds, 5, MAX_RUNS))
    slow = max(warm, min(_repeat(lambda: _time(against), seconds / 10, 2, MAX_RUNS)))
    turn = max(1, round(1e3 * ROUND / slow))
    ours: list[list[float]] = []
    theirs: list[list[float]] = []

    def one_round() -> None:
        sides = [(run, ours), (against, theirs)]
        for side, into in sides if len(ours) % 2 == 0 else sides[::-1]:  # neither is always the one behind the other
            time.sleep(settle)
            side()  # brings its data back into the caches
            into.append([_time(side) for _ in range(turn)])

    _repeat(one_round, 2 * seconds, 5, MAX_RUNS)
    mine, other = (_times([t for r in side for t in r]) for side in (ours, theirs))
    ratios = [float(np.median(a) / np.median(b)) for a, b in zip(ours, theirs, strict=True)]
    return Versus(other, mine.median / other.median, min(ratios), max(ratios), len(ratios)), mine


def _times(ms: list[float]) -> Times:
    low, middle, high = (float(x) for x in np.percentile(ms, (10, 50, 90)))
    return Times(len(ms), middle, low, high, min(ms))


def _flop(model: str | os.PathLike[str] | bytes, inputs: dict[str, tuple[int, ...]],
          steps: list[Step]) -> dict[int, float] | None:
    """Operations of steps by index; None without the packages that reading the file needs."""
    try:
        from .converter.flops import count_flop
    except ModuleNotFoundError as e:
        if (e.name or "").startswith("lite_runtime"):
            raise
        return None
    if isinstance(model, (str, os.PathLike)):
        with open(model, "rb") as f:
            model = f.read()
    return count_flop(model, inputs, steps)


def _steps(profiles: list[list[Step]], flop: Mapping[int, float], peak: float | None) -> tuple[StepTime, ...]:
    """Medians of each step; steps that some runs did not have (their number may depend on values) are left out."""
    every: dict[int, list[int]] = {}
    for steps in profiles:
        for s in steps:
            every.setdefault(s.index, []).append(s.ns)
    chosen = [(s, 1e-6 * float(np.median(every[s.index]))) for s in profiles[0]]
    total = sum(ms for _, ms in chosen) or 1.0

    def one(s: Step, ms: float) -> StepTime:
        n = flop.get(s.index)
        reached = n / (1e6 * ms * peak) if n is not None and peak and ms else None
        return StepTime(s.index, s.node, s.op, s.kernel, ms, ms / total, n / 1e9 if n is not None else None, reached)

    return tuple(one(s, ms) for s, ms in chosen)
