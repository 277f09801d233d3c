#!/usr/bin/env python3
"""Converts every .onnx file of a folder, runs it at two sizes where its inputs are dynamic (then again at the first),
on plain C kernels and on each instruction set level that this CPU and the kernels have, and compares each output with
onnxruntime's. One line a model and level; exit code 1 when one is off. Needs the package installed.

The error is that of lite_runtime.converter.measure, at most 1e-4 (1e-3 with f16, a cosine of at least 0.999 for
quantised models). Where it is larger in an f32 model, onnxruntime's own distance, with and without optimisations and
on inputs that differ by one rounding, is printed beside it, and the model is evaluated in double precision (slow):
right is also what is from that no further than four times as far as onnxruntime is.

usage: check_models.py FOLDER [NAME ...] [--cpu LEVEL ...] [--once]
                       [--shapes FILE] [--program "qemu-aarch64 -L /usr/aarch64-linux-gnu build/arm64/.../lite_run"]

--cpu: only these levels (plain, avx2, avx512, neon, neon32, ...; highest: all that the CPU has).
--once: at the first size only.
--shapes: JSON {model: {input: [size, ...]}}, the first sizes of models whose inputs are open; others are looked for.
--program: run the models with this command (lite_run, lite_runtime/app) instead of the Python binding.
"""
from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cpu_levels
import exact
import numpy as np
import onnx
import onnxruntime
from model_cases import CASES, Arrays, Case, Shapes, guess, inputs, numpy_dtype

import lite_runtime
from lite_runtime.converter import feeds as fill
from lite_runtime.converter.measure import judge
from lite_runtime.converter.verify import precision_of

LIMIT = 1e-4
FAR = 1e-3  # a reference that is further from the exact one proves nothing
NOISE = LIMIT / 4  # by less should onnxruntime differ from itself and from the exact, else an input proves nothing


def expected(session: onnxruntime.InferenceSession, case: Case, calls: list[Arrays],
             run: Callable[[list[str], Arrays], list[np.ndarray]] | None = None) -> list[Arrays]:
    """onnxruntime's outputs for calls in a row, its states fed back by hand; run: who computes them, if not it."""
    names = [o.name for o in session.get_outputs()]
    ports = {i.name: i for i in session.get_inputs()}
    fixed = {n: np.array(v, numpy_dtype(ports[n].type)) for n, v in case.set.items()}
    shapes = {n: tuple(d if isinstance(d, int) else 1 for d in i.shape) for n, i in ports.items()}
    state = {i: np.zeros(shapes[i], np.float32) for i in case.state.values()}
    out = []
    for call in calls:
        values = dict(zip(names, (run or session.run)(names, {**call, **fixed, **state}), strict=True))
        state = {i: values[o] for o, i in case.state.items()}
        out.append({n: v for n, v in values.items() if n not in case.state})
    return out


def run_here(data: bytes, rounds: list[list[Arrays]], mask: int) -> Iterator[list[Arrays]]:
    with lite_runtime.Session(data, cpu_mask=mask) as session:
        for calls in rounds:
            session.reset_state()
            yield [session.run({i.name: c[i.name] for i in session.inputs}) for c in calls]


def run_program(program: str, data: bytes, rounds: list[list[Arrays]], mask: int) -> Iterator[list[Arrays]]:
    """The same by lite_run, in one process, on inputs and outputs in files. RuntimeError when it fails."""
    with lite_runtime.Session(data) as session:
        names = [i.name for i in session.inputs]
        outputs = [o.name for o in session.outputs]
    with tempfile.TemporaryDirectory() as d:
        model, script, lines = Path(d, "m.lrm"), Path(d, "script"), []
        model.write_bytes(data)
        for r, calls in enumerate(rounds):
            lines.append("reset")
            for c, call in enumerate(calls):
                for k, name in enumerate(names):
                    file = Path(d, f"in.{r}.{c}.{k}.npy")
                    np.save(file, np.ascontiguousarray(call[name]).reshape(call[name].shape))
                    lines.append(f"input {k} {file}")
                lines.append(f"run {d}/out.{r}.{c}")
        script.write_text("\n".join(lines) + "\n")
        words = [*shlex.split(program), model, "--script", script, "--threads", "1", "--cpu-mask", str(mask)]
        p = subprocess.run(words, capture_output=True, text=True)
        if p.returncode:
            raise RuntimeError(f"{(p.stderr.strip() or 'failed').splitlines()[-1]} (exit code {p.returncode})")
        for r, calls in enumerate(rounds):
            yield [{n: np.load(f"{d}/out.{r}.{c}.{k}.npy") for k, n in enumerate(outputs)} for c in range(len(calls))]


def ort_session(path: Path, optimise: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class Distance:
    """Of all outputs: whether all are right, the largest error, the lowest cosine (of quantised models)."""

    ok: bool
    error: float
    cosine: float | None

    def __str__(self) -> str:
        text = f"{self.error:.1e}" if self.cosine is None else f"cosine {self.cosine:.5f}"
        return text if self.ok else text + " WRONG"


def distance(wanted: list[Arrays], got: list[Arrays], precision: str = "f32") -> Distance:
    found = [judge(n, v, have[n], precision) for want, have in zip(wanted, got, strict=True) for n, v in want.items()]
    return Distance(all(r.ok for r in found), max((r.value for r in found if r.kind == "error"), default=0.0),
                    min((r.value for r in found if r.kind == "cosine"), default=None))


def own_distance(path: Path, case: Case, calls: list[Arrays]) -> float:
    """How far onnxruntime is from itself in another order, or on inputs that differ by one rounding."""
    plain = ort_session(path, optimise=False)
    want = expected(plain, case, calls)
    others = (expected(ort_session(path, optimise=True), case, calls),
              expected(plain, case, [fill.nudged(c, 1) for c in calls]))
    return max(distance(want, other).error for other in others)


def make_rounds(path: Path, case: Case, precision: str) -> tuple[Case, list[list[Arrays]]]:
    """The calls at each size; fainter inputs where the reference is too far from itself on noise."""
    session = ort_session(path, optimise=False)
    while True:
        rounds = [[inputs(session, case, s, 7 + i) for i in range(case.calls)] for s in case.sizes]
        if case.kind != "noise" or precision == "quantized" or own_distance(path, case, rounds[0]) <= NOISE:
            return case, rounds + rounds[:1] * (len(rounds) > 1)
        case = replace(case, kind="faint")


@dataclass(frozen=True)
class Checked:
    """A model, converted, and what the reference makes of its inputs."""

    path: Path
    case: Case
    rounds: list[list[Arrays]]
    wanted: list[list[Arrays]]
    data: bytes
    precision: str


def arbitrated(m: Checked, k: int, got: list[Arrays]) -> tuple[bool, str]:
    """Whether ours is as near to the model in double precision as onnxruntime, at size k; the words for it."""
    true = expected(ort_session(m.path, optimise=False), m.case, m.rounds[k], exact.evaluator(m.path))
    ours, theirs = distance(true, got).error, distance(true, m.wanted[k]).error
    words = f"from the model in float64: ours {ours:.1e}, onnxruntime {theirs:.1e}"
    results = [judge(n, v, have[n]) for want, have in zip(m.wanted[k], got, strict=True) for n, v in want.items()]
    rest = all(r.ok or r.kind == "error" for r in results)  # shapes, dtypes and integers are no matter of rounding
    return rest and ours <= max(LIMIT, min(theirs, FAR) * LIMIT / NOISE), words


def prepare(path: Path, shapes: Shapes | None, verify: bool, once: bool = False) -> Checked:
    reference = ort_session(path, optimise=False)
    precision = precision_of(onnx.load(path, load_external_data=False))
    case = CASES.get(path.stem) or guess(reference, shapes)
    case, rounds = make_rounds(path, replace(case, sizes=case.sizes[:1]) if once else case, precision)
    data = lite_runtime.convert(str(path), verify=verify, set=case.set, state=case.state, dim=case.dim)
    return Checked(path, case, rounds, [expected(reference, case, r) for r in rounds[: len(case.sizes)]], data,
                   precision)


def check(m: Checked, program: str, mask: int) -> tuple[bool, str]:
    """Whether the model is right with these instruction sets, and what was found in one line."""
    case = m.case
    results = list(run_program(program, m.data, m.rounds, mask) if program else run_here(m.data, m.rounds, mask))
    parts: list[str] = []
    found: list[Distance] = []
    for k, shapes in enumerate(case.sizes):
        found.append(distance(m.wanted[k], results[k], m.precision))
        words = ""
        if not found[k].ok and m.precision == "f32":
            own = own_distance(m.path, case, m.rounds[k])
            right, words = arbitrated(m, k, results[k])
            found[k], words = replace(found[k], ok=right), f" (onnxruntime is {own:.1e} from itself; {words})"
        parts.append(f"{'x'.join(map(str, next(iter(shapes.values()))))} {found[k]}{words}")
    ok = all(d.ok for d in found)
    if len(results) > len(case.sizes):
        same = all(np.array_equal(a[n], b[n], equal_nan=a[n].dtype.kind == "f")
                   for a, b in zip(results[0], results[-1], strict=True) for n in a)
        ok, parts = ok and same, parts + ["back: " + ("same values" if same else "OTHER VALUES")]
    calls = f"  {case.calls} calls each" if case.calls > 1 else ""
    return ok, f"on {case.kind} [{', '.join(parts)}]{calls}"


def cpu_features(program: str) -> dict[str, int]:
    """Instruction sets of the CPU that runs the models."""
    if not program:
        return lite_runtime.cpu_features()
    out = subprocess.run([*shlex.split(program), "--cpu"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {name: int(bit) for name, bit in map(str.split, out.splitlines())}


def check_all(path: Path, shapes: Shapes | None, program: str, levels: dict[str, int], once: bool) -> int:
    """One line for each level; the number of those that failed."""
    model, bad = None, 0
    for level, mask in levels.items():
        start = time.monotonic()
        try:
            model = model or prepare(path, shapes, not program, once)
            ok, words = check(model, program, mask)
        except Exception as e:  # one model that fails must not hide the others
            ok, words = False, f"{type(e).__name__}: {e}"
        bad += not ok
        seconds = time.monotonic() - start
        print(f"{path.stem:18s} {level:7s} {'ok' if ok else 'FAILED':7s} {words}  {seconds:.1f} s", flush=True)
    return bad


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder", type=Path)
    ap.add_argument("names", nargs="*", help="only these models (file names without .onnx)")
    ap.add_argument("--cpu", nargs="+", default=[], metavar="LEVEL")
    ap.add_argument("--once", action="store_true")
    ap.add_argument("--shapes", type=Path)
    ap.add_argument("--program", default="")
    a = ap.parse_args()
    paths = [p for p in sorted(a.folder.glob("*.onnx")) if not a.names or p.stem in a.names]
    levels = cpu_levels.levels(cpu_features(a.program))
    if not paths or {p.stem for p in paths} < set(a.names):
        print(f"check_models.py: {a.folder}: no such models", file=sys.stderr)
        return 1
    highest = list(levels)[-1]
    a.cpu = [highest if level == "highest" else level for level in a.cpu]
    if unknown := set(a.cpu) - set(levels):
        print(f"check_models.py: this CPU has no level {', '.join(sorted(unknown))}; it has {', '.join(levels)}",
              file=sys.stderr)
        return 1
    levels = {n: m for n, m in levels.items() if not a.cpu or n in a.cpu}
    given = json.loads(a.shapes.read_text()) if a.shapes else {}
    shapes = {model: {n: tuple(dims) for n, dims in ports.items()} for model, ports in given.items()}
    bad = sum(check_all(path, shapes.get(path.stem), a.program, levels, a.once) for path in paths)
    total = len(paths) * len(levels)
    print(f"{len(paths)} models on {', '.join(levels)}: {total - bad} of {total} are right "
          f"(onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
