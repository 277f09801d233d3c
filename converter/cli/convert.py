"""lite-opt convert."""
from __future__ import annotations

import os
from typing import Any

import click

from ..errors import ConvertError
from .options import common, conversion
from .output import OutputFile, human_bytes, print_json, progress, say

EXAMPLES = """
\b
Examples:
  lite-opt convert model.onnx                             (writes model.lrm)
  lite-opt convert model.onnx -o out/model.lrm --explain
  lite-opt convert silero.onnx --set sr=16000 --state stateN=state
  lite-opt convert model.onnx --dim batch=1 --timeout 600
  lite-opt convert model.onnx --dim batch=1..8            (open; proven at both ends)
  lite-opt convert model.onnx --weights f16               (half the file)
"""


@click.command("convert", short_help="Convert an ONNX model and prove the result.", epilog=EXAMPLES)
@click.argument("model", type=click.Path())
@click.option("--output", "-o", type=click.Path(), metavar="FILE.lrm",
              help="Where to write; default: the model's name with .lrm.")
@conversion
@click.option("--weights", type=click.Choice(["f32", "f16"]), default="f32", show_default=True,
              help="How f32 weights are stored; f16 halves the file and computes in f32.")
@click.option("--explain", is_flag=True, help="Say what each rule did, and where.")
@click.option("--force", is_flag=True, help="Write the file even when the proof fails.")
@click.option("--no-verify", is_flag=True, help="Skip the proof.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True,
              help="Seconds that the proof may take.")
@common
def command(model: str, output: str | None, set_: dict[str, Any], state: dict[str, str], dims: dict[str, int | str],
            weights: str, explain: bool, force: bool, no_verify: bool, timeout: float, as_json: bool) -> None:
    """Convert the ONNX MODEL to an .lrm file, and prove that it computes the same.

    The source and the result are run on the same inputs. When they differ, the rule that broke it is named, nothing is
    written, and the exit code is 1.
    """
    from ..api import convert_model

    if force and no_verify:
        raise click.UsageError("--force and --no-verify exclude each other: without a proof nothing is forced")
    path = output if output is not None else os.path.splitext(model)[0] + ".lrm"
    if not os.path.lexists(model):
        raise ConvertError(f"{model}: no such file")
    if os.path.realpath(path) == os.path.realpath(model):
        raise ConvertError(f"{path}: is the model itself; give another name with -o")
    with OutputFile(path) as target:
        with progress() as tell:
            result = convert_model(model, verify=not no_verify, force=force, set=set_, state=state, dim=dims,
                                   timeout=timeout, weights=weights, progress=tell)
        target.write(result.data)
    report = result.report
    if as_json:
        facts: dict[str, Any] = {"output": path, "bytes": len(result.data), "notes": list(result.notes),
                                 "proof": report.as_dict() if report else None}
        if explain:
            facts["applications"] = [{"stage": a.stage, "rule": a.rule, "nodes": list(a.nodes)}
                                     for a in result.trace.applications]
        print_json(facts)
        return
    if explain:
        say(result.trace.text())
    for note in result.notes:
        say(f"note: {note}", "yellow")
    if report is None:
        say("not proven: --no-verify was given", "yellow")
    else:
        style = {"proven": "green", "failed": "red"}.get(report.verdict, "yellow")
        say(report.sentence(), style)
        for refusal in report.refused:
            say(f"note: {report.reference} runs with inputs that we refuse: {refusal}", "yellow")
    forced = ", although its results are wrong (--force)" if report and report.verdict == "failed" else ""
    say(f"wrote {path} ({human_bytes(len(result.data))}){forced}")


