"""lite-opt convert."""
from __future__ import annotations

import os
from typing import Any

import click

from ..errors import ConvertError
from .options import ModelFile, common, conversion, split, unique
from .output import OutputFile, human_bytes, print_json, progress, say

EXAMPLES = """
\b
Examples:
  lite-opt convert model.onnx                   (writes model.lrm)
  lite-opt convert model.onnx -o out/model.lrm --explain
  lite-opt convert silero.onnx --set sr=16000 --state stateN=state
  lite-opt convert model.onnx --dim batch=1 --timeout 600
  lite-opt convert model.onnx --dim batch=1..8  (open; proven at both ends)
  lite-opt convert model.onnx --weights f16     (half the file)
  lite-opt convert net.onnx --input x=u8,nhwc,mean=127.5,std=127.5
      (a picture's bytes; mean and std may also have a number per channel)
"""
JSON = {
    "output": "the file that was written",
    "bytes": "its size",
    "notes": "sentences that the user should know",
    "proof": "null with --no-verify; else the verdict (proven, weak, not proven, failed), what was compared, and the "
             "rule that broke it. Also beside an error, when a failed proof is the error",
    "applications": "with --explain, of each rule that was applied: stage, rule, nodes",
}


def _forms(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    return unique([split(t, "NAME=FORM, for example x=u8,nhwc") for t in texts])


@click.command("convert", epilog=EXAMPLES)
@click.argument("model", type=ModelFile(".onnx"))
@click.option("-o", "output", type=click.Path(), metavar="FILE.lrm",
              help="Where to write; default: the model's name with .lrm.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=FORM", callback=_forms,
              help="What the caller gives: u8, i8, f16 or f32; nhwc; bgr when the channels are in the opposite order; "
                   "mean=A:B:C and std=A:B:C, so that the model's x is (value - mean) / std. May be repeated.")
@click.option("--output", "outputs", multiple=True, metavar="NAME=FORM", callback=_forms,
              help="What the caller gets: f16 or f32; nhwc. May be repeated.")
@conversion
@click.option("--weights", type=click.Choice(["f32", "f16"]), default="f32", show_default=True,
              help="How f32 weights are stored; f16 halves the file and computes in f32.")
@click.option("--explain", is_flag=True, help="Say what each rule did, and where.")
@click.option("--force", is_flag=True, help="Write the file even when the proof fails.")
@click.option("--no-verify", is_flag=True, help="Skip the proof.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", default=60.0,
              show_default=True,
              help="Time that the proof may take.")
@common
def command(model: str, output: str | None, inputs: dict[str, str], outputs: dict[str, str], set_: dict[str, Any],
            state: dict[str, str], dims: dict[str, int | str], weights: str, explain: bool, force: bool,
            no_verify: bool, timeout: float, as_json: bool) -> None:
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
                                   timeout=timeout, weights=weights, inputs=inputs, outputs=outputs, progress=tell)
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


