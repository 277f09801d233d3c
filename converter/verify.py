"""The proof: the converted model computes what the source computes, on the same inputs."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import onnx

from .. import Error, Session
from .bisect import Build, Culprit, find_culprit
from .cases import Case, Cases, Source, badness
from .lower.reader import has_constants
from .measure import LIMITS, MIN_COSINE, Result, cosine, judge, plain, tensor_error
from .ranges import Dims
from .reference import Clock, TimeLimit, references

__all__ = ["LIMITS", "MIN_COSINE", "Case", "Culprit", "Report", "Result", "Source", "cosine", "judge", "precision_of",
           "prove", "tensor_error"]

INCONCLUSIVE = 4  # an error below this many times the reference's own noise shows nothing
WEAK = 10  # two references that differ by less than this many limits prove little
QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul",
             "ConvInteger", "MatMulInteger",
             "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm"}  # onnxruntime's
Progress = Callable[[str], object]


@dataclass
class Report:
    """What a proof found.

    verdict: 'proven'; 'weak' (equal, but the inputs tried give nearly the same outputs); 'not proven' (`reason` says
    why: no reference, time limit); 'failed'. results: the worst comparison of each output. culprit: what broke a
    failed one. refused: sizes that were tried, which the reference takes and the converted model does not, and why.
    """

    verdict: str
    reason: str = ""
    results: list[Result] = field(default_factory=list)
    reference: str = ""
    precision: str = "f32"
    shapes: list[dict[str, tuple[int, ...]]] = field(default_factory=list)
    weak: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    culprit: Culprit | None = None
    seconds: float = 0.0

    @property
    def error(self) -> float:
        """The largest error of all float outputs (0 when there is none)."""
        return max((r.value for r in self.results if r.kind == "error"), default=0.0)

    def sentence(self) -> str:
        """One line for people."""
        if self.verdict == "not proven":
            return f"not proven: {self.reason}"
        if self.verdict == "failed":
            bad = [r.sentence() for r in self.results if not r.ok]
            text = "; ".join(bad) or self.reason
            against = f" against {self.reference}" if self.reference else ""
            return f"wrong result{against}: {text}" + (f"; {self.culprit.sentence()}" if self.culprit else "")
        cosines = [r.value for r in self.results if r.kind == "cosine"]
        what = f"cosine {min(cosines):.6f}" if cosines else f"largest error {self.error:.2g}"
        text = f"{what} against {self.reference}, {self.seconds:.1f} s"
        if self.verdict == "weak":
            names = ", ".join(f"'{n}'" for n in self.weak)
            return f"weakly proven: {text}; {names} hardly depends on the inputs that were tried"
        return f"proven: {text}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON (infinite and NaN numbers as text)."""
        return plain(asdict(self)) | {"sentence": self.sentence()}


def precision_of(model: onnx.ModelProto, data: bytes = b"") -> str:
    """'quantized', 'f16' or 'f32': which limit a model's results are held to. data: the converted model, which may have
    f16 weights where the source has none."""
    nodes = list(model.graph.node) + [n for f in model.functions for n in f.node]
    if any(n.op_type in QUANTIZED or (n.domain == "com.microsoft" and n.op_type.startswith("QLinear")) for n in nodes):
        return "quantized"
    half = onnx.TensorProto.FLOAT16
    casts = (a.i == half for n in nodes if n.op_type == "Cast" for a in n.attribute if a.name == "to")
    if any(t.data_type == half for t in model.graph.initializer) or any(casts) or \
            any(i.type.tensor_type.elem_type == half for i in model.graph.input):
        return "f16"
    return "f16" if data and has_constants(data, "f16") else "f32"


def prove(model: onnx.ModelProto, data: bytes, *, set: Mapping[str, Any] | None = None,
          state: Mapping[str, str] | None = None, dims: Dims | None = None, timeout: float = 60.0,
          build: Build | None = None, progress: Progress | None = None, seed: int = 0) -> Report:
    """Runs the source and the converted model on the same inputs and compares all outputs.

    set, state, dims: as given to the conversion. timeout: seconds, then the verdict is 'not proven'. build(limit):
    converts again with only the first `limit` rule applications, and returns the file and all that were applied; with
    it a failure is bisected to the application that broke the result (which may take as long again).
    """
    clock = Clock(timeout)
    tell = progress or (lambda text: None)
    report = Report("proven")
    try:
        session = Session(data)
        report.precision = precision_of(model, data)
        source = Source(model, session, set, state, dims)
        case = _compare_all(source, session, report, clock, tell, seed)
        if report.verdict == "failed" and case and build:
            tell("looking for the cause")
            report.culprit = find_culprit(source, case, build, report.precision, Clock(timeout), tell)
    except TimeLimit:
        report.verdict, report.reason = "not proven", f"the time limit of {timeout:g} s passed"
    except Error as e:  # the reference computes it, we do not
        report.verdict, report.reason = "failed", str(e)
    report.seconds = clock.elapsed
    return report


def _compare_all(source: Source, session: Session, report: Report, clock: Clock, tell: Progress,
                 seed: int) -> Case | None:
    """Fills the report. Returns the case that failed."""
    refusals: list[str] = []
    tell("running the source model")
    for reference in references(source.model, clock, refusals):
        cases = Cases(source, session, reference, report.precision, seed, clock)
        first = cases.first()
        report.refused = cases.refused  # grows with the search
        if first:
            break
        if cases.refused:
            report.verdict, report.reason, report.reference = "failed", cases.refused[0], reference.name
            return None
        refusals.append(f"{reference.name}: {cases.why}")
    else:
        report.verdict, report.reason = "not proven", "no reference runs the model: " + "; ".join(refusals)
        return None
    report.reference = reference.name
    if not _passes(source, session, report, first, clock, tell):
        return first
    if report.reason:
        report.verdict = "not proven"
        return None
    second = cases.again(first)
    if second and not _passes(source, session, report, second, clock, tell):
        return second
    report.weak = _same_outputs(source, first, second) if second else source.outputs
    other = cases.other_size()
    if other and not _passes(source, session, report, other, clock, tell):
        return other
    report.verdict = "weak" if report.weak else "proven"
    return _prove_ends(source, session, report, cases, clock, tell)


def _prove_ends(source: Source, session: Session, report: Report, cases: Cases, clock: Clock,
                tell: Progress) -> Case | None:
    """The proof at both ends of the declared ranges, which are a promise. Returns the case that failed."""
    for end in source.ends:
        known = len(cases.refused)
        case = cases.at(end)
        where = "the declared " + ", ".join(f"{n}={d}" for n, d in end.items())
        if len(cases.refused) > known:
            report.verdict, report.reason, report.results = "failed", f"at {where}: {cases.refused[-1]}", []
            return None
        if case is None:
            report.verdict = "not proven"
            report.reason = f"no inputs were found for which {report.reference} is exact at {where}"
            return None
        if not _passes(source, session, report, case, clock, tell):
            return case
    return None


def _passes(source: Source, session: Session, report: Report, case: Case, clock: Clock, tell: Progress) -> bool:
    """Compares one case, and adds what it found to the report. Passes too when the case says nothing; then `reason`
    says so, unless another case has said something."""
    tell(f"comparing with {report.reference} ({len(report.shapes) + 1})")
    results = source.judge(session, case, report.precision, clock)
    bad = [r for r in results if not r.ok]
    if bad and all(r.kind == "error" and r.value <= INCONCLUSIVE * case.noise for r in bad):
        if not report.results:
            error = max(r.value for r in bad)
            report.reason = (f"{report.reference} differs from itself by {case.noise:.2g} on the inputs that were "
                             f"tried, which hides the error of {error:.2g}; give other sizes with --dim")
        return True
    report.shapes.append(case.shapes)
    worst = {r.name: r for r in report.results}
    for r in results:
        if r.name not in worst or badness(r) > badness(worst[r.name]):
            worst[r.name] = r
    report.results = list(worst.values())
    report.verdict = "failed" if bad else report.verdict
    return not bad


def _same_outputs(source: Source, a: Case, b: Case) -> list[str]:
    """Float outputs (all outputs when none is float) that two different inputs hardly change."""
    names = [n for n in source.outputs if a.expected[0][n].dtype.kind == "f"] or source.outputs
    weak = []
    for n in names:
        x, y = a.expected[0][n], b.expected[0][n]
        if x.shape != y.shape or not x.size:
            continue
        if tensor_error(x, y) < WEAK * LIMITS["f32"]:
            weak.append(n)
    return weak
