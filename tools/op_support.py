"""What the converter takes of each ONNX operator, found by trying nodes of the table in tests/graphs."""
from __future__ import annotations

import random
import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.frontend import OPS, check, load
from lite_runtime.converter.frontend.structure import has_body
from lite_runtime.converter.infer import Infer
from lite_runtime.spec.dtypes import BY_NUMPY

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS / "graphs"), str(TESTS / "ops")]
import op_frame  # noqa: E402
from builder import DTYPES, NEWEST, Builder, Invalid, load_rows, model_of  # noqa: E402

MIN_OPSET = 1
TRIES = 8  # nodes for one dtype or opset, until one is taken
NODES = 24  # in which limits are looked for
MOST = 3  # limits that are listed


@dataclass(frozen=True)
class Support:
    """One operator: opsets as '7-28', dtypes by our names, reasons for which nodes of these are refused."""

    op: str
    opsets: str
    dtypes: list[str]
    limits: list[str]


class Probe(Builder):
    """A builder of one node that computes nothing, whose type parameter `only[0]` is the dtype `only[1]`."""

    def __init__(self, seed: str, opset: int, only: tuple[str, np.dtype] | None) -> None:
        self.only = only
        super().__init__(random.Random(seed).randint, self.pretend, opset)
        self.flavour = "plain"

    @staticmethod
    def pretend(model: onnx.ModelProto, feeds: Any) -> list[np.ndarray]:
        return [np.zeros(0, np.float32) for _ in model.graph.output]

    def types(self, of: int | str) -> list[np.dtype]:
        found = super().types(of)
        text = self.schema.inputs[min(of, len(self.schema.inputs) - 1)].type_str if isinstance(of, int) else of
        if self.only is None or text != self.only[0]:
            return found
        if self.only[1] not in found:
            raise Invalid
        return [self.only[1]]


def attempt(op: str, opset: int, seed: str, only: tuple[str, np.dtype] | None = None) -> list[str] | None:
    """Why a random node is refused (nothing: it is not); None when no valid node was made."""
    g = Probe(f"{op} {seed}", opset, only)
    g.start(op)
    try:
        load_rows()[op](g)
    except Invalid:
        return None
    leaves = [t for t in g.tensors if t.kind != "node"]
    if only is not None and not any(t.dtype == only[1] for t in leaves) and only[0] in _inputs(g.schema):
        return None
    model = model_of(g.nodes, leaves, [], opset, list(g.nodes[-1].output))
    try:
        problems = [p.why for p in check(load(model), Infer())]
    except ConvertError as e:
        problems = [str(e)]
    return problems if not problems or _is_valid(model, {t.name: t.value for t in leaves}) else None


def _inputs(schema: onnx.defs.OpSchema) -> set[str]:
    return {i.type_str for i in schema.inputs}


def _is_valid(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> bool:
    """Whether ONNX's own evaluator takes a node: a row may make others, since nothing is computed here."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            ReferenceEvaluator(model).run(None, feeds)
    except Exception:  # whatever it raises
        return False
    return True


def taken(op: str, opset: int, only: tuple[str, np.dtype] | None = None) -> bool:
    return any(attempt(op, opset, f"{i}", only) == [] for i in range(TRIES))


@cache
def versions(op: str) -> list[int]:
    """The opsets in which the operator has a definition of its own, those before MIN_OPSET as that one."""
    found = (s for s in onnx.defs.get_all_schemas_with_history() if s.name == op and not s.domain)
    every = sorted((s.since_version, s.deprecated) for s in found)
    starts = [v for v, gone in every if not gone]
    first = max([v for v in starts if v <= MIN_OPSET], default=None)
    return ([MIN_OPSET] if first is not None else []) + [v for v in starts if v > MIN_OPSET]


def last_opset(op: str) -> int:
    return next(v for v in range(NEWEST, 0, -1) if _exists(op, v))


def _exists(op: str, opset: int) -> bool:
    try:
        return not onnx.defs.get_schema(op, opset, "").deprecated
    except onnx.defs.SchemaError:
        return False


def opsets_of(op: str) -> str:
    """Ranges of opsets in which a node is taken."""
    starts, end = versions(op), last_opset(op)
    ranges: list[list[int]] = []
    for first, after in zip(starts, [*starts[1:], end + 1], strict=True):
        if not taken(op, after - 1):
            continue
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1][1] = after - 1
        else:
            ranges.append([first, after - 1])
    return ", ".join(f"{a}-{b}" if a != b else f"{a}" for a, b in ranges)


def parameter_of(op: str) -> tuple[str, list[np.dtype]]:
    """The type parameter that a table names dtypes of: of the first input that has a choice, else of the outputs."""
    schema = onnx.defs.get_schema(op, last_opset(op), "")
    allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    found = [(i.type_str, [d for t, d in DTYPES.items() if t in allowed.get(i.type_str, [i.type_str])])
             for i in (*schema.inputs, *schema.outputs)]
    return next((f for f in found if len(f[1]) > 1), found[0])


def limits_of(op: str, dtypes: list[str], name: str) -> list[str]:
    """Why nodes of dtypes that are taken are refused, the most frequent reason first; one of each kind."""
    known, reasons = [d for d in DTYPES.values() if BY_NUMPY[d.name].name in dtypes], Counter[str]()
    words: dict[str, str] = {}
    for i in range(NODES):
        only = (name, known[i % len(known)]) if known else None
        for why in attempt(op, last_opset(op), f"limit {i}", only) or []:
            kind = re.sub(r"'[^']*'|-?\d+", "#", why)
            words.setdefault(kind, why)
            reasons[kind] += 1
    return [words[kind] for kind, _ in reasons.most_common(MOST)]


def microsoft_support() -> list[Support]:
    """onnxruntime's operators, from the rows of tests/ops: dtypes of the first input with which some row is taken, and
    what is said of the rows that are refused."""
    from microsoft_refused import ROWS as REFUSED

    from lite_runtime.converter.frontend.foreign import FOREIGN, MICROSOFT

    known = [r for r in op_frame.rows() if (r.domain or MICROSOFT, r.op) in FOREIGN]
    found = []
    for op in sorted({op for space, op in FOREIGN if space == MICROSOFT}):
        dtypes: set[str] = set()
        for r in (r for r in known if r.op == op and op_frame.first(r) is not None):
            for d in (np.float32, np.float16, np.float64) if op_frame.first(r).dtype.kind == "f" else (None,):
                tried = r if d is None else op_frame.as_floats(r, np.dtype(d))
                name = BY_NUMPY[op_frame.first(tried).dtype.name].name
                if name not in dtypes and not _refusal(tried):
                    dtypes.add(name)
        limits = [why for r, _ in REFUSED if r.op == op and (why := _refusal(r))]
        found.append(Support(op, "", [d.name for d in BY_NUMPY.values() if d.name in dtypes], limits))
    return found


def _refusal(r: op_frame.Row) -> str:
    """Why a row is refused, '' when it is not."""
    outputs = [np.zeros((1,), np.float32)] * r.outputs
    return "; ".join(p.why for p in check(load(op_frame.model(r, False, outputs)), Infer()))


def support() -> list[Support]:
    """Every ONNX operator of which a node is taken."""
    found = []
    for op in sorted(load_rows()):
        if op not in OPS and not has_body(onnx.defs.get_schema(op, last_opset(op), "")):
            continue
        opsets = opsets_of(op)
        if opsets:
            name, allowed = parameter_of(op)
            dtypes = [BY_NUMPY[d.name].name for d in allowed if taken(op, last_opset(op), (name, d))]
            found.append(Support(op, opsets, dtypes, limits_of(op, dtypes, name)))
    return found
