"""Writes what the examples read: page.png, the demo's picture with six lines of text; page_180.ppm, the same upside
down; speech.wav, five seconds of silence with two passages of an artificial voice.

usage: inputs.py FOLDER      needs lite_runtime, numpy, Pillow and onnxruntime
"""
from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import model_cases
import ocr

RATE = 16000
SPOKEN = ((0.8, 2.0), (3.2, 4.4))  # seconds


def speech() -> np.ndarray:
    """16-bit samples."""
    x = 0.001 * np.random.default_rng(1).standard_normal(5 * RATE)
    for i, (begin, end) in enumerate(SPOKEN):
        n = round((end - begin) * RATE)
        fade = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.02 * RATE))
        x[round(begin * RATE):][:n] += fade * model_cases.voice((n,), i)
    return (np.clip(x, -1, 1) * 32767).astype("<i2")


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    page = ocr.sample()
    page.save(folder / "page.png")
    page.rotate(180).save(folder / "page_180.ppm")
    with wave.open(str(folder / "speech.wav"), "wb") as f:
        f.setparams((1, 2, RATE, 0, "NONE", ""))
        f.writeframes(speech().tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
