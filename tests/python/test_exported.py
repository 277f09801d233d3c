"""Models that PyTorch's exporter (dynamo=True) made, see tools/export_models.py: converted with proof, and used."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import lite_runtime

FOLDER = Path(__file__).resolve().parent.parent / "exported"
PROMPT, TOKENS = [5, 17, 60, 2], 64
STATES = {"new_keys": "keys", "new_values": "values"}
Step = Callable[[list[int], int], np.ndarray]  # some tokens and how many were before -> scores of the last one's next


def path(name: str) -> str:
    return str(FOLDER / f"{name}.onnx")


@pytest.fixture(scope="module")
def text() -> list[int]:
    """What onnxruntime writes with the decoder whose cache grows."""
    session = onnxruntime.InferenceSession(path("decoder"), providers=["CPUExecutionProvider"])
    return written(growing(lambda feeds: dict(zip(["scores", *STATES], session.run(None, feeds), strict=True))))


def growing(run: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Step:
    cache = dict.fromkeys(STATES.values(), np.zeros((2, 1, 4, 0, 8), np.float32))

    def step(tokens: list[int], before: int) -> np.ndarray:
        out = run({"tokens": np.array([tokens]), **cache})
        cache.update({i: out[o] for o, i in STATES.items()})
        assert cache["keys"].shape[3] == before + len(tokens)
        return out["scores"][0, -1]

    return step


def written(step: Step) -> list[int]:
    """The tokens that follow the prompt when always the best one is taken."""
    tokens = [int(step(PROMPT, 0).argmax())]
    while len(tokens) < TOKENS:
        tokens.append(int(step(tokens[-1:], len(PROMPT) + len(tokens) - 1).argmax()))
    return tokens


def test_text_has_variety(text: list[int]) -> None:
    assert len(set(text)) > 10  # else it would prove nothing


def test_decoder(text: list[int]) -> None:
    with lite_runtime.Session(lite_runtime.convert(path("decoder"))) as session:
        assert written(growing(session.run)) == text


def test_decoder_with_a_fixed_cache(text: list[int]) -> None:
    """The cache as inputs and outputs, then as states; one token at a time."""
    for state in ({}, STATES):
        with lite_runtime.Session(lite_runtime.convert(path("decoder_fixed"), state=state)) as session:
            cache = {} if state else dict.fromkeys(STATES.values(), np.zeros((2, 1, 4, 80, 8), np.float32))

            def step(tokens: list[int], before: int, session=session, cache=cache) -> np.ndarray:
                for i, token in enumerate(tokens):
                    out = session.run({"tokens": np.array([[token]]), "place": np.array([before + i]), **cache})
                    cache.update({i: out[o] for o, i in STATES.items() if o in out})
                return out["scores"][0, -1]

            assert written(step) == text
            assert {o.name for o in session.outputs} == ({"scores"} if state else {"scores", *STATES})


@pytest.mark.parametrize(("name", "shapes"), [
    ("cnn", [(2, 3, 32, 32), (1, 3, 50, 38)]), ("vit", [(1, 3, 32, 32), (3, 3, 32, 32)]), ("tagger", [(1, 9), (3, 4)]),
])
def test_other_models(name: str, shapes: list[tuple[int, ...]]) -> None:
    reference = onnxruntime.InferenceSession(path(name), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(3)
    with lite_runtime.Session(lite_runtime.convert(path(name))) as session:
        (port,) = session.inputs
        for shape in (*shapes, shapes[0]):
            x = rng.integers(0, 96, shape) if name == "tagger" else rng.normal(size=shape).astype(np.float32)
            got = session.run({port.name: x})
            for output, want in zip(reference.get_outputs(), reference.run(None, {port.name: x}), strict=True):
                np.testing.assert_allclose(got[output.name], want, atol=1e-5)
