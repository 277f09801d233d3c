"""What the converter raises."""
from __future__ import annotations

from dataclasses import dataclass


class ConvertError(Exception):
    """The model or an option is wrong. The message is one sentence: `<where>: <what is wrong>[; <what to do>]`."""


@dataclass(frozen=True)
class Problem:
    """One thing in a model that cannot be converted."""

    node: str  # source node's name
    op: str  # source operator, with its domain when it is not ONNX's
    why: str
    fix: str = ""


class UnsupportedError(ConvertError):
    """All the things in a model that cannot be converted, in one message."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        lines = [f"  {p.op} '{p.node}': {p.why}" + (f"; {p.fix}" if p.fix else "") for p in problems]
        n = len(problems)
        super().__init__(f"{n} {'thing is' if n == 1 else 'things are'} not supported:\n" + "\n".join(lines))


class ProofError(ConvertError):
    """The converted model does not compute what the source computes. `report` is a verify.Report."""

    def __init__(self, message: str, report: object) -> None:
        super().__init__(message)
        self.report = report
