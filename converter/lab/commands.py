"""What `lite-opt run`, `bench` and `compare` do with --device."""
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
import numpy as np

from ... import Benchmark, Session, Step, StepTime
from ...timing import Times
from ..cli.models import is_lrm, refuse_conversion
from ..cli.output import human_shape, print_json, print_table, progress, say
from ..errors import ConvertError
from ..measure import Result, cosine, judge
from .device import open_device
from .options import Where
from .session import LabSession, There

Arrays = Mapping[str, np.ndarray]
EMULATED = "qemu's time says nothing about any CPU's, so none is shown"


@contextlib.contextmanager
def opened(where: Where, data: bytes) -> Iterator[LabSession]:
    """The device, with the model and the program pushed; they are removed at the end."""
    with progress() as tell:
        tell(f"connecting to {where.device}")
        with open_device(where.device) as device:
            tell(f"preparing {where.device}")
            session = LabSession(device, data, where.program)
            tell(f"running on {where.device}")
            yield session


def read_model(model: str | bytes) -> bytes:
    """The bytes of an .lrm file."""
    if isinstance(model, bytes):
        return model
    try:
        with open(model, "rb") as f:
            return f.read()
    except OSError as e:
        raise ConvertError(f"{model}: {(e.strerror or 'cannot be read').lower()}") from e


def run(where: Where, model: str | bytes, feeds: Arrays, threads: int | None, repeat: int, timeout: float | None,
        profile: bool) -> There:
    """Runs a model there, as `lite-opt run` does."""
    if profile and where.device.startswith("qemu:"):
        raise click.UsageError("--profile: qemu's times say nothing; lite-opt bench counts instructions instead")
    with opened(where, read_model(model)) as session:
        return session.run(feeds, threads, repeat, timeout, profile)


# ---- bench ----
def bench(where: Where, model: str, data: bytes | None, feeds: Arrays, threads: int | None, seconds: float, top: int,
          as_json: bool, show: Callable[[Benchmark], None]) -> None:
    """Measures a model there. show: prints a benchmark as `lite-opt bench` does."""
    if data is None:
        data = read_model(model)
    with opened(where, data) as session:
        there = session.bench(feeds, threads, seconds)
    facts = there.device
    inputs = {n: [str(a.dtype), list(a.shape)] for n, a in feeds.items()}
    if facts.emulated:
        per_run, per_step = instructions(there)
        if as_json:
            steps = [{"index": s.index, "node": s.node, "op": s.op, "kernel": s.kernel, "instructions": n}
                     for s, n in zip(there.steps, per_step, strict=True)]
            print_json({"model": model, "inputs": inputs, "device": facts.as_dict(), "threads": 1,
                        "memory": there.facts["memory"], "instructions": per_run, "steps": steps})
        else:
            say(facts.sentence())
            _print_counts(there.steps, per_run, per_step, top)
        return
    result = _benchmark(data, there)
    if as_json:
        print_json({"model": model, "inputs": inputs, "device": facts.as_dict(), **result.as_dict(),
                    "peak_memory": there.facts["peak_memory"]})
    else:
        say(facts.sentence())
        show(result)


def _benchmark(data: bytes, there: There) -> Benchmark:
    from ..flops import count_flop

    f = there.facts
    flop = count_flop(data, {i["name"]: tuple(i["shape"]) for i in f["inputs"]}, there.steps)
    total = sum(s.ns for s in there.steps) or 1
    steps = tuple(StepTime(s.index, s.node, s.op, s.kernel, 1e-6 * s.ns, s.ns / total,
                           1e-9 * flop[s.index] if s.index in flop else None, None) for s in there.steps)
    t = f["times"]
    times = Times(t["runs"], t["median"], t["p10"], t["p90"], t["best"])
    return Benchmark(f["threads"], f["load_ms"], f["first_ms"], f["memory"], times, None,
                     1e-9 * sum(flop.values()) if flop else None, steps, None)


def instructions(there: There) -> tuple[int, list[int]]:
    """Instructions of one run, and of each step. The markers are one before and one after the run, one before the run
    with a profile, one after each of its steps and one after it; the last count is that of the end."""
    marks = there.facts["marks"]
    if len(there.counts) != len(marks) + 5:
        raise ConvertError(f"the plugin saw {len(there.counts)} markers, not {len(marks) + 5}; is --program of "
                           "this version?")
    at = there.counts[2:]
    counted = {step: at[i + 1] - at[i] for i, step in enumerate(marks)}
    return there.counts[1] - there.counts[0], [counted.get(s.index, 0) for s in there.steps]


def _print_counts(steps: list[Step], per_run: int, per_step: list[int], top: int) -> None:
    total = sum(per_step) or 1
    groups: dict[tuple[str, str], list[int]] = {}
    for s, n in zip(steps, per_step, strict=True):
        groups.setdefault((s.op, s.kernel), []).append(n)
    print_table("operators", ["op", "kernel", ">steps", ">instructions", ">%"],
                [[op, kernel, len(ns), f"{sum(ns):,}", f"{100 * sum(ns) / total:.1f}"]
                 for (op, kernel), ns in sorted(groups.items(), key=lambda g: -sum(g[1]))])
    pairs = list(zip(steps, per_step, strict=True))
    shown = sorted(pairs, key=lambda p: -p[1])[:top] if top else pairs
    title = f"the {len(shown)} largest of {len(pairs)} steps" if len(shown) < len(pairs) else "steps"
    print_table(title, [">#", "node", "op", "kernel", ">instructions", ">%"],
                [[s.index, s.node, s.op, s.kernel, f"{n:,}", f"{100 * n / total:.1f}"] for s, n in shown])
    say(f"1 thread: {per_run:,} instructions an inference, caches and latencies not in it; {EMULATED}")


# ---- compare ----
def compare(where: Where, model: str, file: str | None, conversion: dict[str, Any],
            gather: Callable[[Session], Arrays], given: bool, shapes: Mapping[str, tuple[int, ...]], seed: int,
            timeout: float, as_json: bool) -> bool:
    """Compares the outputs of a model there with those of onnxruntime here, or, when MODEL is an .lrm file, with those
    of the same file here. Prints a table; whether an output is outside of its limit.

    conversion: set, state and dims. gather: inputs for a session. given: whether the user gave some.
    """
    from ..api import convert

    lrm = is_lrm(model)
    if lrm:
        refuse_conversion(f"{model} is", *conversion.values())
    if lrm and file:
        raise click.UsageError("--device compares one .lrm file with itself here, or FILE with its ONNX MODEL")
    data = read_model(file or model) if lrm or file else convert(model, verify=False, set=conversion["set"],
                                                                 state=conversion["state"], dim=conversion["dims"])
    with Session(data) as session:
        if lrm:
            feeds, precision, against = gather(session), _precision(data), "this machine"
            expected = session.run(feeds, timeout=timeout)
        else:
            found = gather(session) if given or shapes else None  # refuses names that the model does not have
            feeds, expected, precision, against = _reference(model, session, data, conversion, found if given else None,
                                                             shapes, seed, timeout)
    with opened(where, data) as there:
        got = there.run(feeds, timeout=timeout).outputs
        facts = there.facts
    rows = [_row(n, expected[n], got[n], precision) for n in got if n in expected]
    if not rows:
        raise ConvertError("compare: no output of the file has the name of one of the model's; is it of that model?")
    wrong = [r for r in rows if not r["ok"]]
    if as_json:
        print_json({"device": facts.as_dict(), "against": against, "outputs": rows, "ok": not wrong})
        return bool(wrong)
    say(facts.sentence())
    print_table(f"against {against}", ["output", "dtype", "shape", ">max difference", ">cosine", "bits", "measure",
                                       ">value", ">limit"],
                [[r["name"], r["dtype"], human_shape(r["shape"]), _number(r["max_difference"]), f"{r['cosine']:.6f}",
                  "equal" if r["bit_equal"] else "differ", r["measure"], r["why"] or f"{r['value']:.2e}",
                  f"{r['limit']:g}"] for r in rows], lambda i: not rows[i]["ok"])
    if wrong:
        first = wrong[0]["name"]
        say(f"{len(wrong)} of {len(rows)} outputs are outside of their limits; the first is '{first}'", "red")
    else:
        bits = ", bit for bit" if all(r["bit_equal"] for r in rows) else ""
        say(f"all {len(rows)} outputs are right{bits}", "green")
    return bool(wrong)


def _precision(data: bytes) -> str:
    """Which limit holds, from what the file has for weights."""
    from ..verify import has_constants

    if has_constants(data, "i8") or has_constants(data, "u8"):
        return "quantized"
    return "f16" if has_constants(data, "f16") else "f32"


def _reference(model: str, session: Session, data: bytes, conversion: dict[str, Any], feeds: Arrays | None,
               shapes: Mapping[str, tuple[int, ...]], seed: int,
               timeout: float) -> tuple[Arrays, Arrays, str, str]:
    """Inputs, the source model's outputs, the precision and the reference's name; states are zero."""
    from ..cases import Cases, Source
    from ..frontend import load
    from ..reference import Clock, TimeLimit, references
    from ..verify import precision_of

    proto, clock, refusals = load(model), Clock(timeout), []
    precision = precision_of(proto, data)
    source = Source(proto, session, conversion["set"], conversion["state"], conversion["dims"])
    try:
        for reference in references(proto, clock, refusals):
            if feeds is None:
                cases = Cases(source, session, reference, precision, seed, clock)
                if shapes:
                    cases.trials = [trial | dict(shapes) for trial in cases.trials[:1]]
                case = cases.first()
                if case is None:
                    refusals.append(f"{reference.name}: {(cases.refused or [cases.why])[0]}")
                    continue
                ours, expected = {n: case.steps[0][n] for n in source.inputs}, case.expected[0]
            else:
                ours, expected = feeds, source.expect(reference, [dict(feeds)], clock)[0]
            return ours, {n: expected[n] for n in source.outputs if n in expected}, precision, reference.name
    except TimeLimit as e:
        raise ConvertError(f"compare: the time limit passed after {clock.elapsed:.0f} s; give a larger timeout") from e
    raise ConvertError("compare: no inputs that both can run were found; give them with --input or --shape: "
                       + "; ".join(refusals))


def _row(name: str, expected: np.ndarray, got: np.ndarray, precision: str) -> dict[str, Any]:
    result: Result = judge(name, expected, got, precision)
    same_form = expected.shape == got.shape and expected.dtype == got.dtype
    return {"name": name, "dtype": str(got.dtype), "shape": list(got.shape),
            "max_difference": _difference(expected, got) if same_form else None,
            "cosine": cosine(expected, got), "bit_equal": same_form and expected.tobytes() == got.tobytes(),
            "measure": result.kind, "value": result.value, "limit": result.limit, "ok": result.ok, "why": result.why}


def _difference(expected: np.ndarray, got: np.ndarray) -> float:
    """The largest difference; 0 where both are the same infinity or both NaN, infinite where one alone is NaN."""
    a, b = expected.astype(np.float64), got.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.3g}"
