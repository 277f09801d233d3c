"""lite-opt run: one or more runs of a model."""
from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ... import Session, Step
from ..lab.options import Where, on_device
from .inputs import Feeds, gather_feeds, say_sizes
from .models import convert_in_memory, is_lrm, refuse_conversion
from .options import Given, ModelFile, common, conversion, inputs
from .output import human_bytes, human_shape, print_json, print_table, progress, say
from .outputs import ROWS, Saved, read_labels, summary, top_classes

if TYPE_CHECKING:
    from ..lab.device import Facts

EXAMPLES = """
\b
Examples:
  lite-opt run model.lrm                                    (random inputs)
  lite-opt run model.lrm --input x=photo.jpg --shape x=1,3,224,224 \\
      --resize crop --scale 1/255 --mean 0.485,0.456,0.406 \\
      --std 0.229,0.224,0.225 --top 5 --softmax --labels labels.txt
  lite-opt run model.lrm --input x=image.npy --save result.npz
  lite-opt run model.onnx --shape x=1,3,640,640 --repeat 10 --profile
  lite-opt run add.onnx --input a=1,2,3 --input b=[[4,5,6]]
  lite-opt run counter.onnx --state y=s --input x=ones --repeat 3
  lite-opt run model.lrm --device qemu:cortex-a76           (docs/lab.md)
  lite-opt run model.lrm --json | jq .outputs.y.mean
"""
JSON = {
    "model": "MODEL as it was given",
    "inputs": "of each input its dtype and shape",
    "random": "names of the inputs of which nothing was given",
    "seed": "of random inputs",
    "outputs": "of each output, after the last run: dtype, shape, min, mean, max (null without elements), first (the "
               "first values)",
    "top": "with --top, of each output with classes, for each row a list of class, label (null without --labels) and "
           "value",
    "saved": "what --save wrote, or null",
    "runs": "their number",
    "best_ms": "the fastest run; null under qemu",
    "median_ms": "the median of all; null under qemu",
    "device": "with --device, what it is; else null",
    "memory": "bytes of the session for activations, scratch and state",
    "steps": "with --profile, of each step: node, op, device, kernel, ns, and the reason why a device did not take it",
}


@dataclass
class Done:
    """What the runs gave."""

    feeds: Feeds
    outputs: dict[str, np.ndarray]
    """Of the last run."""
    times: list[float]
    """Of each run, in ms."""
    steps: list[Step]
    """With --profile."""
    memory: int
    """Of the session, in bytes."""
    runs: int = 0
    """Their number, where there are no times of them."""
    device: Facts | None = None
    """Where that was; None: here."""


@click.command("run", epilog=EXAMPLES)
@click.argument("model", type=ModelFile())
@inputs
@click.option("--top", type=click.IntRange(1, 1_000_000), metavar="K",
              help="List the K largest values of each output that has one for each class.")
@click.option("--labels", type=click.Path(), metavar="FILE",
              help="Names of the classes for --top (default: 5 of them), a line each.")
@click.option("--softmax", is_flag=True, help="Make probabilities of the values that --top lists.")
@click.option("-o", "--save", "output", type=click.Path(), metavar="FOLDER|FILE.npz",
              help="Save all outputs: an .npy file each, or one .npz file.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads; default: one per core.")
@click.option("--repeat", type=click.IntRange(1, 1_000_000), metavar="N", default=1, show_default=True,
              help="Number of runs; states go from each to the next.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="Time that a run may take; default: any.")
@click.option("--profile", is_flag=True, help="Show the time of each step (of one more run).")
@conversion
@on_device
@common
def command(model: str, given: Given, top: int | None, labels: str | None, softmax: bool, output: str | None,
            threads: int | None, repeat: int, timeout: float | None, profile: bool, set_: dict[str, Any],
            state: dict[str, str], dims: dict[str, int | str], where: Where | None, as_json: bool) -> None:
    """Run MODEL (an .lrm file, or an ONNX model that is converted in memory, without the proof), and summarise the
    outputs.

    Inputs that are not given are random. A picture is resized to the input's size, which the model says or --shape;
    without --scale, --mean and --std its values are 0 to 255. An input of type uint8 gets the picture's bytes. With
    --device it runs there.
    """
    lrm = is_lrm(model)
    if lrm:
        refuse_conversion(f"{model} is", set_, state, dims)
    if softmax and not (top or labels):
        raise click.UsageError("--softmax is for --top; give it too")
    names = read_labels(labels) if labels else None
    with contextlib.ExitStack() as stack:
        saved = stack.enter_context(Saved(output)) if output is not None else None
        with progress() as tell:
            data = model if lrm else convert_in_memory(model, set_, state, dims, tell)
            tell.still("running")
            done = None if where else _run(data, given, threads, repeat, timeout, profile)
        if done is None:
            done = _run_there(where, data, given, threads, repeat, timeout, profile)
        best = top_classes(done.outputs, top or 5, softmax, names) if top or names else None
        if saved:
            saved.write(done.outputs)
    if as_json:
        print_json(_facts(model, given, done, best, output))
    else:
        _print(given, done, best, output)


def _run(model: str | bytes, given: Given, threads: int | None, repeat: int, timeout: float | None,
         profile: bool) -> Done:
    with Session(model, threads) as session:
        feeds = gather_feeds(session, given)
        times = []
        outputs: dict[str, np.ndarray] = {}
        for _ in range(repeat):
            start = time.perf_counter()
            outputs = session.run(feeds.arrays, timeout=timeout)
            times.append(1e3 * (time.perf_counter() - start))
        steps = session.profile(feeds.arrays, timeout) if profile else []
        return Done(feeds, outputs, times, steps, session.memory)


def _run_there(where: Where, model: str | bytes, given: Given, threads: int | None, repeat: int,
               timeout: float | None, profile: bool) -> Done:
    from ..lab.commands import run

    with Session(model, 1) as session:
        feeds = gather_feeds(session, given)
    there = run(where, model, feeds.arrays, threads, repeat, timeout, profile)
    return Done(feeds, there.outputs, there.times, there.steps, there.memory, repeat, there.device)


def _facts(model: str, given: Given, done: Done, best: dict[str, Any] | None, saved: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "model": model, "inputs": {n: [str(a.dtype), list(a.shape)] for n, a in done.feeds.arrays.items()},
        "random": done.feeds.random, "seed": given.seed,
        "outputs": {n: summary(a) for n, a in done.outputs.items()}, "saved": saved,
        "runs": done.runs or len(done.times), "best_ms": min(done.times, default=None),
        "median_ms": float(np.median(done.times)) if done.times else None, "memory": done.memory,
        "device": done.device.as_dict() if done.device else None,
    }
    if best is not None:
        facts["top"] = best
    if done.steps:
        facts["steps"] = [{"node": s.node, "op": s.op, "device": s.device, "kernel": s.kernel, "ns": s.ns,
                           "reason": s.reason} for s in done.steps]
    return facts


def _print(given: Given, done: Done, best: dict[str, Any] | None, saved: str | None) -> None:
    if done.feeds.random:
        say(f"not given, so random (--seed {given.seed}): {', '.join(done.feeds.random)}", "yellow")
    say_sizes(done.feeds.chosen)
    rows = [(n, summary(a), a.size) for n, a in done.outputs.items()]
    print_table("", ["output", "dtype", "shape", ">min", ">mean", ">max", "first values"],
                [[n, s["dtype"], human_shape(s["shape"]), *(_number(s[k]) for k in ("min", "mean", "max")),
                  " ".join(map(_number, s["first"])) + (" ..." if size > len(s["first"]) else "")]
                 for n, s, size in rows])
    for name, lists in (best or {}).items():
        _print_top(name, lists, len(done.outputs))
    if saved is not None:
        say(f"saved {len(done.outputs)} output{'s' * (len(done.outputs) != 1)} to {saved}")
    if done.device:
        say(done.device.sentence())
    n = done.runs or len(done.times)
    speed = f", best {min(done.times):.3f} ms, median {np.median(done.times):.3f} ms" if done.times else ""
    say(f"{'1 run' if n == 1 else f'{n} runs'}{speed}, memory {human_bytes(done.memory)}")
    if done.steps:
        _print_profile(done.steps)


def _print_top(name: str, lists: list[list[dict[str, Any]]], outputs: int) -> None:
    for i, classes in enumerate(lists):
        row = f", row {i}" if len(lists) > 1 else ""
        labels = classes[0]["label"] is not None
        print_table(f"output {name}{row}", [">class", *(["label"] if labels else []), ">value"],
                    [[c["class"], *([c["label"]] if labels else []), _number(c["value"])] for c in classes])
    if len(lists) == ROWS:
        say(f"(of output {name} no more than {ROWS} rows are listed)")


def _print_profile(steps: list[Step]) -> None:
    total = sum(s.ns for s in steps) or 1
    print_table("profile", [">#", "op", "node", "device", "kernel", ">us", ">%"],
                [[s.index, s.op, s.node, s.device + (f" ({s.reason})" if s.reason else ""), s.kernel,
                  f"{s.ns / 1e3:.1f}", f"{100 * s.ns / total:.1f}"] for s in steps])


def _number(x: Any) -> str:
    return "" if x is None else str(x) if isinstance(x, (bool, int)) else f"{x:.5g}"
