"""From the imported graph to the file: all stages, each checked, every application of a rule counted."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .infer import Infer
from .ir import Graph, Value
from .lower.writer import write
from .passes import Stage
from .passes import stages as stages_for
from .rewrite import Application, Trace, apply_rules

ROUNDS = 8  # of a stage that repeats


@dataclass(frozen=True)
class Options:
    """snapshots: keep a copy of the graph after each stage. weights: "f32", or "f16" to store f32 weights in half the
    bytes. prepack: name of a convolution to the tile (nr, kr) in which its weights are stored a second time (tests)."""

    snapshots: bool = False
    weights: str = "f32"
    prepack: dict[str, tuple[int, int]] = field(default_factory=dict)


def run_pipeline(graph: Graph, options: Options | None = None, limit: int | None = None,
                 stages: Sequence[Stage] | None = None) -> Trace:
    """Runs the stages on a copy of the graph. With `limit`, no rule is applied any more after so many applications; the
    graph computes the same at every limit. Raises ConvertError."""
    options = options or Options()
    g = graph.copy()
    trace = Trace(g, limit)
    _name_open_sizes(g)
    _snapshot(trace, "import", options)
    for stage in stages_for(options.weights) if stages is None else stages:
        trace.stage = stage.name
        for _ in range(ROUNDS if stage.repeat else 1):
            before = len(trace.applications)
            for step in stage.steps:
                for h in list(g.nested()):
                    if callable(step):
                        step(h, trace)
                    else:
                        apply_rules(h, step, trace)
                    h.sweep()
                g.refresh()
            if len(trace.applications) == before:
                break
        g.verify(f"stage {stage.name}")
        _snapshot(trace, stage.name, options)
    return trace


def convert_graph(graph: Graph, options: Options | None = None, limit: int | None = None) -> tuple[bytes, Trace]:
    """The file of an imported graph, and what was done to it."""
    trace = run_pipeline(graph, options, limit)
    return write(trace.graph, (options or Options()).prepack), trace


def _name_open_sizes(g: Graph) -> None:
    """Gives the anonymous sizes of inputs symbols, so that equal sizes further on are known to be equal."""
    def named(v: Value) -> None:
        if None in v.shape and isinstance(g.infer, Infer):
            v.shape = tuple(g.infer.fresh((v, i)) if d is None else d for i, d in enumerate(v.shape))

    for v in g.inputs:
        named(v)
    for s in g.states:
        named(s.value)
    g.sweep()
    g.refresh()


def _snapshot(trace: Trace, name: str, options: Options) -> None:
    if options.snapshots:
        trace.snapshots.append((name, trace.graph.copy()))


__all__ = ["Application", "Options", "Trace", "convert_graph", "run_pipeline"]
