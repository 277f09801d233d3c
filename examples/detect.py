"""Finds characters on a picture with a YOLOX detector and draws boxes around them.

usage: detect.py MODEL.lrm PICTURE OUT.png      the model's input is u8 [1 416 416 3], its output f32 [1 3549 6]

YOLOX (Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021") predicts one box per cell of three grids, with steps of
8, 16 and 32 pixels: its centre from the cell's corner and its size in steps (the size as a logarithm), the probability
that there is something, and that it is of each class.
"""
from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Run = Callable[[np.ndarray], np.ndarray]  # [1 SIZE SIZE 3] bytes, red first -> [1 3549 6]
SIZE, STEPS, GREY = 416, (8, 16, 32), 114
LIKELY, OVERLAP = 0.2, 0.45


@dataclass(frozen=True)
class Box:
    """In pixels of the picture."""

    left: float
    top: float
    right: float
    bottom: float
    score: float


def to_input(picture: Image.Image) -> tuple[np.ndarray, float]:
    """The picture as large as fits, in the upper left corner of a grey square; by how much it was scaled."""
    scale = SIZE / max(picture.size)
    square = Image.new("RGB", (SIZE, SIZE), (GREY,) * 3)
    small = (max(1, int(picture.width * scale)), max(1, int(picture.height * scale)))
    square.paste(picture.convert("RGB").resize(small, Image.Resampling.BILINEAR))
    return np.asarray(square)[None], scale


def decode(output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners [n 4] (left, top, right, bottom) and scores [n] of all cells' boxes, in pixels of the square."""
    cells, steps = [], []
    for step in STEPS:
        n = SIZE // step
        y, x = np.mgrid[:n, :n]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        steps.append(np.full((n * n, 1), step))
    step = np.concatenate(steps)
    centre = (output[:, :2] + np.concatenate(cells)) * step
    half = np.exp(output[:, 2:4]) * step / 2
    return np.concatenate([centre - half, centre + half], axis=1), output[:, 4] * output[:, 5:].max(axis=1)


def best(corners: np.ndarray, scores: np.ndarray) -> list[int]:
    """Non-maximum suppression: indices from the best score on, without boxes that overlap a better one too much."""
    area = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        i, rest = order[0], order[1:]
        kept.append(int(i))
        size = np.minimum(corners[i, 2:], corners[rest, 2:]) - np.maximum(corners[i, :2], corners[rest, :2])
        both = np.prod(np.maximum(size, 0), axis=1)
        order = rest[both <= OVERLAP * (area[i] + area[rest] - both)]
    return kept


def detect(run: Run, picture: Image.Image) -> list[Box]:
    """The best first."""
    x, scale = to_input(picture)
    corners, scores = decode(run(x)[0])
    likely = scores > LIKELY
    corners, scores = corners[likely] / scale, scores[likely]
    limit = np.array(picture.size * 2)
    return [Box(*np.clip(corners[i], 0, limit).tolist(), float(scores[i])) for i in best(corners, scores)]


def draw(picture: Image.Image, boxes: list[Box]) -> Image.Image:
    picture = picture.convert("RGB")
    pen = ImageDraw.Draw(picture)
    for b in boxes:
        pen.rectangle((b.left, b.top, b.right, b.bottom), outline="#e0331c", width=2)
        pen.text((b.left, b.top - 12), f"{b.score:.2f}", fill="#e0331c")
    return picture


def main() -> int:
    if len(sys.argv) != 4:
        print(__doc__)
        return 2
    import lite_runtime

    with lite_runtime.Session(sys.argv[1]) as session:
        name = session.inputs[0].name
        picture = Image.open(sys.argv[2])
        boxes = detect(lambda x: next(iter(session.run({name: x}).values())), picture)
    for b in boxes:
        print(f"{b.score:.3f}  {b.left:6.1f} {b.top:6.1f} {b.right:6.1f} {b.bottom:6.1f}")
    draw(picture, boxes).save(sys.argv[3])
    return 0


if __name__ == "__main__":
    sys.exit(main())
