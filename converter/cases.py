"""The source model as the converted one sees it, and the inputs on which both are run."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from .. import CancelledError, Error, Session
from .feeds import Port, kinds, make, nudged, sizes
from .measure import LIMITS, Result, judge, tensor_error
from .ranges import Dims, ends, split
from .reference import Clock, Feeds, Reference, TimeLimit, first_line

STATE_STEPS = 4  # runs one after the other, for models with states
NOISE = 0.25  # a reference should differ from itself by less than this part of the limit
DULL = 1e-4  # an output that stays below it is useless
SEARCH = 0.4  # part of the time that looking for good inputs may take
AGAIN = 4  # seeds tried for the second case
OTHER_SIZES = 3  # tried for the case of another size


@dataclass
class Case:
    """Inputs of one or (with states) several runs in a row, and what the reference gives for them.

    noise: how far the reference is from itself when it computes in another order, and when the inputs move by one
    rounding, by the measure of `tensor_error`.
    dull: a float output is zero, or nearly so, everywhere: equal zeros prove little.
    """

    shapes: dict[str, tuple[int, ...]]
    kind: str
    steps: list[Feeds]
    expected: list[Feeds]
    noise: float = 0.0
    dull: bool = False

    @property
    def rank(self) -> tuple[bool, float]:
        """Sorts cases: the smaller, the better."""
        return self.dull, self.noise


class Source:
    """The source model as the converted one sees it: which inputs are fed, fixed by `set`, or states."""

    def __init__(self, model: onnx.ModelProto, session: Session, set: Mapping[str, Any] | None = None,
                 state: Mapping[str, str] | None = None, dims: Dims | None = None) -> None:
        self.model, self.state = model, dict(state or {})
        self.dims, ranges = split(dims or {})
        self.ends = [self.dims | end for end in ends(ranges)]  # where declared ranges are proven
        self.dims |= self.ends[0] if self.ends else {}
        ours = {t.name: t for t in session.inputs}
        states = {t.name: t for t in session.states}
        initializers = {t.name for t in model.graph.initializer}
        self.ports: list[Port] = []
        self.fixed: Feeds = {}
        self.zeros: Feeds = {}
        for i in model.graph.input:
            t = i.type.tensor_type
            if i.name in ours:
                self.ports.append(Port(i.name, ours[i.name].dtype, ours[i.name].shape))
            elif i.name in states:
                self.zeros[i.name] = np.zeros([int(d or 0) for d in states[i.name].shape], states[i.name].dtype)
            elif set and i.name in set:
                value = np.asarray(set[i.name], onnx.helper.tensor_dtype_to_np_dtype(t.elem_type))
                rank = len(t.shape.dim)
                self.fixed[i.name] = value.reshape((1,) * rank) if value.size == 1 and value.ndim != rank else value
            elif i.name not in initializers:  # nothing depends on it
                shape = tuple(d.dim_param or (d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None)
                              for d in t.shape.dim)
                self.ports.append(Port(i.name, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(t.elem_type)), shape))
        self.inputs = [p.name for p in self.ports if p.name in ours]
        have = {t.name for t in session.outputs}
        self.outputs = [o.name for o in model.graph.output if o.name in have or o.name not in self.state]

    def expect(self, reference: Reference, steps: list[Feeds], clock: Clock) -> list[Feeds]:
        """The reference's outputs of each step, states fed back."""
        results, states = [], dict(self.zeros)
        for feeds in steps:
            out = reference.run({**feeds, **self.fixed, **states}, clock)
            for name in out:
                out[name] = np.asarray(out[name])
            states = {i: out[o] for o, i in self.state.items()}
            results.append(out)
        return results

    def judge(self, session: Session, case: Case, precision: str, clock: Clock) -> list[Result]:
        """Runs the converted model on a case; the worst result of each output and state over the steps."""
        worst: dict[str, Result] = {}
        session.reset_state()
        for feeds, expected in zip(case.steps, case.expected, strict=True):
            try:
                got = session.run({n: feeds[n] for n in self.inputs}, timeout=clock.remaining())
            except CancelledError as e:
                raise TimeLimit from e
            results = [judge(n, expected[n], got[n], precision) for n in self.outputs if n in got]
            results += [Result(n, "equal", math.inf, 0, False, "it is no output of the converted model")
                        for n in self.outputs if n not in got]
            results += [judge(f"state {i}", expected[o], session.state(i), precision, inner=True)
                        for o, i in self.state.items()]
            for result in results:
                name = result.name
                if name not in worst or badness(result) > badness(worst[name]):
                    worst[name] = result
        return list(worst.values())


def badness(r: Result) -> tuple[bool, float]:
    """Sorts results: the larger, the worse."""
    return not r.ok, -r.value if r.kind == "cosine" else r.value


class Cases:
    """Finds inputs on which the reference runs and is exact itself.

    Some are useless for a proof: where a reference's own rounding is larger than the limit (sigmoids of white noise
    that all end near zero, logarithms of differences) nobody can be compared with it. So each case is computed again,
    in another order and on inputs that differ by one rounding, and those that change little are preferred.
    """

    def __init__(self, source: Source, session: Session, reference: Reference, precision: str, seed: int,
                 clock: Clock) -> None:
        self.source, self.session, self.reference, self.seed, self.clock = source, session, reference, seed, clock
        self.twin = None if precision == "quantized" else reference.twin(clock)
        self.limit = NOISE * LIMITS.get(precision, math.inf)
        self.trials = list(sizes(source.ports, source.dims))
        self.why = ""  # the first thing that the reference said against a trial
        self.refused: list[str] = []  # sizes that the reference takes and we do not, with our reason

    def first(self) -> Case | None:
        """The first case that is exact, else the one that is least inexact."""
        best: Case | None = None
        until = self.clock.elapsed + SEARCH * self.clock.remaining()
        while self.trials and not (best and self.clock.elapsed > until):
            case = self._best_kind(self.trials.pop(0), self.seed)
            if case and (best is None or case.rank < best.rank):
                best = case
            if best and self._good(best):
                break
        return best

    def _good(self, case: Case) -> bool:
        return not case.dull and case.noise <= self.limit

    def again(self, case: Case) -> Case | None:
        """A case of the same size with other values."""
        best: Case | None = None
        for i in range(AGAIN):
            new = self._try(case.shapes, case.kind, self.seed + 1 + i)
            if new and (best is None or new.rank < best.rank):
                best = new
            if best and self._good(best):
                break
        return best

    def other_size(self) -> Case | None:
        """An exact case of another size, where the model has open dims."""
        for shapes in self.trials[:OTHER_SIZES]:
            case = self._best_kind(shapes, self.seed + 1 + AGAIN)
            if case and self._good(case):
                return case
        return None

    def at(self, dims: Mapping[str, int]) -> Case | None:
        """An exact case where the dims have these sizes."""
        for shapes in list(sizes(self.source.ports, dims))[:OTHER_SIZES]:
            case = self._best_kind(shapes, self.seed + 2 + AGAIN)
            if case and self._good(case):
                return case
        return None

    def _best_kind(self, shapes: dict[str, tuple[int, ...]], seed: int) -> Case | None:
        best: Case | None = None
        refusal = self._refusal(shapes)
        for kind in kinds(self.source.ports):
            if best and kind in ("ones", "zeros"):  # these are for integers that must be valid, and prove little
                break
            case = self._try(shapes, kind, seed)
            if case and refusal:
                self.refused.append(refusal)
                return None
            if case and (best is None or case.rank < best.rank):
                best = case
            if best and self._good(best):
                break
        return best

    def _refusal(self, shapes: dict[str, tuple[int, ...]]) -> str:
        """Why the converted model does not take these sizes, or ''."""
        ours = {n: shapes[n] for n in self.source.inputs}
        try:
            self.session.resize(ours)
            return ""
        except Error as e:
            return f"{', '.join(f'{n} {list(s)}' for n, s in ours.items())}: {e}"

    def _try(self, shapes: dict[str, tuple[int, ...]], kind: str, seed: int) -> Case | None:
        n = STATE_STEPS if self.source.state else 1
        steps = [make(self.source.ports, shapes, seed * 1000 + i, kind) for i in range(n)]
        try:
            case = Case(shapes, kind, steps, self.source.expect(self.reference, steps, self.clock))
            case.dull = any(_is_dull(out[n]) for out in case.expected for n in self.source.outputs)
            if self.twin:
                case.noise = max(self._distance(case, self.twin, steps),
                                 self._distance(case, self.reference, [nudged(s, seed) for s in steps]))
            return case
        except TimeLimit:
            raise
        except Exception as e:  # whatever the reference raises on sizes or values that do not fit the model
            self.why = self.why or first_line(e)
            return None

    def _distance(self, case: Case, reference: Reference, steps: list[Feeds]) -> float:
        """How far a reference is on these inputs from what is expected of the case."""
        other = self.source.expect(reference, steps, self.clock)
        return max((_difference(a[n], b[n]) for a, b in zip(case.expected, other, strict=True)
                    for n in self.source.outputs), default=0.0)


def _is_dull(a: np.ndarray) -> bool:
    return a.dtype.kind == "f" and a.size > 0 and not float(np.abs(a, dtype=np.float64).max()) > DULL


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    if a.dtype.kind == "f":
        return tensor_error(a, b)
    return 0.0 if np.array_equal(a, b) else math.inf
