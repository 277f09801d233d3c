"""What broke a conversion: the first rule application after which the result is wrong, else the first layer."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import Error, Session
from .errors import ConvertError
from .reference import Clock, TimeLimit

if TYPE_CHECKING:
    from .cases import Case, Source

# build(limit) -> (bytes of the file, applications in order); an application has .index, .stage, .rule and .nodes
Build = Callable[[int | None], tuple[bytes, Sequence[Any]]]


@dataclass(frozen=True)
class Culprit:
    """stage and rule are '' when no rule is to blame; then the source's `node` (of operator `op`) is imported wrongly,
    or its kernel is wrong. note: why the search found nothing."""

    stage: str
    rule: str
    node: str
    op: str = ""
    note: str = ""

    def sentence(self) -> str:
        if self.note:
            return self.note
        if self.rule:
            return f"it is wrong since rule '{self.rule}' of stage '{self.stage}' was applied at node '{self.node}'"
        return f"the import or the kernel of node '{self.node}' ({self.op}) is wrong"


def find_culprit(source: Source, case: Case, build: Build, precision: str, clock: Clock,
                 tell: Callable[[str], object]) -> Culprit:
    """Searches by halving over the number of rule applications, as LLVM's -opt-bisect-limit does."""
    try:
        first, _ = build(0)
        if _wrong(source, case, first, precision, clock):
            return _first_layer(source, case, first, precision, clock)
        good, bad = 0, len(build(None)[1])
        while bad - good > 1:
            middle = (good + bad) // 2
            tell(f"looking for the cause: {bad - good} rule applications left")
            if _wrong(source, case, build(middle)[0], precision, clock):
                bad = middle
            else:
                good = middle
        a = build(bad)[1][-1]
        return Culprit(a.stage, a.rule, ", ".join(a.nodes))
    except TimeLimit:
        return Culprit("", "", "", note="the search for the cause ran out of time")
    except ConvertError as e:
        return Culprit("", "", "", note=f"the search for the cause ended: {e}")


def _wrong(source: Source, case: Case, data: bytes, precision: str, clock: Clock) -> bool:
    try:
        with Session(data) as session:
            return not all(r.ok for r in source.judge(session, case, precision, clock))
    except Error:
        return True


def _first_layer(source: Source, case: Case, data: bytes, precision: str, clock: Clock) -> Culprit:
    from .compare import compare_layers

    try:
        for layer in compare_layers(source, data, case.steps[0], precision, clock):
            if not layer.result.ok:
                made = next(n for n in source.model.graph.node if layer.result.name in n.output)
                return Culprit("", "", made.name or layer.node, made.op_type)
    except Error as e:
        return Culprit("", "", "", note=f"no rule is to blame; {e}")
    return Culprit("", "", "", note="no rule is to blame, and every layer that can be compared is right")
