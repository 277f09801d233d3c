"""Reads text on an image with the three PP-OCR models: detect lines, turn them upright, recognise them.

Pure numpy and Pillow. The steps are those of the papers: Liao et al. 2020, "Real-time scene text detection with
differentiable binarization" (boxes from the probability map), Graves et al. 2006 (CTC, best path decoding).
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Run = Callable[[np.ndarray], np.ndarray]  # a model: NCHW f32 image batch -> its output


@dataclass
class Line:
    """One line of text: corner points (4 x 2, x right, y down, from its top left), text and mean score."""

    box: np.ndarray
    text: str
    score: float


def to_input(image: Image.Image, width: int, height: int) -> np.ndarray:
    """[1 3 height width] f32 in [-1, 1], channels in the order blue, green, red (as the models were trained)."""
    rgb = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR), np.float32)
    return np.ascontiguousarray((rgb[:, :, ::-1] / 127.5 - 1).transpose(2, 0, 1)[None])


# ---- detection ----
def components(mask: np.ndarray) -> list[np.ndarray]:
    """Connected parts (8 neighbours) of a bool [H W] mask, each as [n 3] rows (y, first x, end x) of its runs."""
    h, w = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    y, start = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    parent = list(range(len(y)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    rows = np.searchsorted(y, np.arange(h + 1))
    for r in range(1, h):
        i, j = rows[r - 1], rows[r]  # runs of the row above, of this row
        while i < rows[r] and j < rows[r + 1]:
            if start[i] <= end[j] and start[j] <= end[i]:
                parent[find(j)] = find(i)
            if end[i] < end[j]:
                i += 1
            else:
                j += 1
    groups: dict[int, list[int]] = {}
    for i in range(len(y)):
        groups.setdefault(find(i), []).append(i)
    return [np.stack([y[g], start[g], end[g]], axis=1) for g in groups.values()]


def hull(points: np.ndarray) -> np.ndarray:
    """Convex hull of [n 2] points, counter-clockwise (Andrew's monotone chain)."""
    p = sorted({(float(a), float(b)) for a, b in points})

    def half(seq: list[tuple[float, float]]) -> list[tuple[float, float]]:
        out: list[tuple[float, float]] = []
        for q in seq:
            while len(out) > 1 and ((out[-1][0] - out[-2][0]) * (q[1] - out[-2][1])
                                    - (out[-1][1] - out[-2][1]) * (q[0] - out[-2][0])) <= 0:
                out.pop()
            out.append(q)
        return out

    return np.array(half(p)[:-1] + half(p[::-1])[:-1])


def smallest_box(points: np.ndarray) -> tuple[np.ndarray, float, float, float]:
    """Smallest rectangle around points: centre, width, height, angle of the width's axis (-45 to 45 degrees, radians).

    One of its sides lies on a side of the convex hull.
    """
    p = hull(points)
    side = np.roll(p, -1, axis=0) - p
    angles = np.unique(np.arctan2(side[:, 1], side[:, 0]) % (math.pi / 2))
    angles = np.where(angles > math.pi / 4, angles - math.pi / 2, angles)
    c, s = np.cos(angles), np.sin(angles)
    u, v = p @ np.stack([c, s]), p @ np.stack([-s, c])  # [points angles]
    size = np.stack([np.ptp(u, axis=0), np.ptp(v, axis=0)])
    area = size[0] * size[1]
    level = int(np.argmin(np.abs(angles)))  # the raggedness of small masks tilts boxes a little: prefer the level one
    k = level if abs(angles[level]) < 0.03 and area[level] < 1.1 * area.min() else int(np.argmin(area))
    mid = np.array([u[:, k].max() + u[:, k].min(), v[:, k].max() + v[:, k].min()]) / 2
    centre = np.array([mid[0] * c[k] - mid[1] * s[k], mid[0] * s[k] + mid[1] * c[k]])
    return centre, float(size[0, k]), float(size[1, k]), float(angles[k])


def boxes(prob: np.ndarray, scale: tuple[float, float], threshold: float = 0.3, keep: float = 0.6,
          unclip: float = 1.6) -> list[np.ndarray]:
    """Corner points of the text lines in a probability map [H W], in pixels of the image (scale: image / map, x and y).

    The model predicts shrunken lines; a rectangle of area A and perimeter L grows by A * unclip / L on each side.
    """
    found = []
    for runs in components(prob > threshold):
        n = int((runs[:, 2] - runs[:, 1]).sum())
        if n < 16 or sum(float(prob[y, a:b].sum()) for y, a, b in runs) < keep * n:
            continue
        corners = [(x, y + d) for y, a, b in runs for x in (a, b) for d in (0, 1)]
        centre, w, h, angle = smallest_box(np.array(corners) * scale)
        grow = w * h * unclip / (2 * (w + h))
        if h > 1.5 * w:  # a vertical line: read it from its left side, turned by 90 degrees
            w, h, angle = h, w, angle - math.pi / 2
        ux = np.array([math.cos(angle), math.sin(angle)]) * (w / 2 + grow)
        uy = np.array([-math.sin(angle), math.cos(angle)]) * (h / 2 + grow)
        found.append(np.stack([centre - ux - uy, centre + ux - uy, centre + ux + uy, centre - ux + uy]))
    return sorted(found, key=lambda b: (round(b[:, 1].min() / 12), b[:, 0].min()))


def detect(det: Run, image: Image.Image, longest: int = 960) -> list[np.ndarray]:
    """Corner points of the lines of text on the image."""
    k = min(1.0, longest / max(image.size))
    w, h = (max(32, round(v * k / 32) * 32) for v in image.size)
    prob = det(to_input(image, w, h))[0, 0]
    return boxes(prob, (image.width / w, image.height / h))


# ---- recognition ----
def cut(image: Image.Image, box: np.ndarray) -> Image.Image:
    """The part of the image in a box, upright."""
    w = max(1, round(float(np.linalg.norm(box[1] - box[0]))))
    h = max(1, round(float(np.linalg.norm(box[3] - box[0]))))
    quad = tuple(float(v) for v in box[[0, 3, 2, 1]].ravel())
    return image.transform((w, h), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)


def upright(cls: Run, part: Image.Image) -> Image.Image:
    """The part, turned by 180 degrees when the classifier says that it is upside down.

    The classifier sees 192 x 48 pixels; of a longer line it sees both ends, because squeezed letters mislead it.
    """
    k = 48 / part.height
    ends = [part]
    if part.width * k > 192:
        n = round(192 / k)
        ends = [part.crop((0, 0, n, part.height)), part.crop((part.width - n, 0, part.width, part.height))]
    scores = []
    for end in ends:
        x = np.zeros((1, 3, 48, 192), np.float32)
        w = min(192, max(16, round(end.width * k)))
        x[:, :, :, :w] = to_input(end, w, 48)
        scores.append(float(cls(x)[0, 1]))
    return part.transpose(Image.Transpose.ROTATE_180) if np.mean(scores) > 0.6 else part


def recognise(rec: Run, characters: list[str], part: Image.Image) -> tuple[str, float]:
    """Text of a line and the mean probability of its characters. characters[0] is CTC's blank."""
    w = max(320, math.ceil(48 * part.width / part.height / 32) * 32)  # the models want padding on the right
    real = max(16, min(w, round(48 * part.width / part.height)))
    x = np.zeros((1, 3, 48, w), np.float32)
    x[:, :, :, :real] = to_input(part, real, 48)
    p = rec(x)[0]  # [steps characters]
    best = p.argmax(axis=1)
    steps = np.flatnonzero((best != 0) & (best != np.concatenate([[-1], best[:-1]])))
    if not len(steps):
        return "", 0.0
    return "".join(characters[best[i]] for i in steps), float(np.mean([p[i, best[i]] for i in steps]))


def read(det: Run, cls: Run, rec: Run, characters: list[str], image: Image.Image) -> list[Line]:
    """All lines of text on the image, from top to bottom."""
    lines = []
    for box in detect(det, image):
        text, score = recognise(rec, characters, upright(cls, cut(image, box)))
        if text and score > 0.5:
            lines.append(Line(box, text, score))
    return lines


# ---- pictures ----
SAMPLE = ["lite-runtime", "ONNX in, proven answer out", "The quick brown fox jumps over 13 lazy dogs",
          "turned a little, still readable", "this line stands upside down", "Order 66-4711: 3 x 12.50 = 37.50 EUR"]


def sample() -> Image.Image:
    """A test image with the lines of SAMPLE in several sizes; one is turned a little, one stands upside down."""
    image = Image.new("RGB", (960, 600), "#f4f1ea")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 960, 130), fill="#20394f")
    looks = [(40, 30, 60, "#ffffff", 0), (40, 165, 40, "#20394f", 0), (40, 245, 34, "#444444", 0),
             (40, 305, 34, "#8c2f1b", 5), (40, 425, 34, "#1d5c3a", 180), (40, 515, 38, "#20394f", 0)]
    for text, (x, y, size, colour, turn) in zip(SAMPLE, looks, strict=True):
        font = ImageFont.load_default(size=size)
        box = draw.textbbox((0, 0), text, font=font)
        layer = Image.new("L", (int(box[2]) + 8, int(box[3]) + 8))
        ImageDraw.Draw(layer).text((4, 4), text, font=font, fill=255)
        layer = layer.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        image.paste(Image.new("RGB", layer.size, colour), (x, y), layer)
    return image


def annotate(image: Image.Image, lines: list[Line]) -> Image.Image:
    """The image with the boxes drawn in, and beside it what was read."""
    out = Image.new("RGB", (image.width * 2, max(image.height, 40 * len(lines) + 40)), "#ffffff")
    out.paste(image.convert("RGB"))
    draw = ImageDraw.Draw(out, "RGBA")
    colours = ["#d1495b", "#00798c", "#8f6ac2", "#3c7a3f", "#c2681f", "#30638e"]
    for i, line in enumerate(lines):
        colour = colours[i % len(colours)]
        points = [tuple(float(v) for v in p) for p in line.box]
        draw.polygon(points, fill=colour + "30")
        draw.line([*points, points[0]], fill=colour, width=3, joint="curve")
        text, top = f"{line.text}   {line.score:.3f}", float(np.clip(line.box[:, 1].mean() - 14, 4, out.height - 40))
        size = 26
        while size > 10 and draw.textlength(text, ImageFont.load_default(size=size)) > image.width - 50:
            size -= 1
        draw.text((image.width + 25, top), text, fill=colour, font=ImageFont.load_default(size=size))
    draw.line([(image.width, 0), (image.width, out.height)], fill="#c0c0c0", width=2)
    return out


def main() -> int:
    """usage: ocr.py MODELS [--image IMAGE] [--out PNG]      MODELS: folder with the three converted models"""
    import argparse
    import time
    from pathlib import Path

    import lite_runtime

    ap = argparse.ArgumentParser()
    ap.add_argument("models", type=Path)
    ap.add_argument("--image", type=Path)
    ap.add_argument("--out", type=Path, default=Path("annotated.png"))
    a = ap.parse_args()
    sessions = {n: lite_runtime.Session(str(a.models / f"{n}.lrm")) for n in ("ppocr4_det", "ppocr2_cls", "ppocr4_rec")}

    def runner(name: str) -> Run:
        s = sessions[name]
        return lambda x: next(iter(s.run({s.inputs[0].name: x}).values()))

    try:
        image = Image.open(a.image).convert("RGB") if a.image else sample()
    except OSError as e:
        print(f"{a.image}: is not an image that can be read: {e}")
        return 1
    # the recogniser carries its alphabet in its metadata, one character a line; CTC's blank comes first, the space last
    characters = ["", *sessions["ppocr4_rec"].metadata["character"].split("\n"), " "]
    begin = time.perf_counter()
    lines = read(*(runner(n) for n in ("ppocr4_det", "ppocr2_cls", "ppocr4_rec")), characters, image)
    took = time.perf_counter() - begin
    print(f"\n{len(lines)} lines read in {took:.2f} s:")
    for line in lines:
        x, y = (round(float(v)) for v in line.box.mean(axis=0))
        print(f"  {line.score:.3f}  at {x:4d},{y:4d}  {line.text}")
    a.out.parent.mkdir(parents=True, exist_ok=True)
    annotate(image, lines).save(a.out)
    print(f"\nannotated image: {a.out}")
    if a.image is None:
        wrong = sorted(set(SAMPLE) - {line.text for line in lines})
        print(f"the test image has {len(SAMPLE)} lines: " + (f"not read: {wrong}" if wrong else "all read exactly"))
        return 1 if wrong else 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
