"""lite-opt compare: every layer against the source model."""
from __future__ import annotations

from typing import Any

import click

from ... import Session
from ..errors import ConvertError
from ..lab.options import Where, on_device
from .inputs import gather_feeds
from .options import Given, ModelFile, common, conversion, inputs
from .output import human_shape, print_json, print_table, progress, say

EXAMPLES = """
\b
Examples:
  lite-opt compare model.onnx                      (converts in memory)
  lite-opt compare model.onnx model.lrm --input x=image.npy
  lite-opt compare model.lrm --device qemu:cortex-a53  (there and here)
  lite-opt compare silero.onnx --set sr=16000 --state stateN=state
"""
JSON = {
    "ok": "whether all layers (with --device: all outputs) are within their limits",
    "layers": "of each layer: step, node, op, kernel, tensor, shape, measure, value, limit, ok, why; absent with "
              "--device",
    "device": "with --device: what it is (docs/lab.md)",
    "against": "with --device: whose outputs its own are compared with",
    "outputs": "with --device: of each output: name, dtype, shape, max_difference, cosine, bit_equal, measure, value, "
               "limit, ok, why",
}


@click.command("compare", epilog=EXAMPLES)
@click.argument("model", type=ModelFile(".onnx"))
@click.argument("file", type=ModelFile(".lrm"), required=False)
@conversion
@inputs
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", default=600.0,
              show_default=True,
              help="Time that it may take.")
@on_device
@common
def command(model: str, file: str | None, set_: dict[str, Any], state: dict[str, str],
            dims: dict[str, int | str], given: Given, timeout: float, where: Where | None, as_json: bool) -> int:
    """Compare every layer of FILE with the ONNX MODEL that it was converted from.

    Give --set, --state and --dim as for the conversion. Without FILE the model is converted in memory. Exit code 1 when
    a layer is outside of its limit.

    With --device the outputs of FILE, computed there, are compared with those of MODEL here, which may be an .lrm file.
    """
    from ..api import convert
    from ..compare import compare_model

    if where:
        from ..lab.commands import compare

        conversion_ = {"set": set_, "state": state, "dims": dims}
        return compare(where, model, file, conversion_, lambda session: gather_feeds(session, given).arrays,
                       bool(given.values), given.shapes, given.seed, timeout, as_json)
    with progress() as tell:
        if file is None:
            tell("converting")
            data = convert(model, verify=False, set=set_, state=state, dim=dims)
        else:
            with Session(file), open(file, "rb") as f:  # the session verifies it
                data = f.read()
        feeds = None
        if given.values or given.shapes:
            with Session(data) as session:
                found = gather_feeds(session, given)  # refuses names that the model does not have
            feeds = found.arrays if given.values else None
        tell("running both models")
        layers = compare_model(model, data, feeds, set=set_, state=state, dims=dims, timeout=timeout,
                               seed=given.seed, shapes=given.shapes)
    if not layers:
        raise ConvertError("compare: no tensor of the file has the name of one of the model's; is it of that model?")
    wrong = [x for x in layers if not x.result.ok]
    if as_json:
        print_json({"layers": layers_as_dicts(layers), "ok": not wrong})
        return bool(wrong)
    usual = all(x.result.kind == "error" for x in layers)  # then that is the name of the column
    measure = [">error"] if usual else ["measure", ">value"]
    print_table("", [">step", "op", "node", "tensor", "shape", *measure, ">limit"],
                [[x.step, x.op, x.node, x.result.name, human_shape(x.shape), *([] if usual else [x.result.kind]),
                  x.result.why or f"{x.result.value:.2e}", f"{x.result.limit:g}"] for x in layers],
                lambda i: not layers[i].result.ok)
    if wrong:
        first = wrong[0].node
        say(f"{len(wrong)} of {len(layers)} layers are outside of their limits; the first is node '{first}'", "red")
    else:
        worst = max((x.result.value for x in layers if x.result.kind == "error"), default=0.0)
        say(f"all {len(layers)} layers are right; the largest error is {worst:.2e}", "green")
    return bool(wrong)


def layers_as_dicts(layers: list[Any]) -> list[dict[str, Any]]:
    """Plain data for JSON."""
    return [{"step": x.step, "node": x.node, "op": x.op, "kernel": x.kernel, "tensor": x.result.name,
             "shape": list(x.shape), "measure": x.result.kind, "value": x.result.value, "limit": x.result.limit,
             "ok": x.result.ok, "why": x.result.why} for x in layers]
