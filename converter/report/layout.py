"""A layered drawing of a graph, as Sugiyama, Tagawa and Toda (1981) made it: rows, an order in each row with few
crossings, then places. What is weighed how follows Gansner, Koutsofios, North and Vo (1993), "A technique for drawing
directed graphs".

A net is one tensor: it leaves one box and reaches others. Where it passes a row it has one bend for all boxes further
down, so a tensor that many read is one line that branches.
"""
from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

GAP, BEND_GAP, ROW_GAP = 28.0, 16.0, 34.0  # between boxes of a row, beside a bend, between rows
BEND = 2.0  # width of a bend
SWEEPS, PLACINGS = 10, 9
MOST_BENDS = 200_000  # more would take minutes; what is left goes straight


@dataclass
class Box:
    """What is drawn at a place: a node of the graph (index) or a bend of a net (-1). x, y: its centre."""

    index: int
    width: float
    height: float
    row: int = 0
    x: float = 0.0
    y: float = 0.0
    up: list[Box] = field(default_factory=list)
    down: list[Box] = field(default_factory=list)
    at: int = 0  # place in its row


@dataclass
class Layout:
    """places: the centre of each box. nets: the pieces (x0, y0, x1, y1) of each: from the lower edge of a box or bend
    to the upper edge of the next, and straight through the rows that it passes."""

    width: float
    height: float
    places: list[tuple[float, float]]
    nets: list[list[tuple[float, float, float, float]]]


def arrange(sizes: Sequence[tuple[float, float]], nets: Sequence[tuple[int, Sequence[int]]]) -> Layout:
    """Places boxes of these sizes. nets: (box that it leaves, boxes that it reaches); boxes stand in an order in which
    every net goes to later ones."""
    boxes = [Box(i, w, h) for i, (w, h) in enumerate(sizes)]
    _choose_rows(boxes, nets)
    rows: list[list[Box]] = [[] for _ in range(max((b.row for b in boxes), default=-1) + 1)]
    links = _link(boxes, nets, rows)
    _order(boxes, rows)
    _place(rows)
    return _layout(boxes, rows, links)


# ---- rows ----
def _choose_rows(boxes: list[Box], nets: Sequence[tuple[int, Sequence[int]]]) -> None:
    """Each box one row below the lowest that it reads; then those that read nothing (inputs) move down to their
    readers."""
    reads: list[list[int]] = [[] for _ in boxes]
    read_by: list[list[int]] = [[] for _ in boxes]
    for source, targets in nets:
        for t in targets:
            reads[t].append(source)
            read_by[source].append(t)
    for b in boxes:
        b.row = max((boxes[s].row + 1 for s in reads[b.index]), default=0)
    for b in reversed(boxes):
        if read_by[b.index] and not reads[b.index]:
            b.row = min(boxes[t].row for t in read_by[b.index]) - 1
    used = {row: i for i, row in enumerate(sorted({b.row for b in boxes}))}
    for b in boxes:
        b.row = used[b.row]


def _link(boxes: list[Box], nets: Sequence[tuple[int, Sequence[int]]],
          rows: list[list[Box]]) -> list[list[tuple[Box, Box]]]:
    """Fills the rows with boxes and bends; the pairs of neighbouring boxes that each net connects."""
    for b in boxes:
        rows[b.row].append(b)
    links: list[list[tuple[Box, Box]]] = []
    left = MOST_BENDS
    for source, targets in nets:
        pairs: list[tuple[Box, Box]] = []
        at = boxes[source]
        for t in sorted(set(targets), key=lambda t: (boxes[t].row, t)):
            target = boxes[t]
            while at.row < target.row - 1 and left > 0:
                left -= 1
                bend = Box(-1, BEND, 0.0, at.row + 1)
                rows[bend.row].append(bend)
                pairs.append((at, bend))
                at = bend
            pairs.append((at, target))
        for a, b in pairs:
            a.down.append(b)
            b.up.append(a)
        links.append(pairs)
    return links


# ---- order ----
def _order(boxes: list[Box], rows: list[list[Box]]) -> None:
    """Orders each row by the medians of its neighbours' places, down and up again, and keeps the best order."""
    _first_order(boxes, rows)
    best, fewest = [list(r) for r in rows], _all_crossings(rows)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for row in rows[1:] if down else rows[-2::-1]:
            _sort(row, [b.up if down else b.down for b in row])
        crossings = _all_crossings(rows)
        if crossings < fewest:
            best, fewest = [list(r) for r in rows], crossings
    for row, good in zip(rows, best, strict=True):
        row[:] = good
        for i, b in enumerate(row):
            b.at = i


def _first_order(boxes: list[Box], rows: list[list[Box]]) -> None:
    """Depth first, so that what belongs together starts together."""
    seen: set[int] = set()
    fresh: list[list[Box]] = [[] for _ in rows]
    for start in boxes:
        stack = [start]
        while stack:
            b = stack.pop()
            if id(b) in seen:
                continue
            seen.add(id(b))
            fresh[b.row].append(b)
            stack += reversed(b.down)
    for row, new in zip(rows, fresh, strict=True):
        row[:] = new
        for i, b in enumerate(row):
            b.at = i


def _sort(row: list[Box], neighbours: list[list[Box]]) -> None:
    """Boxes without neighbours stay where they are."""
    keys = [_median([n.at for n in around]) if around else -1.0 for around in neighbours]
    moving = iter(sorted((i for i, k in enumerate(keys) if k >= 0), key=lambda i: (keys[i], i)))
    row[:] = [row[i] if keys[i] < 0 else row[next(moving)] for i in range(len(row))]
    for i, b in enumerate(row):
        b.at = i


def _median(places: list[int]) -> float:
    """Gansner's weighted median: between the two middle ones, nearer to the side that is more dense."""
    p = sorted(places)
    m = len(p) // 2
    if len(p) % 2:
        return float(p[m])
    if len(p) == 2:
        return (p[0] + p[1]) / 2
    left, right = p[m - 1] - p[0], p[-1] - p[m]
    return (p[m - 1] * right + p[m] * left) / (left + right) if left + right else float(p[m])


def _all_crossings(rows: list[list[Box]]) -> int:
    total = 0
    for row in rows:
        seen: list[int] = []
        for b in row:
            ends = sorted(n.at for n in b.down)
            total += sum(len(seen) - bisect_right(seen, e) for e in ends)
            for e in ends:
                insort(seen, e)
    return total


# ---- places ----
def _place(rows: list[list[Box]]) -> None:
    """Moves each row as near to its neighbours as its order allows, down and up in turn, long straight lines first."""
    for row in rows:
        x = 0.0
        for i, b in enumerate(row):
            x += _distance(row[i - 1], b) if i else 0.0
            b.x = x
        for b in row:
            b.x -= x / 2
    for i in range(PLACINGS):
        down = i % 2 == 0
        for row in rows if down else rows[::-1]:
            _settle(row, [b.up if down else b.down for b in row])
    top = 0.0
    for row in rows:
        height = max(b.height for b in row)
        for b in row:
            b.y = top + height / 2
        top += height + ROW_GAP + min(60.0, 2.0 * max(0, len(row) - 4))  # many lines between two rows need room


def _distance(a: Box, b: Box) -> float:
    return (a.width + b.width) / 2 + (GAP if a.index >= 0 and b.index >= 0 else BEND_GAP)


def _settle(row: list[Box], neighbours: list[list[Box]]) -> None:
    """The places nearest to the wished ones (least squares) that keep the order and the distances: an isotonic
    regression, by pooling adjacent violators (Ayer et al., 1955)."""
    offset, offsets = 0.0, []
    blocks: list[list[float]] = []  # weight, mean, number of boxes
    for i, b in enumerate(row):
        offset += _distance(row[i - 1], b) if i else 0.0
        offsets.append(offset)
        wish, weight = _wish(b, neighbours[i])
        blocks.append([weight, wish - offset, 1])
        while len(blocks) > 1 and blocks[-2][1] > blocks[-1][1]:
            w, mean, n = blocks.pop()
            last = blocks[-1]
            last[1] = (last[0] * last[1] + w * mean) / (last[0] + w)
            last[0] += w
            last[2] += n
    i = 0
    for _, mean, n in blocks:
        for _ in range(int(n)):
            row[i].x = mean + offsets[i]
            i += 1


def _wish(b: Box, around: list[Box]) -> tuple[float, float]:
    """Where a box would like to be, and how much it weighs: long lines are straight, then chains of boxes; where a long
    line begins or ends it gives way."""
    if not around:
        return b.x, 0.01
    weights = [0.05 if (n.index < 0) != (b.index < 0) else 8.0 if b.index < 0 else 1.0 for n in around]
    total = sum(weights)
    return sum(w * n.x for w, n in zip(weights, around, strict=True)) / total, total


def _layout(boxes: list[Box], rows: list[list[Box]], links: list[list[tuple[Box, Box]]]) -> Layout:
    left = min((b.x - b.width / 2 for r in rows for b in r), default=0.0)
    right = max((b.x + b.width / 2 for r in rows for b in r), default=0.0)
    bottom = max((b.y + b.height / 2 for r in rows for b in r), default=0.0)
    heights = [max(b.height for b in r) for r in rows]
    nets = []
    for pairs in links:
        drawn: list[tuple[float, float, float, float]] = []
        for a, b in pairs:
            start, end = (_edge(box, heights, side) for box, side in ((a, 0.5), (b, -0.5)))
            if b.index < 0:  # a bend: straight through its row
                drawn.append((b.x - left, end, b.x - left, _edge(b, heights, 0.5)))
            drawn.append((a.x - left, start, b.x - left, end))
        nets.append(drawn)
    return Layout(right - left, bottom, [(b.x - left, b.y) for b in boxes], nets)


def _edge(box: Box, heights: list[float], side: float) -> float:
    return box.y + side * (box.height if box.index >= 0 else heights[box.row])
