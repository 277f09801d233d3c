"""300 random graphs; tests/graphs/random_graphs.py runs as many as one likes. And that the tables are complete."""
from __future__ import annotations

import random
from collections.abc import Iterator

import onnx
import pytest
from builder import NEWEST, load_rows
from generate import build, convertible, exists, imported
from random_graphs import closing, explore
from verdict import Judge

GRAPHS = 300
# attributes of training, for text, sparse tensors and float8
NOT_DRAWN: dict[str, set[str]] = {
    "BatchNormalization": {"training_mode"}, "Constant": {"sparse_value", "value_string", "value_strings"},
}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    j = Judge()
    yield j
    j.close()


def test_random_graphs(judge: Judge) -> None:
    counts = explore(GRAPHS, judge)
    print(closing(counts))
    assert counts["passed"] > GRAPHS // 2, closing(counts)
    assert counts["refused"] < GRAPHS // 6, closing(counts)
    assert counts["disagree"] < GRAPHS // 10, closing(counts)


def test_every_operator_of_the_frontend_has_a_row() -> None:
    missing = imported() - set(load_rows())
    assert not missing, f"tests/graphs/rows lacks {sorted(missing)}"


def test_rows_are_of_operators() -> None:
    known = {s.name for s in onnx.defs.get_all_schemas_with_history() if not s.domain}
    assert not set(load_rows()) - known



@pytest.mark.parametrize("op", convertible())
def test_a_row_makes_nodes(op: str, judge: Judge) -> None:
    """In its newest opset or in one before, and with different attributes."""
    made, attributes, inputs = 0, set(), set()
    schema = onnx.defs.get_schema(op, max(v for v in range(7, NEWEST + 1) if exists(op, v)), "")
    opsets = [v for v in range(7, NEWEST + 1) if exists(op, v)]
    for i in range(60):
        case = build(random.Random(i).randint, judge.references, [op], 1, opsets[-1 - i % len(opsets)])
        if case is not None:
            made += 1
            for node in case.model.graph.node:
                attributes |= {a.name for a in node.attribute}
                inputs |= {k for k, n in enumerate(node.input) if n}
    assert made >= 20, f"only {made} of 60 nodes are valid"
    unused = set(schema.attributes) - attributes - NOT_DRAWN.get(op, set())
    assert not unused, f"attributes that no node has: {sorted(unused)}"
    assert len(inputs) >= min(schema.max_input, len(schema.inputs)), f"only inputs {sorted(inputs)} are given"
