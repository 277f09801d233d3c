"""lite-opt run: one or more runs of a converted model."""
from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import click
import numpy as np

from ... import Session, Step
from ..errors import ConvertError
from ..lab.options import Where, on_device
from .options import common, gather_feeds, inputs, say_sizes
from .output import OutputFile, human_bytes, human_shape, print_json, print_table, say

EXAMPLES = """
\b
Examples:
  lite-opt run model.lrm                                  (random inputs)
  lite-opt run model.lrm --input x=image.npy -o result.npz
  lite-opt run model.lrm --shape x=1,3,640,640 --repeat 10 --profile
  lite-opt run model.lrm --device qemu:cortex-a76         (docs/lab.md)
"""


@click.command("run", short_help="Run a converted model.", epilog=EXAMPLES)
@click.argument("file", type=click.Path())
@inputs
@click.option("--output", "-o", type=click.Path(), metavar="FILE.npz", help="Save all outputs.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads; default: one per core.")
@click.option("--repeat", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Number of runs.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds that a run may take.")
@click.option("--profile", is_flag=True, help="Show the time of each step (of one more run).")
@on_device
@common
def command(file: str, files: tuple[str, ...], shapes: dict[str, tuple[int, ...]], seed: int, output: str | None,
            threads: int | None, repeat: int, timeout: float | None, profile: bool, where: Where | None,
            as_json: bool) -> None:
    """Run FILE on inputs from .npy or .npz files, or on random ones, and summarise the outputs."""
    if output is None:
        _run(file, files, shapes, seed, None, threads, repeat, timeout, profile, where, as_json)
    else:
        with OutputFile(output) as target:
            _run(file, files, shapes, seed, target, threads, repeat, timeout, profile, where, as_json)


def _run(file: str, files: tuple[str, ...], shapes: dict[str, tuple[int, ...]], seed: int, target: OutputFile | None,
         threads: int | None, repeat: int, timeout: float | None, profile: bool, where: Where | None,
         as_json: bool) -> None:
    with Session(file, threads) as session:
        feeds, chosen = gather_feeds(session, files, shapes, seed)
        times = []
        outputs: dict[str, np.ndarray] = {}
        for _ in range(0 if where else repeat):
            start = time.perf_counter()
            outputs = session.run(feeds, timeout=timeout)
            times.append(1e3 * (time.perf_counter() - start))
        steps = session.profile(feeds, timeout) if profile and not where else []
        memory = session.memory
    if where:
        from ..lab.commands import run

        there = run(where, file, feeds, threads, repeat, timeout, profile)
        outputs, times, steps, memory = there.outputs, there.times, there.steps, there.memory
    if target:
        target.write(_npz(outputs))
    facts: dict[str, Any] = {
        "inputs": {n: [str(a.dtype), list(a.shape)] for n, a in feeds.items()},
        "outputs": {n: _summary(a) for n, a in outputs.items()},
        "runs": repeat, "best_ms": min(times, default=None),
        "median_ms": float(np.median(times)) if times else None, "memory": memory,
    }
    if profile:
        facts["steps"] = [{"node": s.node, "op": s.op, "device": s.device, "kernel": s.kernel, "ns": s.ns,
                           "reason": s.reason} for s in steps]
    if where:
        facts["device"] = there.device.as_dict()
    if as_json:
        print_json(facts)
        return
    if where:
        say(there.device.sentence())
    say_sizes(chosen)
    print_table("", ["output", "dtype", "shape", ">min", ">mean", ">max"],
                [[n, s["dtype"], human_shape(s["shape"]), *(_number(s[k]) for k in ("min", "mean", "max"))]
                 for n, s in facts["outputs"].items()])
    runs = "1 run" if repeat == 1 else f"{repeat} runs"
    speed = f", best {min(times):.3f} ms, median {facts['median_ms']:.3f} ms" if times else ""
    say(f"{runs}{speed}, memory {human_bytes(memory)}")
    if profile:
        _print_profile(steps)


def _print_profile(steps: list[Step]) -> None:
    total = sum(s.ns for s in steps) or 1
    print_table("profile", [">#", "op", "node", "device", "kernel", ">us", ">%"],
                [[s.index, s.op, s.node, s.device + (f" ({s.reason})" if s.reason else ""), s.kernel,
                  f"{s.ns / 1e3:.1f}", f"{100 * s.ns / total:.1f}"] for s in steps])


def _summary(a: np.ndarray) -> dict[str, Any]:
    facts: dict[str, Any] = {"dtype": str(a.dtype), "shape": list(a.shape)}
    wide = a.astype(np.float64)
    facts |= {k: float(f(wide)) if a.size else None for k, f in (("min", np.min), ("mean", np.mean), ("max", np.max))}
    return facts


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:.6g}"


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz file in memory, the same bytes for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for name, array in arrays.items():
            if not name or "\0" in name or name.startswith("/") or ".." in name.split("/"):
                raise ConvertError(f"output '{name}': its name cannot be used in an .npz file")
            with z.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as f:
                np.lib.format.write_array(f, array, allow_pickle=False)
    return buffer.getvalue()
