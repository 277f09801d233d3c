"""What a real model is run on: sizes and values of its inputs. Needs onnxruntime."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ocr
import onnxruntime

from lite_runtime.converter import feeds as fill

Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]
FAINT = 0.1
IDS = (2000, 100, 10)  # the largest ids to try: a model's tables of words have some size


@dataclass(frozen=True)
class Case:
    """What to run a model on. sizes: shapes of the inputs, run in turn; after them the first again. kind: what the
    inputs hold, 'noise', 'faint' (less of it: deep networks with random weights blow up the rounding errors of large
    inputs), 'text' (images of it) or 'voice': on noise a text or speech detector finds nothing, and the reference's
    output is the error of its last sigmoid.

    set, state, dim: options of convert; a model with states runs `calls` times at each size, from zero states.
    ids: integers of the inputs are smaller.
    """

    sizes: tuple[Shapes, ...]
    set: dict[str, Any] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    dim: dict[str, int] = field(default_factory=dict)
    calls: int = 1
    kind: str = "noise"
    ids: int = IDS[0]


def images(*sizes: tuple[int, ...]) -> Case:
    return Case(tuple({"x": s} for s in sizes), kind="text")


def tokens(*sizes: tuple[int, int]) -> Case:
    return Case(tuple({"input_ids": s, "attention_mask": s} for s in sizes))


def voices(*lengths: int, **options: dict[str, Any]) -> Case:
    return Case(tuple({"input": (1, n)} for n in lengths), calls=20, kind="voice", **options)


CASES = {
    "ppocr4_det": images((1, 3, 320, 320), (1, 3, 288, 416)),
    "ppocr4_rec": images((1, 3, 48, 320), (2, 3, 48, 200)),
    "ppocr2_cls": images((1, 3, 48, 192), (2, 3, 48, 100)),
    "minilm_l3": tokens((1, 16), (2, 37)),
    "silero_v6_ifless": voices(576, 640, set={"sr": 16000}, state={"stateN": "state"}),
    "silero_v6_openvino": voices(576, state={"stateN": "state"}),
    "silero_v6_seq": voices(576, state={"hn": "h", "cn": "c"}),
    # what its branches give depends on the size
    "silero_v6_16k_op15": voices(576, set={"sr": 16000}, state={"stateN": "state"}, dim={"batch": 1, "sequence": 576}),
    "silero_v4": voices(512, 1536, set={"sr": 16000}, state={"hn": "h", "cn": "c"}),
}
NUMPY = {"tensor(float)": "float32", "tensor(double)": "float64"}  # else the name between the brackets


def numpy_dtype(ort_type: str) -> np.dtype:
    return np.dtype(NUMPY.get(ort_type, ort_type[7:-1]))


def guess(session: onnxruntime.InferenceSession, first: Shapes | None) -> Case:
    """`first` (one that is found, when None) and another size that the model takes; one size when its inputs are fixed.
    RuntimeError when none is found."""
    ports = [fill.Port(i.name, numpy_dtype(i.type), tuple(i.shape)) for i in session.get_inputs()]
    found = [] if first is None else [first]
    for shapes in fill.sizes(ports, {}):
        if len(found) == (2 if any(p.dynamic for p in ports) else 1):
            break
        if shapes not in found and _takes(session, fill.make(ports, shapes, 1, "small")):
            found.append(shapes)
    if not found:
        raise RuntimeError("no input sizes were found that onnxruntime takes; give them with --shapes")
    ids = (n for n in IDS if _takes(session, inputs(session, Case((), ids=n), found[0], 7)))
    return Case(tuple(found), ids=next(ids, 2))


def _takes(session: onnxruntime.InferenceSession, values: Arrays) -> bool:
    try:
        session.run(None, values)
        return True
    except Exception:  # whatever onnxruntime raises on sizes or ids that the model cannot take
        return False


def text_image(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """[N 3 H W] parts of the demo's image: lines of text for low shapes, the whole image for others."""
    image, (n, _, h, w) = ocr.sample(), shape
    parts = []
    for i in range(n):
        top = (165, 245, 515)[(seed + i) % 3]
        parts.append(image.crop((40, top, 40 + 45 * w // h, top + 45)) if h < 100 else image)
    return np.concatenate([ocr.to_input(p, w, h) for p in parts])


def voice(shape: tuple[int, ...], part: int, rate: int = 16000) -> np.ndarray:
    """[1 N] samples, part `part` of an endless vowel: harmonics of about 120 Hz under two formants, a little noise."""
    n = shape[-1]
    t = (np.arange(n) + part * n) / rate
    phase = 2 * np.pi * 120 * t - 5 * np.cos(2 * np.pi * 3 * t)
    x = np.zeros(n)
    for k in range(1, 30):
        formants = np.exp(-(((k * 120 - 700) / 500) ** 2)) / k + np.exp(-(((k * 120 - 2200) / 400) ** 2)) / 2
        x += np.sin(k * phase) * formants
    x *= 0.1 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    return (x + 0.003 * np.random.default_rng(part).standard_normal(n)).astype(np.float32).reshape(shape)


FILLS = {"text": text_image, "voice": voice}


def inputs(session: onnxruntime.InferenceSession, case: Case, shapes: Shapes, seed: int) -> Arrays:
    """Seeded values: floats are normal (or text, or voice), integers are ids, masks end in a few zeros."""
    rng = np.random.default_rng(seed)
    types = {i.name: numpy_dtype(i.type) for i in session.get_inputs()}
    out: Arrays = {}
    for name, shape in shapes.items():
        dtype = types[name]
        if case.kind in FILLS:
            out[name] = FILLS[case.kind](shape, seed)
        elif dtype.kind == "f":
            out[name] = (rng.standard_normal(shape) * (FAINT if case.kind == "faint" else 1)).astype(dtype)
        elif "mask" in name:
            out[name] = np.ones(shape, dtype)
            out[name][..., shape[-1] - shape[-1] // 4:] = 0
        else:
            out[name] = rng.integers(0, case.ids if dtype.itemsize > 1 else 100, shape).astype(dtype)
    return out
