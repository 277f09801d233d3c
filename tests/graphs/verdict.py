"""What one random graph shows: the references, agreeing, against convert and run."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx.printer
from builder import Tensor, model_of
from generate import Case, Feeds
from onnx import numpy_helper
from worker import Died, Worker

from lite_runtime.converter.errors import Problem, UnsupportedError
from lite_runtime.converter.frontend.tensors import has_controls
from lite_runtime.converter.measure import judge

BY_VALUE = {"TensorValueError", "OutOfMemoryError"}  # errors of values and memory
PARAMETER = 16  # elements of an input that may be a parameter: scales, axes, pads
ROUNDINGS = 4  # of the inputs, for what a result may change
# Verdicts that are fine; every other one is a failure. The case counts: passed, refused (clearly), size (refused at run
# time, as it would be if sizes and parameters were constant), value. It does not: disagree (the references, in an
# output), one (only one reference can, we agree with it), differs (from that one), unknown (no reference can), unstable
# (one rounding of the inputs changes it), empty.
FINE = ("passed", "refused", "size", "value", "disagree", "one", "differs", "unknown", "unstable", "empty")


def precision(model: onnx.ModelProto, arrays: list[np.ndarray]) -> str:
    """'f16' when anything is computed in half precision."""
    half = any(a.dtype == np.float16 for a in arrays) or "FLOAT16" in text_of(model).upper()
    return "f16" if half else "f32"


def same(a: list[np.ndarray], b: list[np.ndarray], kind: str) -> str:
    """'' when both are equal by the measure of DESIGN 8, else what differs."""
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if kind == "f16" and x.dtype.kind == "f" and x.dtype != np.float16 and x.dtype == y.dtype and \
                x.shape == y.shape:
            with np.errstate(all="ignore"):
                x, y = x.astype(np.float16), y.astype(np.float16)
        with np.errstate(all="ignore"):
            r = judge(f"result {i}", x, y)
        if not r.ok:
            return r.sentence()
    return ""


def exact(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """The largest relative difference of float64 outputs."""
    worst = 0.0
    for x, y in zip(a, b, strict=True):
        if x.dtype == np.float64 and x.size and np.isfinite(x).all():
            worst = max(worst, float(np.abs(x - y).max() / max(float(np.abs(x).max()), 1e-300)))
    return worst


class Judge:
    """Runs cases in two processes, the references and ours."""

    def __init__(self) -> None:
        self.references, self.ours = Worker(), Worker()
        self.flushed = Worker()  # onnxruntime takes denormals in a process as its first session says

    def close(self) -> None:
        self.references.close()
        self.flushed.close()
        self.ours.close()

    def verdict(self, case: Case | None) -> tuple[str, str]:
        """One of FINE, or 'wrong', 'crash', 'failed', 'static', 'words', 'contradiction'; and the details."""
        if case is None:
            return "empty", ""
        model = case.model.SerializeToString()
        try:
            checked = self.ours.ask("check", model)
            how, results = self.ours.ask("ours", model, case.feeds)
        except Died as e:
            return "crash", str(e)
        contradiction = against(checked, how, results)
        if contradiction:
            return "contradiction", contradiction
        if how == "failed":
            return "failed", results
        if how == "refused":
            odd = unclear(results)
            return ("words", f"{odd}: {results!r}") if odd else ("refused", results)
        found = [self.compare(case, f, r) for f, r in zip(case.feeds, results, strict=True)]
        return next((v for v in found if v[0] not in FINE), found[0])

    def compare(self, case: Case, feeds: Feeds, got: Any) -> tuple[str, str]:
        """The verdict on one run: outputs, or (class of the error, message)."""
        found = [self.ask(name, case.model, feeds) for name in ("onnxruntime", "evaluator")]
        outputs = [f for f in found if not isinstance(f, str)]
        if not outputs:
            return "unknown", f"{found}"
        kind = precision(case.model, [*feeds.values(), *outputs[0]])
        if isinstance(got, tuple):
            return self.stopped(case, feeds, *got) if len(outputs) == 2 else ("one", got[1])
        known = [i for i in range(len(got)) if not same([outputs[0][i]], [outputs[-1][i]], kind)]
        want, ours = [outputs[0][i] for i in known], [got[i] for i in known]
        difference = same(want, ours, kind)
        only_double = "FLOAT" not in re.sub("FLOAT16", "FLOAT", text_of(case.model).upper())
        if not difference and kind == "f32" and only_double:  # one reference may itself compute in f32
            off = min(exact([o[i] for i in known], ours) for o in outputs)
            difference = f"float64 is computed in less: {off:.2g}" if off > 1e-7 else ""
        if len(outputs) == 1:
            return "differs" if difference else "one", f"{difference}; {next(f for f in found if isinstance(f, str))}"
        if difference:
            stable = not self.unstable(case.model, feeds, known, want, kind)
            return "wrong" if stable else "unstable", difference
        return ("passed", "") if len(known) == len(got) else ("disagree", same(*outputs, kind))

    def stopped(self, case: Case, feeds: Feeds, error: str, message: str) -> tuple[str, str]:
        """The verdict on a run that ended with an error where the references have an answer."""
        if error in BY_VALUE:
            return "value", message
        if self.ours.ask("ours", fixed(case.model, feeds), [])[0] == "refused":
            return "size", message
        return "static", f"run raises {error}: {message}"

    def ask(self, name: str, model: onnx.ModelProto, feeds: Feeds) -> list[np.ndarray] | str:
        """A reference's outputs, or why there are none."""
        try:
            worker = self.flushed if name == "onnxruntime_flushed" else self.references
            return worker.ask(name, model.SerializeToString(), [feeds])[0]
        except Died as e:
            return f"{name} {e}"

    def unstable(self, model: onnx.ModelProto, feeds: Feeds, known: list[int], want: list[np.ndarray],
                 kind: str) -> bool:
        """Whether one rounding of inputs, constants and results of nodes, or no denormals, changes these outputs."""
        rng = np.random.default_rng(0)

        def moved(a: np.ndarray) -> np.ndarray:
            if a.dtype.kind != "f" or not a.size:
                return a
            with np.errstate(all="ignore"):
                side = np.where(rng.random(a.shape) < 0.5, -np.inf, np.inf).astype(a.dtype)
                return np.asarray(np.where(np.isfinite(a) & (a != 0), np.nextafter(a, side), a).astype(a.dtype))
        for i in range(ROUNDINGS + 1):
            r = self.stepwise(model, feeds, moved) if i else self.ask("onnxruntime_flushed", model, feeds)
            if isinstance(r, str) or same(want, [r[i] for i in known], kind):
                return True
        return False

    def stepwise(self, model: onnx.ModelProto, feeds: Feeds,
                 moved: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray] | str:
        """onnxruntime's outputs, node by node, where `moved` changes each value."""
        found = {n: Tensor(n, moved(a), "input") for n, a in feeds.items()}
        found |= {t.name: Tensor(t.name, moved(numpy_helper.to_array(t)), "const") for t in model.graph.initializer}
        for node in model.graph.node:
            used = {n for n in node.input if n} | {n for a in node.attribute for k in a.g.node for n in k.input if n}
            one = model_of([node], [found[n] for n in used], [], model.opset_import[0].version, list(node.output))
            r = self.ask("onnxruntime", one, {n: found[n].value for n in used if found[n].kind != "const"})
            if isinstance(r, str):
                return r
            found |= {n: Tensor(n, moved(a), "input") for n, a in zip(node.output, r, strict=True)}
        return [found[o.name].value for o in model.graph.output]


def fixed(model: onnx.ModelProto, feeds: Feeds) -> bytes:
    """The model with the sizes of these inputs; small ones, which may be parameters, are constants."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.input[:]
    for i in model.graph.input:
        if i.name not in feeds:
            copy.graph.input.append(i)
        elif feeds[i.name].size <= PARAMETER:
            copy.graph.initializer.append(numpy_helper.from_array(feeds[i.name], i.name))
        else:
            copy.graph.input.add(name=i.name).type.CopyFrom(
                onnx.helper.make_tensor_type_proto(i.type.tensor_type.elem_type, feeds[i.name].shape))
    return copy.SerializeToString()


def against(checked: tuple[str, Any], how: str, result: Any) -> str:
    """How `check` contradicts `convert`; '' when they agree."""
    kind, said = checked
    if how == "failed" or how == "ran":
        return "" if kind == "accepted" else f"check says {kind} {said}, convert accepts"
    if kind == "accepted":
        return f"check accepts, convert refuses: {result}"
    if kind == "error":
        return "" if said == result else f"check says {said!r}, convert {result!r}"
    words = str(UnsupportedError([Problem(**p) for p in said]))
    return "" if words == result else f"check says {words!r}, convert {result!r}"


def unclear(message: str) -> str:
    """What is wrong with the words of a refusal: one sentence for each problem, nothing odd."""
    lines = message.splitlines()
    several = len(lines) > 1 and lines[0].endswith("not supported:")
    if not lines or len(lines) > 1 and not several:
        return "several lines for one problem"
    for line in lines:
        if has_controls(line) or not line.strip() or len(line) > 600:
            return "odd characters or length"
        if re.search(r"Traceback|object at 0x|Error\(|\bNone\b", line):
            return "Python's words"
    if several and any(not re.match(r"  \S+ '.*'( and \d+ more nodes?)?: \S", line) for line in lines[1:]):
        return "a line without operator, node and reason"
    return ""


def text_of(model: onnx.ModelProto) -> str:
    return onnx.printer.to_text(model)
