"""`lite_runtime.convert`: ONNX in, the bytes of an .lrm file out, proven."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import onnx

from .adapt import adapt, forms
from .errors import ConvertError, ProofError
from .frontend import import_model, load
from .infer import Infer
from .pipeline import Options, convert_graph
from .rewrite import Trace

if TYPE_CHECKING:
    from .verify import Report

Source = str | os.PathLike[str] | bytes | onnx.ModelProto
DEFAULTS: dict[str, Any] = {"set": None, "state": None, "dim": None, "explain": False, "force": False, "timeout": 60.0,
                            "progress": None, "weights": "f32", "prepack": None, "inputs": None, "outputs": None}
"""The options of `convert` besides verify, with what they are when they are not given."""
WEIGHTS = ("f32", "f16")


@dataclass
class Result:
    """A conversion; its report is None when the proof was not wanted."""

    data: bytes
    """The .lrm file."""
    trace: Trace
    """What each rule did."""
    report: Report | None = None
    """The proof."""
    notes: list[str] = field(default_factory=list)
    """What the user should know, a sentence each."""


def convert(source: Source, verify: bool = True, **options: Any) -> bytes:
    """Converts an ONNX model (path, bytes or ModelProto) and proves the result.

    set: {input: value} makes inputs constants. state: {output: input} makes inputs states of the session. dim: {symbol:
    size}, or a range like "1..8", which stays open, is proven at both ends and is kept in the file. explain: True
    prints what each rule did, a function gets the text. force: returns the file although the proof failed. timeout:
    seconds that the proof may take. progress: a function that gets a line for each step. weights: "f16" stores f32
    weights in half the bytes; it computes in f32, and the proof's limit is that of f16. inputs, outputs: {name: form},
    where a form like "u8,nhwc,mean=127.5,std=127.5" says what the caller gives or gets (see converter/adapt.py).
    Raises ConvertError, and ProofError (which has the report) when source and result differ.
    """
    return convert_model(source, verify=verify, **options).data


def convert_model(source: Source, verify: bool = True, **options: Any) -> Result:
    """As `convert`, with everything that is known about the conversion."""
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise ConvertError(f"convert: there is no option '{unknown[0]}'; the options are verify, {', '.join(DEFAULTS)}")
    o = {**DEFAULTS, **options}
    for name in ("set", "state", "dim", "prepack", "inputs", "outputs"):
        if o[name] is not None and not isinstance(o[name], Mapping):
            raise ConvertError(f"convert: option '{name}' is of type {type(o[name]).__name__}; give a dict")
    timeout = o["timeout"]
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConvertError(f"convert: timeout is {timeout!r}; give a number of seconds above 0")
    if o["weights"] not in WEIGHTS:
        raise ConvertError(f"convert: weights is {o['weights']!r}; it can be {' or '.join(WEIGHTS)}")
    tell: Callable[[str], object] = o["progress"] or (lambda text: None)
    tell("reading the model")
    model = load(source)
    given = {"set": o["set"], "state": o["state"], "dims": o["dim"]}
    inputs, outputs = forms("input", o["inputs"]), forms("output", o["outputs"])
    graph = import_model(model, Infer(), **given)
    adapt(graph, inputs, outputs)
    tell("optimising")
    settings = Options(weights=o["weights"], prepack=dict(o["prepack"] or {}))
    data, trace = convert_graph(graph, settings)
    if o["explain"]:
        (o["explain"] if callable(o["explain"]) else print)(trace.text())
    result = Result(data, trace, notes=list(trace.graph.notes))
    if verify:
        _prove(result, model, given, graph, settings, float(timeout), o["force"], tell)
    return result


def _prove(result: Result, model: onnx.ModelProto, given: dict[str, Any], graph: Any, settings: Options, timeout: float,
           force: bool, tell: Callable[[str], object]) -> None:
    from .verify import prove

    def build(limit: int | None) -> tuple[bytes, list[Any]]:
        data, trace = convert_graph(graph, settings, limit)
        return data, trace.applications

    result.report = prove(model, result.data, timeout=timeout, build=build, progress=tell, **given)
    if result.report.verdict == "failed" and not force:
        advice = "" if settings.weights == "f32" else \
            "; f16 weights are not exact enough for this model: convert it without them, or write it with force"
        raise ProofError(f"convert: {result.report.sentence()}{advice}", result.report)


__all__ = ["DEFAULTS", "Result", "convert", "convert_model"]
