"""The layout of graphs: boxes that do not touch, lines that go down; and a page of two thousand of them."""
from __future__ import annotations

import itertools
import random

import pytest

from lite_runtime.converter.report import drawing, render
from lite_runtime.converter.report.layout import arrange
from lite_runtime.converter.report.marks import FAMILY, WORDS, ticks
from lite_runtime.spec.ops import OPS


def test_every_operator_has_a_family():
    assert set(FAMILY) == set(OPS) and set(FAMILY.values()) == set(WORDS)


def random_graph(n, seed):
    rng = random.Random(seed)
    nets = {}
    for i in range(1, n):
        near = [rng.randrange(max(0, i - 30), i) for _ in range(rng.randrange(2))]
        far = [rng.randrange(i)] if rng.random() < 0.02 else []
        for s in {max(0, i - 1 - rng.randrange(3)), *near, *far}:
            nets.setdefault(s, []).append(i)
    return [(rng.uniform(60, 250), rng.uniform(30, 80)) for _ in range(n)], list(nets.items())


@pytest.mark.parametrize(("n", "seed"), [(1, 0), (2, 1), (40, 2), (300, 3), (2000, 4)])
def test_layout(n, seed):
    """No two boxes touch, every net goes down, from where it is made to all that read it."""
    sizes, nets = random_graph(n, seed)
    plan = arrange(sizes, nets)
    boxes = sorted(((x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in
                    zip(plan.places, sizes, strict=True)), key=lambda b: b[1])
    assert all(b[0] >= -1e-6 and b[2] <= plan.width + 1e-6 and b[3] <= plan.height + 1e-6 for b in boxes)
    for i, a in enumerate(boxes):
        for b in itertools.takewhile(lambda b, a=a: b[1] < a[3], boxes[i + 1:]):
            assert a[2] < b[0] or b[2] < a[0], (a, b)
    for (source, targets), pieces in zip(nets, plan.nets, strict=True):
        assert all(y0 < y1 for _, y0, _, y1 in pieces)
        ends = {(round(x), round(y)) for _, _, x, y in pieces}
        assert {(round(plan.places[t][0]), round(plan.places[t][1] - sizes[t][1] / 2)) for t in targets} <= ends
        assert (round(plan.places[source][0]), round(plan.places[source][1] + sizes[source][1] / 2)) in \
            {(round(x), round(y)) for x, y, _, _ in pieces}


def test_layout_of_plain_graphs():
    """A chain is straight; a residual block has no crossing and its chain stays straight; branches are symmetric."""
    chain = arrange([(80, 40)] * 5, [(i, [i + 1]) for i in range(4)])
    assert len({round(x) for x, _ in chain.places}) == 1
    block = arrange([(80, 40)] * 5, [(0, [1, 4]), (1, [2]), (2, [3]), (3, [4])])
    assert max(x for x, _ in block.places) - min(x for x, _ in block.places) < 20
    fork = arrange([(80, 40)] * 4, [(0, [1, 2]), (1, [3]), (2, [3])])
    (x0, _), (x1, _), (x2, _), (x3, _) = fork.places
    assert abs(x1 + x2 - 2 * x0) < 1 and abs(x0 - x3) < 1 and abs(x1 - x2) >= 100


@pytest.mark.parametrize("top", [1e-6, 0.3, 1, 4.9, 22_888_960, 1e12])
def test_ticks(top):
    found = ticks(top)
    assert found[0] == 0 and found[-1] <= top * (1 + 1e-9) and 2 <= len(found) <= 6


@pytest.mark.browser
def test_two_thousand_nodes(browser, tmp_path):
    """Only what is near is in the document, so that moving costs as much as in a small graph."""
    sizes, nets = random_graph(2000, 5)
    cards = [drawing.Card("node", f"op{i}", [f"node {i}"], family="conv", key=f"g0n{i}", search=f"op{i}") for i in
             range(len(sizes))]
    view = drawing.draw(drawing.View("g0", "main graph", ""), cards, [(s, t, f"t{s}") for s, t in nets])
    facts = {f"g0n{i}": {"title": f"op{i}", "name": f"node {i}", "step": i, "sections": []} for i in range(2000)}
    (tmp_path / "large.html").write_bytes(bare_page(view, facts))
    b = browser()
    b.open(tmp_path / "large.html")
    assert 0 < b.js("document.querySelectorAll('.box').length") < 300
    b.js("document.getElementById('search').focus()")
    b.type("op1777")
    b.key("Enter")
    assert b.js("document.querySelector('.box.on').dataset.key") == "g0n1777"
    b.js("document.getElementById('fit').click()")
    assert b.js("document.querySelectorAll('.box').length") == 2000


def bare_page(view, nodes):
    """The page of a graph that was drawn by hand."""
    lists = dict.fromkeys(("inputs", "outputs", "states", "chosen", "steps", "buffers", "notes", "graphs", "unused",
                           "unknown"), [])
    nothing = dict.fromkeys(("plan_bytes", "memory", "proof", "rules", "sources", "bench", "layers"))
    facts = {"model": "large", "producer": "", "version": 0, "bytes": 0, "dims": "", "metadata": {}, "shapes": {},
             "weights": {"count": 0, "bytes": 0, "dtypes": {}}, **lists, **nothing}
    return render.fill(facts, [view], nodes)
