"""Einsum, as transpositions, products and sums.

Operands are taken in one by one. Each is first brought to distinct labels (diagonals, sums of labels that nothing else
reads); two become one by a matmul over the labels that are summed, with labels of both that stay as its batch.
"""
from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from ...spec.ops import MAX_RANK
from ..ir import Dim, Value
from .context import Context, Part, onnx_op
from .indices import positions


@dataclass(frozen=True)
class Term:
    """A tensor and a label for each of its axes."""

    value: Value
    labels: str


@onnx_op("Einsum")
def einsum(c: Context) -> Value:
    values = [c.input(i) for i in range(len(c.inputs))]
    inputs, result = _parse(c, values)
    terms = [Term(v, labels) for v, labels in zip(values, inputs, strict=True)]
    y = _reduced(c, terms[0], _readers(terms[1:], result))
    for i in range(1, len(terms)):
        x = _reduced(c, terms[i], y.labels + _readers(terms[i + 1:], result))
        y = _contract(c, y, x, _readers(terms[i + 1:], result))
    perm = tuple(y.labels.index(a) for a in result)
    return y.value if perm == tuple(range(len(perm))) else c.add("transpose", y.value, perm=perm)


def _readers(terms: Sequence[Term], result: str) -> str:
    return result + "".join(t.labels for t in terms)


def _parse(c: Context, values: Sequence[Value]) -> tuple[list[str], str]:
    """Labels of each input and of the result; axes of an ellipsis get labels that are not letters."""
    equation = c.attr("equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    inputs = left.split(",")
    letters = set(string.ascii_letters)
    bad = [p for p in (*inputs, right) if not set(p.replace("...", "", 1)) <= letters]
    if bad or len(inputs) != len(values):
        raise c.refuse(f"equation '{equation}' is not valid for {len(values)} inputs")
    found, most = [], 0
    for labels, v in zip(inputs, values, strict=True):
        extra = v.rank - len(labels.replace("...", ""))
        if extra < 0 or (extra and "..." not in labels):
            raise c.refuse(f"'{labels}' of equation '{equation}' does not fit an input of rank {v.rank}")
        most = max(most, extra if "..." in labels else 0)
        found.append(labels.replace("...", _dots(extra)))
    if not arrow:
        once = sorted(a for a in set(left) & letters if left.count(a) == 1)
        right = "..." + "".join(once)
    result = right.replace("...", _dots(most))
    if len(set(result)) != len(result) or not set(result) <= set("".join(found)):
        raise c.refuse(f"the result '{right}' of equation '{equation}' names a label twice or one that no input has")
    return found, result


def _dots(n: int) -> str:
    """Labels of n axes of an ellipsis; they are the last ones of the longest, as broadcasting wants it."""
    return string.digits[:MAX_RANK][::-1][len(string.digits[:MAX_RANK]) - n:]


def _reduced(c: Context, t: Term, readers: str) -> Term:
    """Diagonals of labels that occur twice, then sums over labels that nobody reads."""
    value, labels = t.value, t.labels
    while len(set(labels)) < len(labels):
        label = next(a for a in labels if labels.count(a) > 1)
        value, labels = _diagonal(c, value, labels, label)
    gone = [i for i, a in enumerate(labels) if a not in readers]
    if gone:
        value = c.add("reduce", value, kind="sum", axes=sum(1 << i for i in gone), keep_dims=0)
    return Term(value, "".join(a for a in labels if a in readers))


def _diagonal(c: Context, value: Value, labels: str, label: str) -> tuple[Value, str]:
    """The first two axes of a label, which have one size n, become one: every (n + 1)th of n * n elements; of an open n
    the sum over one of them, where all but the diagonal is 0."""
    i = labels.index(label)
    j = labels.index(label, i + 1)
    n = value.shape[i]
    m = value.shape[j]
    if isinstance(n, int) and isinstance(m, int) and n != m:
        raise c.refuse(f"label '{label}' is there twice with sizes {n} and {m}, a diagonal needs equal ones")
    rest = [a for a in range(value.rank) if a not in (i, j)]
    left = label + "".join(labels[a] for a in rest)
    x = c.add("transpose", value, perm=(i, j, *rest))
    if not (isinstance(n, int) and isinstance(m, int)):
        both = c.add("concat", *(c.unsqueeze(positions(c, x, a), [0]) for a in (0, 1)), axis=0)  # needs equal sizes
        row, column = (c.add("gather", both, c.scalar(a, "i64"), axis=0) for a in (0, 1))
        on = c.unsqueeze(c.add("equal", c.unsqueeze(row, [1]), column), range(2, x.rank))
        return c.add("reduce", c.add("select", on, x, c.scalar(0, x.dtype)), kind="sum", axes=2, keep_dims=0), left
    flat = c.reshape(x, [n * n, *(Part(2 + k) for k in range(len(rest)))])
    y = c.add("slice", flat, c.ints_const([0]), c.ints_const([n * n]), c.ints_const([0]), c.ints_const([n + 1]))
    return y, left


def _contract(c: Context, a: Term, b: Term, readers: str) -> Term:
    """One term of two: labels of both that nobody else reads are summed."""
    both = [x for x in a.labels if x in b.labels]
    summed = [x for x in both if x not in readers]
    batch = [x for x in both if x in readers]
    left, right = ([x for x in t.labels if x not in both] for t in (a, b))
    if not summed:
        order = [*batch, *left, *right]
        return Term(c.add("mul", _spread(c, a, order), _spread(c, b, order)), "".join(order))
    if any(not _same(a, b, x) for x in summed) or any(t.value.dtype not in ("f32", "f16", "f64") for t in (a, b)):
        order = [*batch, *left, *right, *summed]
        product = c.add("mul", _spread(c, a, order), _spread(c, b, order))
        first = len(order) - len(summed)
        axes = sum(1 << i for i in range(first, len(order)))
        return Term(c.add("reduce", product, kind="sum", axes=axes, keep_dims=0), "".join(order[:first]))
    x = _grouped(c, a, batch, left, summed)
    y = _grouped(c, b, batch, summed, right)
    z = c.add("matmul", x, y)  # [batch..., left, right]
    if len(left) == len(right) == 1:
        return Term(z, "".join([*batch, *left, *right]))
    return Term(_ungroup(c, z, a, b, batch, left, right), "".join([*batch, *left, *right]))


def _same(a: Term, b: Term, label: str) -> bool:
    """Whether a label has one size in both, not 1 in one of them."""
    sizes = [t.value.shape[t.labels.index(label)] for t in (a, b)]
    return sizes[0] == sizes[1] and sizes[0] is not None


def _spread(c: Context, t: Term, order: Sequence[str]) -> Value:
    """The term with an axis for each label of `order`, of size 1 where it has none."""
    own = [x for x in order if x in t.labels]
    perm = tuple(t.labels.index(x) for x in own)
    v = t.value if perm == tuple(range(len(perm))) else c.add("transpose", t.value, perm=perm)
    return c.unsqueeze(v, [i for i, x in enumerate(order) if x not in t.labels])


def _grouped(c: Context, t: Term, batch: list[str], rows: list[str], cols: list[str]) -> Value:
    """[batch..., product of rows, product of cols]"""
    v = _spread(c, t, [*batch, *rows, *cols])
    if len(rows) == len(cols) == 1:
        return v
    n = len(batch)
    return c.reshape(v, [*(Part(i) for i in range(n)), _product(c, v, n, len(rows)),
                         _product(c, v, n + len(rows), len(cols))])


def _product(c: Context, v: Value, start: int, n: int) -> int | Part:
    """The size of n joined axes; at most one of them may be open."""
    sizes: list[Dim] = list(v.shape[start:start + n])
    known = 1
    for d in sizes:
        known *= d if isinstance(d, int) else 1
    open_ = [start + i for i, d in enumerate(sizes) if not isinstance(d, int)]
    if len(open_) > 1:
        raise c.refuse(f"axes of the open sizes {sizes} would have to be joined", "fix all but one of them with --dim")
    return Part(open_[0], known) if open_ else known


def _ungroup(c: Context, z: Value, a: Term, b: Term, batch: list[str], left: list[str], right: list[str]) -> Value:
    """The joined axes of a product as they were."""
    shapes = []
    for t, labels in ((a, left), (b, right)):
        own = [t.labels.index(x) for x in labels]
        shapes.append(c.shape_vector(t.value, [Part(i) for i in own]) if own else None)
    n = len(batch)
    head = [c.shape_vector(z, [Part(i) for i in range(n)])] if n else []
    parts = head + [s for s in shapes if s is not None]
    if not parts:
        return c.reshape(z, [])
    return c.add("reshape", z, parts[0] if len(parts) == 1 else c.add("concat", *parts, axis=0), allow_zero=1)
