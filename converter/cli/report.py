"""lite-opt report: a page about a model."""
from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ... import Benchmark, Session, benchmark
from ..errors import ConvertError
from .inputs import gather_feeds, say_sizes
from .models import is_lrm, refuse_conversion
from .options import Given, ModelFile, common, conversion, inputs, seconds_option
from .output import OutputFile, Progress, human_bytes, print_json, progress, say

if TYPE_CHECKING:
    from ..compare import Layer
    from ..report.facts import Subject

EXAMPLES = """
\b
Examples:
  lite-opt report model.onnx                              (writes report.html)
  lite-opt report model.onnx --bench --compare -o model.html
  lite-opt report model.onnx --shape x=1,3,640,640 --no-verify
  lite-opt report model.lrm --source model.onnx
  lite-opt report model.lrm --json | jq .plan_bytes
"""
JSON = {
    "output": "the page that was written, or null",
    "model": "MODEL as it was given",
    "producer": "what wrote the .lrm file",
    "version": "of the file format",
    "bytes": "size of the .lrm file",
    "weights": "count and bytes of constants, and by dtype",
    "inputs": "of each: name, dtype, shape",
    "outputs": "the same",
    "states": "the same",
    "metadata": "keys and values",
    "dims": "the ranges that `convert --dim` declared",
    "shapes": "of the inputs, for which all that follows is said",
    "chosen": "inputs whose sizes were chosen, as the model leaves them open",
    "steps": "the plan",
    "buffers": "where each tensor lies in memory, and when",
    "plan_bytes": "of activations",
    "memory": "of a session",
    "proof": "as that of `convert`; null where there is none",
    "notes": "sentences of the conversion",
    "rules": "what each rule did, or null where that is not known",
    "graphs": "nodes and tensors of the file; first the main graph",
    "sources": "the nodes of the ONNX model, or null",
    "unused": "those that nothing was made of",
    "bench": "with --bench, else null: as `bench`",
    "layers": "with --compare, else null: as `compare`",
    "unknown": "sentences: what this report cannot say, and why",
}
Tell = Callable[[str], None]


@click.command("report", epilog=EXAMPLES)
@click.argument("model", type=ModelFile())
@click.option("-o", "output", type=click.Path(), metavar="FILE.html",
              help="Where to write; default: report.html, with --json nowhere.")
@conversion
@inputs
@click.option("--source", type=click.Path(), metavar="FILE.onnx", help="The source of MODEL.lrm.")
@click.option("--bench", is_flag=True, help="Measure how long each step takes.")
@click.option("--compare", is_flag=True, help="Compare each layer with the source model.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads; default: one per core.")
@seconds_option("Time for the runs of --bench.")
@click.option("--no-verify", is_flag=True, help="Skip the proof.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", default=60.0,
              show_default=True,
              help="Time that the proof may take, and that --compare may.")
@common
def command(model: str, output: str | None, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int | str],
            given: Given, source: str | None, bench: bool, compare: bool, threads: int | None, seconds: float,
            no_verify: bool, timeout: float, as_json: bool) -> int:
    """Write one HTML file about MODEL: its graph, memory, times, errors, and what the rules did.

    MODEL is an ONNX model, which is converted in memory and proven, or an .lrm file; then --source gives what only the
    ONNX model knows, with --set, --state and --dim as for the conversion. The page needs no network. Exit code 1, with
    the page all the same, when the proof fails or a layer is outside of its limit.
    """
    lrm = is_lrm(model)
    if source and not lrm:
        raise click.UsageError("--source is for a MODEL that is an .lrm file; this one is a source itself")
    if compare and lrm and not source:
        raise click.UsageError("--compare needs the ONNX model; give it instead of the .lrm file, or with --source")
    if lrm and not source:
        refuse_conversion(f"{model} is", set_, state, dims)
    from ..report.render import page  # here: what is missing for it is said before the long work

    how = {"set": set_, "state": state, "dims": dims}
    with contextlib.ExitStack() as stack:
        path = output or (None if as_json else "report.html")
        target = stack.enter_context(OutputFile(path)) if path else None
        with progress() as tell:
            subject = _subject(model, source, lrm, how, None if no_verify else timeout, tell)
            with Session(subject.data, threads) as session:
                feeds = gather_feeds(session, replace(given, shapes=_shapes(subject, given))).arrays
                chosen = {t.name: feeds[t.name].shape for t in session.inputs if not given.values and
                          t.name not in given.shapes and not all(isinstance(d, int) for d in t.shape)}
                own = feeds if given.values else None
                layers = _layers(subject, own, given, how, timeout, tell) if compare else None
                found = _bench(subject, feeds, threads, seconds, tell) if bench else None
                tell("writing the report")
                facts = _gather(subject, session, {n: a.shape for n, a in feeds.items()},
                                list(chosen), found, layers)
        if target:
            html = page(facts)
            target.write(html)
    bad = [x for x in layers or () if not x.result.ok]
    failed = subject.proof is not None and subject.proof.verdict == "failed"
    if as_json:
        print_json({"output": path, **facts})
        return bool(bad or failed)
    say_sizes(chosen)
    if subject.proof:
        style = {"proven": "green", "failed": "red"}.get(subject.proof.verdict, "yellow")
        say(subject.proof.sentence(), style)
    if layers is not None:
        say(f"{len(bad)} of {len(layers)} layers are outside of their limits" if bad
            else f"all {len(layers)} layers are right", "red" if bad else "green")
    say(f"wrote {path} ({human_bytes(len(html))})")
    return bool(bad or failed)


def _subject(model: str, source: str | None, lrm: bool, how: Mapping[str, Any], timeout: float | None,
             tell: Tell) -> Subject:
    """The model to report on. timeout: of the proof; None: no proof."""
    from ..api import convert_model
    from ..frontend import load
    from ..report.facts import Subject

    if lrm:
        with open(model, "rb") as f:
            data = f.read()
        Session(data).close()  # verifies it
        return _with_source(Subject(model, data), source, how, timeout, tell)
    proto = load(model)
    r = convert_model(proto, verify=timeout is not None, force=True, timeout=timeout or 60.0, progress=tell,
                      **{"set": how["set"], "state": how["state"], "dim": how["dims"]})
    return Subject(model, r.data, proto, r.trace, r.report, r.notes,
                   [] if r.report else ["whether it computes what the source computes: --no-verify was given"])


def _with_source(subject: Subject, source: str | None, how: Mapping[str, Any], timeout: float | None,
                 tell: Tell) -> Subject:
    """An .lrm file with what its source adds: the proof, and, when it converts to the same bytes, the rules."""
    from ..api import convert_model
    from ..frontend import load
    from ..verify import prove

    if source is None:
        subject.unknown.append("whether it computes what the source computes, and what the rules did: give --source "
                               "FILE.onnx")
        return subject
    subject.proto = load(source)
    if timeout is not None:
        subject.proof = prove(subject.proto, subject.data, timeout=timeout, progress=tell, **how)
    else:
        subject.unknown.append("whether it computes what the source computes: --no-verify was given")
    for weights in ("f32", "f16"):  # conversion gives the same bytes each time, so equal ones were made in the same way
        with contextlib.suppress(ConvertError):
            r = convert_model(subject.proto, verify=False, weights=weights,
                              **{"set": how["set"], "state": how["state"], "dim": how["dims"]})
            if r.data == subject.data:
                subject.trace, subject.notes = r.trace, r.notes
                return subject
    subject.unknown.append("what the rules did: the source converts to another file now, with other options or another "
                           "version; give --set, --state and --dim as for the conversion")
    return subject


def _shapes(subject: Subject, given: Given) -> dict[str, tuple[int, ...]]:
    """Those that were given; else those of the proof, which are known to be good."""
    own = given.values or given.shapes
    proven = subject.proof.shapes[0] if subject.proof and subject.proof.shapes and not own else {}
    with Session(subject.data) as session:
        return given.shapes or {t.name: proven[t.name] for t in session.inputs if t.name in proven}


def _layers(subject: Subject, feeds: Any, given: Given, how: Mapping[str, Any], timeout: float,
            tell: Tell) -> list[Layer]:
    from ..compare import compare_model

    tell("comparing the layers")
    assert subject.proto is not None
    return compare_model(subject.proto, subject.data, feeds, timeout=timeout, seed=given.seed,
                         shapes=given.shapes, **how)


def _bench(subject: Subject, feeds: Any, threads: int | None, seconds: float, tell: Progress) -> Benchmark:
    tell.still(f"measuring for about {1.4 * seconds:.3g} s")
    return benchmark(subject.data, feeds, threads, seconds=seconds)


def _gather(*args: Any) -> dict[str, Any]:
    from ..report.facts import gather

    return gather(*args)
