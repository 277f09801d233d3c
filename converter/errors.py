"""What the converter raises."""
from __future__ import annotations

from dataclasses import dataclass


class ConvertError(Exception):
    """The model or an option is wrong. The message is one sentence: `<where>: <what is wrong>[; <what to do>]`."""


@dataclass(frozen=True)
class Problem:
    """One thing in a model that cannot be converted."""

    node: str
    """The source node's name."""
    op: str
    """The source operator, with its domain when it is not ONNX's."""
    why: str
    """What is wrong."""
    fix: str = ""
    """What to do, where something can be done."""


def grouped(problems: list[Problem]) -> list[tuple[Problem, str]]:
    """The first of those that differ by nothing but their nodes, and what to say of the others: ` and 5 more nodes`."""
    same: dict[tuple[str, str, str], list[Problem]] = {}
    for p in problems:
        same.setdefault((p.op, p.why, p.fix), []).append(p)
    return [(g[0], f" and {len(g) - 1} more node{'s' * (len(g) > 2)}" if len(g) > 1 else "") for g in same.values()]


class UnsupportedError(ConvertError):
    """All the things in a model that cannot be converted, in one message."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        """One for each node."""
        found = grouped(problems)
        lines = [f"  {p.op} '{p.node}'{more}: {p.why}" + (f"; {p.fix}" if p.fix else "") for p, more in found]
        super().__init__(f"{how_many(found)} not supported:\n" + "\n".join(lines))


def how_many(found: list[tuple[Problem, str]]) -> str:
    """`1 thing is`, `2 things are`."""
    return f"{len(found)} thing{'s are' if len(found) != 1 else ' is'}"


class ProofError(ConvertError):
    """The converted model does not compute what the source computes."""

    def __init__(self, message: str, report: object) -> None:
        super().__init__(message)
        self.report = report
        """The proof, a verify.Report."""
