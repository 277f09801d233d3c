"""What is done to a graph, in order: the one list of stages."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..ir import Graph
from ..rewrite import Rule, Trace
from . import attention, chains, compose, fuse, halves, layout, qdq, residual, shapes, shuffle, simplify
from .fold import fold, fold_all

Step = Sequence[Rule] | Callable[[Graph, Trace], None]  # rules apply together until none does; a function runs once


@dataclass(frozen=True)
class Stage:
    """Steps in order; `repeat`: again while any of them changes the graph."""

    name: str
    steps: tuple[Step, ...]
    repeat: bool = False


CLEAN = [*shapes.RULES, *simplify.RULES]

STAGES: list[Stage] = [
    Stage("simplify", (fold, CLEAN, simplify.same_nodes), repeat=True),
    Stage("compose", (compose.RULES, attention.RULES)),
    Stage("layout", (shuffle.BEFORE_LAYOUT, layout.channels_last, [*CLEAN, *shuffle.AFTER_LAYOUT],
                     simplify.same_nodes)),
    Stage("fuse", (fold, compose.RULES, fuse.AFFINE, fuse.EPILOGUE)),
    Stage("quantize", (qdq.RULES,)),
    Stage("finish", (fold_all, [*CLEAN, *layout.FINAL_RULES], fuse.AFFINE, fuse.LATE_EPILOGUE, simplify.same_nodes),
          repeat=True),
    Stage("residual", (residual.RULES,)),
    Stage("chains", (chains.RULES,)),
]
HALVES = Stage("halves", (halves.half_weights,))


def stages(weights: str) -> list[Stage]:
    """The stages of a conversion; weights "f16": with f16 weights. Chains take in the casts that these bring."""
    return STAGES if weights == "f32" else [*STAGES[:-1], HALVES, STAGES[-1]]


__all__ = ["STAGES", "Stage", "Step", "stages"]
