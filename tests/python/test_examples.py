"""examples/: every command of its README runs, and the answers are those of onnxruntime on the source models.

Needs models from PyPI, the C toolchain and the library built in build/c; where something is missing tests are skipped,
but not with CI=true.
"""
from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+?)(?:, in [^\n]+)?\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
BUILT = ROOT / "build" / "examples"
MODELS = ROOT / "build" / "models"
PROGRAMS = ("cc", "c++", "meson", "ninja", "pkg-config", "make", "cmake")

Run = Callable[[str], str]


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{Path(path).stem}_of_examples", ROOT / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def commands(section: str) -> list[str]:
    return [line[2:] for block in re.findall(r"^```console\n(.*?)^```$", SECTIONS[section], re.M | re.S)
            for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs a section's commands in one shell, in the checkout, behind the exports of the first: what the last one
    printed."""
    absent = [p for p in PROGRAMS if not shutil.which(p)]
    if absent:
        pytest.skip(f"missing: {', '.join(absent)}")
    env = dict(os.environ, PATH=str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    exports = [c for c in commands("First") if c.startswith("export ")]

    @functools.cache
    def of(section: str) -> str:
        *before, last = commands(section)
        fetches = [c for c in before if c.startswith("python3 tools/models.py")]
        for command in fetches:
            r = subprocess.run(command, shell=True, env=env, cwd=ROOT, capture_output=True, text=True)
            if r.returncode:
                pytest.skip(f"missing: {r.stderr.strip()}")
        script = "\n".join(["set -e", *exports, "exec 3>&1 1>&2", *(c for c in before if c not in fetches),
                            "exec 1>&3", last])
        r = subprocess.run(["bash", "-c", script], env=env, cwd=ROOT, capture_output=True, text=True)
        assert r.returncode == 0, f"{section}\n{r.stdout}{r.stderr}"
        return r.stdout

    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)  # with pytest -n two workers may have tests of this file
        of("First")
        yield of


def shown(section: str) -> str:
    """What the README says is printed."""
    return "".join(f"{line[4:]}\n" for line in SECTIONS[section].splitlines() if line.startswith("    "))


def reference(name: str) -> onnxruntime.InferenceSession:
    """Without its graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(MODELS / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])


def numbers(text: str) -> np.ndarray:
    return np.array(re.findall(r"-?\d+\.\d+", text), float)


def scaled(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle of a picture whose shorter side becomes 8/7 of size, linearly interpolated, by matrices."""
    scale = size * 8 / 7 / min(picture.shape[:2])

    def matrix(n: int) -> np.ndarray:
        first = (round(n * scale) - size) // 2
        at = np.clip((np.arange(size) + first + 0.5) / scale - 0.5, 0, n - 1)
        return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n)))  # hat functions

    rows = np.tensordot(matrix(picture.shape[0]), picture, 1)  # [size width 3]
    return np.rint(matrix(picture.shape[1]) @ rows)


def test_classification(run: Run) -> None:
    out = run("Classification")
    x = scaled(np.asarray(Image.open(BUILT / "page_180.ppm"), np.float64), 224)
    x = ((x - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]).astype(np.float32).transpose(2, 0, 1)[None]
    (want,) = reference("pplcnet_orient").run(None, {"x": x})
    np.testing.assert_allclose(numbers(out), want[0], atol=2e-3)  # a byte in a thousand is rounded to the other side
    assert [line.split()[0] for line in out.splitlines()] == ["0", "90", "180", "270"] and want[0].argmax() == 2
    np.testing.assert_allclose(numbers(shown("Classification")), want[0], atol=2e-3)


def test_detection(run: Run) -> None:
    out = run("Detection")
    detect, session = load("examples/detect.py"), reference("ddddocr_det")

    def by_reference(x: np.ndarray) -> np.ndarray:
        return session.run(None, {"images": x[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)})[0]

    picture = Image.open(BUILT / "page.png")
    boxes = detect.detect(by_reference, picture)
    want = np.array([(b.score, b.left, b.top, b.right, b.bottom) for b in boxes])
    assert len(want) > 4
    np.testing.assert_allclose(numbers(out).reshape(-1, 5), want, atol=0.06)
    drawn = np.asarray(Image.open(BUILT / "boxes.png"))
    assert drawn.shape == (*picture.size[::-1], 3) and (drawn != np.asarray(picture)).any()


def test_suppression() -> None:
    """Of boxes that overlap by more than the limit the best stays; others stay all."""
    detect = load("examples/detect.py")
    corners = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [0, 0, 10, 30], [50, 50, 60, 60]], float)
    assert detect.best(corners, np.array([0.5, 0.9, 0.6, 0.7])) == [1, 3, 2]


def test_reading(run: Run) -> None:
    out = run("Reading text")
    lines = [re.split(r"  at +\d+, *\d+  ", line)[1] for line in out.splitlines() if " at " in line]
    assert sorted(lines) == sorted(load("tools/ocr.py").SAMPLE)


def spoken(probabilities: list[float]) -> list[tuple[int, int]]:
    """First and end piece of each segment: from 0.5 on, to before four in a row below 0.35."""
    low = "".join("q" if p < 0.35 else "s" if p >= 0.5 else "m" for p in probabilities)
    return [(m.start(), m.end()) for m in re.finditer(r"s(?:q{0,3}[sm])*", low)]


def test_voice(run: Run) -> None:
    out = run("Voice activity")
    with wave.open(str(BUILT / "speech.wav")) as f:
        samples = np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / 32768
    samples = np.concatenate([np.zeros(64, np.float32), samples, np.zeros(-len(samples) % 512, np.float32)])
    session, state, heard = reference("silero_v6_ifless"), np.zeros((2, 1, 128), np.float32), []
    for at in range(0, len(samples) - 64, 512):
        p, state = session.run(None, {"input": samples[None, at:at + 576], "sr": np.array(16000), "state": state})
        heard.append(float(p[0, 0]))
    want = np.array(spoken(heard)) * 512 / 16000
    np.testing.assert_allclose(numbers(out).reshape(-1, 2), want, atol=1e-3)
    assert out == shown("Voice activity")
    np.testing.assert_allclose(want, load("examples/inputs.py").SPOKEN, atol=0.15)


def test_embeddings(run: Run) -> None:
    out = run("Sentence embeddings")
    embed, session = load("examples/embed.py"), reference("minilm_l3")
    tokenizer = embed.Tokenizer(MODELS / "bert_tokenizer.json")
    # one at a time: nothing is filled up
    rows = [session.run(["461"], embed.batch([tokenizer.encode(s)]))[0] for s in embed.SENTENCES]
    unit = np.concatenate(rows) / np.linalg.norm(np.concatenate(rows), axis=1, keepdims=True)
    for text in (out, shown("Sentence embeddings")):
        np.testing.assert_allclose(numbers(text).reshape(5, 5), unit @ unit.T, atol=6e-4)


# by Hugging Face's tokenizers 0.23.3 from the same file
IDS = {
    "A man is eating food.": [101, 1037, 2158, 2003, 5983, 2833, 1012, 102],
    "Crème brûlée & œufs: 3 x 12.50€!": [101, 13675, 21382, 7987, 9307, 2063, 1004, 1107, 16093, 2015, 1024, 1017, 1060,
                                         2260, 1012, 2753, 30102, 999, 102],
    "unbelievably-ungooglable\tsnake_case\n(naïve)": [101, 4895, 8671, 2666, 3567, 6321, 1011, 4895, 3995, 8649, 20470,
                                                      2571, 7488, 1035, 2553, 1006, 15743, 1007, 102],
    "日本語 and 中文": [101, 1864, 1876, 1950, 1998, 1746, 1861, 102],
    "xqzzwv " + "a" * 101: [101, 1060, 4160, 13213, 2860, 2615, 100, 102],
    "don't ... $5 ~ `q` ^ |": [101, 2123, 1005, 1056, 1012, 1012, 1012, 1002, 1019, 1066, 1036, 1053, 1036, 1034, 1064,
                               102],
    "": [101, 102],
}


def test_tokens(run: Run) -> None:
    run("Sentence embeddings")
    tokenizer = load("examples/embed.py").Tokenizer(MODELS / "bert_tokenizer.json")
    assert {text: tokenizer.encode(text) for text in IDS} == IDS


def test_generation(run: Run) -> None:
    out = run("Generating tokens")
    session = onnxruntime.InferenceSession(str(ROOT / "tests" / "exported" / "decoder_fixed.onnx"),
                                           providers=["CPUExecutionProvider"])
    keys = values = np.zeros((2, 1, 4, 80, 8), np.float32)
    prompt, tokens = [5, 17, 60, 2], []
    for i in range(4 + 12 - 1):
        token = prompt[i] if i < 4 else tokens[-1]
        scores, keys, values = session.run(None, {"tokens": np.array([[token]]), "place": np.array([i]), "keys": keys,
                                                  "values": values})
        tokens += [int(scores[0, -1].argmax())] if i >= 3 else []
    assert [int(t) for t in out.split()] == tokens
    assert out == shown("Generating tokens")


def test_projects(run: Run) -> None:
    run("Generating tokens")
    assert run("Projects to copy").split("\n")[0] == "input tokens, rank 2"


def test_every_example_is_here() -> None:
    files = {p.name for p in (ROOT / "examples").iterdir()} - {"README.md", "__pycache__"}
    told = "\n".join(command for section in SECTIONS for command in commands(section))
    assert [f for f in sorted(files) if f"examples/{f}" not in told] == []


@pytest.mark.parametrize(("program", "arguments", "sentence"), [
    ("classify", ["orient.lrm", "page.png"], "is not a whole binary PPM"),
    ("classify", ["decoder.lrm", "page_180.ppm"], "convert it with --input"),
    ("classify", ["none.lrm", "page_180.ppm"], "none.lrm"),
    ("voice", ["silero.lrm", "page.png"], "is not a WAV file"),
    ("voice", ["orient.lrm", "speech.wav"], "has no state"),
    ("generate", ["decoder.lrm", "90", "5"], "ask for fewer tokens"),
    ("generate", ["decoder.lrm", "2", "96"], "is not one of the model's"),
    ("generate", ["orient.lrm", "2", "5"], "convert it with --state"),
])
def test_errors(run: Run, program: str, arguments: list[str], sentence: str) -> None:
    for section in ("Classification", "Voice activity", "Generating tokens"):
        run(section)
    env = dict(os.environ, LD_LIBRARY_PATH=str(ROOT / "build" / "out" / "lib"))
    r = subprocess.run([BUILT / program, *arguments], cwd=BUILT, env=env, capture_output=True, text=True)
    assert r.returncode == 1 and sentence in r.stderr, r.stderr
