#!/usr/bin/env python3
"""Pictures to inputs: lite_runtime.image against OpenCV's steps, alternately, one thread each.

usage: image.py [--runs N]      needs opencv-python-headless
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from lite_runtime import image

MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)
FRAME, SIZE = (1280, 720), (320, 320)
COLOURS = {"nv21": cv2.COLOR_YUV2RGB_NV21, "i420": cv2.COLOR_YUV2RGB_I420, "rgba": cv2.COLOR_RGBA2RGB, "rgb": None}


def resized(frame: np.ndarray, format: str, rotate: int) -> np.ndarray:
    code = COLOURS[format]
    a = (frame if code is None else cv2.cvtColor(frame, code))[:, 280:1000]
    return cv2.resize(cv2.rotate(a, cv2.ROTATE_90_CLOCKWISE) if rotate else a, SIZE)


def opencv(frame: np.ndarray, format: str, layout: str, dtype: Any, rotate: int) -> np.ndarray:
    """The fastest of several ways to normalise."""
    a = resized(frame, format, rotate)
    if dtype == np.uint8:
        return a
    if layout == "nhwc":
        y = cv2.subtract(a, (*MEAN, 0), dtype=cv2.CV_32F)
        return cv2.multiply(y, (*(1 / s for s in STD), 0), dst=y)
    planes = np.empty((3, *SIZE), np.float32)
    for c, p in enumerate(cv2.split(a)):
        np.subtract(p, np.float32(MEAN[c]), out=planes[c])
        planes[c] *= np.float32(1 / STD[c])
    return planes


def no_normalisation(frame: np.ndarray, format: str, layout: str, dtype: Any, rotate: int) -> np.ndarray:
    return resized(frame, format, rotate).astype(np.float32)


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for run, into in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            run()
            into.append(1e3 * (time.perf_counter() - start))
    a, b = (float(np.median(t)) for t in times)
    print(f"{name:42s} {a:8.3f} ms {b:8.3f} ms {a / b:8.2f}", flush=True)


def main() -> None:
    ap = argparse.ArgumentParser()
    ap.add_argument("--runs", type=int, default=150, metavar="N")
    runs = ap.parse_args().runs
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    print(f"{'':42s} {'ours':>11s} {'OpenCV':>11s} {'ratio':>8s}")
    cases = [("nv21", layout, dtype, rotate) for rotate in (0, 90)
             for layout, dtype in (("nhwc", np.float32), ("nchw", np.float32), ("nhwc", np.uint8))]
    cases += [(format, "nchw", np.float32, 0) for format in ("i420", "rgba", "rgb")]
    for format, layout, dtype, rotate in cases:
        channels = {"rgba": (4,), "rgb": (3,)}.get(format)
        shape = (FRAME[1], FRAME[0], *channels) if channels else (FRAME[1] * 3 // 2, FRAME[0])
        frame = rng.integers(0, 256, shape, np.uint8)
        normal: dict[str, Any] = {} if dtype == np.uint8 else {"mean": MEAN, "std": STD}
        plan = image.Plan(format, FRAME, SIZE, fit="crop", layout=layout, dtype=dtype, rotate=rotate, **normal)
        out = np.empty(plan.shape, dtype)

        def ours(plan: image.Plan = plan, frame: np.ndarray = frame, out: np.ndarray = out) -> object:
            return plan.run(frame, out)

        what = (frame, format, layout, dtype, rotate)
        name = f"{format} {layout} {np.dtype(dtype)}" + (f", rotated by {rotate}" if rotate else "")
        compare(name, ours, lambda what=what: opencv(*what), runs)  # type: ignore[misc]
        if (format, layout, dtype) == ("nv21", "nhwc", np.float32):
            compare(name + ", OpenCV without mean", ours, lambda what=what: no_normalisation(*what),  # type: ignore[misc]
                    runs)


if __name__ == "__main__":
    main()
