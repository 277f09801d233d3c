"""What models, sessions and measurements show: a line of text, and HTML in which nothing of a model is markup."""
from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
from onnx import TensorProto, helper

import lite_runtime
from lite_runtime import Session

EVIL = "<script>alert('x')</script>&"


class Cells(HTMLParser):
    """The tables' cells, and which tags there are; fails on what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.tags.add(tag)
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open[-1] in ("td", "th"):
            self.cells[-1] += data


@pytest.fixture(scope="module")
def evil(model_of):
    nodes = [helper.make_node("Relu", [EVIL], ["m"]), helper.make_node("Neg", ["m"], ["y"], name=EVIL)]
    model = model_of(nodes, {EVIL: (TensorProto.FLOAT16, ["<b>", 3])}, {"y": (TensorProto.FLOAT16, ["<b>", 3])})
    return lite_runtime.convert(model, verify=False)


def test_model(evil):
    m = lite_runtime.Model(evil)
    c = Cells(m._repr_html_())
    assert c.tags == {"p", "table", "tr", "th", "td"}
    assert c.cells[4:] == ["input", EVIL, "float16", "<b> x 3", "output", "y", "float16", "<b> x 3"]
    assert repr(m) == f"<Model: {EVIL} float16 [<b> x 3] -> y float16 [<b> x 3]>"


def test_session(evil, counter_model):
    s = Session(evil, threads=1)
    before = Cells(s._repr_html_())
    assert "steps" not in " ".join(before.texts)  # no plan yet: the size is open
    s.run({EVIL: np.ones((2, 3), np.float16)})
    after = Cells(s._repr_html_())
    assert after.cells[: len(before.cells)] == before.cells
    steps = s.steps()
    assert f"{len(steps)} steps" in after.texts and steps[0].op in after.cells and "cpu" in after.cells
    assert repr(s).startswith("<Session: <script>")
    s.close()
    assert "closed session" in Cells(s._repr_html_()).texts and repr(s).startswith("<closed Session: ")
    with Session(lite_runtime.convert(counter_model, state={"y": "s"}, verify=False)) as s:
        assert Cells(s._repr_html_()).cells[4:].count("state") == 1
        with s._busy:  # another thread runs: still something to show
            assert "session" in Cells(s._repr_html_()).texts


def test_benchmark(evil, cnn_model):
    x = {EVIL: np.ones((2, 3), np.float16)}
    r = lite_runtime.benchmark(evil, x, 1, seconds=0.01, against=lambda: None)
    c = Cells(r._repr_html_())
    assert c.tags <= {"p", "table", "tr", "th", "td"} and any(EVIL in cell for cell in c.cells)
    text = repr(r)
    assert text.startswith(f"<Benchmark 1 thread: median {r.times.median:.3f} ms (p10 ") and "\n" not in text
    assert "of the other's time" in text and len(text) < 300 and f"of {r.times.runs} runs" in text
    data = lite_runtime.convert(cnn_model, verify=False)
    r = lite_runtime.benchmark(data, {"x": np.ones((1, 3, 32, 32), np.float32)}, 1, seconds=0.01)
    assert "GFLOP/s" in repr(r) and f"{len(r.steps)} steps" in repr(r)
    rows = Cells(r._repr_html_()).cells
    assert len(rows) == 6 * (1 + min(10, len(r.steps))) and rows[:4] == ["node", "operator", "kernel", "ms"]
