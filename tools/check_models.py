#!/usr/bin/env python3
"""Converts every .onnx file of a folder, runs it at two sizes where its inputs are dynamic (then again at the first),
on plain C kernels and on each instruction set level that this CPU and the kernels have, and compares each output with
onnxruntime's. One line a model and level; exit code 1 when one is off. Needs the package installed.

The error is that of lite_runtime.converter.measure, at most 1e-4. Where it is larger, onnxruntime's own distance, with
and without its optimisations and on inputs that differ by one rounding, is printed beside it.

usage: check_models.py FOLDER [NAME ...] [--cpu LEVEL ...]
                       [--program "qemu-aarch64 -L /usr/aarch64-linux-gnu build/arm64/.../run_model"]

--cpu: only these levels (plain, avx2, avx512, neon).
--program: run the models with this command (the C program tests/models/run_model.c) instead of the Python binding.
"""
from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cpu_levels
import numpy as np
import ocr
import onnx
import onnxruntime

import lite_runtime
from lite_runtime.converter import feeds as fill
from lite_runtime.converter.measure import judge

Arrays = dict[str, np.ndarray]
LIMIT = 1e-4
NOISE = LIMIT / 4  # by less should onnxruntime differ from itself, else an input proves nothing
FAINT = 0.1


@dataclass(frozen=True)
class Case:
    """What to run a model on. sizes: shapes of the inputs, run in turn; after them the first again. kind: what the
    inputs hold, 'noise', 'faint' (less of it: deep networks with random weights blow up the rounding errors of large
    inputs), 'text' (images of it) or 'voice': on noise a text or speech detector finds nothing, and the reference's
    output is the error of its last sigmoid.

    set, state: options of convert; a model with states runs `calls` times at each size, each time from zero states.
    """

    sizes: tuple[dict[str, tuple[int, ...]], ...]
    set: dict[str, Any] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    calls: int = 1
    kind: str = "noise"


def images(*sizes: tuple[int, ...]) -> Case:
    return Case(tuple({"x": s} for s in sizes), kind="text")


def tokens(*sizes: tuple[int, int]) -> Case:
    return Case(tuple({"input_ids": s, "attention_mask": s} for s in sizes))


CASES = {
    "ppocr4_det": images((1, 3, 320, 320), (1, 3, 288, 416)),
    "ppocr4_rec": images((1, 3, 48, 320), (2, 3, 48, 200)),
    "ppocr2_cls": images((1, 3, 48, 192), (2, 3, 48, 100)),
    "minilm_l3": tokens((1, 16), (2, 37)),
    "silero_v6_ifless": Case(({"input": (1, 576)}, {"input": (1, 640)}), {"sr": 16000}, {"stateN": "state"}, 20,
                             "voice"),
}
NUMPY = {"tensor(float)": "float32", "tensor(double)": "float64"}  # else the name between the brackets


def numpy_dtype(ort_type: str) -> np.dtype:
    return np.dtype(NUMPY.get(ort_type, ort_type[7:-1]))


def guess(session: onnxruntime.InferenceSession) -> Case:
    """Two sizes that the model takes; one when its inputs are fixed. RuntimeError when none is found."""
    ports = [fill.Port(i.name, numpy_dtype(i.type), tuple(i.shape)) for i in session.get_inputs()]
    found = []
    for shapes in fill.sizes(ports, {}):
        try:
            session.run(None, fill.make(ports, shapes, 1, "small"))
        except Exception:  # whatever onnxruntime raises on sizes that the model cannot take
            continue
        found.append(shapes)
        if len(found) == 2:
            break
    if not found:
        raise RuntimeError("no input sizes were found that onnxruntime takes")
    return Case(tuple(found))


def text_image(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """[N 3 H W] parts of the demo's image: lines of text for low shapes, the whole image for others."""
    image, (n, _, h, w) = ocr.sample(), shape
    parts = []
    for i in range(n):
        top = (165, 245, 515)[(seed + i) % 3]
        parts.append(image.crop((40, top, 40 + 45 * w // h, top + 45)) if h < 100 else image)
    return np.concatenate([ocr.to_input(p, w, h) for p in parts])


def voice(shape: tuple[int, ...], part: int, rate: int = 16000) -> np.ndarray:
    """[1 N] samples, part `part` of an endless vowel: harmonics of about 120 Hz under two formants, a little noise."""
    n = shape[-1]
    t = (np.arange(n) + part * n) / rate
    phase = 2 * np.pi * 120 * t - 5 * np.cos(2 * np.pi * 3 * t)
    x = np.zeros(n)
    for k in range(1, 30):
        formants = np.exp(-(((k * 120 - 700) / 500) ** 2)) / k + np.exp(-(((k * 120 - 2200) / 400) ** 2)) / 2
        x += np.sin(k * phase) * formants
    x *= 0.1 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    return (x + 0.003 * np.random.default_rng(part).standard_normal(n)).astype(np.float32).reshape(shape)


FILLS = {"text": text_image, "voice": voice}


def inputs(session: onnxruntime.InferenceSession, case: Case, shapes: dict[str, tuple[int, ...]], seed: int) -> Arrays:
    """Seeded values: floats are normal (or text, or voice), ids are up to 2,000, masks end in a few zeros."""
    rng = np.random.default_rng(seed)
    types = {i.name: numpy_dtype(i.type) for i in session.get_inputs()}
    out: Arrays = {}
    for name, shape in shapes.items():
        dtype = types[name]
        if case.kind in FILLS:
            out[name] = FILLS[case.kind](shape, seed)
        elif dtype.kind == "f":
            out[name] = (rng.standard_normal(shape) * (FAINT if case.kind == "faint" else 1)).astype(dtype)
        elif "mask" in name:
            out[name] = np.ones(shape, dtype)
            out[name][..., shape[-1] - shape[-1] // 4:] = 0
        else:
            out[name] = rng.integers(0, 2000 if dtype.itemsize > 1 else 100, shape).astype(dtype)
    return out


def expected(session: onnxruntime.InferenceSession, case: Case, calls: list[Arrays]) -> list[Arrays]:
    """onnxruntime's outputs for calls in a row, its states fed back by hand."""
    names = [o.name for o in session.get_outputs()]
    ports = {i.name: i for i in session.get_inputs()}
    fixed = {n: np.array(v, numpy_dtype(ports[n].type)) for n, v in case.set.items()}
    shapes = {n: tuple(d if isinstance(d, int) else 1 for d in i.shape) for n, i in ports.items()}
    state = {i: np.zeros(shapes[i], np.float32) for i in case.state.values()}
    out = []
    for call in calls:
        values = dict(zip(names, session.run(names, {**call, **fixed, **state}), strict=True))
        state = {i: values[o] for o, i in case.state.items()}
        out.append({n: v for n, v in values.items() if n not in case.state})
    return out


def run_here(data: bytes, rounds: list[list[Arrays]], mask: int) -> Iterator[list[Arrays]]:
    with lite_runtime.Session(data, cpu_mask=mask) as session:
        for calls in rounds:
            session.reset_state()
            yield [session.run({i.name: c[i.name] for i in session.inputs}) for c in calls]


def run_program(program: str, data: bytes, rounds: list[list[Arrays]], mask: int) -> Iterator[list[Arrays]]:
    """The same by run_model, in one process, on inputs and outputs in files. RuntimeError when it fails."""
    with lite_runtime.Session(data) as session:
        names, dtypes = [i.name for i in session.inputs], [o.dtype for o in session.outputs]
        outputs = [o.name for o in session.outputs]
    with tempfile.TemporaryDirectory() as d:
        model, script, lines = Path(d, "m.lrm"), Path(d, "script"), []
        model.write_bytes(data)
        for r, calls in enumerate(rounds):
            lines.append("reset")
            for c, call in enumerate(calls):
                for k, name in enumerate(names):
                    file = Path(d, f"in.{r}.{c}.{k}")
                    call[name].tofile(file)
                    lines.append(f"input {k} {file} " + " ".join(map(str, call[name].shape)))
                lines.append(f"run {d}/out.{r}.{c}")
        script.write_text("\n".join(lines) + "\n")
        p = subprocess.run([*shlex.split(program), model, script, "1", str(mask)], capture_output=True, text=True)
        if p.returncode:
            raise RuntimeError(f"{(p.stderr.strip() or 'failed').splitlines()[-1]} (exit code {p.returncode})")
        got: dict[tuple[str, str], np.ndarray] = {}
        for line in p.stdout.splitlines():
            prefix, k, _, *dims = line.split()
            got[prefix, k] = np.fromfile(f"{prefix}.{k}", dtypes[int(k)]).reshape([int(n) for n in dims])
        for r, calls in enumerate(rounds):
            yield [{n: got[f"{d}/out.{r}.{c}", str(k)] for k, n in enumerate(outputs)} for c in range(len(calls))]


def ort_session(path: Path, optimise: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def distance(wanted: list[Arrays], got: list[Arrays]) -> tuple[float, bool]:
    """Largest error of all outputs of all calls, and whether all that is no float is equal."""
    error, equal = 0.0, True
    for want, have in zip(wanted, got, strict=True):
        for name, value in want.items():
            r = judge(name, value, have[name])
            equal = equal and (r.ok or r.kind == "error")
            error = max(error, r.value if r.kind == "error" else 0.0)
    return error, equal


def own_distance(path: Path, case: Case, calls: list[Arrays]) -> float:
    """How far onnxruntime is from itself when it computes in another order, or on inputs that differ by one rounding."""
    plain = ort_session(path, optimise=False)
    want = expected(plain, case, calls)
    others = (expected(ort_session(path, optimise=True), case, calls),
              expected(plain, case, [fill.nudged(c, 1) for c in calls]))
    return max(distance(want, other)[0] for other in others)


def make_rounds(path: Path, case: Case) -> tuple[Case, list[list[Arrays]]]:
    """The calls at each size; fainter inputs where the reference is too far from itself on noise."""
    session = ort_session(path, optimise=False)
    while True:
        rounds = [[inputs(session, case, s, 7 + i) for i in range(case.calls)] for s in case.sizes]
        if case.kind != "noise" or own_distance(path, case, rounds[0]) <= NOISE:
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


def prepare(path: Path, verify: bool) -> Checked:
    reference = ort_session(path, optimise=False)
    case, rounds = make_rounds(path, CASES.get(path.stem) or guess(reference))
    data = lite_runtime.convert(str(path), verify=verify, set=case.set, state=case.state)
    return Checked(path, case, rounds, [expected(reference, case, r) for r in rounds[: len(case.sizes)]], data)


def check(m: Checked, program: str, mask: int) -> tuple[bool, str]:
    """Whether the model is right with these instruction sets, and what was found in one line."""
    case = m.case
    results = list(run_program(program, m.data, m.rounds, mask) if program else run_here(m.data, m.rounds, mask))
    ok, worst, parts = True, 0.0, []
    for k, shapes in enumerate(case.sizes):
        error, equal = distance(m.wanted[k], results[k])
        ok = ok and equal and error <= LIMIT
        worst = max(worst, error)
        own = own_distance(m.path, case, m.rounds[k]) if error > LIMIT else 0.0
        parts.append(f"{'x'.join(map(str, next(iter(shapes.values()))))} {error:.1e}" + ("" if equal else " NOT EQUAL")
                     + (f" (onnxruntime is {own:.1e} from itself)" if own else ""))
    if len(results) > len(case.sizes):
        same = all(np.array_equal(a[n], b[n], equal_nan=a[n].dtype.kind == "f")
                   for a, b in zip(results[0], results[-1], strict=True) for n in a)
        ok, parts = ok and same, parts + ["back: " + ("same values" if same else "OTHER VALUES")]
    calls = f"  {case.calls} calls each" if case.calls > 1 else ""
    return ok, f"worst error {worst:.1e} (limit {LIMIT:.0e})  on {case.kind} [{', '.join(parts)}]{calls}"


def cpu_features(program: str) -> dict[str, int]:
    """Instruction sets of the CPU that runs the models."""
    if not program:
        return lite_runtime.cpu_features()
    out = subprocess.run([*shlex.split(program), "--cpu"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {name: int(bit) for name, bit in map(str.split, out.splitlines())}


def check_all(path: Path, program: str, levels: dict[str, int]) -> int:
    """One line for each level; the number of those that failed."""
    model, bad = None, 0
    for level, mask in levels.items():
        start = time.monotonic()
        try:
            model = model or prepare(path, verify=not program)
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
    ap.add_argument("--program", default="")
    a = ap.parse_args()
    paths = [p for p in sorted(a.folder.glob("*.onnx")) if not a.names or p.stem in a.names]
    levels = cpu_levels.levels(cpu_features(a.program))
    if not paths or {p.stem for p in paths} < set(a.names):
        print(f"check_models.py: {a.folder}: no such models", file=sys.stderr)
        return 1
    if unknown := set(a.cpu) - set(levels):
        print(f"check_models.py: this CPU has no level {', '.join(sorted(unknown))}; it has {', '.join(levels)}",
              file=sys.stderr)
        return 1
    levels = {n: m for n, m in levels.items() if not a.cpu or n in a.cpu}
    bad = sum(check_all(path, a.program, levels) for path in paths)
    total = len(paths) * len(levels)
    print(f"{len(paths)} models on {', '.join(levels)}: {total - bad} of {total} are right "
          f"(onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
