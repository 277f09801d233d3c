"""What a model needs is what it uses: of all rows of tests/ops, against the names of the kernels that steps run and the
programs in the file; then runtimes that are built for some of them compute the same bits, and refuse all others."""
from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from op_frame import model, rows
from tailored import ROOT, Library, Refused, library

import lite_runtime
from lite_runtime.converter.lower import reader
from lite_runtime.converter.toolchain.needs import Needs, needs
from lite_runtime.spec.ops import BY_CODE
from lite_runtime.spec.postops import POSTOPS

ROWS = rows()
SIGNATURES = dict((f, s) for s, f in re.findall(r"^LR_KERNEL\((\w+), (\w+),",
                                                 (ROOT / "kernels_generic/kernels.inc").read_text(), re.M))
WAYS = {"winograd_2x2": {"f32_winograd_in", "f32_winograd_out"}, "winograd_4x4": {"f32_winograd_in", "f32_winograd_out"},
        "rolling_rows": {"f32_gemm", "f32_dwconv"}, "three_steps": {"f32_gemm", "f32_dwconv"}}
POST_NAMES = {p.code: p.name for p in POSTOPS.values()}


@cache
def converted(i: int) -> bytes | None:
    """A row, its dims symbolic where they may be; None for what the converter refuses without types of the results."""
    try:
        return lite_runtime.convert(model(ROWS[i], bool(ROWS[i].dynamic)), verify=False)
    except lite_runtime.converter.errors.ConvertError:
        return None


def used(data: bytes) -> tuple[set[str], set[str]]:
    """Operators and post-ops that are in the file."""
    ops, posts = set(), set()
    for graph in reader.read(data)["subgraphs"]:
        for node in graph["nodes"]:
            ops.add(BY_CODE[node["op"]].name)
            words, k = node.get("post") or [], 0
            while k < len(words):
                posts.add(POST_NAMES[words[k] & 255])
                k += 2 + sum(words[k + 1] >> shift & 255 == 255 for shift in (0, 8, 16))
    return ops, posts


def test_all_rows() -> None:
    """No step runs a kernel that the rule has not named; nothing that the file has is missing."""
    seen: set[str] = set()
    for i, r in enumerate(ROWS):
        data = converted(i)
        if data is None:
            continue
        found, (ops, posts) = needs([data]), used(data)
        assert set(found.ops) == ops, r.title()
        assert posts - {"cast", "quantize"} <= set(found.posts), r.title()
        with lite_runtime.Session(data, threads=1) as session:
            session.run({t.name: r.feeds()[t.name] for t in session.inputs})
            names = {s.kernel for s in session.steps()}
        kernels = set().union(*(WAYS.get(n, {SIGNATURES[n]} if n in SIGNATURES else set()) for n in names))
        assert kernels <= set(found.kernels), r.title()
        seen |= kernels
    assert len(seen) > 30, f"few kernels ran: {sorted(seen)}"
