#!/usr/bin/env python3
"""Make docs/report.png: a picture of the report of PP-OCR's detector, in a headless Chromium (apt install chromium).

usage: screenshot.py [--model ONNX] [--out PNG]      needs lite-runtime, onnxruntime and pillow
"""
from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import Browser

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 200_000


def picture(page: Path) -> bytes:
    """The top of a report in light and its memory and times in dark, as a PNG of few colours."""
    from PIL import Image

    parts = []
    with Browser(1200, 860) as b:
        b.open(page)
        b.js("document.getElementById('search').focus()")
        b.type("p2o.Conv.23")
        b.key("Enter")
        b.key("Escape")
        b.js("document.querySelector('header').style.position = 'static', document.activeElement.blur(), "
             "document.getElementById('stage').style.height = '500px', scrollTo(0, 0)")
        parts.append(b.screenshot())
    with Browser(1200, 830, dark=True) as b:
        b.open(page)
        b.js("document.querySelector('header').remove(), document.documentElement.style.scrollPaddingTop = '0', "
             "document.getElementById('memory').scrollIntoView()")
        parts.append(b.screenshot())
    images = [Image.open(io.BytesIO(p)).convert("RGB") for p in parts]
    whole = Image.new("RGB", (images[0].width, sum(i.height for i in images)))
    for k, image in enumerate(images):
        whole.paste(image, (0, sum(i.height for i in images[:k])))
    out = io.BytesIO()
    whole.quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", type=Path, help="default: ppocr4_det of tools/models.py")
    ap.add_argument("--out", type=Path, default=ROOT / "docs" / "report.png")
    a = ap.parse_args()
    if not a.model:
        import models

        a.model = models.fetch(["ppocr4_det"])["ppocr4_det"]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        command = ["report", a.model, "--shape", "x=1,3,640,640", "--bench", "--compare", "--timeout", 600, "-o", page]
        code = "from lite_runtime.converter.cli import main; main()"
        r = subprocess.run([sys.executable, "-c", code, *map(str, command)])
        if r.returncode:
            return r.returncode
        data = picture(page)
    a.out.write_bytes(data)
    print(f"{a.out.name}: {len(data)} bytes")
    return int(len(data) > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
