"""lite-opt bench: how fast a model runs on this machine."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import numpy as np

from ... import Benchmark, Session, StepTime, benchmark
from ..errors import ConvertError
from ..lab.options import Where, on_device
from .inputs import gather_feeds, say_sizes
from .models import convert_in_memory, is_lrm, refuse_conversion
from .options import Given, ModelFile, common, conversion, inputs, rows_option, seconds_option
from .output import human_bytes, print_json, print_table, progress, say

EXAMPLES = """
\b
Examples:
  lite-opt bench model.lrm --threads 1
  lite-opt bench model.onnx --shape x=1,3,640,640 --vs onnxruntime
  lite-opt bench model.lrm --source model.onnx --vs onnxruntime --seconds 10
  lite-opt bench model.lrm --device ssh:pi@raspberry      (docs/lab.md)
  lite-opt bench model.lrm --json | jq .times.median
"""


JSON = {
    "model": "MODEL as it was given",
    "inputs": "of each input its dtype and shape",
    "threads": "how many worked",
    "load_ms": "opening the model; absent under qemu",
    "first_ms": "the first run, with planning and packing of weights; absent under qemu",
    "memory": "bytes of the session for activations, scratch and state",
    "times": "of the runs after the first ones: runs, median, p10, p90, best; in ms; absent under qemu",
    "peak_gflops": "GFLOP/s that f32 multiply-adds reach here on that many threads, or null; absent under qemu",
    "gflop": "of all convolutions and matrix products of one run, or null; absent under qemu",
    "steps": "of each step: index, node, op, kernel, ms, share, gflop, peak (the last two may be null); under qemu "
             "index, node, op, kernel, instructions",
    "vs": "what --vs named, or null; absent with --device",
    "versus": "with --vs, else null: times of the other, ratio, low, high, rounds; absent under qemu",
    "device": "with --device: what it is (docs/lab.md)",
    "peak_memory": "with --device: bytes of the process there; absent under qemu",
    "instructions": "with --device: of one run; under qemu only",
}


@click.command("bench", epilog=EXAMPLES)
@click.argument("model", type=ModelFile())
@conversion
@inputs
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads; default: one per core.")
@seconds_option("Time for the runs of each side.")
@click.option("--vs", type=click.Choice(["onnxruntime"]), help="Run this too, alternately, and give the ratio.")
@click.option("--source", type=click.Path(), metavar="FILE.onnx", help="The source of MODEL.lrm, for --vs.")
@rows_option("List that many steps, the slowest first; 0: all, in their order.")
@on_device
@common
def command(model: str, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int | str], given: Given,
            threads: int | None, seconds: float, vs: str | None, source: str | None, top: int, where: Where | None,
            as_json: bool) -> None:
    """Measure how long a run of MODEL (an .lrm file, or an ONNX model that is converted in memory) takes, and where.

    A step's % of peak says how many f32 multiply-adds it does of those that the machine can do, measured in the same
    process. Ratios are those of alternate runs, so that other work on the machine disturbs both sides alike. With
    --device it is measured there, without the peak; under qemu instructions are counted instead of times.
    """
    lrm = is_lrm(model)
    onnx_file = source or (None if lrm else model)
    if source and not lrm:
        raise click.UsageError("--source is for a MODEL that is an .lrm file; this one is a source itself")
    if vs and not onnx_file:
        raise click.UsageError("--vs needs the ONNX model; give it instead of the .lrm file, or with --source")
    if not onnx_file:
        refuse_conversion(f"{model} is", set_, state, dims)
    if where and (vs or source):
        raise click.UsageError("--vs is not for --device: onnxruntime is not there")
    with progress() as tell:
        data = None if lrm else convert_in_memory(model, set_, state, dims, tell)
        with Session(data if data is not None else model, threads) as session:
            found = gather_feeds(session, given)
            feeds = found.arrays
            against = _peer(onnx_file, session, set_, state, dims, feeds, threads) if vs and onnx_file else None
        if not where:
            tell.still(f"measuring for about {seconds * (2 if vs else 1) * 1.4:.3g} s")
            result = benchmark(data if data is not None else model, feeds, threads, seconds=seconds, against=against)
    if where:
        from ..lab.commands import bench

        if not as_json:
            say_sizes(found.chosen)
        bench(where, model, data, feeds, threads, seconds, top, as_json, lambda r: _print(r, None, top))
        return
    if as_json:
        shown = {n: [str(a.dtype), list(a.shape)] for n, a in feeds.items()}
        print_json({"model": model, "inputs": shown, **result.as_dict(), "vs": vs})
    else:
        say_sizes(found.chosen)
        _print(result, vs, top)


def _peer(path: str, session: Session, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int | str],
          feeds: dict[str, np.ndarray], threads: int | None) -> Callable[[], object]:
    """A run of onnxruntime with all its optimisations on the same inputs (states are zero in each run)."""
    from ...timing import cores
    from ..cases import Source
    from ..frontend import load

    try:
        import onnxruntime as ort
    except ModuleNotFoundError as e:
        raise ConvertError("--vs: onnxruntime is not installed; run: pip install onnxruntime") from e
    source = Source(load(path), session, set_, state, dims)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or cores()
    options.inter_op_num_threads = 1
    try:
        # by path: weights may be in files beside it
        peer = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        wanted = {i.name for i in peer.get_inputs()}
        all_feeds = {n: a for n, a in {**source.zeros, **source.fixed, **feeds}.items() if n in wanted}
        peer.run(None, all_feeds)
    except Exception as e:  # onnxruntime raises many kinds
        raise ConvertError(f"onnxruntime: {str(e).strip().splitlines()[0]}") from e
    return lambda: peer.run(None, all_feeds)


def _print(r: Benchmark, vs: str | None, top: int) -> None:
    _print_operators(r)
    slowest = sorted(r.steps, key=lambda s: -s.ms)[:top] if top else r.steps
    title = f"the {len(slowest)} slowest of {len(r.steps)} steps" if len(slowest) < len(r.steps) else "steps"
    print_table(title, [">#", "node", "op", "kernel", ">us", ">%", ">GFLOP", ">% of peak"],
                [[s.index, s.node, s.op, s.kernel, f"{1e3 * s.ms:.1f}", f"{100 * s.share:.1f}", _number(s.gflop),
                  _percent(s.peak)] for s in slowest])
    threads = "1 thread" if r.threads == 1 else f"{r.threads} threads"
    speed = f"{r.gflop / r.times.median * 1e3:.1f} GFLOP/s" if r.gflop else ""
    if speed and r.peak_gflops:
        speed += f", {_percent(r.gflop / r.times.median * 1e3 / r.peak_gflops)} % of {r.peak_gflops:.1f}"
    say(f"{threads}: median {r.times.median:.3f} ms, p10 {r.times.p10:.3f}, p90 {r.times.p90:.3f}, "
        f"best {r.times.best:.3f} ({r.times.runs} runs)" + (f", {speed}" if speed else ""))
    say(f"opening {r.load_ms:.1f} ms, first run {r.first_ms:.1f} ms, memory {human_bytes(r.memory)}")
    if r.versus:
        v = r.versus
        say(f"{vs}: median {v.times.median:.3f} ms, p10 {v.times.p10:.3f}, p90 {v.times.p90:.3f}, "
            f"best {v.times.best:.3f}; we take {v.ratio:.3f} of its time "
            f"({v.low:.3f} to {v.high:.3f} in {v.rounds} rounds)", "green" if v.ratio <= 1 else "yellow")


def _print_operators(r: Benchmark) -> None:
    groups: dict[tuple[str, str], list[StepTime]] = {}
    for s in r.steps:
        groups.setdefault((s.op, s.kernel), []).append(s)
    rows = []
    for (op, kernel), steps in sorted(groups.items(), key=lambda g: -sum(s.ms for s in g[1])):
        ms, gflop = sum(s.ms for s in steps), sum(s.gflop or 0 for s in steps)
        reached = gflop / (1e-3 * ms * r.peak_gflops) if gflop and ms and r.peak_gflops else None
        rows.append([op, kernel, len(steps), f"{ms:.3f}", f"{100 * sum(s.share for s in steps):.1f}",
                     _number(gflop or None), _percent(reached)])
    print_table("operators", ["op", "kernel", ">steps", ">ms", ">%", ">GFLOP", ">% of peak"], rows)


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.4f}"


def _percent(x: float | None) -> str:
    return "" if x is None else f"{100 * x:.1f}"
