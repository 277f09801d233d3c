"""A file's sizes of intermediate results are hints, which may lie; ranks and dtypes are checked when it is opened."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

import lite_runtime
from lite_runtime.converter.lower.reader import read
from lite_runtime.converter.lower.writer import assemble
from lite_runtime.errors import Status

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
TEXTS = {
    "lstm": """m (float[3,1,2] x, float[1,8,2] w, float[1,8,2] r, float[1,8,2] s) => (float[3,1,1,2] y) {
        sum = Add(r, s)
        y = LSTM<hidden_size=2>(x, w, sum)
    }""",
    "scan": """m (float[2] h, float[3,2] x) => (float[2] y, float[3,2] s) {
        e = Exp(x)
        y, s = Scan(h, e) <num_scan_inputs=1, body = b (float[2] v, float[2] e1) => (float[2] next, float[2] out) {
                next = Add(v, e1)
                out = Tanh(next)
            }>
    }""",
    "if": """m (bool c, float[2,3] x) => (float[2,3] y) {
        e = Exp(x)
        a = If(c) <then_branch = t () => (float[2,3] p) { p = Neg(e) },
                   else_branch = f () => (float[2,3] q) { q = Abs(e) }>
        y = Mul(a, a)
    }""",
}
Change = Callable[[tuple[int, ...]], list[int]]


def feeds(session: lite_runtime.Session) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {t.name: rng.normal(size=t.shape).astype(t.dtype) for t in session.inputs}


def temps(model: dict) -> list[dict]:
    """Tensors of all graphs that a node makes and that are no outputs of the model."""
    made = []
    for k, g in enumerate(model["subgraphs"]):
        outputs = {i for n in g["nodes"] for i in n["outputs"]} - (set(g["outputs"]) if not k else set())
        made += [g["tensors"][i] for i in sorted(outputs)]
    return made


def changed(data: bytes, which: int, change: Change) -> bytes:
    """The file with other declared dims of its temp `which`."""
    model = read(data)
    t = temps(model)[which]
    t["dims"] = change(tuple(t["dims"]))
    weights = b""
    if model["sections"]:
        section = model["sections"][0]
        weights = data[section["offset"]:section["offset"] + section["size"]]
    return assemble(model, weights)


def cases() -> list[tuple[str, bytes, int]]:
    out = []
    for name, text in TEXTS.items():
        data = lite_runtime.convert(onnx.parser.parse_model(HEAD + text), verify=False)
        out += [(name, data, k) for k in range(len(temps(read(data))))]
    return out


CASES = cases()
IDS = [f"{name}-{k}" for name, _, k in CASES]


@pytest.mark.parametrize("name, data, which", CASES, ids=IDS)
@pytest.mark.parametrize("change", [lambda d: [], lambda d: [1] * 8, lambda d: [*d, 1]], ids=["0", "8", "more"])
def test_ranks_are_checked(name: str, data: bytes, which: int, change: Change) -> None:
    if list(change(tuple(temps(read(data))[which]["dims"]))) == list(temps(read(data))[which]["dims"]):
        return  # it has this rank
    with pytest.raises(lite_runtime.Error) as e:
        lite_runtime.Session(changed(data, which, change))
    assert e.value.status == Status.MODEL, str(e.value)


@pytest.mark.parametrize("name, data, which", CASES, ids=IDS)
@pytest.mark.parametrize("size", [1, 1000, -1])
def test_sizes_may_lie(name: str, data: bytes, which: int, size: int) -> None:
    """Refused when it is opened or run, or right."""
    with lite_runtime.Session(data) as s:
        x = feeds(s)
        wanted = s.run(x)
    try:
        with lite_runtime.Session(changed(data, which, lambda d: [size] * len(d))) as s:
            got = s.run(x)
    except lite_runtime.Error as e:
        assert e.status in (Status.MODEL, Status.VALUE, Status.ARGUMENT), str(e)
        return
    for n, y in wanted.items():
        assert got[n].tobytes() == y.tobytes()
