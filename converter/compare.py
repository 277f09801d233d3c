"""Layer by layer: every tensor that we share with the source model, against the reference."""
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from .. import CancelledError, Session, Step
from .errors import ConvertError
from .lower.reader import read
from .measure import Result, judge
from .reference import Clock, Feeds, TimeLimit, first_line, references, with_outputs

if TYPE_CHECKING:
    from .cases import Source


@dataclass(frozen=True)
class Layer:
    """One tensor: the step that makes it, and its comparison. `result.name` is the source's tensor."""

    step: int
    node: str
    op: str
    kernel: str
    shape: tuple[int, ...]
    result: Result


def compare_layers(source: Source, data: bytes, feeds: Feeds, precision: str, clock: Clock) -> list[Layer]:
    """Compares every layer of ours that has a source tensor, in the order of our steps. States are zero.

    ConvertError when no reference runs the model with its inner tensors as outputs.
    """
    perms = tensor_perms(data)
    made = {o for n in source.model.graph.node for o in n.output if o}
    expected = _expected(source, sorted(made & perms.keys()), feeds, clock)
    layers: list[Layer] = []

    def look(step: Step, arrays: list[np.ndarray | None]) -> None:
        for info, array in zip(step.outputs, arrays, strict=True):
            if array is None or info.name not in expected:
                continue
            reference = expected[info.name]
            perm = perms[info.name]
            if perm and len(perm) == reference.ndim:
                reference = reference.transpose(perm)
            result = judge(info.name, reference, array, precision, inner=info.name not in source.outputs)
            layers.append(Layer(step.index, step.node, step.op, step.kernel, array.shape, result))

    with Session(data, keep_all=True) as session:
        try:
            session.trace({n: feeds[n] for n in source.inputs}, look, timeout=clock.remaining())
        except CancelledError as e:
            raise TimeLimit from e
    return layers


def tensor_perms(data: bytes) -> dict[str, tuple[int, ...]]:
    """Name of each tensor of the main graph that has one, to its axes in the source's order (() for the same order)."""
    tensors = read(data)["subgraphs"][0]["tensors"]
    return {t["name"]: tuple(t["source_perm"] or ()) for t in tensors if t["name"]}


def _expected(source: Source, names: list[str], feeds: Feeds, clock: Clock) -> Feeds:
    if not names:
        return {}
    refusals: list[str] = []
    model = with_outputs(source.model, names)
    for reference in references(model, clock, refusals, "DISABLE_ALL"):
        try:
            out = reference.run({**feeds, **source.fixed, **source.zeros}, clock)
            return {n: a for n, a in out.items() if isinstance(a, np.ndarray)}
        except TimeLimit:
            raise
        except Exception as e:  # whatever the reference raises
            refusals.append(f"{reference.name}: {first_line(e)}")
    raise ConvertError("compare: no reference gives the model's inner tensors: " + "; ".join(refusals))


def compare_model(model: str | os.PathLike[str] | bytes | onnx.ModelProto, data: bytes, feeds: Feeds | None = None, *,
                  set: Mapping[str, Any] | None = None, state: Mapping[str, str] | None = None,
                  dims: Mapping[str, int] | None = None, timeout: float = 600.0, seed: int = 0,
                  shapes: Mapping[str, tuple[int, ...]] | None = None) -> list[Layer]:
    """Compares each layer of an .lrm file with the ONNX model that it was converted from.

    feeds: inputs; None looks for seeded ones on which the reference is exact itself, of sizes that the model takes, or
    of these `shapes`. set, state, dims: as given to the conversion.
    """
    from .cases import Cases, Source
    from .frontend import load
    from .verify import precision_of

    proto = model if isinstance(model, onnx.ModelProto) else load(model)
    clock, refusals = Clock(timeout), []
    precision = precision_of(proto, data)
    try:
        with Session(data) as session:
            source = Source(proto, session, set, state, dims)
            if feeds is not None:
                return compare_layers(source, data, feeds, precision, clock)
            for reference in references(proto, clock, refusals):
                cases = Cases(source, session, reference, precision, seed, clock)
                if shapes:
                    cases.trials = [trial | dict(shapes) for trial in cases.trials[:1]]
                case = cases.first()
                if case:
                    return compare_layers(source, data, case.steps[0], precision, clock)
                refusals.append(f"{reference.name}: {(cases.refused or [cases.why])[0]}")
    except TimeLimit as e:
        raise ConvertError(f"compare: the time limit passed after {clock.elapsed:.0f} s; give a larger timeout") from e
    raise ConvertError("compare: no inputs that both can run were found; give them with --input or --shape: "
                       + "; ".join(refusals))
