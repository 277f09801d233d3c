"""Every row of cases/ through convert and Session on each instruction set level, against onnxruntime or ONNX's
evaluator."""
from __future__ import annotations

from functools import cache

import cpu_levels
import pytest
from op_frame import compare, model, reference, rows

import lite_runtime
from lite_runtime.converter.lower import reader
from lite_runtime.spec.ops import BY_CODE, OPS
from lite_runtime.spec.postops import POSTOPS

ROWS = rows()
VARIANTS = [(i, s) for i, r in enumerate(ROWS) for s in (False, True) if not s or r.dynamic]
LEVELS = cpu_levels.levels(lite_runtime.cpu_features())
# what no single ONNX node makes: these have C tests (tests/runtime)
ELSEWHERE = {"custom", "delegate", "if", "loop"}
POSTS_ELSEWHERE = {"copy"}


def title(v: tuple[int, bool]) -> str:
    return f"{v[0]}-{ROWS[v[0]].title()}" + ("-dynamic" if v[1] else "")


@cache
def wanted(i: int):
    return reference(ROWS[i])


@cache
def converted(i: int, symbolic: bool) -> bytes:
    return lite_runtime.convert(model(ROWS[i], symbolic, wanted(i)), verify=False)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("variant", VARIANTS, ids=title)
def test_row(variant: tuple[int, bool], level: str) -> None:
    i, symbolic = variant
    r = ROWS[i]
    with lite_runtime.Session(converted(i, symbolic), threads=2, cpu_mask=LEVELS[level]) as session:
        feeds = {t.name: r.feeds()[t.name] for t in session.inputs}
        got = session.run(feeds)
        for k, want in enumerate(wanted(i)):
            compare(got[f"y{k}"], want, r.rtol, r.off)
        again = session.run(feeds)
        for name in got:
            assert got[name].tobytes() == again[name].tobytes(), f"{name}: another result in the second run"


def test_every_operator_has_a_row() -> None:
    ops, posts = set(), set()
    names = {p.code: p.name for p in POSTOPS.values()}
    for i, symbolic in VARIANTS:
        try:
            file = reader.read(converted(i, symbolic))
        except lite_runtime.converter.errors.ConvertError:
            continue  # test_row says so
        for graph in file["subgraphs"]:
            for node in graph["nodes"]:
                ops.add(BY_CODE[node["op"]].name)
                words, k = node.get("post") or [], 0
                while k < len(words):
                    posts.add(names[words[k] & 255])
                    k += 2 + sum(words[k + 1] >> shift & 255 == 255 for shift in (0, 8, 16))
    assert set(OPS) - ELSEWHERE <= ops, f"no row makes {sorted(set(OPS) - ELSEWHERE - ops)}"
    missing = set(POSTOPS) - POSTS_ELSEWHERE - posts
    assert not missing, f"no row makes the post-ops {sorted(missing)}"
